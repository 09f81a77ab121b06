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
use crate::secret::{
    BrowserCookie, ClientId, DeviceCookie, RefreshToken, SessionCookie, TransactionCookie, WebSessionCookie,
};

const SESSION: &str = "signet_session";
const BINDING: &str = "signet_browser";
const DEVICE: &str = "signet_device";
const TRANSACTION: &str = "signet_transaction";
/// Values of ours are 43 characters, a refresh token 76.
const LONGEST_VALUE: usize = 128;
/// At most so many sign-ins that began at the same moment are told apart.
const MOST_TRANSACTIONS: usize = 16;
/// The end of a refresh cookie that goes with the browser. It says nothing that its holder could gain by changing.
const UNTIL_CLOSED: &str = "~";

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

/// What binds `/session/start` to `/session/callback`: tabs that begin at the same moment, before there is any, get one
/// each. A value under a name that is not made of it is nobody's.
pub fn transactions(request: &HttpRequest, app: &App) -> Vec<TransactionCookie> {
    let prefix = full_name(app, HOST, TRANSACTION);
    let ours = pairs(request).filter_map(|(name, value)| {
        let value = TransactionCookie::new(plain(value)?);
        let name = std::str::from_utf8(name).ok()?;
        (name.starts_with(&prefix) && name == transaction_name(app, &value)).then_some(value)
    });
    ours.take(MOST_TRANSACTIONS).collect()
}

fn transaction_name(app: &App, value: &TransactionCookie) -> String {
    full_name(app, HOST, &format!("{TRANSACTION}-{}", tag(value.reveal())))
}

/// The refresh cookie of a client in cookie mode.
#[derive(Debug)]
pub struct HeldRefresh {
    /// The refresh token.
    pub token: RefreshToken,
    /// Whether the cookie outlives the browser, which its successor then does too.
    pub lasting: bool,
}

/// The refresh token of a client in cookie mode.
///
/// # Errors
/// `invalid_request` where it comes twice (S-077).
pub fn refresh(
    request: &HttpRequest,
    app: &App,
    client: &ClientId,
) -> Result<Option<HeldRefresh>, Rejection> {
    let found = value(request, &refresh_name(app, client))?;
    Ok(found.map(|value| match value.strip_suffix(UNTIL_CLOSED) {
        Some(token) => HeldRefresh { token: RefreshToken::new(token), lasting: false },
        None => HeldRefresh { token: RefreshToken::new(value), lasting: true },
    }))
}

/// The cookies of a classic web application's session that came with a request, either with its own `invalid_request`
/// where it comes twice (S-077): one that does not count is nobody's harm.
pub fn web_session(request: &HttpRequest, app: &App, client: &ClientId) -> WebCookies {
    let read = |shared| {
        let value = value(request, &web_session_name(app, client, shared));
        value.map(|value| value.map(WebSessionCookie::new))
    };
    WebCookies { of_host: read(false), of_domain: read(true) }
}

/// The `Set-Cookie` value.
pub fn header(app: &App, cookie: &SetCookie) -> Option<HeaderValue> {
    let ours = |name| full_name(app, HOST, name);
    let (name, value, age) = match cookie {
        SetCookie::Session(value, age) => (ours(SESSION), value.reveal(), *age),
        SetCookie::Binding(value) => (ours(BINDING), value.reveal(), None),
        SetCookie::Device(value, age) => (ours(DEVICE), value.reveal(), Some(*age)),
        SetCookie::ClearSession => (ours(SESSION), "", Some(0)),
        SetCookie::Transaction(value, age) => (transaction_name(app, value), value.reveal(), Some(*age)),
        SetCookie::Refresh(client, token, age) => (refresh_name(app, client), token.reveal(), *age),
        SetCookie::ClearRefresh(client) => (refresh_name(app, client), "", Some(0)),
        SetCookie::WebSession { client, value, domain, age } => {
            (web_session_name(app, client, domain.is_some()), value.reveal(), *age)
        }
    };
    // The answer of `/authorize` is a navigation from elsewhere; a refresh is a request of our own site's pages.
    let site = match cookie {
        SetCookie::Refresh(..) | SetCookie::ClearRefresh(_) => "Strict",
        _ => "Lax",
    };
    let domain = match cookie {
        SetCookie::WebSession { domain: Some(domain), .. } => format!("; Domain={domain}"),
        _ => String::new(),
    };
    let mark = if matches!(cookie, SetCookie::Refresh(_, _, None)) { UNTIL_CLOSED } else { "" };
    let secure = if app.is_https() { "; Secure" } else { "" };
    let age = age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    let attributes = format!("Path=/; HttpOnly; SameSite={site}{secure}{domain}{age}");
    HeaderValue::from_str(&format!("{name}={value}{mark}; {attributes}")).ok()
}

/// Set by this host alone, over https, for all its paths.
const HOST: &str = "__Host-";
/// The same, and by a header: browsers that do not know the prefix see that it begins with the other.
const HOST_HTTP: &str = "__Host-Http-";
/// Set over https.
const SECURE: &str = "__Secure-";

fn full_name(app: &App, prefix: &str, name: &str) -> String {
    if app.is_https() { format!("{prefix}{name}") } else { name.to_owned() }
}

/// Applications at one host do not overwrite each other's cookie: its name has a tag of the client.
fn refresh_name(app: &App, client: &ClientId) -> String {
    full_name(app, HOST_HTTP, &format!("refresh-{}", tag(client.as_str())))
}

/// The same for web sessions. `shared`: the hosts of a domain share it, which no name with `__Host-` may.
fn web_session_name(app: &App, client: &ClientId, shared: bool) -> String {
    full_name(app, if shared { SECURE } else { HOST_HTTP }, &format!("session-{}", tag(client.as_str())))
}

fn tag(text: &str) -> String {
    let mut digest = base64url(sha256(text.as_bytes()).as_bytes());
    digest.truncate(8);
    digest
}

fn value(request: &HttpRequest, name: &str) -> Result<Option<String>, Rejection> {
    let mut found = pairs(request).filter(|(key, _)| *key == name.as_bytes());
    let first = found.next().and_then(|(_, value)| plain(value));
    if found.next().is_some() {
        return Err(Rejection::invalid_request(
            "A cookie of this server came twice. Delete this site's cookies and try again.",
        ));
    }
    Ok(first)
}

/// Every cookie of a request, as bytes: one of another application may hold any, and hides none of ours.
fn pairs(request: &HttpRequest) -> impl Iterator<Item = (&[u8], &[u8])> {
    let headers = request.headers().get_all(COOKIE);
    headers.flat_map(|header| header.as_bytes().split(|byte| *byte == b';')).filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair.get(..at)?.trim_ascii(), pair.get(at + 1..)?.trim_ascii()))
    })
}

/// A value that can be one of ours.
fn plain(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.trim_matches('"');
    (!text.is_empty() && text.len() <= LONGEST_VALUE && text.is_ascii()).then(|| text.to_owned())
}
