//! Time as an argument: the date, which tokens are judged by and which may be set at any moment, and the time that
//! only runs forward, which waiting is measured by.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where time comes from.
pub trait Clock: Debug + Send + Sync {
    /// The date, in Unix milliseconds.
    fn unix_millis(&self) -> i64;

    /// The time since some moment in the life of the process. Never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
        let start = Instant::now();
        Self { start }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn unix_millis(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the date")]
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(any(test, feature = "testing"))]
pub use manual::ManualClock;

#[cfg(any(test, feature = "testing"))]
mod manual {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
    use std::time::Duration;

    use super::Clock;

    /// A clock that only tests move.
    #[derive(Debug)]
    pub struct ManualClock {
        unix_millis: AtomicI64,
        monotonic_millis: AtomicU64,
    }

    impl ManualClock {
        /// Starts at this date.
        #[must_use]
        pub const fn new(unix_millis: i64) -> Self {
            Self { unix_millis: AtomicI64::new(unix_millis), monotonic_millis: AtomicU64::new(0) }
        }

        /// Lets time pass: both clocks move.
        pub fn advance(&self, span: Duration) {
            let millis = u64::try_from(span.as_millis()).unwrap_or(0);
            self.monotonic_millis.fetch_add(millis, Ordering::SeqCst);
            self.unix_millis.fetch_add(i64::try_from(millis).unwrap_or(0), Ordering::SeqCst);
        }

        /// Sets the date, also backwards; the monotonic time stands.
        pub fn set_date(&self, unix_millis: i64) {
            self.unix_millis.store(unix_millis, Ordering::SeqCst);
        }
    }

    impl Clock for ManualClock {
        fn unix_millis(&self) -> i64 {
            self.unix_millis.load(Ordering::SeqCst)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.monotonic_millis.load(Ordering::SeqCst))
        }
    }
}
