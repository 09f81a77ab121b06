//! The small HTTP/1.1 client (RFC 9112) behind `token`, `login` and `healthcheck`: one request per connection, bounded
//! answers. It speaks to a Signet; for anything else there is curl.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use super::reach::Reach;

/// No page or answer of Signet is longer.
const LONGEST: usize = 1024 * 1024;

/// A request.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The method.
    pub(super) method: &'static str,
    /// Where to.
    pub(super) url: &'a Url,
    /// Further headers.
    pub(super) headers: Vec<(&'static str, String)>,
    /// Fields of a form, which make the body.
    pub(super) form: Option<Vec<(String, String)>>,
}

impl<'a> Request<'a> {
    /// A `GET`.
    pub(super) const fn get(url: &'a Url) -> Self {
        Self { method: "GET", url, headers: Vec::new(), form: None }
    }

    /// A `POST` of a form.
    pub(super) const fn post(url: &'a Url, form: Vec<(String, String)>) -> Self {
        Self { method: "POST", url, headers: Vec::new(), form: Some(form) }
    }

    /// With one more header.
    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    /// The status code.
    pub(super) status: u16,
    /// Names in lower case, with their values.
    pub(super) headers: Vec<(String, String)>,
    /// The content.
    pub(super) body: Vec<u8>,
}

impl Response {
    /// The values of a header, in order; `name` in lower case.
    pub(super) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The content as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content as JSON; `Null` where it is none.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// One line: no connection, no answer in time, or one that cannot be read.
pub(super) async fn send(reach: &Reach, request: &Request<'_>, limit: Duration) -> Result<Response, String> {
    let place = shown(request.url);
    match tokio::time::timeout(limit, exchange(reach, request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(problem)) => Err(format!("{place}: {problem}")),
        Err(_) => Err(format!("{place}: no answer within {} seconds", limit.as_secs())),
    }
}

/// A URL without what may be secret in it.
fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

async fn exchange(reach: &Reach, request: &Request<'_>) -> Result<Response, String> {
    let mut stream = reach.connect(request.url).await?;
    stream.write_all(head_and_body(request).as_bytes()).await.map_err(|error| error.to_string())?;
    // TLS may keep the last of it back.
    stream.flush().await.map_err(|error| error.to_string())?;
    let mut raw = Vec::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    stream.take(most).read_to_end(&mut raw).await.map_err(|error| error.to_string())?;
    parse(&raw).ok_or_else(|| "the answer is not HTTP, or too long".to_owned())
}

fn head_and_body(request: &Request<'_>) -> String {
    let url = request.url;
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let authority = url.port().map_or_else(
        || url.host_str().unwrap_or_default().to_owned(),
        |port| format!("{}:{port}", url.host_str().unwrap_or_default()),
    );
    let mut head = format!(
        "{} {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\nuser-agent: signet-cli/{}\r\n",
        request.method,
        env!("CARGO_PKG_VERSION")
    );
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = request.form.as_ref().map(|fields| {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields.iter().map(|(n, v)| (n, v)))
            .finish()
    });
    if let Some(body) = &body {
        head.push_str(&format!(
            "content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
            body.len()
        ));
    }
    format!("{head}\r\n{}", body.unwrap_or_default())
}

/// Reads a whole answer; `None` where it is cut short or not HTTP.
fn parse(raw: &[u8]) -> Option<Response> {
    let split = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(raw.get(..split)?).ok()?;
    let rest = raw.get(split + 4..)?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let value =
        |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let body = if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        unchunked(rest)?
    } else {
        match value("content-length") {
            Some(length) => rest.get(..length.parse().ok()?)?.to_vec(),
            None => rest.to_vec(),
        }
    };
    Some(Response { status, headers, body })
}

/// RFC 9112 §7.1.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(rest.get(..end)?).ok()?;
        let length = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        let data = rest.get(end + 2..)?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(data.get(..length)?);
        rest = data.get(length..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_a_length_in_chunks_and_to_the_end() {
        let sized = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\nhi").unwrap();
        assert_eq!((sized.status, sized.text()), (200, "hi".to_owned()));
        assert_eq!(sized.headers("x-a").collect::<Vec<_>>(), ["1", "2"]);
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n3;x=1\r\n you\r\n0\r\n\r\n";
        assert!(parse(chunked).is_none(), "a chunk longer than its length");
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n4;x=1\r\n you\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().text(), "hi you");
        assert_eq!(parse(b"HTTP/1.0 302 Found\r\nlocation: /x\r\n\r\n").unwrap().status, 302);
    }

    #[test]
    fn what_is_cut_short_is_no_answer() {
        for raw in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhi",
            "SSH-2.0-OpenSSH\r\n\r\n",
        ] {
            assert!(parse(raw.as_bytes()).is_none(), "{raw:?}");
        }
    }

    #[test]
    fn a_form_is_sent_encoded_to_the_host_of_the_url() {
        let url = Url::parse("http://localhost:8080/token?a=b").unwrap();
        let request =
            Request::post(&url, vec![("scope".to_owned(), "a b&c".to_owned())]).header("origin", "http://x");
        let text = head_and_body(&request);
        assert!(text.starts_with("POST /token?a=b HTTP/1.1\r\nhost: localhost:8080\r\n"), "{text}");
        assert!(text.contains("origin: http://x\r\n"), "{text}");
        assert!(text.ends_with("content-length: 13\r\n\r\nscope=a+b%26c"), "{text}");
    }
}
