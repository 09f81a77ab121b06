//! The tokens of the token endpoint's answers, and what all tokens have in common, whichever path they are made on:
//! the claims of rules, the algorithm, the signature. Access tokens are made in [`super::access_token`] alone, ID tokens in
//! [`super::id_token`].

use serde::Serialize;
use serde_json::{Map, Value};

use super::Provider;
use super::access_token::{self, AccessTokenRequest, IssuedAccessToken};
use super::id_token::{self, IdTokenRequest};
use super::rejection::Outcome;
use crate::clock::Timestamp;
use crate::model::client::Client;
use crate::model::user::Subject;
use crate::oauth::algorithm::Algorithm;
use crate::oauth::claims::{ClaimRule, ClaimSource, ClaimTarget};
use crate::oauth::claims_request::ClaimsRequest;
use crate::oauth::scope::{OPENID, Scope};
use crate::secret::{FamilyHandle, RefreshToken, SessionId};

/// `typ` of ID tokens.
pub const ID_TOKEN_TYPE: &str = "JWT";

/// A user's authorization, as an access token states it.
#[derive(Clone, Debug)]
pub struct UserAuthorization {
    /// The user as of now.
    pub subject: Subject,
    /// The login session.
    pub session: SessionId,
    /// When the user proved who they are.
    pub auth_time: Timestamp,
    /// How.
    pub amr: Vec<String>,
    /// The family.
    pub family: FamilyHandle,
    /// Its generation at issue.
    pub generation: u32,
    /// The user's epoch at issue.
    pub epoch: i64,
}

/// A successful answer of the token endpoint (RFC 6749 §5.1).
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: IssuedAccessToken,
    /// What it may do.
    pub scope: Scope,
    /// The refresh token, where there is a new one to store.
    pub refresh_token: Option<RefreshToken>,
    /// The ID token.
    pub id_token: Option<String>,
}

/// Access token, and the ID token where `openid` was granted and `id` asks for one.
///
/// # Errors
/// No randomness, or no key to sign with.
pub async fn tokens(
    op: &Provider,
    request: &AccessTokenRequest<'_>,
    id: IdTokenWish,
    now: Timestamp,
) -> Outcome<TokenResponse> {
    let access_token = access_token::make(op, request, now).await?;
    let id_token = match (id, request.user) {
        (IdTokenWish::With { nonce, claims_request }, Some(user)) if request.scope.contains(OPENID) => {
            let id = IdTokenRequest {
                nonce,
                access_token: Some(&access_token.token),
                claims: ClaimsRequest::stored(claims_request.as_deref()),
                ..IdTokenRequest::new(request.client, user)
            };
            Some(id_token::mint(op, id, now).await?)
        }
        _ => None,
    };
    let scope = access_token.scope.clone();
    Ok(TokenResponse { access_token, scope, refresh_token: None, id_token })
}

/// Whether an answer carries an ID token.
#[derive(Clone, Debug)]
pub enum IdTokenWish {
    /// Yes, with this nonce.
    With {
        /// `nonce` of the authorization request.
        nonce: Option<String>,
        /// The `claims` parameter that was granted, as JSON.
        claims_request: Option<String>,
    },
    /// No.
    Without,
}

/// The claims that a client's rules put into one kind of token.
pub fn custom_claims(client: &Client, subject: Option<&Subject>, target: ClaimTarget) -> Map<String, Value> {
    claims_by(client.metadata.claims.iter().filter(|rule| rule.into.contains(&target)), subject)
}

/// What rules say about a subject; of two rules for one claim the later counts.
pub(super) fn claims_by<'a>(
    rules: impl Iterator<Item = &'a ClaimRule>,
    subject: Option<&Subject>,
) -> Map<String, Value> {
    rules
        .filter_map(|rule| {
            let value = match (&rule.source, subject) {
                (ClaimSource::Constant(value), _) => Some(value.clone()),
                (ClaimSource::UserClaim(name), Some(subject)) => subject.claims.get(name).cloned(),
                (ClaimSource::UserRoles, Some(subject)) => Some(Value::from(subject.roles.clone())),
                (ClaimSource::Username, Some(subject)) => Some(Value::from(subject.username.clone())),
                (ClaimSource::Email, Some(subject)) => subject.email.clone().map(Value::from),
                (_, None) => None,
            };
            value.map(|value| (rule.claim.clone(), value))
        })
        .collect()
}

/// The client's algorithm, or the deployment's. Registration holds the client's to those that keys exist for.
pub(super) fn chosen(client: Option<&str>, deployment: Algorithm) -> Algorithm {
    client.and_then(|name| name.parse().ok()).unwrap_or(deployment)
}

/// Signs off the event loop where that takes long: an RSA signature costs fifteen ES256 ones.
pub(super) async fn sign<T: Serialize + Send + 'static>(
    op: &Provider,
    algorithm: Algorithm,
    typ: &'static str,
    claims: T,
    now: Timestamp,
) -> Outcome<String> {
    let ring = op.keys.current();
    if matches!(algorithm, Algorithm::Es256 | Algorithm::EdDsa) {
        return Ok(ring.sign(algorithm, typ, &claims, now)?);
    }
    let signed = tokio::task::spawn_blocking(move || ring.sign(algorithm, typ, &claims, now)).await;
    Ok(signed.map_err(|error| super::rejection::Rejection::fault(&error))??)
}
