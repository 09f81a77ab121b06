//! The revocation feed (`docs/revocation-feed.md` §5), as requests meet it.

use std::time::Duration;

use serde_json::json;
use signet_verify::feed::entry::{Entry, Kind};
use signet_verify::testing::{CLIENT_ID, CLIENT_SECRET, Canned, Mint};
use signet_verify::verifier::{Need, Rejection, StalePolicy, VerifierBuilder};

use crate::support::{API, Bench, INTROSPECTION, JWKS, NOW, PATIENCE, STREAM, status};

fn entry(kind: Kind, id: &str, min: Option<i64>) -> Entry {
    Entry { kind, id: id.to_owned(), min, dies_at: NOW + 960 }
}

/// A verifier that has heard the feed.
async fn following(settings: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Bench {
    let bench = Bench::with_feed(settings);
    bench.verifier.ready().await.unwrap();
    bench
}

async fn revoke(bench: &Bench, entries: &[Entry]) {
    let n = bench.issuer.revoke(entries);
    bench.until("the batch", |bench| bench.verifier.feed_position() >= Some(n)).await;
}

/// The feed falls silent for so long.
async fn silence(bench: &Bench, seconds: u64) {
    // A heartbeat that is under way would be credited after the clock has moved: who asks for a stream again has read
    // the former one to its end.
    let asked = bench.issuer.hits(STREAM);
    bench.issuer.set_feed_cut(true);
    bench.until("the stream ends", |bench| bench.issuer.hits(STREAM) > asked).await;
    bench.clock.advance(Duration::from_secs(seconds));
}

fn user_token(bench: &Bench) -> Mint {
    bench.issuer.token(API).session("s1").claim("rv", json!([3, "family", 5]))
}

#[tokio::test]
async fn each_kind_of_entry_ends_the_token_that_it_voids_also_when_it_was_kept() {
    let name = "token-to-end";
    let voiding = [
        entry(Kind::Iss, "", Some(NOW + 1)),
        entry(Kind::Client, "client", Some(NOW + 1)),
        entry(Kind::Sub, "user", Some(4)),
        entry(Kind::Sid, "s1", None),
        entry(Kind::Fam, "family", Some(6)),
        entry(Kind::Fam, "family", None),
        entry(Kind::Jti, name, None),
    ];
    for entry in voiding {
        let bench = following(|builder| builder).await;
        let token = user_token(&bench).claim("jti", json!(name)).sign();
        assert_eq!(bench.status(&token).await, 200);
        assert_eq!(bench.status(&token).await, 200);
        assert_eq!(bench.verifier.stats().signatures, 1, "it is kept");
        revoke(&bench, std::slice::from_ref(&entry)).await;
        assert_eq!(bench.verifier.verify(&token).await.unwrap_err(), Rejection::Revoked(entry.kind));
        let refusal = bench.bearer(&token).await.unwrap_err();
        assert_eq!((refusal.status, refusal.error()), (401, Some("invalid_token")));
    }
}

#[tokio::test]
async fn an_entry_for_others_leaves_a_kept_token_kept() {
    let bench = following(|builder| builder).await;
    let token = user_token(&bench).sign();
    assert_eq!(bench.status(&token).await, 200);
    let others = [
        entry(Kind::Iss, "", Some(NOW)),
        entry(Kind::Client, "client", Some(NOW)),
        entry(Kind::Sub, "user", Some(3)),
        entry(Kind::Sid, "s2", None),
        entry(Kind::Fam, "family", Some(5)),
        entry(Kind::Jti, "another", None),
        entry(Kind::Kid, "another", None),
    ];
    revoke(&bench, &others).await;
    assert_eq!(bench.status(&token).await, 200);
    assert_eq!(bench.verifier.stats().signatures, 1, "its signature was not checked again");
}

#[tokio::test]
async fn a_token_verified_after_its_revocation_is_refused() {
    let bench = following(|builder| builder).await;
    revoke(&bench, &[entry(Kind::Sid, "s1", None)]).await;
    assert_eq!(bench.status(&user_token(&bench).sign()).await, 401);
    assert_eq!(bench.status(&bench.issuer.token(API).session("s2").sign()).await, 200);
    assert_eq!((bench.verifier.stats().revoked, bench.verifier.stats().refused), (1, 1));
}

#[tokio::test]
async fn a_key_taken_out_of_use_ends_its_tokens_and_has_the_keys_read_again() {
    let bench = following(|builder| builder).await;
    let token = bench.issuer.token(API).sign();
    assert_eq!(bench.status(&token).await, 200);
    let kid = bench.issuer.key().kid().to_owned();
    bench.issuer.add_key();
    bench.issuer.remove_old_keys();
    revoke(&bench, &[entry(Kind::Kid, &kid, None)]).await;
    assert_eq!(bench.status(&token).await, 401);
    bench.until("the keys are read again", |bench| bench.issuer.hits(JWKS) >= 2).await;
}

#[tokio::test]
async fn a_key_taken_out_of_use_stays_so_whatever_the_key_set_says_and_after_its_entry_has_died() {
    let bench = following(|builder| builder.on_stale(StalePolicy::Open)).await;
    // Whoever has stolen the key dates its tokens as they like, and need not name it where there is no other.
    let stolen = bench.issuer.token(API).expires_in(1_000_000);
    let (named, nameless) = (stolen.sign(), stolen.header("kid", json!(null)).sign());
    for token in [&named, &nameless] {
        assert_eq!(bench.status(token).await, 200);
    }
    revoke(&bench, &[entry(Kind::Kid, bench.issuer.key().kid(), None)]).await;
    // An emergency: the keys are out of reach, or a cache in between still has the old ones.
    for canned in [Some(Canned::status(503)), None] {
        bench.issuer.answer(JWKS, canned);
        bench.clock.advance(Duration::from_secs(2_000));
        bench.issuer.revoke(&[Entry { dies_at: NOW + 9_000, ..entry(Kind::Sid, "other", None) }]);
        for token in [&named, &nameless] {
            assert_eq!(bench.verifier.verify(token).await.err(), Some(Rejection::Revoked(Kind::Kid)));
            assert_eq!(bench.status(token).await, 401);
        }
    }
    let reads = bench.issuer.hits(JWKS);
    bench.issuer.add_key();
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200, "another key is good");
    assert_eq!(bench.status(&named).await, 401);
    assert!(bench.issuer.hits(JWKS) > reads);
}

