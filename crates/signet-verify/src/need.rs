//! What a request brings, and what a route asks for.

use std::time::Duration;

/// What happens to a token, good by its signature and by all that is known, when the revocation feed has not been heard
/// for more than 30 s (`docs/revocation-feed.md` §5). What is known to be revoked is refused in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StalePolicy {
    /// The issuer is asked (RFC 7662), at most once a second for each token. 503 where it does not answer. The default
    /// with [`introspection`](crate::verifier::VerifierBuilder::introspection) credentials.
    Introspect,
    /// The token is accepted, as without a feed. The default without credentials.
    Open,
    /// 503.
    Closed,
}

/// How tokens bound to a key are treated (RFC 9449).
///
/// Whatever the policy: a token that is bound to a key is refused without a proof of that key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DpopPolicy {
    /// `Bearer` only. Bound tokens are refused.
    #[default]
    Off,
    /// `Bearer` for tokens that are not bound, `DPoP` for those that are.
    Accept,
    /// `DPoP` only.
    Require,
}

/// The parts of a request that are judged.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The method, as received.
    pub method: &'a str,
    /// The absolute URI as the client sees it: what `htu` of a DPoP proof is compared with (RFC 9449 §4.3). Where it is
    /// not absolute, proofs are refused.
    pub uri: &'a str,
    /// The values of all `Authorization` lines.
    pub authorization: &'a [&'a str],
    /// The values of all `DPoP` lines.
    pub dpop: &'a [&'a str],
}

/// What a route asks of a token, beyond that it is good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    pub(crate) scopes: Vec<String>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) acr: Vec<String>,
    pub(crate) on_stale: Option<StalePolicy>,
}

impl Need {
    /// Any good token.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// This scope as well.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// A sign-in at most this long ago (RFC 9470).
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// This class of authentication, or another one named in the same way (RFC 9470).
    #[must_use]
    pub fn acr(mut self, acr: impl Into<String>) -> Self {
        self.acr.push(acr.into());
        self
    }

    /// Another policy than the verifier's for a feed that has not been heard for long.
    #[must_use]
    pub const fn on_stale(mut self, policy: StalePolicy) -> Self {
        self.on_stale = Some(policy);
        self
    }
}
