//! What relying parties were told, and what they were not.

use super::{Answer, Page, page_size};
use crate::flow::Provider;
use crate::secret::NoticeId;
pub use crate::storage::{Notice, NoticeQuery};

/// Notices, newest first; `filter.before` is the last notice of the page before.
///
/// # Errors
/// A fault.
pub async fn page(op: &Provider, filter: &NoticeQuery, limit: u32) -> Answer<Page<Notice, NoticeId>> {
    let limit = page_size(limit);
    let query = NoticeQuery { limit: limit + 1, ..filter.clone() };
    Ok(Page::cut(op.store.notices(&query).await?, limit, |notice| notice.id))
}
