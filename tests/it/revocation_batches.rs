//! The batcher (docs/revocation-feed.md §3, §6): whatever is committed is published once, in numbers without gaps, and
//! a node vouches for no more than it has seen. As with storage, what it asks cannot all be seen from outside.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use signet::flow::revocation::{self, BatchAnswer, View};
use signet::storage::SweepCursor;
use signet_verify::feed::entry::Kind;
use signet_verify::feed::message::Message;

use super::*;
use crate::support::follower::Follower;
use crate::support::inside::Inside;
use crate::support::proxy::{Proxy, Road};

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Polls a future until it has had to wait so often, and drops it there: what a process that is killed at that point
/// leaves undone. `true` if it was done before.
async fn killed_after<F: Future>(mut waits: u64, work: F) -> bool {
    let mut work: Pin<Box<F>> = Box::pin(work);
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending if waits == 0 => Poll::Ready(false),
        Poll::Pending => {
            waits -= 1;
            Poll::Pending
        }
    })
    .await
}

fn ids(batches: &[signet_verify::feed::message::Batch]) -> Vec<String> {
    batches.iter().flat_map(|batch| batch.entries.iter().map(|entry| entry.id.clone())).collect()
}

mod a_batcher_killed {
    use super::*;

    #[test]
    fn between_any_two_steps_loses_nothing_and_doubles_nothing() {
        with_server(async |s| {
            let other_node = s.second_node().await;
            let mut inside = Inside::of(s).await;
            let mut follower = Follower::new(s);
            let (mut killed, mut done) = (0, 0);
            for waits in 0..40 {
                let id = format!("token-{waits}");
                inside.revoke(&id, s).await;
                if killed_after(waits, revocation::sweep(&other_node.op)).await { done += 1 } else { killed += 1 }
                revocation::sweep(&s.op).await.unwrap();
                assert_eq!(ids(&follower.batches().await), [id], "killed after {waits} waits");
            }
            // How often it has to wait is the database's affair: an answer may be there before it is asked for.
            assert!(killed >= 1 && done >= 1, "{killed} killed, {done} done");
            revocation::sweep(&other_node.op).await.unwrap();
            assert_eq!((other_node.op.feed.view().n, &other_node.op.feed.view().head), (40, &s.op.feed.view().head));
            assert_eq!(other_node.op.feed.stats().live_entries, 40, "a node that was killed has missed a batch");
            other_node.stop().await;
        });
    }
}

mod many_batchers {
    use super::*;

    #[derive(Default)]
    struct Seen {
        /// Ids, and the clock after their commit had returned.
        committed: Mutex<Vec<(String, i64)>>,
        /// What nodes have vouched for.
        views: Mutex<Vec<Arc<View>>>,
        over: AtomicBool,
        failures: AtomicU32,
    }

    async fn committer(s: &Server, number: u64, seen: &Seen) {
        let mut dice = Dice(0x9e37_79b9 + number);
        let mut inside = Inside::of(s).await;
        for count in 0..u64::from(effort(25, 500)) {
            let id = format!("{number}-{count}");
            inside.begin().await;
            inside.revoke(&id, s).await;
            tokio::time::sleep(Duration::from_micros(dice.below(3000))).await;
            if dice.below(4) == 0 {
                inside.run("ROLLBACK").await;
            } else {
                inside.run("COMMIT").await;
                let now = s.now().millis();
                seen.committed.lock().unwrap().push((id, now));
            }
            s.advance(Duration::from_millis(1));
        }
    }

    async fn batcher(node: &Server, number: u64, seen: &Seen) {
        let mut dice = Dice(0x7f4a_7c15 + number);
        while !seen.over.load(Ordering::SeqCst) {
            let sweep = async {
                match revocation::sweep(&node.op).await {
                    Ok(()) => seen.views.lock().unwrap().push(node.op.feed.view()),
                    Err(_) => _ = seen.failures.fetch_add(1, Ordering::SeqCst),
                }
            };
            killed_after(dice.below(24), sweep).await;
            tokio::time::sleep(Duration::from_micros(dice.below(2000))).await;
        }
    }

