//! A client's key: what it signs, and the public half to register.

use serde_json::{Value, json};
use signet::digest::base64url;
use signet::jose::private_key::PrivateKey;
use signet::oauth::algorithm::Algorithm;
use signet::secret::KeyId;

/// A private key with its name.
pub(crate) struct ClientKey {
    key: PrivateKey,
    algorithm: Algorithm,
    kid: &'static str,
}

impl ClientKey {
    pub(crate) fn new(algorithm: Algorithm, kid: &'static str) -> Self {
        Self { key: PrivateKey::generate(algorithm, 2048).unwrap(), algorithm, kid }
    }

    /// The key set to register.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [self.key.public_jwk(&KeyId(self.kid.to_owned()))] })
    }

    /// A JWT with this header's members beside `alg` and `kid`.
    pub(crate) fn sign_with(&self, header: Value, claims: &Value) -> String {
        let mut head = json!({ "alg": self.algorithm.as_str(), "kid": self.kid });
        head.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        let signed = format!(
            "{}.{}",
            base64url(head.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let signature = base64url(&self.key.sign(signed.as_bytes()).unwrap());
        format!("{signed}.{signature}")
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(json!({}), claims)
    }
}

/// The same claims with `alg: none` (RFC 7519 §6).
pub(crate) fn unsigned(claims: &Value) -> String {
    let head = json!({ "alg": "none" });
    format!("{}.{}.", base64url(head.to_string().as_bytes()), base64url(claims.to_string().as_bytes()))
}
