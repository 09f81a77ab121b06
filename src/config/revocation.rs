//! `[revocation]`

use super::section::section;
use super::value::{Flag, Int};

section! {
    /// The revocation feed (docs/revocation-feed.md).
    pub struct Revocation {
        /// Whether the feed is served. Entries are written and numbered in any case, so that it can be switched on.
        enabled: bool = true, Flag;
        /// Time between the heartbeats of a stream, and the longest hold of the next batch, in milliseconds. A verifier
        /// takes its state for fresh for 3 s.
        heartbeat_ms: u32 = 1000, Int(100, 3000);
        /// Time between two looks for revocations that nobody has announced, in milliseconds.
        sweep_ms: u32 = 100, Int(10, 1000);
        /// Streams and held requests at once, per node; beyond it 503.
        max_followers: u32 = 1000, Int(1, 100_000);
    }
}
