//! Signed access tokens (RFC 9068 §4, RFC 8725).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use signet_verify::testing::{Mint, TestKey};
use signet_verify::verifier::{Rejection, Verifier, VerifierBuilder};

use crate::support::{API, Bench};

#[tokio::test]
async fn issuer_and_audience_are_all_it_takes() {
    let bench = Bench::new();
    let token = bench.issuer.token(API).subject("alice").scope("read write").session("s1").sign();
    let token = bench.bearer(&token).await.unwrap();
    assert_eq!(
        (token.subject(), token.client_id(), token.session()),
        (Some("alice"), Some("client"), Some("s1"))
    );
    assert_eq!(token.scopes().collect::<Vec<_>>(), ["read", "write"]);
    assert_eq!(token.audience(), [API]);
    assert_eq!(token.issuer(), Some(bench.issuer.issuer()));
    assert_eq!(token.key_id(), Some(bench.issuer.key().kid()));
}

type Change = fn(Mint) -> Mint;

#[tokio::test]
async fn what_is_no_good_access_token_for_this_resource_is_invalid_token() {
    let bench = Bench::new();
    let cases: [(&str, Change); 17] = [
        ("expired", |mint| mint.expires_in(0)),
        ("another audience", |mint| mint.claim("aud", json!("https://other.example"))),
        ("audience of another type", |mint| mint.claim("aud", json!(1))),
        ("no audience", |mint| mint.claim("aud", Value::Null)),
        ("another issuer", |mint| mint.claim("iss", json!("https://other.example"))),
        ("no subject", |mint| mint.claim("sub", Value::Null)),
        ("no client", |mint| mint.claim("client_id", Value::Null)),
        ("no name", |mint| mint.claim("jti", Value::Null)),
        ("no end", |mint| mint.claim("exp", Value::Null)),
        ("an end of another type", |mint| mint.claim("exp", json!("9999999999"))),
        ("issued ahead", |mint| mint.claim("iat", json!(crate::support::NOW + 11))),
        ("valid ahead", |mint| mint.claim("nbf", json!(crate::support::NOW + 11))),
        ("an ID token", |mint| mint.header("typ", json!("JWT"))),
        ("no type", |mint| mint.header("typ", Value::Null)),
        ("no signature algorithm", |mint| mint.header("alg", json!("none"))),
        ("a critical extension", |mint| mint.header("crit", json!(["x"]))),
        ("a forged signature", |mint| mint.forged_by(&Arc::new(TestKey::generate()))),
    ];
    for (what, change) in cases {
        let refusal = bench.bearer(&change(bench.issuer.token(API)).sign()).await.unwrap_err();
        assert_eq!((refusal.status, refusal.error()), (401, Some("invalid_token")), "{what}");
    }
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
}

#[tokio::test]
async fn all_of_them_get_the_same_answer() {
    let bench = Bench::new();
    let expired = bench.bearer(&bench.issuer.token(API).expires_in(-1).sign()).await.unwrap_err();
    let foreign = bench.bearer(&bench.issuer.token("other").sign()).await.unwrap_err();
    assert_eq!((expired.headers(), expired.body), (foreign.headers(), foreign.body));
}

#[tokio::test]
async fn several_audiences_may_be_ours() {
    let bench = Bench::with(|builder| builder.audience("second"));
    assert_eq!(bench.status(&bench.issuer.token("second").sign()).await, 200);
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    assert_eq!(bench.status(&bench.issuer.token("third").sign()).await, 401);
}

#[tokio::test]
async fn an_untyped_token_is_accepted_on_request_and_an_id_token_never() {
    let bench = Bench::with(VerifierBuilder::accept_untyped);
    let untyped = || bench.issuer.token(API).header("typ", json!("JWT")).claim("jti", Value::Null);
    assert_eq!(bench.status(&untyped().sign()).await, 200);
    assert_eq!(bench.status(&untyped().header("typ", Value::Null).sign()).await, 200);
    let id_tokens: [Change; 7] = [
        |mint| mint.claim("nonce", json!("n")),
        |mint| mint.claim("at_hash", json!("h")),
        |mint| mint.claim("events", json!({})),
        |mint| mint.claim("client_id", json!(API)),
        |mint| mint.claim("azp", json!(API)),
        |mint| mint.claim("aud", json!([API, "client"])),
        |mint| mint.header("typ", json!("logout+jwt")),
    ];
    for change in id_tokens {
        let mint = change(untyped());
        assert_eq!(bench.status(&mint.sign()).await, 401, "{:?}", mint.claims());
    }
}

#[tokio::test]
async fn the_end_is_kept_to_the_leeway_and_no_further_also_from_the_cache() {
    let bench = Bench::with(|builder| builder.leeway(Duration::from_secs(5)));
    let token = bench.issuer.token(API).expires_in(10).sign();
    assert_eq!(bench.status(&token).await, 200);
    bench.clock.advance(Duration::from_millis(14_999));
    assert_eq!(bench.status(&token).await, 200);
    assert_eq!(bench.verifier.stats().signatures, 1, "the second was from the cache");
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.status(&token).await, 401);
    let builder = Verifier::builder("https://a.example", API).leeway(Duration::from_secs(31));
    assert!(builder.build().is_err());
}

#[tokio::test]
async fn a_refused_token_leaves_no_trace_in_the_cache() {
    let bench = Bench::new();
    let token = bench.issuer.token(API).claim("nbf", json!(crate::support::NOW + 20)).sign();
    assert_eq!(bench.status(&token).await, 401);
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(bench.status(&token).await, 200);
}

#[tokio::test]
async fn the_cache_is_bounded_and_can_be_off() {
    let bench = Bench::with(|builder| builder.cache_capacity(0));
    let token = bench.issuer.token(API).sign();
    for _ in 0..3 {
        assert_eq!(bench.status(&token).await, 200);
    }
    assert_eq!((bench.verifier.stats().signatures, bench.verifier.stats().cached), (3, 0));
    let bench = Bench::with(|builder| builder.cache_capacity(10));
    let tokens: Vec<String> = (0..100).map(|_| bench.issuer.token(API).sign()).collect();
    for _ in 0..2 {
        for token in &tokens {
            assert_eq!(bench.status(token).await, 200);
        }
    }
    assert!(bench.verifier.stats().cached <= 10, "{:?}", bench.verifier.stats());
}

#[tokio::test]
async fn a_token_bound_by_means_unknown_here_is_refused() {
    let bench = Bench::new();
    for cnf in [
        json!({"x5t#S256": "x"}),
        json!({"jkt": "a", "x5t#S256": "x"}),
        json!({}),
        json!("x"),
        json!({"jkt": 1}),
    ] {
        let token = bench.issuer.token(API).claim("cnf", cnf).sign();
        assert_eq!(bench.status(&token).await, 401);
    }
}

#[tokio::test]
async fn outside_of_a_request_a_bound_token_is_refused() {
    let bench = Bench::new();
    let key = TestKey::generate();
    assert!(bench.verifier.verify(&bench.issuer.token(API).sign()).await.is_ok());
    let bound = bench.verifier.verify(&bench.issuer.token(API).bound_to(&key).sign()).await;
    assert_eq!(bound.unwrap_err(), Rejection::Bound);
}

#[tokio::test]
async fn nothing_of_a_token_is_printed() {
    let bench = Bench::introspecting();
    let text = bench.issuer.token(API).subject("alice").sign();
    let token = bench.bearer(&text).await.unwrap();
    let printed = format!("{token:?} {:?}", bench.verifier);
    assert!(
        !printed.contains("alice") && !printed.contains("secret") && !printed.contains(&text),
        "{printed}"
    );
}
