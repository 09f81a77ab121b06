//! Registering clients and changing them.

use std::time::Duration;

use serde_json::Value;

use super::{AdminError, Answer, By, Page, merge_patch, page_size};
use crate::clock::Timestamp;
use crate::fetch::Behalf;
use crate::flow::Provider;
use crate::flow::rejection::{Outcome, Rejection};
use crate::flow::{sector, subject};
use crate::model::audit::Event;
use crate::model::client::Client;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::client_metadata::{ClientMetadata, MetadataProblem};
use crate::oauth::registration::Registered;
use crate::secret::{ClientId, ClientSecret, ClientSecretHash};
use crate::storage::ClientChange;

/// How long a former secret stays good unless the operator says otherwise.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// How long a former secret may stay good.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);
/// Client secrets begin so.
const SECRET_PREFIX: &str = "ssc_";
/// How often a change is tried again after another one has come between.
const TRIES: u32 = 3;

/// A client to register.
#[derive(Clone, Debug)]
pub struct CreateClient {
    /// Its id; a random one if `None`.
    pub id: Option<String>,
    /// Its metadata.
    pub metadata: ClientMetadata,
}

/// A registered client, and the only time its secret is shown.
#[derive(Debug)]
pub struct Created {
    /// The client.
    pub client: Client,
    /// Its secret; `None` for one that has none.
    pub secret: Option<ClientSecret>,
}

/// How metadata changes.
#[derive(Clone, Debug)]
pub enum MetadataChange {
    /// The new metadata, whole.
    Replace(Box<ClientMetadata>),
    /// A JSON merge patch (RFC 7396) on the present metadata.
    Merge(Value),
}

/// A new secret, shown this once.
#[derive(Debug)]
pub struct RotatedSecret {
    /// The client.
    pub client: Client,
    /// The new secret.
    pub secret: ClientSecret,
    /// Until when the former secret is good too; `None` where there was none, or it is good no more.
    pub previous_valid_until: Option<Timestamp>,
}

/// Registers a client.
///
/// # Errors
/// An id or metadata that cannot be, an id that is taken, or a fault.
pub async fn create(op: &Provider, by: &By<'_>, request: CreateClient) -> Answer<Created> {
    request.metadata.validate()?;
    check_deployment(op, &request.metadata, &[])?;
    sector::check(op, &request.metadata, &Behalf::Operator).await?;
    let created = make(op, by, request)?;
    let entry = by.audit(op, Event::ClientCreated)?.client(&created.client.id);
    op.store.create_client(&created.client, &entry).await?;
    op.clients.forget();
    Ok(created)
}

/// A new client with its secret, which nobody knows yet: it is still to be stored. The metadata are valid, such as this
/// deployment can have, and of the sector that they name.
///
/// # Errors
/// An id that cannot be, or a fault.
pub(in crate::flow) fn make(op: &Provider, by: &By<'_>, request: CreateClient) -> Answer<Created> {
    let id = match request.id {
        Some(id) => checked_id(&id)?,
        None => random_id(op)?,
    };
    let secret = IssuedSecret::of(op, &id, &request.metadata)?;
    let client = Client {
        id,
        metadata: request.metadata,
        secret: secret.as_ref().map(|secret| secret.hash.clone()),
        previous_secret: None,
        sealed_secret: secret.as_ref().and_then(|secret| secret.sealed.clone()),
        registered: Registered::Operator,
        registration_token: None,
        fetched_until: None,
        disabled_at: None,
        created_at: by.now,
        updated_at: by.now,
    };
    Ok(Created { client, secret: secret.map(|secret| secret.plain) })
}

/// A secret that has just been made, and what of it is kept.
#[derive(Debug)]
pub(in crate::flow) struct IssuedSecret {
    /// The secret, to be shown once.
    pub(in crate::flow) plain: ClientSecret,
    /// Its hash.
    pub(in crate::flow) hash: ClientSecretHash,
    /// The secret itself, sealed: for `client_secret_jwt` alone, where it is the key of a MAC.
    pub(in crate::flow) sealed: Option<Vec<u8>>,
}

