//! `GET /session`: who is signed in, read without rotating anything.

use serde::Serialize;

use super::SessionView;
use crate::flow::Provider;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::grant::refresh_token::presented;
use crate::flow::login_session;
use crate::flow::rejection::Outcome;
use crate::model::audit::Origin;
use crate::model::rotation::Verdict;
use crate::oauth::acr;
use crate::oauth::scope::{PROFILE, Scope};
use crate::secret::RefreshToken;
use crate::storage::{Rotated, Rotation};

/// Who is signed in; the names where the application was granted `profile`.
#[derive(Debug, Serialize)]
pub struct Whois {
    #[serde(flatten)]
    session: SessionView,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// Whose session a refresh cookie is; `None` where `/refresh` would refuse it.
///
/// # Errors
/// A storage fault.
pub async fn whois(
    op: &Provider,
    client: &AuthenticatedClient,
    cookie: Option<&RefreshToken>,
    origin: &Origin,
) -> Outcome<Option<Whois>> {
    let live = live(op, client, cookie, origin).await?;
    let live = live.filter(|found| found.verdict.carries_access_token());
    Ok(live.filter(|found| login_session::would_admit(op, found, origin)).and_then(view))
}

/// What a refresh cookie stands for; `None` where it is nobody's, another client's, or over. Changes nothing.
///
/// # Errors
/// A storage fault.
pub(super) async fn live(
    op: &Provider,
    client: &AuthenticatedClient,
    cookie: Option<&RefreshToken>,
    origin: &Origin,
) -> Outcome<Option<Rotated>> {
    let Some(token) = cookie.and_then(|cookie| op.secrets.refresh_tokens.decode(cookie)) else {
        return Ok(None);
    };
    match op.store.inspect(&presented(op, client, token, origin)).await? {
        Rotation::Decided(found) if !matches!(found.verdict, Verdict::Deny(_)) => Ok(Some(*found)),
        _ => Ok(None),
    }
}

fn view(found: Rotated) -> Option<Whois> {
    let told = Scope::parse(&found.family.scope).is_ok_and(|scope| scope.contains(PROFILE));
    let subject = found.subject;
    let name = subject.claims.get("name").and_then(serde_json::Value::as_str).map(ToOwned::to_owned);
    Some(Whois {
        session: SessionView {
            sub: subject.sub(),
            sid: found.family.session?,
            auth_time: found.auth_time.seconds(),
            acr: acr::acr_of(&found.amr),
            amr: found.amr,
        },
        username: told.then_some(subject.username),
        name: name.filter(|_| told),
    })
}
