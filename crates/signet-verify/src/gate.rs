//! The revocation feed as the verifier sees it: followed from the first request on, if at all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
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
    settings: Mutex<Option<Settings>>,
    task: ArcSwapOption<AbortHandle>,
    waited: AtomicBool,
    /// So long the first requests wait for the feed, all together and not each.
    first_contact: Duration,
}

impl Feed {
    /// A key that the feed takes out of use verifies nothing from then on.
    pub(crate) fn of(builder: &VerifierBuilder, source: &Arc<KeySource>) -> Self {
        let settings = builder.feed.then(|| {
            let (fetcher, clock) = (source.fetcher.clone(), Arc::clone(&builder.clock));
            let mut settings = Settings::new(&builder.issuer, fetcher, clock);
            let source = Arc::downgrade(source);
            settings.on_keys_removed = Arc::new(move |names: &[String]| {
                if let Some(source) = source.upgrade() {
                    source.withdraw(names);
                }
            });
            settings
        });
        Self {
            handle: settings.as_ref().map(Settings::handle),
            settings: Mutex::new(settings),
            task: ArcSwapOption::empty(),
            waited: AtomicBool::new(false),
            first_contact: builder.first_contact,
        }
    }

    /// Begins to follow: here and not before, because it takes a runtime. Again where that runtime has ended, as those
    /// of single workers do: what was heard stays, and the next request goes on from there.
    pub(crate) fn follow(&self) {
        let Some(handle) = &self.handle else { return };
        if self.is_followed() {
            return;
        }
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(settings) = settings.as_ref().filter(|_| !self.is_followed()) {
            let task = tokio::spawn(Follower::of(settings.clone(), handle).run());
            self.task.store(Some(Arc::new(task.abort_handle())));
        }
    }

    fn is_followed(&self) -> bool {
        self.task.load().as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Waits until the feed is fresh, or the issuer is known to have none.
    pub(crate) async fn heard(&self) {
        if let Some(handle) = &self.handle {
            handle.ready().await;
        }
        self.waited.store(true, Ordering::Relaxed);
    }

    /// What was revoked before this verifier began is refused from its first request on, if the feed can be had at all.
    pub(crate) async fn first_contact(&self) {
        if self.waited.load(Ordering::Relaxed) {
            return;
        }
        // Without it, the policy for a feed that was never heard decides.
        let _ = tokio::time::timeout(self.first_contact, self.heard()).await;
        self.waited.store(true, Ordering::Relaxed);
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
        if let Some(task) = self.task.load().as_ref() {
            task.abort();
        }
    }
}
