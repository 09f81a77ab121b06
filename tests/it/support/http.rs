//! The smallest HTTP/1.1 client that can send what a library would refuse to send: one request per connection, every
//! byte as written.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request to be sent.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Request {
    pub(crate) to: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(to: SocketAddr, method: &str, target: &str) -> Self {
        Self {
            to,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("Host".to_owned(), to.to_string())],
            body: None,
        }
    }

    /// Adds a header; a second one of the same name is sent as well.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Says another host's name.
    pub(crate) fn host(mut self, name: &str) -> Self {
        name.clone_into(&mut self.headers[0].1);
        self
    }

    /// A urlencoded body.
    pub(crate) fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = encode(fields);
        self.raw_form(&body)
    }

    /// A body sent as urlencoded, byte for byte.
    pub(crate) fn raw_form(self, body: &str) -> Self {
        self.header("Content-Type", "application/x-www-form-urlencoded").body(body.as_bytes())
    }

    /// A body without a content type.
    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// The request's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("Connection: close\r\n\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    /// Sends it and reads the whole answer.
    pub(crate) async fn send(&self) -> Response {
        let answer = exchange(self.to, &self.to_bytes()).await;
        answer.unwrap_or_else(|| panic!("no answer to {} {}", self.method, self.target))
    }
}

impl Request {
    /// Sends it to a server that may be gone or going: `None` unless a whole answer came back.
    pub(crate) async fn try_send(&self) -> Option<Response> {
        let mut stream = TcpStream::connect(self.to).await.ok()?;
        stream.write_all(&self.to_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let response = Response::parse(&answer)?;
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        (length.unwrap_or(0) == response.body.len()).then_some(response)
    }
}

/// Sends raw bytes and reads until the server closes; `None` where it closes without a word.
pub(crate) async fn exchange(to: SocketAddr, request: &[u8]) -> Option<Response> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // A server that refuses early may close before all is written: its answer still counts.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(120), reading).await.unwrap();
    Response::parse(&answer)
}

/// Name and value pairs, urlencoded.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut response = Self { status, headers, body: bytes[end + 4..].to_vec() };
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = dechunk(&response.body);
        }
        Some(response)
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Every header of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// `error` of a JSON body, or of the error page.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        let text = self.text();
        if let Some((_, rest)) = text.split_once("id=\"oauth-error\">") {
            return rest.split('<').next().unwrap().to_owned();
        }
        self.json()["error"].as_str().unwrap_or_else(|| panic!("no error in {text}")).to_owned()
    }

    /// Asserts status and `error`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, error: &str) -> &Self {
        assert_eq!((self.status, self.error().as_str()), (status, error), "{}", self.text());
        self
    }

    /// Asserts 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> &Self {
        assert_eq!(self.status, 200, "{} {:?}", self.text(), self.headers);
        self
    }

    /// The target of a redirect; asserts 303 (RFC 9700 §4.12).
    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.text());
        self.header("location").unwrap()
    }
}

fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    body
}
