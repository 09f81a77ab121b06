//! A server of the feed in a few lines, with faults to order.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::{Clock, SystemClock};
use crate::feed::entry::{Entry, Kind};
use crate::feed::message::{Batch, GENESIS, Heartbeat, Message, Snapshot, digest};
use crate::feed::signer::FeedSigner;

/// The machine's clock, which a test can set ahead.
#[derive(Debug)]
pub(super) struct TestClock {
    system: SystemClock,
    ahead_millis: AtomicI64,
    /// By how much the date alone was set back.
    behind_millis: AtomicI64,
    /// Where it stands still: the date and the monotonic time.
    frozen: OnceLock<(i64, Duration)>,
}

impl TestClock {
    /// From now on time passes by [`Self::pass`] alone, however long the machine takes.
    pub(super) fn freeze(&self) {
        let _ = self.frozen.set((self.system.unix_millis(), self.system.monotonic()));
    }

    pub(super) fn pass(&self, span: Duration) {
        self.ahead_millis.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Sets the date back, and nothing else.
    pub(super) fn set_back(&self, seconds: i64) {
        self.behind_millis.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    pub(super) fn seconds(&self) -> i64 {
        self.unix_millis() / 1_000
    }
}

impl Clock for TestClock {
    fn unix_millis(&self) -> i64 {
        let date = self.frozen.get().map_or_else(|| self.system.unix_millis(), |(date, _)| *date);
        date + self.ahead_millis.load(Ordering::SeqCst) - self.behind_millis.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        let ahead = u64::try_from(self.ahead_millis.load(Ordering::SeqCst)).unwrap();
        let time = self.frozen.get().map_or_else(|| self.system.monotonic(), |(_, time)| *time);
        time + Duration::from_millis(ahead)
    }
}

pub(super) fn sid(id: &str, dies_at: i64) -> Entry {
    Entry { kind: Kind::Sid, id: id.into(), min: None, dies_at }
}

/// What happens to who asks for the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Open,
    /// A proxy answers, and keeps all bytes to itself.
    Buffered,
    /// 503.
    Full,
    /// 404.
    Missing,
}

pub(super) struct Script {
    pub(super) configuration_status: u16,
    pub(super) snapshot_status: u16,
    pub(super) other_issuer: bool,
    pub(super) stream: Stream,
    /// The oldest batch that is kept.
    pub(super) oldest: i64,
    /// Whether the next batch is unknown here.
    pub(super) beyond: bool,
    /// Whether what is made now reaches no stream.
    losing: bool,
    signer: FeedSigner,
    published: Vec<serde_json::Value>,
    first: i64,
    batches: Vec<String>,
    entries: Vec<Entry>,
    streams: Vec<UnboundedSender<String>>,
    requests: Vec<String>,
}

impl Script {
    fn newest(&self) -> i64 {
        self.first + i64::try_from(self.batches.len()).unwrap() - 1
    }

    fn head(&self) -> String {
        self.batches.last().map_or_else(|| GENESIS.to_owned(), |batch| digest(batch))
    }

