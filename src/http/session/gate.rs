//! What a request has to pass before a cookie or the database is touched. A form, an image, a script of another site
//! and a page of a sibling host all fail at one of these, each for a reason of its own (S-091).

use actix_web::http::header::{CONTENT_TYPE, HeaderMap, ORIGIN};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::forbidden;
use crate::clock::Timestamp;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::session::start;
use crate::http::app::App;
use crate::http::body::{self, BodyError};
use crate::http::cors;
use crate::http::error::{self, Challenge};
use crate::http::hosts::{self, At};
use crate::oauth::error::ErrorCode;
use crate::secret::ClientId;

/// Largest body, in bytes.
const LIMIT: usize = 4 * 1024;

/// A request of a page that may act for its client.
#[derive(Debug)]
pub struct Admitted {
    /// The client, for which this server holds the refresh token.
    pub client: AuthenticatedClient,
    /// What was asked.
    pub asked: Asked,
    /// When.
    pub now: Timestamp,
}

/// The body.
#[derive(Debug, Deserialize)]
pub struct Asked {
    client_id: String,
    /// `scope`: a subset of what was granted.
    pub scope: Option<String>,
    /// `resource`: some of the granted audiences.
    #[serde(default)]
    pub resource: Several,
}

/// A member that is a text or a list of texts.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Several {
    /// Absent, or null.
    #[default]
    None,
    /// One.
    One(String),
    /// Any number.
    Many(Vec<String>),
}

impl Several {
    /// The texts; as in a form, an empty one counts as absent.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many.as_slice(),
        };
        all.iter().map(String::as_str).filter(|text| !text.is_empty())
    }
}

/// Why a request stops here.
type Stop = (ErrorCode, &'static str);

const FOREIGN: Stop =
    (ErrorCode::AccessDenied, "Pages of this origin may not act for this client. Register the origin.");

/// Lets a POST of a page pass. That it is a POST the route table has seen to.
///
/// # Errors
/// The answer to send instead: 403, or what says that the server or the connection is at fault.
pub async fn admit(request: &HttpRequest, app: &App, payload: Payload) -> Result<Admitted, HttpResponse> {
    let stop = |(code, description): Stop| forbidden(request, code, description);
    let headers = request.headers();
    known_host(request, app).map_err(stop)?;
    json_content(headers).map_err(stop)?;
    own_header(headers).map_err(stop)?;
    let origin = one_origin(headers).map_err(stop)?;
    fetch_site(headers, &["same-origin", "same-site"]).map_err(stop)?;
    fetch_mode(headers).map_err(stop)?;
    let body = body::read(app, payload, LIMIT).await.map_err(|broken| unread(request, broken))?;
    let asked = json_object(&body.freeze()).map_err(stop)?;
    some_clients(app, origin).await.map_err(stop)?;
    let (client, now) = registered(request, app, &asked.client_id).await?;
    on_the_list(&client, origin).map_err(stop)?;
    Ok(Admitted { client, asked, now })
}

/// Lets a GET of a page pass: a page of the same origin sends no `Origin` with it, and says so otherwise.
///
/// # Errors
/// The answer to send instead.
pub async fn admit_reading(
    request: &HttpRequest,
    app: &App,
    client_id: &str,
) -> Result<AuthenticatedClient, HttpResponse> {
    let stop = |(code, description): Stop| forbidden(request, code, description);
    let headers = request.headers();
    known_host(request, app).map_err(stop)?;
    own_header(headers).map_err(stop)?;
    fetch_mode(headers).map_err(stop)?;
    if !headers.contains_key(ORIGIN) {
        said(headers, "sec-fetch-site", &["same-origin"]).map_err(stop)?;
        return registered(request, app, client_id).await.map(|(client, _)| client);
    }
    let origin = one_origin(headers).map_err(stop)?;
    fetch_site(headers, &["same-origin", "same-site"]).map_err(stop)?;
    some_clients(app, origin).await.map_err(stop)?;
    let (client, _) = registered(request, app, client_id).await?;
    on_the_list(&client, origin).map_err(stop)?;
    Ok(client)
}

fn known_host(request: &HttpRequest, app: &App) -> Result<(), Stop> {
    match hosts::at(request, app) {
        At::Issuer(_) | At::Further(_) => Ok(()),
        At::Unknown => Err((
            ErrorCode::InvalidRequest,
            "The request came under a host name that is unknown here. Name it in browser.hosts, or let the proxy pass on Host.",
        )),
    }
}

/// A form cannot send it, and `text/plain` with JSON inside is not it.
fn json_content(headers: &HeaderMap) -> Result<(), Stop> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (media_type, parameters) = value.split_once(';').unwrap_or((value, ""));
    let charset = parameters.trim().to_ascii_lowercase();
    let json = media_type.trim().eq_ignore_ascii_case("application/json");
    if json && matches!(charset.as_str(), "" | "charset=utf-8" | "charset=\"utf-8\"") {
        return Ok(());
    }
    Err((ErrorCode::InvalidRequest, "The content type must be application/json."))
}

