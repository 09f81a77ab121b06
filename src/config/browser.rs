//! `[browser]`

use super::section::section;
use super::value::{ListOf, Text};
use crate::oauth::uri;

section! {
    /// Hosts at which browsers hold sessions, beside the issuer's own.
    pub struct Browser {
        /// Further origins at which this server answers `/session/*`, `/refresh` and `/forward-auth`: one for each root
        /// domain whose applications keep their session in a cookie. The issuer's origin is always one.
        hosts: Vec<String> = Vec::new(), ListOf(Text("an origin such as https://auth.example.com", is_origin));
        /// Domains whose sub-domains share one cookie of a classic web application (forward-auth). The host that signs
        /// in has to be one of them.
        cookie_domains: Vec<String> = Vec::new(), ListOf(Text("a domain such as example.com", is_domain));
    }
}

fn is_origin(text: &str) -> bool {
    uri::check_web(text).is_ok() && uri::origin_of(text).as_deref() == Some(text)
}

/// At least two labels: no browser takes a cookie for a whole top-level domain.
fn is_domain(text: &str) -> bool {
    text.contains('.') && !text.starts_with('.') && is_origin(&format!("https://{text}"))
}
