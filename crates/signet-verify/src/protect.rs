//! What stands in front of a service, whichever framework runs it: the few header lines that matter are collected and
//! judged, and a refusal becomes a response.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::challenge::Refusal;
use crate::need::{Need, RequestParts, StalePolicy};
use crate::token::Token;
use crate::verifier::Verifier;

/// More lines of one name than this change no verdict: a second one is refused already.
const MOST_LINES: usize = 2;

/// Where the scheme and the host of a request are taken from. A DPoP proof names both (RFC 9449 §4.3, `htu`).
#[derive(Clone, Debug, Default)]
pub(crate) enum Origin {
    /// Nowhere: a proof is refused, since whatever it names cannot be compared.
    #[default]
    Unknown,
    /// From the configuration.
    Fixed(Arc<str>),
    /// From `X-Forwarded-Proto` and `X-Forwarded-Host`, which a proxy in front has set.
    Forwarded,
}

impl Origin {
    /// A configured address. A slash at its end is dropped, since paths begin with one.
    pub(crate) fn fixed(url: &str) -> Self {
        Self::Fixed(url.trim_end_matches('/').into())
    }
}

/// The header lines of a request, whichever framework read them.
pub(crate) trait Lines {
    /// The values of all lines of this name, in order.
    fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]>;
}

/// Lets requests pass that carry a good access token: middleware for actix-web (feature `actix`), a layer for tower and
/// axum (feature `tower`).
///
/// Several may stand inside one another, an inner one asking for more. The token is verified by the outermost.
#[derive(Clone, Debug)]
pub struct Protect {
    verifier: Verifier,
    need: Need,
    origin: Origin,
}

/// What let a request pass, kept beside it. A `Protect` further in does not verify the token again: the same DPoP proof
/// seen twice would look like a replay (RFC 9449 §11.1).
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) token: Arc<Token>,
    by: Verifier,
}

impl Protect {
    /// Asks for a token of the verifier's issuer and audience, of whatever scope.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, need: Need::default(), origin: Origin::default() }
    }

    /// Asks for a scope as well. More than one call asks for all of them (RFC 6750 §3.1, `insufficient_scope`).
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.need = self.need.scope(scope);
        self
    }

    /// Asks that the user signed in at most this long ago (RFC 9470 §3).
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.need = self.need.max_age(age);
        self
    }

    /// Asks for an authentication context; any of those named will do (RFC 9470 §3).
    #[must_use]
    pub fn acr(mut self, acr: &str) -> Self {
        self.need = self.need.acr(acr);
        self
    }

    /// What happens here when the revocation feed has not been heard for long, in place of the verifier's policy.
    #[must_use]
    pub fn on_stale(mut self, policy: StalePolicy) -> Self {
        self.need = self.need.on_stale(policy);
        self
    }

    /// The address under which clients reach what is protected, up to where the path of a request begins:
    /// `https://api.example.com`. DPoP proofs name it (RFC 9449 §4.3); without it they are refused. What a router or a
    /// proxy in front has cut off the path belongs to it: `https://api.example.com/v1`.
    #[must_use]
    pub fn public_url(mut self, url: &str) -> Self {
        self.origin = Origin::fixed(url);
        self
    }

    /// Takes scheme and host from `X-Forwarded-Proto` and `X-Forwarded-Host`. Only behind a proxy that sets both on
    /// every request: a client that may choose them can use a proof made for another server.
    #[must_use]
    pub fn trust_forwarded(mut self) -> Self {
        self.origin = Origin::Forwarded;
        self
    }

    /// Judges a request. `target` is the path with the query as the request names it.
    pub(crate) async fn admit(
        &self,
        method: &str,
        target: &str,
        lines: &impl Lines,
        before: Option<Admitted>,
    ) -> Result<Admitted, Refusal> {
        let (authorization, dpop) = (presented(lines, "authorization"), presented(lines, "dpop"));
        let authorization = borrowed(&authorization);
        if let Some(before) = before.filter(|before| before.by.is(&self.verifier)) {
            self.verifier.permit(&before.token, &authorization, &self.need).await?;
            return Ok(before);
        }
        let uri = self.uri(target, lines);
        let request =
            RequestParts { method, uri: &uri, authorization: &authorization, dpop: &borrowed(&dpop) };
        let token = self.verifier.authorize(&request, &self.need).await?;
        Ok(Admitted { token, by: self.verifier.clone() })
    }

    /// The absolute address of a request, or the target alone where the origin is unknown.
    fn uri<'a>(&self, target: &'a str, lines: &impl Lines) -> Cow<'a, str> {
        // A target in absolute form is the client's word about the host.
        let target = path_of(target);
        match &self.origin {
            Origin::Unknown => Cow::Borrowed(target),
            Origin::Fixed(base) => Cow::Owned(at(base, target)),
            Origin::Forwarded => match (only(lines, "x-forwarded-proto"), only(lines, "x-forwarded-host")) {
                (Some(scheme), Some(host)) => Cow::Owned(at(&format!("{scheme}://{host}"), target)),
                _ => Cow::Borrowed(target),
            },
        }
    }
}

