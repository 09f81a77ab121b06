//! What becomes of forged signatures under our own keys and under those of a client's JWKS, which another library
//! checks. The corpus of attacks on header and claims is the shared verifier's.

use serde_json::{Map, Value, json};
use signet_verify::jose::claims::{Claims, Expect};
use signet_verify::jose::jws::{self, Rejected};

use crate::clock::Timestamp;
use crate::digest::{base64url, base64url_decode};
use crate::entropy::SystemEntropy;
use crate::jose::keyring::Keyring;
use crate::jose::private_key::PrivateKey;
use crate::jose::seal::MasterKey;
use crate::jose::verification_keys::VerificationKeys;
use crate::oauth::algorithm::Algorithm;

const ISSUER: &str = "https://issuer.example";
const NOW: i64 = 1_800_000_000;

/// Our keyring and a client's JWKS of the same keys, and the private keys: the strongest position an attacker with
/// a signing oracle could have.
struct Bench {
    ring: Keyring,
    foreign: VerificationKeys,
    keys: Vec<PrivateKey>,
}

impl Bench {
    fn new(algorithms: &[Algorithm]) -> Self {
        Self::of(algorithms.iter().map(|algorithm| PrivateKey::generate(*algorithm, 2048).unwrap()).collect())
    }

    fn of(keys: Vec<PrivateKey>) -> Self {
        let (entropy, now) = (SystemEntropy::new(), Timestamp::from_seconds(NOW - 100));
        let master = MasterKey::generate(&entropy).unwrap();
        let records: Vec<_> =
            keys.iter().map(|key| key.record(&master, now, now, &entropy).unwrap()).collect();
        let ring = Keyring::load(&records, &master, now).unwrap();
        let foreign = VerificationKeys::from_jwks(&ring.jwks_at(now).body).unwrap();
        Self { ring, foreign, keys }
    }

    fn key(&self, algorithm: Algorithm) -> &PrivateKey {
        self.keys.iter().find(|key| key.algorithm() == algorithm).unwrap()
    }

    /// What both say; they must agree.
    fn verify(&self, token: &str) -> Result<Claims, Rejected> {
        let own = self.ring.verify(token, &expect());
        let foreign = jws::verify(token, &self.foreign, &expect()).map(|verified| verified.claims);
        assert_eq!(own, foreign, "{token}");
        own
    }
}

fn expect() -> Expect<'static> {
    Expect::new(&["at+jwt"], ISSUER, NOW * 1000)
}

/// The good header for a key, with `changes` laid over it; `null` removes a member.
fn header(key: &PrivateKey, changes: &Value) -> String {
    let good = json!({ "alg": key.algorithm().as_str(), "typ": "at+jwt", "kid": key.kid().as_str() });
    let mut members: Map<String, Value> = good.as_object().unwrap().clone();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    Value::Object(members).to_string()
}

fn signed(key: &PrivateKey, header: &str) -> String {
    let claims =
        json!({ "iss": ISSUER, "sub": "user", "aud": "a", "iat": NOW, "exp": NOW + 300 }).to_string();
    let content = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    format!("{content}.{}", base64url(&key.sign(content.as_bytes()).unwrap()))
}

#[test]
fn a_key_signs_under_its_own_algorithm_only() {
    let bench = Bench::new(&Algorithm::ALL);
    for key in &bench.keys {
        for name in Algorithm::ALL {
            let own = signed(key, &header(key, &json!({ "alg": name.as_str() })));
            let expected = if name == key.algorithm() { Ok(()) } else { Err(Rejected::Algorithm) };
            assert_eq!(bench.verify(&own).map(drop), expected, "{name} by {}", key.algorithm());

            // The other key's name over this key's signature: the signature decides.
            let stolen = signed(key, &header(bench.key(name), &json!({})));
            let result = bench.verify(&stolen).map(drop);
            if name == key.algorithm() {
                assert_eq!(result, Ok(()));
            } else {
                assert!(matches!(result, Err(Rejected::Signature | Rejected::SignatureForm)), "{result:?}");
            }
        }
    }
}

