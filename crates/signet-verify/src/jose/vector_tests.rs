//! The examples of RFC 7515, RFC 7520, RFC 7638 and RFC 8037, as they are and tampered with.

use serde_json::{Map, Value, json};

use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::claims::Expect;
use crate::jose::jwk::{KeySet, PublicKey};
use crate::jose::jws::{self, NO_TYP, Rejected, Terms};
use crate::jose::signer_tests::Signer;
use crate::jose::thumbprint::thumbprint;

fn members(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn set(jwk: &Value) -> KeySet {
    let set = KeySet::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    assert_eq!(set.len(), 1);
    set
}

/// The payload of RFC 7515 appendices A.1 to A.3.
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn verify_appendix(jwk: &Value, token: &str) {
    let keys = set(jwk);
    let expect = Expect { required: &["iss", "exp"], ..Expect::new(&[NO_TYP], "joe", 1_300_819_379_000) };
    let claims = jws::verify(token, &keys, &expect).unwrap().claims;
    assert_eq!(claims.bool("http://example.com/is_root"), Some(true));
    let late = Expect { now_millis: 1_300_819_380_000, ..expect };
    assert_eq!(jws::verify(token, &keys, &late), Err(Rejected::Expired));
    assert!(jws::verify(token, &keys, &Expect { allow_expired: true, ..late }).is_ok());
    no_flipped_character_passes(token, |tampered| jws::verify(tampered, &keys, &expect).is_ok());
}

fn no_flipped_character_passes(token: &str, passes: impl Fn(&str) -> bool) {
    assert!(passes(token));
    for index in 0..token.len() {
        let mut bytes = token.as_bytes().to_vec();
        bytes[index] ^= 1;
        assert!(!passes(std::str::from_utf8(&bytes).unwrap()), "character {index}");
    }
}

#[test]
fn rfc7515_a1_hs256_is_refused_whatever_the_key() {
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let token = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}.{signature}");
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let expect = Expect::new(&["JWT"], "joe", 1_300_819_379_000);
    let symmetric = json!({ "keys": [{ "kty": "oct", "k": secret }] }).to_string();
    let symmetric = KeySet::from_jwks(symmetric.as_bytes()).unwrap();
    assert_eq!(jws::verify(&token, &symmetric, &expect), Err(Rejected::KidMissing));
    for algorithm in Algorithm::ALL {
        let keys = set(&Signer::generate(algorithm).jwk());
        assert_eq!(jws::verify(&token, &keys, &expect), Err(Rejected::Algorithm));
    }
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
    verify_appendix(&jwk, &format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{signature}"));
}

#[test]
fn rfc7515_a3_es256() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    verify_appendix(&jwk, &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{signature}"));
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

/// The payload of RFC 7520 §4: a sentence, and so nothing but a payload.
const SENTENCE: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250by\
    B0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3\
    ZXB0IG9mZiB0by4";

#[test]
fn rfc7520_s41_rs256() {
    let modulus = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSF\
        KrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpP\
        I9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkR\
        z5iaiQkqgc5gHdrNP5zw";
    let signature = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi8\
        4wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8\
        Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH8\
        4ogoree7vjbU5y18kDquDg";
    let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    let token = format!("{header}.{SENTENCE}.{signature}");
    let jwk = json!({ "kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "n": modulus, "e": "AQAB" });
    let keys = set(&jwk);
    let terms = Terms { longest: 8192, typ: &[NO_TYP], now_millis: 0 };
    let opened = jws::open(&token, &keys, &terms).unwrap();
    let sentence = String::from_utf8(opened.payload).unwrap();
    assert!(
        sentence.starts_with("It\u{2019}s a dangerous business, Frodo")
            && sentence.ends_with("swept off to.")
    );
    assert_eq!(opened.header.get("alg").unwrap(), "RS256");
    no_flipped_character_passes(&token, |tampered| jws::open(tampered, &keys, &terms).is_ok());
    let expect = Expect::new(&[NO_TYP], "joe", 0);
    assert_eq!(jws::verify(&token, &keys, &expect), Err(Rejected::PayloadForm), "it is no JWT");
    assert_eq!(jws::open(&token, &keys, &Terms { longest: 100, ..terms }), Err(Rejected::TooLong));
}

#[test]
fn rfc7520_s43_es512_is_an_algorithm_of_others() {
    let jwk = json!({ "kty": "EC", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1" });
    let set = KeySet::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    assert!(set.is_empty());
    assert_eq!(set.len(), 0);
}

#[test]
fn rfc8037_a_ed25519() {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    assert_eq!(
        thumbprint(&members(jwk.clone())).as_deref(),
        Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    );

    let seed = base64url::decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let signer = Signer::from_ed25519_seed(&seed, &base64url::decode(x).unwrap());
    let content = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(base64url::encode(&signer.sign(content.as_bytes())), signature);

    let keys = set(&jwk);
    let terms = Terms { longest: 8192, typ: &[NO_TYP], now_millis: 0 };
    let token = format!("{content}.{signature}");
    assert_eq!(jws::open(&token, &keys, &terms).unwrap().payload, b"Example of Ed25519 signing");
    no_flipped_character_passes(&token, |tampered| jws::open(tampered, &keys, &terms).is_ok());
    assert!(PublicKey::from_jwk(&members(jwk), Algorithm::Es256).is_err());
}
