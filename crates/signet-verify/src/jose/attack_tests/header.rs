//! The form of a token and its header: `alg`, `kid`, `typ`, forbidden members, sizes, serialisations.

use super::*;

#[test]
fn alg_none_in_every_spelling() {
    let bench = bench();
    let key = bench.key(Algorithm::Es256);
    for alg in ["none", "None", "NONE", "nOnE", "", " none", "none\u{0}", "NonE"] {
        let content = content(&Bench::header(key, &json!({ "alg": alg })), &good_claims().to_string());
        let signature = base64url::encode(&key.sign(content.as_bytes()));
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
        json!(["none"]),
        json!([]),
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
        json!("HS384"),
        json!("HS512"),
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
    let evil = Signer::generate(Algorithm::Es256);
    let own = bench.key(Algorithm::Es256);
    let mut jwk = evil.jwk();
    jwk["kid"] = json!(own.kid);
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jwk", json!({})),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5c", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(["alg"])),
        ("crit", json!(["x-unknown"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("crit", json!("x")),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        assert_eq!(bench.with_header(&json!({ name: value })), Err(Rejected::HeaderMember), "{name}");
        let by_evil = evil.token(&Bench::header(own, &json!({ name: value })), &good_claims().to_string());
        assert_eq!(bench.verify(&by_evil), Err(Rejected::HeaderMember), "{name}");
    }
    let by_evil = evil.token(&Bench::header(own, &json!({})), &good_claims().to_string());
    assert_eq!(bench.verify(&by_evil), Err(Rejected::Signature));
}

#[test]
fn kid_is_a_name_and_nothing_more() {
    let bench = Bench::new(&[Algorithm::Es256, Algorithm::EdDsa]);
    let own = bench.key(Algorithm::Es256).kid.clone();
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
        own.to_uppercase(),
        "a".repeat(4000),
        own[1..].to_owned(),
    ] {
        assert_eq!(bench.with_header(&json!({ "kid": kid })), Err(Rejected::KidUnknown), "{kid:?}");
    }
    assert_eq!(bench.with_header(&json!({ "kid": null })), Err(Rejected::KidMissing));
    // The name of another key of the set is that key.
    let other = bench.key(Algorithm::EdDsa).kid.clone();
    assert_eq!(bench.with_header(&json!({ "kid": other })), Err(Rejected::Algorithm));
    for kid in [json!(1), json!([own]), json!([]), json!({ "kid": own }), json!(true)] {
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
    let untyped = key.token(&Bench::header(key, &json!({ "typ": null })), &good_claims().to_string());
    let empty = key.token(&Bench::header(key, &json!({ "typ": "" })), &good_claims().to_string());
    let relaxed = Expect { typ: &["JWT", NO_TYP], ..expect() };
    assert!(bench.verify_as(&untyped, &relaxed).is_ok());
    assert_eq!(bench.verify_as(&empty, &relaxed), Err(Rejected::Typ));
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
        format!("{good}\0"),
        format!("{good}{good}"),
        format!("{header}.{}.{signature}", payload.replacen('e', "e\n", 1)),
        format!("{}.{payload}.{signature}", header.replacen('e', "e ", 1)),
        format!("{header}=.{payload}.{signature}"),
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
    let kid = &key.kid;
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
        assert_eq!(bench.verify(&key.token(&header, &claims)), Err(Rejected::HeaderForm), "{header}");
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

#[test]
fn a_payload_that_is_not_utf8_or_nested_deeply_is_refused() {
    let bench = bench();
    let key = bench.key(Algorithm::Es256);
    let header = Bench::header(key, &json!({}));
    let claims = good_claims().to_string();
    let open = claims.strip_suffix('}').unwrap();
    let latin = [open.as_bytes(), b",\"name\":\"\xe9\"}"].concat();
    assert_eq!(bench.verify(&key.token_of(header.as_bytes(), &latin)), Err(Rejected::PayloadForm));
    let latin_header = [header.strip_suffix('}').unwrap().as_bytes(), b",\"x\":\"\xe9\"}"].concat();
    let token = key.token_of(&latin_header, claims.as_bytes());
    assert_eq!(bench.verify(&token), Err(Rejected::HeaderForm));
    let nested = |depth: usize| format!("{open},\"x\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(bench.verify(&bench.claims_token(&nested(7))).is_ok());
    assert_eq!(bench.verify(&bench.claims_token(&nested(8))), Err(Rejected::PayloadForm));
}

#[test]
fn a_token_may_go_without_kid_where_there_is_one_key() {
    let single = bench();
    let key = single.key(Algorithm::Es256);
    let token = key.token(&Bench::header(key, &json!({ "kid": null })), &good_claims().to_string());
    let verified = jws::verify(&token, &single.set, &expect()).unwrap();
    assert_eq!(verified.kid.as_deref(), Some(key.kid.as_str()), "it is known by its key's name");
    let nothing = KeySet::from_jwks(br#"{"keys":[]}"#).unwrap();
    assert_eq!(jws::verify(&token, &nothing, &expect()), Err(Rejected::KidMissing));
}

#[test]
fn nothing_of_a_payload_is_looked_at_before_its_signature_holds() {
    let bench = bench();
    let key = bench.key(Algorithm::Es256);
    let evil = Signer::generate(Algorithm::Es256);
    for payload in ["", "{", "{\"a\":1,\"a\":2}", "{\"iss\":\"https://evil.example\"}", "{\"exp\":1}"] {
        let header = Bench::header(key, &json!({}));
        let result = bench.verify(&evil.token(&header, &format!(" {payload}")));
        assert_eq!(result, Err(Rejected::Signature), "{payload}");
    }
}
