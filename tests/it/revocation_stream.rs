//! docs/revocation-feed.md §4: the stream of server-sent events, its followers and their limits.

use signet_verify::feed::message::{Message, digest};
use sqlx::{Connection as _, Executor as _};
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::support::feed::{PATIENCE, Stream, Watcher, named_batch, quick};

fn with_feed(test: impl AsyncFnOnce(&Server)) {
    with_settings(|_| {}, test);
}

fn with_settings(change: impl Fn(&mut Config), test: impl AsyncFnOnce(&Server)) {
    let changed = |config: &mut Config| {
        quick(config);
        change(config);
    };
    with_config(changed, async |s| {
        let _sweeping = s.sweeping();
        s.sweep().await;
        test(s).await;
    });
}

/// Revokes an access token; the number of its batch.
async fn revoked(s: &Server) -> i64 {
    let token = Tokens::of(&s.token("service", &[("grant_type", "client_credentials")]).await).access;
    named_batch(s.revoke("service", &token).await.ok())
}

fn from(s: &Server, n: i64) -> Request {
    s.get(&format!("/revocation/stream?from={n}"))
}

/// The ids of the next batches, which nothing but heartbeats comes between.
async fn ids(stream: &mut Stream, count: usize) -> Vec<i64> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let event = stream.next().await.unwrap();
        if event.name != "heartbeat" {
            assert_eq!(event.name, "batch");
            ids.push(event.id.parse().unwrap());
        }
    }
    ids
}

async fn followers(s: &Server) -> String {
    let text = s.admin_get("/metrics").send().await.text();
    let line = text.lines().find_map(|line| line.strip_prefix("signet_revocation_followers "));
    line.unwrap().to_owned()
}