impl IssuedSecret {
    /// A new secret for a client; `None` where its method needs none.
    ///
    /// # Errors
    /// No randomness, or a fault.
    pub(in crate::flow) fn of(
        op: &Provider,
        id: &ClientId,
        metadata: &ClientMetadata,
    ) -> Outcome<Option<Self>> {
        let method = metadata.token_endpoint_auth_method;
        if !method.has_secret() {
            return Ok(None);
        }
        let plain = ClientSecret::new(op.entropy.secret(SECRET_PREFIX)?);
        let sealed = match method {
            AuthMethod::ClientSecretJwt => {
                Some(op.secrets.client_secrets.seal(id, &plain, op.entropy.as_ref())?)
            }
            _ => None,
        };
        Ok(Some(Self { hash: ClientSecretHash::from(&plain), plain, sealed }))
    }
}

/// What depends on this deployment, not on the metadata alone. An audience that the client had before stays allowed, or
/// nothing else of such a client could be changed.
pub(in crate::flow) fn check_deployment(
    op: &Provider,
    metadata: &ClientMetadata,
    former_audience: &[String],
) -> Answer<()> {
    let mut new = metadata.audience.iter().filter(|audience| !former_audience.contains(audience));
    new.try_for_each(|audience| super::apis::not_the_issuer(op, audience))?;
    check_algorithms(op, metadata)
}

/// An operator's client brings its APIs about; one that registered itself may only name what is there.
async fn check_named(op: &Provider, client: &Client, metadata: &ClientMetadata) -> Answer<()> {
    if client.registered == Registered::Operator {
        return Ok(());
    }
    match super::apis::unregistered(op, &metadata.audience).await?.first() {
        None => Ok(()),
        Some(unknown) => Err(AdminError::invalid(
            "audience",
            format!("No API is registered with the audience {unknown}. Register it first."),
        )),
    }
}

/// A client may ask only for algorithms that this deployment has keys for; any other would fail at the first token.
pub(in crate::flow) fn check_algorithms(op: &Provider, metadata: &ClientMetadata) -> Answer<()> {
    let asked = [
        ("id_token_signed_response_alg", &metadata.id_token_signed_response_alg),
        ("access_token_signed_response_alg", &metadata.access_token_signed_response_alg),
        ("userinfo_signed_response_alg", &metadata.userinfo_signed_response_alg),
    ];
    for (field, algorithm) in asked {
        let Some(algorithm) = algorithm else { continue };
        if !op.policy.keys.algorithms.iter().any(|known| known.as_str() == algorithm) {
            return Err(AdminError::invalid(
                field,
                "This server has no key of this algorithm. Add it to keys.further_algorithms first.",
            ));
        }
    }
    Ok(())
}

/// To a client that asked again, every user would be somebody else (OpenID Connect Core §8).
///
/// # Errors
/// What would change them, and what to do instead.
pub(in crate::flow) fn check_subjects(
    op: &Provider,
    before: &ClientMetadata,
    after: &ClientMetadata,
) -> Result<(), MetadataProblem> {
    if subject::stays(&op.policy.browser, before, after) {
        return Ok(());
    }
    let (field, remedy) = if before.subject_type == after.subject_type {
        (
            "sector_identifier_uri",
            "The change would give the client another sub for every user. Register a sector_identifier_uri at the host \
             that the redirect URIs had, or register a new client.",
        )
    } else {
        ("subject_type", "The subject_type is fixed at registration. Register a new client.")
    };
    Err(MetadataProblem::new(field, remedy))
}

/// The client with this id.
///
/// # Errors
/// No such client, or a fault.
pub async fn show(op: &Provider, id: &ClientId) -> Answer<Client> {
    op.store.client(id).await?.ok_or(AdminError::NotFound("client"))
}

