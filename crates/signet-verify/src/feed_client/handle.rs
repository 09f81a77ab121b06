//! What a resource server reads of the feed at each request. One follower writes; readers wait for it no longer than
//! a few hundred entries take to be folded in.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::feed::entry::{Entry, Kind};
use crate::feed::follower::{Next, Position, Staleness, Track};
use crate::feed::live::{Coordinates, Live};
use crate::feed::message::Message;

/// How many entries are folded in before readers get their turn.
const AT_ONCE: usize = 256;
/// From so many entries on, which only a snapshot can hold, a state is made aside and put in the place of the old one.
const ASIDE: usize = 16_384;

/// The state of a feed that is being followed.
pub struct FeedHandle {
    clock: Arc<dyn Clock>,
    live: RwLock<Live>,
    version: AtomicU64,
    shown: ArcSwap<Shown>,
    heard: watch::Sender<u64>,
    counts: Counts,
}

/// What is replaced as a whole.
#[derive(Clone, Debug, Default)]
struct Shown {
    track: Track,
    no_feed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    messages: AtomicU64,
    pub(super) refused: AtomicU64,
    gaps: AtomicU64,
    rollbacks: AtomicU64,
    pub(super) reconnects: AtomicU64,
    pub(super) polls: AtomicU64,
    lag: AtomicI64,
}

/// Figures of a follower since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedStats {
    /// The number of the newest batch that was reached without a gap.
    pub position: Option<u64>,
    /// Entries that live.
    pub live: usize,
    /// Messages that were taken in.
    pub messages: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Gaps, broken chains, and positions that the server did not keep any longer.
    pub gaps: u64,
    /// Snapshots older than the position.
    pub rollbacks: u64,
    /// Connections that were lost or could not be had.
    pub reconnects: u64,
    /// Requests for single batches, made where no stream can be had.
    pub polls: u64,
    /// From the statement of the last batch to its arrival, in milliseconds, the difference of the clocks included.
    pub last_lag_millis: i64,
}

