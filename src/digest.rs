//! SHA-256, SHA-512, HMAC-SHA-256, key derivation and constant-time comparison, all from `ring`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

/// A 32-byte digest. Equality is constant-time and spelled out: there is no `==`.
#[derive(Clone, Copy)]
pub struct Digest32([u8; 32]);

impl Digest32 {
    /// Wraps 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 32 bytes from storage; `None` if the length differs.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Constant-time equality.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Digest32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest32([redacted])")
    }
}

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> Digest32 {
    let mut out = [0u8; 32];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, data).as_ref());
    Digest32(out)
}

/// SHA-512 of `data`.
pub fn sha512(data: &[u8]) -> [u8; 64] {
    let mut out = [0u8; 64];
    out.copy_from_slice(ring::digest::digest(&ring::digest::SHA512, data).as_ref());
    out
}

/// A parsed HMAC-SHA-256 key.
#[derive(Clone)]
pub struct MacKey(ring::hmac::Key);

impl MacKey {
    /// Parses 32 key bytes once.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key))
    }

    /// HMAC-SHA-256 over the concatenation of `parts`, each preceded by its length, so that no two lists of
    /// parts collide.
    pub fn mac(&self, parts: &[&[u8]]) -> Digest32 {
        let mut context = ring::hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut out = [0u8; 32];
        out.copy_from_slice(context.sign().as_ref());
        Digest32(out)
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey([redacted])")
    }
}

/// Derives an independent 32-byte key from a master key, for one purpose (HKDF-SHA-256, RFC 5869).
pub fn derive_key(master: &[u8; 32], purpose: &str) -> [u8; 32] {
    let salt = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, b"signet");
    let mut out = [0u8; 32];
    let info = [purpose.as_bytes()];
    // Expanding to one hash length cannot fail (RFC 5869 §2.3 allows 255 of them); on the impossible branch
    // the key would be all zero, so the HMAC form of the same derivation is taken instead.
    let filled = salt
        .extract(master)
        .expand(&info, ring::hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut out))
        .is_ok();
    if filled { out } else { *MacKey::new(master).mac(&[purpose.as_bytes()]).as_bytes() }
}

/// Unpadded base64url (RFC 4648 §5).
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Strictly decodes unpadded base64url: padding, other alphabets and non-zero trailing bits are refused.
pub fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Constant-time equality of two byte strings (their lengths are not secret).
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_the_empty_string() {
        assert_eq!(base64url(sha256(b"").as_bytes()), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = MacKey::new(&[7; 32]);
        assert!(!key.mac(&[b"ab", b"c"]).ct_eq(&key.mac(&[b"a", b"bc"])));
    }

    #[test]
    fn base64url_is_strict() {
        assert!(base64url_decode("QQ").is_some());
        for bad in ["QQ==", "QR", "Q+", "Q Q", "Q"] {
            assert!(base64url_decode(bad).is_none(), "{bad}");
        }
    }
}