/// Clients in the order of their ids; `after` is the last client of the page before.
///
/// # Errors
/// A fault.
pub async fn list(op: &Provider, after: Option<&ClientId>, limit: u32) -> Answer<Page<Client, ClientId>> {
    let limit = page_size(limit);
    Ok(Page::cut(op.store.clients(after, limit + 1).await?, limit, |client| client.id.clone()))
}

/// Changes a client's metadata. `expected` is its `updated_at` as the caller read it, if that matters.
///
/// # Errors
/// No such client, metadata that cannot be, [`AdminError::Changed`], or a fault.
pub async fn update(
    op: &Provider,
    by: &By<'_>,
    id: &ClientId,
    change: &MetadataChange,
    expected: Option<Timestamp>,
) -> Answer<Client> {
    for _ in 0..TRIES {
        let client = show(op, id).await?;
        if expected.is_some_and(|expected| expected != client.updated_at) {
            return Err(AdminError::Changed);
        }
        let metadata = changed(&client.metadata, change)?;
        check_deployment(op, &metadata, &client.metadata.audience)?;
        check_named(op, &client, &metadata).await?;
        if metadata == client.metadata {
            return Ok(client);
        }
        check_subjects(op, &client.metadata, &metadata)
            .map_err(|problem| AdminError::conflict(problem.field, problem.message))?;
        if sector::concerns(&client.metadata, &metadata) {
            sector::check(op, &metadata, &Behalf::Operator).await?;
        }
        let change = ClientChange::Metadata(Box::new(metadata), client.updated_at);
        let entry = by.audit(op, Event::ClientUpdated)?.client(id);
        if op.store.change_client(id, &change, by.now, &entry).await? {
            op.clients.forget();
            return show(op, id).await;
        }
    }
    Err(AdminError::Changed)
}

/// No endpoint serves the client any more. Its access tokens are void for good, its refresh tokens until it is enabled
/// again.
///
/// # Errors
/// No such client, or a fault.
pub async fn disable(op: &Provider, by: &By<'_>, id: &ClientId) -> Answer<Client> {
    switch(op, by, id, (&ClientChange::Disable, Event::ClientDisabled)).await
}

/// The client may be used again, and so may its refresh tokens. Its access tokens stay void, and so are those issued
/// in the first seconds after it was disabled.
///
/// # Errors
/// No such client, or a fault.
pub async fn enable(op: &Provider, by: &By<'_>, id: &ClientId) -> Answer<Client> {
    switch(op, by, id, (&ClientChange::Enable, Event::ClientEnabled)).await
}

/// Removes the client with its refresh tokens and consents.
///
/// # Errors
/// No such client, or a fault.
pub async fn delete(op: &Provider, by: &By<'_>, id: &ClientId) -> Answer<()> {
    let entry = by.audit(op, Event::ClientDeleted)?.client(id);
    let deleted = op.store.change_client(id, &ClientChange::Delete, by.now, &entry).await?;
    op.clients.forget();
    if deleted { Ok(()) } else { Err(AdminError::NotFound("client")) }
}

/// Gives the client a new secret; the present one stays good for `overlap` (zero: not at all), so that the client's
/// instances can be changed one after another (S-022). A secret before that one dies. A client that signs with its secret
/// has no overlap: one secret is kept for it.
///
/// # Errors
/// No such client, a client whose method needs no secret, too long an overlap, [`AdminError::Changed`], or a fault.
pub async fn rotate_secret(
    op: &Provider,
    by: &By<'_>,
    id: &ClientId,
    overlap: Duration,
) -> Answer<RotatedSecret> {
    if overlap > LONGEST_OVERLAP {
        return Err(AdminError::invalid(
            "overlap_seconds",
            "A former secret may stay good for 30 days at most.",
        ));
    }
    for _ in 0..TRIES {
        let client = show(op, id).await?;
        let Some(IssuedSecret { plain, hash, sealed }) = IssuedSecret::of(op, id, &client.metadata)? else {
            return Err(AdminError::conflict(
                "token_endpoint_auth_method",
                "This client has no secret: it is public, or signs with a key of its own. Change \
                 token_endpoint_auth_method first.",
            ));
        };
        let overlaps = client.secret.is_some() && sealed.is_none();
        let previous_until = if overlaps { by.now.plus(overlap) } else { by.now };
        let change = ClientChange::Secret { hash, sealed, previous_until, read_at: client.updated_at };
        let entry = by.audit(op, Event::ClientSecretRotated)?.client(id);
        if op.store.change_client(id, &change, by.now, &entry).await? {
            op.clients.forget();
            let previous_valid_until = overlaps.then_some(previous_until);
            return Ok(RotatedSecret { client: show(op, id).await?, secret: plain, previous_valid_until });
        }
    }
    Err(AdminError::Changed)
}

