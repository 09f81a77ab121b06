//! Another server, which this one asks or tells: a client's key set, its sector document, its logout endpoint; and as
//! bad as a stranger's can be.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use signet::config::Config;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::tls::Authority;

/// What is awaited comes within this, or never.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server; it ends when dropped.
pub(crate) struct Neighbour {
    pub(crate) address: SocketAddr,
    origin: String,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// A request that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The fields of a form.
    pub(crate) fn form(&self) -> HashMap<String, String> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

/// How a path is answered.
#[derive(Clone)]
enum Manner {
    /// With these bytes, and then the connection's end.
    Bytes(Vec<u8>),
    /// With these bytes, and then one more after each pause, without an end.
    Drip(Vec<u8>, Duration),
    /// Not at all.
    Silence,
}

struct State {
    manners: Mutex<HashMap<String, Manner>>,
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
    /// Connections open now, and the most there have been at once.
    open: Mutex<(usize, usize)>,
}

impl Neighbour {
    /// At `http://127.0.0.1:PORT`.
    pub(crate) async fn start() -> Self {
        Self::listen(None).await
    }

    /// At `https://localhost:PORT`, with a certificate of this authority.
    pub(crate) async fn start_tls(authority: &Authority) -> Self {
        let (chain, key) = authority.pair(&["localhost", "127.0.0.1"], 2090);
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::listen(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = match &tls {
            None => format!("http://{address}"),
            Some(_) => format!("https://localhost:{}", address.port()),
        };
        let state = Arc::new(State {
            manners: Mutex::default(),
            seen: Mutex::default(),
            count: watch::Sender::new(0),
            open: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, tls, Arc::clone(&state)));
        Self { address, origin, state, accepting }
    }

    /// Where it is, without a slash at the end.
    pub(crate) fn origin(&self) -> String {
        self.origin.clone()
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Answers a path so from now on; paths that nothing is said of are answered with 404.
    pub(crate) fn serve(&self, path: &str, status: u16, media_type: &str, body: impl AsRef<[u8]>) {
        self.serve_with(path, status, &[("Content-Type", media_type)], body);
    }

    /// As [`Self::serve`], with these headers.
    pub(crate) fn serve_with(
        &self,
        path: &str,
        status: u16,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) {
        self.serve_bytes(path, answer(status, headers, body.as_ref()));
    }

    /// Answers a path with these bytes, whatever they are, and ends the connection.
    pub(crate) fn serve_bytes(&self, path: &str, bytes: Vec<u8>) {
        self.put(path, Manner::Bytes(bytes));
    }

    /// Answers a path with these bytes and then one more after each pause, for ever.
    pub(crate) fn drip(&self, path: &str, bytes: Vec<u8>, pause: Duration) {
        self.put(path, Manner::Drip(bytes, pause));
    }

    /// Never answers a path.
    pub(crate) fn hang(&self, path: &str) {
        self.put(path, Manner::Silence);
    }

    /// What came in so far, in the order of its arrival.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// Forgets what came in so far. [`Self::wait_for`] goes on counting.
    pub(crate) fn forget(&self) {
        self.state.seen.lock().unwrap().clear();
    }

    /// Waits until so many requests have come in since it was started.
    pub(crate) async fn wait_for(&self, requests: usize) {
        let mut count = self.state.count.subscribe();
        let enough = tokio::time::timeout(PATIENCE, count.wait_for(|count| *count >= requests)).await;
        assert!(enough.is_ok(), "{requests} requests never came: {:?}", self.requests());
    }

    /// The most connections that were open at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.open.lock().unwrap().1
    }

    fn put(&self, path: &str, manner: Manner) {
        self.state.manners.lock().unwrap().insert(path.to_owned(), manner);
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Lets a server trust the neighbours of an authority, whose certificate is put into a folder.
pub(crate) fn trust(config: &mut Config, authority: &Authority, folder: &Path) {
    let path = folder.join("authority.pem");
    std::fs::write(&path, &authority.pem).unwrap();
    config.fetch.trusted_authorities = vec![path];
}

/// An answer's bytes.
fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head =
        format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    // What is open ends with the listener.
    let mut open = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        open.spawn(async move {
            {
                let mut open = state.open.lock().unwrap();
                *open = (open.0 + 1, open.1.max(open.0 + 1));
            }
            match tls {
                None => converse(stream, &state).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, &state).await;
                    }
                }
            }
            state.open.lock().unwrap().0 -= 1;
        });
    }
}

/// One request and its answer. Ends when the other side does.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) {
    let Some(seen) = read(&mut stream).await else { return };
    let path = seen.target.split('?').next().unwrap_or_default().to_owned();
    let manner = state.manners.lock().unwrap().get(&path).cloned();
    state.seen.lock().unwrap().push(seen);
    state.count.send_modify(|count| *count += 1);
    match manner {
        None => {
            let _ = stream.write_all(&answer(404, &[], b"")).await;
        }
        Some(Manner::Bytes(bytes)) => {
            let _ = stream.write_all(&bytes).await;
        }
        Some(Manner::Drip(bytes, pause)) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        }
        Some(Manner::Silence) => {
            let _ = stream.read(&mut [0]).await;
        }
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(end + 4);
    while body.len() < length {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        body.extend_from_slice(&piece[..read]);
    }
    Some(Seen { method, target, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