impl FeedHandle {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            live: RwLock::new(Live::default()),
            version: AtomicU64::new(0),
            shown: ArcSwap::default(),
            heard: watch::Sender::new(0),
            counts: Counts::default(),
        }
    }

    /// The kind of entry that voids a token standing there; `None` for a token that is not known to be revoked.
    pub fn voids(&self, token: &Coordinates<'_>) -> Option<Kind> {
        if self.version() == 0 {
            return None;
        }
        self.read().voids(token)
    }

    /// Another number after each change of the state. Who keeps a verdict reads the version **before** it asks
    /// [`FeedHandle::voids`], and asks again once the version is another.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// How old the state is, by the clocks of now.
    pub fn staleness(&self) -> Staleness {
        if self.shown.load().no_feed { Staleness::NoFeed } else { Staleness::of(self.age()) }
    }

    /// The same as a span, for metrics. `None` for a feed never heard.
    pub fn age(&self) -> Option<Duration> {
        self.shown.load().track.staleness(self.clock.unix_millis(), self.clock.monotonic())
    }

    /// The number of the newest batch that was reached without a gap: what a caller that holds a `Revocation-Batch`
    /// compares it with.
    pub fn position(&self) -> Option<u64> {
        self.shown.load().track.position().and_then(|position| u64::try_from(position.n).ok())
    }

    /// Figures for metrics.
    pub fn stats(&self) -> FeedStats {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        FeedStats {
            position: self.position(),
            live: self.read().len(),
            messages: count(&self.counts.messages),
            refused: count(&self.counts.refused),
            gaps: count(&self.counts.gaps),
            rollbacks: count(&self.counts.rollbacks),
            reconnects: count(&self.counts.reconnects),
            polls: count(&self.counts.polls),
            last_lag_millis: self.counts.lag.load(Ordering::Relaxed),
        }
    }

    /// Changes with everything that the follower learns, so that a caller can wait for a position or for freshness.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.heard.subscribe()
    }

    /// Waits until the feed is fresh, or the issuer is known to have none. Never returns where neither comes.
    pub async fn ready(&self) {
        let mut heard = self.subscribe();
        while !matches!(self.staleness(), Staleness::Fresh | Staleness::NoFeed) {
            if heard.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) const fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn place(&self) -> Option<Position> {
        self.shown.load().track.position().cloned()
    }

    /// The largest time that was credited.
    pub(super) fn credited(&self) -> Option<i64> {
        self.shown.load().track.credited_at()
    }

    /// The issuer has no feed. Not believed of one that has been heard: a token revoked there must not come to life
    /// because a document is missing.
    pub(super) fn no_feed(&self) {
        if self.place().is_none() {
            self.show(Shown { track: Track::default(), no_feed: true });
        }
    }

    /// The issuer has a feed, heard or not.
    pub(super) fn has_feed(&self) {
        let shown = self.shown.load_full();
        if shown.no_feed {
            self.show(Shown { no_feed: false, ..Shown::clone(&shown) });
        }
    }

    fn show(&self, shown: Shown) {
        self.shown.store(Arc::new(shown));
        self.heard.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Takes a verified message in: its entries first, since they count whatever its number says. Says what it asks
    /// for, and the token keys that it takes out of use.
    pub(super) fn receive(&self, message: &Message, digest: &str) -> (Next, Vec<String>) {
        let (now, mono) = (self.clock.unix_millis(), self.clock.monotonic());
        let went_back = self.expire(now);
        let new_kids = self.fold(message.entries());
        let mut shown = Shown::clone(&self.shown.load());
        let mut next = shown.track.place(message, digest, now, mono);
        if went_back && next == Next::Continue && !matches!(message, Message::Snapshot(_)) {
            next = Next::TakeSnapshot;
        }
        self.count(message, next, now);
        self.show(shown);
        (next, new_kids)
    }

    fn count(&self, message: &Message, next: Next, now: i64) {
        self.counts.messages.fetch_add(1, Ordering::Relaxed);
        match next {
            Next::Continue => {}
            Next::TakeSnapshot => self.gap(),
            Next::RolledBack => {
                self.counts.rollbacks.fetch_add(1, Ordering::Relaxed);
            }
        }
        if let (Message::Batch(batch), Next::Continue) = (message, next) {
            self.counts.lag.store(now.saturating_sub(batch.at), Ordering::Relaxed);
        }
    }

    pub(super) fn gap(&self) {
        self.counts.gaps.fetch_add(1, Ordering::Relaxed);
    }

    /// As [`Live::expire`], by a date in milliseconds.
    fn expire(&self, now: i64) -> bool {
        self.write().expire(now.div_euclid(1_000))
    }

    /// Says which token keys are named anew.
    fn fold(&self, entries: &[Entry]) -> Vec<String> {
        if entries.len() >= ASIDE {
            return self.fold_aside(entries);
        }
        let mut new_kids = Vec::new();
        for part in entries.chunks(AT_ONCE) {
            let mut live = self.write();
            let mut changed = false;
            for entry in part {
                let new = live.fold(entry);
                changed |= new;
                new_kids.extend((new && entry.kind == Kind::Kid).then(|| entry.id.clone()));
            }
            if changed {
                // After the change and before anyone can judge by it: a verdict is never newer than its version.
                self.version.fetch_add(1, Ordering::Release);
            }
        }
        new_kids
    }

    /// A million entries take a third of a second, and a map that grows stands still meanwhile.
    fn fold_aside(&self, entries: &[Entry]) -> Vec<String> {
        let mut next = self.read().clone();
        let (mut changed, mut new_kids) = (false, Vec::new());
        for entry in entries {
            let new = next.fold(entry);
            changed |= new;
            new_kids.extend((new && entry.kind == Kind::Kid).then(|| entry.id.clone()));
        }
        if changed {
            let mut live = self.write();
            std::mem::swap(&mut *live, &mut next);
            self.version.fetch_add(1, Ordering::Release);
            drop(live);
        }
        new_kids
    }

    fn read(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for FeedHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeedHandle").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
