//! Key sets: what a client is told, and what a provider's set may hold besides usable keys.

use serde_json::{Map, Value, json};

use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::jwk::{KeySet, Origin, PublicKey, Unusable, read_set};
use crate::jose::jws::{Keys as _, Rejected};
use crate::jose::signer_tests::Signer;

type Read = Result<Vec<(Option<String>, PublicKey)>, Unusable>;

fn read(keys: &Value, origin: Origin) -> Read {
    read_set(json!({ "keys": keys }).to_string().as_bytes(), origin)
}

fn ec() -> Map<String, Value> {
    Signer::generate(Algorithm::Es256).jwk().as_object().unwrap().clone()
}

/// The JWK with `changes` laid over it; `null` removes a member.
fn with(jwk: &Map<String, Value>, changes: &Value) -> Value {
    let mut changed = jwk.clone();
    changed.extend(changes.as_object().unwrap().clone());
    changed.retain(|_, value| !value.is_null());
    Value::Object(changed)
}

#[test]
fn keys_for_other_purposes_are_passed_over_whoever_published_them() {
    let jwk = ec();
    for origin in [Origin::Client, Origin::Provider] {
        assert_eq!(read(&json!([jwk]), origin).unwrap().len(), 1);
        let bare = with(&jwk, &json!({ "alg": null, "use": null, "kid": null }));
        assert_eq!(read(&json!([bare]), origin).unwrap().len(), 1);
        assert_eq!(read(&json!([with(&jwk, &json!({ "key_ops": ["verify"] }))]), origin).unwrap().len(), 1);
        for other in [
            json!({ "use": "enc" }),
            json!({ "use": 1 }),
            json!({ "alg": "ES384" }),
            json!({ "alg": "HS256" }),
            json!({ "alg": "RS256" }),
            json!({ "alg": "none" }),
            json!({ "alg": ["ES256"] }),
            json!({ "crv": "P-384" }),
            json!({ "kty": "oct", "k": "AAAA" }),
            json!({ "kty": null }),
            json!({ "key_ops": ["sign"] }),
            json!({ "key_ops": "verify" }),
        ] {
            assert!(read(&json!([with(&jwk, &other)]), origin).unwrap().is_empty(), "{other} {origin:?}");
        }
    }
}

#[test]
fn a_client_is_told_of_an_unusable_key_and_a_provider_is_not() {
    let jwk = ec();
    for unusable in [
        json!({ "d": "AAAA" }),
        json!({ "p": "AAAA" }),
        json!({ "kty": "oct", "d": "AAAA" }),
        json!({ "x": null }),
        json!({ "x": 7 }),
        json!({ "x": base64url::encode(&[7; 31]) }),
        json!({ "x": base64url::encode(&[1; 32]), "y": base64url::encode(&[1; 32]) }),
        json!({ "kid": 7 }),
        json!({ "y": format!("{}=", jwk["y"].as_str().unwrap()) }),
    ] {
        let keys = json!([with(&jwk, &unusable), Signer::generate(Algorithm::EdDsa).jwk()]);
        assert!(read(&keys, Origin::Client).is_err(), "{unusable}");
        let usable = read(&keys, Origin::Provider).unwrap();
        assert_eq!(usable.len(), 1, "{unusable}");
        assert_eq!(usable[0].1.algorithm(), Algorithm::EdDsa);
    }
    let keys = json!([1, jwk]);
    assert!(read(&keys, Origin::Client).is_err());
    assert_eq!(read(&keys, Origin::Provider).unwrap().len(), 1);
}

#[test]
fn of_two_keys_with_one_name_a_client_is_told_and_of_a_providers_the_first_counts() {
    let (first, second) = (ec(), ec());
    let keys = json!([first, second]);
    assert!(read(&keys, Origin::Client).is_err());
    let usable = read(&keys, Origin::Provider).unwrap();
    assert_eq!(usable.len(), 1);
    let alone = read(&json!([first]), Origin::Client).unwrap();
    assert_eq!(usable[0].1.components(), alone[0].1.components());

    // One that serves another purpose does not count, wherever it stands.
    let encrypting = with(&second, &json!({ "use": "enc" }));
    for keys in [json!([encrypting, first]), json!([first, encrypting])] {
        for origin in [Origin::Client, Origin::Provider] {
            assert_eq!(read(&keys, origin).unwrap().len(), 1);
        }
    }
}

