//! Asking the issuer about a token (RFC 7662).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::config::Credentials;
use crate::discovery::Provider;
use crate::fetch::FetchError;
use crate::flight::{Flights, landed};
use crate::jose::strict_json;
use crate::key_source::KeySource;
use crate::rejection::Rejection;
use crate::stats::Count;

/// The longest answer, in bytes.
const LONGEST: usize = 64 * 1024;
/// The most questions at a time: anybody can send tokens that nobody has seen.
const MOST_AT_ONCE: usize = 64;
/// How long it may take to get a turn.
const TURN: Duration = Duration::from_secs(2);
/// How long an answer that a token is not active may be used.
const KEEP_INACTIVE: Duration = Duration::from_secs(1);

/// The SHA-256 of a token: tokens themselves are not kept.
pub(crate) type TokenHash = [u8; 32];

/// Asks about tokens, about each once at a time.
pub(crate) struct Introspector {
    source: Arc<KeySource>,
    credentials: Credentials,
    clock: Arc<dyn Clock>,
    answers: Cache<TokenHash, Kept>,
    flights: Flights<TokenHash, Result<Verdict, FetchError>>,
    turns: Arc<Semaphore>,
    /// Questions asked.
    pub(crate) asked: Count,
}

/// What the issuer says.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// With the members of the answer, as claims.
    Active(Arc<Map<String, Value>>),
    Inactive,
}

#[derive(Clone)]
struct Kept {
    /// When the question was asked, not when it was answered: a token revoked in between is not active for longer.
    asked_at: Duration,
    verdict: Verdict,
}

impl Introspector {
    pub(crate) fn new(
        source: Arc<KeySource>,
        credentials: Credentials,
        clock: Arc<dyn Clock>,
        capacity: usize,
    ) -> Self {
        Self {
            source,
            credentials,
            clock,
            answers: Cache::new(capacity.max(1)),
            flights: Flights::default(),
            turns: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            asked: Count::default(),
        }
    }

    /// The verdict on a token, not older than `keep` where it is active.
    ///
    /// # Errors
    /// [`Rejection::Unavailable`] where there is no answer: nothing is known of the token then.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        hash: TokenHash,
        token: &str,
        keep: Duration,
    ) -> Result<Verdict, Rejection> {
        if let Some(verdict) = self.kept(&hash, keep) {
            return Ok(verdict);
        }
        let mut just_kept = None;
        let landing = self.flights.join(hash, || {
            // Whoever found nothing a moment ago may come after the question that was answered since.
            just_kept = self.kept(&hash, keep);
            just_kept.is_none().then(|| Arc::clone(self).question(hash, token.to_owned()))
        });
        if let Some(verdict) = just_kept {
            return Ok(verdict);
        }
        let answer = match landing {
            Some(landing) => landed(landing).await,
            None => None,
        };
        match answer {
            Some(Ok(verdict)) => Ok(verdict),
            _ => Err(Rejection::Unavailable("the issuer cannot be asked about the token")),
        }
    }

    fn kept(&self, hash: &TokenHash, keep: Duration) -> Option<Verdict> {
        let kept = self.answers.get(hash)?;
        let keep = match kept.verdict {
            Verdict::Active(_) => keep,
            Verdict::Inactive => KEEP_INACTIVE,
        };
        (self.clock.monotonic().saturating_sub(kept.asked_at) < keep).then_some(kept.verdict)
    }

    async fn question(self: Arc<Self>, hash: TokenHash, token: String) -> Result<Verdict, FetchError> {
        let outcome = self.answer(hash, &token).await;
        if let Err(error) = &outcome {
            tracing::warn!(%error, "introspection has no answer");
        }
        outcome
    }

    async fn answer(&self, hash: TokenHash, token: &str) -> Result<Verdict, FetchError> {
        let provider = self.source.provider().await.ok_or(FetchError::Unreachable)?;
        let endpoint = provider.introspection_endpoint.as_deref();
        let endpoint = endpoint.ok_or(FetchError::Content("the issuer has no introspection endpoint"))?;
        let turn = tokio::time::timeout(TURN, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| FetchError::Unreachable)?.map_err(|_| FetchError::Unreachable)?;
        let asked_at = self.clock.monotonic();
        self.asked.up();
        let (form, authorization) = request(&self.credentials, &provider, token);
        let answer = self.source.fetcher.post(endpoint, form, authorization.as_deref(), LONGEST).await?;
        let verdict = read(answer.json()?)?;
        self.answers.insert(hash, Kept { asked_at, verdict: verdict.clone() });
        Ok(verdict)
    }
}

/// RFC 7662 §2.1, with the credentials as RFC 6749 §2.3.1 has them.
fn request(own: &Credentials, provider: &Provider, token: &str) -> (String, Option<String>) {
    let (id, secret) = (form_encoded(&own.id), form_encoded(&own.secret));
    let form = format!("token={}&token_type_hint=access_token", form_encoded(token));
    if provider.secret_in_body {
        return (format!("{form}&client_id={id}&client_secret={secret}"), None);
    }
    (form, Some(format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))))
}

/// RFC 7662 §2.2: `active` is true or false, and without it there is no answer.
fn read(body: &[u8]) -> Result<Verdict, FetchError> {
    let mut answer = strict_json::object(body)
        .ok_or(FetchError::Content("the answer of introspection is no JSON object"))?;
    match answer.remove("active") {
        Some(Value::Bool(true)) => Ok(Verdict::Active(Arc::new(answer))),
        Some(Value::Bool(false)) => Ok(Verdict::Inactive),
        _ => Err(FetchError::Content("the answer of introspection has no active")),
    }
}

/// `application/x-www-form-urlencoded` (URL Standard §5.2), byte by byte.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_as_a_form_before_they_are_joined() {
        let own = Credentials { id: "a:b".into(), secret: "p%+ ä".into() };
        let (form, authorization) = request(&own, &Provider::default(), "t&x=1");
        assert_eq!(form, "token=t%26x%3D1&token_type_hint=access_token");
        let expected = format!("Basic {}", STANDARD.encode("a%3Ab:p%25%2B+%C3%A4"));
        assert_eq!(authorization, Some(expected));
        let provider = Provider { secret_in_body: true, ..Provider::default() };
        let (form, authorization) = request(&own, &provider, "t");
        assert_eq!(authorization, None);
        assert!(form.ends_with("&client_id=a%3Ab&client_secret=p%25%2B+%C3%A4"));
    }

    #[test]
    fn an_answer_says_active_or_is_none() {
        assert!(matches!(read(br#"{"active":true,"sub":"u"}"#), Ok(Verdict::Active(_))));
        assert!(matches!(read(br#"{"active":false,"sub":"u"}"#), Ok(Verdict::Inactive)));
        for bad in [
            "{}",
            "[]",
            "true",
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":null}"#,
            r#"{"active":false,"active":true}"#,
            "<html>",
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
