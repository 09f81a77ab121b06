//! The key that signs the revocation feed, and nothing else (docs/revocation-feed.md §2).
//!
//! It is derived from the master key, so that every node has it without a row, a schedule or a message; verifiers
//! learn its public part from the feed's configuration. Ed25519 (RFC 8032) takes any 32 bytes as a seed.

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::digest::base64url;
use crate::jose::error::Error;
use crate::jose::private_key::PrivateKey;
use crate::jose::seal::MasterKey;

/// Signs the messages of the feed.
#[derive(Debug)]
pub struct FeedKey(PrivateKey);

impl FeedKey {
    /// The feed's key of a deployment.
    ///
    /// # Errors
    /// [`Error::KeyRejected`], which no seed brings about.
    pub fn derive(master: &MasterKey) -> Result<Self, Error> {
        let seed = Zeroizing::new(master.derive("revocation-feed/1"));
        PrivateKey::from_ed25519_seed(&seed).map(Self)
    }

    /// The public key as a JWK (RFC 8037 §2).
    pub fn public_jwk(&self) -> Map<String, Value> {
        self.0.public_jwk(self.0.kid())
    }

    /// A message as compact JWS (RFC 7515 §3.1), whose header has exactly `alg`, `kid` and `typ`.
    ///
    /// # Errors
    /// [`Error::Signing`].
    pub fn sign(&self, typ: &str, payload: &[u8]) -> Result<String, Error> {
        let header = json!({ "alg": self.0.algorithm().as_str(), "kid": self.0.kid(), "typ": typ });
        let mut message = base64url(header.to_string().as_bytes());
        message.push('.');
        message.push_str(&base64url(payload));
        let signature = self.0.sign(message.as_bytes())?;
        message.push('.');
        message.push_str(&base64url(&signature));
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signet_verify::feed::message::{FeedKeys, GENESIS, Heartbeat, Message, Refused};

    fn heartbeat(key: &FeedKey, typ: &str) -> String {
        let issuer = "https://auth.example.com".to_owned();
        let message = Message::Heartbeat(Heartbeat { issuer, n: 0, at: 1, head: GENESIS.to_owned() });
        key.sign(typ, &message.payload().unwrap()).unwrap()
    }

    #[test]
    fn a_verifier_accepts_what_the_key_of_the_same_master_key_signs() {
        let key = FeedKey::derive(&MasterKey::from_bytes([1; 32])).unwrap();
        let same = FeedKey::derive(&MasterKey::from_bytes([1; 32])).unwrap();
        let other = FeedKey::derive(&MasterKey::from_bytes([2; 32])).unwrap();
        let keys = FeedKeys::from_value(&json!({ "keys": [same.public_jwk()] })).unwrap();
        let open = |message: &str| keys.open(message, "https://auth.example.com");
        assert!(open(&heartbeat(&key, "revocation-heartbeat+jwt")).is_ok());
        assert!(open(&heartbeat(&key, "revocation-batch+jwt")).is_err());
        assert_eq!(open(&heartbeat(&other, "revocation-heartbeat+jwt")), Err(Refused::Kid));
    }
}
