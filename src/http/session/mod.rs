//! Cookie mode on the wire: two navigations, and requests of pages behind one gate. See docs/sessions.md.

pub mod callback;
pub mod gate;
pub mod logout;
pub mod navigation;
pub mod refresh;
pub mod start;
pub mod whois;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::app::App;
use super::error::{self, Challenge, no_store};
use super::headers::set_cookies;
use super::request::trace_id;
use crate::flow::browser::SetCookie;
use crate::flow::rejection::{Reason, Rejection};
use crate::oauth::error::ErrorCode;
use crate::secret::ClientId;

/// Nobody is signed in any more, as far as this cookie goes: 401, and the cookie is cleared where the browser sent one.
/// A cookie that was not sent is left alone: a sign-in in another tab may just be setting it.
fn over(request: &HttpRequest, app: &App, sent: Option<&ClientId>) -> HttpResponse {
    let mut response = HttpResponse::Unauthorized();
    no_store(&mut response);
    let cleared: Vec<_> = sent.map(|client| SetCookie::ClearRefresh(client.clone())).into_iter().collect();
    set_cookies(app, &mut response, &cleared);
    response.json(json!({
        "error": ErrorCode::LoginRequired.as_str(),
        "error_description": "Nobody is signed in here. Send the browser to /session/start.",
        "trace_id": trace_id(request),
    }))
}

/// A refusal by a flow: `invalid_grant` means that the session is over; nothing else touches the cookie.
fn refused(request: &HttpRequest, app: &App, sent: Option<&ClientId>, rejection: &Rejection) -> HttpResponse {
    if rejection.code == ErrorCode::InvalidGrant {
        error::log(request, rejection);
        return over(request, app, sent);
    }
    // Who signs in again in this browser goes on; the owner of the cookie, elsewhere, goes on with it.
    if rejection.code == ErrorCode::LoginRequired {
        error::log(request, rejection);
        return over(request, app, None);
    }
    error::json(request, app, rejection, Challenge::None)
}

/// A request that the gate does not let through: 403, whatever is wrong with it.
fn forbidden(request: &HttpRequest, code: ErrorCode, description: &'static str) -> HttpResponse {
    let rejection = Rejection { code, description, reason: Reason::Request };
    error::log(request, &rejection);
    let mut response = HttpResponse::build(StatusCode::FORBIDDEN);
    no_store(&mut response);
    response.json(json!({
        "error": code.as_str(),
        "error_description": description,
        "trace_id": trace_id(request),
    }))
}
