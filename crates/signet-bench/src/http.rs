//! HTTP/1.1 over one kept-alive connection, with as little work as the protocol allows: the client shares the machine
//! with the server it measures.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::failure::{Result, failure};

/// One connection, reused for every request; opened again if the server has closed it in the meantime.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
    body: Vec<u8>,
}

/// A reply, valid until the next request.
pub(crate) struct Reply<'a> {
    /// Status code.
    pub(crate) status: u16,
    /// Status line and header lines.
    pub(crate) head: &'a str,
    /// Body, without transfer coding.
    pub(crate) body: &'a [u8],
}

impl Reply<'_> {
    /// The values of a header.
    pub(crate) fn headers<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        fields(self.head).filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as text; replaced characters where it is not UTF-8.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.body).into_owned()
    }

    /// A failure that quotes this reply.
    pub(crate) fn unexpected(&self, what: &str) -> crate::failure::Failure {
        let body: String = self.text().chars().take(300).collect();
        failure(format!("{what}: status {}, {body}", self.status))
    }
}

/// The bytes of a request. `headers` are whole lines without line end; a body is sent as `content_type`.
pub(crate) fn request(start: &str, host: &str, headers: &[String], body: Option<(&str, &str)>) -> Vec<u8> {
    let mut text = format!("{start} HTTP/1.1\r\nhost: {host}\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if let Some((content_type, content)) = body {
        text.push_str(&format!(
            "content-type: {content_type}\r\ncontent-length: {}\r\n\r\n{content}",
            content.len()
        ));
    } else {
        text.push_str("\r\n");
    }
    text.into_bytes()
}

/// The media type of forms.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

impl Connection {
    /// A connection to `address`, opened by the first request.
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: Vec::new(), body: Vec::new() }
    }

    /// Sends a request and reads the whole reply.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Reply<'_>> {
        let kept = self.stream.is_some();
        let mut framing = self.attempt(request).await;
        // A kept connection that the server closed while it lay idle has not read the request: try once more.
        if kept && framing.is_err() && self.buffer.is_empty() {
            framing = self.attempt(request).await;
        }
        let (status, head_end, closes) = framing?;
        if closes {
            self.stream = None;
        }
        let head =
            self.buffer.get(..head_end).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        Ok(Reply { status, head, body: &self.body })
    }

    async fn attempt(&mut self, request: &[u8]) -> Result<(u16, usize, bool)> {
        self.buffer.clear();
        self.body.clear();
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(request).await?;
        let reply = self.read(&mut stream).await?;
        // Only a stream that was read to the end of a reply is fit for the next one.
        self.stream = Some(stream);
        Ok(reply)
    }

    async fn read(&mut self, stream: &mut TcpStream) -> Result<(u16, usize, bool)> {
        let head_end = loop {
            let before = self.buffer.len().saturating_sub(3);
            fill(stream, &mut self.buffer).await?;
            let fresh = self.buffer.get(before..).unwrap_or_default();
            if let Some(found) = fresh.windows(4).position(|window| window == b"\r\n\r\n") {
                break before + found + 4;
            }
        };
        let head = self.buffer.get(..head_end).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let head = head.ok_or_else(|| failure("the reply's head is no text"))?;
        let framing = Framing::of(head)?;
        if framing.chunked {
            let mut decoder = ChunkReader { at: head_end };
            while !decoder.advance(&self.buffer, &mut self.body)? {
                fill(stream, &mut self.buffer).await?;
            }
        } else {
            let end = head_end + framing.length;
            while self.buffer.len() < end {
                fill(stream, &mut self.buffer).await?;
            }
            self.body.extend_from_slice(self.buffer.get(head_end..end).unwrap_or_default());
        }
        Ok((framing.status, head_end, framing.closes))
    }
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.reserve(4096);
    match stream.read_buf(buffer).await? {
        0 => Err(failure("the server closed the connection")),
        _ => Ok(()),
    }
}

struct Framing {
    status: u16,
    length: usize,
    chunked: bool,
    closes: bool,
}

impl Framing {
    fn of(head: &str) -> Result<Self> {
        let status = head.get(9..12).and_then(|digits| digits.parse().ok());
        let status = status.ok_or_else(|| failure("the reply has no status"))?;
        let mut framing = Self { status, length: 0, chunked: false, closes: false };
        for (name, value) in fields(head) {
            if name.eq_ignore_ascii_case("content-length") {
                framing.length = value.parse().map_err(|_| failure("ill-formed content-length"))?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                framing.chunked = value.eq_ignore_ascii_case("chunked");
            } else if name.eq_ignore_ascii_case("connection") {
                framing.closes = value.eq_ignore_ascii_case("close");
            }
        }
        if matches!(status, 204 | 304) {
            (framing.length, framing.chunked) = (0, false);
        }
        Ok(framing)
    }
}

fn fields(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
}

/// Decodes chunks as they arrive; `at` is the first byte not yet consumed.
struct ChunkReader {
    at: usize,
}

impl ChunkReader {
    /// Consumes the whole chunks there are; true after the last one.
    fn advance(&mut self, buffer: &[u8], body: &mut Vec<u8>) -> Result<bool> {
        loop {
            let rest = buffer.get(self.at..).unwrap_or_default();
            let Some(line) = rest.windows(2).position(|window| window == b"\r\n") else { return Ok(false) };
            let size = rest.get(..line).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| failure("ill-formed chunk"))?;
            let start = line + 2;
            let Some(chunk) = rest.get(start..start + size + 2) else { return Ok(false) };
            body.extend_from_slice(chunk.get(..size).unwrap_or_default());
            self.at += start + size + 2;
            if size == 0 {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each read with the next of `answers`, a byte at a time where `slow`.
    async fn server(answers: Vec<&'static str>, slow: bool) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut read = [0; 1024];
                while stream.read(&mut read).await.unwrap() > 0 {
                    let Some(answer) = answers.next() else { return };
                    for part in answer.as_bytes().chunks(if slow { 1 } else { 4096 }) {
                        stream.write_all(part).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    if answer.contains("idle-close") {
                        break;
                    }
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn length_chunks_and_no_body_on_one_connection() {
        for slow in [false, true] {
            let address = server(
                vec![
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\nhello",
                    "HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
                    "HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n",
                ],
                slow,
            )
            .await;
            let mut connection = Connection::new(address);
            let get = request("GET /", "localhost", &[], None);
            let reply = connection.send(&get).await.unwrap();
            assert_eq!((reply.status, reply.body), (200, b"hello".as_slice()));
            assert_eq!(reply.headers("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
            let reply = connection.send(&get).await.unwrap();
            assert_eq!((reply.status, reply.body), (400, b"abcde".as_slice()));
            let reply = connection.send(&get).await.unwrap();
            assert_eq!((reply.status, reply.body.len()), (304, 0));
        }
    }

    #[tokio::test]
    async fn a_connection_closed_while_idle_is_opened_again() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: idle-close\r\n\r\n";
        let address = server(vec![answer, answer], false).await;
        let mut connection = Connection::new(address);
        let get = request("GET /", "localhost", &[], None);
        assert_eq!(connection.send(&get).await.unwrap().status, 200);
        assert_eq!(connection.send(&get).await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn a_reply_cut_short_is_a_failure() {
        let address =
            server(vec!["HTTP/1.1 200 OK\r\ncontent-length: 9\r\nx: idle-close\r\n\r\nhalf"], false).await;
        assert!(Connection::new(address).send(b"GET / HTTP/1.1\r\n\r\n").await.is_err());
    }
}
