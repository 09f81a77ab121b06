//! A follower of the revocation feed: it reads the stream as bytes, checks every signature and the chain, and keeps the
//! state that a verifier would.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use signet::clock::{SystemClock, Timestamp};
use signet::config::Config;
use signet::flow::revocation;
use signet_verify::feed::entry::Kind;
use signet_verify::feed::follower::{Follower, Next};
use signet_verify::feed::live::{Coordinates, Live, Rv};
use signet_verify::feed::message::{FeedKeys, Message, digest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{claims, jwt_header};
use super::http::{Request, Response};
use super::process::Address;
use super::server::Server;

/// Nothing that is due takes longer; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

/// An open stream.
pub(crate) struct Stream {
    socket: TcpStream,
    /// Status and headers.
    pub(crate) head: Response,
    /// Chunks that have not been read.
    raw: Vec<u8>,
    /// Text that is no whole event yet.
    text: Vec<u8>,
    /// So much of it has no end of an event in it.
    seen: usize,
    ended: bool,
}

impl Stream {
    /// Sends the request; the whole answer where it is no stream.
    pub(crate) async fn open(request: &Request) -> Result<Self, Response> {
        let mut socket = TcpStream::connect(request.to).await.unwrap();
        socket.write_all(&request.to_bytes()).await.unwrap();
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let read = tokio::time::timeout(PATIENCE, socket.read_buf(&mut raw)).await.unwrap().unwrap();
            assert!(read > 0, "no answer");
        };
        let rest = raw.split_off(end);
        // What follows the head is not all there yet: it is read as it comes.
        let text = String::from_utf8(raw).unwrap().replace("transfer-encoding: chunked", "x-chunked: 1");
        let head = Response::parse(text.as_bytes()).unwrap();
        if head.status == 200 {
            assert_eq!(head.header("x-chunked"), Some("1"), "{head:?}");
            return Ok(Self { socket, head, raw: rest, text: Vec::new(), seen: 0, ended: false });
        }
        let mut answer = text.into_bytes();
        answer.extend(rest);
        socket.read_to_end(&mut answer).await.unwrap();
        Err(Response::parse(&answer).unwrap())
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an event, or the end")
    }

    /// The next event within a time that may pass without one.
    pub(crate) async fn within(&mut self, time: Duration) -> Option<Event> {
        tokio::time::timeout(time, self.read()).await.ok().flatten()
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            let unseen = &self.text[self.seen..];
            if let Some(end) = unseen.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.text.drain(..self.seen + end + 2).collect();
                self.seen = 0;
                return Some(parse(std::str::from_utf8(&event).unwrap()));
            }
            self.seen = self.text.len().saturating_sub(1);
            if self.ended {
                return None;
            }
            if self.socket.read_buf(&mut self.raw).await.unwrap_or(0) == 0 {
                self.ended = true;
            }
            self.dechunk();
        }
    }

    /// Takes whole chunks.
    fn dechunk(&mut self) {
        while let Some(end) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&self.raw[..end]).unwrap(), 16).unwrap();
            if self.raw.len() < end + 4 + size {
                return;
            }
            self.ended |= size == 0;
            self.text.extend_from_slice(&self.raw[end + 2..end + 2 + size]);
            self.raw.drain(..end + 4 + size);
        }
    }
}

