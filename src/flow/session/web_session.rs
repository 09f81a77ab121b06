//! The session of a classic web application behind a reverse proxy, begun where a page would get its refresh cookie.

use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::authorize::problem::{PageProblem, Refusal};
use crate::flow::browser::SetCookie;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::web_cookie;
use crate::secret::{WebSessionCookie, WebSessionHash};
use crate::storage::{NewWebSession, Redeemed};

/// Begins the session that `/forward-auth` is asked about, at the host of ours that the browser came to.
///
/// # Errors
/// A page where everything of the user has ended since the code was redeemed, or a fault.
pub async fn begin(
    op: &Provider,
    client: &AuthenticatedClient,
    host: &str,
    redeemed: &Redeemed,
    now: Timestamp,
) -> Result<SetCookie, Refusal> {
    let value = WebSessionCookie::new(op.entropy.secret("")?);
    let new = NewWebSession {
        cookie: WebSessionHash::from(&value),
        client: client.id.clone(),
        family: redeemed.handle,
    };
    let life = op.store.begin_web_session(&new, now).await?;
    let life = life.ok_or_else(|| Refusal::page(PageProblem::Interaction))?;
    Ok(SetCookie::WebSession {
        client: client.id.clone(),
        value,
        domain: web_cookie::domain(&op.policy.browser, &client.metadata, host).map(str::to_owned),
        age: life.remember.then(|| life.expires_at.since(now).as_secs()),
    })
}
