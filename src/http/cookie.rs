//! Cookies: bound to the host (`__Host-`), unreadable by script, and read strictly. On plain-http loopback in
//! development the names lose their prefix, since browsers refuse it there; nowhere else.

use actix_web::HttpRequest;
use actix_web::http::header::{COOKIE, HeaderValue};

use super::app::App;
use super::request::origin;
use crate::flow::browser::{Browser, SetCookie};
use crate::flow::rejection::Rejection;
use crate::secret::{BrowserCookie, DeviceCookie, SessionCookie};

const SESSION: &str = "signet_session";
const BINDING: &str = "signet_browser";
const DEVICE: &str = "signet_device";
/// Values of ours are 43 characters.
const LONGEST_VALUE: usize = 64;

/// The browser behind a request.
///
/// # Errors
/// `invalid_request` where one of our cookies comes twice: a sibling host may have planted one (S-077).
pub fn browser(request: &HttpRequest, app: &App) -> Result<Browser, Rejection> {
    Ok(Browser {
        session: value(request, app, SESSION)?.map(SessionCookie::new),
        binding: value(request, app, BINDING)?.map(BrowserCookie::new),
        device: value(request, app, DEVICE)?.map(DeviceCookie::new),
        origin: origin(request, app),
    })
}

/// The `Set-Cookie` value.
pub fn header(app: &App, cookie: &SetCookie) -> Option<HeaderValue> {
    let (name, value, age) = match cookie {
        SetCookie::Session(value, age) => (SESSION, value.reveal(), *age),
        SetCookie::Binding(value) => (BINDING, value.reveal(), None),
        SetCookie::Device(value, age) => (DEVICE, value.reveal(), Some(*age)),
        SetCookie::ClearSession => (SESSION, "", Some(0)),
    };
    let secure = if app.is_https() { "; Secure" } else { "" };
    let age = age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    let name = full_name(app, name);
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}")).ok()
}

fn full_name(app: &App, name: &str) -> String {
    if app.is_https() { format!("__Host-{name}") } else { name.to_owned() }
}

fn value(request: &HttpRequest, app: &App, name: &str) -> Result<Option<String>, Rejection> {
    let name = full_name(app, name);
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