    fn push(&mut self, name: &str, compact: &str) {
        let event = format!("event: {name}\ndata: {compact}\n\n");
        self.streams.retain(|stream| stream.send(event.clone()).is_ok());
    }
}

#[derive(Clone)]
pub(super) struct Server {
    pub(super) issuer: String,
    pub(super) clock: Arc<TestClock>,
    script: Arc<Mutex<Script>>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let signer = FeedSigner::new("feed-1", &[1; 32]).unwrap();
        let script = Script {
            configuration_status: 200,
            snapshot_status: 200,
            other_issuer: false,
            stream: Stream::Open,
            oldest: 0,
            beyond: false,
            losing: false,
            published: vec![signer.jwk()],
            signer,
            first: 1,
            batches: Vec::new(),
            entries: Vec::new(),
            streams: Vec::new(),
            requests: Vec::new(),
        };
        let server = Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            clock: Arc::new(TestClock {
                system: SystemClock::new(),
                ahead_millis: AtomicI64::new(0),
                behind_millis: AtomicI64::new(0),
                frozen: OnceLock::new(),
            }),
            script: Arc::new(Mutex::new(script)),
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let server = accepting.clone();
                tokio::spawn(async move { server.serve(socket).await });
            }
        });
        server
    }

    pub(super) fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.script.lock().unwrap())
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.script(|script| script.requests.clone())
    }

    pub(super) fn revoke(&self, sessions: &[&str]) {
        let dies_at = self.clock.seconds() + 960;
        self.state(sessions.iter().map(|session| sid(session, dies_at)).collect());
    }

    /// A batch of these entries.
    pub(super) fn state(&self, entries: Vec<Entry>) {
        let at = self.clock.unix_millis();
        self.script(|script| {
            let (n, prev) = (script.newest() + 1, script.head());
            script.entries.extend(entries.clone());
            let batch = Batch { issuer: self.issuer.clone(), n, at, prev, entries };
            let compact = script.signer.sign(&Message::Batch(batch)).unwrap();
            script.batches.push(compact.clone());
            if !script.losing {
                script.push("batch", &compact);
            }
        });
    }

    /// What happens meanwhile reaches no stream.
    pub(super) fn lose(&self, what: impl FnOnce(&Self)) {
        self.script(|script| script.losing = true);
        what(self);
        self.script(|script| script.losing = false);
    }

    /// The next batch of another chain.
    pub(super) fn fork(&self, sessions: &[&str]) {
        let (at, dies_at) = (self.clock.unix_millis(), self.clock.seconds() + 960);
        self.script(|script| {
            let entries = sessions.iter().map(|session| sid(session, dies_at)).collect();
            let (n, prev) = (script.newest() + 1, digest("another"));
            let batch = Message::Batch(Batch { issuer: self.issuer.clone(), n, at, prev, entries });
            let compact = script.signer.sign(&batch).unwrap();
            script.push("batch", &compact);
        });
    }

    /// The next batch, signed by somebody else.
    pub(super) fn forged(&self, sessions: &[&str]) -> String {
        let (at, dies_at) = (self.clock.unix_millis(), self.clock.seconds() + 960);
        let entries = sessions.iter().map(|session| sid(session, dies_at)).collect();
        let (n, prev) = self.script(|script| (script.newest() + 1, script.head()));
        let batch = Message::Batch(Batch { issuer: self.issuer.clone(), n, at, prev, entries });
        FeedSigner::new("feed-1", &[66; 32]).unwrap().sign(&batch).unwrap()
    }

    pub(super) fn heartbeat(&self) -> String {
        let at = self.clock.unix_millis();
        self.script(|script| {
            let (n, head) = (script.newest(), script.head());
            let heartbeat = Heartbeat { issuer: self.issuer.clone(), n, at, head };
            script.signer.sign(&Message::Heartbeat(heartbeat)).unwrap()
        })
    }

    pub(super) fn beat(&self) {
        let heartbeat = self.heartbeat();
        self.push("heartbeat", &heartbeat);
    }

    fn snapshot(&self) -> String {
        let at = self.clock.unix_millis();
        self.script(|script| {
            let (n, head, entries) = (script.newest(), script.head(), script.entries.clone());
            let snapshot = Snapshot { issuer: self.issuer.clone(), n, at, head, entries };
            script.signer.sign(&Message::Snapshot(snapshot)).unwrap()
        })
    }

    pub(super) fn push(&self, name: &str, compact: &str) {
        self.script(|script| script.push(name, compact));
    }

    /// Ends all streams.
    pub(super) fn cut(&self) {
        self.script(|script| script.streams.clear());
    }

    /// A database restored to before the first batch: the streams begin with what is left of it.
    pub(super) fn forget(&self) {
        self.script(|script| {
            script.batches.clear();
            script.entries.clear();
        });
        let snapshot = self.snapshot();
        self.push("snapshot", &snapshot);
    }

    /// What `restore-epoch` does to the numbers.
    pub(super) fn jump(&self) {
        self.script(|script| script.first += 1 << 32);
    }

    pub(super) fn change_key(&self, seed: u8, publish: bool) {
        self.script(|script| {
            script.signer = FeedSigner::new(&format!("feed-{seed}"), &[seed; 32]).unwrap();
            if publish {
                script.published = vec![script.signer.jwk()];
            }
        });
    }

    async fn serve(&self, mut socket: TcpStream) {
        let mut request = Vec::new();
        let mut buffer = [0; 1_024];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match socket.read(&mut buffer).await {
                Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
                _ => return,
            }
        }
        let request = String::from_utf8(request).unwrap();
        let path = request.split(' ').nth(1).unwrap().to_owned();
        self.script(|script| script.requests.push(path.clone()));
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        match path {
            "/.well-known/revocation-configuration" => {
                let (status, body) = self.configuration();
                answer(&mut socket, status, "application/json", &body).await;
            }
            "/revocation/snapshot" => {
                let status = self.script(|script| script.snapshot_status);
                answer(&mut socket, status, "application/revocation-snapshot+jwt", &self.snapshot()).await;
            }
            "/revocation/stream" => self.stream(&mut socket, query).await,
            _ => {
                let n = path.rsplit('/').next().unwrap().parse().unwrap();
                let (status, body) = self.batch(n).await;
                answer(&mut socket, status, "application/revocation-batch+jwt", &body).await;
            }
        }
    }

    fn configuration(&self) -> (u16, String) {
        let issuer = &self.issuer;
        self.script(|script| {
            let stated = if script.other_issuer { "https://other.example" } else { issuer };
            let body = json!({
                "issuer": stated,
                "revocation_feed_version": 1,
                "snapshot_endpoint": format!("{issuer}/revocation/snapshot"),
                "batch_endpoint": format!("{issuer}/revocation/batches/{{n}}"),
                "stream_endpoint": format!("{issuer}/revocation/stream"),
                "jwks": {"keys": script.published},
                "heartbeat_seconds": 1,
            });
            (script.configuration_status, body.to_string())
        })
    }

    /// Held for a moment where it is the next.
    async fn batch(&self, n: i64) -> (u16, String) {
        for _ in 0..5 {
            let found = self.script(|script| {
                let place = usize::try_from(n - script.first).unwrap_or(usize::MAX);
                match script.batches.get(place) {
                    Some(_) if n < script.oldest => Some((410, String::new())),
                    Some(batch) => Some((200, batch.clone())),
                    None if script.beyond || n > script.newest() + 1 => Some((404, String::new())),
                    None => None,
                }
            });
            if let Some(found) = found {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (200, self.heartbeat())
    }

    async fn stream(&self, socket: &mut TcpStream, query: &str) {
        let from: Option<i64> = query.strip_prefix("from=").map(|from| from.parse().unwrap());
        let snapshot = self.snapshot();
        let (begun, mut events) = self.script(|script| {
            let begun = match script.stream {
                Stream::Full => return (503, unbounded_channel().1),
                Stream::Missing => return (404, unbounded_channel().1),
                Stream::Open if from.is_some_and(|from| from + 1 < script.oldest) => {
                    return (410, unbounded_channel().1);
                }
                Stream::Open if from.is_some_and(|from| from > script.newest() || script.beyond) => {
                    return (404, unbounded_channel().1);
                }
                Stream::Open => 200,
                Stream::Buffered => 0,
            };
            let (sender, receiver): (_, UnboundedReceiver<String>) = unbounded_channel();
            let past = match from {
                None => vec![("snapshot", snapshot)],
                Some(from) => {
                    let known = usize::try_from(from + 1 - script.first).unwrap_or(0);
                    script.batches.iter().skip(known).map(|batch| ("batch", batch.clone())).collect()
                }
            };
            for (name, message) in past {
                sender.send(format!("event: {name}\ndata: {message}\n\n")).unwrap();
            }
            script.streams.push(sender);
            (begun, receiver)
        });
        if begun != 200 && begun != 0 {
            answer(socket, begun, "text/plain", "").await;
            return;
        }
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n: hello\n\n";
        let head = if begun == 0 { head.strip_suffix(": hello\n\n").unwrap() } else { head };
        let _ = socket.write_all(head.as_bytes()).await;
        while let Some(event) = events.recv().await {
            if begun == 200 && socket.write_all(event.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn answer(socket: &mut TcpStream, status: u16, media_type: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = socket.write_all(head.as_bytes()).await;
    let _ = socket.write_all(body.as_bytes()).await;
}