/// The path and query of a request target in origin form or absolute form.
pub(crate) fn path_of(target: &str) -> &str {
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => target,
    }
}

/// The address of a target below an origin. One that is no path must not go on with the name of the host.
pub(crate) fn at(origin: &str, target: &str) -> String {
    let slash = if target.starts_with(['/', '?']) { "" } else { "/" };
    format!("{origin}{slash}{target}")
}

/// A line that came once and holds one value. A list means that a client's value was appended to.
fn only<'a>(lines: &'a impl Lines, name: &'static str) -> Option<&'a str> {
    let mut all = lines.all(name);
    let value = std::str::from_utf8(all.next()?).ok()?.trim();
    (all.next().is_none() && !value.is_empty() && !value.contains(',')).then_some(value)
}

/// The values of a header. What is no UTF-8 keeps its place, garbled: it is present, and must not look absent.
pub(crate) fn presented<'a>(lines: &'a impl Lines, name: &'static str) -> Vec<Cow<'a, str>> {
    lines.all(name).take(MOST_LINES).map(String::from_utf8_lossy).collect()
}

fn borrowed<'a>(values: &'a [Cow<'_, str>]) -> Vec<&'a str> {
    values.iter().map(Cow::as_ref).collect()
}

#[cfg(test)]
mod tests {
    use super::{Lines, at, only, path_of};

    struct Fake(&'static [&'static str]);

    impl Lines for Fake {
        fn all<'a>(&'a self, _: &'static str) -> impl Iterator<Item = &'a [u8]> {
            self.0.iter().map(|value| value.as_bytes())
        }
    }

    #[test]
    fn an_absolute_target_lends_its_path_and_never_its_host() {
        for (target, path) in [
            ("/a?b=c", "/a?b=c"),
            ("http://evil.example/a?b", "/a?b"),
            ("http://evil.example", "/"),
            ("http://evil.example?b", "?b"),
            ("/redirect?to=http://evil.example/x", "/redirect?to=http://evil.example/x"),
            ("*", "*"),
        ] {
            assert_eq!(path_of(target), path, "{target}");
        }
    }

    #[test]
    fn a_target_never_goes_on_with_the_name_of_the_host() {
        for (target, address) in [
            ("/a", "https://api.example/a"),
            ("?b", "https://api.example?b"),
            (".evil.example/a", "https://api.example/.evil.example/a"),
            (":8443/a", "https://api.example/:8443/a"),
            ("@evil.example/a", "https://api.example/@evil.example/a"),
        ] {
            assert_eq!(at("https://api.example", target), address);
        }
    }

    #[test]
    fn a_forwarded_value_that_was_appended_to_is_no_value() {
        assert_eq!(only(&Fake(&["api.example.com"]), "x-forwarded-host"), Some("api.example.com"));
        for lines in [&["a.example, b.example"][..], &["a.example", "b.example"], &[""], &[]] {
            assert_eq!(only(&Fake(lines), "x-forwarded-host"), None);
        }
    }
}
