//! How an authorization request can fail: on a page, until it is proven whom to answer; by redirect afterwards.

use super::response::{Delivery, ReturnPath};
use crate::flow::Provider;
use crate::flow::rejection::Rejection;
use crate::secret::ClientId;

/// A refusal at the authorization endpoint.
#[derive(Debug)]
pub enum Refusal {
    /// Shown where it arose.
    Page(Box<PageProblem>),
    /// Sent to the client.
    Redirect {
        /// How.
        delivery: Delivery,
        /// For the log.
        rejection: Rejection,
    },
}

impl Refusal {
    /// A page.
    pub(in crate::flow) fn page(problem: PageProblem) -> Self {
        Self::Page(Box::new(problem))
    }

    /// A fault of ours is shown as such: a client could do nothing about it, a person can try again.
    pub(super) fn redirect(op: &Provider, path: &ReturnPath, rejection: Rejection) -> Self {
        if rejection.is_fault() {
            return Self::page(PageProblem::Rejected(rejection));
        }
        Self::Redirect { delivery: path.error(op, &rejection), rejection }
    }
}

impl<E: Into<Rejection>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::page(PageProblem::Rejected(error.into()))
    }
}

/// What an error page says.
#[derive(Debug)]
pub enum PageProblem {
    /// The redirect URI is missing or not registered: nobody may be redirected anywhere.
    RedirectUri {
        /// Whose it should be.
        client: ClientId,
        /// What was sent.
        received: Option<String>,
        /// What is registered.
        registered: Vec<String>,
        /// The registered one that comes nearest.
        nearest: Option<String>,
    },
    /// Unknown, expired or already answered; or another browser's.
    Interaction,
    /// A form that did not come from our page.
    Form,
    /// Anything else.
    Rejected(Rejection),
}
