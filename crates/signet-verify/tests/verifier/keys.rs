//! The keys of the issuer: discovery, changes, and what happens while they cannot be read.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use signet_verify::testing::{Canned, Gate, TestKey};
use signet_verify::verifier::Rejection;

use crate::support::{API, Bench, DISCOVERY, JWKS};

const OAUTH: &str = "/.well-known/oauth-authorization-server";

fn json_page(value: &Value) -> Option<Canned> {
    Some(Canned::body("application/json", value.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_first_requests_read_the_metadata_and_the_keys_once() {
    let bench = Bench::new();
    let gate = Gate::new();
    bench.issuer.answer(JWKS, Some(Canned::behind(&gate)));
    let token = bench.issuer.token(API).sign();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, token) = (bench.verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    bench.until("the keys are read", |bench| bench.issuer.hits(JWKS) > 0).await;
    gate.open();
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!((bench.issuer.hits(DISCOVERY), bench.issuer.hits(JWKS)), (1, 1));
}

#[tokio::test]
async fn metadata_is_also_looked_for_where_rfc_8414_has_it() {
    let bench = Bench::new();
    bench.issuer.answer(DISCOVERY, Some(Canned::status(404)));
    let jwks = format!("{}{JWKS}", bench.issuer.issuer());
    bench.issuer.answer(OAUTH, json_page(&json!({"issuer": bench.issuer.issuer(), "jwks_uri": jwks})));
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
}

#[tokio::test]
async fn metadata_that_is_not_the_issuers_is_refused() {
    let jwks = |bench: &Bench| format!("{}{JWKS}", bench.issuer.issuer());
    let pages: [fn(&Bench, String) -> Option<Canned>; 8] = [
        |_, jwks| json_page(&json!({"issuer": "https://other.example", "jwks_uri": jwks})),
        |bench, jwks| json_page(&json!({"issuer": format!("{}/", bench.issuer.issuer()), "jwks_uri": jwks})),
        |_, jwks| json_page(&json!({"jwks_uri": jwks})),
        |bench, _| json_page(&json!({"issuer": bench.issuer.issuer(), "jwks_uri": "http://192.0.2.1/jwks"})),
        |bench, _| Some(Canned::status(302).header("location", &format!("{}{OAUTH}", bench.issuer.issuer()))),
        |_, _| Some(Canned::body("text/html", "<html>")),
        |_, _| Some(Canned::body("application/json", "[]")),
        |_, _| Some(Canned::body("application/json", vec![b' '; 300 * 1024])),
    ];
    for (at, page) in pages.into_iter().enumerate() {
        let bench = Bench::new();
        let right = json!({"issuer": bench.issuer.issuer(), "jwks_uri": jwks(&bench)});
        bench.issuer.answer(OAUTH, json_page(&right));
        bench.issuer.answer(DISCOVERY, page(&bench, jwks(&bench)));
        assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 503, "{at}");
        assert_eq!(bench.issuer.hits(JWKS), 0, "{at}");
    }
}

#[tokio::test]
async fn a_key_set_that_is_none_leaves_nothing_to_say() {
    let pages = [
        Canned::status(500),
        Canned::status(301).header("location", DISCOVERY),
        Canned::body("text/html", "<html>"),
        Canned::body("application/json", "{}"),
        Canned::body("application/json", format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(513 * 1024))),
    ];
    for page in pages {
        let bench = Bench::new();
        bench.issuer.answer(JWKS, Some(page));
        let refusal = bench.bearer(&bench.issuer.token(API).sign()).await.unwrap_err();
        assert_eq!(refusal.status, 503);
        assert!(refusal.retry_after.is_some() && refusal.www_authenticate.is_empty());
    }
}

#[tokio::test]
async fn while_the_issuer_is_down_known_keys_verify_and_it_is_not_hammered() {
    let bench = Bench::new();
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    bench.issuer.set_down(true);
    bench.clock.advance(Duration::from_secs(3601));
    for _ in 0..10 {
        assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200, "stale keys serve");
    }
    bench.until("the read fails", |bench| bench.verifier.stats().key_failures == 1).await;
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    assert_eq!(bench.verifier.stats().key_fetches, 2, "the first, and one in the background");
    bench.issuer.set_down(false);
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    bench.until("the keys are read", |bench| bench.issuer.hits(JWKS) == 2).await;
}

#[tokio::test]
async fn an_issuer_that_is_down_at_first_is_asked_again_after_a_pause() {
    let bench = Bench::new();
    bench.issuer.set_down(true);
    for _ in 0..10 {
        assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 503);
    }
    assert_eq!(bench.verifier.stats().key_fetches, 1);
    assert!(matches!(bench.verifier.ready().await, Err(Rejection::Unavailable(_))));
    bench.issuer.set_down(false);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
}

#[tokio::test]
async fn a_new_key_is_read_when_a_token_first_names_it_and_old_ones_go_on() {
    let bench = Bench::new();
    let old = bench.issuer.token(API).sign();
    assert_eq!(bench.status(&old).await, 200);
    bench.issuer.add_key();
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    assert_eq!(bench.status(&old).await, 200);
    assert_eq!(bench.issuer.hits(JWKS), 2);
}

