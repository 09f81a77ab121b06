//! Refresh-token rotation: what a presented generation means, as one pure function (RFC 9700 §4.14.2).
//!
//! The predecessor of a token stays good for a retry until its successor has been seen in use, so no lost
//! reply, closed tab or parallel tab logs anybody out; a token whose successor has been used is a copy. The
//! tests below search every schedule of a small world for a false accusation.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::model::family::{EndCause, Family, FamilyStatus};
use crate::oauth::client_metadata::ClientClass;

/// The part of a family that a refresh changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// The oldest generation that may still be retried.
    pub base: u32,
    /// The newest generation handed out.
    pub cur: u32,
    /// When `cur` last grew; back-dated when the family begins, see [`Counters::begin`].
    pub rotated_at: Timestamp,
    /// Advances since `base` was last raised, each within the hold horizon of the one before.
    pub burst: u32,
}

impl Counters {
    /// A new family, whose first use must not look like part of a burst: the last rotation is dated one
    /// second more than the hold horizon back.
    pub fn begin(now: Timestamp, policy: &RotationPolicy) -> Self {
        let rotated_at = now.minus(policy.hold_horizon).minus(Duration::from_secs(1));
        Self { base: 0, cur: 0, rotated_at, burst: 0 }
    }
}

/// When a token may be presented again, and what late ones mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    /// Whether use of the current token yields a new one at all.
    pub rotates: bool,
    /// W: within this time of a rotation, presenting the predecessor yields the same successor again.
    pub retry_window: Duration,
    /// H: from W to here, the predecessor yields an access token and no refresh token.
    pub hold_horizon: Duration,
    /// B: how many rotations may follow one another within H; after that the current token is kept.
    pub burst: u32,
    /// What the predecessor means after H.
    pub late: Late,
}

/// What a predecessor means long after its rotation, while its successor has not been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Up to `horizon` after the rotation it gets a fresh successor, and the unconfirmed one is void; after
    /// that the family ends without alarm.
    Displace {
        /// Time since the last rotation.
        horizon: Duration,
    },
    /// Anything after the retry window is theft; a retry window of zero allows no retry at all. This is the
    /// literal rule of RFC 9700 §4.14.2, and it accuses honest clients whose reply was lost.
    Strict,
}

/// What a class of clients gets unless the client says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassDefaults {
    /// When its tokens rotate.
    pub policy: RotationPolicy,
    /// How long a family may lie unused.
    pub idle: Duration,
    /// How long a family lives at most.
    pub absolute: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl ClassDefaults {
    /// The defaults of a class. A client may differ in any of them.
    pub fn of(class: ClientClass) -> Self {
        let displace = RotationPolicy {
            rotates: true,
            retry_window: Duration::from_secs(30),
            hold_horizon: Duration::from_secs(60),
            burst: 8,
            late: Late::Displace { horizon: DAY },
        };
        let (policy, idle, absolute) = match class {
            ClientClass::Spa => (displace, DAY, DAY * 7),
            ClientClass::Native => (
                RotationPolicy { late: Late::Displace { horizon: DAY * 30 }, ..displace },
                DAY * 30,
                DAY * 365,
            ),
            // No advance within H of another: the page cannot see the cookie, so nothing is gained by one.
            ClientClass::Cookie => (RotationPolicy { burst: 0, ..displace }, DAY * 7, DAY * 30),
            // Its credentials protect the token better than rotation could (RFC 9700 §4.14.2).
            ClientClass::Confidential => {
                (RotationPolicy { rotates: false, ..displace }, DAY * 365, DAY * 365)
            }
            ClientClass::HighAssurance => {
                (RotationPolicy { late: Late::Strict, ..displace }, MINUTE * 15, HOUR * 12)
            }
        };
        Self { policy, idle, absolute }
    }
}