async fn switch(
    op: &Provider,
    by: &By<'_>,
    id: &ClientId,
    (change, event): (&ClientChange, Event),
) -> Answer<Client> {
    let entry = by.audit(op, event)?.client(id);
    // `false` is a client that is so already, or none: reading it tells.
    op.store.change_client(id, change, by.now, &entry).await?;
    op.clients.forget();
    show(op, id).await
}

fn changed(metadata: &ClientMetadata, change: &MetadataChange) -> Answer<ClientMetadata> {
    match change {
        MetadataChange::Replace(metadata) => {
            metadata.validate()?;
            Ok(metadata.as_ref().clone())
        }
        MetadataChange::Merge(patch) => {
            if !patch.is_object() {
                return Err(AdminError::invalid("client", "A change of metadata is a JSON object."));
            }
            let present = serde_json::to_value(metadata).map_err(|error| Rejection::fault(&error))?;
            Ok(ClientMetadata::from_json(&merge_patch::apply(present, patch))?)
        }
    }
}

/// An id that an operator chose. It never looks like a user's id, so that the `sub` of a client's own token is never
/// a user's (S-029, RFC 9700 §4.15).
fn checked_id(id: &str) -> Answer<ClientId> {
    let sound = (1..=100).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-'));
    if !sound {
        return Err(AdminError::invalid(
            "client_id",
            "A client id has 1 to 100 letters, digits and the characters . _ ~ and -.",
        ));
    }
    if uuid::Uuid::try_parse(id).is_ok() {
        return Err(AdminError::invalid("client_id", "A client id must not be a UUID, as user ids are."));
    }
    Ok(ClientId::from(id))
}

/// 15 random bytes: 20 characters.
fn random_id(op: &Provider) -> Answer<ClientId> {
    Ok(ClientId(crate::digest::base64url(&op.entropy.bytes::<15>()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_client_id_is_never_a_users() {
        for good in ["a", "demo-spa", "Shop.1_~", &"x".repeat(100)] {
            assert!(checked_id(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a/b",
            "ä",
            &"x".repeat(101),
            "0197f3a2-6c1e-7d52-9a41-3f5f0b7f9c11",
            "0197F3A26C1E7D529A413F5F0B7F9C11",
        ] {
            assert!(checked_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_merge_patch_is_validated_like_new_metadata() {
        let metadata = ClientMetadata {
            redirect_uris: vec![
                crate::oauth::redirect_uri::parse_registered("https://shop.example.com/callback").unwrap(),
            ],
            client_name: Some("Shop".to_owned()),
            ..ClientMetadata::default()
        };
        let merge = |patch| changed(&metadata, &MetadataChange::Merge(patch));
        assert_eq!(merge(json!({"client_name": null})).unwrap().client_name, None);
        assert_eq!(merge(json!({"client_name": "Store"})).unwrap().redirect_uris, metadata.redirect_uris);
        for bad in [
            json!([]),
            json!({"redirect_uris": []}),
            json!({"client_id": "other"}),
            json!({"secret_hash": "x"}),
            json!({"redirect_uris": ["javascript:alert(1)"]}),
        ] {
            assert!(matches!(merge(bad.clone()), Err(AdminError::Invalid { .. })), "{bad}");
        }
    }
}
