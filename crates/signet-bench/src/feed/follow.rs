//! One verifier's follower, as a resource server runs it, watched for the arrival of entries.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use signet_verify::clock::SystemClock;
use signet_verify::feed_client::{self, FeedHandle, Settings};
use signet_verify::fetch::Fetcher;
use tokio::task::AbortHandle;

use crate::client::Site;
use crate::failure::{Result, failure};
use crate::histogram::Histogram;

/// A follower, and the arrivals it waits for.
pub(crate) struct Arrivals {
    handle: Arc<FeedHandle>,
    task: AbortHandle,
    /// How many entries must live for a slice to have arrived, and when it was committed.
    expected: VecDeque<(u64, Instant)>,
}

impl Arrivals {
    /// Begins to follow.
    pub(crate) async fn start(site: &Site) -> Result<Self> {
        let issuer = format!("http://{}", site.authority);
        let fetcher = Fetcher::new(&issuer, &[], None).map_err(|why| failure(why.to_string()))?;
        let settings = Settings::new(&issuer, fetcher, Arc::new(SystemClock::default()));
        let (follower, handle) = feed_client::Follower::new(settings);
        let task = tokio::spawn(follower.run()).abort_handle();
        let ready = tokio::time::timeout(Duration::from_secs(10), handle.ready()).await;
        ready.map_err(|_| failure("the feed was not heard within 10 s"))?;
        Ok(Self { handle, task, expected: VecDeque::new() })
    }

    /// Entries that live.
    pub(crate) fn entries(&self) -> u64 {
        self.handle.stats().live as u64
    }

    /// A slice was committed at `at`; with it, so many entries will live.
    pub(crate) fn expect(&mut self, entries: u64, at: Instant) {
        self.expected.push_back((entries, at));
    }

    /// Waits until `until`, recording what arrives meanwhile; the last arrival.
    pub(crate) async fn watch(&mut self, until: Instant, lag: &mut Histogram) -> Option<Instant> {
        let mut last = None;
        while Instant::now() < until && !self.expected.is_empty() {
            let (entries, now) = (self.entries(), Instant::now());
            while let Some((_, at)) = self.expected.pop_front_if(|(wanted, _)| *wanted <= entries) {
                lag.record(now.saturating_duration_since(at));
                last = Some(now);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        last
    }

    /// Whether everything has arrived.
    pub(crate) fn complete(&self) -> bool {
        self.expected.is_empty()
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.task.abort();
    }
}
