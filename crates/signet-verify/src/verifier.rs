//! The verifier of a resource server.

use std::sync::Arc;
use std::time::Duration;

use crate::bearer::{self, Missing};
use crate::cache::TokenCache;
use crate::challenge::{Challenges, Refusal, Scheme};
pub use crate::config::{ConfigError, VerifierBuilder};
use crate::dpop::{Fault, Now, Proofs, Subject};
use crate::feed_client::FeedHandle;
use crate::fetch::Fetcher;
use crate::gate::Feed;
use crate::introspection::Introspector;
use crate::judge::{Judge, hash_of};
use crate::key_source::KeySource;
pub use crate::need::{DpopPolicy, Need, RequestParts, StalePolicy};
pub use crate::rejection::Rejection;
use crate::stats::Count;
pub use crate::stats::Stats;
use crate::token::{Context, Token};

/// When to ask again after a 503, in seconds.
const RETRY_AFTER: u64 = 1;
/// How long [`Verifier::ready`] waits for the revocation feed.
const FEED_HEARD: Duration = Duration::from_secs(10);

/// Verifies access tokens of one issuer for one resource. Cheap to clone: all clones are one.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    judge: Judge,
    proofs: Proofs,
    policy: StalePolicy,
    accepted: Count,
    refused: Count,
    revoked: Count,
    unavailable: Count,
}

