//! How often each verdict was given since start, for the operator's metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Store;
use crate::model::rotation::Verdict;

const NAMES: [&str; 9] =
    ["deny", "roll_forward", "coalesce", "advance", "retry", "hold", "fork", "end", "theft"];

/// One counter per verdict.
#[derive(Debug, Default)]
pub(super) struct Verdicts([AtomicU64; 9]);

impl Verdicts {
    /// Counts one.
    pub(super) fn count(&self, verdict: Verdict) {
        let name = match verdict {
            Verdict::Deny(_) => "deny",
            Verdict::RollForward => "roll_forward",
            Verdict::Coalesce => "coalesce",
            Verdict::Advance => "advance",
            Verdict::Retry => "retry",
            Verdict::Hold => "hold",
            Verdict::Fork => "fork",
            Verdict::End(_) => "end",
            Verdict::Theft => "theft",
        };
        for (counter, known) in self.0.iter().zip(NAMES) {
            if known == name {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Store {
    /// The verdicts given since start, by name.
    pub fn verdicts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.into_iter().zip(self.verdicts.0.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }
}
