//! Who may use the administration API: holders of an API key, and of an access token made for it.

use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::bearer;
use crate::flow::rejection::{Outcome, Rejection};
use crate::oauth::error::ErrorCode;
use crate::secret::{AccessToken, ApiKey};

/// The scope of access tokens for the administration API. A user's token reaches as far only where the user has the
/// role of the same name: a client that may ask for the scope does not make its users administrators (S-028).
pub const SCOPE: &str = "signet:admin";
/// API keys begin so.
pub const API_KEY_PREFIX: &str = "sak_";

/// The audience that access tokens for the administration API must have: other tokens of an administrator do not
/// work here (S-101, RFC 9068 §4).
pub fn audience(op: &Provider) -> String {
    op.policy.issuer.url("/admin/v1")
}

/// Somebody who may use the administration API. Only [`authenticate`] makes one.
#[derive(Clone, Debug)]
pub struct Administrator(String);

impl Administrator {
    /// The actor's name in the audit log.
    pub fn actor(&self) -> &str {
        &self.0
    }
}

/// Checks a bearer credential: an API key, or an access token with the right audience and scope.
///
/// # Errors
/// `invalid_token`, `insufficient_scope`, or a storage fault.
pub async fn authenticate(op: &Provider, bearer: &AccessToken, now: Timestamp) -> Outcome<Administrator> {
    if bearer.reveal().starts_with(API_KEY_PREFIX) {
        let key = super::api_keys::find(op, &ApiKey::new(bearer.reveal()), now).await?;
        let key = key.ok_or_else(|| Rejection::invalid_token("unknown or expired API key"))?;
        return Ok(Administrator(format!("admin:api-key:{}", key.id)));
    }
    let audience = audience(op);
    let token = bearer::live(op, bearer, Some(&[&audience]), now).await?;
    token.require_scope(SCOPE, "The access token needs the scope signet:admin. Ask for it.")?;
    let Some(subject) = &token.subject else {
        return Ok(Administrator(format!("admin:client:{}", token.client)));
    };
    if !subject.roles.iter().any(|role| role == SCOPE) {
        return Err(Rejection::hidden(
            ErrorCode::InsufficientScope,
            "The user needs the role signet:admin. Another administrator can give it.",
            "the user is no administrator",
        ));
    }
    Ok(Administrator(format!("admin:user:{}", subject.id)))
}
