//! What this server fetches from others, and what it sends them: nothing that a stranger names leads anywhere it should
//! not (S-027), and nobody waits for a host that does not answer.
//!
//! `target.rs` judges the URL, `resolver.rs` the addresses of its name, by `address.rs`; `places.rs` says how much is asked
//! at once on whose behalf, and `hosts.rs` remembers who does not answer; `answer.rs` reads. The whole exchange, waiting
//! for a place included, ends within the timeout.

mod address;
mod answer;
mod hosts;
mod places;
mod resolver;
mod target;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, tls};
use tokio::time::{Instant, timeout_at};

use crate::clock::monotonic_now;
pub use places::Behalf;
use places::Places;
use resolver::{Checked, NotPublic};
use target::Target;

/// How long a connection is kept for the next exchange with the same host. It stays with the address that was judged.
const IDLE: Duration = Duration::from_secs(15);
/// So many connections to one host are kept.
const KEPT: usize = 2;
/// Most headers of an answer.
const HEADERS: usize = 64;

/// What may be fetched, and how.
#[derive(Clone, Debug, Default)]
pub struct FetchPolicy {
    /// One exchange may take so long.
    pub timeout: Duration,
    /// So many at once.
    pub max_concurrent: usize,
    /// Further certificate authorities to trust, PEM.
    pub trusted_authorities: Vec<Vec<u8>>,
    /// Hosts that may be at a private or loopback address, as `name` or `name:port`.
    pub private_hosts: Vec<String>,
}

/// Asks other servers, safely. Clones share one pool and one limit.
#[derive(Clone, Debug)]
pub struct Fetcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    timeout: Duration,
    private_hosts: Vec<String>,
    /// Connects to public addresses only.
    public: Lazy,
    /// For hosts that may be at private ones. The two share no connections.
    private: Lazy,
    places: Places,
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The content, at most [`LONGEST`].
    pub body: Vec<u8>,
    /// The media type without parameters, in lower case.
    pub media_type: Option<String>,
    /// For how long it may be kept, as `Cache-Control: max-age` says; zero where it must not be.
    pub max_age: Option<Duration>,
}

/// Longest content, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// Why nothing was fetched. For the log and for whoever registered the address; never with content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The address may not be asked: no https, or a host that is not public.
    Forbidden(&'static str),
    /// No connection, or TLS failed.
    Unreachable,
    /// What it answers is no HTTP answer, has too many headers, or breaks off.
    Unreadable,
    /// Too slow.
    Timeout,
    /// Another status than 200; redirects are not followed.
    Status(u16),
    /// More than [`LONGEST`].
    TooLong,
    /// Too many exchanges under way here, or this host has failed too often just now.
    Busy,
}

impl FetchError {
    /// Whether nobody was asked, or nobody has answered: it says nothing about what is there.
    pub const fn says_nothing(self) -> bool {
        matches!(self, Self::Busy | Self::Timeout | Self::Unreachable)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden(why) => f.write_str(why),
            Self::Unreachable => f.write_str("its host cannot be reached, or its certificate is not trusted"),
            Self::Unreadable => f.write_str("its host's answer cannot be read"),
            Self::Timeout => f.write_str("its host did not answer in time"),
            Self::Status(status) => write!(f, "its host answered {status}"),
            Self::TooLong => write!(f, "it is longer than {LONGEST} bytes"),
            Self::Busy => {
                f.write_str("its host has failed too often, or too much is asked at once; try again soon")
            }
        }
    }
}

impl std::error::Error for FetchError {}

impl Fetcher {
    /// A fetcher under a policy.
    ///
    /// # Errors
    /// An authority that cannot be read: one sentence.
    pub fn new(policy: FetchPolicy) -> Result<Self, String> {
        Self::resolving(policy, resolver::system)
    }

    /// One that finds addresses in this way.
    fn resolving(policy: FetchPolicy, ask: resolver::Ask) -> Result<Self, String> {
        let mut authorities = Vec::new();
        for pem in &policy.trusted_authorities {
            let found = Certificate::from_pem_bundle(pem).unwrap_or_default();
            if found.is_empty() {
                return Err("A file holds no PEM certificate.".to_owned());
            }
            authorities.extend(found);
        }
        let client = |may_be_private| {
            let resolver = Checked { may_be_private, ask };
            let client = Lazy { resolver, authorities: authorities.clone(), made: OnceLock::new() };
            // What was configured is tried before anything listens.
            if !authorities.is_empty() {
                client.get().map_err(|_| "TLS cannot be set up with these authorities.")?;
            }
            Ok::<_, String>(client)
        };
        Ok(Self {
            inner: Arc::new(Inner {
                timeout: policy.timeout,
                private_hosts: policy.private_hosts,
                public: client(false)?,
                private: client(true)?,
                places: Places::new(policy.max_concurrent),
            }),
        })
    }

