//! The refresh token as text: `srt_` and, in base64url, version, MAC key id, family id, generation and MAC.
//!
//! Nothing of it is stored. A forged or foreign token dies here, before the database; a re-issued one is made
//! again byte for byte. A copy of the database is useless without the MAC key, and the MAC key without the
//! secret family id.

use crate::digest::{Digest32, MacKey, base64url, base64url_decode};
use crate::model::family::FamilySecretId;
use crate::secret::RefreshToken;

const PREFIX: &str = "srt_";
const VERSION: u8 = 1;
/// Version, key id, family id and generation: what the MAC covers, besides the issuer.
const HEAD: usize = 1 + 1 + 16 + 4;
/// 54 bytes are 72 characters without a rest, so no bit of the text is without meaning.
const TEXT: usize = PREFIX.len() + (HEAD + 32) * 4 / 3;
/// Separates these MACs from any other use of the key.
const PURPOSE: &[u8] = b"refresh token";

/// The MAC keys of one issuer. The current one signs; older ones are still accepted.
#[derive(Clone, Debug)]
pub struct RefreshTokenKeys {
    issuer: String,
    current: (u8, MacKey),
    older: Vec<(u8, MacKey)>,
}

impl RefreshTokenKeys {
    /// The current key and the older ones, each with the id that tokens name it by. `None` if two keys share
    /// an id.
    pub fn new(issuer: &str, current: (u8, MacKey), older: Vec<(u8, MacKey)>) -> Option<Self> {
        let mut ids = vec![current.0];
        for (id, _) in &older {
            if ids.contains(id) {
                return None;
            }
            ids.push(*id);
        }
        Some(Self { issuer: issuer.to_owned(), current, older })
    }

    /// The token of a generation. The same arguments give the same token for as long as the current key stays.
    pub fn encode(&self, family: FamilySecretId, generation: u32) -> RefreshToken {
        let (id, key) = &self.current;
        let mut bytes = Vec::with_capacity(HEAD + 32);
        bytes.extend([VERSION, *id]);
        bytes.extend(family.as_bytes());
        bytes.extend(generation.to_be_bytes());
        let mac = self.mac(key, &bytes);
        bytes.extend(mac.as_bytes());
        RefreshToken::new(format!("{PREFIX}{}", base64url(&bytes)))
    }

    /// The family and generation of a token this issuer made, and `None` for anything else.
    pub fn decode(&self, token: &RefreshToken) -> Option<(FamilySecretId, u32)> {
        let text = token.reveal();
        if text.len() != TEXT {
            return None;
        }
        let bytes = base64url_decode(text.strip_prefix(PREFIX)?)?;
        let (head, mac) = bytes.split_at_checked(HEAD)?;
        let [VERSION, key_id, rest @ ..] = head else { return None };
        let key = self.key(*key_id)?;
        if !self.mac(key, head).ct_eq(&Digest32::from_slice(mac)?) {
            return None;
        }
        let (family, generation) = rest.split_at_checked(16)?;
        Some((FamilySecretId::from_slice(family)?, u32::from_be_bytes(generation.try_into().ok()?)))
    }

    fn key(&self, id: u8) -> Option<&MacKey> {
        std::iter::once(&self.current).chain(&self.older).find(|(own, _)| *own == id).map(|(_, key)| key)
    }

    fn mac(&self, key: &MacKey, head: &[u8]) -> Digest32 {
        key.mac(&[PURPOSE, self.issuer.as_bytes(), head])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example";

    fn key(byte: u8) -> MacKey {
        MacKey::new(&[byte; 32])
    }

    fn keys() -> RefreshTokenKeys {
        RefreshTokenKeys::new(ISSUER, (1, key(1)), Vec::new()).unwrap()
    }

    fn id() -> FamilySecretId {
        FamilySecretId::new(*b"0123456789abcdef")
    }

    fn raw(token: &RefreshToken) -> Vec<u8> {
        base64url_decode(token.reveal().strip_prefix(PREFIX).unwrap()).unwrap()
    }

    #[test]
    fn a_token_comes_back_and_is_the_same_every_time() {
        for generation in [0, 1, 255, 256, u32::MAX] {
            let token = keys().encode(id(), generation);
            assert_eq!(token.reveal().len(), TEXT);
            assert_eq!(keys().decode(&token), Some((id(), generation)));
            assert_eq!(token.reveal(), keys().encode(id(), generation).reveal());
        }
    }

    #[test]
    fn the_text_is_fixed() {
        // Tokens out there outlive releases: this line may only change together with VERSION.
        assert_eq!(
            keys().encode(id(), 7).reveal(),
            "srt_AQEwMTIzNDU2Nzg5YWJjZGVmAAAAB9rOOODVEVD8x54huu2y9e3MZNjFO7SrumbzNmyoxxUp"
        );
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let bytes = raw(&keys().encode(id(), 7));
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let token = RefreshToken::new(format!("{PREFIX}{}", base64url(&forged)));
            assert_eq!(keys().decode(&token), None, "bit {bit}");
        }
    }

