//! Cookie mode: this server keeps a page's refresh token in a cookie that script cannot read, and acts for the page
//! where the token is used (RFC 10017, "token-mediating backend"). One file per endpoint; see docs/sessions.md.

pub mod callback;
pub mod logout;
pub mod refresh;
pub mod start;
pub mod transaction;
pub mod web_session;
pub mod whois;

use serde::Serialize;

use crate::secret::SessionId;

/// A session as the page sees it.
#[derive(Clone, Debug, Serialize)]
pub struct SessionView {
    /// The user, as the client knows them.
    pub sub: String,
    /// The login session, the same at every host and in every application.
    pub sid: SessionId,
    /// When the user proved who they are, in seconds since 1970.
    pub auth_time: i64,
    /// How much that proved ([`crate::oauth::acr`]).
    pub acr: &'static str,
    /// How (RFC 8176).
    pub amr: Vec<String>,
}
