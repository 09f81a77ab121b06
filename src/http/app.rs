//! What every handler may use.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use signet_verify::actix::Protect;

use super::followers::Followers;
use super::metrics::Metrics;
use super::pages::view::Pages;
use super::prepared::Prepared;
use crate::flow::Provider;

/// How this deployment is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `dev`: the demo is served and error pages help the developer.
    pub development: bool,
    /// Networks whose `X-Forwarded-For` is believed: address and prefix length.
    pub trusted_proxies: Vec<(IpAddr, u8)>,
    /// The header in which a trusted proxy names the place of a client's address.
    pub place_header: Option<HeaderName>,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long an answer may take.
    pub request_deadline: Duration,
    /// `max-age` of Strict-Transport-Security; zero leaves it out.
    pub hsts: Duration,
    /// The administration API answers on the public listener too.
    pub admin_on_public: bool,
}

/// The state of the edge, shared by all workers.
pub struct App {
    /// The decisions.
    pub provider: Arc<Provider>,
    /// The pages.
    pub pages: Pages,
    /// How this deployment is reached.
    pub settings: Settings,
    /// Bytes made ready at start.
    pub prepared: Prepared,
    /// Counters.
    pub metrics: Metrics,
    /// What stands in front of the demo API, in development.
    pub demo: Option<Protect>,
    /// Who follows the revocation feed.
    pub followers: Followers,
    /// Whether the server is going down: readiness says no first.
    pub stopping: AtomicBool,
}

impl App {
    /// Whether people reach this server by https, so that cookies can be bound to the host.
    pub fn is_https(&self) -> bool {
        self.provider.policy.issuer.is_https()
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}
