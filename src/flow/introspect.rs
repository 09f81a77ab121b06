//! `/introspect` (RFC 7662): whether a token is active, for those it concerns.

use serde_json::{Map, Value, json};

use super::Provider;
use super::bearer::{self, LiveToken};
use super::client_auth::AuthenticatedClient;
use super::grant::refresh_token::presented;
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::model::audit::Origin;
use crate::model::user::Subject;
use crate::oauth::error::ErrorCode;
use crate::secret::{AccessToken, RefreshToken};
use crate::storage::Rotation;

/// Exactly `{"active":false}`: unknown, expired, revoked and none of the asker's business look alike (S-032).
fn inactive() -> Map<String, Value> {
    Map::from_iter([("active".to_owned(), Value::Bool(false))])
}

/// Introspects a token for a client.
///
/// # Errors
/// `unauthorized_client` where the client may not introspect; a storage fault is 503, never an answer.
pub async fn introspect(
    op: &Provider,
    client: &AuthenticatedClient,
    token: &str,
    now: Timestamp,
) -> Outcome<Map<String, Value>> {
    if client.metadata.is_public() {
        return Err(Rejection::new(
            ErrorCode::UnauthorizedClient,
            "A public client cannot introspect tokens. Register a confidential client with introspect: true.",
        ));
    }
    if token.starts_with("srt_") {
        return refresh_token(op, client, &RefreshToken::new(token)).await;
    }
    let Ok(claims) = bearer::genuine(op, &AccessToken::new(token), None, now) else { return Ok(inactive()) };
    let Some(token) = bearer::standing(op, claims).await? else { return Ok(inactive()) };
    if concerns(client, &token) { Ok(active(token)) } else { Ok(inactive()) }
}

/// A resource server sees tokens for its own audience, a client its own tokens.
fn concerns(client: &AuthenticatedClient, token: &LiveToken) -> bool {
    let audience = token.claims.list("aud");
    let own = token.client == client.id;
    let resource_server = client.metadata.introspect
        && client.metadata.audience.iter().any(|one| audience.contains(&one.as_str()));
    own || resource_server
}

/// A user's name would be the same everywhere, which is what a pairwise subject is there to prevent.
fn told_by_name(subject: Option<&Subject>) -> Option<&Subject> {
    subject.filter(|subject| subject.pairwise.is_none())
}

fn active(token: LiveToken) -> Map<String, Value> {
    let mut answer = Map::from_iter([
        ("active".to_owned(), Value::Bool(true)),
        ("token_type".to_owned(), Value::from("Bearer")),
    ]);
    if let Some(subject) = told_by_name(token.subject.as_ref()) {
        answer.insert("username".to_owned(), Value::from(subject.username.clone()));
    }
    answer.extend(token.claims.into_map());
    answer
}

async fn refresh_token(
    op: &Provider,
    client: &AuthenticatedClient,
    token: &RefreshToken,
) -> Outcome<Map<String, Value>> {
    let Some((id, generation)) = op.secrets.refresh_tokens.decode(token) else { return Ok(inactive()) };
    let request = presented(op, client, (id, generation), &Origin::default());
    let Rotation::Decided(rotated) = op.store.inspect(&request).await? else { return Ok(inactive()) };
    if !rotated.verdict.carries_access_token() {
        return Ok(inactive());
    }
    let family = &rotated.family;
    let answer = json!({
        "active": true,
        "token_type": "refresh_token",
        "iss": op.policy.issuer.as_str(),
        "sub": rotated.subject.sub(),
        "client_id": family.client,
        "scope": family.scope,
        "sid": family.session,
        "iat": family.created_at.seconds(),
        "exp": family.expires_at.seconds(),
    });
    let Value::Object(mut answer) = answer else { return Ok(inactive()) };
    if let Some(subject) = told_by_name(Some(&rotated.subject)) {
        answer.insert("username".to_owned(), Value::from(subject.username.clone()));
    }
    Ok(answer)
}
