//! Ending single login sessions.

use super::{AdminError, Answer, By};
use crate::flow::Provider;
use crate::flow::logout::{self, LoggedOut};
use crate::secret::SessionId;

/// Ends one login session with its refresh tokens; those granted `offline_access` live on.
///
/// # Errors
/// No such live session, or a fault.
pub async fn end(op: &Provider, by: &By<'_>, session: SessionId) -> Answer<LoggedOut> {
    logout::session(op, session, by.actor, by.origin, by.now)
        .await?
        .ok_or(AdminError::NotFound("live session"))
}
