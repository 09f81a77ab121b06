//! Cross-origin reading of the token-bearing endpoints (WHATWG Fetch §3.2): exact origins of the clients, on every
//! answer, errors too. A missing header on an error hides the error from the application. With credentials only where
//! a cookie is the credential, and then only for clients in cookie mode.

use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

use super::app::App;
use crate::model::client::Client;

/// Who may read an endpoint's answers from another origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody: pages and everything that a browser navigates to.
    Nobody,
    /// Everybody: public documents.
    Everybody,
    /// The registered origins of the client, or of any client before it is known which.
    Clients,
    /// The same for clients in cookie mode alone, with cookies.
    Sessions,
}

impl Sharing {
    /// Whether browsers ask before they send.
    pub const fn is_asked_for(self) -> bool {
        matches!(self, Self::Clients | Self::Sessions)
    }

    /// What a page may send along.
    const fn request_headers(self) -> &'static str {
        match self {
            Self::Sessions => "Content-Type, X-Signet-Request, DPoP",
            _ => "Authorization, Content-Type, DPoP",
        }
    }
}

/// The origins of the client that a request turned out to be from.
struct KnownOrigins(Vec<String>);

/// Notes which client a request is from, so that only its own origins may read the answer.
pub fn client_is(request: &HttpRequest, client: &Client) {
    // Only pages send the header; everybody else need not wait for addresses to be parsed.
    if !request.headers().contains_key(ORIGIN) {
        return;
    }
    request.extensions_mut().insert(KnownOrigins(client.metadata.origins()));
}

/// Whether this is a preflight, which no handler should see.
pub fn is_preflight(request: &HttpRequest) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers a preflight.
pub fn preflight(allowed: &str, sharing: Sharing) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    if let Ok(value) = HeaderValue::from_str(allowed) {
        response.insert_header((ACCESS_CONTROL_ALLOW_METHODS, value));
    }
    let headers = HeaderValue::from_static(sharing.request_headers());
    response.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, headers));
    response.insert_header((ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")));
    response.finish()
}

/// Adds the sharing headers to an answer.
pub async fn apply(
    app: &App,
    request: &HttpRequest,
    sharing: Sharing,
    response: &mut actix_web::HttpResponse,
) {
    let headers = match sharing {
        Sharing::Nobody => return,
        Sharing::Everybody => {
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return;
        }
        Sharing::Clients | Sharing::Sessions => response.headers_mut(),
    };
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = request.headers().get(ORIGIN) else { return };
    if allowed(app, request, sharing, origin).await {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if sharing == Sharing::Sessions {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        let exposed = HeaderValue::from_static("WWW-Authenticate, Retry-After, DPoP-Nonce, Revocation-Batch");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

async fn allowed(app: &App, request: &HttpRequest, sharing: Sharing, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if let Some(known) = request.extensions().get::<KnownOrigins>() {
        return known.0.iter().any(|one| one == origin);
    }
    let op = &app.provider;
    let cookie_mode = sharing == Sharing::Sessions;
    op.clients.is_origin_of_any(&op.store, origin, cookie_mode, op.clock.now()).await
}