    #[test]
    fn every_changed_character_is_refused() {
        let text = keys().encode(id(), 7).reveal().to_owned();
        for at in 0..text.len() {
            for other in [b'A', b'_', b'+', b'/', b'=', b' ', 0, 0xC3] {
                let mut forged = text.clone().into_bytes();
                if std::mem::replace(&mut forged[at], other) == other {
                    continue;
                }
                let token = RefreshToken::new(String::from_utf8_lossy(&forged));
                assert_eq!(keys().decode(&token), None, "character {at}");
            }
        }
    }

    #[test]
    fn truncated_and_lengthened_tokens_are_refused() {
        let text = keys().encode(id(), 7).reveal().to_owned();
        for end in 0..text.len() {
            assert_eq!(keys().decode(&RefreshToken::new(&text[..end])), None, "{end}");
        }
        for tail in ["A", "AAAA", "=", " ", "\n", "\0"] {
            assert_eq!(keys().decode(&RefreshToken::new(format!("{text}{tail}"))), None, "{tail:?}");
        }
        assert_eq!(keys().decode(&RefreshToken::new("A".repeat(1 << 20))), None);
    }

    #[test]
    fn another_prefix_version_issuer_or_key_is_refused() {
        let token = keys().encode(id(), 7);
        let renamed = token.reveal().replacen("srt_", "sac_", 1);
        assert_eq!(keys().decode(&RefreshToken::new(renamed)), None);
        let other_issuer = RefreshTokenKeys::new("https://id.example/", (1, key(1)), Vec::new()).unwrap();
        assert_eq!(other_issuer.decode(&token), None);
        let other_key = RefreshTokenKeys::new(ISSUER, (1, key(2)), Vec::new()).unwrap();
        assert_eq!(other_key.decode(&token), None);
        // A correct MAC over another version does not help.
        let mut bytes = raw(&token)[..HEAD].to_vec();
        bytes[0] = 2;
        let mac = keys().mac(&key(1), &bytes);
        bytes.extend(mac.as_bytes());
        assert_eq!(keys().decode(&RefreshToken::new(format!("{PREFIX}{}", base64url(&bytes)))), None);
    }

    #[test]
    fn an_older_key_is_accepted_until_it_is_dropped() {
        let old = keys().encode(id(), 7);
        let rotated = RefreshTokenKeys::new(ISSUER, (2, key(2)), vec![(1, key(1))]).unwrap();
        assert_eq!(rotated.decode(&old), Some((id(), 7)));
        let new = rotated.encode(id(), 7);
        assert_ne!(new.reveal(), old.reveal());
        assert_eq!(rotated.decode(&new), Some((id(), 7)));
        let dropped = RefreshTokenKeys::new(ISSUER, (2, key(2)), Vec::new()).unwrap();
        assert_eq!(dropped.decode(&old), None);
        // A token cannot be moved to another key by naming it.
        let mut moved = raw(&old);
        moved[1] = 2;
        assert_eq!(rotated.decode(&RefreshToken::new(format!("{PREFIX}{}", base64url(&moved)))), None);
    }

    #[test]
    fn two_keys_of_one_id_are_refused() {
        assert!(RefreshTokenKeys::new(ISSUER, (1, key(1)), vec![(1, key(2))]).is_none());
        assert!(RefreshTokenKeys::new(ISSUER, (1, key(1)), vec![(2, key(2)), (2, key(3))]).is_none());
    }
}
