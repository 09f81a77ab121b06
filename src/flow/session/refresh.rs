//! `POST /refresh`: a new access token for a page whose refresh token is in a cookie. The rotation is that of
//! `/token`; only the way of the refresh token is another.

use super::SessionView;
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::browser::SetCookie;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::grant::refresh_token::{self, Exchange};
use crate::flow::issue::TokenResponse;
use crate::flow::rejection::Outcome;
use crate::model::audit::Origin;
use crate::oauth::acr;
use crate::secret::SessionId;

/// What the page and its browser get.
#[derive(Debug)]
pub struct Refreshed {
    /// The tokens for the page; never a refresh token.
    pub response: TokenResponse,
    /// Whose session it is.
    pub session: SessionView,
    /// The refresh token's successor, where there is one.
    pub cookie: Option<SetCookie>,
}

/// Checks, rotates, mints. `lasting`: the cookie outlives the browser, so its successor does.
///
/// # Errors
/// `invalid_grant`: the session is over; `invalid_scope`, `invalid_target`; or a fault, after which the same cookie
/// works again.
pub async fn refresh(
    op: &Provider,
    client: &AuthenticatedClient,
    (request, lasting): (&Exchange, bool),
    origin: &Origin,
    now: Timestamp,
) -> Outcome<Refreshed> {
    let refreshed = refresh_token::refreshed(op, client, request, origin, now).await?;
    let (mut response, user) = (refreshed.response, refreshed.user);
    seen(op, user.session, now);
    let left = refreshed.expires_at.since(now).as_secs();
    let cookie = response
        .refresh_token
        .take()
        .map(|token| SetCookie::Refresh(client.id.clone(), token, lasting.then_some(left)));
    let session = SessionView {
        sub: user.subject.sub(),
        sid: user.session,
        auth_time: user.auth_time.seconds(),
        acr: acr::acr_of(&user.amr),
        amr: user.amr,
    };
    Ok(Refreshed { response, session, cookie })
}

/// A page in use is its browser in use. Noted beside the answer, which does not wait for it: a note that is lost is made
/// up for by the next.
fn seen(op: &Provider, session: SessionId, now: Timestamp) {
    let store = op.store.clone();
    tokio::spawn(async move {
        if let Err(error) = store.see_session(session, now).await {
            tracing::debug!(%error, "a session was not noted as seen");
        }
    });
}
