//! The revocation feed as the verifier sees it: followed from the first request on, if at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::task::AbortHandle;

use crate::config::VerifierBuilder;
use crate::feed::entry::Kind;
use crate::feed::follower::Staleness;
use crate::feed::live::Coordinates;
use crate::feed_client::{FeedHandle, Follower, Settings};
use crate::key_source::KeySource;

/// The feed of the issuer, or none.
pub(crate) struct Feed {
    handle: Option<Arc<FeedHandle>>,
    begun: AtomicBool,
    follower: Mutex<Option<Follower>>,
    task: OnceLock<AbortHandle>,
}

impl Feed {
    /// A key that the feed takes out of use verifies nothing from then on.
    pub(crate) fn of(builder: &VerifierBuilder, source: &Arc<KeySource>) -> Self {
        let made = builder.feed.then(|| {
            let (fetcher, clock) = (source.fetcher.clone(), Arc::clone(&builder.clock));
            let mut settings = Settings::new(&builder.issuer, fetcher, clock);
            let source = Arc::downgrade(source);
            settings.on_keys_removed = Arc::new(move |names: &[String]| {
                if let Some(source) = source.upgrade() {
                    source.withdraw(names);
                }
            });
            Follower::new(settings)
        });
        let (follower, handle) = made.unzip();
        Self {
            handle,
            begun: AtomicBool::new(follower.is_none()),
            follower: Mutex::new(follower),
            task: OnceLock::new(),
        }
    }

    /// Begins to follow: here and not before, because it takes a runtime.
    pub(crate) fn follow(&self) {
        if self.begun.load(Ordering::Relaxed) {
            return;
        }
        let follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(follower) = follower {
            let task = tokio::spawn(follower.run());
            self.task.get_or_init(|| task.abort_handle());
            self.begun.store(true, Ordering::Relaxed);
        }
    }

    /// Waits until the feed is fresh, or the issuer is known to have none.
    pub(crate) async fn heard(&self) {
        if let Some(handle) = &self.handle {
            handle.ready().await;
        }
    }

    pub(crate) fn handle(&self) -> Option<&FeedHandle> {
        self.handle.as_deref()
    }

    pub(crate) fn staleness(&self) -> Staleness {
        self.handle.as_ref().map_or(Staleness::NoFeed, |handle| handle.staleness())
    }

    pub(crate) fn version(&self) -> u64 {
        self.handle.as_ref().map_or(0, |handle| handle.version())
    }

    pub(crate) fn voids(&self, token: &Coordinates<'_>) -> Option<Kind> {
        self.handle.as_ref()?.voids(token)
    }

    pub(crate) fn position(&self) -> Option<u64> {
        self.handle.as_ref()?.position()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}
