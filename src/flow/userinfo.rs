//! `/userinfo` (OpenID Connect Core §5.3).

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::bearer::{self, LiveToken};
use super::issue::{ID_TOKEN_TYPE, custom_claims, sign};
use super::rejection::{Outcome, Rejection};
use super::{Provider, user_claims};
use crate::clock::Timestamp;
use crate::model::client::Client;
use crate::model::user::Subject;
use crate::oauth::claims::ClaimTarget;
use crate::oauth::claims_request::ClaimsRequest;
use crate::oauth::scope::OPENID;
use crate::secret::AccessToken;

/// An answer of the UserInfo endpoint.
#[derive(Debug)]
pub struct UserInfo {
    /// The claims.
    pub claims: Told,
    /// The client whose token it was.
    pub client: Option<Arc<Client>>,
}

/// In what form the claims are told.
#[derive(Debug)]
pub enum Told {
    /// As JSON.
    Plain(Map<String, Value>),
    /// As a JWT (OpenID Connect Core §5.3.2).
    Signed(String),
}

/// `iss` and `aud` are what tells a signed answer from any other (OpenID Connect Core §5.3.2). It has no `exp`, so that
/// it can never pass for an ID token.
#[derive(Serialize)]
struct SignedClaims {
    iss: String,
    aud: String,
    #[serde(flatten)]
    claims: Map<String, Value>,
}

/// The claims that the token's scope opens, and those that were asked for by name.
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
    let client = op.clients.get(&op.store, &token.client, now).await?;
    let claims = about_the_user(&token, subject, client.as_deref());
    let claims = match client.as_deref().and_then(|client| Some((client, signing_algorithm(client)?))) {
        None => Told::Plain(claims),
        Some((client, algorithm)) => {
            let (iss, aud) = (op.policy.issuer.as_str().to_owned(), client.id.0.clone());
            let signed = SignedClaims { iss, aud, claims };
            Told::Signed(sign(op, algorithm, ID_TOKEN_TYPE, signed, now).await?)
        }
    };
    Ok(UserInfo { claims, client })
}

/// Registration holds it to those that keys exist for.
fn signing_algorithm(client: &Client) -> Option<crate::oauth::algorithm::Algorithm> {
    client.metadata.userinfo_signed_response_alg.as_deref()?.parse().ok()
}

fn about_the_user(token: &LiveToken, subject: &Subject, client: Option<&Client>) -> Map<String, Value> {
    let mut claims = user_claims::of_scope(subject, &token.scope);
    if let Some(client) = client {
        let asked = ClaimsRequest::stored(token.claims_request.as_deref());
        claims.extend(user_claims::by_name(subject, client, &asked.userinfo));
        claims.extend(custom_claims(client, Some(subject), ClaimTarget::Userinfo));
    }
    claims.insert("sub".to_owned(), Value::from(subject.sub()));
    claims
}
