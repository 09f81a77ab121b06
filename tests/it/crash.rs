//! What a crash, a lost database and a polite stop leave behind: nothing acknowledged is lost, nothing consumed works
//! twice, and no honest client is logged out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::outage::once_available;
use super::*;
use crate::support::database::Database;
use crate::support::feed::PATIENCE;
use crate::support::process::{Address, Process, Visitor};
use crate::support::proxy::{Proxy, Road};

/// Runs a test of the program on a database of its own; the test gets a folder, an address and the database's URL.
pub(super) fn with_program(test: impl AsyncFnOnce(&std::path::Path, &Address, Option<&str>)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(database) = Database::empty(BACKEND).await else { return };
        let folder = tempfile::tempdir().unwrap();
        let url = (BACKEND == Backend::Postgres).then_some(database.url.as_str());
        test(folder.path(), &Address::free(), url).await;
        database.delete().await;
    });
}

mod killed {
    use super::*;

    /// An honest client, and what the server has acknowledged to it.
    struct Client {
        visitor: Visitor,
        /// Its newest refresh token.
        token: Option<String>,
        /// A code whose redemption has not been answered.
        pending: Option<String>,
        redeemed: Vec<String>,
        revoked: Vec<String>,
    }

    impl Client {
        fn new(address: &Address) -> Self {
            let visitor = Visitor::new(address);
            Self { visitor, token: None, pending: None, redeemed: Vec::new(), revoked: Vec::new() }
        }

        /// One acknowledged step; `None` where no answer came.
        async fn step(&mut self, number: u32) -> Option<()> {
            let address = self.visitor.address.clone();
            let Some(token) = self.token.clone() else {
                let code = self.visitor.code().await?;
                self.pending = Some(code.clone());
                let answer = address.redeeming(&code).try_send().await?;
                self.token = Some(Tokens::of(&answer).refresh().to_owned());
                self.pending = None;
                self.redeemed.push(code);
                return Some(());
            };
            if number % 7 == 6 {
                // Whether or not the answer comes, the client is done with it.
                self.token = None;
                address.revoking(&token).try_send().await?.ok();
                self.revoked.push(token);
                return Some(());
            }
            let answer = address.refreshing(&token).try_send().await?;
            self.token = Tokens::of(&answer).refresh.or(Some(token));
            Some(())
        }

        /// After a restart.
        async fn check(&mut self) {
            let address = self.visitor.address.clone();
            for token in &self.revoked {
                address.refreshing(token).send().await.refused(400, "invalid_grant");
            }
            if let Some(code) = self.pending.take() {
                // Redeemed or not, nobody had the tokens: either outcome, once.
                let answer = address.redeeming(&code).send().await;
                assert!(matches!(answer.status, 200 | 400), "{}", answer.text());
                address.redeeming(&code).send().await.refused(400, "invalid_grant");
            }
            if let Some(token) = &self.token {
                let first = Tokens::of(&address.refreshing(token).send().await).refresh;
                let again = Tokens::of(&address.refreshing(token).send().await).refresh;
                if let (Some(first), Some(again)) = (&first, &again) {
                    assert_eq!(first, again, "a retry yields the same successor");
                }
                self.token = first.or(self.token.take());
            }
        }
    }

    /// Works until the server is gone; counts what was acknowledged.
    async fn work(mut client: Client, acknowledged: Arc<AtomicU32>, enough: Arc<tokio::sync::Notify>, goal: u32) -> Client {
        for number in 0..100_000 {
            if client.step(number).await.is_none() {
                return client;
            }
            if acknowledged.fetch_add(1, Ordering::SeqCst) == goal {
                enough.notify_one();
            }
        }
        panic!("the server was not killed");
    }