    /// Ends connections of the nodes, as a network or an operator does.
    async fn breaker(s: &Server, seen: &Seen) {
        let mut inside = Inside::of(s).await;
        while !seen.over.load(Ordering::SeqCst) {
            inside
                .run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'signet' ORDER BY random() LIMIT 1",
                )
                .await;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    async fn storm(s: &Server, breaks: bool) {
        let nodes = [s.second_node().await, s.second_node().await, s.second_node().await];
        let seen = Seen::default();
        let committers = async {
            // On a busy machine batchers get a word in seldom: the storm goes on until they have made several batches.
            for round in 0..50 {
                let numbers = (0..6).map(|number| committer(s, 6 * round + number, &seen));
                futures_util::future::join_all(numbers).await;
                if seen.views.lock().unwrap().iter().any(|view| view.n > 3) {
                    break;
                }
            }
            seen.over.store(true, Ordering::SeqCst);
        };
        let batchers = [s, &nodes[0], &nodes[1], &nodes[2]];
        let batchers = batchers.into_iter().enumerate().map(|(i, node)| batcher(node, i as u64, &seen));
        let breaking = async {
            if breaks {
                breaker(s, &seen).await;
            }
        };
        tokio::join!(committers, futures_util::future::join_all(batchers), breaking);
        assert_eq!(seen.failures.load(Ordering::SeqCst) > 0, breaks);
        judge(s, &seen).await;
        for node in &nodes {
            node.stop().await;
        }
    }

    async fn judge(s: &Server, seen: &Seen) {
        // A connection that was ended is found out by the next who uses it.
        for _ in 0..10 {
            let _ = revocation::sweep(&s.op).await;
        }
        let batches = Follower::new(s).batches().await;
        let committed = seen.committed.lock().unwrap();
        let mut published = ids(&batches);
        published.sort();
        let mut expected: Vec<_> = committed.iter().map(|(id, _)| id.clone()).collect();
        expected.sort();
        assert_eq!(published, expected);
        assert!(batches.len() > 3, "{} batches", batches.len());
        assert!(batches.is_sorted_by_key(|batch| batch.at));
        let number_of = |id: &str| batches.iter().find(|batch| batch.entries.iter().any(|entry| entry.id == id)).unwrap().n;
        let statements = batches.iter().map(|batch| (batch.n, batch.at));
        let views = seen.views.lock().unwrap();
        let views = views.iter().map(|view| (view.n, view.complete_as_of.millis()));
        let mut statements: Vec<_> = statements.chain(views).collect();
        statements.sort_unstable();
        statements.dedup();
        for (id, at) in committed.iter() {
            let n = number_of(id);
            for (stated, before) in &statements {
                assert!(*at >= *before || n <= *stated, "{id}, committed at {at}, is in batch {n}; {stated} was complete as of {before}");
            }
        }
    }

    #[test]
    fn publish_exactly_what_was_committed_and_vouch_for_no_more() {
        with_server(async |s| storm(s, false).await);
    }

    #[test]
    fn whose_connections_are_ended_all_the_time_do_too() {
        with_server(async |s| {
            if s.backend == Backend::Postgres {
                storm(s, true).await;
            }
        });
    }
}

mod a_full_outbox {
    use super::*;

    #[test]
    fn is_published_in_batches_of_ten_thousand_of_which_only_the_last_vouches_for_its_time() {
        with_server(async |s| {
            let mut inside = Inside::of(s).await;
            revocation::sweep(&s.op).await.unwrap();
            let series = match s.backend {
                Backend::Postgres => "generate_series(1, 10001) AS series(value)",
                Backend::Sqlite => {
                    "(WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c WHERE value < 10001) SELECT value FROM c) series"
                }
            };
            let dies_at = s.now().plus(15 * MINUTE).millis();
            inside
                .run(&format!(
                    "INSERT INTO revocation_outbox (kind, subject, min, dies_at, created_at)
                     SELECT 'sid', 'a-session-with-a-long-name-' || series.value, NULL, {dies_at}, 0 FROM {series}"
                ))
                .await;
            let mut follower = Follower::new(s);
            revocation::sweep(&s.op).await.unwrap();
            let batches = follower.batches().await;
            let sizes: Vec<_> = batches.iter().map(|batch| (batch.entries.len(), batch.at)).collect();
            assert_eq!(sizes, [(10_000, 0), (1, s.now().millis())]);
            assert_eq!(s.op.feed.view().complete_as_of, s.now());
        });
    }
}

mod a_sweep {
    use super::*;

