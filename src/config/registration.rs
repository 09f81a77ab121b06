//! `[registration]`

use super::section::section;
use super::value::{Choice, Flag, Int, ListOf, OneOf, Text};
use crate::oauth::client_metadata::Profile;
use crate::oauth::scope::Scope;

section! {
    /// Clients that register themselves (RFC 7591), and those that publish their metadata at their `client_id`.
    pub struct Registration {
        /// Who may register a client: nobody, whoever has an initial access token, or anybody.
        mode: Mode = Mode::Off, OneOf;
        /// The widest scope of such clients.
        scope: String = "openid profile email address phone offline_access".to_owned(), Text("a scope such as openid profile", is_scope);
        /// The profile they get.
        profile: Profile = Profile::Default, OneOf;
        /// One that has never signed anybody in goes after so many hours.
        unused_hours: u32 = 24, Int(1, 8760);
        /// Registrations and changes that an address (IPv4) or network (IPv6 /64) may try at once, and as many metadata
        /// documents that nobody has asked for yet.
        address_burst: u32 = 100, Int(1, 100_000);
        /// After those, one more per this many seconds.
        address_period_seconds: u32 = 30, Int(1, 86_400);
        /// Whether a `client_id` may be the address of a metadata document.
        metadata_documents: bool = false, Flag;
        /// The hosts whose documents are taken; empty for any.
        metadata_document_hosts: Vec<String> = Vec::new(), ListOf(Text("a host such as app.example.com", is_host));
    }
}

/// Who may register a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nobody.
    Off,
    /// Whoever has an initial access token (RFC 7591 §1.2).
    Token,
    /// Anybody.
    Open,
}

impl Choice for Mode {
    const ALL: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("token", Self::Token), ("open", Self::Open)];
}

impl Choice for Profile {
    const ALL: &'static [(&'static str, Self)] = &[
        ("default", Self::Default),
        ("oauth21", Self::OAuth21),
        ("oidc-certification", Self::OidcCertification),
    ];
}

fn is_scope(text: &str) -> bool {
    Scope::parse(text).is_ok()
}

fn is_host(text: &str) -> bool {
    let url = url::Url::parse(&format!("https://{text}/"));
    url.is_ok_and(|url| url.host_str() == Some(text))
}
