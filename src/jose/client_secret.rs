//! The secrets of clients that sign with them (`client_secret_jwt`, OpenID Connect Core §9).
//!
//! The one place where this server verifies a MAC made by others. Everything else that comes signed from outside is
//! verified under public keys, which are of another type: neither can be taken for the other (RFC 8725 §3.1).

use ring::hmac;
use signet_verify::jose::jws::SharedSecret;
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::jose::error::Error;
use crate::jose::seal::MasterKey;
use crate::secret::{ClientId, ClientSecret};

/// Shortest secret, in bytes: as long as the hash (RFC 7518 §3.2).
const SHORTEST: usize = 32;

/// Seals such secrets. A hash would do for comparing, but not for verifying a MAC.
#[derive(Clone, Debug)]
pub struct ClientSecretSeal(MasterKey);

impl ClientSecretSeal {
    /// The seal of a deployment.
    pub fn derive(master: &MasterKey) -> Self {
        Self(MasterKey::from_bytes(master.derive("client-secret/1")))
    }

    /// Seals a client's secret, so that it opens for this client only.
    ///
    /// # Errors
    /// [`Error::Entropy`], [`Error::Sealing`].
    pub fn seal(
        &self,
        client: &ClientId,
        secret: &ClientSecret,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, Error> {
        self.0.seal(client.as_str(), secret.reveal().as_bytes(), entropy)
    }

    /// The key in a sealed secret.
    ///
    /// # Errors
    /// [`Error::Unsealing`], also for a secret that is too short to be a key, which none of ours is.
    pub fn open(&self, client: &ClientId, sealed: &[u8]) -> Result<ClientMacKey, Error> {
        ClientMacKey::of(&self.0.open(client.as_str(), sealed)?).ok_or(Error::Unsealing)
    }
}

/// A client's secret as the key of HS256 (RFC 7518 §3.2). Only [`ClientSecretSeal::open`] makes one.
pub struct ClientMacKey(hmac::Key);

impl ClientMacKey {
    fn of(secret: &Zeroizing<Vec<u8>>) -> Option<Self> {
        (secret.len() >= SHORTEST).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }
}

impl SharedSecret for ClientMacKey {
    fn authenticates(&self, content: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.0, content, mac).is_ok()
    }
}

impl std::fmt::Debug for ClientMacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientMacKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn seal(byte: u8) -> ClientSecretSeal {
        ClientSecretSeal::derive(&MasterKey::from_bytes([byte; 32]))
    }

    #[test]
    fn a_sealed_secret_opens_for_its_client_alone() {
        let (entropy, shop) = (SystemEntropy::new(), ClientId::from("shop"));
        let secret = ClientSecret::new("ssc_0123456789abcdef0123456789abcdef");
        let sealed = seal(1).seal(&shop, &secret, &entropy).unwrap();
        let key = seal(1).open(&shop, &sealed).unwrap();
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes()), b"content");
        assert!(key.authenticates(b"content", mac.as_ref()));
        assert!(!key.authenticates(b"contents", mac.as_ref()));
        assert!(!key.authenticates(b"content", &mac.as_ref()[..16]), "a MAC cut short is none");
        assert!(!key.authenticates(b"content", b""));
        assert!(seal(1).open(&ClientId::from("other"), &sealed).is_err());
        assert!(seal(2).open(&shop, &sealed).is_err());
        assert!(MasterKey::from_bytes([1; 32]).open("shop", &sealed).is_err());
        assert_eq!(format!("{key:?}"), "ClientMacKey([redacted])");
    }

    #[test]
    fn a_short_secret_is_no_key() {
        let (entropy, shop) = (SystemEntropy::new(), ClientId::from("shop"));
        for short in ["", "secret", "ssc_0123456789abcdef01234567890"] {
            let sealed = seal(1).seal(&shop, &ClientSecret::new(short), &entropy).unwrap();
            assert!(seal(1).open(&shop, &sealed).is_err(), "{short}");
        }
    }
}
