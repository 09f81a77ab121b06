//! The form of a token and its header: `alg`, `kid`, `typ`, forbidden members, sizes, serialisations.

use super::*;

#[test]
fn alg_none_in_every_spelling() {
    let bench = bench();
    let key = bench.key(Algorithm::Es256);
    for alg in ["none", "None", "NONE", "nOnE", "", " none", "none\u{0}"] {
        let content = content(&Bench::header(key, &json!({ "alg": alg })), &good_claims().to_string());
        let signature = base64url(&key.sign(content.as_bytes()).unwrap());
        assert_eq!(bench.verify(&format!("{content}.{signature}")), Err(Rejected::Algorithm), "{alg:?}");
        assert_eq!(bench.verify(&format!("{content}.")), Err(Rejected::Encoding), "{alg:?}");
        assert_eq!(bench.verify(&content), Err(Rejected::Parts), "{alg:?}");
    }
}

#[test]
fn alg_of_another_type_or_case_or_family() {
    let bench = bench();
    for alg in [
        json!(null),
        json!(1),
        json!(["ES256"]),
        json!({ "a": 1 }),
        json!(true),
        json!("es256"),
        json!("ES256 "),
        json!("ES384"),
        json!("ES256K"),
        json!("RS256"),
        json!("PS256"),
        json!("EdDSA"),
        json!("HS256"),
        json!("RSA1_5"),
        json!("dir"),
        json!("PBES2-HS256+A128KW"),
    ] {
        assert_eq!(bench.with_header(&json!({ "alg": alg })), Err(Rejected::Algorithm), "{alg}");
    }
}

#[test]
fn keys_brought_along_and_extensions_are_refused() {
    let bench = bench();
    let evil = PrivateKey::generate(Algorithm::Es256, 0).unwrap();
    let own = bench.key(Algorithm::Es256);
    let jwk = Value::Object(evil.public_jwk(own.kid()));
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jwk", json!({})),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5c", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("crit", json!("x")),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        assert_eq!(bench.with_header(&json!({ name: value })), Err(Rejected::HeaderMember), "{name}");
        let by_evil = signed(&evil, &Bench::header(own, &json!({ name: value })), &good_claims().to_string());
        assert_eq!(bench.verify(&by_evil), Err(Rejected::HeaderMember), "{name}");
    }
    let by_evil = signed(&evil, &Bench::header(own, &json!({})), &good_claims().to_string());
    assert_eq!(bench.verify(&by_evil), Err(Rejected::Signature));
}

#[test]
fn kid_is_a_name_and_nothing_more() {
    let bench = bench();
    let own = bench.key(Algorithm::Es256).kid().0.clone();
    for kid in [
        String::new(),
        "' OR '1'='1".into(),
        "x' UNION SELECT 'AAAA' --".into(),
        "../../../../dev/null".into(),
        "/proc/self/environ".into(),
        "|/bin/id".into(),
        "https://evil.example/k".into(),
        "0".into(),
        "*".into(),
        format!("{own} "),
        format!(" {own}"),
        format!("{own}\u{0}"),
        own.to_lowercase() + "_",
        own[1..].to_owned(),
    ] {
        assert_eq!(bench.with_header(&json!({ "kid": kid })), Err(Rejected::KidUnknown), "{kid:?}");
    }
    assert_eq!(bench.with_header(&json!({ "kid": null })), Err(Rejected::KidMissing));
    for kid in [json!(1), json!([own]), json!({ "kid": own }), json!(true)] {
        assert_eq!(bench.with_header(&json!({ "kid": kid })), Err(Rejected::HeaderForm), "{kid}");
    }
}

