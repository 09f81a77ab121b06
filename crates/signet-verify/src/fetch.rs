//! HTTP as a client, bounded: in time, in bytes, in where it goes. Redirects are not followed: a metadata or key
//! document that moves is one that somebody moved.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, Url};

use crate::verifier::ConfigError;

/// From the request to the last byte of the answer.
const WHOLE: Duration = Duration::from_secs(5);
/// For the connection alone, TLS included.
const CONNECT: Duration = Duration::from_secs(3);

/// Fetches what one issuer publishes.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    /// Whether the issuer itself is on this machine and without TLS, as in development and tests.
    plain: bool,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The media type in lower case, without parameters; empty where none is named.
    pub media_type: String,
    /// `max-age` of `Cache-Control`; zero for `no-store` and `no-cache` (RFC 9111 §5.2.2).
    pub max_age: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer. Names no address and nothing of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The address is not one to go to: no `https`, and not on this machine for an issuer on this machine.
    Address,
    /// No connection, no answer, or none in time.
    Unreachable,
    /// The answer is longer than it may be.
    TooLong,
    /// The status is not 200.
    Status(u16),
    /// The answer is 200 and not what was asked for.
    Content(&'static str),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("the address is not https"),
            Self::Unreachable => f.write_str("no answer in time"),
            Self::TooLong => f.write_str("the answer is too long"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Content(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for FetchError {}

impl Fetcher {
    /// For an issuer: `https`, or `http` where its host is this machine. `roots` are certificates in PEM to trust
    /// besides those of the system; `address` is where the issuer's host is, where its name does not say so.
    ///
    /// # Errors
    /// An issuer of another form (RFC 8414 §2), or a certificate that is none.
    pub fn new(issuer: &str, roots: &[Vec<u8>], address: Option<IpAddr>) -> Result<Self, ConfigError> {
        let url = Url::parse(issuer).map_err(|_| ConfigError("the issuer is no URL"))?;
        let plain = url.scheme() == "http" && is_this_machine(&url);
        if url.scheme() != "https" && !plain {
            return Err(ConfigError("the issuer is neither https nor on this machine"));
        }
        if issuer.contains(['?', '#']) || !url.username().is_empty() || url.password().is_some() {
            return Err(ConfigError("the issuer has a query, a fragment or credentials"));
        }
        let mut builder = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT);
        if plain || address.is_some() {
            builder = builder.no_proxy();
        }
        let host = url.host_str().unwrap_or_default();
        // With port 0 the one of each URL is taken.
        if let Some(address) = address {
            builder = builder.resolve(host, SocketAddr::new(address, 0));
        } else if is_below_localhost(host) {
            // Browsers know these names for this machine (RFC 6761); most resolvers do not.
            let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            builder = builder.resolve_to_addrs(host, &loopback.map(|address| SocketAddr::new(address, 0)));
        }
        for pem in roots {
            let certificate = Certificate::from_pem(pem);
            builder = builder.add_root_certificate(
                certificate.map_err(|_| ConfigError("a root certificate is no PEM certificate"))?,
            );
        }
        let client = builder.build().map_err(|_| ConfigError("TLS cannot be set up"))?;
        Ok(Self { client, plain })
    }

    /// Gets a document of at most `most` bytes.
    ///
    /// # Errors
    /// Where there is no answer. One of another status than 200 is an answer.
    pub async fn get(&self, url: &str, accept: &str, most: usize) -> Result<Answer, FetchError> {
        let request = self.client.get(self.allowed(url)?).header(ACCEPT, accept);
        finish(request, most).await
    }

    /// Posts a form (`application/x-www-form-urlencoded`), with an `Authorization` line where one is given.
    ///
    /// # Errors
    /// Where there is no answer. One of another status than 200 is an answer.
    pub async fn post(
        &self,
        url: &str,
        form: String,
        authorization: Option<&str>,
        most: usize,
    ) -> Result<Answer, FetchError> {
        let mut request = self
            .client
            .post(self.allowed(url)?)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        finish(request, most).await
    }

    /// Begins to read an answer that has no end, as a stream of events has none. Who reads it bounds it.
    ///
    /// # Errors
    /// Where there is no answer within 5 s. One of another status than 200 is an answer.
    pub async fn open(&self, url: &str, accept: &str) -> Result<Response, FetchError> {
        let request = self.client.get(self.allowed(url)?).header(ACCEPT, accept);
        let answer = tokio::time::timeout(WHOLE, request.send()).await;
        answer.map_err(|_| FetchError::Unreachable)?.map_err(|_| FetchError::Unreachable)
    }

    /// An `https` issuer must not lead to unprotected services of this machine.
    fn allowed(&self, text: &str) -> Result<Url, FetchError> {
        let url = Url::parse(text).map_err(|_| FetchError::Address)?;
        let plain = self.plain && url.scheme() == "http" && is_this_machine(&url);
        if url.scheme() == "https" || plain { Ok(url) } else { Err(FetchError::Address) }
    }
}

impl Answer {
    /// The body, where the status is 200 and the media type JSON.
    ///
    /// # Errors
    /// Another status or type.
    pub fn json(&self) -> Result<&[u8], FetchError> {
        if self.status != 200 {
            return Err(FetchError::Status(self.status));
        }
        // RFC 6839 §3.1: `+json` says that a type is JSON, such as `application/jwk-set+json`.
        if self.media_type != "application/json" && !self.media_type.ends_with("+json") {
            return Err(FetchError::Content("the answer is not JSON"));
        }
        Ok(&self.body)
    }
}

async fn finish(request: RequestBuilder, most: usize) -> Result<Answer, FetchError> {
    let mut response = request.timeout(WHOLE).send().await.map_err(|_| FetchError::Unreachable)?;
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(FetchError::TooLong);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| FetchError::Unreachable)? {
        if body.len() + chunk.len() > most {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    let (media_type, max_age) = described(response.headers());
    Ok(Answer { status: response.status().as_u16(), media_type, max_age, body })
}

/// The media type of an answer without its parameters, in lower case, empty where there is none; and for how long the
/// answer may be kept, zero where it must not be (RFC 9111 §5.2.2). Hidden: the server reads what it fetches by it too.
#[doc(hidden)]
pub fn described(headers: &HeaderMap) -> (String, Option<Duration>) {
    let media_type = text(headers, CONTENT_TYPE.as_str());
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (media_type, max_age(&text(headers, CACHE_CONTROL.as_str())))
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let all: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    all.join(",")
}

fn max_age(cache_control: &str) -> Option<Duration> {
    let mut found = None;
    for directive in cache_control.split(',').map(|one| one.trim().to_ascii_lowercase()) {
        match directive.split_once('=') {
            None if directive == "no-store" || directive == "no-cache" => return Some(Duration::ZERO),
            Some(("max-age", seconds)) => {
                found = seconds.trim_matches('"').parse().ok().map(Duration::from_secs);
            }
            _ => {}
        }
    }
    found
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || is_below_localhost(host)
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_below_localhost(host: &str) -> bool {
    host.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_an_issuer_on_this_machine_only() {
        for issuer in [
            "https://a.example",
            "http://localhost:1",
            "http://auth.localhost",
            "http://127.0.0.1:80/x",
            "http://[::1]:8080",
        ] {
            assert!(Fetcher::new(issuer, &[], None).is_ok(), "{issuer}");
        }
        for issuer in [
            "http://a.example",
            "http://localhost.example",
            "http://.localhost",
            "http://evillocalhost",
            "http://127.0.0.1.example",
            "http://10.0.0.1",
            "ftp://localhost",
            "a.example",
            "",
            "https://a.example?x",
            "https://a.example#x",
            "https://u@a.example",
        ] {
            assert!(Fetcher::new(issuer, &[], None).is_err(), "{issuer}");
        }
    }

    #[test]
    fn a_remote_issuer_does_not_lead_to_this_machine() {
        let remote = Fetcher::new("https://a.example", &[], None).unwrap();
        assert_eq!(remote.allowed("http://127.0.0.1/keys"), Err(FetchError::Address));
        assert_eq!(remote.allowed("file:///etc/passwd"), Err(FetchError::Address));
        assert!(remote.allowed("https://keys.example/jwks").is_ok());
        let local = Fetcher::new("http://127.0.0.1:1", &[], None).unwrap();
        assert!(local.allowed("http://localhost:2/").is_ok());
        assert_eq!(local.allowed("http://a.example/"), Err(FetchError::Address));
    }

    #[test]
    fn max_age_is_read_from_among_the_directives() {
        for (header, expected) in [
            ("public, max-age=60", Some(60)),
            ("MAX-AGE=\"7\"", Some(7)),
            ("max-age=60, no-store", Some(0)),
            ("s-maxage=9", None),
            ("max-age=-1", None),
            ("", None),
        ] {
            assert_eq!(max_age(header), expected.map(Duration::from_secs), "{header}");
        }
    }
}
