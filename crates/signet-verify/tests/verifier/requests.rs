//! What a request presents and what a route asks for (RFC 6750, RFC 9470, RFC 9728).

use std::time::Duration;

use serde_json::json;
use signet_verify::verifier::Need;

use crate::support::{API, Bench, JWKS};

#[tokio::test]
async fn without_credentials_the_challenge_has_no_error() {
    let bench = Bench::with(|builder| builder.resource_metadata("https://api.example/.well-known/x"));
    for lines in [&[][..], &["Basic YTpi"], &[""], &["DPoP x"]] {
        let refusal = bench.lines(lines, &Need::any()).await.unwrap_err();
        assert_eq!((refusal.status, refusal.error()), (401, None), "{lines:?}");
        let expected = "Bearer resource_metadata=\"https://api.example/.well-known/x\"";
        assert_eq!(refusal.www_authenticate, expected);
    }
    assert_eq!(bench.issuer.hits(JWKS), 0, "nobody was asked");
}

#[tokio::test]
async fn malformed_or_repeated_credentials_are_invalid_request() {
    let bench = Bench::new();
    let good = format!("Bearer {}", bench.issuer.token(API).sign());
    for lines in [&["Bearer"][..], &["Bearer a b"], &[&good, &good], &["Basic x", &good]] {
        let refusal = bench.lines(lines, &Need::any()).await.unwrap_err();
        assert_eq!((refusal.status, refusal.error()), (400, Some("invalid_request")), "{lines:?}");
    }
    let (_, token) = good.split_once(' ').unwrap();
    assert!(bench.lines(&[&format!("bEaReR {token}")], &Need::any()).await.is_ok());
}

#[tokio::test]
async fn a_missing_scope_is_403_and_named() {
    let bench = Bench::new();
    let token = bench.issuer.token(API).scope("read").sign();
    assert!(bench.needing(&token, &Need::any().scope("read")).await.is_ok());
    let refusal = bench.needing(&token, &Need::any().scope("read").scope("write")).await.unwrap_err();
    assert_eq!((refusal.status, refusal.error()), (403, Some("insufficient_scope")));
    assert!(refusal.www_authenticate.contains("scope=\"read write\""));
    assert_eq!(bench.needing(&token, &Need::any().scope("rea")).await.unwrap_err().status, 403);
}

#[tokio::test]
async fn an_old_or_weaker_sign_in_asks_for_step_up() {
    let bench = Bench::new();
    let token = bench.issuer.token(API).signed_in_ago(60).claim("acr", json!("silver")).sign();
    let fresh = |seconds: u64| Need::any().max_age(Duration::from_secs(seconds));
    assert!(bench.needing(&token, &fresh(60)).await.is_ok());
    let refusal = bench.needing(&token, &fresh(59)).await.unwrap_err();
    assert_eq!((refusal.status, refusal.error()), (401, Some("insufficient_user_authentication")));
    assert!(refusal.www_authenticate.ends_with("max_age=\"59\""));
    assert!(bench.needing(&token, &Need::any().acr("gold").acr("silver")).await.is_ok());
    let refusal = bench.needing(&token, &Need::any().acr("gold")).await.unwrap_err();
    assert!(refusal.www_authenticate.ends_with("acr_values=\"gold\""));
    let silent = bench.issuer.token(API).sign();
    assert_eq!(bench.needing(&silent, &fresh(9999)).await.unwrap_err().status, 401);
    bench.clock.advance(Duration::from_secs(1));
    assert!(bench.needing(&token, &fresh(60)).await.is_err(), "time passes for a kept token too");
}

#[tokio::test]
async fn a_further_need_is_judged_without_the_proof() {
    let bench = Bench::new();
    let text = bench.issuer.token(API).scope("read").sign();
    let line = format!("Bearer {text}");
    let token = bench.bearer(&text).await.unwrap();
    assert!(bench.verifier.permit(&token, &[&line], &Need::any().scope("read")).await.is_ok());
    let refusal = bench.verifier.permit(&token, &[&line], &Need::any().scope("write")).await.unwrap_err();
    assert_eq!(refusal.status, 403);
}
