//! OAuth Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document-01): a `client_id` that is the address
//! of the client's metadata. They are fetched when the client first comes, kept among the clients, and fetched again when
//! they are no longer current.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Problem, metadata, throttle};
use crate::clock::Timestamp;
use crate::fetch::{Behalf, FetchError};
use crate::flow::Provider;
use crate::flow::rejection::{Outcome, Reason, Rejection};
use crate::flow::{behalf, sector, subject};
use crate::model::audit::Event;
use crate::model::client::Client;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::error::ErrorCode;
use crate::oauth::registration::Registered;
use crate::oauth::{text, uri};
use crate::secret::ClientId;
use crate::storage::Error;

/// A document is current for at least so long, and at most.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// And for so long where its host does not say.
const UNSAID: Duration = Duration::from_secs(3600);
/// One that cannot be fetched again serves for so long after it was current.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// One that could not be had is not asked for again before this is over.
const PAUSE: Duration = Duration::from_secs(20);
/// So many that could not be had are remembered.
const MOST_REFUSALS: usize = 1000;

/// Fetches under way, so that many requests of one client make one; and those that failed, so that the next requests do
/// not wait for a host that does not answer.
#[derive(Debug, Default)]
pub struct Flights {
    under_way: Mutex<HashMap<ClientId, Arc<tokio::sync::Mutex<()>>>>,
    /// Until when, and why.
    refusals: Mutex<HashMap<ClientId, (Timestamp, Rejection)>>,
}

impl Flights {
    fn enter(&self, id: &ClientId) -> Flight<'_> {
        let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = Arc::clone(all.entry(id.clone()).or_default());
        Flight { all: self, id: id.clone(), turn }
    }

    /// Why a document could not be had a moment ago.
    fn refusal(&self, id: &ClientId, now: Timestamp) -> Option<Rejection> {
        let all = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id).filter(|(until, _)| now < *until).map(|(_, why)| why.clone())
    }

    /// Remembers that a document could not be had; whether this is news.
    fn refuse(&self, id: &ClientId, why: &Rejection, now: Timestamp) -> bool {
        let mut all = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_REFUSALS {
            all.retain(|_, (until, _)| now < *until);
        }
        if all.len() >= MOST_REFUSALS {
            all.clear();
        }
        all.insert(id.clone(), (now.plus(PAUSE), why.clone())).is_none()
    }

    fn forgive(&self, id: &ClientId) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
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
        let mut all = self.all.under_way.lock().unwrap_or_else(PoisonError::into_inner);
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
        known => fetch(op, &id, (known, address), now).await.map(|_| ()),
    }
}