#[test]
fn an_rsa_key_signs_pkcs1_or_pss_but_not_both() {
    // The same RSA key, once for each padding: the record's algorithm decides, not the header.
    let rsa = PrivateKey::generate(Algorithm::Rs256, 2048).unwrap();
    let pss = PrivateKey::from_pkcs8(Algorithm::Ps256, &rsa.pkcs8().unwrap()).unwrap();
    let bench = Bench::of(vec![rsa]);
    let rsa = bench.key(Algorithm::Rs256);
    let as_rs256 = header(rsa, &json!({}));
    assert!(bench.verify(&signed(rsa, &as_rs256)).is_ok());
    assert_eq!(bench.verify(&signed(&pss, &as_rs256)), Err(Rejected::Signature));
    assert_eq!(bench.verify(&signed(&pss, &header(&pss, &json!({})))), Err(Rejected::Algorithm));
}

#[test]
fn ecdsa_signatures_zero_short_long_or_der() {
    let bench = Bench::new(&[Algorithm::Es256]);
    let key = bench.key(Algorithm::Es256);
    let good = signed(key, &header(key, &json!({})));
    assert!(bench.verify(&good).is_ok());
    let (content, signature) = good.rsplit_once('.').unwrap();
    let raw = base64url_decode(signature).unwrap();
    let (r, s) = raw.split_at(32);
    let zero = [0; 32];
    // The order of P-256, to which s = 0 is equivalent.
    let order = base64url_decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE").unwrap();
    let integer = |scalar: &[u8]| [&[2, 33, 0], scalar].concat();
    let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
    for (signature, expected) in [
        ([zero, zero].concat(), Rejected::SignatureForm),
        ([r, &zero].concat(), Rejected::SignatureForm),
        (raw[..63].to_vec(), Rejected::SignatureForm),
        ([&raw[..], &[0]].concat(), Rejected::SignatureForm),
        (der, Rejected::SignatureForm),
        ([r, &order[..]].concat(), Rejected::Signature),
        ([s, r].concat(), Rejected::Signature),
        (vec![0xff; 64], Rejected::Signature),
    ] {
        assert_eq!(bench.verify(&format!("{content}.{}", base64url(&signature))), Err(expected));
    }
}

#[test]
fn rsa_and_ed25519_signatures_zero_or_of_another_length() {
    let bench = Bench::new(&[Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa]);
    for key in &bench.keys {
        let good = signed(key, &header(key, &json!({})));
        assert!(bench.verify(&good).is_ok());
        let (content, signature) = good.rsplit_once('.').unwrap();
        let raw = base64url_decode(signature).unwrap();
        let mut altered = raw.clone();
        altered[0] ^= 1;
        for bad in [
            vec![0],
            vec![0; raw.len()],
            raw[1..].to_vec(),
            [&raw[..], &[0]].concat(),
            [&[0], &raw[..]].concat(),
            altered,
        ] {
            let result = bench.verify(&format!("{content}.{}", base64url(&bad)));
            assert!(matches!(result, Err(Rejected::Signature | Rejected::SignatureForm)), "{result:?}");
        }
    }
}

#[test]
fn a_token_of_ours_names_its_key_and_a_clients_may_leave_it_out() {
    let bench = Bench::new(&[Algorithm::Es256]);
    let key = bench.key(Algorithm::Es256);
    let token = signed(key, &header(key, &json!({ "kid": null })));
    assert_eq!(bench.ring.verify(&token, &expect()), Err(Rejected::KidMissing));
    assert!(jws::verify(&token, &bench.foreign, &expect()).is_ok());
    assert_eq!(bench.verify(&signed(key, &header(key, &json!({ "kid": "x" })))), Err(Rejected::KidUnknown));
}

#[test]
fn a_clients_key_set_with_an_unusable_key_is_refused() {
    let key = PrivateKey::generate(Algorithm::Es256, 0).unwrap();
    let mut jwk = key.public_jwk(key.kid());
    jwk.insert("d".to_owned(), json!("AAAA"));
    let error = VerificationKeys::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap_err();
    assert!(error.to_string().contains("private"), "{error}");
}