#[test]
fn a_providers_set_of_many_kinds_gives_its_usable_keys() {
    let rsa = Signer::generate(Algorithm::Rs256).jwk();
    let rsa = rsa.as_object().unwrap();
    let text = json!({ "keys": [
        with(rsa, &json!({ "kid": "enc", "use": "enc", "alg": "RSA-OAEP" })),
        with(rsa, &json!({ "kid": "oaep", "use": null, "alg": "RSA-OAEP-256" })),
        { "kty": "EC", "crv": "P-521", "kid": "es512", "alg": "ES512", "x": "AA", "y": "AA" },
        { "kty": "EC", "crv": "secp256k1", "kid": "es256k", "x": "AA", "y": "AA" },
        { "kty": "RSA", "kid": "certificate", "x5c": ["MIIB"] },
        { "kty": "RSA", "kid": "short", "n": base64url::encode(&[0xc1; 128]), "e": "AQAB" },
        { "kty": "RSA", "kid": "long", "n": base64url::encode(&[0xc1; 1024]), "e": "AQAB" },
        { "kty": "oct", "kid": "secret", "k": "AAAA", "alg": "HS256" },
        { "kty": "OKP", "crv": "X25519", "kid": "x", "x": base64url::encode(&[9; 32]) },
        with(rsa, &json!({ "kid": "private", "d": "AAAA" })),
        with(rsa, &json!({ "kid": "good", "alg": null, "x5c": ["MIIB"], "x5t": "AA" })),
        with(rsa, &json!({ "kid": "pss", "alg": "PS256" })),
    ], "provider": "example" });
    let set = KeySet::from_jwks(text.to_string().as_bytes()).unwrap();
    assert_eq!(set.len(), 2);
    let algorithm = |kid: &str| set.find(Some(kid), 0).map(|(_, key)| key.algorithm());
    assert_eq!(algorithm("good"), Ok(Algorithm::Rs256));
    assert_eq!(algorithm("pss"), Ok(Algorithm::Ps256));
    assert!(set.has("good") && !set.has("enc") && !set.has("secret"));
    assert_eq!(algorithm("private"), Err(Rejected::KidUnknown));
    assert!(matches!(set.find(None, 0), Err(Rejected::KidMissing)));
}

#[test]
fn what_is_no_set_or_too_large_is_refused_whoever_published_it() {
    let passed_over = json!({ "kty": "x" });
    for (origin, keys, bytes) in [(Origin::Client, 32, 64 * 1024), (Origin::Provider, 256, 512 * 1024)] {
        assert!(read(&json!(vec![passed_over.clone(); keys]), origin).is_ok());
        assert!(read(&json!(vec![passed_over.clone(); keys + 1]), origin).is_err());
        let padded = |length: usize| format!("{{\"keys\":[]{}}}", " ".repeat(length - 11));
        assert!(read_set(padded(bytes).as_bytes(), origin).is_ok());
        assert!(read_set(padded(bytes + 1).as_bytes(), origin).is_err());
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, r#"{"keys":[]}x"#] {
            assert!(read_set(text.as_bytes(), origin).is_err(), "{text}");
        }
        assert!(read_set(br#"{"keys":[{"kty":"x","kty":"y"}]}"#, origin).is_err());
    }
}

#[test]
fn rsa_keys_are_sound_or_refused() {
    let read = |n: &[u8], e: &[u8]| {
        let jwk = json!({ "kty": "RSA", "n": base64url::encode(n), "e": base64url::encode(e) });
        read(&json!([jwk]), Origin::Client)
    };
    let good = [0xc1; 256];
    assert!(read(&good, &[1, 0, 1]).is_ok());
    assert!(read(&good, &[3]).is_ok());
    assert!(read(&[0xc1; 512], &[1, 0, 1]).is_ok());
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

#[test]
fn coordinates_have_their_full_length() {
    let jwk = ec();
    let coordinate = |name: &str| base64url::decode(jwk[name].as_str().unwrap()).unwrap();
    let both = [coordinate("x"), coordinate("y")].concat();
    // The same 64 bytes, cut elsewhere: RFC 7518 §6.2.1.2 gives a key one spelling.
    for cut in [0, 31, 33, 64] {
        let (x, y) = both.split_at(cut);
        let changes = json!({ "x": base64url::encode(x), "y": base64url::encode(y) });
        assert!(read(&json!([with(&jwk, &changes)]), Origin::Client).is_err(), "{cut}");
    }
    let ed = Signer::generate(Algorithm::EdDsa).jwk();
    let x = base64url::decode(ed["x"].as_str().unwrap()).unwrap();
    for bytes in [&x[1..], &[&x[..], &[0]].concat(), &[]] {
        let mut changed = ed.clone();
        changed["x"] = json!(base64url::encode(bytes));
        assert!(read(&json!([changed]), Origin::Client).is_err(), "{} bytes", bytes.len());
    }
}
