//! Registering APIs and changing them.

use serde_json::Value;

use super::{AdminError, Answer, By, Page, merge_patch, page_size};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::rejection::Rejection;
use crate::model::api::Api;
use crate::model::audit::{AuditEntry, Event};
use crate::oauth::api_metadata::{self, ApiMetadata};
use crate::storage::{ApiDeletion, api_details};

/// How often a change is tried again after another one has come between.
const TRIES: u32 = 3;
/// So many clients are named that stand in the way of a deletion.
const NAMED: usize = 10;

/// An API to register.
#[derive(Clone, Debug)]
pub struct CreateApi {
    /// Its audience: what stands in `aud`, and what `resource` names.
    pub audience: String,
    /// The rest.
    pub metadata: ApiMetadata,
}

/// How metadata changes.
#[derive(Clone, Debug)]
pub enum ApiChange {
    /// The new metadata, whole.
    Replace(Box<ApiMetadata>),
    /// A JSON merge patch (RFC 7396) on the present metadata.
    Merge(Value),
}

/// Registers an API.
///
/// # Errors
/// An audience or metadata that cannot be, an audience that is taken, or a fault.
pub async fn create(op: &Provider, by: &By<'_>, request: CreateApi) -> Answer<Api> {
    api_metadata::check_audience(&request.audience)?;
    not_the_issuer(op, &request.audience)?;
    request.metadata.validate()?;
    check_algorithm(op, &request.metadata)?;
    let api = Api {
        audience: request.audience,
        metadata: request.metadata,
        created_at: by.now,
        updated_at: by.now,
    };
    op.store.create_api(&api, &entry(op, by, Event::ApiCreated, &api.audience)?).await?;
    op.clients.forget();
    Ok(api)
}

/// The API with this audience.
///
/// # Errors
/// No such API, or a fault.
pub async fn show(op: &Provider, audience: &str) -> Answer<Api> {
    op.store.api(audience).await?.ok_or(AdminError::NotFound("API"))
}

/// APIs in the order of their audiences; `after` is the last one of the page before.
///
/// # Errors
/// A fault.
pub async fn list(op: &Provider, after: Option<&str>, limit: u32) -> Answer<Page<Api, String>> {
    let limit = page_size(limit);
    Ok(Page::cut(op.store.apis(after, limit + 1).await?, limit, |api| api.audience.clone()))
}

/// Changes an API's metadata. `expected` is its `updated_at` as the caller read it, if that matters.
///
/// # Errors
/// No such API, metadata that cannot be, [`AdminError::Changed`], or a fault.
pub async fn update(
    op: &Provider,
    by: &By<'_>,
    audience: &str,
    change: &ApiChange,
    expected: Option<Timestamp>,
) -> Answer<Api> {
    for _ in 0..TRIES {
        let api = show(op, audience).await?;
        if expected.is_some_and(|expected| expected != api.updated_at) {
            return Err(AdminError::Changed);
        }
        let metadata = changed(&api.metadata, change)?;
        check_algorithm(op, &metadata)?;
        if metadata == api.metadata {
            return Ok(api);
        }
        let entry = entry(op, by, Event::ApiUpdated, audience)?;
        if op.store.change_api(audience, (&metadata, api.updated_at), by.now, &entry).await? {
            op.clients.forget();
            return show(op, audience).await;
        }
    }
    Err(AdminError::Changed)
}

/// Removes an API that no client may ask for any more.
///
/// # Errors
/// No such API, clients that name it, or a fault.
pub async fn delete(op: &Provider, by: &By<'_>, audience: &str) -> Answer<()> {
    let deletion = op.store.delete_api(audience, &entry(op, by, Event::ApiDeleted, audience)?).await?;
    op.clients.forget();
    match deletion {
        ApiDeletion::Deleted => Ok(()),
        ApiDeletion::Absent => Err(AdminError::NotFound("API")),
        ApiDeletion::Named(clients) => {
            let more = if clients.len() > NAMED { " and others" } else { "" };
            let named: Vec<_> = clients.into_iter().take(NAMED).collect();
            Err(AdminError::conflict(
                "audience",
                format!(
                    "Clients have it as an audience: {}{more}. Take it from them first.",
                    named.join(", ")
                ),
            ))
        }
    }
}

/// The audiences among these that no API has yet: what registering a client for them registers too.
///
/// # Errors
/// A fault.
pub async fn unregistered(op: &Provider, audiences: &[String]) -> Answer<Vec<String>> {
    let mut unknown = Vec::new();
    for audience in audiences {
        if op.store.api(audience).await?.is_none() {
            unknown.push(audience.clone());
        }
    }
    Ok(unknown)
}

/// A token whose audience is this server itself opens `/userinfo` and nothing else (RFC 9068 §2.2).
///
/// # Errors
/// That the audience is the issuer.
pub(super) fn not_the_issuer(op: &Provider, audience: &str) -> Answer<()> {
    if audience == op.policy.issuer.as_str() {
        return Err(AdminError::invalid(
            "audience",
            "This is the issuer itself, which is no API. Choose the API's own URI.",
        ));
    }
    Ok(())
}

/// An API may ask only for algorithms that this deployment has keys for; any other would fail at the first token.
fn check_algorithm(op: &Provider, metadata: &ApiMetadata) -> Answer<()> {
    let Some(algorithm) = &metadata.signing_alg else { return Ok(()) };
    if op.policy.keys.algorithms.iter().any(|known| known.as_str() == algorithm) {
        return Ok(());
    }
    Err(AdminError::invalid(
        "signing_alg",
        "This server has no key of this algorithm. Add it to keys.further_algorithms first.",
    ))
}

fn changed(metadata: &ApiMetadata, change: &ApiChange) -> Answer<ApiMetadata> {
    match change {
        ApiChange::Replace(metadata) => {
            metadata.validate()?;
            Ok(metadata.as_ref().clone())
        }
        ApiChange::Merge(patch) => {
            if !patch.is_object() {
                return Err(AdminError::invalid("api", "A change of metadata is a JSON object."));
            }
            let present = serde_json::to_value(metadata).map_err(|error| Rejection::fault(&error))?;
            Ok(ApiMetadata::from_json(&merge_patch::apply(present, patch))?)
        }
    }
}

fn entry(op: &Provider, by: &By<'_>, event: Event, audience: &str) -> Answer<AuditEntry> {
    Ok(by.audit(op, event)?.details(api_details(audience)))
}
