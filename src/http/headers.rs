//! Headers of pages (S-013, S-110).

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    SET_COOKIE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};

use super::app::App;
use super::cookie;
use crate::flow::browser::SetCookie;

/// What a page may load and where its forms may lead, beyond this server.
#[derive(Clone, Debug, Default)]
pub struct PageSources {
    /// Where the redirect after a form leads: Chromium applies `form-action` to it.
    pub form_target: Option<String>,
    /// Where the client's logo lives.
    pub image: Option<String>,
    /// The origins that may be shown in frames.
    pub frames: Vec<String>,
}

/// A page.
pub fn page(
    app: &App,
    status: StatusCode,
    html: String,
    sources: &PageSources,
    cookies: &[SetCookie],
) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    protect(app, &mut response, sources);
    set_cookies(app, &mut response, cookies);
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")));
    response.body(html)
}

/// 303 See Other: after a form the browser must not send it again elsewhere (RFC 9700 §4.12).
pub fn see_other(app: &App, location: &str, cookies: &[SetCookie]) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    protect(app, &mut response, &PageSources::default());
    set_cookies(app, &mut response, cookies);
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    match HeaderValue::from_str(location) {
        Ok(value) => response.insert_header((header::LOCATION, value)).finish(),
        // Locations are percent-encoded; one that is not cannot be sent.
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

/// The headers that protect every page.
pub fn protect(app: &App, response: &mut HttpResponseBuilder, sources: &PageSources) {
    let form = sources.form_target.as_deref().map_or_else(String::new, |target| format!(" {target}"));
    let image = sources.image.as_deref().map_or_else(String::new, |origin| format!(" {origin}"));
    let frames = match sources.frames.join(" ") {
        none if none.is_empty() => none,
        some => format!("frame-src {some}; "),
    };
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:{image}; connect-src 'self'; \
         {frames}form-action 'self'{form}; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(value) = HeaderValue::from_str(&policy) {
        response.insert_header((CONTENT_SECURITY_POLICY, value));
    }
    for (name, value) in [
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        response.insert_header((name, HeaderValue::from_static(value)));
    }
    if app.is_https() && !app.settings.hsts.is_zero() {
        let value = HeaderValue::from_str(&format!("max-age={}", app.settings.hsts.as_secs()));
        if let Ok(value) = value {
            response.insert_header((STRICT_TRANSPORT_SECURITY, value));
        }
    }
}

/// Adds cookies to an answer.
pub fn set_cookies(app: &App, response: &mut HttpResponseBuilder, cookies: &[SetCookie]) {
    for cookie in cookies {
        if let Some(value) = cookie::header(app, cookie) {
            response.append_header((SET_COOKIE, value));
        }
    }
}