/// Whether a policy keeps its promise that no honest client is accused, given that the server answers within
/// `request_deadline` or closes the connection. The error says what to change.
///
/// A request may wait that long before its verdict and the reply be as late again, and a client that sent the
/// predecessor in between must still find the successor unused: H − W has to exceed both delays together.
pub fn validate(policy: &RotationPolicy, request_deadline: Duration) -> Result<(), &'static str> {
    let Some(gap) = policy.hold_horizon.checked_sub(policy.retry_window) else {
        return Err("the hold horizon must not be shorter than the retry window");
    };
    if gap <= request_deadline.saturating_mul(2) {
        return Err("the hold horizon must exceed the retry window by more than twice the request deadline");
    }
    match policy.late {
        Late::Displace { horizon } if horizon < policy.hold_horizon => {
            Err("the late horizon must not be shorter than the hold horizon")
        }
        Late::Displace { .. } | Late::Strict => Ok(()),
    }
}

/// What else has to hold at the moment of a refresh; read in the transaction that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The user's epoch now.
    pub user_epoch: i64,
    /// The user exists and is not disabled.
    pub user_active: bool,
    /// The client exists and is not disabled.
    pub client_active: bool,
    /// The login session of the family is over.
    pub session_ended: bool,
    /// The authenticated client is the family's.
    pub client_matches: bool,
    /// The family is not sender-constrained, or the sender proved the right key.
    pub binding_matches: bool,
}

/// Why a refresh was refused without any effect. For the log: the client sees `invalid_grant` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// The token belongs to another client (RFC 6749 §6).
    WrongClient,
    /// The sender does not hold the key the token is bound to (RFC 9449 §5, RFC 8705 §4).
    WrongKey,
    /// The family ended or was compromised before.
    NotActive,
    /// All devices of the user were logged out since.
    EpochMovedOn,
    /// The user is disabled or gone.
    UserInactive,
    /// The client is disabled or gone.
    ClientInactive,
    /// The login session is over and the family is not offline.
    SessionEnded,
    /// Past the absolute expiry.
    Expired,
    /// Unused for too long.
    Idle,
}

/// What the server decides about one presented token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Refused, nothing changes: `invalid_grant`.
    Deny(DenyReason),
    /// The database lost a commit that the client saw: follow the client, and alarm the operator. Access token;
    /// the client keeps its refresh token.
    RollForward,
    /// The current token, kept: access token only, nothing changes.
    Coalesce,
    /// The current token: access token and the next refresh token.
    Advance,
    /// A retry: access token and the same current refresh token again, nothing changes.
    Retry,
    /// A slow retry: access token only, nothing changes.
    Hold,
    /// A late retry: access token and a fresh refresh token; the unconfirmed successor becomes void, and access
    /// tokens of older generations are to be revoked.
    Fork,
    /// The family ends without alarm: `invalid_grant`.
    End(EndCause),
    /// Somebody has a copy: the family is compromised, and the user's sessions end. `invalid_grant`.
    Theft,
}

impl Verdict {
    /// Whether the reply carries the refresh token of the generation `cur` that [`apply`] returns.
    pub const fn carries_refresh_token(self) -> bool {
        matches!(self, Self::Advance | Self::Retry | Self::Fork)
    }

    /// Whether the reply carries an access token; otherwise it is `invalid_grant`.
    pub const fn carries_access_token(self) -> bool {
        !matches!(self, Self::Deny(_) | Self::End(_) | Self::Theft)
    }

    /// Whether [`apply`] changes the counters.
    pub const fn moves_counters(self) -> bool {
        matches!(self, Self::RollForward | Self::Advance | Self::Fork)
    }

    /// The status the family gets, if it changes.
    pub const fn ends_as(self) -> Option<FamilyStatus> {
        match self {
            Self::End(cause) => Some(FamilyStatus::Ended(cause)),
            Self::Theft => Some(FamilyStatus::Compromised),
            _ => None,
        }
    }
}

