//! `[http]`

use super::section::section;
use super::value::{Cidr, Int, ListOf, Network, Text};

section! {
    /// The two listeners.
    pub struct Http {
        /// Threads that answer requests; 0 is one per core.
        workers: u32 = 0, Int(0, 1024);
        /// Open connections per worker.
        max_connections: u32 = 10_000, Int(1, 1_000_000);
        /// How long an unused connection stays open, in seconds.
        keep_alive_seconds: u32 = 75, Int(0, 3600);
        /// How long a request's head may take to arrive, in seconds.
        client_request_timeout_seconds: u32 = 5, Int(1, 300);
        /// How long a request's body may take to arrive, in seconds.
        body_timeout_seconds: u32 = 10, Int(1, 300);
        /// How long what was sent may wait for a peer that does not take it, in seconds; then the connection ends.
        write_timeout_seconds: u32 = 30, Int(1, 3600);
        /// How long requests in flight may take to end at shutdown, in seconds.
        shutdown_seconds: u32 = 30, Int(0, 3600);
        /// How long `/readyz` says no before the listeners close, in seconds.
        drain_seconds: u32 = 0, Int(0, 600);
        /// Peers whose `X-Forwarded-For` is read; from anyone else it is not.
        trusted_proxies: Vec<Cidr> = Vec::new(), ListOf(Network);
        /// The header in which a trusted proxy names the place of a client's address, such as `CF-IPCity`; empty for none.
        place_header: String = String::new(), Text("the name of a header, or empty", is_header_name);
        /// `max-age` of Strict-Transport-Security (RFC 6797 §6.1.1), sent when the issuer is https; 0 leaves it out.
        hsts_seconds: u32 = 31_536_000, Int(0, 63_072_000);
    }
}

fn is_header_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
