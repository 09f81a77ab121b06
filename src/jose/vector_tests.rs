//! Vectors of the RFCs, and a second opinion: `jsonwebtoken` on its own verifies what we sign.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::digest::{base64url, base64url_decode};
use crate::entropy::SystemEntropy;
use crate::jose::claims::Expect;
use crate::jose::error::Error;
use crate::jose::keyring::Keyring;
use crate::jose::private_key::PrivateKey;
use crate::jose::seal::MasterKey;
use crate::jose::thumbprint::thumbprint;
use crate::jose::verification_keys::{VerificationKey, VerificationKeys};
use crate::jose::verify::{NO_TYP, Rejected};
use crate::oauth::algorithm::Algorithm;

/// The payload of RFC 7515 appendices A.1 to A.3.
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn members(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn verify_appendix(jwk: Value, token: &str) {
    let keys = VerificationKeys::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    let expect = Expect {
        required: &["iss", "exp"],
        ..Expect::new(&[NO_TYP], "joe", Timestamp::from_seconds(1_300_819_379))
    };
    let claims = keys.verify(token, &expect).unwrap();
    assert_eq!(claims.bool("http://example.com/is_root"), Some(true));
    let late = Expect { now: Timestamp::from_seconds(1_300_819_380), ..expect };
    assert_eq!(keys.verify(token, &late), Err(Rejected::Expired));
    assert!(keys.verify(token, &Expect { allow_expired: true, ..late }).is_ok());
}

#[test]
fn rfc7515_a2_rs256() {
    let modulus = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL\
        -yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS\
        -UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFk\
        MLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujG\
        bds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN\
        9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWyw\
        lVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let jwk = json!({ "kty": "RSA", "n": modulus, "e": "AQAB" });
    verify_appendix(jwk, &format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{signature}"));
}

#[test]
fn rfc7515_a3_es256() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    verify_appendix(jwk, &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{signature}"));
}

#[test]
fn rfc7638_s31_thumbprint() {
    let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX\
        jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb\
        9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44\
        -csFCur-kEgU8awapJzKnqDKgw";
    let jwk =
        members(json!({ "kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" }));
    assert_eq!(thumbprint(&jwk).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
}

#[test]
fn thumbprints_need_their_members() {
    assert_eq!(thumbprint(&members(json!({ "kty": "RSA", "n": "AQ" }))), None);
    assert_eq!(thumbprint(&members(json!({ "kty": "RSA", "n": "AQ", "e": 3 }))), None);
    assert_eq!(thumbprint(&members(json!({ "kty": "oct", "k": "AQ" }))), None);
}

#[test]
fn rfc8037_a_ed25519() {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let jwk = members(json!({ "kty": "OKP", "crv": "Ed25519", "x": x }));
    assert_eq!(thumbprint(&jwk).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));

    // The PKCS#8 frame of RFC 8410 §7 around the private key of appendix A.1.
    let mut pkcs8 = base64url_decode("MC4CAQAwBQYDK2VwBCIEIA").unwrap();
    pkcs8.extend(base64url_decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap());
    let key = PrivateKey::from_pkcs8(Algorithm::EdDsa, &pkcs8).unwrap();
    assert_eq!(key.public_jwk(key.kid())["x"], x);

    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = key.sign(message.as_bytes()).unwrap();
    assert_eq!(base64url(&signature), expected);
    let public = VerificationKey::from_jwk(&jwk, Algorithm::EdDsa, None).unwrap();
    assert_eq!(public.check(message, expected, &signature), Ok(()));
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

        let ours = ring.verify(&token, &Expect::new(&["at+jwt"], "https://i", now).audience(&["b"])).unwrap();
        assert_eq!(Value::Object(ours.as_map().clone()), claims);
        assert_eq!(ours.scope().collect::<Vec<_>>(), ["openid", "email"]);
        assert_eq!(
            (ours.str("sub"), ours.int("iat"), ours.bool("ok")),
            (Some("s"), Some(1_800_000_000), Some(true))
        );
        assert_eq!((ours.str("iat"), ours.int("sub"), ours.bool("sub")), (None, None, None));
        assert_eq!(ours.list("aud"), ["a", "b"]);
        assert_eq!(ours.expires_at(), Some(Timestamp::from_seconds(4_000_000_000)));

        // A client's JWKS is read by the same rules.
        let foreign = VerificationKeys::from_jwks(&ring.jwks_at(now).body).unwrap();
        assert!(foreign.verify(&token, &Expect::new(&["at+jwt"], "https://i", now)).is_ok());
    }
}

#[test]
fn a_short_rsa_private_key_is_refused() {
    let pkcs8 = base64url_decode(RSA_1024).unwrap();
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        assert!(matches!(PrivateKey::from_pkcs8(algorithm, &pkcs8), Err(Error::KeyRejected(_))));
    }
}