#[test]
fn a_feed_is_followed_on_when_the_runtime_that_followed_it_has_ended() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = Bench::with_feed(|builder| builder);
    let token = bench.issuer.token(API).sign();
    runtime().block_on(async {
        bench.verifier.ready().await.unwrap();
        assert_eq!(bench.status(&token).await, 200);
    });
    runtime().block_on(async {
        assert_eq!(bench.status(&token).await, 200);
        revoke(&bench, &[entry(Kind::Sub, "user", Some(9))]).await;
        assert_eq!(bench.status(&token).await, 401);
    });
}

#[tokio::test]
async fn an_issuer_without_a_feed_is_verified_as_ever_under_every_policy() {
    for policy in [StalePolicy::Open, StalePolicy::Closed] {
        let bench = Bench::with(|builder| builder.on_stale(policy));
        bench.verifier.ready().await.unwrap();
        bench.clock.advance(Duration::from_secs(60));
        assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
        assert_eq!(bench.verifier.feed_position(), None);
    }
    let bench = Bench::with_feed(|builder| builder.on_stale(StalePolicy::Closed).without_feed());
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
}

#[tokio::test]
async fn a_short_silence_changes_nothing() {
    let bench = following(|builder| builder.on_stale(StalePolicy::Closed)).await;
    silence(&bench, 29).await;
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 503);
}

#[tokio::test]
async fn open_goes_on_with_what_is_known_after_a_long_silence() {
    let bench = following(|builder| builder).await;
    revoke(&bench, &[entry(Kind::Sid, "s1", None)]).await;
    let revoked = user_token(&bench).sign();
    silence(&bench, 31).await;
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200, "open without credentials");
    assert_eq!(bench.status(&revoked).await, 401);
}

