//! Login sessions of all users.

use super::{AdminError, Answer, By, Page};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::logout::{self, LoggedOut};
use crate::model::session::LoginSession;
use crate::secret::SessionId;

/// Live login sessions, oldest first.
///
/// # Errors
/// A fault.
pub async fn list(
    op: &Provider,
    after: Option<SessionId>,
    limit: u32,
    now: Timestamp,
) -> Answer<Page<LoginSession, SessionId>> {
    let found = op.store.live_sessions(after, limit.saturating_add(1), now).await?;
    Ok(Page::cut(found, limit, |session| session.id))
}

/// Ends one login session with all its refresh tokens, those granted `offline_access` too.
///
/// # Errors
/// No such live session, or a fault.
pub async fn end(op: &Provider, by: &By<'_>, session: SessionId) -> Answer<LoggedOut> {
    logout::session(op, session, by.actor, by.origin, by.now)
        .await?
        .ok_or(AdminError::NotFound("live session"))
}
