//! Signs feed messages for tests. The server signs its own: it derives its key and keeps it apart.

use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::message::Message;

/// A feed key with its name.
#[derive(Debug)]
pub struct FeedSigner {
    kid: String,
    pair: Ed25519KeyPair,
}

impl FeedSigner {
    /// The key of a seed, as RFC 8032 §5.1.5 derives it.
    ///
    /// # Errors
    ///
    /// When the cryptographic library does not accept the seed.
    pub fn new(kid: &str, seed: &[u8; 32]) -> Result<Self, KeyRejected> {
        Ok(Self { kid: kid.to_owned(), pair: Ed25519KeyPair::from_seed_unchecked(seed)? })
    }

    /// The public key as a JSON Web Key, as a configuration names it in `jwks`.
    pub fn jwk(&self) -> Value {
        let point = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "x": point, "kid": self.kid, "use": "sig", "alg": "EdDSA"})
    }

    /// A compact serialisation of the message.
    ///
    /// # Errors
    ///
    /// As [`Message::payload`].
    pub fn sign(&self, message: &Message) -> Result<String, serde_json::Error> {
        let header = json!({"alg": "EdDSA", "kid": self.kid, "typ": message.typ()});
        Ok(self.sign_raw(&header.to_string(), &message.payload()?))
    }

    /// A compact serialisation of any header and payload, also of those that a verifier has to refuse.
    pub fn sign_raw(&self, header: &str, payload: &[u8]) -> String {
        self.sign_text(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload)))
    }

    /// A signing input, of whatever form, with the signature over it.
    pub fn sign_text(&self, signed: &str) -> String {
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
