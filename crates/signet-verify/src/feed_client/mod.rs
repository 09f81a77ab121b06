//! Follows an issuer's revocation feed over HTTP: `docs/revocation-feed.md` §4 and §5. One task writes, requests read
//! through the [`FeedHandle`].

mod configuration;
mod follow;
mod handle;
mod pace;
mod sse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::clock::Clock;
use crate::feed::message::LONGEST_SNAPSHOT;
use crate::fetch::Fetcher;

use follow::Follow;
pub use handle::{FeedHandle, FeedStats};
use pace::Pace;

/// Is told the names of token keys.
pub type OnKeysRemoved = dyn Fn(&[String]) + Send + Sync;

/// What a follower needs.
#[derive(Clone)]
pub struct Settings {
    /// Whose feed.
    pub issuer: String,
    /// How it is reached.
    pub fetcher: Fetcher,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Called with the names of token keys that were taken out of use: they are never to be used again, and the
    /// issuer's key set is to be read again.
    pub on_keys_removed: Arc<OnKeysRemoved>,
    /// The longest snapshot that is held, in bytes as it is sent.
    pub longest_snapshot: usize,
    pace: Pace,
}

impl Settings {
    /// With a snapshot of at most 256 MiB, and nothing done when a key is taken out of use.
    pub fn new(issuer: &str, fetcher: Fetcher, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer: issuer.to_owned(),
            fetcher,
            clock,
            on_keys_removed: Arc::new(|_| {}),
            longest_snapshot: LONGEST_SNAPSHOT,
            pace: Pace::default(),
        }
    }

    /// A state in which nothing has been heard.
    pub(crate) fn handle(&self) -> Arc<FeedHandle> {
        Arc::new(FeedHandle::new(Arc::clone(&self.clock)))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A follower that has not begun. [`Follower::run`] it as a task of its own.
#[derive(Debug)]
pub struct Follower(Follow);

impl Follower {
    /// A follower, and what requests read of it.
    pub fn new(settings: Settings) -> (Self, Arc<FeedHandle>) {
        let handle = settings.handle();
        (Self::of(settings, &handle), handle)
    }

    /// A follower that goes on with what another one has heard.
    pub(crate) fn of(settings: Settings, handle: &Arc<FeedHandle>) -> Self {
        Self(Follow::new(settings, Arc::clone(handle)))
    }

    /// Follows until it is dropped. Whatever goes wrong is tried again; what it means for requests is
    /// [`FeedHandle::staleness`].
    pub async fn run(self) {
        self.0.run().await;
    }
}
