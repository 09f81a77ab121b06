//! `POST /session/logout` and `POST /session/logout_all`: by the refresh cookie, from the page.

use super::whois::live;
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::login_session;
use crate::flow::logout::{self, LoggedOut};
use crate::flow::rejection::Outcome;
use crate::model::audit::{Event, Origin};
use crate::model::family::EndCause;
use crate::secret::RefreshToken;
use crate::storage::Ended;

/// Ends the login session that a refresh cookie hangs on, and with it every application at every host. Any generation
/// of the family will do: who holds an old one held the current one. Nothing happens twice: what is over counts zero.
///
/// # Errors
/// A storage fault; then nothing has ended.
pub async fn this_browser(
    op: &Provider,
    client: &AuthenticatedClient,
    cookie: Option<&RefreshToken>,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<Ended> {
    let Some(found) = live(op, client, cookie, origin).await? else { return Ok(Ended::default()) };
    let Some(session) = found.family.session else { return Ok(Ended::default()) };
    let user = found.family.user;
    let entry = op
        .audit(Event::SessionEnded, format!("user:{user}"), now)?
        .user(user)
        .client(&client.id)
        .session(session)
        .origin(origin)
        .cause(EndCause::Logout.as_str());
    let ended = op.store.end_session(session, EndCause::Logout, now, entry).await?;
    Ok(ended.unwrap_or_default())
}

/// "Log out all devices", by whoever holds a live refresh cookie of the user; `None` where it is not live.
///
/// # Errors
/// A storage fault; then nothing has ended.
pub async fn all_devices(
    op: &Provider,
    client: &AuthenticatedClient,
    cookie: Option<&RefreshToken>,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<Option<LoggedOut>> {
    let found = live(op, client, cookie, origin).await?;
    let Some(found) = found.filter(|found| found.verdict.carries_access_token()) else { return Ok(None) };
    // Who may not refresh here may not end everything from here, either.
    if !login_session::would_admit(op, &found, origin) {
        return Ok(None);
    }
    let user = found.family.user;
    logout::all_devices(op, user, &format!("user:{user}"), origin, now).await
}