/// No page of another origin can send it without a preflight, which only the origins of clients pass.
fn own_header(headers: &HeaderMap) -> Result<(), Stop> {
    let said = said(headers, "x-signet-request", &["1"]);
    said.map_err(|_| (ErrorCode::InvalidRequest, "Send the header X-Signet-Request: 1."))
}

fn one_origin(headers: &HeaderMap) -> Result<&str, Stop> {
    let mut all = headers.get_all(ORIGIN);
    let origin = all.next().and_then(|value| value.to_str().ok()).filter(|origin| *origin != "null");
    match (origin, all.next()) {
        (Some(origin), None) => Ok(origin),
        _ => Err((ErrorCode::AccessDenied, "The request does not say which page it comes from.")),
    }
}

fn fetch_site(headers: &HeaderMap, allowed: &[&str]) -> Result<(), Stop> {
    if headers.contains_key("sec-fetch-site") { said(headers, "sec-fetch-site", allowed) } else { Ok(()) }
}

fn fetch_mode(headers: &HeaderMap) -> Result<(), Stop> {
    let name = "sec-fetch-mode";
    if headers.contains_key(name) { said(headers, name, &["cors"]) } else { Ok(()) }
}

/// A header that comes once and says one of these.
fn said(headers: &HeaderMap, name: &str, allowed: &[&str]) -> Result<(), Stop> {
    let mut all = headers.get_all(name);
    let value = all.next().and_then(|value| value.to_str().ok());
    if all.next().is_none() && value.is_some_and(|value| allowed.contains(&value)) {
        return Ok(());
    }
    Err((
        ErrorCode::AccessDenied,
        "The browser says that the request does not come from a page that may send it.",
    ))
}

fn unread(request: &HttpRequest, broken: BodyError) -> HttpResponse {
    if broken != BodyError::TooLarge {
        return error::body(request, broken);
    }
    let mut response =
        forbidden(request, ErrorCode::InvalidRequest, "The body is too large. Send at most 4096 bytes.");
    response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    response
}

/// An object: the reader would take an array for the fields in their order, too.
fn json_object(body: &Bytes) -> Result<Asked, Stop> {
    let object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let asked: Option<Asked> = if object { serde_json::from_slice(body).ok() } else { None };
    // No database text can hold it.
    let asked = asked.filter(|asked| !asked.client_id.contains('\0'));
    asked.ok_or((
        ErrorCode::InvalidRequest,
        "The body must be a JSON object with client_id and, if any, scope and resource.",
    ))
}

/// The active client in cookie mode of this id, from memory.
async fn registered(
    request: &HttpRequest,
    app: &App,
    client_id: &str,
) -> Result<(AuthenticatedClient, Timestamp), HttpResponse> {
    let op = &app.provider;
    let now = op.clock.now();
    match start::acting_client(op, &ClientId::from(client_id), now).await {
        Ok(Some(client)) => {
            cors::client_is(request, &client);
            Ok((client, now))
        }
        Ok(None) => Err(forbidden(
            request,
            ErrorCode::AccessDenied,
            "No active client in cookie mode is registered under this client_id.",
        )),
        Err(rejection) => Err(error::json(request, app, &rejection, Challenge::None)),
    }
}

/// An origin of no client in cookie mode stops here, from memory: an id that nobody has would be a question to the database
/// every time. Where the origins were never read, the client decides, and a database that is down is said to be.
async fn some_clients(app: &App, origin: &str) -> Result<(), Stop> {
    let (op, cookie_mode) = (&app.provider, true);
    let known = op.clients.is_origin_of_any(&op.store, origin, cookie_mode, op.clock.now()).await;
    if known || !op.clients.knows_origins() { Ok(()) } else { Err(FOREIGN) }
}

fn on_the_list(client: &AuthenticatedClient, origin: &str) -> Result<(), Stop> {
    if client.metadata.origins().iter().any(|one| one == origin) {
        return Ok(());
    }
    Err(FOREIGN)
}