    #[test]
    fn with_nothing_to_publish_writes_nothing_and_locks_nothing() {
        with_server(async |s| {
            let mut inside = Inside::of(s).await;
            s.log_out_all(ALICE.0).await;
            let before = inside.trace().await;
            revocation::sweep(&s.op).await.unwrap();
            let published = inside.trace().await;
            assert_ne!(published, before);
            for _ in 0..10 {
                s.advance(SECOND);
                revocation::sweep(&s.op).await.unwrap();
                assert_eq!(s.op.feed.view().complete_as_of, s.now());
            }
            assert_eq!(inside.trace().await, published);
        });
    }

    #[test]
    fn that_finds_no_database_vouches_for_nothing_new_and_the_next_goes_on() {
        with_server(async |s| {
            if s.backend == Backend::Sqlite {
                return;
            }
            let mut url = url::Url::parse(s.config.database.url.reveal()).unwrap();
            let proxy = Proxy::to(format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())).await;
            url.set_host(Some("127.0.0.1")).unwrap();
            url.set_port(Some(proxy.address.port())).unwrap();
            let node = s.impatient_node_at(url.as_str()).await;
            while revocation::sweep(&node.op).await.is_err() {}
            let before = node.op.feed.view();
            proxy.set(Road::Cut);
            s.advance(SECOND);
            s.log_out_all(ALICE.0).await;
            assert!(revocation::sweep(&node.op).await.is_err());
            assert_eq!(revocation::published(&node.op).await, None);
            assert_eq!(node.op.feed.view(), before);
            proxy.set(Road::Open);
            while revocation::sweep(&node.op).await.is_err() {}
            assert_eq!(node.op.feed.view().n, before.n + 1);
            assert_eq!(node.op.feed.view().complete_as_of, s.now());
            node.stop().await;
        });
    }

    #[test]
    fn takes_over_what_other_nodes_have_published() {
        with_server(async |s| {
            let other_node = s.second_node().await;
            let hearing = {
                let op = Arc::clone(&s.op);
                tokio::spawn(async move { op.store.listen_to_feed().await })
            };
            let mut rounds = 0;
            loop {
                other_node.log_out_all(ALICE.0).await;
                rounds += 1;
                assert_eq!(revocation::published(&other_node.op).await, Some(rounds));
                let news = s.op.store.feed_news();
                let heard = tokio::time::timeout(Duration::from_millis(200), news.notified()).await.is_ok();
                // The listener takes a moment to connect; SQLite has none, and one node.
                if heard || s.backend == Backend::Sqlite {
                    break;
                }
                assert!(rounds < 50, "no word of another node's batch");
            }
            assert_eq!(s.op.feed.view().n, 0);
            revocation::sweep(&s.op).await.unwrap();
            assert_eq!(s.op.feed.view().n, rounds);
            assert_eq!(s.op.feed.view().head, other_node.op.feed.view().head);
            assert_eq!(s.op.feed.stats().live_entries, 1);
            hearing.abort();
            other_node.stop().await;
        });
    }

    #[test]
    fn that_finds_the_database_gone_back_un_revokes_nothing() {
        with_server(async |s| {
            let mut inside = Inside::of(s).await;
            for name in [ALICE.0, BOB.0] {
                s.log_out_all(name).await;
                revocation::sweep(&s.op).await.unwrap();
            }
            let first = Follower::new(s).batches().await.remove(1).prev;
            inside.run("DELETE FROM revocation_batch WHERE n > 1").await;
            inside.run(&format!("UPDATE revocation_head SET n = 1, digest = '{first}' WHERE id = 1")).await;
            s.advance(SECOND);
            revocation::sweep(&s.op).await.unwrap();
            assert_eq!((s.op.feed.view().n, s.op.feed.stats().live_entries), (1, 2));
            assert_eq!(revocation::batch(&s.op, 2).await.unwrap(), BatchAnswer::Newest);
            let Message::Snapshot(snapshot) = Follower::new(s).open(&revocation::snapshot(&s.op).await.unwrap().body)
            else {
                panic!("no snapshot")
            };
            assert_eq!((snapshot.n, snapshot.entries.len()), (1, 2));
        });
    }
}

mod an_answer {
    use super::*;

    #[test]
    fn waits_for_a_batch_that_holds_what_was_committed_before() {
        with_server(async |s| {
            let mut inside = Inside::of(s).await;
            for round in 0..20 {
                let before = format!("before-{round}");
                inside.revoke(&before, s).await;
                let many = (0..8).map(|_| revocation::published(&s.op));
                let numbers = futures_util::future::join_all(many).await;
                let batches = Follower::new(s).batches().await;
                let n = batches.iter().find(|batch| batch.entries.iter().any(|entry| entry.id == before)).unwrap().n;
                assert!(numbers.iter().all(|number| number.is_some_and(|number| number >= n)), "{n}: {numbers:?}");
            }
        });
    }

