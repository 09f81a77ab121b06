//! `grant_type=client_credentials` (RFC 6749 §4.4): a confidential client for itself. Nothing is asked of the
//! database here; where the client proves itself by an assertion, its one use has been noted there before (RFC 7523 §3).

use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::access_token::AccessTokenRequest;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::issue::{self, IdTokenWish, TokenResponse};
use crate::flow::rejection::{Outcome, Rejection};
use crate::flow::target;
use crate::oauth::error::ErrorCode;
use crate::oauth::scope::{OFFLINE_ACCESS, OPENID, Scope};

/// Issues an access token whose `sub` is the client.
///
/// # Errors
/// `unauthorized_client`, `invalid_scope`, `invalid_target`, or a fault.
pub async fn exchange(
    op: &Provider,
    client: &AuthenticatedClient,
    scope: Option<Scope>,
    resources: &[String],
    now: Timestamp,
) -> Outcome<TokenResponse> {
    if client.metadata.is_public() {
        return Err(Rejection::new(
            ErrorCode::UnauthorizedClient,
            "A public client cannot prove who it is; client_credentials needs a client with a secret.",
        ));
    }
    // There is no user whose identity or absence these could be about.
    let allowed = client.metadata.scope.without(OPENID).without(OFFLINE_ACCESS);
    let scope = scope.unwrap_or_else(|| allowed.clone());
    if !scope.is_subset_of(&allowed) {
        return Err(Rejection::new(
            ErrorCode::InvalidScope,
            "The scope is wider than this client's registration. Ask for less, or extend the client's scope.",
        ));
    }
    let audience = target::granted(op, client, resources)?;
    let request = AccessTokenRequest { client, audience: &audience, scope: &scope, user: None };
    issue::tokens(op, &request, IdTokenWish::Without, now).await
}
