//! An application that asks for tokens (RFC 6749 §1.1).

use crate::clock::Timestamp;
use crate::oauth::client_metadata::ClientMetadata;
use crate::secret::{ClientId, ClientSecret, ClientSecretHash};

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: ClientId,
    /// Its metadata, in the names of RFC 7591 and a few of Signet's own.
    pub metadata: ClientMetadata,
    /// The current secret's hash; `None` for a public client.
    pub secret: Option<ClientSecretHash>,
    /// The former secret's hash and until when it is still good.
    pub previous_secret: Option<(ClientSecretHash, Timestamp)>,
    /// When the client was disabled; `None` while active.
    pub disabled_at: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Client {
    /// Whether the client may use any endpoint.
    pub const fn is_active(&self) -> bool {
        self.disabled_at.is_none()
    }

    /// Constant-time: whether `secret` is one of the live secrets. Both are compared, whichever matches.
    pub fn secret_matches(&self, secret: &ClientSecret, now: Timestamp) -> bool {
        let current = self.secret.as_ref().is_some_and(|hash| hash.matches(secret));
        let previous =
            self.previous_secret.as_ref().is_some_and(|(hash, until)| hash.matches(secret) & (now < *until));
        current | previous
    }
}