#[test]
fn typ_is_explicit() {
    let bench = bench();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(bench.with_header(&json!({ "typ": typ })).is_ok(), "{typ}");
    }
    for typ in [
        json!(null),
        json!(""),
        json!("JWT"),
        json!("jwt"),
        json!("logout+jwt"),
        json!("at+jwt "),
        json!("application/"),
        json!("application/application/at+jwt"),
        json!("text/at+jwt"),
        json!(1),
        json!(["at+jwt"]),
        json!({}),
    ] {
        assert_eq!(bench.with_header(&json!({ "typ": typ })), Err(Rejected::Typ), "{typ}");
    }
    let key = bench.key(Algorithm::Es256);
    let untyped = signed(key, &Bench::header(key, &json!({ "typ": null })), &good_claims().to_string());
    let empty = signed(key, &Bench::header(key, &json!({ "typ": "" })), &good_claims().to_string());
    let relaxed = Expect { typ: &["JWT", NO_TYP], ..expect() };
    assert!(bench.ring.verify(&untyped, &relaxed).is_ok());
    assert_eq!(bench.ring.verify(&empty, &relaxed), Err(Rejected::Typ));
}

#[test]
fn other_serialisations_and_part_counts() {
    let bench = bench();
    let good = bench.claims_token(&good_claims().to_string());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let json_form = json!({ "protected": header, "payload": payload, "signature": signature }).to_string();
    let general = json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature,
        "header": { "alg": "none" } }] });
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        json_form,
        general.to_string(),
        format!("{good}.{payload}.{signature}"),
        format!("{good}."),
        format!(".{good}"),
        format!("{header}..{signature}"),
        format!("{header}.{payload}."),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}"),
        format!("Bearer {good}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header}.{payload}\n.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}.{payload}.{signature}A"),
        good.replace('.', "\u{ff0e}"),
    ] {
        let result = bench.verify(&token);
        assert!(
            matches!(
                result,
                Err(Rejected::Parts
                    | Rejected::Encoding
                    | Rejected::HeaderForm
                    | Rejected::PayloadForm
                    | Rejected::SignatureForm
                    | Rejected::Signature)
            ),
            "{token}: {result:?}"
        );
    }
    // The last character of a 64-byte signature carries four unused bits: only one of 16 spellings is ours.
    let (head, last) = good.split_at(good.len() - 1);
    let accepted = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/"
        .chars()
        .filter(|c| bench.verify(&format!("{head}{c}")).is_ok())
        .collect::<String>();
    assert_eq!(accepted, last);
}

#[test]
fn size_is_checked_before_anything() {
    let bench = bench();
    assert_eq!(bench.verify(&".".repeat(1 << 20)), Err(Rejected::TooLong));
    assert_eq!(bench.verify(&".".repeat(LONGEST_TOKEN)), Err(Rejected::Parts));
    assert_eq!(bench.verify(&"A".repeat(LONGEST_TOKEN + 1)), Err(Rejected::TooLong));
    let nested = format!("{{\"a\":{}1{}}}", "[".repeat(2500), "]".repeat(2500));
    assert_eq!(bench.verify(&bench.claims_token(&nested)), Err(Rejected::PayloadForm));
}

#[test]
fn repeated_members_and_non_objects() {
    let bench = bench();
    let key = bench.key(Algorithm::Es256);
    let kid = key.kid();
    let claims = good_claims().to_string();
    for header in [
        format!(r#"{{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"x","\u006bid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}} "x""#),
        format!("\u{feff}{}", Bench::header(key, &json!({}))),
        "[]".into(),
        "null".into(),
        "\"x\"".into(),
        "{".into(),
        String::from(" "),
    ] {
        assert_eq!(bench.verify(&signed(key, &header, &claims)), Err(Rejected::HeaderForm), "{header}");
    }
    let open = claims.strip_suffix('}').unwrap();
    for claims in [
        format!(r#"{open},"sub":"admin"}}"#),
        format!(r#"{open},"s\u0075b":"admin"}}"#),
        format!(r#"{open},"x":{{"a":1,"a":2}}}}"#),
        format!(r#"{open},"x":[{{"a":1,"a":2}}]}}"#),
        format!(r#"{open},"exp":1e999}}"#),
        format!("[{claims}]"),
        format!("{claims}{claims}"),
        "null".into(),
    ] {
        assert_eq!(bench.verify(&bench.claims_token(&claims)), Err(Rejected::PayloadForm), "{claims}");
    }
}