#[tokio::test]
async fn a_key_that_is_no_longer_published_verifies_nothing_not_even_kept_tokens() {
    let bench = Bench::new();
    let old = bench.issuer.token(API).sign();
    assert_eq!(bench.status(&old).await, 200);
    bench.issuer.add_key();
    bench.issuer.remove_old_keys();
    assert_eq!(bench.status(&old).await, 200, "not known yet");
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    assert_eq!(bench.status(&old).await, 401);
}

#[tokio::test]
async fn a_thousand_unknown_keys_make_one_read_in_thirty_seconds() {
    let bench = Bench::new();
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    let unknown = |at: usize| bench.issuer.token(API).header("kid", json!(format!("k{at}"))).sign();
    for at in 0..1000 {
        assert_eq!(bench.status(&unknown(at)).await, 401);
    }
    assert_eq!(bench.issuer.hits(JWKS), 2, "the first, and one for the storm");
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(bench.status(&unknown(0)).await, 401);
    assert_eq!(bench.issuer.hits(JWKS), 3);
}

#[tokio::test]
async fn an_unknown_key_that_cannot_be_looked_for_is_503_and_not_401() {
    let bench = Bench::new();
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    bench.issuer.add_key();
    bench.issuer.answer(JWKS, Some(Canned::status(503)));
    for _ in 0..3 {
        assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 503);
    }
    bench.issuer.answer(JWKS, None);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
}

#[tokio::test]
async fn a_key_published_while_an_older_answer_is_under_way_is_looked_for_after_it() {
    let bench = Bench::new();
    let old = bench.issuer.token(API).sign();
    assert_eq!(bench.status(&old).await, 200);
    let before = json!({ "keys": [bench.issuer.key().jwk()] }).to_string();
    let gate = Gate::new();
    bench.issuer.answer(JWKS, Some(Canned::body("application/json", before).held(&gate)));
    bench.clock.advance(Duration::from_secs(3_600));
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200, "the keys are only old");
    bench.until("the older answer is under way", |bench| bench.issuer.hits(JWKS) == 2).await;
    bench.issuer.add_key();
    bench.issuer.answer(JWKS, None);
    let new = bench.issuer.token(API).sign();
    // All three are polled once before the gate opens: both tokens wait for that answer.
    let opening = async { gate.open() };
    let (first, second, ()) = tokio::join!(bench.status(&new), bench.status(&new), opening);
    assert_eq!((first, second), (200, 200));
    assert_eq!(bench.issuer.hits(JWKS), 3, "one read for all who ask for it");
}

#[tokio::test]
async fn slow_keys_hold_up_no_token_whose_key_is_known() {
    let bench = Bench::new();
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    let gate = Gate::new();
    bench.issuer.answer(JWKS, Some(Canned::behind(&gate)));
    // The verifier gives a read up after a few seconds: a machine that stands still as long spoils one of the tries, a
    // token that waits for the keys spoils all.
    for read in 2..5 {
        bench.clock.advance(Duration::from_secs(30));
        let unknown = bench.issuer.token(API).header("kid", json!("x")).sign();
        let verifier = bench.verifier.clone();
        let waiting = tokio::spawn(async move { verifier.verify(&unknown).await });
        bench.until("the keys are read", |bench| bench.issuer.hits(JWKS) >= read).await;
        for _ in 0..10 {
            assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
        }
        if !waiting.is_finished() {
            gate.open();
            assert!(matches!(waiting.await.unwrap(), Err(Rejection::Invalid(_) | Rejection::Unavailable(_))));
            return;
        }
    }
    panic!("tokens whose key is known waited for the keys");
}

#[tokio::test]
async fn keys_are_read_again_in_the_background_within_the_bounds_of_cache_control() {
    for (header, before, after) in
        [("max-age=1", 299, 300), ("max-age=600", 599, 600), ("max-age=99999999", 86_399, 86_400)]
    {
        let bench = Bench::new();
        let jwks = json!({ "keys": [bench.issuer.key().jwk()] }).to_string();
        bench
            .issuer
            .answer(JWKS, Some(Canned::body("application/json", jwks).header("cache-control", header)));
        assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
        bench.clock.advance(Duration::from_secs(before));
        assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
        assert_eq!(bench.verifier.stats().key_fetches, 1, "{header}");
        bench.clock.advance(Duration::from_secs(after - before));
        assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
        assert_eq!(bench.verifier.stats().key_fetches, 2, "{header}");
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_does_not_stop_the_read_for_others() {
    let bench = Bench::new();
    let gate = Gate::new();
    bench.issuer.answer(JWKS, Some(Canned::behind(&gate)));
    let token = bench.issuer.token(API).sign();
    let given_up = tokio::time::timeout(Duration::from_millis(50), bench.verifier.verify(&token)).await;
    assert!(given_up.is_err());
    gate.open();
    assert_eq!(bench.status(&token).await, 200);
    assert_eq!(bench.issuer.hits(JWKS), 1);
}

#[tokio::test]
async fn keys_and_addresses_in_the_header_are_refused_and_never_fetched() {
    let bench = Bench::new();
    let own = Arc::new(TestKey::generate());
    let trap = format!("{}/trap", bench.issuer.issuer());
    for (name, value) in [("jku", json!(trap)), ("x5u", json!(trap)), ("jwk", own.jwk())] {
        let token =
            bench.issuer.token(API).header(name, value).header("kid", json!(own.kid())).forged_by(&own);
        assert_eq!(bench.status(&token.sign()).await, 401);
    }
    assert_eq!((bench.issuer.hits("/trap"), bench.issuer.hits(JWKS)), (0, 1));
}
