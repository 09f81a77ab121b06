//! `/userinfo` (OpenID Connect Core §5.3).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Provider;
use super::bearer;
use super::issue::custom_claims;
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::model::client::Client;
use crate::model::user::Subject;
use crate::oauth::claims::ClaimTarget;
use crate::oauth::scope::{ADDRESS, EMAIL, OPENID, PHONE, PROFILE, Scope};
use crate::secret::AccessToken;

/// The claims of `profile` that are stored with the user (OpenID Connect Core §5.4).
const PROFILE_CLAIMS: [&str; 12] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
];

/// An answer of the UserInfo endpoint.
#[derive(Debug)]
pub struct UserInfo {
    /// The claims.
    pub claims: Map<String, Value>,
    /// The client whose token it was.
    pub client: Option<Arc<Client>>,
}

/// The claims that the token's scope opens.
///
/// # Errors
/// `invalid_token`, `insufficient_scope`, or a fault.
pub async fn claims(op: &Provider, token: &AccessToken, now: Timestamp) -> Outcome<UserInfo> {
    let token = bearer::live(op, token, None, now).await?;
    token.require_scope(
        OPENID,
        "This endpoint needs the scope openid. Ask for it at the authorization endpoint.",
    )?;
    let Some(subject) = &token.subject else { return Err(Rejection::invalid_token("a client's own token")) };
    let mut claims = claims_of_scope(subject, &token.scope);
    let client = op.clients.get(&op.store, &token.client, now).await?;
    if let Some(client) = &client {
        claims.extend(custom_claims(client, Some(subject), ClaimTarget::Userinfo));
    }
    Ok(UserInfo { claims, client })
}

/// The standard claims of a user that a scope opens (OpenID Connect Core §5.4).
pub fn claims_of_scope(subject: &Subject, scope: &Scope) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), Value::from(subject.sub()));
    let stored = |claims: &mut Map<String, Value>, name: &str| {
        if let Some(value) = subject.claims.get(name) {
            claims.insert(name.to_owned(), value.clone());
        }
    };
    if scope.contains(PROFILE) {
        claims.insert("preferred_username".to_owned(), Value::from(subject.username.clone()));
        claims.insert("updated_at".to_owned(), Value::from(subject.updated_at.seconds()));
        for name in PROFILE_CLAIMS {
            stored(&mut claims, name);
        }
    }
    if scope.contains(EMAIL)
        && let Some(email) = &subject.email
    {
        claims.insert("email".to_owned(), Value::from(email.clone()));
        claims.insert("email_verified".to_owned(), Value::from(subject.email_verified));
    }
    if scope.contains(ADDRESS) {
        stored(&mut claims, "address");
    }
    if scope.contains(PHONE) {
        stored(&mut claims, "phone_number");
        stored(&mut claims, "phone_number_verified");
    }
    claims
}
