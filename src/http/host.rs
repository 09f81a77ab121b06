//! Under which name a request reached a loopback listener. A page whose own name points here (DNS rebinding) must
//! reach nothing (S-114).

use actix_web::HttpRequest;
use actix_web::http::header::HOST;

/// Whether the listener is not a loopback one, or the `Host` is a loopback name or the issuer's (behind a proxy).
pub fn is_ours(request: &HttpRequest, issuer_origin: &str) -> bool {
    if !request.app_config().local_addr().ip().is_loopback() {
        return true;
    }
    let mut values = request.headers().get_all(HOST);
    let host = values.next().and_then(|value| value.to_str().ok());
    values.next().is_none() && host.is_some_and(|host| is_our_host(host, issuer_origin))
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
