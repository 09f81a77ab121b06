//! An RFC's vector for signing, and a second opinion: `jsonwebtoken` on its own verifies what we sign.

use serde_json::{Value, json};
use signet_verify::jose::claims::Expect;
use signet_verify::jose::jws;

use crate::clock::Timestamp;
use crate::digest::{base64url, base64url_decode};
use crate::entropy::SystemEntropy;
use crate::jose::error::Error;
use crate::jose::keyring::Keyring;
use crate::jose::private_key::PrivateKey;
use crate::jose::seal::MasterKey;
use crate::jose::verification_keys::VerificationKeys;
use crate::oauth::algorithm::Algorithm;

#[test]
fn rfc8037_a_ed25519() {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    // The PKCS#8 frame of RFC 8410 §7 around the private key of appendix A.1.
    let mut pkcs8 = base64url_decode("MC4CAQAwBQYDK2VwBCIEIA").unwrap();
    pkcs8.extend(base64url_decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap());
    let key = PrivateKey::from_pkcs8(Algorithm::EdDsa, &pkcs8).unwrap();
    assert_eq!(key.public_jwk(key.kid())["x"], x);
    assert_eq!(key.kid().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = key.sign(message.as_bytes()).unwrap();
    assert_eq!(base64url(&signature), expected);
}

#[test]
fn jsonwebtoken_verifies_what_we_sign() {
    let entropy = SystemEntropy::new();
    let master = MasterKey::generate(&entropy).unwrap();
    let now = Timestamp::from_seconds(1_800_000_000);
    for algorithm in Algorithm::ALL {
        let key = PrivateKey::generate(algorithm, 2048).unwrap();
        let record = key.record(&master, now, now, &entropy).unwrap();
        let ring = Keyring::load(&[record], &master, now).unwrap();
        let claims = json!({ "iss": "https://i", "sub": "s", "aud": ["a", "b"], "iat": 1_800_000_000,
            "exp": 4_000_000_000_i64, "scope": "openid  email", "ok": true });
        let token = ring.sign(algorithm, "at+jwt", &claims, now).unwrap();

        let theirs: jsonwebtoken::Algorithm = algorithm.as_str().parse().unwrap();
        let mut validation = jsonwebtoken::Validation::new(theirs);
        validation.set_audience(&["b"]);
        validation.set_issuer(&["https://i"]);
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&ring.jwks_at(now).body).unwrap();
        let decoding = jsonwebtoken::DecodingKey::from_jwk(set.find(key.kid().as_str()).unwrap()).unwrap();
        let decoded = jsonwebtoken::decode::<Value>(&token, &decoding, &validation).unwrap();
        assert_eq!(decoded.claims, claims);
        assert_eq!(decoded.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(decoded.header.kid.as_deref(), Some(key.kid().as_str()));

        let ours = ring
            .verify(&token, &Expect::new(&["at+jwt"], "https://i", now.millis()).audience(&["b"]))
            .unwrap();
        assert_eq!(Value::Object(ours.as_map().clone()), claims);
        assert_eq!(ours.scope().collect::<Vec<_>>(), ["openid", "email"]);
        assert_eq!(
            (ours.str("sub"), ours.int("iat"), ours.bool("ok")),
            (Some("s"), Some(1_800_000_000), Some(true))
        );
        assert_eq!((ours.str("iat"), ours.int("sub"), ours.bool("sub")), (None, None, None));
        assert_eq!(ours.list("aud"), ["a", "b"]);
        assert_eq!(ours.millis("exp"), Some(4_000_000_000_000));

        // A client's JWKS is read by the same rules, and its signatures are checked by the other library.
        let foreign = VerificationKeys::from_jwks(&ring.jwks_at(now).body).unwrap();
        assert!(jws::verify(&token, &foreign, &Expect::new(&["at+jwt"], "https://i", now.millis())).is_ok());
    }
}

#[test]
fn a_short_rsa_private_key_is_refused() {
    let pkcs8 = base64url_decode(RSA_1024).unwrap();
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        assert!(matches!(PrivateKey::from_pkcs8(algorithm, &pkcs8), Err(Error::KeyRejected(_))));
    }
}

/// An RSA key of 1,024 bits made for this test: too short for any use.
const RSA_1024: &str = "MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBAL6RP8jV4tUG6cGha8sChibaRO8HRdznJHv0xXTNk1FsljzLLHYI\
    H-3iS73mRJGh33lrqgroKt8_eofzrE3Ioj43nUokXZ02f77zZwQF7UnPWVePIfEG0pM5wGDsEPjzWxbJvgN9UYKzg_Gs3NfDiFrA\
    ZsqM8zF_sLPXNyOZiJhPAgMBAAECgYEAtLaAyi8p_-GiYmB1G_q0xLtPi2xWL_lxe6rOZMld3mUew1_YNcXWoXtrYBWxCHl8tmQG\
    yHkJztMfmzTUPJ76WmfqEp-zs76NZL1jgPRK2dkY8paQY5SvrLipztGZDWvpBiFcgAmkLkSI5arpuyeHxGMpH3w_hRGo49LHCFD2\
    B2ECQQD5FZQWigpsqVCm1vWAOp__To6zIurTLwtsGwgxK8M80kyccgvTw2i1mcSNDtc1FTr1IUz6tFTUqo5Eun7ZvAWbAkEAw9u_\
    s7z8aXGUTLGLXieGQYXVqfGi4Ang6I79XmDwKRZiCKQ6VclA7G-x9gFq8SI5NKacPtPfajI7iYMB4EgdXQJBAIjDYFw_zxl6nd39\
    iS6vAcqcx510PptV6V-iOA1HihuLHKWJuRS85nFPzKvmyiNLVOPjNPEysqFSRGtYOu4yXqECQB9H4ocvYNTqafgRxyODhoLCgEyD\
    JjNIAJ7D7516OAEn7QJaUGLRIMhiUnbq5QycHazWC1BRgHYyjaW5wbvzaJUCQQDY8ajrgN-M-EDYIr8HgF06xtcgp0WeaObrLb9l\
    M7if1BFQ1JT3QUea57tMle0IPueGGgRkXkWj_8NLOocTpxQd";
