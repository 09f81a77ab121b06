//! `[fetch]`

use std::path::PathBuf;

use super::section::section;
use super::value::{Int, ListOf, PathOf, Text};

section! {
    /// What this server fetches from others: key sets, request objects, sector and client metadata documents, and whom
    /// it tells of a logout.
    pub struct Fetch {
        /// How long one fetch may take, in milliseconds.
        timeout_ms: u32 = 3000, Int(100, 30_000);
        /// Fetches under way at once, per node.
        max_concurrent: u32 = 32, Int(1, 1000);
        /// Further certificate authorities to trust, PEM.
        trusted_authorities: Vec<PathBuf> = Vec::new(), ListOf(PathOf);
        /// Hosts that may be at a private or loopback address, by name or as `name:port`. Any other is not asked there.
        private_hosts: Vec<String> = Vec::new(), ListOf(Text("a host such as rp.internal.example.com or localhost:8443", is_host));
    }
}

fn is_host(text: &str) -> bool {
    let url = url::Url::parse(&format!("https://{text}/"));
    url.is_ok_and(|url| url.path() == "/" && url.query().is_none() && url.username().is_empty())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
}
