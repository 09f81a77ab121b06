//! Activity: what happened to an account, newest first, for its owner.

use super::{Visitor, clients, name_of};
use crate::flow::Provider;
use crate::flow::rejection::Outcome;
use crate::model::audit::AuditEntry;
use crate::secret::AuditId;
use crate::storage::AuditQuery;

/// Entries on one page.
pub const PAGE: usize = 50;

/// A page of the activity: entries, each with the name of its application.
#[derive(Clone, Debug)]
pub struct Activity {
    /// Newest first.
    pub entries: Vec<(AuditEntry, Option<String>)>,
    /// The last entry's place, if older ones follow.
    pub next: Option<AuditId>,
}

/// What happened to who visits, before `before`.
///
/// # Errors
/// A fault.
pub async fn list(op: &Provider, visitor: &Visitor, before: Option<AuditId>) -> Outcome<Activity> {
    let query = AuditQuery {
        user: Some(visitor.user.id),
        client: None,
        event: None,
        since: None,
        until: None,
        before,
        limit: u32::try_from(PAGE).unwrap_or(u32::MAX).saturating_add(1),
    };
    let mut entries = op.store.audit(query).await?;
    let more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let next = if more { entries.last().map(|entry| entry.id) } else { None };
    let named = clients(op, entries.iter().filter_map(|entry| entry.client.clone())).await?;
    let named = |entry: AuditEntry| {
        let name = entry.client.as_ref().map(|client| name_of(&named, client));
        (entry, name)
    };
    Ok(Activity { entries: entries.into_iter().map(named).collect(), next })
}
