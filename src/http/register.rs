//! `POST /register` (RFC 7591) and `/register/{client_id}` (RFC 7592): clients that register themselves.

use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::app::App;
use super::body::{self, BodyError};
use super::error::{self, Challenge, no_store};
use super::request::{self, trace_id};
use super::revocation;
use super::userinfo::bearer_token;
use crate::flow::registration::{self, NewRegistration, Problem, configuration};
use crate::flow::rejection::Rejection;
use crate::oauth::error::ErrorCode;
use crate::oauth::{registration_rules, text};
use crate::secret::{ClientId, InitialAccessToken, RegistrationToken};

/// Longest body, in bytes.
const LONGEST: usize = 64 * 1024;

/// Why there is no registration to answer with.
enum Failure {
    Problem(Problem),
    Body(BodyError),
}

impl<E: Into<Problem>> From<E> for Failure {
    fn from(problem: E) -> Self {
        Self::Problem(problem.into())
    }
}

/// Registers a client.
pub async fn register(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    match try_register(&request, &app, payload).await {
        Ok(made) => answer(&app, StatusCode::CREATED, &made),
        Err(failure) => refuse(&request, &app, failure),
    }
}

async fn try_register(
    request: &HttpRequest,
    app: &App,
    payload: Payload,
) -> Result<NewRegistration, Failure> {
    let op = &app.provider;
    let (origin, now) = (request::origin(request, app), op.clock.now());
    let token = bearer_token(request).map(|token| token.map(|token| InitialAccessToken::new(token.reveal())));
    let admitted = registration::admit(op, token, &origin, now).await?;
    let sent = members(request, app, payload).await?;
    Ok(registration::register(op, &admitted, &sent, &origin, now).await?)
}

/// Shows, replaces or ends a registration.
pub async fn configuration(
    request: HttpRequest,
    app: Data<App>,
    id: Path<String>,
    payload: Payload,
) -> HttpResponse {
    match try_configure(&request, &app, &ClientId(id.into_inner()), payload).await {
        Ok(Some(shown)) => answer(&app, StatusCode::OK, &shown),
        Ok(None) => {
            let mut response = HttpResponse::NoContent();
            no_store(&mut response);
            let mut response = response.finish();
            revocation::announce(&app, &mut response).await;
            response
        }
        Err(failure) => refuse(&request, &app, failure),
    }
}

async fn try_configure(
    request: &HttpRequest,
    app: &App,
    id: &ClientId,
    payload: Payload,
) -> Result<Option<NewRegistration>, Failure> {
    let op = &app.provider;
    let (origin, now) = (request::origin(request, app), op.clock.now());
    let token = bearer_token(request).map(|token| token.map(|token| RegistrationToken::new(token.reveal())));
    let owner = configuration::authenticate(op, id, token).await?;
    match *request.method() {
        Method::PUT => {
            let editor = configuration::admit(op, owner, &origin, now).await?;
            let sent = members(request, app, payload).await?;
            Ok(Some(configuration::replace(op, editor, &sent, &origin, now).await?))
        }
        Method::DELETE => {
            let editor = configuration::admit(op, owner, &origin, now).await?;
            configuration::delete(op, &editor, &origin, now).await?;
            Ok(None)
        }
        _ => Ok(Some(configuration::show(owner))),
    }
}

/// The members of a JSON body.
async fn members(request: &HttpRequest, app: &App, payload: Payload) -> Result<Map<String, Value>, Failure> {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Failure::Body(BodyError::NotJson));
    }
    let body = body::read(app, payload, LONGEST).await.map_err(Failure::Body)?;
    serde_json::from_slice(&body).map_err(|_| {
        let code = ErrorCode::InvalidClientMetadata;
        Failure::from(Rejection::new(code, "The body is not a JSON object. Send the client metadata as one."))
    })
}

/// RFC 7591 §3.2.1, RFC 7592 §3: everything that is registered.
fn answer(app: &App, status: StatusCode, made: &NewRegistration) -> HttpResponse {
    let client = &made.client;
    let mut members = registration_rules::shown(&client.metadata);
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("client_id", json!(client.id));
    set("client_id_issued_at", json!(client.created_at.seconds()));
    if let Some(secret) = &made.secret {
        set("client_secret", json!(secret.reveal()));
        // It does not expire.
        set("client_secret_expires_at", json!(0));
    }
    set("registration_access_token", json!(made.token.reveal()));
    let place = app.provider.policy.issuer.url(&format!("/register/{}", client.id));
    set("registration_client_uri", json!(place));
    let mut response = HttpResponse::build(status);
    no_store(&mut response);
    response.json(members)
}

fn refuse(request: &HttpRequest, app: &App, failure: Failure) -> HttpResponse {
    let problem = match failure {
        Failure::Body(broken) => return error::body(request, broken),
        Failure::Problem(problem) => problem,
    };
    match problem {
        Problem::Rejected(rejection) => error::json(request, app, &rejection, Challenge::Bearer),
        Problem::NoToken => {
            let description = "Registration needs a token. Send it in the Authorization header as Bearer.";
            let realm = text::quoted(app.provider.policy.issuer.as_str());
            let challenge = (WWW_AUTHENTICATE, format!("Bearer realm={realm}"));
            let status = StatusCode::UNAUTHORIZED;
            plain(request, (status, ErrorCode::InvalidToken, description), Some(challenge))
        }
        Problem::Off => {
            let description =
                "This server registers no clients by themselves. Ask its operator for a client.";
            plain(request, (StatusCode::FORBIDDEN, ErrorCode::AccessDenied, description), None)
        }
        Problem::Throttled(wait) => {
            let description =
                "Too many registrations and changes were tried from this address. Try again later.";
            let wait = (RETRY_AFTER, wait.as_secs().max(1).to_string());
            let code = ErrorCode::TemporarilyUnavailable;
            plain(request, (StatusCode::TOO_MANY_REQUESTS, code, description), Some(wait))
        }
        Problem::Metadata(problem) => {
            let (code, description) = Problem::of_metadata(&problem);
            plain(request, (StatusCode::BAD_REQUEST, code, &description), None)
        }
    }
}

fn plain(
    request: &HttpRequest,
    (status, code, description): (StatusCode, ErrorCode, &str),
    header: Option<(HeaderName, String)>,
) -> HttpResponse {
    tracing::info!(
        path = request.path(),
        trace_id = trace_id(request),
        code = code.as_str(),
        "request refused"
    );
    let mut response = HttpResponse::build(status);
    no_store(&mut response);
    if let Some((name, value)) = header
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        response.insert_header((name, value));
    }
    response.json(json!({
        "error": code.as_str(),
        "error_description": description,
        "trace_id": trace_id(request),
    }))
}
