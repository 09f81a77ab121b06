//! Opaque tokens, by introspection (RFC 7662).

use std::time::Duration;

use serde_json::{Value, json};
use signet_verify::testing::{CLIENT_ID, CLIENT_SECRET, Canned, Gate};
use signet_verify::verifier::{StalePolicy, Verifier};

use crate::support::{API, Bench, DISCOVERY, INTROSPECTION, NOW};

fn answer() -> Value {
    json!({"aud": API, "sub": "user", "client_id": "client", "scope": "read", "exp": NOW + 60})
}

#[tokio::test]
async fn an_opaque_token_is_what_the_issuer_says() {
    let bench = Bench::introspecting();
    let token = bench.bearer(&bench.issuer.opaque_token(&answer())).await.unwrap();
    assert_eq!((token.subject(), token.has_scope("read"), token.key_id()), (Some("user"), true, None));
    assert_eq!(bench.status("unknown").await, 401);
}

#[tokio::test]
async fn an_issuer_of_opaque_tokens_needs_no_keys() {
    let bench = Bench::introspecting();
    let issuer = bench.issuer.issuer();
    let metadata = json!({"issuer": issuer, "introspection_endpoint": format!("{issuer}{INTROSPECTION}")});
    bench.issuer.answer(DISCOVERY, Some(Canned::body("application/json", metadata.to_string())));
    assert_eq!(bench.status(&bench.issuer.opaque_token(&answer())).await, 200);
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 401);
}

#[tokio::test]
async fn an_active_token_that_is_not_for_us_is_refused() {
    let bench = Bench::introspecting();
    let changes = [
        ("aud", json!("https://other.example")),
        ("aud", Value::Null),
        ("aud", json!(7)),
        ("iss", json!("https://other.example")),
        ("exp", json!(NOW)),
        ("exp", json!("soon")),
        ("nbf", json!(NOW + 11)),
        ("iat", json!(NOW + 11)),
        ("token_type", json!("refresh_token")),
        ("token_type", json!(1)),
        ("cnf", json!({"x5t#S256": "x"})),
        ("sub", json!(1)),
    ];
    for (name, value) in changes {
        let mut said = answer();
        said.as_object_mut().unwrap().insert(name.to_owned(), value.clone());
        said.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let status = bench.status(&bench.issuer.opaque_token(&said)).await;
        assert_eq!(status, 401, "{name}: {value}");
    }
}

#[tokio::test]
async fn an_answer_without_audience_counts_only_on_request() {
    let bench = Bench::with(|builder| {
        builder.introspection(CLIENT_ID, CLIENT_SECRET).accept_answers_without_audience()
    });
    assert_eq!(bench.status(&bench.issuer.opaque_token(&json!({"sub": "user"}))).await, 200);
    let other = bench.issuer.opaque_token(&json!({"sub": "user", "aud": "https://other.example"}));
    assert_eq!(bench.status(&other).await, 401);
}

#[tokio::test]
async fn without_credentials_an_opaque_token_is_invalid_and_nobody_is_asked() {
    let bench = Bench::new();
    let refusal = bench.bearer(&bench.issuer.opaque_token(&answer())).await.unwrap_err();
    assert_eq!((refusal.status, refusal.error()), (401, Some("invalid_token")));
    assert_eq!(bench.issuer.hits(INTROSPECTION), 0);
}

#[tokio::test]
async fn no_answer_is_503_and_never_a_verdict() {
    let pages = [
        Canned::status(500),
        Canned::status(401),
        Canned::status(302).header("location", INTROSPECTION),
        Canned::body("text/html", "{\"active\":true}"),
        Canned::body("application/json", "{\"active\":\"true\"}"),
        Canned::body("application/json", "{}"),
        Canned::body("application/json", format!("{{\"active\":true,\"x\":\"{}\"}}", "x".repeat(70_000))),
    ];
    for page in pages {
        let bench = Bench::introspecting();
        let token = bench.issuer.opaque_token(&answer());
        bench.issuer.answer(INTROSPECTION, Some(page.clone()));
        assert_eq!(bench.status(&token).await, 503, "{page:?}");
        bench.issuer.answer(INTROSPECTION, None);
        assert_eq!(bench.status(&token).await, 200, "the failure is not kept");
    }
}

#[tokio::test]
async fn answers_are_kept_for_a_second_and_no_longer() {
    let bench = Bench::introspecting();
    let token = bench.issuer.opaque_token(&answer());
    assert_eq!(bench.status(&token).await, 200);
    bench.issuer.deactivate(&token);
    bench.clock.advance(Duration::from_millis(999));
    assert_eq!(bench.status(&token).await, 200);
    assert_eq!(bench.issuer.hits(INTROSPECTION), 1);
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.status(&token).await, 401);
    assert_eq!(bench.status(&token).await, 401);
    assert_eq!(bench.issuer.hits(INTROSPECTION), 2, "a refusal is kept as long");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.status(&token).await, 401);
    assert_eq!(bench.issuer.hits(INTROSPECTION), 3);
}

#[tokio::test]
async fn answers_kept_for_longer_still_end_with_the_token() {
    let bench = Bench::with(|builder| {
        builder.introspection(CLIENT_ID, CLIENT_SECRET).keep_answers(Duration::from_secs(60))
    });
    let mut said = answer();
    said["exp"] = json!(NOW + 30);
    let token = bench.issuer.opaque_token(&said);
    assert_eq!(bench.status(&token).await, 200);
    bench.clock.advance(Duration::from_secs(29));
    assert_eq!(bench.status(&token).await, 200);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.status(&token).await, 401);
    assert_eq!(bench.issuer.hits(INTROSPECTION), 1);
    let builder = Verifier::builder("https://a.example", API).keep_answers(Duration::from_secs(61));
    assert!(builder.build().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_requests_with_one_token_ask_once() {
    let bench = Bench::introspecting();
    let token = bench.issuer.opaque_token(&answer());
    let gate = Gate::new();
    bench.issuer.answer(INTROSPECTION, Some(Canned::behind(&gate)));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, token) = (bench.verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    bench.until("the issuer is asked", |bench| bench.issuer.hits(INTROSPECTION) > 0).await;
    gate.open();
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(bench.issuer.hits(INTROSPECTION), 1);
}

#[tokio::test]
async fn the_policy_to_introspect_needs_credentials() {
    let builder = Verifier::builder("https://a.example", API);
    assert!(builder.clone().on_stale(StalePolicy::Introspect).build().is_err());
    assert!(builder.clone().introspection("id", "").build().is_err());
    assert!(builder.introspection("id", "secret").on_stale(StalePolicy::Introspect).build().is_ok());
}
