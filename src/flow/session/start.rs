//! `/session/start`: from an application's page to `/authorize`, with nothing kept but a cookie in the browser.

use std::sync::Arc;
use std::time::Duration;

use super::transaction::{Asked, Attempt, Transaction};
use crate::clock::Timestamp;
use crate::digest::base64url;
use crate::flow::Provider;
use crate::flow::authorize::problem::Refusal;
use crate::flow::browser::SetCookie;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::rejection::{Outcome, Rejection};
use crate::model::client::Client;
use crate::oauth::client_rules::SESSION_CALLBACK;
use crate::oauth::error::ErrorCode;
use crate::oauth::pkce;
use crate::oauth::proven::ProvenRedirectUri;
use crate::oauth::return_to;
use crate::secret::{ClientId, TransactionCookie};

/// A sign-in that shows no page is over by then.
pub const SILENT: Duration = Duration::from_secs(120);

/// What an application asks for.
#[derive(Clone, Debug)]
pub struct StartRequest {
    /// The origin, one of ours, that the browser came to.
    pub host: String,
    /// `client_id`.
    pub client: ClientId,
    /// `return_to`.
    pub return_to: String,
    /// What `/authorize` will be asked.
    pub asked: Asked,
    /// What the browser holds from a sign-in before.
    pub cookie: Option<TransactionCookie>,
}

/// Where the browser goes, and what it keeps.
#[derive(Debug)]
pub struct Departure {
    /// `/authorize` with its parameters.
    pub location: String,
    /// The transaction cookie.
    pub cookie: SetCookie,
}

/// Sends a browser to `/authorize`.
///
/// # Errors
/// A page, always: until the client is known to own `return_to`, nobody may be redirected anywhere.
pub async fn start(op: &Provider, request: StartRequest, now: Timestamp) -> Result<Departure, Refusal> {
    let client = client(op, &request.client, now).await?;
    if return_to::matches(&client.metadata, &request.return_to).is_none() {
        return Err(Refusal::from(Rejection::invalid_request(
            "The return_to is missing or not registered for this client. Register it in return_uris, exactly as sent.",
        )));
    }
    let callback = callback_at(&request.host);
    if !client.metadata.redirect_uris.iter().any(|uri| uri.as_str() == callback) {
        return Err(Refusal::from(Rejection::invalid_request(
            "This client is not registered for this host. Add the host's /session/callback to its redirect_uris.",
        )));
    }
    let transaction = Transaction {
        client: request.client,
        return_to: request.return_to,
        host: request.host,
        issued_at: now,
        attempt: Attempt::First,
        nonce: base64url(&op.entropy.bytes::<16>()?),
        asked: request.asked,
    };
    depart(op, &transaction, request.cookie)
}

/// The redirect to `/authorize` for a transaction, and the cookie that it hangs on: the one the browser has, whose age
/// is renewed, so that sign-ins begun in ten tabs do not displace one another.
///
/// # Errors
/// A page where what was asked is too long; no randomness.
pub(super) fn depart(
    op: &Provider,
    transaction: &Transaction,
    held: Option<TransactionCookie>,
) -> Result<Departure, Refusal> {
    // Another tab may wait for a person under the cookie that is there: its life is never made shorter.
    let life = if held.is_none() { life(op, transaction) } else { longest(op) };
    let cookie = match held {
        Some(cookie) => cookie,
        None => TransactionCookie::new(op.entropy.secret("")?),
    };
    let sealed = transaction.seal(&op.secrets.transactions, &cookie).ok_or_else(|| {
        Refusal::from(Rejection::invalid_request("The parameters together are too long. Send shorter ones."))
    })?;
    let challenge = pkce::challenge_of(&sealed.verifier);
    let callback = callback_at(&transaction.host);
    let mut params = vec![
        ("response_type", "code"),
        ("client_id", transaction.client.as_str()),
        ("redirect_uri", &callback),
        ("state", &sealed.state),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    params.extend(transaction.params());
    let authorize = ProvenRedirectUri::restored(op.policy.issuer.url("/authorize"));
    Ok(Departure {
        location: authorize.with_params(&params),
        cookie: SetCookie::Transaction(cookie, life.as_secs()),
    })
}

/// Where codes are redeemed at one of our hosts.
pub(super) fn callback_at(host: &str) -> String {
    format!("{host}{SESSION_CALLBACK}")
}

/// How long a transaction may take: one that shows pages as long as an interaction, and what leads there and back.
pub(super) fn life(op: &Provider, transaction: &Transaction) -> Duration {
    if transaction.is_silent() { SILENT } else { longest(op) }
}

fn longest(op: &Provider) -> Duration {
    op.policy.sessions.interaction.saturating_add(SILENT)
}

/// The active client in cookie mode of this id, for which this server is about to act; from memory where that is fresh
/// enough.
///
/// # Errors
/// A storage fault.
pub async fn acting_client(
    op: &Provider,
    id: &ClientId,
    now: Timestamp,
) -> Outcome<Option<AuthenticatedClient>> {
    let client = op.clients.get(&op.store, id, now).await?;
    Ok(client.and_then(|client| AuthenticatedClient::of_this_servers_cookie_mode(client).ok()))
}

/// The active client in cookie mode behind a `client_id`.
///
/// # Errors
/// A page.
pub(super) async fn client(op: &Provider, id: &ClientId, now: Timestamp) -> Result<Arc<Client>, Refusal> {
    let found = op.clients.get(&op.store, id, now).await?;
    let client = found.filter(|client| client.is_active()).ok_or_else(|| {
        Refusal::from(Rejection::new(
            ErrorCode::InvalidClient,
            "No active client is registered under this client_id. Check it for a typing error.",
        ))
    })?;
    if !client.metadata.is_cookie_mode() {
        return Err(Refusal::from(Rejection::new(
            ErrorCode::UnauthorizedClient,
            "This client does not keep its session in a cookie. Set its client_class to cookie.",
        )));
    }
    Ok(client)
}
