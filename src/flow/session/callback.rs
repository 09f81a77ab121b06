//! `/session/callback`: the answer of `/authorize` becomes a cookie. The code is redeemed inside the server, once.
//!
//! The same browser may send the same request again for ten seconds and gets the same answer: a browser repeats a GET
//! whose reply was lost. Anybody else who presents a redeemed code has a copy of it, and its family ends; so it does where
//! the same browser comes back later, which is then sent on its way once more.

use std::time::Duration;

use super::start::{self, Departure, callback_at, depart};
use super::transaction::{Attempt, Transaction};
use super::web_session;
use crate::clock::Timestamp;
use crate::digest::base64url;
use crate::flow::Provider;
use crate::flow::authorize::problem::{PageProblem, Refusal};
use crate::flow::browser::SetCookie;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::grant::authorization_code::{self, Exchange};
use crate::flow::rejection::Rejection;
use crate::model::audit::Origin;
use crate::model::family::FamilySecretId;
use crate::oauth::error::ErrorCode;
use crate::oauth::pkce::CodeVerifier;
use crate::oauth::proven::ProvenRedirectUri;
use crate::oauth::return_to;
use crate::secret::{AuthorizationCode, CodeHash, FamilyHandle, TransactionCookie};
use crate::storage::Handoff;

/// So long the same browser gets the same answer again.
const REPEAT: Duration = Duration::from_secs(10);

/// What came back from `/authorize`.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The origin, one of ours, that the browser came to.
    pub host: String,
    /// `state`.
    pub state: String,
    /// `iss` (RFC 9207 §2).
    pub issuer: String,
    /// `code`, or `error`.
    pub answer: Answer,
    /// The transaction cookies.
    pub cookies: Vec<TransactionCookie>,
    /// For the audit log.
    pub origin: Origin,
}

/// What `/authorize` answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// `code`.
    Code(AuthorizationCode),
    /// `error`.
    Error(String),
}

/// Where the browser goes, and what it keeps.
#[derive(Debug)]
pub struct Landing {
    /// The application's page, or `/authorize` once more.
    pub location: String,
    /// Cookies to set.
    pub cookies: Vec<SetCookie>,
}

/// A sign-in that began in this browser, at this host, not too long ago.
struct Underway {
    transaction: Transaction,
    verifier: CodeVerifier,
    cookie: TransactionCookie,
    client: AuthenticatedClient,
    return_to: ProvenRedirectUri,
}

/// Takes the answer of `/authorize`.
///
/// # Errors
/// A page: another browser, another host, another request's state, too late; or a fault, after which the browser may
/// send the same request again.
pub async fn arrive(op: &Provider, arrival: &Arrival, now: Timestamp) -> Result<Landing, Refusal> {
    let Some((transaction, verifier, cookie)) = own(op, arrival, now) else {
        return Err(refuse_foreign(op, arrival, now).await);
    };
    let client = start::client(op, &transaction.client, now).await?;
    let return_to = return_to::matches(&client.metadata, &transaction.return_to)
        .ok_or_else(|| Refusal::page(PageProblem::Interaction))?;
    let client = AuthenticatedClient::of_this_servers_cookie_mode(client)?;
    let underway = Underway { transaction, verifier, cookie, client, return_to };
    match &arrival.answer {
        Answer::Code(code) => redeem(op, arrival, code, &underway, now).await,
        // Its page would only be asked for a sign-in once more.
        Answer::Error(_) if underway.client.metadata.forward_auth => Err(Refusal::from(Rejection::new(
            ErrorCode::AccessDenied,
            "You were not signed in to the application. Open its page again to try once more.",
        ))),
        Answer::Error(error) => answered_no(op, &underway, error, now),
    }
}

/// The transaction of an answer that is meant for this browser and this host.
fn own(
    op: &Provider,
    arrival: &Arrival,
    now: Timestamp,
) -> Option<(Transaction, CodeVerifier, TransactionCookie)> {
    let (transaction, verifier, cookie) = arrival.cookies.iter().find_map(|cookie| {
        let (transaction, verifier) = Transaction::open(&op.secrets.transactions, cookie, &arrival.state)?;
        Some((transaction, verifier, cookie.clone()))
    })?;
    let fits = transaction.host == arrival.host
        && arrival.issuer == op.policy.issuer.as_str()
        && now.since(transaction.issued_at) <= start::life(op, &transaction);
    fits.then_some((transaction, verifier, cookie))
}

/// A code that another browser has redeemed already has been copied: what it gave ends. One that nobody has redeemed
/// stays as it is, so that a wrong attempt burns nothing (S-008).
async fn refuse_foreign(op: &Provider, arrival: &Arrival, now: Timestamp) -> Refusal {
    let gone = Refusal::page(PageProblem::Interaction);
    let Answer::Code(code) = &arrival.answer else { return gone };
    // Wherever it is brought: a copy is a copy.
    let is_ours = |uri: &str| op.policy.browser.is_callback(uri);
    match op.store.end_replayed_code(&CodeHash::from(code), is_ours, &arrival.origin, now).await {
        Ok(true) => {
            tracing::warn!("a redeemed authorization code came from another browser: its family is ended");
            gone
        }
        Ok(false) => gone,
        Err(error) => Refusal::from(error),
    }
}

