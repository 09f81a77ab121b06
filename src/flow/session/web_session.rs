//! The session of a classic web application behind a reverse proxy, begun where a page would get its refresh cookie.

use super::callback::Landed;
use crate::flow::Provider;
use crate::flow::authorize::problem::Refusal;
use crate::flow::browser::SetCookie;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::rejection::Rejection;
use crate::oauth::error::ErrorCode;

/// Begins the session that `/forward-auth` is asked about.
///
/// # Errors
/// Always: this server does not answer `/forward-auth`.
pub async fn begin(_: &Provider, _: &AuthenticatedClient, _: &Landed) -> Result<SetCookie, Refusal> {
    Err(Refusal::from(Rejection::new(
        ErrorCode::UnauthorizedClient,
        "Sign-ins for applications behind a reverse proxy are not available at this server.",
    )))
}
