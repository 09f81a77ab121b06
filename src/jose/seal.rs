//! The master key: seals what the database must not be able to reveal, and is the root of derived keys.
//!
//! A sealed value is one version byte, a 12-byte random nonce and the AES-256-GCM ciphertext with its tag
//! (NIST SP 800-38D). Random nonces are safe for 2^32 values under one key; a signing key is sealed a few
//! times a year.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::digest;
use crate::entropy::Entropy;
use crate::jose::error::Error;

const VERSION: u8 = 1;
const TAG_LENGTH: usize = 16;

/// 32 bytes that live outside the database.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Takes 32 bytes as they are.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads 43 characters of unpadded base64url or 64 hexadecimal digits; white space around them is ignored.
    ///
    /// # Errors
    /// [`Error::MasterKeyFormat`]; also for 32 equal bytes, which nobody drew at random.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let bytes = Zeroizing::new(
            match text.len() {
                64 => hexadecimal(text),
                _ => digest::base64url_decode(text),
            }
            .ok_or(Error::MasterKeyFormat)?,
        );
        let bytes: [u8; 32] = bytes.as_slice().try_into().map_err(|_| Error::MasterKeyFormat)?;
        if bytes.windows(2).all(|pair| pair.first() == pair.last()) {
            return Err(Error::MasterKeyFormat);
        }
        Ok(Self::from_bytes(bytes))
    }

    /// Draws a new master key.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, Error> {
        Ok(Self::from_bytes(entropy.bytes()?))
    }

    /// The key as 43 characters of base64url, to be written to its file.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(digest::base64url(self.0.as_slice()))
    }

    /// Encrypts `plain`, so that it opens only with the same `aad` (for a signing key its `kid`, which keeps
    /// one row's key from being moved to another row).
    ///
    /// # Errors
    /// [`Error::Entropy`], [`Error::Sealing`].
    pub fn seal(&self, aad: &str, plain: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE_LEN] = entropy.bytes()?;
        // The full capacity from the start: growing would leave a copy of the plain text behind.
        let mut out = Vec::with_capacity(1 + NONCE_LEN + plain.len() + TAG_LENGTH);
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let text = out.get_mut(1 + NONCE_LEN..).ok_or(Error::Sealing)?;
        let tag = self
            .sealing_key()?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), associated(aad), text)
            .map_err(|_| Error::Sealing)?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// Decrypts what [`MasterKey::seal`] made with the same `aad`.
    ///
    /// # Errors
    /// [`Error::Unsealing`], whatever the cause.
    pub fn open(&self, aad: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (&version, rest) = sealed.split_first().ok_or(Error::Unsealing)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(Error::Unsealing)?;
        if version != VERSION {
            return Err(Error::Unsealing);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Unsealing)?;
        let mut plain = Zeroizing::new(text.to_vec());
        let length = self
            .sealing_key()?
            .open_in_place(nonce, associated(aad), plain.as_mut_slice())
            .map_err(|_| Error::Unsealing)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    /// An independent key for one purpose. The master key itself encrypts nothing.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        digest::derive_key(&self.0, purpose)
    }

    /// A fingerprint that is no secret. The database keeps it, so that a node started with another master key
    /// says so instead of failing on the first sealed value or writing values the others cannot open.
    pub fn check_value(&self) -> String {
        let derived = self.derive("master key check value");
        digest::base64url(derived.get(..16).unwrap_or_default())
    }

    fn sealing_key(&self) -> Result<LessSafeKey, Error> {
        let key = Zeroizing::new(self.derive("seal"));
        UnboundKey::new(&AES_256_GCM, key.as_slice()).map(LessSafeKey::new).map_err(|_| Error::Sealing)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey([redacted])")
    }
}

/// The version is authenticated too: a later format cannot be passed off as this one.
fn associated(aad: &str) -> Aad<Vec<u8>> {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(aad.as_bytes());
    Aad::from(bytes)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.last()?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{SeededEntropy, SystemEntropy};

    #[test]
    fn sealed_values_open_with_the_same_key_and_data_only() {
        let entropy = SystemEntropy::new();
        let key = MasterKey::generate(&entropy).unwrap();
        let sealed = key.seal("kid-1", b"plain", &entropy).unwrap();
        assert_eq!(sealed.len(), 1 + 12 + 5 + 16);
        assert_eq!(key.open("kid-1", &sealed).unwrap().as_slice(), b"plain");
        assert!(key.open("kid-2", &sealed).is_err());
        assert!(MasterKey::generate(&entropy).unwrap().open("kid-1", &sealed).is_err());
    }

    #[test]
    fn each_altered_byte_and_each_shorter_value_is_refused() {
        let entropy = SystemEntropy::new();
        let key = MasterKey::generate(&entropy).unwrap();
        let sealed = key.seal("kid", b"plain", &entropy).unwrap();
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(key.open("kid", &altered).is_err(), "byte {index}");
            assert!(key.open("kid", &sealed[..index]).is_err(), "length {index}");
        }
    }

    #[test]
    fn the_same_plain_text_never_looks_the_same() {
        let entropy = SystemEntropy::new();
        let key = MasterKey::generate(&entropy).unwrap();
        assert_ne!(key.seal("a", b"x", &entropy).unwrap(), key.seal("a", b"x", &entropy).unwrap());
    }

    #[test]
    fn both_spellings_are_the_same_key() {
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 7 + 1).unwrap_or(3));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        let key = MasterKey::parse(&format!(" {hex}\n")).unwrap();
        assert_eq!(key.check_value(), MasterKey::from_bytes(bytes).check_value());
        assert_eq!(key.check_value(), MasterKey::parse(&key.reveal()).unwrap().check_value());
    }

    #[test]
    fn other_texts_are_no_master_key() {
        let zeros = "0".repeat(64);
        let sixty_three = "1".repeat(63);
        let not_hex = format!("{}zz", "1a".repeat(31));
        let plus = format!("{}+1", "1a".repeat(31));
        for text in ["", "secret", &zeros, &sixty_three, &not_hex, &plus, &"A".repeat(43), &"A".repeat(44)] {
            assert!(matches!(MasterKey::parse(text), Err(Error::MasterKeyFormat)), "{text}");
        }
    }

    #[test]
    fn purposes_and_keys_separate() {
        let (one, two) = (SeededEntropy::new(1), SeededEntropy::new(2));
        let (a, b) = (MasterKey::generate(&one).unwrap(), MasterKey::generate(&two).unwrap());
        assert_ne!(a.derive("x"), a.derive("y"));
        assert_ne!(a.derive("x"), b.derive("x"));
        assert_ne!(a.check_value(), b.check_value());
        assert_eq!(format!("{a:?}"), "MasterKey([redacted])");
    }
}
