//! Telling relying parties that a session has ended (OpenID Connect Back-Channel Logout): the token, and what follows from
//! the answer. The notices themselves are written where sessions end ([`crate::storage`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Provider;
use super::behalf;
use super::issue::{chosen, sign};
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::digest::base64url;
use crate::fetch::FetchError;
use crate::model::client::Client;
use crate::secret::{ClientId, SessionId};
use crate::storage::{Attempted, Notice};

/// `typ` of logout tokens (OpenID Connect Back-Channel Logout §2.4).
pub const LOGOUT_TOKEN_TYPE: &str = "logout+jwt";
/// The member of `events` that makes a token a logout token (OpenID Connect Back-Channel Logout §2.4).
pub const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A logout token is good for so long (OpenID Connect Back-Channel Logout §2.4: two minutes at most).
const TOKEN_LIFE: Duration = Duration::from_secs(120);
/// A node that has claimed a notice and is gone keeps it from the others for so long: longer than the longest exchange
/// (`fetch.timeout_ms`) and the wait before it.
const LEASE: Duration = Duration::from_secs(60);
/// How long after which attempt in vain the next one comes; after the last of these, every [`LAST_PAUSE`].
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];
const LAST_PAUSE: Duration = Duration::from_secs(3600);
/// How long after an attempt that asked nobody, for want of a place or because the host rests, the same one comes again.
pub const BUSY_PAUSE: Duration = Duration::from_secs(2);
/// Nothing is tried any more so long after the session ended.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What became of the attempts of this node since it started.
#[derive(Debug, Default)]
pub struct NoticeCounts {
    delivered: AtomicU64,
    refused: AtomicU64,
    retried: AtomicU64,
    given_up: AtomicU64,
}

