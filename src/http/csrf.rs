//! Form tokens: a form is taken only from the browser, and for the interaction or session, that it was shown for.

use actix_web::HttpRequest;
use actix_web::http::header::ORIGIN;

use super::app::App;
use crate::digest::{base64url, ct_eq};
use crate::secret::{BrowserCookie, SessionCookie, SessionId};

/// The token of a form in an interaction.
pub fn interaction_token(app: &App, form: &'static str, browser: &BrowserCookie, handle: &str) -> String {
    token(app, &[form.as_bytes(), browser.reveal().as_bytes(), handle.as_bytes()])
}

/// The token of a form in an interaction that only the user it was shown to may send (S-016).
pub fn consent_token(
    app: &App,
    form: &'static str,
    (browser, session): (&BrowserCookie, SessionId),
    handle: &str,
) -> String {
    token(app, &[form.as_bytes(), browser.reveal().as_bytes(), handle.as_bytes(), session.0.as_bytes()])
}

/// The token of a form of a signed-in user.
pub fn session_token(app: &App, form: &'static str, session: &SessionCookie) -> String {
    token(app, &[form.as_bytes(), session.reveal().as_bytes()])
}

/// Constant-time: whether a form carries the token it was shown with.
pub fn matches(expected: &str, received: Option<&str>) -> bool {
    received.is_some_and(|received| ct_eq(expected.as_bytes(), received.as_bytes()))
}

/// The second line of defence: what a browser says about where a form comes from must not be elsewhere. `Origin:
/// null` says nothing (browsers send it under `no-referrer`), so the token decides there.
pub fn is_foreign(request: &HttpRequest, app: &App) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let site = header("sec-fetch-site");
    let origin = header(ORIGIN.as_str());
    site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
        || origin.is_some_and(|origin| origin != "null" && origin != app.provider.policy.issuer.origin())
}

fn token(app: &App, parts: &[&[u8]]) -> String {
    base64url(app.provider.secrets.forms.mac(parts).as_bytes())
}
