//! What registered clients lack or have too much of: the rules of [`client_lint`], with what the database knows.

use super::{Answer, LONGEST_PAGE, clients};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::target;
use crate::model::client::Client;
use crate::model::client_lint::{self, Finding, Known, Severity};
use crate::oauth::client_metadata::Profile;
use crate::oauth::scope::Scope;
use crate::secret::ClientId;

/// One client, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Linted {
    /// The client.
    pub client: ClientId,
    /// The profile that it was measured by.
    pub profile: Profile,
    /// What was found, errors first.
    pub findings: Vec<Finding>,
}

impl Linted {
    /// How many of the findings are errors.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error).count()
    }
}

/// Looks at one client, by its own profile unless another is named.
///
/// # Errors
/// No such client, or a fault.
pub async fn one(op: &Provider, id: &ClientId, profile: Option<Profile>, now: Timestamp) -> Answer<Linted> {
    let client = clients::show(op, id).await?;
    let open = op.store.open_scopes(Some(id), now).await?;
    op.clients.fresh_apis(&op.store, now).await?;
    Ok(look(op, (&client, profile), &open, now))
}

/// Looks at every client, in the order of their ids.
///
/// # Errors
/// A fault.
pub async fn all(op: &Provider, profile: Option<Profile>, now: Timestamp) -> Answer<Vec<Linted>> {
    let open = op.store.open_scopes(None, now).await?;
    op.clients.fresh_apis(&op.store, now).await?;
    let mut linted = Vec::new();
    let mut after = None;
    loop {
        let page = clients::list(op, after.as_ref(), LONGEST_PAGE).await?;
        linted.extend(page.items.iter().map(|client| look(op, (client, profile), &open, now)));
        after = page.next;
        if after.is_none() {
            return Ok(linted);
        }
    }
}

fn look(
    op: &Provider,
    (client, profile): (&Client, Option<Profile>),
    open: &[(ClientId, Scope)],
    now: Timestamp,
) -> Linted {
    let profile = profile.unwrap_or(client.metadata.profile);
    let of_it = open.iter().filter(|(owner, _)| *owner == client.id);
    let granted: Vec<Scope> = of_it.map(|(_, scope)| scope.clone()).collect();
    let divided = target::is_divided(op, client);
    let findings = client_lint::lint(&Known { client, profile, granted: &granted, divided, now });
    Linted { client: client.id.clone(), profile, findings }
}
