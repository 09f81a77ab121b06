//! What a check costs.

use std::time::Duration;

use serde_json::json;
use signet_verify::feed::entry::{Entry, Kind};
use tokio::time::Instant;

use crate::support::{API, Bench, NOW};

/// The least time that a round of 200 checks took, of 10 rounds: what others do on the machine only adds to it.
async fn least(bench: &Bench, token: &str) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        for _ in 0..200 {
            assert!(bench.verifier.verify(token).await.is_ok());
        }
        least = least.min(start.elapsed() / 200);
    }
    least
}

#[tokio::test]
async fn a_token_verified_already_costs_far_less_than_its_signature() {
    let cold = Bench::with(|builder| builder.cache_capacity(0));
    let kept = Bench::with_feed(|builder| builder);
    kept.verifier.ready().await.unwrap();
    let entries: Vec<Entry> = (0..5_000)
        .map(|at| Entry { kind: Kind::Sid, id: format!("other-{at}"), min: None, dies_at: NOW + 960 })
        .collect();
    kept.issuer.revoke(&entries);
    while kept.verifier.feed_position() < Some(1) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mint = |bench: &Bench| bench.issuer.token(API).session("s").claim("rv", json!([1, "f", 1])).sign();
    let (signature, cached) = (least(&cold, &mint(&cold)).await, least(&kept, &mint(&kept)).await);
    println!("signature {signature:?}, kept {cached:?}");
    assert_eq!(kept.verifier.stats().signatures, 1);
    assert!(cached * 5 < signature, "signature {signature:?}, kept {cached:?}");
}
