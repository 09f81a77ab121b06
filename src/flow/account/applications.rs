//! Applications: what was agreed to and what may still be refreshed, first-party applications too; and taking it back.

use std::collections::{BTreeMap, HashMap};

use super::{Visitor, clients, name_of};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::browser::Browser;
use crate::flow::rejection::Outcome;
use crate::flow::target;
use crate::model::audit::Event;
use crate::model::client::Client;
use crate::model::family::EndCause;
use crate::oauth::client_metadata::Profile;
use crate::oauth::registration::Registered;
use crate::secret::ClientId;

/// Most applications shown.
pub const MOST: usize = 200;

/// An application that may do something for a user.
#[derive(Clone, Debug)]
pub struct Application {
    /// Which.
    pub client: ClientId,
    /// What people know it by.
    pub name: String,
    /// Whether it belongs to this service, so that nobody was asked.
    pub first_party: bool,
    /// What it may do, by scope: in the words of an API where one has any.
    pub scopes: BTreeMap<String, Option<String>>,
    /// Since when.
    pub since: Timestamp,
    /// When it last used that; `None` where it holds nothing that is in use.
    pub used_at: Option<Timestamp>,
    /// Where a sign-in at it can be begun from here (OpenID Connect Core §4).
    pub open: Option<String>,
}

/// What is shown of a user's applications.
#[derive(Clone, Debug)]
pub struct Applications {
    /// The applications: the most recently used first.
    pub applications: Vec<Application>,
    /// Whether there are more than are shown.
    pub more: bool,
}

/// The applications of who visits, at most [`MOST`].
///
/// # Errors
/// A fault.
pub async fn list(op: &Provider, visitor: &Visitor, now: Timestamp) -> Outcome<Applications> {
    let limit = u32::try_from(MOST).unwrap_or(u32::MAX).saturating_add(1);
    let traces = op.store.applications_of(visitor.user.id, limit, now).await?;
    let named = clients(op, traces.iter().map(|trace| trace.client.clone())).await?;
    let apis = op.clients.fresh_apis(&op.store, now).await?;
    let mut found: HashMap<ClientId, Application> = HashMap::new();
    for trace in traces {
        let id = trace.client.clone();
        let application = found.entry(trace.client).or_insert_with(|| Application {
            name: name_of(&named, &id),
            first_party: named.get(&id).is_some_and(|client| client.metadata.first_party),
            open: named.get(&id).and_then(|client| begin(op, client)),
            client: id,
            scopes: BTreeMap::new(),
            since: trace.since,
            used_at: None,
        });
        application.since = application.since.min(trace.since);
        application.used_at = application.used_at.max(trace.used_at);
        for scope in trace.scope.split(' ').filter(|scope| !scope.is_empty()) {
            let words = || target::scope_words(&apis, &[], scope);
            application.scopes.entry(scope.to_owned()).or_insert_with(words);
        }
    }
    let mut applications: Vec<_> = found.into_values().collect();
    applications.sort_by(|a, b| b.used_at.cmp(&a.used_at).then_with(|| a.client.cmp(&b.client)));
    let more = applications.len() > MOST;
    applications.truncate(MOST);
    Ok(Applications { applications, more })
}

/// The link that begins a sign-in at a client: it sends the browser back here with a request of its own, so that nobody
/// is signed in by following a link (OpenID Connect Core §4).
fn begin(op: &Provider, client: &Client) -> Option<String> {
    // Nobody has vouched for where a client leads that registered itself. The certification of a provider asks for the link.
    let vouched =
        client.registered == Registered::Operator || client.metadata.profile == Profile::OidcCertification;
    let uri = client.metadata.initiate_login_uri.as_ref().filter(|_| vouched && client.is_active())?;
    let mut url = url::Url::parse(uri).ok()?;
    url.query_pairs_mut().append_pair("iss", op.policy.issuer.as_str());
    Some(url.into())
}

/// Takes back what an application may do for who visits: consent, refresh tokens, codes. `false` where there is nothing
/// of it.
///
/// # Errors
/// A fault; then nothing has ended.
pub async fn revoke(
    op: &Provider,
    visitor: &Visitor,
    client: &ClientId,
    browser: &Browser,
    now: Timestamp,
) -> Outcome<bool> {
    let entry = visitor.audit(op, Event::ConsentWithdrawn, browser, now)?.client(client);
    let entry = entry.session(visitor.session.id).cause(EndCause::ConsentWithdrawn.as_str());
    Ok(op.store.withdraw_consent(visitor.user.id, client, entry).await?.is_some())
}
