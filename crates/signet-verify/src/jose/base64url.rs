//! Unpadded base64url (RFC 7515 §2), strictly.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Encodes without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes; padding, other alphabets, white space and non-zero trailing bits give `None`, so that a value has
/// one spelling.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_spelling() {
        assert_eq!(decode("QQ"), Some(b"A".to_vec()));
        assert_eq!(encode(b"A"), "QQ");
        for bad in ["QQ==", "QQ=", "QR", "Q+", "Q/", "Q Q", "QQ\n", " QQ", "Q", "Q\u{e9}"] {
            assert!(decode(bad).is_none(), "{bad:?}");
        }
    }
}
