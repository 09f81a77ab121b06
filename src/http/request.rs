//! What the edge reads off a request beside its parameters: who sends it, under which id.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderValue, USER_AGENT};
use actix_web::{HttpMessage as _, HttpRequest};
use percent_encoding::percent_decode;

use super::app::App;
use crate::digest::base64url;
use crate::model::audit::Origin;

/// Longest `User-Agent` kept, in characters.
const LONGEST_USER_AGENT: usize = 256;
/// Longest place kept, in characters.
const LONGEST_PLACE: usize = 64;

/// The id of a request: in its answer, in the log and in the audit trail.
#[derive(Clone, Debug)]
pub struct TraceId(pub String);

impl TraceId {
    /// A random id of 16 hexadecimal bytes, the form of a W3C trace id. Not a secret.
    pub fn generate(entropy: &dyn crate::entropy::Entropy) -> Self {
        let bytes = entropy.bytes::<12>().unwrap_or_default();
        Self(base64url(&bytes))
    }
}

/// The id of this request.
pub fn trace_id(request: &HttpRequest) -> String {
    request.extensions().get::<TraceId>().map_or_else(String::new, |id| id.0.clone())
}

/// Gives a request its id, if it has none yet.
pub fn identify(request: &HttpRequest, app: &App) {
    let mut extensions = request.extensions_mut();
    if extensions.get::<TraceId>().is_none() {
        extensions.insert(TraceId::generate(app.provider.entropy.as_ref()));
    }
}

/// Where a request comes from, for throttling and the audit log.
pub fn origin(request: &HttpRequest, app: &App) -> Origin {
    identify(request, app);
    let peer = request.peer_addr().map(|address| address.ip());
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let proxied = peer.is_some_and(|peer| is_trusted(canonical(peer), &app.settings.trusted_proxies));
    let place = app.settings.place_header.as_ref().filter(|_| proxied);
    Origin {
        address: address(request, app),
        place: place.and_then(|name| request.headers().get_all(name).last()).and_then(place_of),
        user_agent: user_agent.map(|text| text.chars().take(LONGEST_USER_AGENT).collect()),
        trace_id: Some(trace_id(request)),
    }
}

/// The address that a request comes from, for throttling.
pub fn address(request: &HttpRequest, app: &App) -> Option<String> {
    let peer = request.peer_addr()?.ip();
    Some(client_address(request.headers(), peer, &app.settings.trusted_proxies).to_string())
}

/// The client's address: the peer's, unless the peer is a trusted proxy; then the last address of
/// `X-Forwarded-For` that is no trusted proxy. Anything unparsable ends the search (S-107).
fn client_address(headers: &HeaderMap, peer: IpAddr, trusted: &[(IpAddr, u8)]) -> IpAddr {
    let mut address = canonical(peer);
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for hop in forwarded.iter().rev() {
        if !is_trusted(address, trusted) {
            break;
        }
        match hop.trim().parse() {
            Ok(next) => address = canonical(next),
            Err(_) => break,
        }
    }
    address
}

/// Whether the peer itself is one of the proxies whose headers are believed.
pub fn is_from_trusted_proxy(request: &HttpRequest, app: &App) -> bool {
    let peer = request.peer_addr().map(|address| canonical(address.ip()));
    peer.is_some_and(|peer| is_trusted(peer, &app.settings.trusted_proxies))
}

/// A place as a trusted proxy says it, made fit for a list: proxies write UTF-8, percent-encoded or not, or Latin-1.
fn place_of(value: &HeaderValue) -> Option<String> {
    let bytes: Vec<u8> = percent_decode(value.as_bytes()).collect();
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(broken) => broken.as_bytes().iter().copied().map(char::from).collect(),
    };
    let plain: String =
        text.chars().filter(|character| !character.is_control()).take(LONGEST_PLACE).collect();
    let plain = plain.trim();
    (!plain.is_empty()).then(|| plain.to_owned())
}

/// An IPv4 address written as IPv6 is the IPv4 address.
const fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6(six),
        },
        IpAddr::V4(_) => address,
    }
}

fn is_trusted(address: IpAddr, trusted: &[(IpAddr, u8)]) -> bool {
    trusted.iter().any(|(network, prefix)| match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            let shift = 32_u32.saturating_sub(u32::from(*prefix));
            u64::from(u32::from(a)) >> shift == u64::from(u32::from(*n)) >> shift
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            let shift = 128_u32.saturating_sub(u32::from(*prefix));
            u128::from(a).checked_shr(shift) == u128::from(*n).checked_shr(shift)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            let value = value.parse().expect("a header value");
            map.append(actix_web::http::header::HeaderName::from_static("x-forwarded-for"), value);
        }
        map
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_header_from_an_untrusted_peer_is_not_believed() {
        let map = headers(&["203.0.113.9"]);
        assert_eq!(client_address(&map, ip("198.51.100.1"), &[]), ip("198.51.100.1"));
        assert_eq!(client_address(&map, ip("198.51.100.1"), &[(ip("10.0.0.0"), 8)]), ip("198.51.100.1"));
    }

    #[test]
    fn a_place_is_read_as_proxies_write_it_and_made_plain() {
        let long = "x".repeat(65);
        for (written, read) in [
            (&b"Berlin"[..], Some("Berlin")),
            (b"M%C3%BCnchen", Some("M\u{fc}nchen")),
            ("M\u{fc}nchen".as_bytes(), Some("M\u{fc}nchen")),
            (b"M\xfcnchen", Some("M\u{fc}nchen")),
            (b"100% Berlin", Some("100% Berlin")),
            (b" Ber%0D%0Alin%00%1b ", Some("Berlin")),
            (b"%20%09", None),
            (b"", None),
            (long.as_bytes(), Some(&long[..64])),
        ] {
            let value = HeaderValue::from_bytes(written).expect("a header value");
            assert_eq!(place_of(&value).as_deref(), read, "{written:?}");
        }
    }

    #[test]
    fn behind_trusted_proxies_the_last_untrusted_address_counts() {
        let trusted = [(ip("10.0.0.0"), 8), (ip("fd00::"), 8)];
        let map = headers(&["6.6.6.6, 203.0.113.9", "10.1.2.3"]);
        assert_eq!(client_address(&map, ip("10.9.9.9"), &trusted), ip("203.0.113.9"));
        assert_eq!(client_address(&map, ip("::ffff:10.9.9.9"), &trusted), ip("203.0.113.9"));
        let nonsense = headers(&["203.0.113.9, unknown"]);
        assert_eq!(client_address(&nonsense, ip("10.9.9.9"), &trusted), ip("10.9.9.9"));
    }
}
