//! Tokens that carry their own key: proofs of possession, and nothing else.

use serde_json::{Value, json};

use crate::jose::algorithm::Algorithm;
use crate::jose::claims::Expect;
use crate::jose::jwk::KeySet;
use crate::jose::jws::{self, LONGEST_TOKEN, Rejected};
use crate::jose::signer_tests::Signer;

const CLAIMS: &str = r#"{"jti":"1","htm":"GET","htu":"https://api.example/x","iat":1800000000}"#;

/// The JWK as a proof carries it: without the members that say what it is used for.
fn public(signer: &Signer) -> Value {
    let mut jwk = signer.jwk();
    for name in ["use", "alg", "kid"] {
        jwk.as_object_mut().unwrap().remove(name);
    }
    jwk
}

fn header(signer: &Signer) -> Value {
    json!({ "typ": "dpop+jwt", "alg": signer.algorithm.as_str(), "jwk": public(signer) })
}

fn with(signer: &Signer, name: &str, value: Value) -> Result<jws::Proof, Rejected> {
    let mut header = header(signer);
    header[name] = value;
    jws::verify_proof(&signer.token(&header.to_string(), CLAIMS), "dpop+jwt")
}

#[test]
fn a_proof_verifies_under_the_key_it_carries() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::generate(algorithm);
        let token = signer.token(&header(&signer).to_string(), CLAIMS);
        let proof = jws::verify_proof(&token, "dpop+jwt").unwrap();
        assert_eq!(Value::Object(proof.jwk), public(&signer));
        assert_eq!(Value::Object(proof.claims), serde_json::from_str::<Value>(CLAIMS).unwrap());

        let other = Signer::generate(algorithm);
        let forged = other.token(&header(&signer).to_string(), CLAIMS);
        assert_eq!(jws::verify_proof(&forged, "dpop+jwt"), Err(Rejected::Signature));
    }
}

#[test]
fn a_proof_is_no_access_token() {
    let signer = Signer::generate(Algorithm::Es256);
    let set = KeySet::from_jwks(json!({ "keys": [signer.jwk()] }).to_string().as_bytes()).unwrap();
    let token = signer.token(&header(&signer).to_string(), CLAIMS);
    let expect = Expect::new(&["dpop+jwt"], "https://issuer.example", 0);
    assert_eq!(jws::verify(&token, &set, &expect), Err(Rejected::HeaderMember));
}

#[test]
fn the_key_of_a_proof_is_public_sound_and_of_its_algorithm() {
    let signer = Signer::generate(Algorithm::Es256);
    let rsa = Signer::generate(Algorithm::Rs256);
    let mut private = public(&signer);
    private["d"] = json!("AAAA");
    let mut off_curve = public(&signer);
    off_curve["y"] = off_curve["x"].clone();
    let symmetric = json!({ "kty": "oct", "k": "AAAA" });
    for jwk in [private, off_curve, symmetric, public(&rsa), json!({})] {
        assert_eq!(with(&signer, "jwk", jwk.clone()), Err(Rejected::OwnKey), "{jwk}");
    }
    for jwk in [json!(null), json!("x"), json!([public(&signer)]), json!(1)] {
        assert_eq!(with(&signer, "jwk", jwk.clone()), Err(Rejected::HeaderForm), "{jwk}");
    }
    for alg in [json!("none"), json!("HS256"), json!(["ES256"]), json!(null), json!("ES384")] {
        assert_eq!(with(&signer, "alg", alg.clone()), Err(Rejected::Algorithm), "{alg}");
    }
    assert_eq!(with(&signer, "alg", json!("EdDSA")), Err(Rejected::OwnKey));
}

#[test]
fn all_else_that_is_refused_in_a_token_is_refused_in_a_proof() {
    let signer = Signer::generate(Algorithm::Es256);
    for name in ["crit", "b64", "zip", "enc", "jku", "x5u", "x5c"] {
        assert_eq!(with(&signer, name, json!("x")), Err(Rejected::HeaderMember), "{name}");
    }
    for typ in [json!("at+jwt"), json!(""), json!(null), json!(["dpop+jwt"])] {
        assert_eq!(with(&signer, "typ", typ.clone()), Err(Rejected::Typ), "{typ}");
    }
    for payload in ["[]", "{\"jti\":1,\"jti\":2}", "", "x"] {
        let expected = if payload.is_empty() { Rejected::Encoding } else { Rejected::PayloadForm };
        let token = signer.token(&header(&signer).to_string(), payload);
        assert_eq!(jws::verify_proof(&token, "dpop+jwt"), Err(expected), "{payload}");
    }
    let good = signer.token(&header(&signer).to_string(), CLAIMS);
    assert_eq!(jws::verify_proof(&format!("{good}."), "dpop+jwt"), Err(Rejected::Parts));
    assert_eq!(jws::verify_proof(&".".repeat(LONGEST_TOKEN + 1), "dpop+jwt"), Err(Rejected::TooLong));
}