    #[test]
    fn is_a_number_even_where_there_is_nothing_new() {
        with_server(async |s| {
            assert_eq!(revocation::published(&s.op).await, Some(0));
        });
    }
}

mod batches {
    use super::*;

    #[test]
    fn are_kept_for_twenty_minutes_and_go_from_the_oldest_on() {
        with_server(async |s| {
            for _ in 0..9 {
                s.log_out_all(ALICE.0).await;
                revocation::sweep(&s.op).await.unwrap();
                s.advance(5 * MINUTE);
                s.op.store.sweep(&mut SweepCursor::default(), 100, DAY, s.now()).await.unwrap();
            }
            let mut inside = Inside::of(s).await;
            // Made 5, 10, 15 and 20 minutes ago.
            assert_eq!(inside.numbers("SELECT n FROM revocation_batch ORDER BY n").await, [6, 7, 8, 9]);
            let fresh = s.second_node().await;
            assert_eq!(revocation::batch(&fresh.op, 9).await.unwrap(), BatchAnswer::Beyond);
            revocation::sweep(&fresh.op).await.unwrap();
            for n in [-1, 0, 1, 5, i64::MIN] {
                assert_eq!(revocation::batch(&fresh.op, n).await.unwrap(), BatchAnswer::Gone, "{n}");
            }
            for n in 6..=9 {
                assert!(matches!(revocation::batch(&fresh.op, n).await.unwrap(), BatchAnswer::Kept(_)), "{n}");
            }
            assert_eq!(revocation::batch(&fresh.op, 10).await.unwrap(), BatchAnswer::Newest);
            for n in [11, 1_000_000, i64::MAX] {
                assert_eq!(revocation::batch(&fresh.op, n).await.unwrap(), BatchAnswer::Beyond, "{n}");
            }
            s.log_out_all(ALICE.0).await;
            assert_eq!(revocation::published(&fresh.op).await, Some(10));
            fresh.stop().await;
        });
    }
}

mod statements {
    use super::*;

    #[test]
    fn are_not_made_before_the_database_has_been_read() {
        with_server(async |s| {
            let view = s.op.feed.view();
            assert!(!view.is_made());
            assert!(revocation::heartbeat(&s.op, &view).is_err());
            // A snapshot is waited for, not refused.
            let snapshot = revocation::snapshot(&s.op).await.unwrap();
            assert_eq!((snapshot.n, s.op.feed.view().complete_as_of), (0, s.now()));
        });
    }

    #[test]
    fn are_signed_once_for_all_who_ask() {
        with_server(async |s| {
            let follower = Follower::new(s);
            revocation::sweep(&s.op).await.unwrap();
            let view = s.op.feed.view();
            let (one, two) = (revocation::heartbeat(&s.op, &view).unwrap(), revocation::heartbeat(&s.op, &view).unwrap());
            assert!(Arc::ptr_eq(&one, &two));
            let Message::Heartbeat(heartbeat) = follower.open(&one) else { panic!("{one}") };
            assert_eq!((heartbeat.n, heartbeat.at, &heartbeat.head), (0, s.now().millis(), &view.head));
            let (one, two) = (revocation::snapshot(&s.op).await.unwrap(), revocation::snapshot(&s.op).await.unwrap());
            assert!(Arc::ptr_eq(&one.body, &two.body));
            s.log_out_all(ALICE.0).await;
            revocation::sweep(&s.op).await.unwrap();
            let three = revocation::snapshot(&s.op).await.unwrap();
            assert_ne!(three.etag, one.etag);
            let Message::Snapshot(snapshot) = follower.open(&three.body) else { panic!("{}", three.body) };
            assert_eq!((snapshot.n, snapshot.entries[0].kind), (1, Kind::Sub));
            // Without news it is made anew after two seconds: whoever begins with it must hear a fresh time.
            s.advance(2 * SECOND);
            revocation::sweep(&s.op).await.unwrap();
            let Message::Snapshot(later) = follower.open(&revocation::snapshot(&s.op).await.unwrap().body) else {
                panic!("no snapshot")
            };
            assert_eq!((later.n, later.at), (1, s.now().millis()));
            s.advance(17 * MINUTE);
            revocation::sweep(&s.op).await.unwrap();
            assert_eq!(s.op.feed.stats().live_entries, 0);
        });
    }
}
