//! Who asks, and under which name they reached us.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderName};

use super::problem::{Kind, Problem};
use crate::clock::Timestamp;
use crate::flow::admin::access::{self, Administrator};
use crate::http::app::App;
use crate::http::host;
use crate::oauth::bearer;

/// On a loopback listener the `Host` must be a loopback name (or the issuer's, behind a proxy), so that a page that
/// has its own name point here (DNS rebinding) reaches nothing (S-114).
pub(super) fn check_host(request: &HttpRequest, issuer_origin: &str) -> Result<(), Problem> {
    if host::is_ours(request, issuer_origin) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::Forbidden,
        "This address answers to localhost only. Use http://127.0.0.1 or localhost.",
    ))
}

/// The administrator behind the `Authorization` header.
pub(super) async fn administrator(
    request: &HttpRequest,
    app: &App,
    now: Timestamp,
) -> Result<Administrator, Problem> {
    if !request.headers().contains_key(AUTHORIZATION) {
        return Err(Problem::no_credentials());
    }
    let malformed = || Problem::new(Kind::BadRequest, bearer::MalformedBearer.description());
    let header = single(request, &AUTHORIZATION).ok_or_else(malformed)?;
    let token = bearer::parse(header).map_err(|_| malformed())?.ok_or_else(Problem::no_credentials)?;
    Ok(access::authenticate(&app.provider, &token, now).await?)
}

/// The value of a header that occurs exactly once.
fn single<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    let mut values = request.headers().get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
