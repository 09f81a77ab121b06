//! Client authentication (RFC 6749 §2.3): credentials as read become an [`AuthenticatedClient`], here only.

use std::sync::Arc;

use super::Provider;
use super::client_assertion::{self, Assertion, SingleUse};
use super::registration::document;
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
    /// `private_key_jwt` or `client_secret_jwt`: the client's registration says which.
    Assertion(Assertion),
}

impl Credentials {
    /// Whether they are of this method.
    const fn are_of(&self, method: AuthMethod) -> bool {
        match self {
            Self::Basic(..) => matches!(method, AuthMethod::ClientSecretBasic),
            Self::Post(..) => matches!(method, AuthMethod::ClientSecretPost),
            Self::Public(_) => matches!(method, AuthMethod::None),
            Self::Assertion(_) => matches!(method, AuthMethod::PrivateKeyJwt | AuthMethod::ClientSecretJwt),
        }
    }

    /// Who is said to ask.
    pub const fn client_id(&self) -> &ClientId {
        match self {
            Self::Basic(id, _) | Self::Post(id, _) | Self::Public(id) => id,
            Self::Assertion(assertion) => assertion.client_id(),
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

/// Checks credentials against the registration. Unknown clients, wrong secrets and signatures, disabled clients and
/// methods that are not the registered one answer alike (S-024). An assertion is used up last, when all else holds.
/// `address` is whose request it is.
///
/// # Errors
/// `invalid_client`, `temporarily_unavailable` where it could not be found out, or a storage fault.
pub async fn authenticate(
    op: &Provider,
    credentials: &Credentials,
    address: Option<&str>,
    now: Timestamp,
) -> Outcome<AuthenticatedClient> {
    let id = credentials.client_id();
    let Some(mut client) = op.clients.get(&op.store, id, now).await? else {
        // The same work as for a known client.
        if let Credentials::Basic(_, secret) | Credentials::Post(_, secret) = credentials {
            let _ = ClientSecretHash::from(secret);
        }
        return Err(Rejection::invalid_client("unknown client"));
    };
    client = document::current(op, client, address, now).await?;
    let mut checked = check(op, &client, credentials, address, now).await;
    // What could not be found out has nothing to do with the copy.
    if checked.as_ref().is_err_and(|why| why.code != ErrorCode::TemporarilyUnavailable) {
        // The copy may be a second old, and the secret newer. It is the one read that an unknown client costs, too.
        let Some(current) = op.clients.reread(&op.store, id).await? else {
            return Err(Rejection::invalid_client("unknown client"));
        };
        client = current;
        checked = check(op, &client, credentials, address, now).await;
    }
    if let Some(assertion) = checked? {
        assertion.use_up(op, &client, now).await?;
    }
    Ok(AuthenticatedClient(client))
}

/// What is still to be used up, if anything is.
async fn check(
    op: &Provider,
    client: &Client,
    credentials: &Credentials,
    address: Option<&str>,
    now: Timestamp,
) -> Outcome<Option<SingleUse>> {
    let wrong = || Rejection::invalid_client("wrong secret");
    let proved = match credentials {
        Credentials::Basic(_, secret) | Credentials::Post(_, secret) => {
            client.secret_matches(secret, now).then_some(None).ok_or_else(wrong)
        }
        // What is registered decides, not whether a secret happens to be stored (W-057).
        Credentials::Public(_) => client.metadata.is_public().then_some(None).ok_or_else(wrong),
        Credentials::Assertion(assertion) => {
            client_assertion::verify(op, client, assertion, address, now).await.map(Some)
        }
    };
    if !credentials.are_of(client.metadata.token_endpoint_auth_method) {
        return Err(Rejection::invalid_client("not the registered authentication method"));
    }
    let proved = proved?;
    if !client.is_active() {
        return Err(Rejection::invalid_client("client disabled"));
    }
    Ok(proved)
}