/// Waits until so many follow.
async fn until_followed_by(s: &Server, count: &str) {
    let waiting = async {
        while followers(s).await != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the place is given back");
}

mod events {
    use super::*;

    #[test]
    fn a_new_follower_gets_a_snapshot_then_heartbeats_then_batches() {
        with_feed(async |s| {
            let first = revoked(s).await;
            let mut w = Watcher::of(s).await;
            for (name, value) in [
                ("content-type", "text/event-stream"),
                ("cache-control", "no-store"),
                ("x-accel-buffering", "no"),
                ("access-control-allow-origin", "*"),
                ("x-content-type-options", "nosniff"),
            ] {
                assert_eq!(header(&w.stream.head, name), value, "{name}");
            }
            assert_eq!((w.position(), w.follower.live().len()), (first, 1));
            for _ in 0..3 {
                let Message::Heartbeat(heartbeat) = w.receive().await else { panic!("no heartbeat") };
                assert_eq!((heartbeat.n, heartbeat.at), (first, s.now().millis()));
            }
            // It vouches for the time that has passed as well.
            s.advance(SECOND);
            while w.heard != Some(s.now().millis()) {
                w.receive().await;
            }
            let second = revoked(s).await;
            w.reach(second).await;
            assert_eq!((second, w.follower.live().len()), (first + 1, 2));
        });
    }

    #[test]
    fn heartbeats_come_at_their_pace() {
        with_feed(async |s| {
            let began = signet::clock::monotonic_now();
            let mut stream = Stream::open(&from(s, 0)).await.unwrap();
            for _ in 0..4 {
                assert_eq!(stream.next().await.unwrap().name, "heartbeat");
            }
            // The first comes at once.
            assert!(began.elapsed() >= Duration::from_millis(600), "{:?}", began.elapsed());
        });
    }

    #[test]
    fn who_comes_back_gets_what_it_lacks_without_a_gap_while_more_is_made() {
        with_feed(async |s| {
            for _ in 0..5 {
                revoked(s).await;
            }
            let making = async {
                for _ in 0..5 {
                    revoked(s).await;
                }
            };
            let following = async {
                let mut stream = Stream::open(&from(s, 2)).await.unwrap();
                assert_eq!(ids(&mut stream, 8).await, (3..=10).collect::<Vec<_>>());
            };
            tokio::join!(making, following);
            let mut all = Stream::open(&from(s, 0)).await.unwrap();
            let mut chain = signet_verify::feed::message::GENESIS.to_owned();
            let keys = s.feed_keys().await;
            for n in 1..=10 {
                let event = all.next().await.unwrap();
                let Message::Batch(batch) = keys.open(&event.data, s.issuer()).unwrap() else { panic!("{event:?}") };
                assert_eq!((batch.n, &batch.prev), (n, &chain));
                chain = digest(&event.data);
            }
            let last = all.next().await.unwrap();
            assert_eq!((last.name.as_str(), last.id.as_str()), ("heartbeat", "10"));
        });
    }

    #[test]
    fn the_header_of_a_reconnecting_browser_goes_before_its_address() {
        with_feed(async |s| {
            for _ in 0..3 {
                revoked(s).await;
            }
            let resuming = from(s, 0).header("Last-Event-ID", "2");
            assert_eq!(ids(&mut Stream::open(&resuming).await.unwrap(), 1).await, [3]);
            let alone = s.get("/revocation/stream").header("Last-Event-ID", "1");
            assert_eq!(ids(&mut Stream::open(&alone).await.unwrap(), 2).await, [2, 3]);
        });
    }

    #[test]
    fn a_node_passes_on_what_another_has_published() {
        with_feed(async |s| {
            let public_url = s.issuer().to_owned();
            let other = s
                .node_with(&|config| {
                    quick(config);
                    config.public_url.clone_from(&public_url);
                })
                .await;
            let sweeping = other.sweeping();
            other.sweep().await;
            let mut w = Watcher::of(&other).await;
            let tokens = s.tokens("app").await;
            let n = named_batch(&s.revoke("app", tokens.refresh()).await);
            assert_eq!(w.refusal(&tokens.access).await, signet_verify::feed::entry::Kind::Fam);
            assert!(w.position() <= n);
            // And the other way round, by one chain.
            let mut here = Watcher::of(s).await;
            let again = other.tokens("app").await;
            let n = named_batch(&other.revoke("app", &again.access).await);
            here.reach(n).await;
            assert!(here.judge(&again.access).is_some());
            drop(sweeping);
            other.stop().await;
        });
    }
}

mod refusals {
    use super::*;

    async fn refused(request: &Request, status: u16, error: &str) -> Response {
        let response = Stream::open(request).await.err().expect("no stream");
        response.refused(status, error);
        assert_eq!(header(&response, "cache-control"), "no-store");
        response
    }

    #[test]
    fn a_number_that_is_none_is_told_so() {
        with_feed(async |s| {
            for bad in ["", "01", "-1", "+1", "1.0", "x", "9007199254740992", "1&from=2"] {
                refused(&s.get(&format!("/revocation/stream?from={bad}")), 400, "invalid_request").await;
            }
            for bad in ["", "01", "x", "-1"] {
                let request = from(s, 0).header("Last-Event-ID", bad);
                refused(&request, 400, "invalid_request").await;
            }
            assert_eq!(followers(s).await, "0");
        });
    }

    #[test]
    fn a_number_ahead_of_this_node_is_not_there_and_one_that_is_not_kept_is_gone() {
        with_feed(async |s| {
            let n = revoked(s).await;
            refused(&from(s, n + 1), 404, "not_found").await;
            refused(&from(s, (1 << 53) - 1), 404, "not_found").await;
            let entry = s.op.audit(signet::model::audit::Event::EpochRestored, "cli", s.now()).unwrap();
            s.op.store.restore_epoch(entry).await.unwrap();
            s.sweep().await;
            refused(&from(s, n), 410, "gone").await;
            refused(&from(s, 0), 410, "gone").await;
        });
    }

    #[test]
    fn a_stream_whose_next_batch_is_gone_ends() {
        with_feed(async |s| {
            let mut stream = Stream::open(&from(s, 0)).await.unwrap();
            stream.next().await.unwrap();
            let entry = s.op.audit(signet::model::audit::Event::EpochRestored, "cli", s.now()).unwrap();
            s.op.store.restore_epoch(entry).await.unwrap();
            while let Some(event) = stream.next().await {
                assert_eq!((event.name.as_str(), event.id.as_str()), ("heartbeat", "0"));
            }
        });
    }

    #[test]
    fn other_methods_are_refused() {
        with_feed(async |s| {
            for path in ["/revocation/stream", "/revocation/batches/1", "/revocation/snapshot"] {
                for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                    assert_eq!(s.request(method, path).send().await.status, 405, "{method} {path}");
                }
            }
        });
    }
}

mod followers_limit {
    use super::*;

