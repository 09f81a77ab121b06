//! Tokens of any kind, made by hand: a header, claims and a key, each of which may be wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use signet::digest::{base64url, base64url_decode};
use signet::jose::private_key::PrivateKey;
use signet::oauth::algorithm::Algorithm;
use signet::secret::KeyId;

use super::http::Request;
use super::server::Server;

/// The `client_assertion_type`.
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A key and the name under which it signs.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) key: PrivateKey,
    pub(crate) kid: String,
}

impl Signer {
    pub(crate) fn new(algorithm: Algorithm, kid: &str) -> Self {
        Self { key: PrivateKey::generate(algorithm, 2048).unwrap(), kid: kid.to_owned() }
    }

    /// The server's own key: what somebody could do who had a signing oracle.
    pub(crate) async fn of_server(s: &Server, algorithm: Algorithm) -> Self {
        let ring = s.op.keys.current();
        let kid = ring.signing_key(algorithm, s.now()).unwrap().kid().0.clone();
        let (_, records) = s.op.store.signing_keys().await.unwrap();
        let record = records.iter().find(|record| record.kid.0 == kid).unwrap();
        let pkcs8 = s.op.keys.master().open(&kid, &record.sealed).unwrap();
        Self { key: PrivateKey::from_pkcs8(algorithm, &pkcs8).unwrap(), kid }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The public key.
    pub(crate) fn jwk(&self) -> Value {
        Value::Object(self.key.public_jwk(&KeyId(self.kid.clone())))
    }

    /// A key set with this key alone.
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk()] })
    }

    /// The header that this key's tokens have.
    pub(crate) fn header(&self, typ: &str) -> Value {
        json!({ "alg": self.algorithm().as_str(), "typ": typ, "kid": self.kid })
    }

    /// A compact JWS of this header and payload, whatever they are.
    pub(crate) fn token_of(&self, header: &[u8], payload: &[u8]) -> String {
        let content = format!("{}.{}", base64url(header), base64url(payload));
        format!("{content}.{}", base64url(&self.key.sign(content.as_bytes()).unwrap()))
    }

    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// A JWT with these members of the header beside `alg` and `kid`.
    pub(crate) fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let own = json!({ "alg": self.algorithm().as_str(), "kid": self.kid });
        self.token(&laid_over(&own, header), claims)
    }

    /// A JWT with nothing but `alg` and `kid` in its header.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({}), claims)
    }

    /// The public key as SubjectPublicKeyInfo (RFC 5280 §4.1).
    pub(crate) fn spki(&self) -> Vec<u8> {
        let jwk = self.jwk();
        let bytes = |name: &str| base64url_decode(jwk[name].as_str().unwrap()).unwrap();
        // id-ecPublicKey with prime256v1, id-Ed25519, rsaEncryption.
        let (identifier, key) = match self.algorithm() {
            Algorithm::Es256 => ("MBMGByqGSM49AgEGCCqGSM49AwEH", [vec![4], bytes("x"), bytes("y")].concat()),
            Algorithm::EdDsa => ("MAUGAytlcA==", bytes("x")),
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let integer = |name| der(2, &[vec![0], bytes(name)].concat());
                let public = der(0x30, &[integer("n"), der(2, &bytes("e"))].concat());
                ("MA0GCSqGSIb3DQEBAQUA", public)
            }
        };
        let identifier = STANDARD.decode(identifier).unwrap();
        der(0x30, &[identifier, der(3, &[vec![0], key].concat())].concat())
    }
}

/// Tag, length and content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 128 => out.push(short),
        _ => {
            let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap());
            out.extend(bytes);
        }
    }
    out.extend(content);
    out
}

/// A JWT under HS256 with any secret.
pub(crate) fn under_secret(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let content =
        format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let mac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret), content.as_bytes());
    format!("{content}.{}", base64url(mac.as_ref()))
}

/// Claims under `alg: none` (RFC 7519 §6).
pub(crate) fn unsigned(claims: &Value) -> String {
    let head = json!({ "alg": "none" });
    format!("{}.{}.", base64url(head.to_string().as_bytes()), base64url(claims.to_string().as_bytes()))
}

/// An object with changes laid over it; `null` removes a member.
pub(crate) fn laid_over(good: &Value, changes: &Value) -> Value {
    let mut members: Map<String, Value> = good.as_object().unwrap().clone();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    Value::Object(members)
}

/// The parameters of a client that authenticates by an assertion, beside others.
pub(crate) fn asserting(request: Request, params: &[(&str, &str)], assertion: &str) -> Request {
    let mut all = params.to_vec();
    all.extend([("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]);
    request.form(&all)
}

impl Server {
    /// The claims of a good assertion of a client, with a `jti` of its own.
    pub(crate) fn assertion_claims(&self, client: &str) -> Value {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (now, count) = (self.now().seconds(), COUNT.fetch_add(1, Ordering::SeqCst));
        json!({ "iss": client, "sub": client, "aud": self.issuer(), "iat": now, "exp": now + 60,
            "jti": format!("assertion-{count}") })
    }

    /// A good assertion.
    pub(crate) fn assertion(&self, client: &str, signer: &Signer) -> String {
        signer.token(&signer.header("JWT"), &self.assertion_claims(client))
    }
}
