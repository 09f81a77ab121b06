//! `[refresh]`: the timing of refresh-token rotation, and one table per class of client.

use super::section::section;
use super::value::{Choice, Flag, Int, OneOf};
use crate::oauth::client_metadata::TheftResponse;

const HOUR: u32 = 3600;
const DAY: u32 = 24 * HOUR;
const YEAR: u32 = 365 * DAY;

section! {
    /// The two windows of the verdict and the deadline they rest on.
    pub struct Refresh {
        /// W: how long a retry with the predecessor gets the same successor again, in seconds.
        retry_window_seconds: u32 = 30, Int(0, 600);
        /// H: how long after a rotation the predecessor is neither renewed nor suspected, in seconds.
        hold_horizon_seconds: u32 = 60, Int(1, 1200);
        /// Within what time `/token` and `/refresh` answer or close the connection, in seconds.
        request_deadline_seconds: u32 = 10, Int(1, 300);
        /// What a proven theft ends.
        theft_response: TheftResponse = TheftResponse::User, OneOf;
        @sections {
            /// Single-page applications that call `/token` themselves.
            spa: RefreshClass = RefreshClass::default();
            /// Native applications.
            native: RefreshClass = RefreshClass {
                late_horizon_seconds: 30 * DAY, idle_seconds: 30 * DAY, absolute_seconds: YEAR,
                ..RefreshClass::default()
            };
            /// Browsers that hold the refresh token in a cookie and call `/refresh`.
            cookie: RefreshClass = RefreshClass {
                burst: 0, idle_seconds: 7 * DAY, absolute_seconds: 30 * DAY,
                ..RefreshClass::default()
            };
            /// Confidential clients and those whose tokens are bound to a key.
            confidential: RefreshClass = RefreshClass {
                rotate: false, idle_seconds: 30 * DAY, absolute_seconds: YEAR,
                ..RefreshClass::default()
            };
            /// Clients that ask for strict reuse detection (RFC 9700 §4.14.2).
            high_assurance: RefreshClass = RefreshClass {
                late: Late::Strict, late_horizon_seconds: 0, idle_seconds: 15 * 60, absolute_seconds: 12 * HOUR,
                ..RefreshClass::default()
            };
        }
    }
}

section! {
    /// What rotation does for one class of client. The defaults are those of single-page applications.
    pub struct RefreshClass {
        /// B: how many advances may follow one another within H; 0 allows one.
        burst: u32 = 8, Int(0, 100);
        /// What happens to a predecessor that returns after its window.
        late: Late = Late::Displace, OneOf;
        /// How long after the rotation a late predecessor may still displace its successor, in seconds.
        late_horizon_seconds: u32 = DAY, Int(0, 10 * YEAR);
        /// A family unused for this long ends, in seconds.
        idle_seconds: u32 = DAY, Int(60, 10 * YEAR);
        /// A family this old ends, however much it is used, in seconds.
        absolute_seconds: u32 = 7 * DAY, Int(60, 10 * YEAR);
        /// Whether a use yields a new refresh token at all.
        rotate: bool = true, Flag;
    }
}

impl Choice for TheftResponse {
    const ALL: &'static [(&'static str, Self)] =
        &[("user", Self::User), ("session", Self::Session), ("family", Self::Family)];
}

/// What happens to a predecessor that returns after its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// It gets a fresh successor, and the unconfirmed one is displaced with its access tokens.
    Displace,
    /// It is a theft.
    Strict,
}

impl Choice for Late {
    const ALL: &'static [(&'static str, Self)] = &[("displace", Self::Displace), ("strict", Self::Strict)];
}
