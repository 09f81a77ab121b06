//! ID tokens (OpenID Connect Core §2): who signed in, when and how; of the user's claims only those that were asked for.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Provider;
use super::issue::{ID_TOKEN_TYPE, UserAuthorization, chosen, custom_claims, sign};
use super::rejection::Outcome;
use super::user_claims;
use crate::clock::Timestamp;
use crate::digest::{base64url, sha256, sha512};
use crate::model::client::Client;
use crate::oauth::acr;
use crate::oauth::algorithm::Algorithm;
use crate::oauth::claims::ClaimTarget;
use crate::oauth::claims_request::ClaimsRequest;
use crate::oauth::scope::Scope;
use crate::secret::{AccessToken, AuthorizationCode, SessionId};

/// What an ID token says beside the user's authorization.
#[derive(Clone, Debug)]
pub struct IdTokenRequest<'a> {
    /// The client, its only audience.
    pub client: &'a Client,
    /// The authorization.
    pub user: &'a UserAuthorization,
    /// `nonce` of the authorization request; none on refresh.
    pub nonce: Option<String>,
    /// The access token issued with it, for `at_hash`.
    pub access_token: Option<&'a AccessToken>,
    /// The code issued with it, for `c_hash` (OpenID Connect Core §3.3.2.11).
    pub code: Option<&'a AuthorizationCode>,
    /// The claims asked for by name.
    pub claims: ClaimsRequest,
    /// The scope whose claims it carries: where there is no access token to ask for them with (OpenID Connect Core §5.4).
    pub scope: Option<&'a Scope>,
}

impl<'a> IdTokenRequest<'a> {
    /// Nothing but the authorization.
    pub fn new(client: &'a Client, user: &'a UserAuthorization) -> Self {
        Self {
            client,
            user,
            nonce: None,
            access_token: None,
            code: None,
            claims: ClaimsRequest::default(),
            scope: None,
        }
    }
}

#[derive(Serialize)]
struct IdClaims {
    iss: String,
    sub: String,
    aud: String,
    azp: String,
    exp: i64,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    auth_time: i64,
    acr: &'static str,
    amr: Vec<String>,
    sid: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    c_hash: Option<String>,
    #[serde(flatten)]
    custom: Map<String, Value>,
}

/// Makes an ID token.
///
/// # Errors
/// No key to sign with.
pub async fn mint(op: &Provider, request: IdTokenRequest<'_>, now: Timestamp) -> Outcome<String> {
    let (client, user) = (request.client, request.user);
    let iat = now.seconds();
    let seconds = i64::try_from(op.policy.tokens.id_token.as_secs()).unwrap_or(0);
    let algorithm =
        chosen(client.metadata.id_token_signed_response_alg.as_deref(), op.policy.tokens.id_token_algorithm);
    let claims = IdClaims {
        iss: op.policy.issuer.as_str().to_owned(),
        sub: user.subject.sub(),
        aud: client.id.0.clone(),
        azp: client.id.0.clone(),
        exp: iat.saturating_add(seconds),
        iat,
        auth_time: user.auth_time.seconds(),
        acr: acr::acr_of(&user.amr),
        amr: user.amr.clone(),
        sid: user.session,
        at_hash: request.access_token.map(|token| half_hash(token.reveal(), algorithm)),
        c_hash: request.code.map(|code| half_hash(code.reveal(), algorithm)),
        custom: about_the_user(&request),
        nonce: request.nonce,
    };
    sign(op, algorithm, ID_TOKEN_TYPE, claims, now).await
}

/// What was asked for, and what the client's rules add to it.
fn about_the_user(request: &IdTokenRequest<'_>) -> Map<String, Value> {
    let (client, subject) = (request.client, &request.user.subject);
    let mut claims = request.scope.map(|scope| user_claims::of_scope(subject, scope)).unwrap_or_default();
    claims.extend(user_claims::by_name(subject, client, &request.claims.id_token));
    claims.extend(custom_claims(client, Some(subject), ClaimTarget::IdToken));
    claims
}

/// Left half of a token's or code's hash by the hash function of `algorithm` (OpenID Connect Core §3.1.3.6,
/// §3.3.2.11): SHA-256, but for Ed25519, which hashes with SHA-512 (RFC 8032 §5.1).
fn half_hash(token: &str, algorithm: Algorithm) -> String {
    let token = token.as_bytes();
    match algorithm {
        Algorithm::EdDsa => base64url(sha512(token).get(..32).unwrap_or_default()),
        _ => base64url(sha256(token).as_bytes().get(..16).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_hash_is_of_the_algorithm() {
        // The access token and code of OpenID Connect Core, appendix A, and their hashes there.
        let (token, code) = (
            "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
            "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk",
        );
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256] {
            assert_eq!(half_hash(token, algorithm), "77QmUPtjPfzWtF2AnpK9RQ");
            assert_eq!(half_hash(code, algorithm), "LDktKdoQak3Pk0cnXxCltA");
        }
        assert_eq!(half_hash(token, Algorithm::EdDsa).len(), 43);
    }
}