impl NoticeCounts {
    /// By name.
    pub fn all(&self) -> [(&'static str, u64); 4] {
        [
            ("delivered", self.delivered.load(Ordering::Relaxed)),
            ("refused", self.refused.load(Ordering::Relaxed)),
            ("retried", self.retried.load(Ordering::Relaxed)),
            ("given_up", self.given_up.load(Ordering::Relaxed)),
        ]
    }

    fn count(&self, next: Next) {
        let counter = match next {
            Next::Delivered => &self.delivered,
            Next::Refused => &self.refused,
            Next::Again(_) => &self.retried,
            Next::PutOff(_) => return,
            Next::GivenUp => &self.given_up,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The relying party has taken it.
    Delivered,
    /// It will not take it, however often it is told.
    Refused,
    /// Another attempt after this time.
    Again(Duration),
    /// Nobody was asked: the same attempt after this time.
    PutOff(Duration),
    /// It has been tried for long enough.
    GivenUp,
}

/// Decides about an answer to the attempt of this number (from 1), `age` after the session ended. Success is 200 or 204
/// (OpenID Connect Back-Channel Logout §2.8). A relying party that says it cannot take the token is believed; one that is
/// slow, away or broken is told again, and so is one that asks for time (408, 425, 429).
pub fn next(answer: Result<u16, FetchError>, attempt: u32, age: Duration) -> Next {
    match answer {
        Ok(200..=299) => return Next::Delivered,
        Ok(408 | 425 | 429) => {}
        Ok(400..=499 | 501) | Err(FetchError::Forbidden(_)) => return Next::Refused,
        Err(FetchError::Busy) => return patiently(Next::PutOff(BUSY_PAUSE), BUSY_PAUSE, age),
        Ok(_) | Err(_) => {}
    }
    again(attempt, age)
}

/// What follows from an attempt of this number (from 1) that came to nothing, `age` after the session ended.
fn again(attempt: u32, age: Duration) -> Next {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(index).copied().unwrap_or(LAST_PAUSE);
    patiently(Next::Again(pause), pause, age)
}

fn patiently(next: Next, pause: Duration, age: Duration) -> Next {
    if age.saturating_add(pause) > PATIENCE { Next::GivenUp } else { next }
}

/// Takes up to `limit` notices that are due, to other clients than `but`; each is then to be [`deliver`]ed.
///
/// # Errors
/// A storage fault.
pub async fn claim(op: &Provider, limit: u32, but: &[ClientId]) -> Outcome<Vec<Notice>> {
    Ok(op.store.claim_notices(limit, but, LEASE, op.clock.now()).await?)
}

/// Tells one relying party, and writes what came of it.
///
/// # Errors
/// A storage fault; the notice is tried again once its lease is over.
pub async fn deliver(op: &Provider, notice: &Notice) -> Outcome<Next> {
    let told = tell(op, notice).await;
    let age = op.clock.now().since(notice.created_at);
    let (next, result) = match told {
        Ok(Some(answer)) => (next(answer, notice.attempts, age), words(answer)),
        Ok(None) => (Next::Refused, "no longer asked for".to_owned()),
        // Counted like an answer in vain: what cannot be made now may never be, and is not to be claimed for ever.
        Err(rejection) => {
            let client = notice.client.as_str();
            tracing::warn!(client, reason = ?rejection.reason, "a logout token could not be made");
            let result = "no token could be made; the server's log says why";
            (again(notice.attempts, age), result.to_owned())
        }
    };
    finish(op, notice, next, &result).await?;
    Ok(next)
}

/// What the relying party answers; `None` where it no longer wants to be told.
async fn tell(op: &Provider, notice: &Notice) -> Result<Option<Result<u16, FetchError>>, Rejection> {
    let now = op.clock.now();
    let client = op.clients.get(&op.store, &notice.client, now).await?;
    let client = client.filter(|client| client.is_active());
    let uri = client.as_ref().and_then(|client| client.metadata.backchannel_logout_uri.as_deref());
    let (Some(client), Some(uri)) = (&client, uri) else { return Ok(None) };
    let token = logout_token(op, client, notice, now).await?;
    Ok(Some(op.fetch.post_form(uri, &[("logout_token", &token)], &behalf::telling(client)).await))
}

async fn finish(op: &Provider, notice: &Notice, next: Next, result: &str) -> Outcome<()> {
    let now = op.clock.now();
    let attempted = Attempted {
        attempts: match next {
            Next::PutOff(_) => notice.attempts.saturating_sub(1),
            _ => notice.attempts,
        },
        next_at: match next {
            Next::Again(pause) | Next::PutOff(pause) => Some(now.plus(pause)),
            _ => None,
        },
        delivered_at: (next == Next::Delivered).then_some(now),
        result: result.to_owned(),
    };
    if op.store.finish_notice(notice, &attempted).await? {
        op.notices.count(next);
    }
    let (client, session) = (notice.client.as_str(), notice.session);
    match next {
        Next::Delivered => tracing::debug!(client, %session, "told of a logout"),
        Next::PutOff(_) => tracing::debug!(client, %session, "telling of a logout is put off"),
        Next::Again(_) => {
            tracing::info!(client, %session, result, attempt = notice.attempts, "could not be told of a logout yet");
        }
        Next::Refused | Next::GivenUp => {
            tracing::warn!(client, %session, result, ?next, "will not be told of a logout; see signet logout report");
        }
    }
    Ok(())
}

/// The answer in a word or two; nothing that the relying party sent.
fn words(answer: Result<u16, FetchError>) -> String {
    match answer {
        Ok(status) | Err(FetchError::Status(status)) => format!("status {status}"),
        Err(FetchError::Forbidden(why)) => format!("not an address to ask: {why}"),
        Err(FetchError::Unreachable) => "unreachable".to_owned(),
        Err(FetchError::Unreadable) => "unreadable answer".to_owned(),
        Err(FetchError::Timeout) => "timeout".to_owned(),
        Err(FetchError::TooLong) => "answer too long".to_owned(),
        Err(FetchError::Busy) => "busy".to_owned(),
    }
}

#[derive(Serialize)]
struct LogoutClaims {
    iss: String,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
    jti: String,
    events: Map<String, Value>,
    sid: SessionId,
}

/// The logout token of a notice (OpenID Connect Back-Channel Logout §2.4): for its client alone, signed as its ID tokens
/// are, with `sub` and `sid` as they were there, and never a `nonce`. Each attempt has one of its own.
async fn logout_token(op: &Provider, client: &Client, notice: &Notice, now: Timestamp) -> Outcome<String> {
    let life = i64::try_from(TOKEN_LIFE.as_secs()).unwrap_or(0);
    let algorithm =
        chosen(client.metadata.id_token_signed_response_alg.as_deref(), op.policy.tokens.id_token_algorithm);
    let claims = LogoutClaims {
        iss: op.policy.issuer.as_str().to_owned(),
        sub: notice.subject.clone().unwrap_or_else(|| notice.user.to_string()),
        aud: client.id.0.clone(),
        iat: now.seconds(),
        exp: now.seconds().saturating_add(life),
        jti: base64url(&op.entropy.bytes::<16>()?),
        events: Map::from_iter([(LOGOUT_EVENT.to_owned(), json!({}))]),
        sid: notice.session,
    };
    sign(op, algorithm, LOGOUT_TOKEN_TYPE, claims, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn success_is_delivered_and_a_refusal_is_believed() {
        for status in [200, 204] {
            assert_eq!(next(Ok(status), 1, NOW), Next::Delivered);
        }
        for status in [400, 401, 403, 404, 405, 410, 415, 422, 501] {
            assert_eq!(next(Ok(status), 1, NOW), Next::Refused, "{status}");
        }
        assert_eq!(next(Err(FetchError::Forbidden("http")), 1, NOW), Next::Refused);
    }

    #[test]
    fn whatever_may_pass_is_tried_again() {
        for answer in [301, 302, 408, 425, 429, 500, 502, 503, 504].map(Ok).into_iter().chain([
            Err(FetchError::Unreachable),
            Err(FetchError::Unreadable),
            Err(FetchError::Timeout),
            Err(FetchError::TooLong),
        ]) {
            assert_eq!(next(answer, 1, NOW), Next::Again(Duration::from_secs(1)), "{answer:?}");
        }
    }

    #[test]
    fn an_attempt_that_asked_nobody_comes_again_soon_at_its_stage_until_the_day_is_over() {
        let (busy, pause) = (Err(FetchError::Busy), Duration::from_secs(2));
        for attempt in [1, 4, 9] {
            assert_eq!(next(busy, attempt, NOW), Next::PutOff(pause), "{attempt}");
            assert_eq!(next(busy, attempt, PATIENCE - pause), Next::PutOff(pause));
            assert_eq!(next(busy, attempt, PATIENCE), Next::GivenUp);
        }
    }

    #[test]
    fn the_schedule_is_the_documented_one() {
        let (mut age, mut pauses) = (Duration::ZERO, Vec::new());
        for attempt in 1.. {
            match next(Ok(503), attempt, age) {
                Next::Again(pause) => {
                    age += pause;
                    pauses.push(pause.as_secs());
                }
                end => {
                    assert_eq!(end, Next::GivenUp);
                    break;
                }
            }
        }
        assert_eq!(pauses.get(..6), Some([1, 5, 30, 120, 600, 3600].as_slice()));
        assert!(pauses.iter().skip(5).all(|pause| *pause == 3600));
        assert!(age <= PATIENCE && age + LAST_PAUSE > PATIENCE, "{age:?}");
        assert_eq!(next(Ok(503), u32::MAX, NOW), Next::Again(LAST_PAUSE));
    }
}
