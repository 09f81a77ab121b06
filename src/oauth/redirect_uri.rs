//! Redirect URIs: what may be registered (RFC 9700 §4.1.3, RFC 8252) and what a request may name.

use super::uri;

pub use super::proven::ProvenRedirectUri;

/// A registered redirect URI, kept byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RedirectUri(String);

impl RedirectUri {
    /// The URI as registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin as browsers send it; `None` for private-use schemes.
    pub fn origin(&self) -> Option<String> {
        uri::origin_of(&self.0)
    }

    /// Whether this is a native app's own scheme (RFC 8252 §7.1).
    pub fn is_private_use(&self) -> bool {
        !self.0.starts_with("https://") && !self.0.starts_with("http://")
    }
}

/// Checks a redirect URI at registration. The error is a sentence that names the fix.
pub fn parse_registered(text: &str) -> Result<RedirectUri, &'static str> {
    uri::check_characters(text)?;
    let (scheme, rest) =
        text.split_once(':').ok_or("A redirect URI must be absolute. Begin it with https://.")?;
    match scheme {
        "https" | "http" => {
            uri::check_web(text)?;
        }
        _ => check_private_use(scheme, rest)?,
    }
    check_query(text)?;
    Ok(RedirectUri(text.to_owned()))
}

/// Proves that `received` is one of `registered`, byte for byte.
///
/// The one exception: at `http://127.0.0.1` and `http://[::1]` any port will do, because a native app takes
/// the port its system gives it (RFC 8252 §7.3). `localhost` has no exception (RFC 8252 §8.3).
pub fn matches(registered: &[RedirectUri], received: &str) -> Option<ProvenRedirectUri> {
    let exact = || registered.iter().any(|uri| uri.0 == received);
    let but_for_the_port = || {
        split_loopback(received).is_some_and(|received| {
            registered.iter().filter_map(|uri| split_loopback(&uri.0)).any(|uri| uri == received)
        })
    };
    (exact() || but_for_the_port()).then(|| ProvenRedirectUri::new(received))
}

/// The registered URI that has the fewest bytes between a common beginning and a common end with `received`,
/// for the error page that shows both. Linear in the input, which anyone may send. Decides nothing.
pub fn nearest<'a>(registered: &'a [RedirectUri], received: &str) -> Option<&'a str> {
    registered.iter().map(RedirectUri::as_str).min_by_key(|uri| {
        let head = uri.bytes().zip(received.bytes()).take_while(|(a, b)| a == b).count();
        let tail = uri.bytes().rev().zip(received.bytes().rev()).take_while(|(a, b)| a == b).count();
        let common = (head + tail).min(uri.len()).min(received.len());
        uri.len() + received.len() - 2 * common
    })
}

impl std::fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for RedirectUri {
    type Err = InvalidRedirectUri;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_registered(text).map_err(InvalidRedirectUri)
    }
}

/// Why a redirect URI may not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRedirectUri(&'static str);

impl std::fmt::Display for InvalidRedirectUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidRedirectUri {}

impl serde::Serialize for RedirectUri {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for RedirectUri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        parse_registered(&text)
            .map_err(|problem| serde::de::Error::custom(format_args!("{text:?}: {problem}")))
    }
}

/// RFC 8252 §7.1: a scheme the app's maker owns as a reversed domain name. The dot keeps out `javascript`,
/// `data`, `file`, `intent` and whatever browsers add next, without a list of them.
fn check_private_use(scheme: &str, rest: &str) -> Result<(), &'static str> {
    let own = scheme.contains('.')
        && scheme.split('.').all(|label| !label.is_empty())
        && scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'));
    if !own {
        return Err(
            "Use https, or for a native app a scheme from your domain in lower case: com.example.app:/callback.",
        );
    }
    if !rest.starts_with('/') {
        return Err("A slash must follow the scheme: com.example.app:/callback.");
    }
    let authority = rest.strip_prefix("//").map(uri::authority_of).unwrap_or_default();
    if authority.contains('@') {
        return Err("A URI must not carry a user name or password. Remove everything up to the @.");
    }
    if rest.split(['/', '?']).any(|segment| matches!(segment, "." | "..")) {
        return Err("Write the path without dot segments.");
    }
    Ok(())
}

/// A registered query must not carry what the response adds, or the client would read the wrong one.
fn check_query(text: &str) -> Result<(), &'static str> {
    let Some((_, query)) = text.split_once('?') else { return Ok(()) };
    let taken = |name: &str| RESPONSE_PARAMETERS.contains(&name);
    if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| taken(&name)) {
        return Err(
            "The query must not use a parameter of the response: code, state, iss, error or the like.",
        );
    }
    Ok(())
}

/// Splits `http://127.0.0.1` and `http://[::1]` URIs into host and what follows the port. `None` for all else.
fn split_loopback(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]"].into_iter().find(|host| rest.starts_with(host))?;
    let after_host = rest.strip_prefix(host)?;
    let tail = match after_host.strip_prefix(':') {
        None => after_host,
        Some(port_and_tail) => {
            let port = uri::authority_of(port_and_tail);
            uri::parse_port(port)?;
            port_and_tail.strip_prefix(port)?
        }
    };
    (tail.is_empty() || tail.starts_with(['/', '?'])).then_some((host, tail))
}

/// RFC 6749 §4.1.2, §4.1.2.1, RFC 9207 §2, OpenID Connect Session Management §2, JARM §2.3.
const RESPONSE_PARAMETERS: [&str; 8] =
    ["code", "state", "iss", "error", "error_description", "error_uri", "session_state", "response"];

#[cfg(test)]
#[path = "redirect_uri_tests.rs"]
mod tests;
