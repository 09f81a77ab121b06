//! The program with TLS of its own: an authority for its certificates, the program's lines, and clients as strict or
//! as old as a test needs them.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use signet::clock::monotonic_now;

use super::http::Response;
use super::process::Address;

/// A program says within this what it is going to say.
const PATIENCE: Duration = Duration::from_secs(60);

/// Signs certificates, and is trusted by the clients of a test.
pub(crate) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    /// A chain and its key for these names, until the first day of a year.
    pub(crate) fn pair(&self, names: &[&str], until: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let issuer = Issuer::from_params(&self.params, &self.key);
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A new certificate for localhost in the files of a folder; its DER.
    pub(crate) fn renew(&self, folder: &Path, until: i32) -> CertificateDer<'static> {
        let (chain, key) = self.pair(&["localhost"], until);
        put(folder, "cert.pem", &chain);
        put(folder, "key.pem", &key);
        CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()
    }
}

/// Writes a file as tools that renew certificates do: whole or not at all.
pub(crate) fn put(folder: &Path, name: &str, text: &str) {
    let temporary = folder.join(format!("{name}.new"));
    std::fs::write(&temporary, text).unwrap();
    std::fs::rename(temporary, folder.join(name)).unwrap();
}

/// A configuration file for `serve` at an address, on SQLite, with `more` at its end.
pub(crate) fn configuration(folder: &Path, address: &Address, more: &str) -> PathBuf {
    let path = folder.join("signet.toml");
    let shown = folder.display();
    let text = format!(
        "public_url = \"https://localhost:{}\"\nlisten = \"{}\"\nadmin_listen = \"{}\"\n\
         [database]\nurl = \"sqlite://{shown}/signet.sqlite\"\n[keys]\ndir = \"{shown}/keys\"\n\
         [tls]\ncertificate = \"{shown}/cert.pem\"\nkey = \"{shown}/key.pem\"\n{more}",
        address.public.port(),
        address.public,
        address.admin
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    lines: Mutex<Receiver<String>>,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        listen(child.stdout.take().unwrap(), sender.clone());
        listen(child.stderr.take().unwrap(), sender);
        Self { child, lines: Mutex::new(lines) }
    }

    /// Waits for a line that contains this; all lines up to it.
    pub(crate) fn says(&self, text: &str) -> Vec<String> {
        self.says_all(&[text])
    }

    /// Waits for one line that contains all of these; all lines up to it.
    pub(crate) fn says_all(&self, texts: &[&str]) -> Vec<String> {
        let end = monotonic_now() + PATIENCE;
        let lines = self.lines.lock().unwrap();
        let mut seen = Vec::new();
        loop {
            let left = end.saturating_duration_since(monotonic_now());
            let Ok(line) = lines.recv_timeout(left) else { panic!("never said {texts:?}: {seen:#?}") };
            seen.push(line);
            if seen.last().is_some_and(|line| texts.iter().all(|text| line.contains(text))) {
                return seen;
            }
        }
    }

    /// As [`Self::says`], for a line that is this and nothing else.
    pub(crate) fn says_whole(&self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            seen.extend(self.says(text));
            if seen.last().is_some_and(|line| line == text) {
                return seen;
            }
        }
    }

    /// What it said and nobody has read yet.
    pub(crate) fn lines_so_far(&self) -> Vec<String> {
        self.lines.lock().unwrap().try_iter().collect()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for its end: the exit code and everything it still said.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        let code = self.child.wait().unwrap().code();
        let lines = self.lines.lock().unwrap().iter().collect();
        (code, lines)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with arguments and nothing of this environment's settings.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SIGNET_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

fn listen(pipe: impl Read + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
}

/// A TLS client that trusts one authority.
#[derive(Clone)]
pub(crate) struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    /// With these versions and protocols.
    pub(crate) fn new(ca: &str, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(crypto)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        // What is to be seen is the handshake, not the memory of an earlier one.
        config.resumption = rustls::client::Resumption::disabled();
        Self { config: Arc::new(config) }
    }

    /// With what browsers offer.
    pub(crate) fn modern(ca: &str) -> Self {
        Self::new(ca, rustls::ALL_VERSIONS, &["h2", "http/1.1"])
    }

    pub(crate) async fn connect(&self, to: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::clone(&self.config)).connect(name, TcpStream::connect(to).await?).await
    }

    /// Asks once, on a connection of its own.
    pub(crate) async fn get(&self, to: SocketAddr, target: &str) -> std::io::Result<Response> {
        let mut stream = self.connect(to, "localhost").await?;
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n", to.port());
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // Without the peer's closing alert this is an error: an answer may have been cut short.
        stream.read_to_end(&mut answer).await?;
        Response::parse(&answer).ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }
}

/// The server's own certificate on a connection.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Asks on a connection that stays open.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>, target: &str) -> Response {
    stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap();
        assert_ne!(read, 0, "the connection has ended");
        answer.extend_from_slice(&piece[..read]);
        if let Some(response) = Response::parse(&answer)
            && response
                .header("content-length")
                .is_some_and(|length| length == response.body.len().to_string())
        {
            return response;
        }
    }
}
