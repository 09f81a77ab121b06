//! The claims of a token: types, issuer, audience, times.

use super::*;

#[test]
fn every_claim_with_every_json_type() {
    let bench = bench();
    let values = [
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(NOW),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("user"),
        json!(ISSUER),
        json!("https://api"),
        json!(NOW.to_string()),
        json!([]),
        json!([ISSUER]),
        json!(["https://api"]),
        json!(["https://api", 1]),
        json!([["https://api"]]),
        json!([NOW]),
        json!({}),
        json!({ "https://api": 1 }),
        json!({ "$gt": 0 }),
    ];
    for claim in good_claims().as_object().unwrap().keys() {
        for value in &values {
            let accepted = match claim.as_str() {
                "iss" => value == ISSUER,
                "aud" => *value == json!("https://api") || *value == json!(["https://api"]),
                // NOW itself has just expired; 1.5 and 0 have long ago; the others are no dates.
                "exp" => false,
                "iat" | "nbf" | "auth_time" => {
                    value.as_f64().is_some_and(|seconds| (0.0..=1_800_000_000.0).contains(&seconds))
                }
                _ => value.is_string(),
            };
            let result = bench.with_claims(&json!({ claim: value }));
            assert_eq!(result.is_ok(), accepted, "{claim}: {value} gave {result:?}");
        }
        // JSON null is a value, not absence.
        let mut with_null = good_claims();
        with_null[claim.as_str()] = Value::Null;
        assert!(bench.verify(&bench.claims_token(&with_null.to_string())).is_err(), "{claim}: null");
        // Absence, which `laid_over` makes of a null.
        let absent = bench.with_claims(&json!({ claim: null }));
        match Expect::REQUIRED.iter().find(|name| *name == claim) {
            Some(name) => assert_eq!(absent, Err(Rejected::ClaimMissing(name))),
            None => assert!(absent.is_ok(), "{claim} is optional: {absent:?}"),
        }
    }
}

#[test]
fn issuer_and_audience_are_exact() {
    let bench = bench();
    for iss in [
        format!("{ISSUER}/"),
        ISSUER.to_uppercase(),
        format!(" {ISSUER}"),
        "https://issuer.example.evil".into(),
    ] {
        assert_eq!(bench.with_claims(&json!({ "iss": iss })), Err(Rejected::Issuer), "{iss}");
    }
    for aud in [
        json!("https://api/"),
        json!("HTTPS://API"),
        json!("api"),
        json!(["x", "y"]),
        json!("https://api other"),
    ] {
        assert_eq!(bench.with_claims(&json!({ "aud": aud })), Err(Rejected::Audience), "{aud}");
    }
    assert!(bench.with_claims(&json!({ "aud": ["x", "other"] })).is_ok());
    let token = bench.claims_token(&laid_over(&good_claims(), &json!({ "aud": null })).to_string());
    let optional = Expect { required: &["iss"], ..expect() };
    assert_eq!(bench.verify_as(&token, &optional), Err(Rejected::Audience), "absent is not contained");
    assert!(bench.verify_as(&token, &Expect { audience: None, ..optional }).is_ok());
}

#[test]
fn times_have_exact_edges() {
    let bench = bench();
    let verify = |claims: Value, change: &dyn Fn(Expect<'static>) -> Expect<'static>| {
        bench.verify_as(
            &bench.claims_token(&laid_over(&good_claims(), &claims).to_string()),
            &change(expect()),
        )
    };
    let plain = |claims| verify(claims, &|expect| expect).map(drop);
    assert_eq!(plain(json!({ "exp": NOW + 1 })), Ok(()));
    assert_eq!(plain(json!({ "exp": f64::from(1_800_000_000) + 0.5 })), Ok(()));
    assert_eq!(plain(json!({ "exp": NOW })), Err(Rejected::Expired));
    assert_eq!(plain(json!({ "iat": NOW + 10, "nbf": NOW + 10 })), Ok(()));
    assert_eq!(plain(json!({ "iat": NOW + 11 })), Err(Rejected::IssuedAhead));
    assert_eq!(plain(json!({ "nbf": NOW + 11 })), Err(Rejected::NotYetValid));

    let day = std::time::Duration::from_secs(86_400);
    let lenient =
        |claims| verify(claims, &|expect| Expect { exp_leeway: day, future_leeway: day, ..expect }).map(drop);
    assert_eq!(lenient(json!({ "exp": NOW - 29 })), Ok(()));
    assert_eq!(lenient(json!({ "exp": NOW - 30 })), Err(Rejected::Expired), "leeway is capped");
    assert_eq!(lenient(json!({ "iat": NOW + 60 })), Ok(()));
    assert_eq!(lenient(json!({ "iat": NOW + 61 })), Err(Rejected::IssuedAhead), "leeway is capped");

    let hint = |claims| verify(claims, &|expect| Expect { allow_expired: true, ..expect }).map(drop);
    assert_eq!(hint(json!({ "exp": 1 })), Ok(()));
    assert_eq!(hint(json!({ "exp": "1" })), Err(Rejected::ClaimType("exp")));
    assert_eq!(hint(json!({ "iat": NOW + 11 })), Err(Rejected::IssuedAhead));
}

#[test]
fn reasons_tell_nothing_of_the_token() {
    let bench = bench();
    let canary = "canary-7f3a";
    for result in [
        bench.with_claims(&json!({ "iss": canary })),
        bench.with_claims(&json!({ "aud": [canary, 1] })),
        bench.with_header(&json!({ "kid": canary })),
        bench.with_header(&json!({ "alg": canary })),
    ] {
        let rejected = result.unwrap_err();
        assert!(!format!("{rejected} {rejected:?} {}", rejected.reason()).contains(canary));
    }
    assert_eq!(Rejected::ClaimType("aud").to_string(), "a claim has the wrong type (aud)");
    assert_eq!(Rejected::ClaimType("aud").claim(), Some("aud"));
}
