//! The account's pages: what users see of their own account and may do to it. Everything here acts for the user of a
//! live login session, and its user id is a condition of each statement; what is sensitive needs a fresh sign-in.

pub mod activity;
pub mod applications;
pub mod devices;
pub mod password;
pub mod profile;

use std::collections::HashMap;

use super::browser::Browser;
use super::rejection::Outcome;
use super::{Provider, authorize, interaction};
use crate::clock::Timestamp;
use crate::model::audit::{AuditEntry, Event};
use crate::model::client::Client;
use crate::model::session::LoginSession;
use crate::model::user::User;
use crate::secret::ClientId;

/// Who visits.
#[derive(Debug)]
pub struct Visitor {
    /// The session of this browser.
    pub session: LoginSession,
    /// Whose it is.
    pub user: User,
}

impl Visitor {
    /// The name of this user as an actor.
    pub fn actor(&self) -> String {
        format!("user:{}", self.user.id)
    }

    /// Whether this user may do what is sensitive without another sign-in.
    pub fn is_fresh(&self, op: &Provider, now: Timestamp) -> bool {
        interaction::is_fresh(op, &self.session, now)
    }

    fn audit(&self, op: &Provider, event: Event, browser: &Browser, now: Timestamp) -> Outcome<AuditEntry> {
        Ok(op.audit(event, self.actor(), now)?.user(self.user.id).origin(&browser.origin))
    }
}

/// The user who is signed in in a browser.
///
/// # Errors
/// A fault.
pub async fn visitor(op: &Provider, browser: &Browser, now: Timestamp) -> Outcome<Option<Visitor>> {
    let Some(session) = authorize::session(op, browser, now).await? else { return Ok(None) };
    let user = op.store.user(session.user).await?.filter(User::is_active);
    Ok(user.map(|user| Visitor { session, user }))
}

/// The clients of a list by id: one statement, however many.
async fn clients(op: &Provider, ids: impl Iterator<Item = ClientId>) -> Outcome<HashMap<ClientId, Client>> {
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let found = op.store.clients_listed(ids).await?;
    Ok(found.into_iter().map(|client| (client.id.clone(), client)).collect())
}

/// What people know a client by: its name, or its id where it has none or is gone.
fn name_of(clients: &HashMap<ClientId, Client>, id: &ClientId) -> String {
    let client = clients.get(id).and_then(|client| client.metadata.client_name.clone());
    client.unwrap_or_else(|| id.to_string())
}
