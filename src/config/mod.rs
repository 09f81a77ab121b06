//! Configuration: flag before environment before file before default; an unknown key is an error.
//!
//! Every key is declared once, in the file of its section, with its default and its rule. [`load`] reads the
//! sources, [`validate`](Config::validate) holds all rules that concern more than one key, and `config/default.toml`
//! lists every key for people; a test holds it equal to [`Config::default`].

pub mod admin;
pub mod browser;
pub mod cleanup;
pub mod database;
mod error;
pub mod fetch;
pub mod http;
pub mod keys;
mod load;
pub mod log;
mod nearest;
pub mod passwords;
pub mod protocol;
pub mod refresh;
pub mod registration;
mod render;
pub mod revocation;
mod section;
pub mod sessions;
pub mod throttle;
pub mod tls;
pub mod tokens;
mod validate;
mod value;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub use error::{Error, Origin, Origins};
pub use load::{DEFAULT_FILE, Flag, Loaded, Sources, from_toml, load};
pub use render::init_template;
pub use value::Cidr;

use section::section;

section! {
    /// All settings. Times are integers with their unit in the name.
    pub struct Config {
        // the Issuer type of oauth
        /// The issuer: what people and clients see, without a trailing slash (RFC 8414 §2).
        public_url: String = "http://localhost:8080".to_owned(), value::Text(validate::ISSUER, validate::is_issuer);
        /// The public listener.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080)), value::Listen;
        /// The listener for operators: health, metrics, administration.
        admin_listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 9000)), value::Listen;
        @sections {
            /// `[database]`
            database: database::Database = database::Database::default();
            /// `[keys]`
            keys: keys::Keys = keys::Keys::default();
            /// `[tokens]`
            tokens: tokens::Tokens = tokens::Tokens::default();
            /// `[refresh]`
            refresh: refresh::Refresh = refresh::Refresh::default();
            /// `[revocation]`
            revocation: revocation::Revocation = revocation::Revocation::default();
            /// `[sessions]`
            sessions: sessions::Sessions = sessions::Sessions::default();
            /// `[browser]`
            browser: browser::Browser = browser::Browser::default();
            /// `[passwords]`
            passwords: passwords::Passwords = passwords::Passwords::default();
            /// `[throttle]`
            throttle: throttle::Throttle = throttle::Throttle::default();
            /// `[http]`
            http: http::Http = http::Http::default();
            /// `[protocol]`
            protocol: protocol::Protocol = protocol::Protocol::default();
            /// `[registration]`
            registration: registration::Registration = registration::Registration::default();
            /// `[fetch]`
            fetch: fetch::Fetch = fetch::Fetch::default();
            /// `[tls]`
            tls: tls::Tls = tls::Tls::default();
            /// `[cleanup]`
            cleanup: cleanup::Cleanup = cleanup::Cleanup::default();
            /// `[log]`
            log: log::Log = log::Log::default();
            /// `[admin]`
            admin: admin::Admin = admin::Admin::default();
        }
    }
}

/// For what a configuration is validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `serve`: nothing that is only good enough for a try.
    Serve,
    /// `dev`, and the commands that work on a development store.
    Dev,
}
