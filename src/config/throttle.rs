//! `[throttle]`

use super::section::section;
use super::value::Int;

section! {
    /// How fast passwords may be guessed: a burst, then one more per period.
    pub struct Throttle {
        /// Failures an account takes at once. NIST SP 800-63B-4 allows 100 in a row.
        account_burst: u32 = 30, Int(1, 100);
        /// After those, one more guess per this many seconds.
        account_period_seconds: u32 = 60, Int(1, 86_400);
        /// Failures an address (IPv4) or network (IPv6 /64) takes at once.
        address_burst: u32 = 50, Int(1, 100_000);
        /// After those, one more guess per this many seconds.
        address_period_seconds: u32 = 2, Int(1, 86_400);
    }
}