#[tokio::test]
async fn closed_says_503_after_a_long_silence_and_401_to_what_is_known() {
    let bench = following(|builder| builder.on_stale(StalePolicy::Closed)).await;
    let good = bench.issuer.token(API).sign();
    assert_eq!(bench.status(&good).await, 200);
    revoke(&bench, &[entry(Kind::Sid, "s1", None)]).await;
    let revoked = user_token(&bench).sign();
    silence(&bench, 31).await;
    let refusal = bench.bearer(&good).await.unwrap_err();
    assert_eq!((refusal.status, refusal.retry_after), (503, Some(1)));
    assert_eq!(bench.status(&revoked).await, 401);
    bench.issuer.set_feed_cut(false);
    let end = tokio::time::Instant::now() + PATIENCE;
    while bench.status(&good).await != 200 {
        assert!(tokio::time::Instant::now() < end, "the feed never came back");
        bench.clock.advance(Duration::from_millis(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn introspect_asks_the_issuer_once_a_second_after_a_long_silence() {
    let bench = following(|builder| builder.introspection(CLIENT_ID, CLIENT_SECRET)).await;
    let token = bench.issuer.token(API).sign();
    assert_eq!(bench.status(&token).await, 200);
    assert_eq!(bench.issuer.hits(INTROSPECTION), 0, "the feed is fresh");
    silence(&bench, 31).await;
    for _ in 0..10 {
        assert_eq!(bench.status(&token).await, 200);
    }
    assert_eq!(bench.issuer.hits(INTROSPECTION), 1);
    bench.issuer.deactivate(&token);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.status(&token).await, 401);
    assert_eq!(bench.issuer.hits(INTROSPECTION), 2);
    bench.issuer.answer(INTROSPECTION, Some(Canned::status(500)));
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.status(&token).await, 503, "introspect without an answer is closed");
}

#[tokio::test]
async fn a_route_may_have_its_own_policy() {
    let bench = following(|builder| builder).await;
    let token = bench.issuer.token(API).sign();
    silence(&bench, 31).await;
    let with = |policy| Need::any().on_stale(policy);
    assert_eq!(status(&bench.needing(&token, &with(StalePolicy::Open)).await), 200);
    assert_eq!(status(&bench.needing(&token, &with(StalePolicy::Closed)).await), 503);
    assert_eq!(status(&bench.needing(&token, &with(StalePolicy::Introspect)).await), 503, "no credentials");
    let accepted = bench.bearer(&token).await.unwrap();
    let line = format!("Bearer {token}");
    let permitted = bench.verifier.permit(&accepted, &[&line], &with(StalePolicy::Closed)).await;
    assert_eq!(permitted.unwrap_err().status, 503);
}

#[tokio::test]
async fn what_was_revoked_before_a_verifier_began_is_refused_from_its_first_request_on() {
    for _ in 0..20 {
        let bench = Bench::with_feed(|builder| builder);
        bench.issuer.revoke(&[entry(Kind::Sid, "s1", None)]);
        assert_eq!(bench.status(&user_token(&bench).sign()).await, 401);
        assert_eq!(bench.status(&bench.issuer.token(API).session("s2").sign()).await, 200);
    }
}

#[tokio::test]
async fn a_feed_never_heard_is_stale() {
    let briefly = Duration::from_millis(50);
    let closed = |builder: VerifierBuilder| builder.on_stale(StalePolicy::Closed).first_contact(briefly);
    let bench = Bench::with_feed(closed);
    bench.issuer.set_feed_cut(true);
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 503);
    let bench = Bench::with_feed(|builder| builder.first_contact(briefly));
    bench.issuer.set_feed_cut(true);
    assert_eq!(bench.status(&bench.issuer.token(API).sign()).await, 200);
}

#[tokio::test]
async fn an_opaque_token_whose_answer_is_kept_dies_by_the_feed() {
    let bench = following(|builder| {
        builder.introspection(CLIENT_ID, CLIENT_SECRET).keep_answers(Duration::from_secs(60))
    })
    .await;
    let token = bench.issuer.opaque_token(&json!({"aud": API, "sub": "user", "sid": "s1"}));
    assert_eq!(bench.status(&token).await, 200);
    revoke(&bench, &[entry(Kind::Sid, "s1", None)]).await;
    assert_eq!(bench.status(&token).await, 401);
    assert_eq!(bench.issuer.hits(INTROSPECTION), 1);
}