/// A client as its document has it now. Any other client is as it is. `address` is whose request it is.
///
/// # Errors
/// As [`ensure`].
pub async fn current(
    op: &Provider,
    client: Arc<Client>,
    address: Option<&str>,
    now: Timestamp,
) -> Outcome<Arc<Client>> {
    if client.registered != Registered::Document {
        return Ok(client);
    }
    check_id(op, client.id.as_str())?;
    if !is_due(&client, now) {
        return Ok(client);
    }
    let id = client.id.clone();
    fetch(op, &id, (Some(client), address), now).await
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
        // No longer than what the revocation feed can name.
        let secure = url.scheme() == "https" || !op.policy.issuer.is_https();
        let with_path = id.splitn(4, '/').nth(3).is_some();
        secure && with_path && url.query().is_none() && id.len() <= ClientId::LONGEST
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

/// The client by its document as it is now. `known` is the copy that is no longer current, `address` whose request it is.
async fn fetch(
    op: &Provider,
    id: &ClientId,
    (known, address): (Option<Arc<Client>>, Option<&str>),
    now: Timestamp,
) -> Outcome<Arc<Client>> {
    let documents = &op.clients.documents;
    if let Some(why) = documents.refusal(id, now) {
        return stale(known, why, now);
    }
    let flight = documents.enter(id);
    let turn = tokio::time::timeout(op.fetch.timeout() * 2, flight.turn.lock()).await;
    let Ok(_turn) = turn else {
        return stale(known, Rejection::unasked("too many wait for this document"), now);
    };
    let known = op.clients.reread(&op.store, id).await?;
    // Fetched while this one waited, or by another node; or asked for in vain.
    if let Some(client) = &known
        && !is_due(client, now)
    {
        return Ok(Arc::clone(client));
    }
    if let Some(why) = documents.refusal(id, now) {
        return stale(known, why, now);
    }
    if known.is_none() {
        throttle(op, "metadata-document", address, now).await.map_err(too_many)?;
    }
    match read(op, id, (known.as_deref(), &behalf::stranger(address)), now).await {
        Ok((metadata, life)) => {
            documents.forgive(id);
            keep(op, id, known.as_deref(), (metadata, now.plus(life)), now).await
        }
        Err(rejection) if rejection.is_fault() => Err(rejection),
        // Nobody was asked: whoever comes next may be in luck.
        Err(rejection) if rejection.code == ErrorCode::TemporarilyUnavailable => stale(known, rejection, now),
        Err(rejection) => {
            // The host may have taken its time.
            if documents.refuse(id, &rejection, op.clock.now()) && known.is_some() {
                tracing::warn!(client = id.as_str(), reason = ?rejection.reason, "a client's metadata document is stale");
            }
            stale(known, rejection, now)
        }
    }
}

/// A copy that is no longer current, where the document cannot be had and the copy is not too old.
fn stale(known: Option<Arc<Client>>, why: Rejection, now: Timestamp) -> Outcome<Arc<Client>> {
    let usable = |client: &Arc<Client>| client.fetched_until.is_some_and(|at| now < at.plus(STALE));
    known.filter(usable).ok_or(why)
}

/// Fetches and reads the document; for how long it is current.
async fn read(
    op: &Provider,
    id: &ClientId,
    (known, behalf): (Option<&Client>, &Behalf),
    now: Timestamp,
) -> Outcome<(ClientMetadata, Duration)> {
    let fetched = op.fetch.get(id.as_str(), "application/json", behalf).await;
    let fetched = fetched.map_err(|error| match error {
        FetchError::Busy => Rejection::unasked("no place to fetch a metadata document"),
        error => Rejection {
            code: ErrorCode::InvalidClient,
            description: "The metadata document of this client could not be fetched from its client_id. Its makers \
                          have to serve it there.",
            reason: Reason::HiddenDetail(format!("{id}: {error}")),
        },
    })?;
    let is_json = |kind: &str| kind == "application/json" || kind.ends_with("+json");
    if !fetched.media_type.as_deref().is_some_and(is_json) {
        return Err(unusable(id, "its media type is not JSON"));
    }
    let Ok(Value::Object(mut sent)) = serde_json::from_slice(&fetched.body) else {
        return Err(unusable(id, "it is not a JSON object"));
    };
    check_content(id, &mut sent).map_err(|problem| unusable(id, problem))?;
    let metadata = metadata(op, &sent, None, now).await.map_err(|problem| match problem {
        Problem::Rejected(rejection) => rejection,
        Problem::Metadata(problem) => unusable(id, &problem.to_string()),
        other => unusable(id, &format!("{other:?}")),
    })?;
    if known.is_some_and(|known| !subject::stays(&op.policy.browser, &known.metadata, &metadata)) {
        return Err(unusable(id, "it would give the client another sub for every user"));
    }
    sector::check(op, &metadata, behalf).await.map_err(|problem| unusable(id, &problem.to_string()))?;
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
    known: Option<&Client>,
    (metadata, until): (ClientMetadata, Timestamp),
    now: Timestamp,
) -> Outcome<Arc<Client>> {
    let entry = |event| op.audit(event, format!("client:{id}"), now).map(|entry| entry.client(id));
    let kept = match known {
        Some(known) if known.metadata == metadata => op.store.prolong_document(id, until).await?,
        Some(_) => op.store.replace_document(id, (&metadata, until), &entry(Event::ClientUpdated)?).await?,
        None => false,
    };
    if !kept {
        let client = Client {
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
        };
        match op.store.register_client(&client, None, &entry(Event::ClientRegistered)?, now).await {
            // Another node has just kept it.
            Ok(_) | Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    op.clients.forget();
    let client = op.clients.reread(&op.store, id).await?;
    client.ok_or_else(|| Rejection::invalid_client("the client has just gone"))
}

/// The problem may quote what anybody has published, and is logged and remembered.
fn unusable(id: &ClientId, problem: &str) -> Rejection {
    Rejection {
        code: ErrorCode::InvalidClient,
        description: "The metadata document of this client is not one that this server can use. Its makers have to mend \
                      it; the server's log says why.",
        reason: Reason::HiddenDetail(format!("{id}: {}", text::description(problem))),
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
