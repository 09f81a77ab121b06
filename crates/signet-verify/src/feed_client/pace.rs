//! How long the follower waits for what.

use std::time::Duration;

/// The waits of a follower. Tests shorten them.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Of a stream that was opened: until its first byte. Behind a proxy that buffers, none comes.
    pub(super) first_event: Duration,
    /// Without anything credited, until the connection is given up. Another node may know more.
    pub(super) silence: Duration,
    /// For a snapshot, whole.
    pub(super) snapshot: Duration,
    /// Between two snapshots, and before a batch that nobody knows yet is asked for again.
    pub(super) again: Duration,
    /// How long batches are polled before a stream is tried again.
    pub(super) without_stream: Duration,
    /// Between two readings of the configuration.
    pub(super) configuration: Duration,
    /// Between two looks at an issuer that has no feed.
    pub(super) no_feed: Duration,
    /// Before the first attempt to connect again; doubled with each that fails.
    pub(super) reconnect: Duration,
    /// The longest of those.
    pub(super) longest_reconnect: Duration,
    /// A random part of a span.
    pub(super) jitter: fn(Duration) -> Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_event: Duration::from_secs(3),
            silence: Duration::from_secs(5),
            snapshot: Duration::from_secs(60),
            again: Duration::from_secs(1),
            without_stream: Duration::from_secs(5 * 60),
            configuration: Duration::from_secs(30),
            no_feed: Duration::from_secs(5 * 60),
            reconnect: Duration::from_secs(1),
            longest_reconnect: Duration::from_secs(15),
            jitter: random_part,
        }
    }
}

impl Pace {
    /// Before the next attempt, after so many that failed.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        let doubled = self.reconnect.saturating_mul(1 << failures.min(10));
        (self.jitter)(doubled.min(self.longest_reconnect))
    }
}

/// Spreads a thousand followers of one node that went down. Without randomness: all of the span.
fn random_part(span: Duration) -> Duration {
    let mut bytes = [0_u8; 4];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return span;
    }
    span.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_double_their_distance_up_to_fifteen_seconds() {
        let pace = Pace { jitter: |span| span, ..Pace::default() };
        let seconds: Vec<u64> = (0..6).map(|failures| pace.backoff(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 15, 15]);
        assert_eq!(pace.backoff(u32::MAX).as_secs(), 15);
    }

    #[test]
    fn a_random_part_is_within_the_span_and_not_always_the_same() {
        let span = Duration::from_secs(8);
        let parts: Vec<Duration> = (0..64).map(|_| random_part(span)).collect();
        assert!(parts.iter().all(|part| *part <= span));
        assert!(parts.iter().any(|part| *part < span / 2) && parts.iter().any(|part| *part > span / 2));
    }
}
