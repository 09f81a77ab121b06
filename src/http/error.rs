//! The only mapping from a refusal to the wire: status, JSON, headers (RFC 6749 §5.2, RFC 6750 §3). Faults of ours
//! are logged here, once.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde_json::json;

use super::app::App;
use super::body::BodyError;
use super::request::trace_id;
use crate::flow::rejection::{RETRY_AFTER_SECONDS, Reason, Rejection};
use crate::oauth::error::ErrorCode;
use crate::oauth::text;

/// Most characters of a detail in the log: a client's id and a description.
const LONGEST_DETAIL: usize = 1000;

/// How a client learns how to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// The client used the `Authorization` header with Basic: 401 answers with it (RFC 6749 §5.2).
    Basic,
    /// A protected resource: Bearer, with the error (RFC 6750 §3).
    Bearer,
    /// None.
    None,
}

/// Marks an answer of a token-bearing endpoint: never cached (RFC 6749 §5.1).
pub fn no_store(response: &mut HttpResponseBuilder) {
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.insert_header((PRAGMA, HeaderValue::from_static("no-cache")));
}

/// The JSON error of RFC 6749 §5.2.
pub fn json(request: &HttpRequest, app: &App, rejection: &Rejection, challenge: Challenge) -> HttpResponse {
    log(request, rejection);
    app.metrics.token_error(rejection.code);
    let status = StatusCode::from_u16(rejection.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    no_store(&mut response);
    if let Some(value) = challenge_header(app, rejection, challenge) {
        response.insert_header((WWW_AUTHENTICATE, value));
    }
    if rejection.code == ErrorCode::TemporarilyUnavailable {
        response.insert_header((RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS)));
    }
    response.json(json!({
        "error": rejection.code.as_str(),
        "error_description": rejection.description,
        "trace_id": trace_id(request),
    }))
}

/// A body that could not be read, as the JSON error with its own status.
pub fn body(request: &HttpRequest, error: BodyError) -> HttpResponse {
    let (status, description) = describe(error);
    let mut response = HttpResponse::build(status);
    no_store(&mut response);
    if leaves_a_rest(error) {
        response.force_close();
    }
    response.json(json!({
        "error": ErrorCode::InvalidRequest.as_str(),
        "error_description": description,
        "trace_id": trace_id(request),
    }))
}

/// Whether part of the body was not read: the connection cannot be used again then.
pub const fn leaves_a_rest(error: BodyError) -> bool {
    matches!(error, BodyError::TooLarge | BodyError::TooSlow | BodyError::Broken)
}

/// Status and sentence of a body that could not be read.
pub const fn describe(error: BodyError) -> (StatusCode, &'static str) {
    match error {
        BodyError::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large for this endpoint. Send less.")
        }
        BodyError::QueryTooLong => {
            (StatusCode::URI_TOO_LONG, "The query string is too long. Send the parameters in a POST body.")
        }
        BodyError::TooSlow => {
            (StatusCode::REQUEST_TIMEOUT, "The request's body did not arrive in time. Send it again.")
        }
        BodyError::Broken => (StatusCode::BAD_REQUEST, "The request's body broke off. Send it again."),
        BodyError::WrongType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The content type must be application/x-www-form-urlencoded.",
        ),
        BodyError::NotJson => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content type must be application/json.")
        }
        BodyError::Malformed(description) => (StatusCode::BAD_REQUEST, description),
    }
}

/// 405 with the methods that are allowed (RFC 9110 §15.5.6).
pub fn method_not_allowed(request: &HttpRequest, allowed: &str) -> HttpResponse {
    let mut response = HttpResponse::MethodNotAllowed();
    no_store(&mut response);
    if let Ok(value) = HeaderValue::from_str(allowed) {
        response.insert_header((ALLOW, value));
    }
    response.json(json!({
        "error": ErrorCode::InvalidRequest.as_str(),
        "error_description": "This endpoint does not take this method. The Allow header lists those it takes.",
        "trace_id": trace_id(request),
    }))
}

/// Logs a refusal: a fault of ours as an error, everything else for whoever looks for it.
pub fn log(request: &HttpRequest, rejection: &Rejection) {
    let (path, trace_id, code) = (request.path(), trace_id(request), rejection.code.as_str());
    match &rejection.reason {
        Reason::Fault(fault) => tracing::error!(path, trace_id, code, fault, "request failed"),
        Reason::Hidden(reason) => tracing::info!(path, trace_id, code, reason, "request refused"),
        Reason::HiddenDetail(reason) => {
            let reason = text::shortened(reason, LONGEST_DETAIL);
            tracing::info!(path, trace_id, code, reason, "request refused");
        }
        Reason::Request => {
            tracing::info!(path, trace_id, code, description = rejection.description, "request refused");
        }
    }
}

fn challenge_header(app: &App, rejection: &Rejection, challenge: Challenge) -> Option<HeaderValue> {
    let realm = text::quoted(app.provider.policy.issuer.as_str());
    let value = match (challenge, rejection.code) {
        (Challenge::Basic, ErrorCode::InvalidClient) => format!("Basic realm={realm}, charset=\"UTF-8\""),
        (
            Challenge::Bearer,
            ErrorCode::InvalidToken | ErrorCode::InsufficientScope | ErrorCode::InvalidRequest,
        ) => {
            format!(
                "Bearer realm={realm}, error=\"{}\", error_description=\"{}\"",
                rejection.code.as_str(),
                rejection.description
            )
        }
        _ => return None,
    };
    HeaderValue::from_str(&value).ok()
}

/// 401 of a request that carries no token at all: a challenge without an error code (RFC 6750 §3.1).
pub fn no_token(request: &HttpRequest, app: &App) -> HttpResponse {
    let mut response = HttpResponse::Unauthorized();
    no_store(&mut response);
    let realm = text::quoted(app.provider.policy.issuer.as_str());
    if let Ok(value) = HeaderValue::from_str(&format!("Bearer realm={realm}")) {
        response.insert_header((WWW_AUTHENTICATE, value));
    }
    response.json(json!({
        "error": ErrorCode::InvalidToken.as_str(),
        "error_description": "Send an access token in the Authorization header as Bearer.",
        "trace_id": trace_id(request),
    }))
}
