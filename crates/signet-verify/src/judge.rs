//! The judgement on a token: its signature and claims, the revocation feed, the word of the issuer.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use crate::cache::{Cached, TokenCache};
use crate::config::VerifierBuilder;
use crate::feed::entry::Kind;
use crate::feed::follower::Staleness;
use crate::feed::live::{Coordinates, Rv};
use crate::gate::Feed;
use crate::introspection::{Introspector, TokenHash, Verdict};
use crate::jose::claims::{self, Claims, Expect};
use crate::jose::jws::{self, LONGEST_TOKEN, NO_TYP, Rejected, Verified};
use crate::key_source::{KeySource, Known};
use crate::need::StalePolicy;
use crate::rejection::Rejection;
use crate::stats::Count;
use crate::token::{Context, Token};

/// RFC 9068 §2.2.
const REQUIRED: &[&str] = &["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];
/// Of issuers that do not follow it.
const REQUIRED_UNTYPED: &[&str] = &["iss", "exp", "aud", "sub", "iat"];
/// Claims of ID tokens (OpenID Connect Core §2, §3.3.2.11) and of logout tokens (OpenID Connect Back-Channel Logout §2.4).
const OTHER_USES: [&str; 5] = ["nonce", "at_hash", "c_hash", "s_hash", "events"];
/// How long the issuer's word on a token is used while the feed is not heard.
const KEEP_WHILE_STALE: Duration = Duration::from_secs(1);

/// Judges tokens.
pub(crate) struct Judge {
    pub(crate) settings: VerifierBuilder,
    pub(crate) context: Arc<Context>,
    pub(crate) source: Arc<KeySource>,
    pub(crate) introspector: Option<Arc<Introspector>>,
    pub(crate) cache: TokenCache,
    pub(crate) feed: Feed,
    pub(crate) cached: Count,
    pub(crate) signatures: Count,
}

impl Judge {
    /// The verdict on a token, proofs of possession apart.
    pub(crate) async fn judge(&self, token: &str, policy: StalePolicy) -> Result<Arc<Token>, Rejection> {
        self.feed.follow();
        if token.len() > LONGEST_TOKEN {
            return Err(Rejection::Invalid(Rejected::TooLong));
        }
        let hash = hash_of(token);
        if token.bytes().filter(|byte| *byte == b'.').count() == 2 {
            let good = self.signed(hash, token).await?;
            self.stands(hash, token, policy).await?;
            Ok(good)
        } else {
            self.opaque(hash, token).await
        }
    }

    /// Whether a token that is good can still be said to be, the feed being as fresh as it is.
    pub(crate) async fn stands(
        &self,
        hash: TokenHash,
        token: &str,
        policy: StalePolicy,
    ) -> Result<(), Rejection> {
        if self.feed.staleness() != Staleness::Hard {
            return Ok(());
        }
        match (policy, &self.introspector) {
            (StalePolicy::Open, _) => Ok(()),
            (StalePolicy::Introspect, Some(introspector)) => {
                match introspector.ask(hash, token, KEEP_WHILE_STALE).await? {
                    Verdict::Active(_) => Ok(()),
                    Verdict::Inactive => Err(Rejection::Inactive("the issuer says that it is not active")),
                }
            }
            _ => Err(Rejection::Unavailable("the revocation feed has not been heard for too long")),
        }
    }

    async fn signed(&self, hash: TokenHash, token: &str) -> Result<Arc<Token>, Rejection> {
        let known = self.source.current();
        let now = self.context.clock.unix_millis();
        let kept = self.cache.get(&hash, now, known.generation);
        let is_new = kept.is_none();
        let cached = match kept {
            Some(cached) => {
                self.cached.up();
                cached
            }
            None => Arc::new(self.verified(token).await?),
        };
        self.feed.first_contact().await;
        // Before the judgement: a revocation that arrives meanwhile is judged at the next request.
        let version = self.feed.version();
        if !cached.is_judged(version) {
            if let Some(kind) = self.voided(&cached.token) {
                self.cache.remove(&hash);
                return Err(Rejection::Revoked(kind));
            }
            cached.judged(version);
        }
        if is_new {
            self.cache.insert(hash, &cached);
        }
        Ok(Arc::clone(&cached.token))
    }

    async fn verified(&self, token: &str) -> Result<Cached, Rejection> {
        let mut known = self.source.known().await?;
        let mut outcome = self.check(token, &known);
        if outcome == Err(Rejected::KidUnknown) {
            known = self.source.after(&known).await?;
            outcome = self.check(token, &known);
        }
        let verified = outcome.map_err(|rejected| match rejected {
            Rejected::KeyRemoved => Rejection::Revoked(Kind::Kid),
            other => Rejection::Invalid(other),
        })?;
        check_use(&verified.claims, self.settings.untyped)?;
        let token = Token::new(verified.claims, verified.kid, Arc::clone(&self.context));
        check_confirmation(&token)?;
        let leeway = i64::try_from(self.settings.leeway.as_millis()).unwrap_or(0);
        let ends_at = token.expires_at_millis().unwrap_or(0).saturating_add(leeway);
        Ok(Cached::new(Arc::new(token), ends_at, known.generation))
    }

    fn check(&self, token: &str, known: &Known) -> Result<Verified, Rejected> {
        self.signatures.up();
        let audiences: Vec<&str> = self.settings.audiences.iter().map(String::as_str).collect();
        let typ: &[&str] = if self.settings.untyped { &["at+jwt", "JWT", NO_TYP] } else { &["at+jwt"] };
        let required = if self.settings.untyped { REQUIRED_UNTYPED } else { REQUIRED };
        let now = self.context.clock.unix_millis();
        let expect = Expect {
            required,
            exp_leeway: self.settings.leeway,
            ..Expect::new(typ, &self.settings.issuer, now)
        };
        jws::verify(token, known, &expect.audience(&audiences))
    }

    async fn opaque(&self, hash: TokenHash, token: &str) -> Result<Arc<Token>, Rejection> {
        let introspector = self.introspector.as_ref().ok_or(Rejection::Opaque)?;
        let answer = match introspector.ask(hash, token, self.settings.keep_answers).await? {
            Verdict::Active(answer) => answer,
            Verdict::Inactive => return Err(Rejection::Inactive("the issuer says that it is not active")),
        };
        let claims = self.check_answer((*answer).clone())?;
        let token = Arc::new(Token::new(claims, None, Arc::clone(&self.context)));
        check_confirmation(&token)?;
        self.feed.first_contact().await;
        // The answer may be some seconds old; the feed is not.
        self.voided(&token).map_or(Ok(token), |kind| Err(Rejection::Revoked(kind)))
    }

    /// The answer comes from the issuer, whatever it says of `iss`; it need not be about an access token, nor one for us
    /// (RFC 7662 §4).
    fn check_answer(&self, mut answer: Map<String, Value>) -> Result<Claims, Rejection> {
        let is_access_token = match answer.get("token_type") {
            None => true,
            Some(Value::String(kind)) => {
                kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("dpop")
            }
            Some(_) => false,
        };
        if !is_access_token {
            return Err(Rejection::OtherUse);
        }
        let audiences: Vec<&str> = self.settings.audiences.iter().map(String::as_str).collect();
        let any_audience = self.settings.answers_without_audience && !answer.contains_key("aud");
        answer.entry("iss").or_insert_with(|| Value::from(self.settings.issuer.as_str()));
        let expect = Expect {
            required: &[],
            exp_leeway: self.settings.leeway,
            audience: (!any_audience).then_some(audiences.as_slice()),
            ..Expect::new(&[], &self.settings.issuer, self.context.clock.unix_millis())
        };
        claims::check(answer, &expect).map_err(Rejection::Invalid)
    }

    fn voided(&self, token: &Token) -> Option<Kind> {
        let rv = token.claim("rv").and_then(Value::as_array).map(Vec::as_slice);
        let rv = match rv {
            Some([epoch, family, generation]) => epoch
                .as_i64()
                .zip(family.as_str())
                .zip(generation.as_i64())
                .map(|((epoch, family), generation)| Rv { epoch, family, generation }),
            _ => None,
        };
        let text = |name: &str| token.claim(name).and_then(Value::as_str);
        self.feed.voids(&Coordinates {
            kid: token.key_id(),
            iat: token.issued_at().unwrap_or(0),
            client: text("client_id"),
            sub: text("sub"),
            sid: text("sid"),
            jti: text("jti"),
            rv,
        })
    }
}

pub(crate) fn hash_of(token: &str) -> TokenHash {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

/// RFC 8725 §3.11 and §3.12: what is no access token, where the type does not say so.
fn check_use(claims: &Claims, untyped: bool) -> Result<(), Rejection> {
    if !untyped {
        return Ok(());
    }
    // OpenID Connect Core §2: an ID token is for the client.
    let client = claims.str("azp").or_else(|| claims.str("client_id"));
    let for_client = claims.list("aud").iter().any(|one| Some(*one) == client);
    if for_client || OTHER_USES.iter().any(|name| claims.get(name).is_some()) {
        return Err(Rejection::OtherUse);
    }
    Ok(())
}

/// RFC 7800 §3.1: the token is bound by means that are not known here, such as a certificate (RFC 8705 §3).
fn check_confirmation(token: &Token) -> Result<(), Rejection> {
    match token.claim("cnf") {
        None => Ok(()),
        Some(Value::Object(members)) if members.len() == 1 && token.bound_to().is_some() => Ok(()),
        Some(_) => Err(Rejection::Bound),
    }
}