    /// One exchange may take so long.
    pub fn timeout(&self) -> Duration {
        self.inner.timeout
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, url: &str, accept: &'static str, behalf: &Behalf) -> Result<Fetched, FetchError> {
        let target = target::judge(url, &self.inner.private_hosts)?;
        let request = self.client(&target)?.get(target.url.clone()).header(ACCEPT, accept);
        self.exchange((&target.host, behalf), request, answer::document).await
    }

    /// Posts a form and tells the status of the answer.
    ///
    /// # Errors
    /// [`FetchError`], but never [`FetchError::Status`].
    pub async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        behalf: &Behalf,
    ) -> Result<u16, FetchError> {
        let target = target::judge(url, &self.inner.private_hosts)?;
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .client(&target)?
            .post(target.url.clone())
            .header(ACCEPT, "*/*")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let status = |response: Response| std::future::ready(Ok(response.status().as_u16()));
        self.exchange((&target.host, behalf), request, status).await
    }

    fn client(&self, target: &Target) -> Result<&Client, FetchError> {
        if target.may_be_private { self.inner.private.get() } else { self.inner.public.get() }
    }

    /// An exchange with a host, once there is a place for it, and all of it in time.
    async fn exchange<T, F: Future<Output = Result<T, FetchError>>>(
        &self,
        (host, behalf): (&str, &Behalf),
        request: RequestBuilder,
        read: impl FnOnce(Response) -> F,
    ) -> Result<T, FetchError> {
        let places = &self.inner.places;
        let began = monotonic_now();
        let until = Instant::from_std(began + self.inner.timeout);
        let place = timeout_at(until, places.take(behalf, host, began)).await.ok().flatten();
        let place = place.filter(|_| Instant::now() < until).ok_or(FetchError::Busy)?;
        let waited = monotonic_now().saturating_duration_since(began);
        let sent = timeout_at(until, resolver::within(Arc::clone(&place), send(request))).await;
        let sent = sent.unwrap_or(Err(FetchError::Timeout));
        // Whoever has begun to answer is there, however long the rest takes.
        if let Some(answered) = is_there(sent.as_ref().err().copied(), waited, self.inner.timeout) {
            places.note(behalf, host, answered, monotonic_now());
        }
        timeout_at(until, read(sent?)).await.unwrap_or(Err(FetchError::Timeout))
    }
}

/// A client that is made when it is first used: reading the machine's authorities takes longer than the rest of the start,
/// and most servers fetch nothing at first, some never.
#[derive(Debug)]
struct Lazy {
    resolver: Checked,
    authorities: Vec<Certificate>,
    made: OnceLock<Client>,
}

impl Lazy {
    fn get(&self) -> Result<&Client, FetchError> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = client(self.resolver.clone(), self.authorities.clone()).map_err(|error| {
            tracing::error!(%error, "TLS cannot be set up: nothing can be fetched");
            FetchError::Unreachable
        })?;
        Ok(self.made.get_or_init(|| made))
    }
}

/// No redirects, no proxy, no cookies, no decompression: what is asked is what was judged, and what arrives is what
/// is counted.
fn client(resolver: Checked, authorities: Vec<Certificate>) -> reqwest::Result<Client> {
    Client::builder()
        .user_agent("Signet")
        .redirect(Policy::none())
        .referer(false)
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .http1_only()
        .http1_max_headers(HEADERS)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(KEPT)
        .tls_version_min(tls::Version::TLS_1_2)
        .tls_certs_merge(authorities)
        .dns_resolver(resolver)
        .build()
}

/// Whether an exchange shows that its host is there: a host that answers is, whatever it says. `None` where it shows
/// nothing: whoever `waited` for a place for most of the time left the host too little of it.
fn is_there(error: Option<FetchError>, waited: Duration, timeout: Duration) -> Option<bool> {
    match error {
        Some(FetchError::Unreachable) => Some(false),
        Some(FetchError::Timeout) => (waited <= timeout / 2).then_some(false),
        _ => Some(true),
    }
}

async fn send(request: RequestBuilder) -> Result<Response, FetchError> {
    request.send().await.map_err(|error| failure(&error))
}

fn failure(error: &reqwest::Error) -> FetchError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if one.is::<NotPublic>() {
            return FetchError::Forbidden("its host is at no public address");
        }
        cause = one.source();
    }
    if error.is_connect() || error.is_timeout() { FetchError::Unreachable } else { FetchError::Unreadable }
}
