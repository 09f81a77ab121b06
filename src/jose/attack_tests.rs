//! The attack corpus: each token here is one that some verifier once accepted, or a mutation of every rule.
//! All are signed with a genuine key where that makes the attack stronger.

mod claims;
mod header;
mod signatures;

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::digest::{base64url, base64url_decode};
use crate::entropy::SystemEntropy;
use crate::jose::claims::{Claims, Expect};
use crate::jose::keyring::Keyring;
use crate::jose::private_key::PrivateKey;
use crate::jose::seal::MasterKey;
use crate::jose::verify::{LONGEST_TOKEN, NO_TYP, Rejected};
use crate::oauth::algorithm::Algorithm;

const ISSUER: &str = "https://issuer.example";
const NOW: i64 = 1_800_000_000;

/// Our keyring with a key of every algorithm, and the private keys: the strongest position an attacker with a
/// signing oracle could have.
struct Bench {
    ring: Keyring,
    keys: Vec<PrivateKey>,
}

impl Bench {
    fn new(algorithms: &[Algorithm]) -> Self {
        let (entropy, now) = (SystemEntropy::new(), Timestamp::from_seconds(NOW - 100));
        let master = MasterKey::generate(&entropy).unwrap();
        let keys: Vec<_> =
            algorithms.iter().map(|algorithm| PrivateKey::generate(*algorithm, 2048).unwrap()).collect();
        let records: Vec<_> =
            keys.iter().map(|key| key.record(&master, now, now, &entropy).unwrap()).collect();
        Self { ring: Keyring::load(&records, &master, now).unwrap(), keys }
    }

    fn key(&self, algorithm: Algorithm) -> &PrivateKey {
        self.keys.iter().find(|key| key.algorithm() == algorithm).unwrap()
    }

    /// The good header for a key, with `changes` laid over it; `null` removes a member.
    fn header(key: &PrivateKey, changes: &Value) -> String {
        let good = json!({ "alg": key.algorithm().as_str(), "typ": "at+jwt", "kid": key.kid().as_str() });
        laid_over(&good, changes).to_string()
    }

    fn verify(&self, token: &str) -> Result<Claims, Rejected> {
        self.ring.verify(token, &expect())
    }

    /// Signs with the ES256 key, header changed.
    fn with_header(&self, changes: &Value) -> Result<Claims, Rejected> {
        let key = self.key(Algorithm::Es256);
        self.verify(&signed(key, &Self::header(key, changes), &good_claims().to_string()))
    }

    /// Signs with the ES256 key, claims changed.
    fn claims_token(&self, claims: &str) -> String {
        let key = self.key(Algorithm::Es256);
        signed(key, &Self::header(key, &json!({})), claims)
    }

    fn with_claims(&self, changes: &Value) -> Result<Claims, Rejected> {
        self.verify(&self.claims_token(&laid_over(&good_claims(), changes).to_string()))
    }
}

fn expect() -> Expect<'static> {
    Expect::new(&["at+jwt"], ISSUER, Timestamp::from_seconds(NOW)).audience(&["https://api", "other"])
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
    format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()))
}

fn signed(key: &PrivateKey, header: &str, claims: &str) -> String {
    let content = content(header, claims);
    format!("{content}.{}", base64url(&key.sign(content.as_bytes()).unwrap()))
}

fn bench() -> Bench {
    Bench::new(&[Algorithm::Es256])
}

#[test]
fn the_good_token_is_accepted() {
    let bench = bench();
    assert!(bench.with_header(&json!({})).is_ok());
    assert!(bench.with_claims(&json!({})).is_ok());
}
