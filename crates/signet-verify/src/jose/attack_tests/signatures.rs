//! Signatures: of the wrong key, algorithm, form or content.

use aws_lc_rs::hmac;
use base64::Engine as _;

use super::*;

#[test]
fn a_key_signs_under_its_own_algorithm_only() {
    let bench = Bench::new(&Algorithm::ALL);
    for key in &bench.keys {
        for name in Algorithm::ALL {
            let claims = good_claims().to_string();
            let own = key.token(&Bench::header(key, &json!({ "alg": name.as_str() })), &claims);
            let expected = if name == key.algorithm { Ok(()) } else { Err(Rejected::Algorithm) };
            assert_eq!(bench.verify(&own).map(drop), expected, "{name} by {}", key.algorithm);

            // The other key's name over this key's signature: the signature decides.
            let other = bench.key(name);
            let stolen = key.token(&Bench::header(other, &json!({})), &claims);
            let result = bench.verify(&stolen).map(drop);
            if name == key.algorithm {
                assert_eq!(result, Ok(()));
            } else {
                assert!(matches!(result, Err(Rejected::Signature | Rejected::SignatureForm)), "{result:?}");
            }
        }
    }
}

#[test]
fn an_rsa_key_signs_pkcs1_or_pss_but_not_both() {
    // One RSA key, known to the verifier for PKCS #1 v1.5: the key's algorithm decides, not the header.
    let rsa = Signer::generate(Algorithm::Rs256);
    let set = KeySet::from_jwks(json!({ "keys": [rsa.jwk()] }).to_string().as_bytes()).unwrap();
    let verify = |token: String| jws::verify(&token, &set, &expect()).map(drop);
    let claims = good_claims().to_string();
    let as_rs256 = Bench::header(&rsa, &json!({}));
    assert_eq!(verify(rsa.token(&as_rs256, &claims)), Ok(()));
    let pss = rsa.re_padded();
    assert_eq!(verify(pss.token(&as_rs256, &claims)), Err(Rejected::Signature));
    assert_eq!(verify(pss.token(&Bench::header(&pss, &json!({})), &claims)), Err(Rejected::Algorithm));
}

/// Base64 in lines of 64 between the markers of RFC 7468 §2.
fn pem(label: &str, der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[test]
fn hmac_with_the_public_key_as_secret() {
    let bench = Bench::new(&Algorithm::ALL);
    for key in &bench.keys {
        let spki = pem("PUBLIC KEY", &key.spki());
        let secrets = [
            Vec::new(),
            spki.clone().into_bytes(),
            pem("RSA PUBLIC KEY", &key.bare()).into_bytes(),
            key.spki(),
            key.bare(),
            key.jwk().to_string().into_bytes(),
            format!(" {spki}").into_bytes(),
            spki.trim_end().as_bytes().to_vec(),
            json!({ "keys": [key.jwk()] }).to_string().into_bytes(),
            key.kid.clone().into_bytes(),
        ];
        for (index, secret) in secrets.iter().enumerate() {
            for (alg, by) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
                (key.algorithm.as_str(), hmac::HMAC_SHA256),
                (key.algorithm.as_str(), hmac::HMAC_SHA512),
            ] {
                let content =
                    content(&Bench::header(key, &json!({ "alg": alg })), &good_claims().to_string());
                let tag = hmac::sign(&hmac::Key::new(by, secret), content.as_bytes());
                let result = bench.verify(&format!("{content}.{}", base64url::encode(tag.as_ref())));
                let own = alg == key.algorithm.as_str();
                assert!(
                    match result {
                        Err(Rejected::Algorithm) => !own,
                        Err(Rejected::Signature | Rejected::SignatureForm) => own,
                        _ => false,
                    },
                    "secret {index} of {} as {alg}: {result:?}",
                    key.algorithm
                );
            }
        }
    }
}

#[test]
fn ecdsa_signatures_zero_short_long_or_der() {
    let bench = bench();
    let good = bench.claims_token(&good_claims().to_string());
    let (content, signature) = good.rsplit_once('.').unwrap();
    let raw = base64url::decode(signature).unwrap();
    let (r, s) = raw.split_at(32);
    let zero = [0; 32];
    // The order of P-256, to which s = 0 is equivalent.
    let order = base64url::decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE").unwrap();
    let integer = |scalar: &[u8]| [&[2, 33, 0], scalar].concat();
    let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
    for (signature, expected) in [
        ([zero, zero].concat(), Rejected::SignatureForm),
        ([r, &zero].concat(), Rejected::SignatureForm),
        ([&zero, s].concat(), Rejected::SignatureForm),
        (raw[..63].to_vec(), Rejected::SignatureForm),
        (raw[..32].to_vec(), Rejected::SignatureForm),
        ([&raw[..], &[0]].concat(), Rejected::SignatureForm),
        ([&[0], &raw[..]].concat(), Rejected::SignatureForm),
        (der, Rejected::SignatureForm),
        ([&order[..], &order[..]].concat(), Rejected::Signature),
        ([r, &order[..]].concat(), Rejected::Signature),
        ([&order[..], s].concat(), Rejected::Signature),
        ([s, r].concat(), Rejected::Signature),
        (vec![0xff; 64], Rejected::Signature),
    ] {
        assert_eq!(bench.verify(&format!("{content}.{}", base64url::encode(&signature))), Err(expected));
    }
}

#[test]
fn rsa_and_ed25519_signatures_zero_or_of_another_length() {
    let bench = Bench::new(&[Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa]);
    for key in &bench.keys {
        let good = key.token(&Bench::header(key, &json!({})), &good_claims().to_string());
        assert!(bench.verify(&good).is_ok());
        let (content, signature) = good.rsplit_once('.').unwrap();
        let raw = base64url::decode(signature).unwrap();
        let mut altered = raw.clone();
        altered[0] ^= 1;
        for bad in [
            vec![0],
            vec![0; raw.len()],
            vec![1; raw.len()],
            raw[1..].to_vec(),
            raw[..raw.len() - 1].to_vec(),
            [&raw[..], &[0]].concat(),
            [&[0], &raw[..]].concat(),
            altered,
        ] {
            let result = bench.verify(&format!("{content}.{}", base64url::encode(&bad)));
            assert!(matches!(result, Err(Rejected::Signature | Rejected::SignatureForm)), "{result:?}");
        }
    }
}

#[test]
fn each_flipped_bit_of_a_token_is_refused() {
    let bench = bench();
    let good = bench.claims_token(&good_claims().to_string());
    for index in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[index] ^= 1;
        let altered = String::from_utf8(bytes).unwrap();
        assert!(bench.verify(&altered).is_err(), "character {index}");
    }
}
