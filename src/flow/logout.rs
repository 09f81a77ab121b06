//! Signing out: one browser, one session, or everything of a user.

use super::Provider;
use super::rejection::Outcome;
use crate::clock::Timestamp;
use crate::model::audit::{Event, Origin};
use crate::model::family::EndCause;
use crate::model::session::LoginSession;
use crate::secret::{SessionId, UserId};
use crate::storage::Ended;

/// What "log out all devices" did.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct LoggedOut {
    /// What ended.
    #[serde(flatten)]
    pub ended: Ended,
    /// How many relying parties will be told, beyond what ended here.
    pub relying_parties: u64,
    /// Until when a resource server that verifies locally, without the revocation feed, may still accept an access
    /// token issued before.
    pub tokens_accepted_until: Timestamp,
}

impl LoggedOut {
    /// With the longest access-token life from `now`.
    pub fn new(op: &Provider, ended: Ended, now: Timestamp) -> Self {
        Self {
            ended,
            relying_parties: ended.relying_parties,
            tokens_accepted_until: now.plus(longest_access_token(op)),
        }
    }
}

/// No client's access tokens live longer (S-058).
pub const LONGEST_ACCESS_TOKEN: std::time::Duration = std::time::Duration::from_secs(900);

/// No access token of this deployment lives longer.
pub(super) fn longest_access_token(op: &Provider) -> std::time::Duration {
    op.policy.tokens.access_token.max(LONGEST_ACCESS_TOKEN)
}

/// Ends the session of a browser, by its user's wish.
///
/// # Errors
/// A storage fault; then the session lives on.
pub async fn this_browser(
    op: &Provider,
    session: &LoginSession,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<()> {
    let entry = op
        .audit(Event::SessionEnded, format!("user:{}", session.user), now)?
        .user(session.user)
        .session(session.id)
        .origin(origin)
        .cause(EndCause::Logout.as_str());
    op.store.end_session(session.id, EndCause::Logout, now, entry).await?;
    Ok(())
}

/// Ends one session, by an operator's wish. `None` where it is not live.
///
/// # Errors
/// A storage fault.
pub async fn session(
    op: &Provider,
    session: SessionId,
    actor: &str,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<Option<LoggedOut>> {
    let entry = op
        .audit(Event::SessionEnded, actor, now)?
        .session(session)
        .origin(origin)
        .cause(EndCause::SessionEnded.as_str());
    let ended = op.store.end_session(session, EndCause::SessionEnded, now, entry).await?;
    Ok(ended.map(|ended| LoggedOut::new(op, ended, now)))
}

/// "Log out all devices": every session, family (offline ones too) and code of a user, in one transaction.
/// `None` where there is no such user.
///
/// # Errors
/// A storage fault; then nothing has ended.
pub async fn all_devices(
    op: &Provider,
    user: UserId,
    actor: &str,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<Option<LoggedOut>> {
    let entry =
        op.audit(Event::LogoutAll, actor, now)?.user(user).origin(origin).cause(EndCause::LogoutAll.as_str());
    let ended = op.store.log_out_all(user, now, entry).await?;
    Ok(ended.map(|ended| LoggedOut::new(op, ended, now)))
}
