//! The feed where much happens at once, or somebody wishes it ill: it stays true and cheap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use signet::clock::monotonic_now;
use signet::flow::revocation;
use signet_verify::feed::message::Message;

use super::*;
use crate::support::follower::Follower;
use crate::support::inside::Inside;

/// Two neighbouring batches are no closer.
const GATHER: Duration = Duration::from_millis(20);

async fn snapshot(s: &Server) -> (i64, Vec<String>) {
    let prepared = revocation::snapshot(&s.op).await.unwrap();
    let Message::Snapshot(snapshot) = Follower::new(s).open(&prepared.body) else { panic!("{}", prepared.body) };
    (snapshot.n, snapshot.entries.into_iter().map(|entry| entry.id).collect())
}

mod a_node_that_slept_through_a_failover {
    use super::*;

    /// `lost` batches are lost with the former primary; another node makes `made` on the new one before this one looks.
    async fn knows_everything(s: &Server, lost: usize, made: usize) {
        let mut inside = Inside::of(s).await;
        let other_node = s.second_node().await;
        let revoke = async |node: &Server, inside: &mut Inside, id: String| {
            inside.revoke(&id, node).await;
            revocation::sweep(&node.op).await.unwrap();
        };
        revoke(s, &mut inside, "kept".to_owned()).await;
        for i in 0..lost {
            revoke(s, &mut inside, format!("lost-{i}")).await;
        }
        let first = Follower::new(s).batches().await.remove(1).prev;
        inside.run("DELETE FROM revocation_batch WHERE n > 1").await;
        inside.run(&format!("UPDATE revocation_head SET n = 1, digest = '{first}' WHERE id = 1")).await;
        for i in 0..made {
            revoke(&other_node, &mut inside, format!("new-{i}")).await;
        }
        s.advance(5 * SECOND);
        inside.revoke("newest", s).await;
        revocation::sweep(&s.op).await.unwrap();
        let (n, ids) = snapshot(s).await;
        assert_eq!(n, i64::try_from(made).unwrap() + 2);
        let expected = ["kept".to_owned(), "newest".to_owned()].into_iter();
        let expected = expected.chain((0..made).map(|i| format!("new-{i}")));
        let missing: Vec<_> = expected.filter(|id| !ids.contains(id)).collect();
        assert!(missing.is_empty(), "lost {lost}, made {made}: a node vouches for all, and knows nothing of {missing:?}");
        assert_eq!(s.op.feed.view().complete_as_of, s.now());
        let mut follower = Follower::new(s);
        follower.batches().await;
        assert_eq!(follower.n, n, "the batches that it serves are those of one history");
        other_node.stop().await;
    }

    #[test]
    fn folds_what_was_made_under_numbers_that_it_had_seen_before() {
        with_server(async |s| knows_everything(s, 3, 1).await);
        with_server(async |s| knows_everything(s, 2, 2).await);
        with_server(async |s| knows_everything(s, 1, 4).await);
        with_server(async |s| knows_everything(s, 1, 0).await);
    }
}

mod revocations_in_quick_succession {
    use super::*;

    #[test]
    fn share_batches_whichever_node_makes_them() {
        with_server(async |s| {
            let mut inside = Inside::of(s).await;
            let other_node = s.second_node().await;
            let began = monotonic_now();
            inside.revoke("first", s).await;
            revocation::sweep(&s.op).await.unwrap();
            for round in 0..20 {
                inside.revoke(&format!("token-{round}"), s).await;
                revocation::sweep(if round % 2 == 0 { &other_node.op } else { &s.op }).await.unwrap();
            }
            assert!(began.elapsed() >= 20 * GATHER, "{:?}", began.elapsed());
            other_node.stop().await;
        });
    }
}

mod whoever_asks_for_numbers_that_nobody_has {
    use super::*;

    #[test]
    fn makes_no_node_look_more_often() {
        with_config(crate::support::feed::quick, async |s| {
            s.sweep().await;
            let looks = Arc::new(AtomicU32::new(0));
            let counting = {
                let (mut views, looks) = (s.op.feed.subscribe(), Arc::clone(&looks));
                tokio::spawn(async move {
                    while views.changed().await.is_ok() {
                        looks.fetch_add(1, Ordering::SeqCst);
                    }
                })
            };
            let began = monotonic_now();
            let asking = (0..4).map(async |_| {
                for _ in 0..10 {
                    assert_eq!(s.get("/revocation/batches/1000").send().await.status, 404);
                }
            });
            futures_util::future::join_all(asking).await;
            let looks = u128::from(looks.load(Ordering::SeqCst));
            let most = began.elapsed().as_millis() / GATHER.as_millis() + 1;
            assert!((1..=most).contains(&looks), "{looks} looks in the time of {most}");
            counting.abort();
        });
    }
}

mod a_long_snapshot {
    use super::*;

    #[test]
    fn is_shared_for_two_seconds_whatever_is_revoked_meanwhile() {
        with_server(async |s| {
            let mut inside = Inside::of(s).await;
            let name = "x".repeat(200);
            let ids = (0..5_000).map(|i| format!("('jti', '{name}{i}', NULL, {}, 0)", s.now().plus(HOUR).millis()));
            let ids = ids.collect::<Vec<_>>().join(",");
            inside
                .run(&format!("INSERT INTO revocation_outbox (kind, subject, min, dies_at, created_at) VALUES {ids}"))
                .await;
            s.sweep().await;
            let first = revocation::snapshot(&s.op).await.unwrap();
            assert!(first.body.len() > 1 << 20);
            inside.revoke("another", s).await;
            s.sweep().await;
            assert_eq!(s.op.feed.view().n, 2);
            assert!(Arc::ptr_eq(&first.body, &revocation::snapshot(&s.op).await.unwrap().body));
            s.advance(2 * SECOND);
            s.sweep().await;
            assert_eq!(snapshot(s).await.1.len(), 5_001);
            // However far the clock goes back.
            s.clock.set(s.now().minus(HOUR));
            s.sweep().await;
            let back = revocation::snapshot(&s.op).await.unwrap();
            let Message::Snapshot(back) = Follower::new(s).open(&back.body) else { panic!("no snapshot") };
            assert_eq!(back.at, s.now().millis());
        });
    }
}
