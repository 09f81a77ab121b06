//! Seals what opaque access tokens say, so that nobody but this deployment reads it and nothing has to be kept.
//!
//! A sealed token is a random 128-bit id and an AES-256-GCM ciphertext with its tag (NIST SP 800-38D). Each id has a key
//! of its own, derived by HMAC-SHA-256, so that the nonce, which is always zero, is used once per key; two tokens with
//! one id are not to be expected before 2^64 of them. The signing keys have no part in it.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::digest::{MacKey, derive_key};
use crate::entropy::Entropy;
use crate::jose::error::Error;
use crate::jose::seal::MasterKey;

const ID_LENGTH: usize = 16;
const TAG_LENGTH: usize = 16;
/// What the master key's derived key is for.
const PURPOSE: &str = "opaque-token/1";

/// Seals and opens the tokens of one issuer.
#[derive(Clone, Debug)]
pub struct TokenSeal(MacKey);

impl TokenSeal {
    /// Of the issuer's own: another issuer's tokens do not open, though it has the same master key.
    pub fn new(master: &MasterKey, issuer: &str) -> Self {
        Self(MacKey::new(&derive_key(&master.derive(PURPOSE), issuer)))
    }

    /// Encrypts `plain` under a key that no other token has.
    ///
    /// # Errors
    /// [`Error::Entropy`], [`Error::Sealing`].
    pub fn seal(&self, plain: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, Error> {
        let id: [u8; ID_LENGTH] = entropy.bytes()?;
        let mut out = Vec::with_capacity(ID_LENGTH + plain.len() + TAG_LENGTH);
        out.extend_from_slice(&id);
        out.extend_from_slice(plain);
        let text = out.get_mut(ID_LENGTH..).ok_or(Error::Sealing)?;
        let tag = self
            .key_of(&id)
            .ok_or(Error::Sealing)?
            .seal_in_place_separate_tag(nonce(), Aad::from(id), text)
            .map_err(|_| Error::Sealing)?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// Decrypts what [`TokenSeal::seal`] made.
    ///
    /// # Errors
    /// [`Error::Unsealing`], whatever the cause.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (id, text) = sealed.split_at_checked(ID_LENGTH).ok_or(Error::Unsealing)?;
        let mut plain = text.to_vec();
        let length = self
            .key_of(id)
            .ok_or(Error::Unsealing)?
            .open_in_place(nonce(), Aad::from(id), plain.as_mut_slice())
            .map_err(|_| Error::Unsealing)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    fn key_of(&self, id: &[u8]) -> Option<LessSafeKey> {
        let key = self.0.mac(&[id]);
        UnboundKey::new(&AES_256_GCM, key.as_bytes()).map(LessSafeKey::new).ok()
    }
}

/// Used once: each key seals one token.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{SeededEntropy, SystemEntropy};

    const ISSUER: &str = "https://id.example.com";

    fn seal() -> TokenSeal {
        TokenSeal::new(&MasterKey::from_bytes([7; 32]), ISSUER)
    }

    #[test]
    fn what_was_sealed_opens_and_shows_nothing() {
        let entropy = SystemEntropy::new();
        let sealed = seal().seal(b"{\"sub\":\"alice\"}", &entropy).unwrap();
        assert_eq!(seal().open(&sealed).unwrap(), b"{\"sub\":\"alice\"}");
        assert!(!sealed.windows(5).any(|part| part == b"alice"));
        assert_ne!(sealed, seal().seal(b"{\"sub\":\"alice\"}", &entropy).unwrap());
    }

    #[test]
    fn the_same_text_under_another_id_is_another_stream() {
        let (one, two) = (SeededEntropy::new(1), SeededEntropy::new(2));
        let zeros = [0u8; 32];
        let (a, b) = (seal().seal(&zeros, &one).unwrap(), seal().seal(&zeros, &two).unwrap());
        assert_ne!(a[ID_LENGTH..], b[ID_LENGTH..]);
    }

    #[test]
    fn each_altered_byte_and_each_shorter_value_is_refused() {
        let sealed = seal().seal(b"plain", &SystemEntropy::new()).unwrap();
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(seal().open(&altered).is_err(), "byte {index}");
            assert!(seal().open(&sealed[..index]).is_err(), "length {index}");
        }
    }

    #[test]
    fn another_issuer_or_another_master_key_opens_nothing() {
        let sealed = seal().seal(b"plain", &SystemEntropy::new()).unwrap();
        let master = MasterKey::from_bytes([7; 32]);
        assert!(TokenSeal::new(&master, "https://other.example.com").open(&sealed).is_err());
        assert!(TokenSeal::new(&MasterKey::from_bytes([8; 32]), ISSUER).open(&sealed).is_err());
    }
}
