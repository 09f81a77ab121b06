//! What this server fetches from others, and what it sends them: nothing that a stranger names leads anywhere it should
//! not (S-027).

use std::time::Duration;

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
    #[expect(dead_code, reason = "until it fetches")]
    policy: FetchPolicy,
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The content, at most [`LONGEST`].
    pub body: Vec<u8>,
    /// The media type without parameters, in lower case.
    pub media_type: Option<String>,
    /// For how long it may be kept, as `Cache-Control: max-age` says.
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
    /// Too slow.
    Timeout,
    /// Another status than success; redirects are not followed.
    Status(u16),
    /// More than [`LONGEST`].
    TooLong,
    /// Too many exchanges under way here, or this host has failed too often just now.
    Busy,
}

impl Fetcher {
    /// A fetcher under a policy.
    ///
    /// # Errors
    /// An authority that cannot be read: one sentence.
    pub fn new(policy: FetchPolicy) -> Result<Self, String> {
        Ok(Self { policy })
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, _url: &str, _accept: &'static str) -> Result<Fetched, FetchError> {
        Err(FetchError::Unreachable)
    }

    /// Posts a form and tells the status of the answer.
    ///
    /// # Errors
    /// [`FetchError`], but never [`FetchError::Status`].
    pub async fn post_form(&self, _url: &str, _form: &[(&str, &str)]) -> Result<u16, FetchError> {
        Err(FetchError::Unreachable)
    }
}
