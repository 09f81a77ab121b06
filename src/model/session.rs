//! A login session: one browser in which a user is signed in at the authorization endpoint.

use std::time::Duration;

use super::session_policy::Seen;
use crate::clock::Timestamp;
use crate::secret::{SessionId, UserId};

/// A login session. Its cookie's value is known only as a hash.
#[derive(Clone, Debug)]
pub struct LoginSession {
    /// The public id; the `sid` claim.
    pub id: SessionId,
    /// Who signed in.
    pub user: UserId,
    /// The user's epoch at sign-in.
    pub epoch: i64,
    /// When the session began.
    pub created_at: Timestamp,
    /// When the user last proved who they are (`auth_time`, OpenID Connect Core §2).
    pub auth_time: Timestamp,
    /// When the browser was last seen, to within a minute.
    pub last_seen_at: Timestamp,
    /// How long it may stay unseen.
    pub idle: Duration,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
    /// Whether the user asked to stay signed in.
    pub remember: bool,
    /// Authentication methods (RFC 8176), such as `pwd`.
    pub amr: Vec<String>,
    /// The browser's address at sign-in, or where it was noted to have moved since.
    pub address: Option<String>,
    /// Its `User-Agent` then.
    pub user_agent: Option<String>,
    /// Where that was, in words, as a trusted proxy said it.
    pub place: Option<String>,
    /// How it stands.
    pub state: SessionState,
}

/// Whether a login session is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Not ended; expiry is the clock's matter.
    Live,
    /// Ended, and when.
    Ended(Timestamp),
}

impl LoginSession {
    /// Where its browser was last seen.
    pub fn seen(&self) -> Seen<'_> {
        Seen { user_agent: self.user_agent.as_deref(), address: self.address.as_deref() }
    }

    /// Whether the session authenticates its browser at `now`, given the user's present epoch.
    pub fn is_live(&self, now: Timestamp, user_epoch: i64) -> bool {
        self.state == SessionState::Live
            && self.epoch == user_epoch
            && now < self.expires_at
            && now < self.last_seen_at.plus(self.idle)
    }
}