async fn redeem(
    op: &Provider,
    arrival: &Arrival,
    code: &AuthorizationCode,
    underway: &Underway,
    now: Timestamp,
) -> Result<Landing, Refusal> {
    let client = &underway.client;
    let exchange = Exchange {
        code: code.clone(),
        redirect_uri: callback_at(&arrival.host),
        code_verifier: Some(underway.verifier.clone()),
        resources: Vec::new(),
    };
    let claim = authorization_code::claim(op, client, &exchange, &arrival.origin, now)?;
    let back = |cookies| Landing { location: underway.return_to.as_str().to_owned(), cookies };
    let is_ours = |uri: &str| op.policy.browser.is_callback(uri);
    match op.store.redeem_at_callback(&claim, REPEAT, is_ours, now).await? {
        Handoff::Redeemed(redeemed) => {
            let cookie = if client.metadata.forward_auth {
                web_session::begin(op, client, &arrival.host, &redeemed, now).await?
            } else {
                refresh_cookie(op, client, (claim.family.id, redeemed.handle), now).await?
            };
            Ok(back(vec![cookie]))
        }
        // The same answer, unless the cookie has a successor since, which must not be overwritten; a classic web
        // application's session, of which no copy is kept, begins again by itself.
        Handoff::Repeated(repeated) => {
            if !repeated.is_untouched || client.metadata.forward_auth {
                return Ok(back(Vec::new()));
            }
            let cookie = refresh_cookie(op, client, (repeated.family, repeated.handle), now).await?;
            Ok(back(vec![cookie]))
        }
        // What a lost reply had brought is ended by then, and the person is no worse off for it.
        Handoff::Late | Handoff::Replayed { own: true } => again(op, underway, now),
        Handoff::Replayed { own: false } | Handoff::Refused => Err(Refusal::page(PageProblem::Interaction)),
    }
}

/// The cookie lives as long as the person wanted to stay signed in, and no longer than the login session.
///
/// # Errors
/// A page where the login session is gone, or a fault.
async fn refresh_cookie(
    op: &Provider,
    client: &AuthenticatedClient,
    (id, family): (FamilySecretId, FamilyHandle),
    now: Timestamp,
) -> Result<SetCookie, Refusal> {
    let life = op.store.bound_by_session(family).await?;
    let life = life.ok_or_else(|| Refusal::page(PageProblem::Interaction))?;
    let token = op.secrets.refresh_tokens.encode(id, 0);
    let age = life.remember.then(|| life.expires_at.since(now).as_secs());
    Ok(SetCookie::Refresh(client.id.clone(), token, age))
}

/// The code came too late: once more without a page, then with one, then never.
fn again(op: &Provider, underway: &Underway, now: Timestamp) -> Result<Landing, Refusal> {
    match underway.transaction.attempt {
        Attempt::First => anew(op, underway, Attempt::Silent, now),
        Attempt::Silent if underway.transaction.asked.is_silent() => {
            Ok(told(underway, ErrorCode::LoginRequired))
        }
        Attempt::Silent => anew(op, underway, Attempt::Visible, now),
        Attempt::Visible => Err(Refusal::page(PageProblem::Interaction)),
    }
}

fn anew(op: &Provider, underway: &Underway, attempt: Attempt, now: Timestamp) -> Result<Landing, Refusal> {
    let nonce = base64url(&op.entropy.bytes::<16>()?);
    let transaction = Transaction { attempt, nonce, issued_at: now, ..underway.transaction.clone() };
    let Departure { location, cookie } = depart(op, &transaction, Some(underway.cookie.clone()))?;
    Ok(Landing { location, cookies: vec![cookie] })
}

/// A no of `/authorize` goes to the application, unless it is an answer to a question that only this server asked.
fn answered_no(op: &Provider, underway: &Underway, error: &str, now: Timestamp) -> Result<Landing, Refusal> {
    let error = error.parse().unwrap_or(ErrorCode::ServerError);
    let transaction = &underway.transaction;
    let needs_a_page = matches!(
        error,
        ErrorCode::LoginRequired
            | ErrorCode::ConsentRequired
            | ErrorCode::InteractionRequired
            | ErrorCode::AccountSelectionRequired
    );
    if needs_a_page && transaction.attempt == Attempt::Silent && !transaction.asked.is_silent() {
        return anew(op, underway, Attempt::Visible, now);
    }
    Ok(told(underway, error))
}

/// The application learns the error's code and nothing else, as a parameter of its own page.
fn told(underway: &Underway, error: ErrorCode) -> Landing {
    Landing { location: underway.return_to.with_params(&[("error", error.as_str())]), cookies: Vec::new() }
}
