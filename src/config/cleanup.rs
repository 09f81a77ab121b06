//! `[cleanup]`

use super::section::section;
use super::value::Int;

section! {
    /// The removal of what has expired.
    pub struct Cleanup {
        /// The pause between two sweeps, in seconds.
        interval_seconds: u32 = 60, Int(1, 86_400);
        /// Rows per statement.
        batch: u32 = 500, Int(1, 10_000);
        /// How long the audit log is kept, in days.
        audit_retention_days: u32 = 365, Int(1, 3650);
    }
}
