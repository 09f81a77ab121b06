//! The verifier's side of the feed as a state machine: `docs/revocation-feed.md` §5.

use std::time::Duration;

use super::live::Live;
use super::message::Message;

/// Staleness up to which the state is fresh.
pub const SOFT_AFTER: Duration = Duration::from_secs(3);

/// Staleness above which the policy of the route decides.
pub const HARD_AFTER: Duration = Duration::from_secs(30);

/// How far a verifier's clock may be off, in milliseconds, before the feed looks stale to it.
const LARGEST_SKEW: i64 = 30_000;

/// The skew is that of the current and the last of these windows, so that a clock that was set right is believed.
const SKEW_WINDOW: Duration = Duration::from_secs(60);

/// What the message asks of the follower's transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing but the next message.
    Continue,
    /// A gap, a broken chain, or a clock that went back: take a snapshot.
    TakeSnapshot,
    /// The server speaks of an earlier time than it did: it was restored without `restore-epoch`, or this is a replay.
    /// Nothing it says is credited until it is past the position.
    RolledBack,
}

/// The newest batch that a follower has, with all before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Its number.
    pub n: i64,
    /// Its digest.
    pub digest: String,
}

/// How old the state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Staleness {
    /// Up to [`SOFT_AFTER`].
    Fresh,
    /// Above it: tokens are judged by the state, and a metric says so.
    Soft,
    /// Above [`HARD_AFTER`], or never heard: the policy of the route decides.
    Hard,
    /// The issuer has no feed.
    NoFeed,
}

impl Staleness {
    /// The class of what [`Track::staleness`] says.
    pub fn of(staleness: Option<Duration>) -> Self {
        match staleness {
            Some(age) if age <= SOFT_AFTER => Self::Fresh,
            Some(age) if age <= HARD_AFTER => Self::Soft,
            _ => Self::Hard,
        }
    }
}

/// Position and freshness: everything but the entries.
#[derive(Clone, Debug, Default)]
pub struct Track {
    position: Option<Position>,
    credited: Option<Credit>,
    skew: Skew,
}

/// The largest `at` that was credited, and the monotonic time at which it came.
#[derive(Clone, Copy, Debug)]
struct Credit {
    at: i64,
    came: Duration,
}

impl Track {
    /// Places a message, which was verified and whose entries were folded in, by its number. `digest` is that of
    /// its compact serialisation, `now_millis` the local clock, `mono` a clock that never goes back.
    pub fn place(&mut self, message: &Message, digest: &str, now_millis: i64, mono: Duration) -> Next {
        self.skew.arrived(now_millis.saturating_sub(message.at()), mono);
        let next = match message {
            Message::Snapshot(snapshot) => self.snapshot(snapshot.n, &snapshot.head),
            Message::Batch(batch) => self.batch(batch.n, &batch.prev, digest),
            Message::Heartbeat(heartbeat) => self.heartbeat(heartbeat.n, &heartbeat.head),
        };
        match next {
            Placed::Continues => {
                if self.credited.is_none_or(|credit| credit.at < message.at()) {
                    self.credited = Some(Credit { at: message.at(), came: mono });
                }
                Next::Continue
            }
            Placed::Ignored => Next::Continue,
            Placed::Breaks => Next::TakeSnapshot,
            Placed::GoesBack => Next::RolledBack,
        }
    }

    fn snapshot(&mut self, n: i64, head: &str) -> Placed {
        if self.position.as_ref().is_some_and(|position| n < position.n) {
            return Placed::GoesBack;
        }
        self.position = Some(Position { n, digest: head.to_owned() });
        Placed::Continues
    }

    fn batch(&mut self, n: i64, prev: &str, digest: &str) -> Placed {
        match &mut self.position {
            Some(position) if n <= position.n => Placed::Ignored,
            Some(position) if n == position.n + 1 && prev == position.digest => {
                *position = Position { n, digest: digest.to_owned() };
                Placed::Continues
            }
            _ => Placed::Breaks,
        }
    }

    fn heartbeat(&self, n: i64, head: &str) -> Placed {
        match &self.position {
            Some(position) if n < position.n => Placed::Ignored,
            Some(position) if n == position.n && head == position.digest => Placed::Continues,
            _ => Placed::Breaks,
        }
    }

    /// How old the state may be; `None` when the feed was never heard.
    pub fn staleness(&self, now_millis: i64, mono: Duration) -> Option<Duration> {
        let credit = self.credited?;
        let by_statement = now_millis.saturating_sub(credit.at).saturating_sub(self.skew.millis());
        let by_statement = Duration::from_millis(u64::try_from(by_statement).unwrap_or(0));
        Some(by_statement.max(mono.saturating_sub(credit.came)))
    }

    /// The largest `at` that was credited, in Unix milliseconds.
    pub fn credited_at(&self) -> Option<i64> {
        self.credited.map(|credit| credit.at)
    }

    /// The newest batch that was reached without a gap.
    pub const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }
}

/// How a message stands to the position.
enum Placed {
    Continues,
    Ignored,
    Breaks,
    GoesBack,
}

/// The smallest difference between the local clock and a statement's time at its arrival, of the last one to two
/// minutes: what is left is the difference of the clocks.
#[derive(Clone, Copy, Debug, Default)]
struct Skew {
    /// Number of the window, and its smallest.
    current: Option<(u64, i64)>,
    /// The smallest of the window before it.
    before: Option<i64>,
}

impl Skew {
    fn arrived(&mut self, difference: i64, mono: Duration) {
        let window = mono.as_secs() / SKEW_WINDOW.as_secs();
        match self.current {
            Some((current, smallest)) if current == window => {
                self.current = Some((window, smallest.min(difference)));
            }
            Some((current, smallest)) => {
                self.before = (current + 1 == window).then_some(smallest);
                self.current = Some((window, difference));
            }
            None => self.current = Some((window, difference)),
        }
    }

    fn millis(&self) -> i64 {
        let current = self.current.map(|(_, smallest)| smallest);
        let smallest = current.into_iter().chain(self.before).min().unwrap_or(0);
        smallest.clamp(-LARGEST_SKEW, LARGEST_SKEW)
    }
}

/// A whole verifier's state: entries, position, freshness. It begins empty.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    live: Live,
    track: Track,
}

impl Follower {
    /// Takes a verified message in. `digest` is [`super::message::digest`] of its compact serialisation, `now_millis`
    /// the local clock in Unix milliseconds, `mono` the time since any fixed moment of this process.
    pub fn receive(&mut self, message: &Message, digest: &str, now_millis: i64, mono: Duration) -> Next {
        let went_back = self.live.expire(now_millis.div_euclid(1_000));
        for entry in message.entries() {
            self.live.fold(entry);
        }
        let next = self.track.place(message, digest, now_millis, mono);
        let is_snapshot = matches!(message, Message::Snapshot(_));
        if went_back && next == Next::Continue && !is_snapshot { Next::TakeSnapshot } else { next }
    }

    /// The folded entries.
    pub const fn live(&self) -> &Live {
        &self.live
    }

    /// As [`Track::position`].
    pub const fn position(&self) -> Option<&Position> {
        self.track.position()
    }

    /// As [`Track::staleness`].
    pub fn staleness(&self, now_millis: i64, mono: Duration) -> Option<Duration> {
        self.track.staleness(now_millis, mono)
    }
}

#[cfg(test)]
#[path = "follower_tests.rs"]
mod tests;
