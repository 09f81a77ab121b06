//! HTTP/1.1 of the plainest kind: a thread for each connection, one request on each.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Shared, pages};

/// So long a gate holds an answer that nobody lets through.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// An answer in place of the ordinary one.
#[derive(Clone, Debug)]
pub struct Canned {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) delay: Duration,
    pub(super) gate: Option<Gate>,
}

/// What holds answers back until it is opened. The clones of one gate open together.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets through what waits and whatever comes.
    pub fn open(&self) {
        let (open, opened) = &*self.0;
        *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        opened.notify_all();
    }

    /// Waits until it is open, at most as long as any client would.
    fn pass(&self) {
        let (open, opened) = &*self.0;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(opened.wait_timeout_while(open, LONGEST_HOLD, |open| !*open));
    }
}

impl Canned {
    /// An answer of this status, with an empty body.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Some(Vec::new()), delay: Duration::ZERO, gate: None }
    }

    /// An answer of status 200.
    #[must_use]
    pub fn body(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::status(200).header("content-type", media_type) }
    }

    /// The ordinary answer, late.
    #[must_use]
    pub const fn late(delay: Duration) -> Self {
        Self { status: 0, headers: Vec::new(), body: None, delay, gate: None }
    }

    /// The ordinary answer, once the gate is open.
    #[must_use]
    pub fn behind(gate: &Gate) -> Self {
        Self::late(Duration::ZERO).held(gate)
    }

    /// The same answer, once the gate is open: as it was when it was asked for.
    #[must_use]
    pub fn held(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// With a further header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A request.
pub(super) struct Request {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) authorization: Option<String>,
    pub(super) body: String,
}

pub(super) fn bind() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let issuer = format!("http://{}", listener.local_addr()?);
    Ok((listener, issuer))
}

/// Lets the listening thread see that the issuer has ended.
pub(super) fn knock(issuer: &str) {
    let address = issuer.trim_start_matches("http://").parse::<SocketAddr>();
    if let Ok(address) = address {
        drop(TcpStream::connect(address));
    }
}

pub(super) fn serve(listener: TcpListener, shared: Arc<Shared>) {
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            if shared.state().ended {
                return;
            }
            std::thread::spawn(move || {
                // A client that went away is no failure of the issuer.
                drop(answer(&connection, &shared));
                drop(connection.shutdown(Shutdown::Both));
            });
        }
    });
}

fn answer(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    if shared.state().down {
        return Ok(());
    }
    let Some(request) = read(connection)? else { return Ok(()) };
    let canned = {
        let mut state = shared.state();
        let hits = state.hits.entry(request.path.clone()).or_default();
        *hits = hits.saturating_add(1);
        state.canned.get(&request.path).cloned()
    };
    if let Some(canned) = canned {
        std::thread::sleep(canned.delay);
        canned.gate.iter().for_each(Gate::pass);
        if let Some(body) = canned.body {
            let headers: Vec<(&str, &str)> =
                canned.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            return write(connection, canned.status, &headers, &body);
        }
    }
    pages::answer(connection, shared, &request)
}

fn read(connection: &TcpStream) -> io::Result<Option<Request>> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let Some(target) = line.split(' ').nth(1) else { return Ok(None) };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request =
        Request { path: path.to_owned(), query: query.to_owned(), authorization: None, body: String::new() };
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "authorization" => request.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    reader.take(length).read_to_string(&mut request.body)?;
    Ok(Some(request))
}

pub(super) fn write(
    mut connection: &TcpStream,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    connection.write_all(format!("{head}\r\n").as_bytes())?;
    connection.write_all(body)
}