/// Decides about generation `presented`, whose MAC has been verified. `now` is read after the row is locked.
/// The first rule that holds decides.
pub fn verdict(
    family: &Family,
    standing: &Standing,
    presented: u32,
    now: Timestamp,
    policy: &RotationPolicy,
) -> Verdict {
    if let Some(reason) = denied(family, standing, now, policy) {
        return Verdict::Deny(reason);
    }
    let Counters { base, cur, rotated_at, burst } = family.counters;
    // A clock that went back makes the rotation look like just now, never like long ago.
    let age = now.since(rotated_at);
    if presented > cur {
        return Verdict::RollForward;
    }
    if presented == cur {
        // A family that does not rotate: the current token stays the current token.
        let kept = !policy.rotates || (age <= policy.hold_horizon && burst >= policy.burst);
        return if kept { Verdict::Coalesce } else { unless_exhausted(Verdict::Advance, cur) };
    }
    let successor_unused = presented == base || (burst > 0 && base <= presented);
    if !successor_unused {
        return Verdict::Theft;
    }
    match policy.late {
        Late::Strict if age <= policy.retry_window && !policy.retry_window.is_zero() => Verdict::Retry,
        Late::Strict => Verdict::Theft,
        Late::Displace { .. } if age <= policy.retry_window => Verdict::Retry,
        Late::Displace { .. } if age <= policy.hold_horizon => Verdict::Hold,
        Late::Displace { horizon } if age <= horizon => unless_exhausted(Verdict::Fork, cur),
        Late::Displace { .. } => Verdict::End(EndCause::LateRetry),
    }
}

/// The counters after `verdict`, which [`verdict`](fn@verdict) gave for these counters and this generation.
pub fn apply(
    verdict: Verdict,
    counters: &Counters,
    presented: u32,
    now: Timestamp,
    policy: &RotationPolicy,
) -> Counters {
    // Saturation is never reached: a family whose generations are used up ends instead.
    let next = counters.cur.saturating_add(1);
    match verdict {
        Verdict::RollForward => {
            Counters { cur: presented, burst: counters.burst.max(1), rotated_at: now, ..*counters }
        }
        Verdict::Advance if now.since(counters.rotated_at) <= policy.hold_horizon => {
            Counters { cur: next, burst: counters.burst.saturating_add(1), rotated_at: now, ..*counters }
        }
        Verdict::Advance => Counters { base: counters.cur, cur: next, rotated_at: now, burst: 0 },
        Verdict::Fork => Counters { base: presented, cur: next, rotated_at: now, burst: 0 },
        Verdict::Deny(_)
        | Verdict::Coalesce
        | Verdict::Retry
        | Verdict::Hold
        | Verdict::End(_)
        | Verdict::Theft => *counters,
    }
}

/// Rule 0: what makes every generation void. What the presenter got wrong comes first, for the log.
fn denied(
    family: &Family,
    standing: &Standing,
    now: Timestamp,
    policy: &RotationPolicy,
) -> Option<DenyReason> {
    // The back-dated rotation of a new family must not shorten its first idle time. A family that does not
    // rotate leaves no trace of its use, so only its absolute expiry can end it.
    let used_at = family.counters.rotated_at.max(family.created_at);
    let idle = policy.rotates && now >= used_at.plus(family.idle);
    [
        (!standing.client_matches, DenyReason::WrongClient),
        (!standing.binding_matches, DenyReason::WrongKey),
        (family.status != FamilyStatus::Active, DenyReason::NotActive),
        (standing.user_epoch != family.epoch, DenyReason::EpochMovedOn),
        (!standing.user_active, DenyReason::UserInactive),
        (!standing.client_active, DenyReason::ClientInactive),
        (standing.session_ended && !family.offline, DenyReason::SessionEnded),
        (now >= family.expires_at, DenyReason::Expired),
        (idle, DenyReason::Idle),
    ]
    .into_iter()
    .find_map(|(holds, reason)| holds.then_some(reason))
}

/// A verdict that needs one more generation, or a clean end where there is none.
const fn unless_exhausted(verdict: Verdict, cur: u32) -> Verdict {
    if cur == u32::MAX { Verdict::End(EndCause::GenerationsExhausted) } else { verdict }
}

#[cfg(test)]
mod search;
#[cfg(test)]
mod table;
