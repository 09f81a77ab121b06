//! The token endpoint's grants (RFC 6749 §4, §6), each in the file of its name.

pub mod authorization_code;
pub mod client_credentials;
pub mod refresh_token;

use super::Provider;
use super::client_auth::AuthenticatedClient;
use super::issue::TokenResponse;
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::model::audit::Origin;
use crate::oauth::error::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::pkce::CodeVerifier;
use crate::oauth::scope::Scope;
use crate::secret::{AuthorizationCode, RefreshToken};

/// A token request, parsed.
#[derive(Debug)]
pub enum TokenRequest {
    /// RFC 6749 §4.1.3.
    AuthorizationCode {
        /// `code`.
        code: AuthorizationCode,
        /// `redirect_uri`.
        redirect_uri: String,
        /// `code_verifier` (RFC 7636 §4.5).
        code_verifier: Option<CodeVerifier>,
        /// `resource` (RFC 8707 §2.2): some of the granted audiences; none for all of them.
        resources: Vec<String>,
    },
    /// RFC 6749 §6.
    RefreshToken {
        /// `refresh_token`.
        refresh_token: RefreshToken,
        /// `scope`: a subset of what was granted.
        scope: Option<Scope>,
        /// `resource` (RFC 8707 §2.2): some of the granted audiences; none for all of them.
        resources: Vec<String>,
    },
    /// RFC 6749 §4.4.2.
    ClientCredentials {
        /// `scope`.
        scope: Option<Scope>,
        /// `resource` (RFC 8707 §2.2): some of the client's audiences; none for all of them.
        resources: Vec<String>,
    },
}

impl TokenRequest {
    /// `grant_type`.
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode { .. } => GrantType::AuthorizationCode,
            Self::RefreshToken { .. } => GrantType::RefreshToken,
            Self::ClientCredentials { .. } => GrantType::ClientCredentials,
        }
    }
}

/// Answers a token request of an authenticated client.
///
/// # Errors
/// The codes of RFC 6749 §5.2, or a fault.
pub async fn token(
    op: &Provider,
    client: &AuthenticatedClient,
    request: TokenRequest,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<TokenResponse> {
    if !client.metadata.allows(request.grant_type()) {
        return Err(Rejection::new(
            ErrorCode::UnauthorizedClient,
            "This client is not registered for this grant type. Add it to the client's grant_types.",
        ));
    }
    // No refresh token of theirs is ever in a body (S-090).
    if client.metadata.is_cookie_mode() && request.grant_type() != GrantType::ClientCredentials {
        return Err(Rejection::new(
            ErrorCode::UnauthorizedClient,
            "This client keeps its session in a cookie. Use /session/start and /refresh instead of /token.",
        ));
    }
    match request {
        TokenRequest::AuthorizationCode { code, redirect_uri, code_verifier, resources } => {
            let request = authorization_code::Exchange { code, redirect_uri, code_verifier, resources };
            authorization_code::exchange(op, client, &request, origin, now).await
        }
        TokenRequest::RefreshToken { refresh_token, scope, resources } => {
            let request = refresh_token::Exchange { refresh_token, scope, resources };
            refresh_token::exchange(op, client, &request, origin, now).await
        }
        TokenRequest::ClientCredentials { scope, resources } => {
            client_credentials::exchange(op, client, scope, &resources, now).await
        }
    }
}
