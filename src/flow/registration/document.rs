//! OAuth Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document-01): a `client_id` that is the address
//! of the client's metadata. They are fetched when the client first comes, kept among the clients, and fetched again when
//! they are no longer current.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Problem, metadata, throttle};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::rejection::{Outcome, Reason, Rejection};
use crate::flow::sector;
use crate::model::audit::Event;
use crate::model::client::Client;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::error::ErrorCode;
use crate::oauth::registration::Registered;
use crate::oauth::uri;
use crate::secret::ClientId;

/// Longest `client_id` of this kind, in bytes.
const LONGEST_ID: usize = 512;
/// A document is current for at least so long, and at most.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// And for so long where its host does not say.
const UNSAID: Duration = Duration::from_secs(3600);
/// One that cannot be fetched again serves for so long after it was current.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// Fetches under way, so that many requests of one client make one.
#[derive(Debug, Default)]
pub struct Flights(Mutex<HashMap<ClientId, Arc<tokio::sync::Mutex<()>>>>);

impl Flights {
    fn enter(&self, id: &ClientId) -> Flight<'_> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = Arc::clone(all.entry(id.clone()).or_default());
        Flight { all: self, id: id.clone(), turn }
    }
}

/// A place in the queue for one client. The last to leave takes the queue away.
struct Flight<'a> {
    all: &'a Flights,
    id: ClientId,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        // This one's and the map's.
        if Arc::strong_count(&self.turn) <= 2 {
            all.remove(&self.id);
        }
    }
}

/// Sees to it that a client whose id is the address of a document is among the clients, before it is looked for there.
/// Any other id passes. `address` is whose request it is.
///
/// # Errors
/// `invalid_client` for an address that may not be or a document that cannot be used, or a fault.
pub async fn ensure(op: &Provider, id: &str, address: Option<&str>, now: Timestamp) -> Outcome<()> {
    // No operator's client has such an id.
    if !id.starts_with("https://") && !id.starts_with("http://") {
        return Ok(());
    }
    check_id(op, id)?;
    let id = ClientId::from(id);
    match op.clients.get(&op.store, &id, now).await? {
        Some(client) if !is_due(&client, now) => Ok(()),
        _ => fetch(op, &id, address, now).await.map(|_| ()),
    }
}

/// A client as its document has it now. Any other client is as it is.
///
/// # Errors
/// As [`ensure`].
pub async fn current(op: &Provider, client: Arc<Client>, now: Timestamp) -> Outcome<Arc<Client>> {
    if client.registered != Registered::Document {
        return Ok(client);
    }
    check_id(op, client.id.as_str())?;
    if is_due(&client, now) { fetch(op, &client.id, None, now).await } else { Ok(client) }
}

/// What the draft says of such an id, and the operator of its host. In development, where this server itself is at a
/// loopback address without TLS, the document may be so, too.
fn check_id(op: &Provider, id: &str) -> Outcome<()> {
    let policy = &op.policy.registration;
    if !policy.metadata_documents {
        return Err(Rejection::new(
            ErrorCode::InvalidClient,
            "No active client is registered under this client_id. Check it for a typing error.",
        ));
    }
    let sound = uri::check_web(id).ok().filter(|url| {
        let secure = url.scheme() == "https" || !op.policy.issuer.is_https();
        let with_path = id.splitn(4, '/').nth(3).is_some();
        secure && with_path && url.query().is_none() && id.len() <= LONGEST_ID
    });
    let Some(url) = sound else {
        return Err(Rejection::new(
            ErrorCode::InvalidClient,
            "This client_id cannot be the address of a metadata document. Use https, a path, no query, no fragment.",
        ));
    };
    let hosts = &policy.metadata_document_hosts;
    if hosts.is_empty() || hosts.iter().any(|host| url.host_str() == Some(host)) {
        return Ok(());
    }
    Err(Rejection::new(
        ErrorCode::InvalidClient,
        "This server takes no client metadata documents from this host. Ask its operator to allow the host.",
    ))
}

/// Whether a document is no longer current. What an operator has disabled is not asked for.
fn is_due(client: &Client, now: Timestamp) -> bool {
    client.is_active() && client.fetched_until.is_none_or(|until| until <= now)
}

async fn fetch(op: &Provider, id: &ClientId, address: Option<&str>, now: Timestamp) -> Outcome<Arc<Client>> {
    let flight = op.clients.documents.enter(id);
    let _turn = flight.turn.lock().await;
    let known = op.store.client(id).await?;
    if let Some(client) = &known
        && !is_due(client, now)
    {
        // Fetched while this one waited, or by another node.
        op.clients.forget();
        return Ok(Arc::new(client.clone()));
    }
    if known.is_none() {
        throttle(op, "metadata-document", address, now).await.map_err(too_many)?;
    }
    match read(op, id).await {
        Ok((metadata, life)) => {
            let client = keep(op, id, known, (metadata, now.plus(life)), now).await?;
            Ok(Arc::new(client))
        }
        Err(rejection) if rejection.is_fault() => Err(rejection),
        Err(rejection) => {
            let usable = |client: &Client| client.fetched_until.is_some_and(|at| now < at.plus(STALE));
            let Some(client) = known.filter(usable) else { return Err(rejection) };
            tracing::warn!(client = id.as_str(), reason = ?rejection.reason, "a client's metadata document is stale");
            Ok(Arc::new(client))
        }
    }
}

