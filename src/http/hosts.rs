//! At which of the server's hosts a request arrived. One process serves all of them. What a request says is only ever
//! compared with what is configured; every address that is made is made of the configured text (S-107).

use actix_web::HttpRequest;
use actix_web::http::header::HOST;

use super::app::App;
use super::request::is_from_trusted_proxy;
use crate::oauth::uri;

/// Where a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At<'a> {
    /// At the issuer's own host.
    Issuer(&'a str),
    /// At one of the further hosts of `browser.hosts`: sessions, and nothing else.
    Further(&'a str),
    /// Under another name, as behind a proxy that rewrites `Host`.
    Unknown,
}

impl<'a> At<'a> {
    /// The configured origin, where it is one.
    pub const fn origin(self) -> Option<&'a str> {
        match self {
            Self::Issuer(origin) | Self::Further(origin) => Some(origin),
            Self::Unknown => None,
        }
    }
}

/// Where a request arrived: by `Host`, or by the last `X-Forwarded-Host` where the peer is a trusted proxy.
pub fn at<'a>(request: &HttpRequest, app: &'a App) -> At<'a> {
    authority(request, app)
        .map_or(At::Unknown, |authority| found(&app.provider.policy.browser.hosts, &authority))
}

/// Whether the host of a request has a path: the further ones have what sessions need and no pages. A request under an
/// unknown name is treated as one for the issuer.
pub fn serves(request: &HttpRequest, app: &App, path: &str) -> bool {
    let everywhere =
        matches!(path, "/refresh" | "/forward-auth" | "/healthz" | "/.well-known/jwks.json" | "/session")
            || ["/session/", "/forward-auth/", "/assets/", "/demo/app"]
                .iter()
                .any(|prefix| path.starts_with(prefix));
    everywhere || !matches!(at(request, app), At::Further(_))
}

fn authority(request: &HttpRequest, app: &App) -> Option<String> {
    if is_from_trusted_proxy(request, app)
        && let Some(forwarded) = request.headers().get_all("x-forwarded-host").last()
    {
        return forwarded.to_str().ok()?.rsplit(',').next().map(|last| last.trim().to_ascii_lowercase());
    }
    let mut hosts = request.headers().get_all(HOST);
    let host = match hosts.next() {
        Some(host) => host.to_str().ok()?.to_owned(),
        // HTTP/2 has it in the request line.
        None => request.uri().authority()?.as_str().to_owned(),
    };
    hosts.next().is_none().then(|| host.to_ascii_lowercase())
}

fn found<'a>(hosts: &'a [String], authority: &str) -> At<'a> {
    let Some((issuer, further)) = hosts.split_first() else { return At::Unknown };
    if is_at(issuer, authority) {
        return At::Issuer(issuer);
    }
    if let Some(host) = further.iter().find(|host| is_at(host, authority)) {
        return At::Further(host);
    }
    // On one machine `localhost` and `127.0.0.1` are the same server.
    let local = |authority: &str| uri::is_loopback(name_of(authority));
    if local(split(issuer).1) && local(authority) { At::Issuer(issuer) } else { At::Unknown }
}

/// Whether an authority is that of an origin, which has no default port.
fn is_at(origin: &str, authority: &str) -> bool {
    let (scheme, own) = split(origin);
    let default = if scheme == "https" { ":443" } else { ":80" };
    own == authority || authority.strip_suffix(default) == Some(own)
}

fn split(origin: &str) -> (&str, &str) {
    origin.split_once("://").unwrap_or(("", origin))
}

/// An authority without its port.
fn name_of(authority: &str) -> &str {
    match authority.rfind(']') {
        Some(end) => authority.get(..=end).unwrap_or(authority),
        None => authority.split_once(':').map_or(authority, |(name, _)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(all: &[&str]) -> Vec<String> {
        all.iter().map(|host| (*host).to_owned()).collect()
    }

    #[test]
    fn a_host_is_found_by_its_own_name_only() {
        let ours =
            hosts(&["https://login.main.com", "https://auth.other.com", "https://auth.third.com:8443"]);
        for (authority, expected) in [
            ("login.main.com", At::Issuer("https://login.main.com")),
            ("login.main.com:443", At::Issuer("https://login.main.com")),
            ("auth.other.com", At::Further("https://auth.other.com")),
            ("auth.third.com:8443", At::Further("https://auth.third.com:8443")),
            ("auth.third.com", At::Unknown),
            ("auth.other.com:80", At::Unknown),
            ("auth.other.com:4430", At::Unknown),
            ("auth.other.com.evil.example", At::Unknown),
            ("evil.auth.other.com", At::Unknown),
            ("auth.other.com@evil.example", At::Unknown),
            ("localhost:443", At::Unknown),
            ("", At::Unknown),
        ] {
            assert_eq!(found(&ours, authority), expected, "{authority}");
        }
    }

    #[test]
    fn loopback_names_are_one_another_unless_they_are_configured() {
        let issuer = "http://localhost:8080";
        for authority in
            ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "127.0.0.1", "[::1]", "localhost:9"]
        {
            assert_eq!(found(&hosts(&[issuer]), authority), At::Issuer(issuer), "{authority}");
        }
        assert_eq!(found(&hosts(&[issuer]), "localhost.evil.example:8080"), At::Unknown);
        let two = hosts(&[issuer, "http://127.0.0.1:8080"]);
        assert_eq!(found(&two, "127.0.0.1:8080"), At::Further("http://127.0.0.1:8080"));
        assert_eq!(found(&two, "[::1]:8080"), At::Issuer(issuer));
    }
}