impl Verifier {
    /// Begins with the issuer, exactly as its tokens name it in `iss`, and the audience that tokens for this resource
    /// name in `aud`.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder::new(issuer.into(), audience.into())
    }

    pub(crate) fn new(settings: VerifierBuilder) -> Result<Self, ConfigError> {
        let fetcher = Fetcher::new(&settings.issuer, &settings.roots, settings.issuer_address)?;
        let clock = Arc::clone(&settings.clock);
        let source = Arc::new(KeySource::new(fetcher, &settings.issuer, Arc::clone(&clock)));
        let feed = Feed::of(&settings, &source);
        let introspector = settings.introspection.clone().map(|credentials| {
            let (source, clock) = (Arc::clone(&source), Arc::clone(&clock));
            Arc::new(Introspector::new(source, credentials, clock, settings.cache_capacity))
        });
        let by_default = if introspector.is_some() { StalePolicy::Introspect } else { StalePolicy::Open };
        let challenges = Challenges {
            schemes: schemes(settings.dpop),
            resource_metadata: settings.resource_metadata.clone(),
        };
        Ok(Self(Arc::new(Inner {
            proofs: Proofs::new(settings.most_proofs, settings.nonce_key.as_ref()),
            policy: settings.on_stale.unwrap_or(by_default),
            judge: Judge {
                context: Arc::new(Context { clock, challenges }),
                cache: TokenCache::new(settings.cache_capacity),
                settings,
                source,
                introspector,
                feed,
                cached: Count::default(),
                signatures: Count::default(),
            },
            accepted: Count::default(),
            refused: Count::default(),
            revoked: Count::default(),
            unavailable: Count::default(),
        })))
    }

    /// Judges a request: that it presents one good access token, with a proof where the token is bound to a key, and
    /// that the token is all that is needed.
    ///
    /// # Errors
    /// What to answer instead of serving it.
    pub async fn authorize(&self, request: &RequestParts<'_>, need: &Need) -> Result<Arc<Token>, Refusal> {
        let (scheme, presented) = self.presented(request.authorization)?;
        let token = self.judged(presented, scheme, need).await?;
        self.check_possession(request, scheme, presented, &token)?;
        satisfies(&token, need)?;
        Ok(token)
    }

    /// Judges a token that [`authorize`](Self::authorize) has accepted for the same request against a further need. Its
    /// proof is not looked at again. `authorization` is what `authorize` had.
    ///
    /// # Errors
    /// What to answer instead of serving the request.
    pub async fn permit(&self, token: &Token, authorization: &[&str], need: &Need) -> Result<(), Refusal> {
        let (scheme, presented) = self.presented(authorization)?;
        let policy = need.on_stale.unwrap_or(self.0.policy);
        let stands = self.0.judge.stands(hash_of(presented), presented, policy).await;
        stands.map_err(|rejection| self.refusal(scheme, rejection))?;
        satisfies(token, need)
    }

    /// Judges a token that did not come in an HTTP request, such as in the first message of a WebSocket. A token bound
    /// to a key is refused, since nothing proves the key here.
    ///
    /// # Errors
    /// Why it is not accepted. [`Rejection::Unavailable`] says nothing about the token.
    pub async fn verify(&self, token: &str) -> Result<Arc<Token>, Rejection> {
        let outcome = match self.0.judge.judge(token, self.0.policy).await {
            Ok(token) if token.bound_to().is_some() => Err(Rejection::Bound),
            other => other,
        };
        self.count(&outcome);
        outcome
    }

    /// Reads the keys of the issuer, and waits for the revocation feed where there is one. A service that calls this
    /// before it listens serves its first request as fast as the next; none has to.
    ///
    /// # Errors
    /// What is out of reach. The verifier goes on trying with each request.
    pub async fn ready(&self) -> Result<(), Rejection> {
        self.0.judge.feed.follow();
        self.0.judge.source.known().await?;
        let heard = tokio::time::timeout(FEED_HEARD, self.0.judge.feed.heard()).await;
        heard.map_err(|_| Rejection::Unavailable("the revocation feed is not heard"))
    }

    /// Whether both are clones of one verifier.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The issuer whose tokens are accepted.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.judge.settings.issuer
    }

    /// The number of the newest batch that the revocation feed has brought: a token whose revocation was answered with
    /// `Revocation-Batch: n` is refused here once this is n or more.
    #[must_use]
    pub fn feed_position(&self) -> Option<u64> {
        self.0.judge.feed.position()
    }

    /// The revocation feed: how fresh it is, and figures for metrics. `None` where none is followed.
    #[must_use]
    pub fn feed(&self) -> Option<&FeedHandle> {
        self.0.judge.feed.handle()
    }

    /// The nonce that DPoP proofs should contain now, to be sent as `DPoP-Nonce` with any answer (RFC 9449 §8.2). `None`
    /// where none is asked for.
    #[must_use]
    pub fn dpop_nonce(&self) -> Option<String> {
        self.0.proofs.nonce(self.0.judge.context.clock.unix_millis())
    }

    /// Figures for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (inner, judge) = (&self.0, &self.0.judge);
        Stats {
            accepted: inner.accepted.get(),
            refused: inner.refused.get(),
            revoked: inner.revoked.get(),
            unavailable: inner.unavailable.get(),
            cached: judge.cached.get(),
            signatures: judge.signatures.get(),
            key_fetches: judge.source.fetches.get(),
            key_failures: judge.source.failures.get(),
            keys: judge.source.keys(),
            introspections: judge.introspector.as_ref().map_or(0, |introspector| introspector.asked.get()),
            feed_position: judge.feed.position(),
        }
    }

    fn challenges(&self) -> &Challenges {
        &self.0.judge.context.challenges
    }

    /// The one token of a request, with the scheme, which is one of ours.
    fn presented<'a>(&self, authorization: &[&'a str]) -> Result<(Scheme, &'a str), Refusal> {
        let challenges = self.challenges();
        match bearer::read(authorization) {
            Ok((scheme, token)) if challenges.schemes.contains(&scheme) => Ok((scheme, token)),
            Ok(_) | Err(Missing::Absent) => Err(challenges.absent()),
            Err(Missing::Malformed(how)) => Err(challenges.invalid_request(how)),
        }
    }

    async fn judged(&self, presented: &str, scheme: Scheme, need: &Need) -> Result<Arc<Token>, Refusal> {
        let policy = need.on_stale.unwrap_or(self.0.policy);
        let outcome = self.0.judge.judge(presented, policy).await;
        self.count(&outcome);
        outcome.map_err(|rejection| self.refusal(scheme, rejection))
    }

    /// RFC 9449 §7.1 and §7.2: a bound token needs its proof, whichever scheme it is presented with; the scheme `DPoP`
    /// needs a bound token.
    fn check_possession(
        &self,
        request: &RequestParts<'_>,
        scheme: Scheme,
        presented: &str,
        token: &Token,
    ) -> Result<(), Refusal> {
        let challenges = self.challenges();
        let key = match (scheme, token.bound_to()) {
            (Scheme::Bearer, None) => return Ok(()),
            (Scheme::Dpop, Some(key)) => key,
            (Scheme::Bearer, Some(_)) => {
                return Err(
                    challenges.invalid_token(scheme, "a token bound to a key was presented as Bearer")
                );
            }
            (Scheme::Dpop, None) => {
                return Err(challenges.invalid_token(scheme, "a token bound to no key was presented as DPoP"));
            }
        };
        let clock = &self.0.judge.context.clock;
        let now = Now { unix_millis: clock.unix_millis(), monotonic: clock.monotonic() };
        let subject = Subject { method: request.method, uri: request.uri, token: presented, key };
        self.0.proofs.check(request.dpop, &subject, now).map_err(|fault| match fault {
            Fault::Invalid(reason) => {
                tracing::debug!(reason, "a DPoP proof was refused");
                challenges.invalid_proof(reason)
            }
            Fault::Nonce(nonce) => challenges.use_nonce(nonce),
            Fault::Full => {
                tracing::warn!("more DPoP proofs than can be remembered");
                Challenges::unavailable("more DPoP proofs than can be remembered", RETRY_AFTER)
            }
        })
    }

    fn refusal(&self, scheme: Scheme, rejection: Rejection) -> Refusal {
        match rejection {
            Rejection::Unavailable(reason) => Challenges::unavailable(reason, RETRY_AFTER),
            _ => self.challenges().invalid_token(scheme, rejection.reason()),
        }
    }

    fn count(&self, outcome: &Result<Arc<Token>, Rejection>) {
        let inner = &self.0;
        match outcome {
            Ok(_) => return inner.accepted.up(),
            Err(Rejection::Unavailable(_)) => inner.unavailable.up(),
            Err(rejection) => {
                inner.refused.up();
                if matches!(rejection, Rejection::Revoked(_)) {
                    inner.revoked.up();
                }
            }
        }
        if let Err(rejection) = outcome {
            tracing::debug!(%rejection, "an access token was not accepted");
        }
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Verifier").field(&self.0.judge.settings).finish()
    }
}

const fn schemes(policy: DpopPolicy) -> &'static [Scheme] {
    match policy {
        DpopPolicy::Off => &[Scheme::Bearer],
        DpopPolicy::Accept => &[Scheme::Bearer, Scheme::Dpop],
        DpopPolicy::Require => &[Scheme::Dpop],
    }
}

/// Scope before step-up: authenticating again would not help a client that may not do this at all.
fn satisfies(token: &Token, need: &Need) -> Result<(), Refusal> {
    let scopes: Vec<&str> = need.scopes.iter().map(String::as_str).collect();
    token.require_scopes(&scopes)?;
    let acr: Vec<&str> = need.acr.iter().map(String::as_str).collect();
    token.require_authentication(&acr, need.max_age)
}
