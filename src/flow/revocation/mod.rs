//! The revocation feed (docs/revocation-feed.md): what resource servers follow, so that a token they verify on their
//! own is refused within a second of its revocation.
//!
//! A revoking transaction leaves entries in the outbox. [`sweep`] makes batches of them and reads those of other
//! nodes; what it has seen is the [`View`] that this node vouches for, and every answer is made from it.

mod snapshot;
mod state;
mod sweep;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use signet_verify::feed::entry::Kind;
use signet_verify::feed::message::{FeedKeys, GENESIS, Heartbeat, Message, digest};
use tokio::sync::watch;

pub use snapshot::Prepared;
pub use sweep::{looked_up, published, sweep};

use super::Provider;
use super::logout::longest_access_token;
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::jose::feed_key::FeedKey;
use crate::jose::seal::MasterKey;

/// The path of the snapshot, below the issuer.
pub const SNAPSHOT_PATH: &str = "/revocation/snapshot";
/// The path of the batches, below the issuer; a number follows.
pub const BATCHES_PATH: &str = "/revocation/batches/";
/// The path of the stream, below the issuer.
pub const STREAM_PATH: &str = "/revocation/stream";
/// A follower so many batches ahead of the newest has followed another history.
const FAR_BEYOND: i64 = 256;

/// What this node vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The number of the newest batch; 0 before the first.
    pub n: i64,
    /// Its digest.
    pub head: String,
    /// Everything committed before is in the batches up to `n`. The beginning of time before the first sweep.
    pub complete_as_of: Timestamp,
}

impl View {
    /// Whether a sweep has looked into the database at all.
    pub fn is_made(&self) -> bool {
        self.complete_as_of > Timestamp::default()
    }
}

/// The batch with a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchAnswer {
    /// The batch.
    Kept(Arc<str>),
    /// The next to be made: whoever wants it waits for [`Feed::subscribe`].
    Newest,
    /// No number that this node knows of.
    Beyond,
    /// No longer kept, or never made.
    Gone,
}

/// What the feed is like now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedStats {
    /// The number of the newest batch.
    pub n: i64,
    /// Revocations that can still void a token.
    pub live_entries: usize,
    /// Everything committed before is published.
    pub complete_as_of: Timestamp,
}

type LagHook = Box<dyn Fn(Duration) + Send + Sync>;

/// This node's part in the feed.
pub struct Feed {
    key: Arc<FeedKey>,
    keys: FeedKeys,
    state: Mutex<state::State>,
    /// One sweep at a time; holds the number of the last that was completed.
    turn: tokio::sync::Mutex<u64>,
    begun: AtomicU64,
    /// One look at a time for those whom nobody knows.
    asked: tokio::sync::Mutex<()>,
    views: watch::Sender<Arc<View>>,
    heartbeat: Mutex<Option<(Arc<View>, Arc<str>)>>,
    prepared: tokio::sync::Mutex<Option<Prepared>>,
    lag: OnceLock<LagHook>,
    warned: AtomicBool,
}

impl Feed {
    /// Begins without having looked into the database.
    ///
    /// # Errors
    /// A key that cannot be derived, which no master key brings about.
    pub fn new(master: &MasterKey) -> Result<Self, crate::jose::error::Error> {
        let key = FeedKey::derive(master)?;
        let keys = FeedKeys::from_value(&json!({ "keys": [key.public_jwk()] }))
            .map_err(|_| crate::jose::error::Error::KeyRejected("verifiers of the feed refuse it"))?;
        let view = View { n: 0, head: GENESIS.to_owned(), complete_as_of: Timestamp::default() };
        Ok(Self {
            key: Arc::new(key),
            keys,
            state: Mutex::new(state::State::new(view.clone())),
            turn: tokio::sync::Mutex::new(0),
            begun: AtomicU64::new(0),
            asked: tokio::sync::Mutex::default(),
            views: watch::Sender::new(Arc::new(view)),
            heartbeat: Mutex::default(),
            prepared: tokio::sync::Mutex::default(),
            lag: OnceLock::new(),
            warned: AtomicBool::new(false),
        })
    }

