//! The attack corpus: each token here is one that some verifier once accepted, or a mutation of every rule.
//! All are signed with a genuine key where that makes the attack stronger.

mod claims;
mod header;
mod signatures;

use serde_json::{Map, Value, json};

use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::claims::{Claims, Expect};
use crate::jose::jwk::KeySet;
use crate::jose::jws::{self, LONGEST_TOKEN, NO_TYP, Rejected};
use crate::jose::signer_tests::Signer;

const ISSUER: &str = "https://issuer.example";
const NOW: i64 = 1_800_000_000;

/// A provider's key set, and the private keys: the strongest position an attacker with a signing oracle could
/// have.
struct Bench {
    set: KeySet,
    keys: Vec<Signer>,
}

impl Bench {
    fn new(algorithms: &[Algorithm]) -> Self {
        let keys: Vec<_> = algorithms.iter().map(|algorithm| Signer::generate(*algorithm)).collect();
        let jwks: Vec<_> = keys.iter().map(Signer::jwk).collect();
        Self { set: KeySet::from_jwks(json!({ "keys": jwks }).to_string().as_bytes()).unwrap(), keys }
    }

    fn key(&self, algorithm: Algorithm) -> &Signer {
        self.keys.iter().find(|key| key.algorithm == algorithm).unwrap()
    }

    /// The good header for a key, with `changes` laid over it; `null` removes a member.
    fn header(key: &Signer, changes: &Value) -> String {
        let good = json!({ "alg": key.algorithm.as_str(), "typ": "at+jwt", "kid": key.kid });
        laid_over(&good, changes).to_string()
    }

    fn verify(&self, token: &str) -> Result<Claims, Rejected> {
        self.verify_as(token, &expect())
    }

    fn verify_as(&self, token: &str, expect: &Expect<'_>) -> Result<Claims, Rejected> {
        jws::verify(token, &self.set, expect).map(|verified| verified.claims)
    }

    /// Signs with the ES256 key, header changed.
    fn with_header(&self, changes: &Value) -> Result<Claims, Rejected> {
        let key = self.key(Algorithm::Es256);
        self.verify(&key.token(&Self::header(key, changes), &good_claims().to_string()))
    }

    /// Signs with the ES256 key, claims changed.
    fn claims_token(&self, claims: &str) -> String {
        let key = self.key(Algorithm::Es256);
        key.token(&Self::header(key, &json!({})), claims)
    }

    fn with_claims(&self, changes: &Value) -> Result<Claims, Rejected> {
        self.verify(&self.claims_token(&laid_over(&good_claims(), changes).to_string()))
    }
}

fn expect() -> Expect<'static> {
    Expect::new(&["at+jwt"], ISSUER, NOW * 1000).audience(&["https://api", "other"])
}

fn good_claims() -> Value {
    json!({ "iss": ISSUER, "sub": "user", "aud": "https://api", "iat": NOW, "exp": NOW + 300, "nbf": NOW,
        "jti": "1", "client_id": "c", "scope": "openid", "sid": "s", "auth_time": NOW })
}

fn laid_over(good: &Value, changes: &Value) -> Value {
    let mut members: Map<String, Value> = good.as_object().unwrap().clone();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    Value::Object(members)
}

fn content(header: &str, claims: &str) -> String {
    format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()))
}

fn bench() -> Bench {
    Bench::new(&[Algorithm::Es256])
}

#[test]
fn the_good_token_is_accepted_and_names_its_key() {
    let bench = Bench::new(&Algorithm::ALL);
    for key in &bench.keys {
        let token = key.token(&Bench::header(key, &json!({})), &good_claims().to_string());
        let verified = jws::verify(&token, &bench.set, &expect()).unwrap();
        assert_eq!(verified.kid.as_deref(), Some(key.kid.as_str()));
        assert_eq!(Value::Object(verified.claims.into_map()), good_claims());
    }
}
