//! Figures of a verifier, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Figures since the verifier was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Tokens accepted.
    pub accepted: u64,
    /// Tokens refused as not good, revoked ones included.
    pub refused: u64,
    /// Tokens refused because the revocation feed voids them.
    pub revoked: u64,
    /// Tokens about which nothing could be said (503).
    pub unavailable: u64,
    /// Tokens that were found verified already.
    pub cached: u64,
    /// Signatures of tokens checked.
    pub signatures: u64,
    /// Reads of the key set that were begun.
    pub key_fetches: u64,
    /// Reads of the key set that failed.
    pub key_failures: u64,
    /// Keys known.
    pub keys: u64,
    /// Questions to the introspection endpoint.
    pub introspections: u64,
    /// The number of the newest batch that the revocation feed has brought; `None` before the first, or without a feed.
    pub feed_position: Option<u64>,
}

/// One figure that counts.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