    #[test]
    fn under_load_it_loses_nothing_that_was_acknowledged() {
        with_program(async |folder, address, url| {
            let mut clients: Vec<_> = (0..4).map(|_| Client::new(address)).collect();
            let mut process = Process::start(folder, address, url, "info");
            for round in 0..effort(4, 50) {
                let (acknowledged, enough) = (Arc::default(), Arc::new(tokio::sync::Notify::new()));
                let goal = 8 + round * 13 % 31;
                let working: Vec<_> = clients
                    .drain(..)
                    .map(|client| tokio::spawn(work(client, Arc::clone(&acknowledged), Arc::clone(&enough), goal)))
                    .collect();
                tokio::time::timeout(PATIENCE, enough.notified()).await.unwrap();
                process.kill();
                for client in working {
                    clients.push(client.await.unwrap());
                }
                process = Process::start(folder, address, url, "info");
                for client in &mut clients {
                    client.check().await;
                }
            }
            for client in &clients {
                for code in &client.redeemed {
                    address.redeeming(code).send().await.refused(400, "invalid_grant");
                }
            }
            let log = process.log();
            assert!(!log.contains("reuse"), "an honest client was accused: {log}");
            assert!(!log.contains("a commit was lost"), "{log}");
            process.kill();
        });
    }
}

mod told_to_stop {
    use super::*;

    #[test]
    fn it_answers_what_is_under_way_and_ends_with_0() {
        with_program(async |folder, address, url| {
            let process = Process::start(folder, address, url, "info");
            let (mut codes, mut waiting) = (Vec::new(), Vec::new());
            for _ in 0..6 {
                codes.push(Visitor::new(address).code().await.unwrap());
            }
            for code in &codes {
                let request = address.redeeming(code).header("Expect", "100-continue").to_bytes();
                let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                let mut stream = TcpStream::connect(address.public).await.unwrap();
                stream.write_all(&request[..end]).await.unwrap();
                // The server says that it waits for the body: now the request is in its hands.
                let mut go_on = [0; 25];
                stream.read_exact(&mut go_on).await.unwrap();
                assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
                waiting.push((stream, request[end..].to_vec()));
            }
            process.terminate();
            for (stream, body) in &mut waiting {
                stream.write_all(body).await.unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).await.unwrap();
                let answer = Response::parse(&answer).unwrap();
                assert_eq!(answer.status, 200, "{}\n{}", answer.text(), process.log());
            }
            assert_eq!(process.wait(), Some(0));
        });
    }
}

mod without_its_database {
    use super::*;

    async fn unavailable(request: Request, within: Duration) {
        let answer = tokio::time::timeout(within, request.send()).await;
        let answer = answer.expect("an answer in time");
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
    }

    /// SQLite cannot be cut off.
    fn with_road(road: Road, within: Duration, rounds: u32) {
        with_server(async |s| {
            if s.backend == Backend::Sqlite {
                return;
            }
            let mut url = url::Url::parse(s.config.database.url.reveal()).unwrap();
            let upstream = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
            let proxy = Proxy::to(upstream).await;
            url.set_port(Some(proxy.address.port())).unwrap();
            let node = s.impatient_node_at(url.as_str()).await;
            let tokens = s.tokens("app").await;
            let code = s.code("app").await;
            let params = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            let refreshing = || node.auth("app").on(node.post("/token"), &params);
            let redeeming =
                || node.auth("app").on(node.post("/token"), &crate::support::client::redemption(&code));
            let introspecting = || node.auth("api").on(node.post("/introspect"), &[("token", &tokens.access)]);
            for _ in 0..rounds {
                proxy.set(road);
                let load: Vec<_> = (0..4)
                    .flat_map(|_| [refreshing(), redeeming(), introspecting(), node.get(&request("app").target())])
                    .map(|request| tokio::spawn(unavailable(request, within)))
                    .collect();
                for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/healthz"] {
                    node.get(path).send().await.ok();
                }
                for one in load {
                    one.await.unwrap();
                }
                proxy.set(Road::Open);
                // The pool notices by itself; until then the answer is still "try again", and nothing else.
                once_available(async || refreshing().send().await).await.ok();
            }
            once_available(async || node.redeem("app", &code).await).await.ok();
            node.stop().await;
        });
    }

    #[test]
    fn cut_off_it_says_try_again_and_recovers() {
        with_road(Road::Cut, Duration::from_secs(9), effort(2, 20));
    }

    #[test]
    fn met_with_silence_it_says_try_again_and_recovers() {
        // Nothing tells silence from slowness but time: `outage` measures it.
        with_road(Road::Silent, PATIENCE, 1);
    }
}
