//! Access tokens: what they say, how long they live, and whether everybody can read them (RFC 9068) or only this server.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Provider;
use super::issue::{self, UserAuthorization};
use super::reference_token;
use super::rejection::Outcome;
use super::target::Target;
use crate::clock::Timestamp;
use crate::digest::base64url;
use crate::model::client::Client;
use crate::model::user::Subject;
use crate::oauth::acr;
use crate::oauth::api_metadata::AccessTokenFormat;
use crate::oauth::claims::ClaimTarget;
use crate::oauth::scope::Scope;
use crate::secret::{AccessToken, FamilyHandle, SessionId};

/// `typ` of access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// What an access token is for.
#[derive(Clone, Debug)]
pub struct AccessTokenRequest<'a> {
    /// The client.
    pub client: &'a Client,
    /// `aud`: APIs that the client may have tokens for.
    pub audience: &'a [String],
    /// `scope`, as far as it is granted; what belongs to other APIs alone is left out.
    pub scope: &'a Scope,
    /// The user; `None` where the client acts for itself (RFC 6749 §4.4).
    pub user: Option<&'a UserAuthorization>,
}

/// An issued access token.
#[derive(Clone, Debug)]
pub struct IssuedAccessToken {
    /// The token.
    pub token: AccessToken,
    /// What it may do: what was asked for, without what belongs to other APIs.
    pub scope: Scope,
    /// `expires_in`, in seconds.
    pub expires_in: u64,
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

/// Makes an access token: a JWT (RFC 9068), or an opaque one where its APIs want that.
///
/// # Errors
/// `invalid_target` where its APIs want different things (of one claim, too), no randomness, or no key to sign with.
pub async fn make(
    op: &Provider,
    request: &AccessTokenRequest<'_>,
    now: Timestamp,
) -> Outcome<IssuedAccessToken> {
    let target = Target::of(op, request.audience)?;
    let own = request.client.metadata.access_token_lifetime.map(Duration::from_secs);
    let lifetime = jittered(op, target.lifetime(own.unwrap_or(op.policy.tokens.access_token)))?;
    let scope = target.scope(request.scope);
    let claims = claims(op, request, (&target, &scope, lifetime), now)?;
    let token = match target.format {
        AccessTokenFormat::Opaque => reference_token::seal(op, &claims)?,
        AccessTokenFormat::Jwt => {
            let asked = request.client.metadata.access_token_signed_response_alg.as_deref();
            let algorithm = target
                .algorithm
                .unwrap_or_else(|| issue::chosen(asked, op.policy.tokens.access_token_algorithm));
            issue::sign(op, algorithm, ACCESS_TOKEN_TYPE, claims, now).await?
        }
    };
    Ok(IssuedAccessToken { token: AccessToken::new(token), scope, expires_in: lifetime.as_secs() })
}

fn claims(
    op: &Provider,
    request: &AccessTokenRequest<'_>,
    (target, scope, lifetime): (&Target, &Scope, Duration),
    now: Timestamp,
) -> Outcome<AccessClaims> {
    let subject = request.user.map(|user| &user.subject);
    let iat = now.seconds();
    let mut custom = issue::custom_claims(request.client, subject, ClaimTarget::AccessToken);
    custom.extend(issue::claims_by(target.rules(), subject));
    Ok(AccessClaims {
        iss: op.policy.issuer.as_str().to_owned(),
        sub: subject.map_or_else(|| request.client.id.0.clone(), Subject::sub),
        aud: match request.audience {
            // RFC 9068 §2.2 requires one: what such a token opens is this server's own /userinfo.
            [] => Audience::One(op.policy.issuer.as_str().to_owned()),
            [one] => Audience::One(one.clone()),
            many => Audience::Many(many.to_vec()),
        },
        client_id: request.client.id.0.clone(),
        exp: iat.saturating_add(i64::try_from(lifetime.as_secs()).unwrap_or(0)),
        iat,
        nbf: iat,
        jti: base64url(&op.entropy.bytes::<16>()?),
        scope: scope.to_string(),
        user: request.user.map(|user| UserClaims {
            sid: user.session,
            auth_time: user.auth_time.seconds(),
            acr: acr::acr_of(&user.amr),
            amr: user.amr.clone(),
            roles: user.subject.roles.clone(),
            rv: (user.epoch, user.family, user.generation),
        }),
        custom,
    })
}

/// Shortens a lifetime at random within the policy, so that clients that signed in together do not refresh
/// together.
fn jittered(op: &Provider, lifetime: Duration) -> Outcome<Duration> {
    let most = lifetime.as_secs().saturating_mul(u64::from(op.policy.tokens.jitter_percent)) / 100;
    if most == 0 {
        return Ok(lifetime);
    }
    let random = u64::from(u32::from_be_bytes(op.entropy.bytes::<4>()?));
    Ok(lifetime.saturating_sub(Duration::from_secs(random % (most + 1))))
}
