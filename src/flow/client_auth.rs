//! Client authentication (RFC 6749 §2.3): credentials as read become an [`AuthenticatedClient`], here only.

use std::sync::Arc;

use super::Provider;
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::model::client::Client;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::error::ErrorCode;
use crate::secret::{ClientId, ClientSecret, ClientSecretHash};

/// Credentials as the edge has read them: exactly one method per request.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// `client_secret_basic`.
    Basic(ClientId, ClientSecret),
    /// `client_secret_post`.
    Post(ClientId, ClientSecret),
    /// `client_id` alone: a public client.
    Public(ClientId),
}

impl Credentials {
    /// The method used.
    pub const fn method(&self) -> AuthMethod {
        match self {
            Self::Basic(..) => AuthMethod::ClientSecretBasic,
            Self::Post(..) => AuthMethod::ClientSecretPost,
            Self::Public(_) => AuthMethod::None,
        }
    }

    /// Who is said to ask.
    pub const fn client_id(&self) -> &ClientId {
        match self {
            Self::Basic(id, _) | Self::Post(id, _) | Self::Public(id) => id,
        }
    }
}

/// A client that has proved who it is (or is public and active). A proof: only [`authenticate`] makes one, and
/// `of_this_servers_cookie_mode`.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient(Arc<Client>);

impl std::ops::Deref for AuthenticatedClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl AuthenticatedClient {
    /// The client for which this server itself holds the refresh token, in a cookie: here the server is the client, and
    /// there is nothing that a client could prove. Whether the sender may act for it is the caller's matter.
    ///
    /// # Errors
    /// `unauthorized_client` for a client that is not active or not in cookie mode.
    pub(super) fn of_this_servers_cookie_mode(client: Arc<Client>) -> Outcome<Self> {
        if client.is_active() && client.metadata.is_cookie_mode() && client.metadata.is_public() {
            return Ok(Self(client));
        }
        Err(Rejection::new(
            ErrorCode::UnauthorizedClient,
            "This client does not keep its session in a cookie.",
        ))
    }
}

/// Checks credentials against the registration. Unknown clients, wrong secrets, disabled clients and methods that
/// are not the registered one answer alike (S-024).
///
/// # Errors
/// `invalid_client`, or a storage fault.
pub async fn authenticate(
    op: &Provider,
    credentials: &Credentials,
    now: Timestamp,
) -> Outcome<AuthenticatedClient> {
    let id = credentials.client_id();
    let Some(client) = op.clients.get(&op.store, id, now).await? else {
        // The same work as for a known client.
        if let Credentials::Basic(_, secret) | Credentials::Post(_, secret) = credentials {
            let _ = ClientSecretHash::from(secret);
        }
        return Err(Rejection::invalid_client("unknown client"));
    };
    if check(&client, credentials, now).is_ok() {
        return Ok(AuthenticatedClient(client));
    }
    // The copy may be a second old, and the secret newer. It is the one read that an unknown client costs, too.
    let Some(client) = op.store.client(id).await? else {
        return Err(Rejection::invalid_client("unknown client"));
    };
    check(&client, credentials, now)?;
    Ok(AuthenticatedClient(Arc::new(client)))
}

fn check(client: &Client, credentials: &Credentials, now: Timestamp) -> Outcome<()> {
    let proved = match credentials {
        Credentials::Basic(_, secret) | Credentials::Post(_, secret) => client.secret_matches(secret, now),
        // What is registered decides, not whether a secret happens to be stored (W-057).
        Credentials::Public(_) => client.metadata.is_public(),
    };
    if credentials.method() != client.metadata.token_endpoint_auth_method {
        return Err(Rejection::invalid_client("not the registered authentication method"));
    }
    if !proved {
        return Err(Rejection::invalid_client("wrong secret"));
    }
    if !client.is_active() {
        return Err(Rejection::invalid_client("client disabled"));
    }
    Ok(())
}
