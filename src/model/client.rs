//! An application that asks for tokens (RFC 6749 §1.1).

use crate::clock::Timestamp;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::registration::Registered;
use crate::secret::{ClientId, ClientSecret, ClientSecretHash, RegistrationTokenHash};

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`.
    pub id: ClientId,
    /// Its metadata, in the names of RFC 7591 and a few of Signet's own.
    pub metadata: ClientMetadata,
    /// The current secret's hash; `None` for a client that has none.
    pub secret: Option<ClientSecretHash>,
    /// The former secret's hash and until when it is still good.
    pub previous_secret: Option<(ClientSecretHash, Timestamp)>,
    /// The secret itself, sealed with the master key: where it is the key of a MAC (`client_secret_jwt`).
    pub sealed_secret: Option<Vec<u8>>,
    /// How it came to be registered.
    pub registered: Registered,
    /// The hash of what opens its configuration endpoint (RFC 7592 §1.2).
    pub registration_token: Option<RegistrationTokenHash>,
    /// Until when its metadata, where it was fetched, are taken for current.
    pub fetched_until: Option<Timestamp>,
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