/// Three lines in their order, and nothing else.
#[track_caller]
fn parse(text: &str) -> Event {
    let mut lines = text.strip_suffix("\n\n").unwrap().split('\n');
    let mut field = |name: &str| {
        let line = lines.next().unwrap_or_else(|| panic!("{text}"));
        line.strip_prefix(name).unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let event = Event { name: field("event: "), id: field("id: "), data: field("data: ") };
    assert_eq!(lines.next(), None, "{text}");
    event
}

/// A resource server's memory, fed by one node's stream.
pub(crate) struct Watcher {
    pub(crate) stream: Stream,
    pub(crate) keys: FeedKeys,
    pub(crate) issuer: String,
    pub(crate) follower: Follower,
    /// The last heartbeat's `at`.
    pub(crate) heard: Option<i64>,
    now: Timestamp,
}

impl Watcher {
    /// Follows a node.
    pub(crate) async fn of(s: &Server) -> Self {
        Self::at(|target| s.get(target), s.issuer(), s.now()).await
    }

    /// Follows a program.
    pub(crate) async fn of_program(address: &Address) -> Self {
        Self::at(|target| address.get(target), &address.origin(), SystemClock::machine_now()).await
    }

    /// Finds the feed by its configuration and takes the snapshot.
    async fn at(get: impl Fn(&str) -> Request, issuer: &str, now: Timestamp) -> Self {
        let configuration = get("/.well-known/revocation-configuration").send().await;
        let keys = feed_keys(&configuration.ok().json());
        let stream = Self::open(&get("/revocation/stream")).await;
        let mut watcher =
            Self { stream, keys, issuer: issuer.to_owned(), follower: Follower::default(), heard: None, now };
        assert!(matches!(watcher.receive().await, Message::Snapshot(_)));
        watcher
    }

    /// Goes on after a connection was lost.
    pub(crate) async fn resume(&mut self, get: impl Fn(&str) -> Request) {
        self.stream = Self::open(&get(&format!("/revocation/stream?from={}", self.position()))).await;
    }

    /// A server that has just begun may have to look into its database for longer than it lets wait.
    async fn open(request: &Request) -> Stream {
        let opening = async {
            loop {
                match Stream::open(request).await {
                    Ok(stream) => return stream,
                    Err(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                }
            }
        };
        tokio::time::timeout(PATIENCE, opening).await.expect("a stream")
    }

    /// Takes one event in; it has to verify, to be of the kind its name says, and to continue the chain.
    pub(crate) async fn receive(&mut self) -> Message {
        let event = self.stream.next().await.expect("the stream goes on");
        let message = self.keys.open(&event.data, &self.issuer).unwrap();
        assert_eq!(message.typ(), format!("revocation-{}+jwt", event.name));
        assert_eq!(message.n().to_string(), event.id);
        let took = self.follower.receive(&message, &digest(&event.data), self.now.millis(), Duration::ZERO);
        assert_eq!(took, Next::Continue, "{message:?}");
        if let Message::Heartbeat(heartbeat) = &message {
            self.heard = Some(heartbeat.at);
        }
        message
    }

    /// Follows until it has a batch.
    pub(crate) async fn reach(&mut self, n: i64) {
        while self.position() < n {
            self.receive().await;
        }
    }

    pub(crate) fn position(&self) -> i64 {
        self.follower.position().map_or(-1, |position| position.n)
    }

    /// Why a token is refused, as far as this follower knows.
    pub(crate) fn judge(&self, token: &str) -> Option<Kind> {
        judge(self.follower.live(), token)
    }

    /// Follows until a token is refused, and tells why.
    pub(crate) async fn refusal(&mut self, token: &str) -> Kind {
        let waiting = async {
            loop {
                if let Some(kind) = self.judge(token) {
                    return kind;
                }
                self.receive().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the token is revoked")
    }
}

/// Why a token is refused by a state.
pub(crate) fn judge(live: &Live, token: &str) -> Option<Kind> {
    let (header, claims) = (jwt_header(token), claims(token));
    let rv = claims["rv"].as_array().map(|rv| Rv {
        epoch: rv[0].as_i64().unwrap(),
        family: rv[1].as_str().unwrap(),
        generation: rv[2].as_i64().unwrap(),
    });
    live.voids(&Coordinates {
        kid: header["kid"].as_str(),
        iat: claims["iat"].as_i64().unwrap(),
        client: claims["client_id"].as_str(),
        sub: claims["sub"].as_str(),
        sid: claims["sid"].as_str(),
        jti: claims["jti"].as_str(),
        rv,
    })
}

/// The keys of a configuration.
pub(crate) fn feed_keys(configuration: &Value) -> FeedKeys {
    FeedKeys::from_value(&configuration["jwks"]).unwrap()
}

/// The batch that an answer names.
#[track_caller]
pub(crate) fn named_batch(response: &Response) -> i64 {
    let n = response.header("revocation-batch").unwrap_or_else(|| panic!("no batch is named: {response:?}"));
    n.parse().unwrap()
}

/// What sweeps the outbox beside a test, as a process does; it ends with the test.
pub(crate) struct Sweeper(tokio::task::AbortHandle);

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Short times, so that nobody waits.
pub(crate) fn quick(config: &mut Config) {
    config.revocation.heartbeat_ms = 200;
    config.revocation.sweep_ms = 20;
}

impl Server {
    /// Sweeps at this node from now on.
    pub(crate) fn sweeping(&self) -> Sweeper {
        let op = Arc::clone(&self.op);
        let task = tokio::spawn(async move {
            loop {
                // A database that is down is looked at again.
                let _ = revocation::sweep(&op).await;
                tokio::time::sleep(op.policy.revocation.sweep).await;
            }
        });
        Sweeper(task.abort_handle())
    }

    /// Sweeps once.
    pub(crate) async fn sweep(&self) {
        revocation::sweep(&self.op).await.unwrap();
    }

    /// The keys of this node's feed.
    pub(crate) async fn feed_keys(&self) -> FeedKeys {
        feed_keys(&self.get("/.well-known/revocation-configuration").send().await.ok().json())
    }

    /// Opens a message of this issuer.
    pub(crate) async fn open_message(&self, response: &Response) -> Message {
        self.feed_keys().await.open(&response.text(), self.issuer()).unwrap()
    }

    /// A request to the administration API with a key of its own.
    pub(crate) async fn administering(&self, method: &str, path: &str) -> Request {
        let key = self.api_key().await;
        Request::new(self.admin, method, &format!("/admin/v1{path}")).bearer(&key)
    }
}
