//! `[sessions]`

use super::section::section;
use super::value::{Flag, Int};

section! {
    /// Login sessions in the browser. The bounds are those of NIST SP 800-63B-4 for one factor.
    pub struct Sessions {
        /// A session unused for this long ends, in minutes.
        idle_minutes: u32 = 60, Int(1, 43_200);
        /// A session this old ends, in hours.
        absolute_hours: u32 = 24, Int(1, 720);
        /// Whether people may ask to stay signed in.
        remember_me: bool = true, Flag;
        /// As `idle_minutes` for those who did, in days.
        remember_idle_days: u32 = 14, Int(1, 30);
        /// As `absolute_hours` for those who did, in days.
        remember_absolute_days: u32 = 30, Int(1, 30);
        /// How long one visit to the sign-in pages may take, in minutes.
        interaction_minutes: u32 = 30, Int(1, 240);
    }
}
