//! Cookies: bound to the host (`__Host-`), unreadable by script, and read strictly. On plain-http loopback in
//! development the names lose their prefix, since browsers refuse it there; nowhere else.

use actix_web::HttpRequest;
use actix_web::http::header::{COOKIE, HeaderValue};

use super::app::App;
use super::request::origin;
use crate::digest::{base64url, sha256};
use crate::flow::browser::{Browser, SetCookie};
use crate::flow::forward_auth::WebCookies;
use crate::flow::rejection::Rejection;
use crate::secret::{BrowserCookie, ClientId, DeviceCookie, SessionCookie, WebSessionCookie};

const SESSION: &str = "signet_session";
const BINDING: &str = "signet_browser";
const DEVICE: &str = "signet_device";
const TRANSACTION: &str = "signet_transaction";
/// Values of ours are 43 characters, a refresh token 76.
const LONGEST_VALUE: usize = 128;

/// The browser behind a request.
///
/// # Errors
/// `invalid_request` where one of our cookies comes twice: a sibling host may have planted one (S-077).
pub fn browser(request: &HttpRequest, app: &App) -> Result<Browser, Rejection> {
    Ok(Browser {
        session: value(request, &full_name(app, HOST, SESSION))?.map(SessionCookie::new),
        binding: value(request, &full_name(app, HOST, BINDING))?.map(BrowserCookie::new),
        device: value(request, &full_name(app, HOST, DEVICE))?.map(DeviceCookie::new),
        origin: origin(request, app),
    })
}

/// The cookies of a classic web application's session that came with a request.
///
/// # Errors
/// `invalid_request` where one comes twice (S-077).
pub fn web_session(request: &HttpRequest, app: &App, client: &ClientId) -> Result<WebCookies, Rejection> {
    let read = |domain| named(request, &web_session_name(app, client, domain));
    Ok(WebCookies {
        of_host: read(false)?.map(WebSessionCookie::new),
        of_domain: read(true)?.map(WebSessionCookie::new),
    })
}

/// Applications on one host, or under one domain, do not overwrite each other's.
fn web_session_name(app: &App, client: &ClientId, domain: bool) -> String {
    let tag = base64url(sha256(client.0.as_bytes()).as_bytes().get(..6).unwrap_or_default());
    match (app.is_https(), domain) {
        (true, false) => format!("__Host-Http-session-{tag}"),
        (true, true) => format!("__Secure-session-{tag}"),
        (false, _) => format!("session-{tag}"),
    }
}

/// The `Set-Cookie` value.
pub fn header(app: &App, cookie: &SetCookie) -> Option<HeaderValue> {
    let ours = |name| full_name(app, HOST, name);
    let (name, value, age) = match cookie {
        SetCookie::Session(value, age) => (ours(SESSION), value.reveal(), *age),
        SetCookie::Binding(value) => (ours(BINDING), value.reveal(), None),
        SetCookie::Device(value, age) => (ours(DEVICE), value.reveal(), Some(*age)),
        SetCookie::ClearSession => (ours(SESSION), "", Some(0)),
        SetCookie::Transaction(value, age) => (ours(TRANSACTION), value.reveal(), Some(*age)),
        SetCookie::Refresh(client, token, age) => (refresh_name(app, client), token.reveal(), Some(*age)),
        SetCookie::ClearRefresh(client) => (refresh_name(app, client), "", Some(0)),
    };
    // The answer of `/authorize` is a navigation from elsewhere; a refresh is a request of our own site's pages.
    let site = match cookie {
        SetCookie::Refresh(..) | SetCookie::ClearRefresh(_) => "Strict",
        _ => "Lax",
    };
    let secure = if app.is_https() { "; Secure" } else { "" };
    let age = age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite={site}{secure}{age}")).ok()
}

/// Set by this host alone, over https, for all its paths.
const HOST: &str = "__Host-";
/// The same, and by a header: browsers that do not know the prefix see that it begins with the other.
const HOST_HTTP: &str = "__Host-Http-";

fn full_name(app: &App, prefix: &str, name: &str) -> String {
    if app.is_https() { format!("{prefix}{name}") } else { name.to_owned() }
}

fn value(request: &HttpRequest, app: &App, name: &str) -> Result<Option<String>, Rejection> {
    named(request, &full_name(app, name))
}

fn named(request: &HttpRequest, name: &str) -> Result<Option<String>, Rejection> {
    let mut found = None;
    for header in request.headers().get_all(COOKIE) {
        let Ok(header) = header.to_str() else { continue };
        for (key, value) in header.split(';').filter_map(|pair| pair.split_once('=')) {
            if key.trim() != name {
                continue;
            }
            if found.is_some() {
                return Err(Rejection::invalid_request(
                    "A cookie of this server came twice. Delete this site's cookies and try again.",
                ));
            }
            found = Some(value.trim().trim_matches('"').to_owned());
        }
    }
    Ok(found.filter(|value| !value.is_empty() && value.len() <= LONGEST_VALUE))
}
