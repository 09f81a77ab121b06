//! `/forward-auth`: before each request to a classic web application its reverse proxy asks whose it is
//! (docs/forward-auth.md).

use std::sync::Arc;

use super::Provider;
use super::access_token::{self, AccessTokenRequest};
use super::issue::UserAuthorization;
use super::rejection::{Outcome, Rejection};
use super::target;
use super::web_cookie::{self, Place};
use crate::clock::Timestamp;
use crate::model::client::Client;
use crate::model::user::Subject;
use crate::oauth::error::ErrorCode;
use crate::oauth::page::Page;
use crate::secret::{AccessToken, ClientId, WebSessionCookie, WebSessionHash};
use crate::storage::WebSession;

/// What a trusted proxy asks.
#[derive(Clone, Debug)]
pub struct Question {
    /// The application.
    pub client: ClientId,
    /// What the browser asked the proxy for.
    pub page: Page,
    /// Whether a person is waiting for a page, who can be sent to sign in.
    pub navigation: bool,
    /// The user needs one of these roles; none needed where empty.
    pub roles: Vec<String>,
    /// Whether the application wants an access token.
    pub with_token: bool,
}

/// The application's cookies, by what they may be bound to: only one of them counts.
#[derive(Clone, Debug)]
pub struct WebCookies {
    /// The one that belongs to the host alone, or what is wrong with it.
    pub of_host: Outcome<Option<WebSessionCookie>>,
    /// The one that the hosts of a domain share, or what is wrong with it.
    pub of_domain: Outcome<Option<WebSessionCookie>>,
}

/// What the proxy is told.
#[derive(Debug)]
pub enum Answer {
    /// Let the request through, with this identity.
    SignedIn(Box<SignedIn>),
    /// Nobody is signed in; where a navigation may go to sign in.
    SignIn(Option<String>),
}

/// Whose request it is.
#[derive(Debug)]
pub struct SignedIn {
    /// The user as of now.
    pub subject: Subject,
    /// A fresh access token, where one was asked for.
    pub token: Option<AccessToken>,
}

/// Decides about one request. Whether the proxy may ask at all is the edge's to know.
///
/// # Errors
/// `access_denied` for an application, page or user that may not, `invalid_request` for the cookie, or a fault; none lets
/// the request through.
pub async fn decide(
    op: &Provider,
    question: &Question,
    cookies: WebCookies,
    now: Timestamp,
) -> Outcome<Answer> {
    let client = application(op, &question.client, now).await?;
    let place = place(op, &client, &question.page)?;
    let cookie = if place.domain.is_some() { cookies.of_domain } else { cookies.of_host }?;
    let start = || question.navigation.then(|| start_url(&place, &client, &question.page));
    let Some(session) = live(op, &client, cookie.as_ref(), now).await? else {
        return Ok(Answer::SignIn(start()));
    };
    if !has_one_of(&session.subject, &question.roles) {
        return Err(denied("Your account does not have the role that this application asks for."));
    }
    // Where nothing is left of what its tokens were for, another sign-in gives it what the application has now.
    let audience = question.with_token.then(|| target::remaining(op, &client, &session.audience)).transpose();
    let Ok(audience) = audience else {
        return Ok(Answer::SignIn(start()));
    };
    op.store.touch_web_session(&session, now).await?;
    let token = match audience {
        Some(audience) => Some(token(op, (&client, &audience), &session, now).await?),
        None => None,
    };
    Ok(Answer::SignedIn(Box::new(SignedIn { subject: session.subject, token })))
}

/// Registered, active, and of this kind.
async fn application(op: &Provider, id: &ClientId, now: Timestamp) -> Outcome<Arc<Client>> {
    let client = op.clients.get(&op.store, id, now).await?;
    let client = client.filter(|client| client.is_active() && client.metadata.forward_auth);
    client.ok_or(denied(
        "The client_id is of no active client with forward_auth. Register it, or correct client_id.",
    ))
}

/// One of the application's pages, and the host whose cookie reaches it.
fn place<'a>(op: &'a Provider, client: &'a Client, page: &Page) -> Outcome<Place<'a>> {
    if !client.metadata.allowed_origins.iter().any(|origin| origin == page.origin()) {
        return Err(denied(
            "The original URL is at an origin that is not one of the client's. Add it to allowed_origins.",
        ));
    }
    web_cookie::place_for(&op.policy.browser, &client.metadata, page).ok_or(denied(
        "No cookie would reach this page. Register a callback at its own host, or one under browser.cookie_domains.",
    ))
}

async fn live(
    op: &Provider,
    client: &Client,
    cookie: Option<&WebSessionCookie>,
    now: Timestamp,
) -> Outcome<Option<WebSession>> {
    let Some(cookie) = cookie else { return Ok(None) };
    Ok(op.store.web_session(&WebSessionHash::from(cookie), &client.id, now).await?)
}

fn has_one_of(subject: &Subject, roles: &[String]) -> bool {
    roles.is_empty() || roles.iter().any(|role| subject.roles.contains(role))
}

/// The page at which the sign-in begins, of the same host as the cookie that it ends with.
fn start_url(place: &Place<'_>, client: &Client, page: &Page) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &client.id.0)
        .append_pair("return_to", &page.return_to())
        .finish();
    format!("{}/session/start?{query}", place.host)
}

/// An access token like any other of the client's: the revocation feed finds it by user, family and session. Like a
/// refreshed one it has what was granted, as far as the client is registered for it today (S-047).
async fn token(
    op: &Provider,
    (client, audience): (&Client, &[String]),
    session: &WebSession,
    now: Timestamp,
) -> Outcome<AccessToken> {
    let user = UserAuthorization {
        subject: session.subject.clone(),
        session: session.session,
        auth_time: session.auth_time,
        amr: session.amr.clone(),
        family: session.family,
        generation: 0,
        epoch: session.epoch,
    };
    let scope = session.scope.intersection(&client.metadata.scope);
    let request = AccessTokenRequest { client, audience, scope: &scope, user: Some(&user) };
    Ok(access_token::make(op, &request, now).await?.token)
}

const fn denied(description: &'static str) -> Rejection {
    Rejection::new(ErrorCode::AccessDenied, description)
}
