//! The revocation feed when something breaks: the database is cut off, the process is killed between a revocation and
//! its batch, or told to stop.

use signet_verify::feed::entry::Kind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::crash::with_program;
use super::outage::behind_proxy;
use super::*;
use crate::support::feed::{PATIENCE, Stream, Watcher, named_batch};
use crate::support::process::{Address, Process, Visitor};
use crate::support::proxy::Road;

/// Tokens of the demo's app.
async fn tokens(address: &Address) -> Tokens {
    let code = Visitor::new(address).code().await.unwrap();
    Tokens::of(&address.redeeming(&code).send().await)
}

mod without_its_database {
    use super::*;

    async fn unavailable(request: Request) {
        let began = signet::clock::monotonic_now();
        let response = request.send().await;
        assert_eq!(response.status, 503, "{request:?}: {}", response.text());
        assert!(header(&response, "retry-after").parse::<u32>().unwrap() >= 1);
        assert_eq!(header(&response, "cache-control"), "no-store");
        assert!(began.elapsed() < Duration::from_secs(9), "{request:?}");
    }

    async fn outage(s: &Server, road: Road) {
        let Some((node, proxy)) = behind_proxy(s).await else { return };
        let sweeping = node.sweeping();
        s.sweep().await;
        let mut w = Watcher::of(&node).await;
        let before = s.tokens("app").await;
        let n = named_batch(&s.revoke("app", &before.access).await);
        w.reach(n).await;
        proxy.set(road);
        // Those that were due already may still come.
        let mut late = 0;
        while w.stream.within(Duration::from_millis(2500)).await.is_some() {
            late += 1;
            assert!(late < 20, "heartbeats go on without a database");
        }
        // Nothing is claimed that is not known; what is known is still told.
        unavailable(node.get(&format!("/revocation/batches/{}", n + 1))).await;
        unavailable(node.get(&format!("/revocation/batches/{}", n + 2))).await;
        for path in ["/.well-known/revocation-configuration", "/revocation/snapshot", "/revocation/batches/1"] {
            node.get(path).send().await.ok();
        }
        // Another node goes on meanwhile.
        let meanwhile = s.tokens("app").await;
        assert!(named_batch(&s.revoke("app", &meanwhile.access).await) > n);
        proxy.set(Road::Open);
        assert_eq!(w.refusal(&meanwhile.access).await, Kind::Jti);
        w.heard = None;
        while w.heard.is_none() {
            w.receive().await;
        }
        drop(sweeping);
        node.stop().await;
    }

    #[test]
    fn that_refuses_the_heartbeats_stop_and_come_back() {
        with_server(async |s| outage(s, Road::Cut).await);
    }

    #[test]
    fn that_hangs_the_heartbeats_stop_and_come_back() {
        with_server(async |s| outage(s, Road::Silent).await);
    }
}

mod killed {
    use super::*;

    #[test]
    fn between_a_revocation_and_its_batch_the_next_process_publishes_it() {
        with_program(async |folder, address, url| {
            let process = Process::start(folder, address, url, "info");
            let (dead, mut w) = (tokens(address).await, Watcher::of_program(address).await);
            process.kill();
            // The command commits, and nobody is there to publish.
            Process::command(folder, &["user", "logout-all", "alice"]);
            let process = Process::start(folder, address, url, "info");
            w.resume(|target| address.get(target)).await;
            assert_eq!(w.refusal(&dead.access).await, Kind::Sub);
            assert_eq!(w.judge(&tokens(address).await.access), None);
            process.kill();
        });
    }

    #[test]
    fn under_load_whatever_was_acknowledged_is_published_and_the_chain_goes_on() {
        with_program(async |folder, address, url| {
            let mut process = Process::start(folder, address, url, "info");
            let mut w = Watcher::of_program(address).await;
            for round in 0..effort(3, 30) {
                let mut all = Vec::new();
                for _ in 0..6 {
                    all.push(tokens(address).await);
                }
                let (acknowledged, mut first) = tokio::sync::mpsc::unbounded_channel();
                let revoking: Vec<_> = all
                    .iter()
                    .map(|tokens| {
                        let (request, acknowledged) = (address.revoking(&tokens.access), acknowledged.clone());
                        tokio::spawn(async move {
                            let answer = request.try_send().await;
                            let _ = acknowledged.send(());
                            answer
                        })
                    })
                    .collect();
                for _ in 0..=round % 4 {
                    first.recv().await;
                }
                process.kill();
                let mut revoked = Vec::new();
                for (answer, tokens) in revoking.into_iter().zip(&all) {
                    if answer.await.unwrap().is_some_and(|answer| answer.status == 200) {
                        revoked.push(tokens);
                    }
                }
                assert!(!revoked.is_empty());
                process = Process::start(folder, address, url, "info");
                w.resume(|target| address.get(target)).await;
                for tokens in revoked {
                    assert_eq!(w.refusal(&tokens.access).await, Kind::Jti);
                }
            }
            process.kill();
        });
    }
}

mod told_to_stop {
    use super::*;

    #[test]
    fn streams_and_held_requests_end_at_once_and_nobody_waits_for_them() {
        with_program(async |folder, address, url| {
            let process = Process::start(folder, address, url, "info");
            let mut streams = Vec::new();
            for _ in 0..3 {
                let mut stream = Stream::open(&address.get("/revocation/stream")).await.unwrap();
                assert_eq!(stream.next().await.unwrap().name, "snapshot");
                streams.push(stream);
            }
            let mut held = tokio::net::TcpStream::connect(address.public).await.unwrap();
            held.write_all(&address.get("/revocation/batches/1").to_bytes()).await.unwrap();
            until_heard(address, &held).await;
            let began = signet::clock::monotonic_now();
            process.terminate();
            for stream in &mut streams {
                while stream.next().await.is_some() {}
            }
            let mut answer = Vec::new();
            held.read_to_end(&mut answer).await.unwrap();
            let answer = Response::parse(&answer).unwrap();
            assert!(matches!(answer.status, 200 | 503), "{}", answer.text());
            assert_eq!(process.wait(), Some(0));
            // Whoever waited would do so for `http.shutdown_seconds`, 300.
            assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        });
    }

    /// Waits until the server has taken the held request: it counts among the followers, or is answered already. One
    /// that was only sent may still lie in the operating system's queue, and ends with it unanswered.
    async fn until_heard(address: &Address, held: &tokio::net::TcpStream) {
        let heard = async {
            loop {
                let metrics = Request::new(address.admin, "GET", "/metrics").send().await.text();
                let counted = metrics.lines().any(|line| line == "signet_revocation_followers 4");
                let answered = tokio::time::timeout(Duration::from_millis(20), held.readable()).await.is_ok();
                if counted || answered {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("the server takes the request");
    }
}
