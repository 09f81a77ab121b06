//! Reading the audit log.

use super::{Answer, Page, page_size};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::model::audit::{AuditEntry, Event};
use crate::secret::{AuditId, ClientId, UserId};
use crate::storage::AuditQuery;

/// Which entries to read; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Concerning this user.
    pub user: Option<UserId>,
    /// Of this client.
    pub client: Option<ClientId>,
    /// Of this kind.
    pub event: Option<Event>,
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// Entries, newest first; `before` is the last entry of the page before.
///
/// # Errors
/// A fault.
pub async fn page(
    op: &Provider,
    filter: &Filter,
    before: Option<AuditId>,
    limit: u32,
) -> Answer<Page<AuditEntry, AuditId>> {
    let limit = page_size(limit);
    let query = AuditQuery {
        user: filter.user,
        client: filter.client.clone(),
        event: filter.event,
        since: filter.since,
        until: filter.until,
        before,
        limit: limit + 1,
    };
    Ok(Page::cut(op.store.audit(query).await?, limit, |entry| entry.id))
}
