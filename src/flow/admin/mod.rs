//! Administration: what an operator may do, the same from the command line and from the administration API.
//!
//! Every change names who made it, and its audit entry is written in the transaction of the change.

pub mod access;
pub mod api_keys;
pub mod apis;
pub mod audit;
pub mod clients;
pub mod initial_access_tokens;
pub mod keys;
pub mod lint;
pub mod logout_notices;
pub mod merge_patch;
pub mod sessions;
pub mod users;
pub mod view;

use super::Provider;
use super::rejection::Rejection;
use crate::clock::Timestamp;
use crate::entropy::EntropyError;
use crate::model::audit::{AuditEntry, Event, Origin};
use crate::oauth::client_metadata::MetadataProblem;

/// Who acts, from where, and when.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// `cli`, `admin:api-key:<id>`, `admin:client:<id>` or `admin:user:<id>`.
    pub actor: &'a str,
    /// Where the request came from.
    pub origin: &'a Origin,
    /// The time of the request.
    pub now: Timestamp,
}

impl By<'_> {
    /// An audit entry for what this actor does.
    ///
    /// # Errors
    /// Where the operating system gives no random bytes.
    pub fn audit(&self, op: &Provider, event: Event) -> Result<AuditEntry, EntropyError> {
        Ok(op.audit(event, self.actor, self.now)?.origin(self.origin))
    }
}

/// Why an operator's wish was not carried out. Unlike protocol errors, these may repeat what was sent: the operator
/// sent it.
#[derive(Clone, Debug)]
pub enum AdminError {
    /// There is no such thing; the text names the kind: "client".
    NotFound(&'static str),
    /// What is asked for clashes with what is.
    Conflict {
        /// The member of the request that clashes.
        field: &'static str,
        /// A sentence that names the fix.
        message: String,
    },
    /// What is asked for cannot be.
    Invalid {
        /// The member of the request that is wrong.
        field: &'static str,
        /// A sentence that names the fix.
        message: String,
    },
    /// It has changed since the caller read it.
    Changed,
    /// Our own fault.
    Fault(Rejection),
}

/// What an administration flow returns.
pub type Answer<T> = Result<T, AdminError>;

impl AdminError {
    /// [`AdminError::Invalid`].
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }

    /// [`AdminError::Conflict`].
    pub fn conflict(field: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { field, message: message.into() }
    }
}

impl std::fmt::Display for AdminError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound(what) => write!(f, "There is no such {what}."),
            Self::Conflict { field, message } | Self::Invalid { field, message } => {
                write!(f, "{field}: {message}")
            }
            Self::Changed => f.write_str("It has changed meanwhile. Read it again."),
            Self::Fault(rejection) => f.write_str(rejection.description),
        }
    }
}

impl std::error::Error for AdminError {}

impl From<Rejection> for AdminError {
    fn from(rejection: Rejection) -> Self {
        Self::Fault(rejection)
    }
}

impl From<crate::storage::Error> for AdminError {
    fn from(error: crate::storage::Error) -> Self {
        let crate::storage::Error::Conflict(constraint) = &error else {
            return Self::Fault(Rejection::from(error));
        };
        match *constraint {
            "users_username_unique" => {
                Self::conflict("username", "Another user has this name. Choose another.")
            }
            "users_email_unique" => Self::conflict("email", "Another user has this address. Choose another."),
            "clients_pk" => Self::conflict("client_id", "Another client has this id. Choose another."),
            "api_pk" => Self::conflict("audience", "Another API has this audience. Choose another."),
            _ => Self::Fault(Rejection::from(error)),
        }
    }
}

impl From<EntropyError> for AdminError {
    fn from(error: EntropyError) -> Self {
        Self::Fault(Rejection::from(error))
    }
}

impl From<MetadataProblem> for AdminError {
    fn from(problem: MetadataProblem) -> Self {
        Self::Invalid { field: problem.field, message: problem.message }
    }
}

/// Most items on one page (S-104).
pub const LONGEST_PAGE: u32 = 200;

/// Some items of a list, and where the rest begins.
#[derive(Clone, Debug)]
pub struct Page<T, C> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// The last item's place, if more follow.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// From up to `limit + 1` items: the one too many says that more follow.
    fn cut(mut items: Vec<T>, limit: u32, place: impl Fn(&T) -> C) -> Self {
        let limit = limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(place) } else { None };
        Self { items, next }
    }
}

/// A page size within its bounds.
fn page_size(limit: u32) -> u32 {
    limit.clamp(1, LONGEST_PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_successor_only_where_there_is_one() {
        let page = Page::cut(vec![1, 2, 3], 2, |item| *item);
        assert_eq!((page.items, page.next), (vec![1, 2], Some(2)));
        let page = Page::cut(vec![1, 2], 2, |item| *item);
        assert_eq!((page.items, page.next), (vec![1, 2], None));
        let page = Page::cut(Vec::<i32>::new(), 2, |item| *item);
        assert_eq!((page.items, page.next), (vec![], None));
    }

    #[test]
    fn page_sizes_have_bounds() {
        assert_eq!([0, 1, 200, 201, u32::MAX].map(page_size), [1, 1, 200, 200, 200]);
    }
}
