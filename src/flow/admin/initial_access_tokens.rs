//! Initial access tokens: each allows a number of clients to register themselves (RFC 7591 §1.2).

use std::time::Duration;

use super::{AdminError, Answer, By};
use crate::flow::Provider;
use crate::model::audit::Event;
use crate::secret::{InitialAccessToken, InitialAccessTokenHash, InitialAccessTokenId};
use crate::storage::InitialAccessTokenRecord;

/// Initial access tokens begin so.
const PREFIX: &str = "sia_";
/// Most clients that one may register.
pub const MOST_USES: u32 = 10_000;
/// Longest life.
pub const LONGEST_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);

/// An initial access token without the token itself.
pub type InitialAccessTokenEntry = InitialAccessTokenRecord;

/// A new initial access token; the only time the token itself is shown.
#[derive(Debug)]
pub struct Created {
    /// What lists show.
    pub entry: InitialAccessTokenEntry,
    /// The token.
    pub token: InitialAccessToken,
}

/// Makes an initial access token of 32 random bytes, good for `uses` clients and for `life`.
///
/// # Errors
/// A name, a number or a life that cannot be; or a fault.
pub async fn create(op: &Provider, by: &By<'_>, name: &str, uses: u32, life: Duration) -> Answer<Created> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(AdminError::invalid("name", "Say in 1 to 100 characters what the token is for."));
    }
    if !(1..=MOST_USES).contains(&uses) {
        return Err(AdminError::invalid("uses", "A token registers 1 to 10000 clients."));
    }
    if life.is_zero() || life > LONGEST_LIFE {
        return Err(AdminError::invalid(
            "expires_at",
            "A token lives for a year at most, and not in the past.",
        ));
    }
    let token = InitialAccessToken::new(op.entropy.secret(PREFIX)?);
    let entry = InitialAccessTokenRecord {
        id: InitialAccessTokenId(op.entropy.uuid_v7(by.now)?),
        name: name.to_owned(),
        uses_left: uses,
        created_at: by.now,
        expires_at: by.now.plus(life),
    };
    let details = serde_json::json!({ "initial_access_token": entry.id, "name": entry.name, "uses": uses });
    let audit = by.audit(op, Event::InitialAccessTokenCreated)?.details(details.to_string());
    op.store.create_initial_access_token(&entry, &InitialAccessTokenHash::from(&token), &audit).await?;
    Ok(Created { entry, token })
}

/// All initial access tokens, at most 1000, oldest first.
///
/// # Errors
/// A fault.
pub async fn list(op: &Provider) -> Answer<Vec<InitialAccessTokenEntry>> {
    Ok(op.store.initial_access_tokens().await?)
}

/// Deletes an initial access token; it registers nobody any more. Clients that it has registered stay.
///
/// # Errors
/// No such token, or a fault.
pub async fn delete(op: &Provider, by: &By<'_>, id: InitialAccessTokenId) -> Answer<()> {
    let details = serde_json::json!({ "initial_access_token": id }).to_string();
    let audit = by.audit(op, Event::InitialAccessTokenDeleted)?.details(details);
    if op.store.delete_initial_access_token(id, &audit).await? {
        Ok(())
    } else {
        Err(AdminError::NotFound("initial access token"))
    }
}
