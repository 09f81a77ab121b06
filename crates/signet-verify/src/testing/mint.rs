//! Tokens and proofs of every shape.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Map, Value, json};

use crate::jose::base64url;
use crate::jose::thumbprint::thumbprint;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// An ES256 key.
#[derive(Debug)]
pub struct TestKey {
    pair: EcdsaKeyPair,
    kid: String,
}

impl TestKey {
    /// A new key.
    ///
    /// # Panics
    /// Without randomness.
    #[must_use]
    pub fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let kid = thumbprint(&coordinates(&pair)).expect("a thumbprint");
        Self { pair, kid }
    }

    /// Its name, which is its thumbprint (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK of a key set.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = coordinates(&self.pair);
        jwk.extend([
            ("kid".to_owned(), json!(self.kid)),
            ("use".to_owned(), json!("sig")),
            ("alg".to_owned(), json!("ES256")),
        ]);
        Value::Object(jwk)
    }

    /// A compact JWS over any header and payload.
    ///
    /// # Panics
    /// Without randomness.
    #[must_use]
    pub fn sign(&self, header: &Value, payload: &str) -> String {
        let content = format!(
            "{}.{}",
            base64url::encode(header.to_string().as_bytes()),
            base64url::encode(payload.as_bytes())
        );
        let signature = self.pair.sign(&SystemRandom::new(), content.as_bytes()).expect("a signature");
        format!("{content}.{}", base64url::encode(signature.as_ref()))
    }

    /// A DPoP proof for a request with a token (RFC 9449 §4.2), made at a time in Unix seconds. `changes` are laid over
    /// its claims; null removes one.
    #[must_use]
    pub fn proof(&self, method: &str, uri: &str, token: &str, (at, changes): (i64, &Value)) -> String {
        let header =
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": Value::Object(coordinates(&self.pair)) });
        let mut claims = json!({
            "jti": format!("proof-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            "htm": method,
            "htu": uri,
            "iat": at,
            "ath": base64url::encode(digest(&SHA256, token.as_bytes()).as_ref()),
        });
        lay_over(&mut claims, changes);
        self.sign(&header, &claims.to_string())
    }
}

fn coordinates(pair: &EcdsaKeyPair) -> Map<String, Value> {
    let point = pair.public_key().as_ref();
    let half = |from: usize| base64url::encode(point.get(from..from.saturating_add(32)).unwrap_or_default());
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": half(1), "y": half(33) });
    jwk.as_object().cloned().unwrap_or_default()
}

fn lay_over(object: &mut Value, changes: &Value) {
    if let (Some(members), Some(changes)) = (object.as_object_mut(), changes.as_object()) {
        members.extend(changes.clone());
        members.retain(|_, value| !value.is_null());
    }
}

/// An access token in the making (RFC 9068).
#[derive(Clone, Debug)]
#[must_use]
pub struct Mint {
    key: Arc<TestKey>,
    header: Value,
    claims: Value,
    now: i64,
}

impl Mint {
    pub(super) fn new(key: Arc<TestKey>, issuer: &str, audience: &str, now: i64) -> Self {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": key.kid() });
        let claims = json!({
            "iss": issuer, "sub": "user", "aud": audience, "client_id": "client", "scope": "",
            "iat": now, "nbf": now, "exp": now.saturating_add(300),
            "jti": format!("token-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        });
        Self { key, header, claims, now }
    }

    /// For this user.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", json!(subject))
    }

    /// With these scopes, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", json!(scope))
    }

    /// Of this login session.
    pub fn session(self, session: &str) -> Self {
        self.claim("sid", json!(session))
    }

    /// Ends so many seconds from now; less than 0: has ended.
    pub fn expires_in(self, seconds: i64) -> Self {
        let at = self.now.saturating_add(seconds);
        self.claim("exp", json!(at))
    }

    /// The user signed in so many seconds ago.
    pub fn signed_in_ago(self, seconds: i64) -> Self {
        let at = self.now.saturating_sub(seconds);
        self.claim("auth_time", json!(at))
    }

    /// Bound to a key (RFC 9449 §6.1).
    pub fn bound_to(self, key: &TestKey) -> Self {
        self.claim("cnf", json!({ "jkt": key.kid() }))
    }

    /// Any claim; null removes it.
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        lay_over(&mut self.claims, &json!({ name: value }));
        self
    }

    /// Any member of the header; null removes it.
    pub fn header(mut self, name: &str, value: Value) -> Self {
        lay_over(&mut self.header, &json!({ name: value }));
        self
    }

    /// Signed by another key, under the name of the issuer's.
    pub fn forged_by(mut self, key: &Arc<TestKey>) -> Self {
        self.key = Arc::clone(key);
        self
    }

    /// The claims as they are.
    #[must_use]
    pub const fn claims(&self) -> &Value {
        &self.claims
    }

    /// The token.
    #[must_use]
    pub fn sign(&self) -> String {
        self.key.sign(&self.header, &self.claims.to_string())
    }
}
