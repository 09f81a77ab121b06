//! A browser as the edge sees it, and what a flow wants set in it.

use crate::model::audit::Origin;
use crate::secret::{
    BrowserCookie, ClientId, DeviceCookie, RefreshToken, SessionCookie, TransactionCookie, WebSessionCookie,
};

/// The cookies a browser sent, and where it is.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    /// The login session.
    pub session: Option<SessionCookie>,
    /// What binds interactions to this browser.
    pub binding: Option<BrowserCookie>,
    /// By which accounts recognise it.
    pub device: Option<DeviceCookie>,
    /// For the audit log.
    pub origin: Origin,
}

/// A cookie to set.
#[derive(Clone, Debug)]
pub enum SetCookie {
    /// The login session; lives as long as the browser is open, or to the given age in seconds.
    Session(SessionCookie, Option<u64>),
    /// The browser binding.
    Binding(BrowserCookie),
    /// The device, for the given seconds.
    Device(DeviceCookie, u64),
    /// No login session any more.
    ClearSession,
    /// What binds `/session/start` to `/session/callback`, for the given seconds.
    Transaction(TransactionCookie, u64),
    /// The refresh token of a client in cookie mode; lives as long as the browser is open, or for the given seconds.
    Refresh(ClientId, RefreshToken, Option<u64>),
    /// No refresh token of that client any more.
    ClearRefresh(ClientId),
    /// A classic web application's session.
    WebSession {
        /// The application.
        client: ClientId,
        /// The cookie's value.
        value: WebSessionCookie,
        /// The domain that shares it; none where it belongs to the host alone.
        domain: Option<String>,
        /// For so many seconds; none for as long as the browser is open.
        age: Option<u64>,
    },
}