#[test]
fn foreign_keys_are_checked_or_passed_over() {
    let ec = PrivateKey::generate(Algorithm::Es256, 0).unwrap();
    let jwk = ec.public_jwk(ec.kid());
    let with = |changes: Value| {
        let mut changed = jwk.clone();
        changed.extend(members(changes));
        changed.retain(|_, value| !value.is_null());
        Value::Object(changed)
    };
    let read = |keys: Value| VerificationKeys::from_jwks(json!({ "keys": keys }).to_string().as_bytes());
    assert_eq!(read(json!([with(json!({}))])).unwrap().len(), 1);
    assert_eq!(read(json!([with(json!({ "alg": null, "use": null, "kid": null }))])).unwrap().len(), 1);
    for passed_over in [
        json!({ "use": "enc" }),
        json!({ "use": 1 }),
        json!({ "alg": "ES384" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "RS256" }),
        json!({ "crv": "P-384" }),
        json!({ "kty": "oct", "k": "AAAA" }),
        json!({ "kty": null }),
        json!({ "key_ops": ["sign"] }),
        json!({ "key_ops": "verify" }),
    ] {
        assert!(read(json!([with(passed_over.clone())])).unwrap().is_empty(), "{passed_over}");
    }
    let short_x = base64url(&[7; 31]);
    for refused in [
        json!({ "d": "AAAA" }),
        json!({ "x": null }),
        json!({ "x": 7 }),
        json!({ "x": short_x }),
        json!({ "x": base64url(&[1; 32]), "y": base64url(&[1; 32]) }),
        json!({ "kid": 7 }),
        json!({ "y": format!("{}=", jwk["y"].as_str().unwrap()) }),
    ] {
        assert!(read(json!([with(refused.clone())])).is_err(), "{refused}");
    }
    assert!(read(json!([with(json!({})), with(json!({}))])).is_err(), "one kid twice");
    assert!(read(json!([1])).is_err());
    assert!(read(json!(vec![with(json!({ "kty": "x" })); 33])).is_err(), "too many");
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(VerificationKeys::from_jwks(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn foreign_rsa_keys_are_sound_or_refused() {
    let read = |n: &[u8], e: &[u8]| {
        let jwk = json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) });
        VerificationKeys::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes())
    };
    let good = [0xc1; 256];
    assert!(read(&good, &[1, 0, 1]).is_ok());
    assert!(read(&good, &[3]).is_ok());
    for exponent in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[0, 3], &[1, 0, 0, 0, 1]] {
        assert!(read(&good, exponent).is_err(), "{exponent:?}");
    }
    let mut padded = vec![0];
    padded.extend(good);
    let mut even = good;
    even[255] = 0xc0;
    let mut bits_2047 = good;
    bits_2047[0] = 0x7f;
    for modulus in [&[][..], &[0xc1; 128], &[0xc1; 255], &[0xc1; 513], &padded, &even, &bits_2047] {
        assert!(read(modulus, &[1, 0, 1]).is_err(), "{} bytes", modulus.len());
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
