//! The settings of a verifier, checked once.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::jose::claims::LONGEST_EXP_LEEWAY;
use crate::need::{DpopPolicy, StalePolicy};
use crate::verifier::Verifier;

/// The longest time that an answer of introspection is kept.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);
/// So long the first requests wait for the feed.
const FIRST_CONTACT: Duration = Duration::from_secs(3);

/// The settings of a [`Verifier`]. Issuer and audience are all it takes.
#[derive(Clone)]
#[must_use]
pub struct VerifierBuilder {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) introspection: Option<Credentials>,
    pub(crate) keep_answers: Duration,
    pub(crate) answers_without_audience: bool,
    pub(crate) untyped: bool,
    pub(crate) leeway: Duration,
    pub(crate) on_stale: Option<StalePolicy>,
    pub(crate) dpop: DpopPolicy,
    pub(crate) most_proofs: usize,
    pub(crate) nonce_key: Option<[u8; 32]>,
    pub(crate) cache_capacity: usize,
    pub(crate) resource_metadata: Option<String>,
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) issuer_address: Option<IpAddr>,
    pub(crate) feed: bool,
    pub(crate) first_contact: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What a resource server authenticates with at the introspection endpoint. The secret is not printed.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl VerifierBuilder {
    pub(crate) fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audiences: vec![audience],
            introspection: None,
            keep_answers: Duration::from_secs(1),
            answers_without_audience: false,
            untyped: false,
            leeway: Duration::ZERO,
            on_stale: None,
            dpop: DpopPolicy::Off,
            most_proofs: 500_000,
            nonce_key: None,
            cache_capacity: 10_000,
            resource_metadata: None,
            roots: Vec::new(),
            issuer_address: None,
            feed: true,
            first_contact: FIRST_CONTACT,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// A further audience: a token for any of them is accepted.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The client id and secret of this resource server, for introspection (RFC 7662): of opaque tokens, and of all
    /// tokens while the feed is not heard.
    pub fn introspection(mut self, client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        self.introspection = Some(Credentials { id: client_id.into(), secret: client_secret.into() });
        self
    }

    /// How long an answer that an opaque token is active may be used; 1 s by default, at most 60 s.
    pub const fn keep_answers(mut self, span: Duration) -> Self {
        self.keep_answers = span;
        self
    }

    /// Accepts an answer of introspection that names no audience. Weaker: the issuer alone then decides whether a token
    /// may be used here, and many issuers call every token of theirs active.
    pub const fn accept_answers_without_audience(mut self) -> Self {
        self.answers_without_audience = true;
        self
    }

    /// Accepts tokens of the type `JWT`, or of none, for issuers that do not follow RFC 9068; `client_id` and `jti` may
    /// then be missing as well. Weaker: an access token is then told from an ID token or a logout token by its claims
    /// (RFC 8725 §3.11), which is a guess. It refuses what has `nonce`, `at_hash`, `c_hash`, `s_hash` or `events`, and
    /// what is meant for the client it was issued to.
    pub const fn accept_untyped(mut self) -> Self {
        self.untyped = true;
        self
    }

    /// How far `exp` may be overrun; nothing by default, at most 30 s.
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// What happens when the revocation feed has not been heard for long.
    pub const fn on_stale(mut self, policy: StalePolicy) -> Self {
        self.on_stale = Some(policy);
        self
    }

    /// How tokens bound to a key are treated; [`DpopPolicy::Off`] by default.
    pub const fn dpop(mut self, policy: DpopPolicy) -> Self {
        self.dpop = policy;
        self
    }

    /// How many proofs are remembered, so that none is used twice; 500,000 by default, of some 50 bytes. A proof is
    /// remembered for two minutes. When there are more, requests with a proof get 503.
    pub const fn most_proofs(mut self, proofs: usize) -> Self {
        self.most_proofs = proofs;
        self
    }

    /// Asks that proofs contain a nonce of ours (RFC 9449 §9), made with this key, which all processes of one resource
    /// must share.
    pub const fn dpop_nonces(mut self, key: [u8; 32]) -> Self {
        self.nonce_key = Some(key);
        self
    }

    /// How many verified tokens are kept; 10,000 by default. None with 0.
    pub const fn cache_capacity(mut self, tokens: usize) -> Self {
        self.cache_capacity = tokens;
        self
    }

    /// The address of this resource's metadata (RFC 9728), which challenges then name.
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.resource_metadata = Some(url.into());
        self
    }

    /// A certificate to trust besides those of the system, in PEM: of the authority that signed the issuer's certificate,
    /// such as `tls/ca.pem` of a development store. More than one call adds more; nothing else in the process sees it.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Where to connect for the issuer's host, whatever its name resolves to: for an issuer whose public name leads
    /// elsewhere from here, or nowhere. The certificate still has to be for the name.
    pub const fn issuer_address(mut self, address: IpAddr) -> Self {
        self.issuer_address = Some(address);
        self
    }

    /// Follows no revocation feed, also where the issuer has one: tokens then live until they expire.
    pub const fn without_feed(mut self) -> Self {
        self.feed = false;
        self
    }

    /// How long the first requests wait for the revocation feed, all together; 3 s otherwise. For tests, where either
    /// it is there and nobody may be too slow for it, or it is not and nobody is to wait.
    #[cfg(feature = "testing")]
    pub const fn first_contact(mut self, span: Duration) -> Self {
        self.first_contact = span;
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes the verifier. Nothing is fetched yet: that begins with the first request, or with [`Verifier::ready`].
    ///
    /// # Errors
    /// [`ConfigError`]: a setting that cannot work, or would be unsafe.
    pub fn build(self) -> Result<Verifier, ConfigError> {
        self.check()?;
        Verifier::new(self)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.audiences.iter().any(String::is_empty) {
            return Err(ConfigError("an audience is empty"));
        }
        if self.leeway > LONGEST_EXP_LEEWAY {
            return Err(ConfigError("the leeway is above 30 s"));
        }
        if self.keep_answers > LONGEST_ANSWER {
            return Err(ConfigError("answers of introspection are kept for more than 60 s"));
        }
        if self.on_stale == Some(StalePolicy::Introspect) && self.introspection.is_none() {
            return Err(ConfigError("the policy is to introspect, and there are no credentials for it"));
        }
        if self.introspection.as_ref().is_some_and(|own| own.id.is_empty() || own.secret.is_empty()) {
            return Err(ConfigError("the credentials for introspection are empty"));
        }
        Ok(())
    }
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("issuer", &self.issuer)
            .field("audiences", &self.audiences)
            .field("introspection", &self.introspection.as_ref().map(|own| &own.id))
            .field("on_stale", &self.on_stale)
            .field("dpop", &self.dpop)
            .finish_non_exhaustive()
    }
}

/// A setting that cannot work, or would be unsafe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError(pub(crate) &'static str);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ConfigError {}