/// Fetches and reads the document; for how long it is current.
async fn read(op: &Provider, id: &ClientId) -> Outcome<(ClientMetadata, Duration)> {
    let fetched = op.fetch.get(id.as_str(), "application/json").await.map_err(|error| Rejection {
        code: ErrorCode::InvalidClient,
        description: "The metadata document of this client could not be fetched from its client_id. Its makers have to \
                      serve it there.",
        reason: Reason::HiddenDetail(format!("{id}: {error}")),
    })?;
    let is_json = |kind: &str| kind == "application/json" || kind.ends_with("+json");
    if !fetched.media_type.as_deref().is_some_and(is_json) {
        return Err(unusable(id, "its media type is not JSON"));
    }
    let Ok(Value::Object(mut sent)) = serde_json::from_slice(&fetched.body) else {
        return Err(unusable(id, "it is not a JSON object"));
    };
    check_content(id, &mut sent).map_err(|problem| unusable(id, problem))?;
    let metadata = metadata(op, &sent).await.map_err(|problem| match problem {
        Problem::Rejected(rejection) => rejection,
        Problem::Metadata(problem) => unusable(id, &problem.to_string()),
        other => unusable(id, &format!("{other:?}")),
    })?;
    sector::check(op, &metadata).await.map_err(|problem| unusable(id, &problem.to_string()))?;
    Ok((metadata, fetched.max_age.unwrap_or(UNSAID).clamp(SHORTEST, LONGEST)))
}

/// The document speaks of itself, and of nothing that both sides would have to keep secret.
fn check_content(id: &ClientId, sent: &mut Map<String, Value>) -> Result<(), &'static str> {
    if sent.get("client_id").and_then(Value::as_str) != Some(id.as_str()) {
        return Err("the client_id in it is not its address");
    }
    if sent.contains_key("client_secret") || sent.contains_key("client_secret_expires_at") {
        return Err("it has a client_secret, which everybody could read");
    }
    match sent.get("token_endpoint_auth_method").map(Value::as_str) {
        // The default of registrations would be a secret.
        None => sent.insert("token_endpoint_auth_method".to_owned(), json!("none")),
        Some(Some("none" | "private_key_jwt")) => None,
        Some(_) => return Err("its token_endpoint_auth_method is neither none nor private_key_jwt"),
    };
    Ok(())
}

async fn keep(
    op: &Provider,
    id: &ClientId,
    known: Option<Client>,
    (metadata, until): (ClientMetadata, Timestamp),
    now: Timestamp,
) -> Outcome<Client> {
    let entry = |event| op.audit(event, format!("client:{id}"), now).map(|entry| entry.client(id));
    let registered = entry(Event::ClientRegistered)?;
    let changed = known.as_ref().is_some_and(|client| client.metadata != metadata);
    let changed = changed.then(|| entry(Event::ClientUpdated)).transpose()?;
    let client = match known {
        Some(client) => Client { metadata, fetched_until: Some(until), updated_at: now, ..client },
        None => Client {
            id: id.clone(),
            metadata,
            secret: None,
            previous_secret: None,
            sealed_secret: None,
            registered: Registered::Document,
            registration_token: None,
            fetched_until: Some(until),
            disabled_at: None,
            created_at: now,
            updated_at: now,
        },
    };
    match op.store.keep_document(&client, &registered, changed.as_ref()).await {
        // Another node has just kept it.
        Ok(()) | Err(crate::storage::Error::Conflict(_)) => {}
        Err(error) => return Err(error.into()),
    }
    op.clients.forget();
    Ok(client)
}

fn unusable(id: &ClientId, problem: &str) -> Rejection {
    Rejection {
        code: ErrorCode::InvalidClient,
        description: "The metadata document of this client is not one that this server can use. Its makers have to mend \
                      it; the server's log says why.",
        reason: Reason::HiddenDetail(format!("{id}: {problem}")),
    }
}

fn too_many(problem: Problem) -> Rejection {
    match problem {
        Problem::Rejected(rejection) => rejection,
        _ => Rejection::hidden(
            ErrorCode::TemporarilyUnavailable,
            "Too many unknown clients have been tried from this address. Try again in a moment.",
            "throttled by address",
        ),
    }
}
