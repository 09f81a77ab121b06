//! Signatures: of the wrong key, algorithm, form or content.

use super::*;

#[test]
fn a_key_signs_under_its_own_algorithm_only() {
    let bench = Bench::new(&Algorithm::ALL);
    for key in &bench.keys {
        for name in Algorithm::ALL {
            let claims = good_claims().to_string();
            let own = signed(key, &Bench::header(key, &json!({ "alg": name.as_str() })), &claims);
            let expected = if name == key.algorithm() { Ok(()) } else { Err(Rejected::Algorithm) };
            assert_eq!(bench.verify(&own).map(drop), expected, "{name} by {}", key.algorithm());

            // The other key's name over this key's signature: the signature decides.
            let other = bench.key(name);
            let stolen = signed(key, &Bench::header(other, &json!({})), &claims);
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
    let (entropy, now) = (SystemEntropy::new(), Timestamp::from_seconds(NOW));
    let master = MasterKey::generate(&entropy).unwrap();
    let record = rsa.record(&master, now, now, &entropy).unwrap();
    let ring = Keyring::load(&[record], &master, now).unwrap();
    let claims = good_claims().to_string();
    let as_rs256 = Bench::header(&rsa, &json!({}));
    assert!(ring.verify(&signed(&rsa, &as_rs256, &claims), &expect()).is_ok());
    assert_eq!(ring.verify(&signed(&pss, &as_rs256, &claims), &expect()), Err(Rejected::Signature));
    let as_ps256 = Bench::header(&pss, &json!({}));
    assert_eq!(ring.verify(&signed(&pss, &as_ps256, &claims), &expect()), Err(Rejected::Algorithm));
}

#[test]
fn hmac_with_the_public_key_as_secret() {
    let bench = Bench::new(&[Algorithm::Es256, Algorithm::Rs256]);
    let ec = bench.key(Algorithm::Es256);
    let jwk = ec.public_jwk(ec.kid());
    let coordinate = |name: &str| base64url_decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [&[4][..], &coordinate("x"), &coordinate("y")].concat();
    let spki = [&base64url_decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA").unwrap(), point.as_slice()].concat();
    let body: String = base64url(&spki).replace('-', "+").replace('_', "/") + "=";
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &body[..64], &body[64..]);
    let text = Value::Object(jwk.clone()).to_string();
    let jwks = bench.ring.jwks_at(Timestamp::from_seconds(NOW)).body.clone();
    let secrets: Vec<Vec<u8>> = vec![
        Vec::new(),
        point,
        spki,
        pem.clone().into_bytes(),
        format!(" {pem}").into_bytes(),
        pem.trim_end().as_bytes().to_vec(),
        text.clone().into_bytes(),
        format!(" {text}").into_bytes(),
        jwks.to_vec(),
        jwk["x"].as_str().unwrap().as_bytes().to_vec(),
    ];
    for key in [ec, bench.key(Algorithm::Rs256)] {
        for (index, secret) in secrets.iter().enumerate() {
            for alg in ["HS256", key.algorithm().as_str()] {
                let content =
                    content(&Bench::header(key, &json!({ "alg": alg })), &good_claims().to_string());
                let mac = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
                let tag = ring::hmac::sign(&mac, content.as_bytes());
                let result = bench.verify(&format!("{content}.{}", base64url(tag.as_ref())));
                assert!(
                    matches!(
                        result,
                        Err(Rejected::Algorithm | Rejected::Signature | Rejected::SignatureForm)
                    ),
                    "secret {index} as {alg}: {result:?}"
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
        ([&zero, s].concat(), Rejected::SignatureForm),
        (raw[..63].to_vec(), Rejected::SignatureForm),
        (raw[..32].to_vec(), Rejected::SignatureForm),
        ([&raw[..], &[0]].concat(), Rejected::SignatureForm),
        ([&[0], &raw[..]].concat(), Rejected::SignatureForm),
        (der, Rejected::SignatureForm),
        ([&order[..], &order[..]].concat(), Rejected::Signature),
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
        let good = signed(key, &Bench::header(key, &json!({})), &good_claims().to_string());
        assert!(bench.verify(&good).is_ok());
        let (content, signature) = good.rsplit_once('.').unwrap();
        let raw = base64url_decode(signature).unwrap();
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
            let result = bench.verify(&format!("{content}.{}", base64url(&bad)));
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