    #[test]
    fn beyond_it_nobody_is_admitted_until_somebody_goes() {
        let two = |config: &mut Config| config.revocation.max_followers = 2;
        with_settings(two, async |s| {
            let first = Stream::open(&from(s, 0)).await.unwrap();
            let mut second = Stream::open(&from(s, 0)).await.unwrap();
            assert_eq!(followers(s).await, "2");
            // Held requests need a place, too.
            for path in ["/revocation/stream", "/revocation/batches/1"] {
                let full = Stream::open(&s.get(path)).await.err().expect("no stream");
                full.refused(503, "temporarily_unavailable");
                assert!(header(&full, "retry-after").parse::<u32>().unwrap() >= 1);
            }
            // What needs no waiting needs no place.
            s.get("/revocation/snapshot").send().await.ok();
            drop(first);
            until_followed_by(s, "1").await;
            Stream::open(&from(s, 0)).await.unwrap();
            assert!(second.next().await.is_some(), "those who were there are not disturbed");
        });
    }

    #[test]
    fn a_held_request_gives_its_place_back() {
        let one = |config: &mut Config| config.revocation.max_followers = 1;
        with_settings(one, async |s| {
            for _ in 0..3 {
                // 503 where this node has not looked into its outbox for a heartbeat.
                let answer = s.get("/revocation/batches/1").send().await;
                assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
            }
            assert_eq!(followers(s).await, "0");
            // One whose client has gone without waiting, too.
            drop(held(s).await);
            until_followed_by(s, "0").await;
        });
    }

    /// A held request that was seen to follow: where a heartbeat has ended one unseen, the next.
    async fn held(s: &Server) -> tokio::net::TcpStream {
        let holding = async {
            loop {
                let mut socket = tokio::net::TcpStream::connect(s.public).await.unwrap();
                socket.write_all(&s.get("/revocation/batches/1").to_bytes()).await.unwrap();
                let answered = async { _ = socket.readable().await };
                tokio::select! {
                    () = until_followed_by(s, "1") => return socket,
                    () = answered => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, holding).await.expect("a request is held")
    }
}

mod a_slow_reader {
    use super::*;

    /// Three batches of some 3 MB each: more than the buffers of the operating system take.
    async fn much(s: &Server) {
        let url = s.config.database.url.reveal();
        let dies_at = s.now().plus(10 * MINUTE).millis();
        let columns = "INSERT INTO revocation_outbox (kind, subject, min, dies_at, created_at)";
        if s.backend == Backend::Postgres {
            let fill = format!(
                "{columns} SELECT 'jti', lpad(i::text, 200, 'x'), NULL, {dies_at}, {dies_at}
                 FROM generate_series(1, 30000) AS i"
            );
            let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(fill)).await.unwrap();
        } else {
            let fill = format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
                 {columns} SELECT 'jti', printf('%0200d', i), NULL, {dies_at}, {dies_at} FROM n"
            );
            let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(fill)).await.unwrap();
        }
        s.sweep().await;
    }

    #[test]
    fn that_takes_nothing_is_ended_and_disturbs_nobody() {
        let impatient = |config: &mut Config| config.http.write_timeout_seconds = 6;
        with_settings(impatient, async |s| {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            let mut slow = socket.connect(s.public).await.unwrap();
            slow.write_all(&from(s, 0).to_bytes()).await.unwrap();
            until_followed_by(s, "1").await;
            let mut honest = Stream::open(&from(s, 0)).await.unwrap();
            let reading = tokio::spawn(async move { (ids(&mut honest, 3).await, honest) });
            much(s).await;
            // A healthy one gets it all meanwhile.
            let (read, honest) = reading.await.unwrap();
            assert_eq!(read, [1, 2, 3]);
            drop(honest);
            until_followed_by(s, "0").await;
            // The connection is gone: what the buffers held still comes, the rest does not.
            let mut rest = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut slow, &mut rest).await;
            assert!(rest.len() < 9_000_000, "{}", rest.len());
        });
    }

    #[test]
    fn that_goes_on_after_a_while_has_lost_nothing() {
        with_feed(async |s| {
            let mut stream = Stream::open(&from(s, 0)).await.unwrap();
            much(s).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(ids(&mut stream, 3).await, [1, 2, 3]);
            assert!(stream.within(PATIENCE).await.is_some());
        });
    }
}
