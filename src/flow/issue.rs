//! The one mint: every access token and ID token of every path is made here, under one policy.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Provider;
use super::id_token::{self, IdTokenRequest};
use super::rejection::Outcome;
use super::userinfo::claims_of_scope;
use crate::clock::Timestamp;
use crate::digest::base64url;
use crate::model::client::Client;
use crate::model::user::Subject;
use crate::oauth::acr;
use crate::oauth::algorithm::Algorithm;
use crate::oauth::claims::{ClaimSource, ClaimTarget};
use crate::oauth::claims_request::ClaimsRequest;
use crate::oauth::scope::{OPENID, Scope};
use crate::secret::{AccessToken, AuthorizationCode, FamilyHandle, RefreshToken, SessionId};

/// `typ` of access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";
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

/// What an access token is for.
#[derive(Clone, Debug)]
pub struct AccessTokenRequest<'a> {
    /// The client.
    pub client: &'a Client,
    /// `aud`.
    pub audience: &'a [String],
    /// `scope`.
    pub scope: &'a Scope,
    /// The user; `None` where the client acts for itself (RFC 6749 §4.4).
    pub user: Option<&'a UserAuthorization>,
}

/// An issued access token.
#[derive(Clone, Debug)]
pub struct IssuedAccessToken {
    /// The token.
    pub token: AccessToken,
    /// `expires_in`, in seconds.
    pub expires_in: u64,
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

#[derive(Serialize)]
struct AccessClaims {
    iss: String,
    sub: String,
    aud: Audience,
    client_id: String,
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: String,
    scope: String,
    #[serde(flatten)]
    user: Option<UserClaims>,
    #[serde(flatten)]
    custom: Map<String, Value>,
}

#[derive(Serialize)]
struct UserClaims {
    sid: SessionId,
    auth_time: i64,
    acr: &'static str,
    amr: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    /// The coordinates by which the revocation feed finds the token: user epoch, family, generation.
    rv: (i64, FamilyHandle, u32),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Makes an access token (RFC 9068).
///
/// # Errors
/// No randomness, or no key to sign with.
pub async fn access_token(
    op: &Provider,
    request: &AccessTokenRequest<'_>,
    now: Timestamp,
) -> Outcome<IssuedAccessToken> {
    let metadata = &request.client.metadata;
    let lifetime = jittered(op, metadata.access_token_lifetime.map(Duration::from_secs))?;
    let subject = request.user.map(|user| &user.subject);
    let iat = now.seconds();
    let seconds = lifetime.as_secs();
    let claims = AccessClaims {
        iss: op.policy.issuer.as_str().to_owned(),
        sub: subject.map_or_else(|| request.client.id.0.clone(), Subject::sub),
        aud: match request.audience {
            // RFC 9068 §2.2 requires one: what such a token opens is this server's own /userinfo.
            [] => Audience::One(op.policy.issuer.as_str().to_owned()),
            [one] => Audience::One(one.clone()),
            many => Audience::Many(many.to_vec()),
        },
        client_id: request.client.id.0.clone(),
        exp: iat.saturating_add(i64::try_from(seconds).unwrap_or(0)),
        iat,
        nbf: iat,
        jti: base64url(&op.entropy.bytes::<16>()?),
        scope: request.scope.to_string(),
        user: request.user.map(|user| UserClaims {
            sid: user.session,
            auth_time: user.auth_time.seconds(),
            acr: acr::acr_of(&user.amr),
            amr: user.amr.clone(),
            roles: user.subject.roles.clone(),
            rv: (user.epoch, user.family, user.generation),
        }),
        custom: custom_claims(request.client, subject, ClaimTarget::AccessToken),
    };
    let algorithm =
        chosen(metadata.access_token_signed_response_alg.as_deref(), op.policy.tokens.access_token_algorithm);
    let token = sign(op, algorithm, ACCESS_TOKEN_TYPE, claims, now).await?;
    Ok(IssuedAccessToken { token: AccessToken::new(token), expires_in: seconds })
}

/// Access token, and the ID token where `openid` was granted and `with_id_token` asks for one.
///
/// # Errors
/// No randomness, or no key to sign with.
pub async fn tokens(
    op: &Provider,
    request: &AccessTokenRequest<'_>,
    id: IdTokenWish,
    now: Timestamp,
) -> Outcome<TokenResponse> {
    let access_token = access_token(op, request, now).await?;
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
    Ok(TokenResponse { access_token, scope: request.scope.clone(), refresh_token: None, id_token })
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
    let rules = client.metadata.claims.iter().filter(|rule| rule.into.contains(&target));
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

/// Shortens a lifetime at random within the policy, so that clients that signed in together do not refresh
/// together.
fn jittered(op: &Provider, lifetime: Option<Duration>) -> Outcome<Duration> {
    let lifetime = lifetime.unwrap_or(op.policy.tokens.access_token);
    let most = lifetime.as_secs().saturating_mul(u64::from(op.policy.tokens.jitter_percent)) / 100;
    if most == 0 {
        return Ok(lifetime);
    }
    let random = u64::from(u32::from_be_bytes(op.entropy.bytes::<4>()?));
    Ok(lifetime.saturating_sub(Duration::from_secs(random % (most + 1))))
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
