//! Who asks, and under which name they reached us.

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderName};

use super::problem::{Kind, Problem};
use crate::clock::Timestamp;
use crate::flow::admin::access::{self, Administrator};
use crate::http::app::App;
use crate::oauth::bearer;

/// On a loopback listener the `Host` must be a loopback name (or the issuer's, behind a proxy), so that a page that
/// has its own name point here (DNS rebinding) reaches nothing (S-114).
pub(super) fn check_host(request: &HttpRequest, issuer_origin: &str) -> Result<(), Problem> {
    if !request.app_config().local_addr().ip().is_loopback() {
        return Ok(());
    }
    let host = single(request, &HOST);
    if host.is_some_and(|host| is_our_host(host, issuer_origin)) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::Forbidden,
        "This address answers to localhost only. Use http://127.0.0.1 or localhost.",
    ))
}

fn is_our_host(host: &str, issuer_origin: &str) -> bool {
    let issuer = issuer_origin.split_once("://").map_or("", |(_, authority)| authority);
    let name = match host.split_once(']') {
        Some((address, _)) if host.starts_with('[') => address.trim_start_matches('['),
        _ => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let loopback = ["localhost", "127.0.0.1", "::1"];
    loopback.iter().any(|known| name.eq_ignore_ascii_case(known)) || host.eq_ignore_ascii_case(issuer)
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

#[cfg(test)]
mod tests {
    use super::is_our_host;

    #[test]
    fn only_loopback_names_and_the_issuer_are_ours() {
        let issuer = "https://auth.example.com";
        for good in [
            "localhost",
            "LOCALHOST:9000",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:9000",
            "auth.example.com",
        ] {
            assert!(is_our_host(good, issuer), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example:9000",
            "127.0.0.1.evil.example",
            "auth.example.com:1",
        ] {
            assert!(!is_our_host(bad, issuer), "{bad}");
        }
    }
}
