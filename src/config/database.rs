//! `[database]`

use super::section::section;
use super::value::{Raw, Rule, Secrets, quoted};
use crate::secret::DatabaseUrl;

section! {
    /// Where the server keeps what it knows, and how long a request waits for it.
    pub struct Database {
        /// `sqlite://path` or `postgres://user:password@host/database`.
        url: DatabaseUrl = DatabaseUrl::new("sqlite://data/signet.sqlite"), UrlRule;
        /// Connections of one node (PostgreSQL), readers (SQLite).
        max_connections: u32 = 10, super::value::Int(1, 1000);
        /// How long a request waits for a connection, in milliseconds.
        acquire_timeout_ms: u32 = 1000, super::value::Int(50, 60_000);
        /// How long one statement may run, in milliseconds.
        statement_timeout_ms: u32 = 2000, super::value::Int(50, 60_000);
    }
}

/// A database URL that may be shown: without user, password and parameters.
pub fn shown(url: &DatabaseUrl) -> String {
    let plain = url.reveal();
    if let Some(path) = plain.strip_prefix("sqlite://") {
        return format!("sqlite://{}", path.split('?').next().unwrap_or_default());
    }
    url::Url::parse(plain).map_or_else(
        |_| "[redacted]".to_owned(),
        |parsed| {
            let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
            let host = parsed.host_str().unwrap_or_default();
            format!("{}://{host}{port}{}", parsed.scheme(), parsed.path())
        },
    )
}

struct UrlRule;

impl Rule<DatabaseUrl> for UrlRule {
    fn expected(&self) -> String {
        "a URL that begins with sqlite:// or postgres://".to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<DatabaseUrl> {
        let (Raw::Text(text) | Raw::String(text)) = raw else { return None };
        let usable = match text.split_once("://")? {
            ("sqlite", path) => !path.split('?').next().unwrap_or_default().is_empty(),
            ("postgres" | "postgresql", _) => url::Url::parse(text).is_ok(),
            _ => false,
        };
        usable.then(|| DatabaseUrl::new(text.clone()))
    }

    fn write(&self, value: &DatabaseUrl, secrets: Secrets) -> Option<String> {
        Some(match secrets {
            Secrets::Redacted => quoted(&shown(value)),
            Secrets::Revealed => quoted(value.reveal()),
        })
    }

    fn is_secret(&self) -> bool {
        true
    }
}
