//! Latencies in buckets that are never wider than 1/64 of their value: two shifts to record, no allocation.

use std::time::Duration;

/// Buckets for one power of two.
const SUB: u64 = 64;
/// log2 of [`SUB`].
const SUB_BITS: u32 = SUB.trailing_zeros();
/// Enough for 2^40 ns, about 18 minutes.
const BUCKETS: usize = (SUB * (40 - SUB_BITS as u64 + 1)) as usize;

/// A histogram of durations.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    /// Adds one duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(nanos).min(BUCKETS - 1);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Adds all of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    /// How many were recorded.
    pub(crate) const fn count(&self) -> u64 {
        self.total
    }

    /// The duration below which the share `quantile` (0 to 1) lies: the upper end of its bucket. Zero when empty.
    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        let wanted = ((self.total as f64) * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_end(bucket as u64));
            }
        }
        Duration::ZERO
    }
}

fn bucket_of(nanos: u64) -> usize {
    if nanos < SUB {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - SUB_BITS;
    // The leading bit is implied by the row, so the row holds SUB buckets.
    let row = u64::from(shift) + 1;
    (row * SUB + ((nanos >> shift) - SUB)) as usize
}

fn upper_end(bucket: u64) -> u64 {
    let (row, column) = (bucket / SUB, bucket % SUB);
    if row == 0 {
        return column;
    }
    ((SUB + column + 1) << (row - 1)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_within_a_64th() {
        for nanos in (0..5_000).chain((0..35).map(|bit| (1 << bit) + 12_345)) {
            let end = upper_end(bucket_of(nanos) as u64);
            assert!(end >= nanos && end - nanos <= nanos / 64, "{nanos} → {end}");
        }
    }

    #[test]
    fn quantiles_of_a_known_set() {
        let mut histogram = Histogram::new();
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        let near = |quantile: f64, millis: f64| {
            let got = histogram.quantile(quantile).as_secs_f64() * 1000.0;
            assert!((got / millis - 1.0).abs() < 0.02, "{quantile}: {got}");
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
        assert_eq!(histogram.count(), 100);
    }
}