    /// What this node vouches for.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.views.borrow())
    }

    /// Follows the view: it changes with each batch and with each completed sweep.
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.views.subscribe()
    }

    /// What the feed is like now.
    pub fn stats(&self) -> FeedStats {
        let state = self.state();
        FeedStats {
            n: state.view.n,
            live_entries: state.live.len(),
            complete_as_of: state.view.complete_as_of,
        }
    }

    /// Is told how long each entry had waited in the outbox when this node published it. The first hook stays.
    pub fn on_published(&self, hook: impl Fn(Duration) + Send + Sync + 'static) {
        let _ = self.lag.set(Box::new(hook));
    }

    fn state(&self) -> std::sync::MutexGuard<'_, state::State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sign(&self, message: &Message) -> Outcome<Arc<str>> {
        sign(&self.key, message)
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("view", &self.view()).finish_non_exhaustive()
    }
}

/// The batch with a number: from memory where it is recent, else from the database.
///
/// # Errors
/// A storage fault.
pub async fn batch(op: &Provider, n: i64) -> Outcome<BatchAnswer> {
    let (newest, recent) = {
        let state = op.feed.state();
        (state.view.n, state.recent.get(n))
    };
    if let Some(body) = recent {
        return Ok(BatchAnswer::Kept(body));
    }
    if n > newest {
        if n > newest.saturating_add(FAR_BEYOND) {
            warn_of_another_history(op, n, newest);
        }
        return Ok(if n == newest + 1 { BatchAnswer::Newest } else { BatchAnswer::Beyond });
    }
    if n < op.feed.state().oldest {
        return Ok(BatchAnswer::Gone);
    }
    let stored = op.store.feed_batch(n).await?;
    Ok(stored.map_or(BatchAnswer::Gone, |body| BatchAnswer::Kept(Arc::from(body))))
}

/// Says once what it may mean that somebody knows more than the database. Anybody can ask for any number, so it is no
/// more than a word.
fn warn_of_another_history(op: &Provider, asked: i64, newest: i64) {
    if op.feed.view().is_made() && !op.feed.warned.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            asked,
            newest,
            "a follower of the revocation feed is far ahead of this database: if it was restored from a backup or \
             promoted behind its commits, stop all nodes and run: signet restore-epoch"
        );
    }
}

/// The statement that nothing else was revoked, signed once per view and shared by all followers.
///
/// # Errors
/// 503 before the first sweep; a signature that fails.
pub fn heartbeat(op: &Provider, view: &Arc<View>) -> Outcome<Arc<str>> {
    require_made(view)?;
    let mut kept = op.feed.heartbeat.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, message)) = &*kept
        && of == view
    {
        return Ok(Arc::clone(message));
    }
    let message = op.feed.sign(&Message::Heartbeat(Heartbeat {
        issuer: op.policy.issuer.as_str().to_owned(),
        n: view.n,
        at: view.complete_as_of.millis(),
        head: view.head.clone(),
    }))?;
    *kept = Some((Arc::clone(view), Arc::clone(&message)));
    Ok(message)
}

/// All that live, prepared once per state.
///
/// # Errors
/// 503 where the database cannot be looked into for the first time; a signature that fails.
pub async fn snapshot(op: &Provider) -> Outcome<Prepared> {
    snapshot::current(op).await
}

/// `/.well-known/revocation-configuration`.
pub fn configuration(op: &Provider) -> Value {
    let issuer = &op.policy.issuer;
    json!({
        "issuer": issuer.as_str(),
        "revocation_feed_version": 1,
        "snapshot_endpoint": issuer.url(SNAPSHOT_PATH),
        "batch_endpoint": issuer.url(&format!("{BATCHES_PATH}{{n}}")),
        "stream_endpoint": issuer.url(STREAM_PATH),
        "jwks": { "keys": [op.feed.key.public_jwk()] },
        "access_token_max_seconds": longest_access_token(op).as_secs(),
        // Whole seconds: nobody is promised more than is kept.
        "heartbeat_seconds": op.policy.revocation.heartbeat.as_millis().div_ceil(1000),
        "kinds": Kind::ALL.map(Kind::as_str),
    })
}

fn require_made(view: &View) -> Outcome<()> {
    if view.is_made() {
        return Ok(());
    }
    Err(Rejection::unavailable(&"the revocation feed has not been read from the database yet"))
}

fn sign(key: &FeedKey, message: &Message) -> Outcome<Arc<str>> {
    let payload = message.payload().map_err(|error| Rejection::fault(&error))?;
    Ok(Arc::from(key.sign(message.typ(), &payload)?))
}
