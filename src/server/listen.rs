//! The two listeners: public, and for operators.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[cfg(target_os = "linux")]
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::{Extensions, Server};
#[cfg(target_os = "linux")]
use actix_web::rt::net::TcpStream;
use actix_web::{App as ActixApp, HttpServer, web};

use super::provider::SetupError;
use super::tls::Certificate;
use crate::config::Config;
use crate::flow::Provider;
use crate::http::app::{App, Settings};
use crate::http::demo;
use crate::http::followers::Followers;
use crate::http::metrics::Metrics;
use crate::http::pages::view::{Pages, Site};
use crate::http::prepared::Prepared;
use crate::http::routes;

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The public listener.
    pub public: SocketAddr,
    /// The listener for operators.
    pub admin: SocketAddr,
}

/// Two bound servers that do not run yet.
pub struct Listening {
    /// Where.
    pub addresses: Addresses,
    /// The public server.
    pub public: Server,
    /// The server for operators.
    pub admin: Server,
    /// Their state.
    pub app: web::Data<App>,
    /// What the public server shows where it speaks TLS itself.
    pub certificate: Option<Arc<Certificate>>,
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listening").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Sets limits and timeouts; a macro, since the type of an actix server cannot be named.
macro_rules! tuned {
    ($server:expr, $config:expr) => {
        $server
            .disable_signals()
            .max_connections($config.http.max_connections as usize)
            .keep_alive(seconds($config.http.keep_alive_seconds))
            .client_request_timeout(seconds($config.http.client_request_timeout_seconds))
            .on_connect(unread_ends($config.http.write_timeout_seconds))
            .client_disconnect_timeout(Duration::from_secs(2))
            .shutdown_timeout(u64::from($config.http.shutdown_seconds))
    };
}

/// Ends a connection whose peer takes nothing of what was sent to it for so long: a slow reader, or one that is gone
/// without a word. Nothing else would, since whoever waits for room to write is not asked for more.
fn unread_ends(after_seconds: u32) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + Clone + 'static {
    move |connection, _| {
        #[cfg(target_os = "linux")]
        if let Some(stream) = socket(connection) {
            let millis = after_seconds.saturating_mul(1000);
            // A connection without the limit is no worse than one on another system.
            let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, millis);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (connection, after_seconds);
    }
}

/// The socket of a connection, with or without TLS on it.
#[cfg(target_os = "linux")]
fn socket(connection: &dyn Any) -> Option<&TcpStream> {
    let protected = || connection.downcast_ref::<TlsStream<TcpStream>>().map(|stream| stream.get_ref().0);
    connection.downcast_ref().or_else(protected)
}

/// Binds both listeners; from here on connections queue, and are answered once the servers are polled.
///
/// # Errors
/// A certificate that cannot be used, an address that cannot be bound, or pages that cannot be prepared.
pub fn listen(config: &Config, provider: Arc<Provider>, development: bool) -> Result<Listening, SetupError> {
    let certificate = Certificate::of(config)?;
    let app = web::Data::new(app(config, provider, development, certificate.as_deref())?);
    let state = app.clone();
    let public = HttpServer::new(move || {
        ActixApp::new().app_data(state.clone()).configure(|service| {
            if state.settings.admin_on_public {
                crate::http::admin::configure(service);
            }
            routes::public(service, state.demo.as_ref());
        })
    });
    let public = tuned!(public, config).workers(workers(config.http.workers));
    let public = match &certificate {
        // A handshake holds one of the listener's connections and nothing else, so slow ones keep nobody out.
        Some(certificate) => public
            .max_connection_rate(config.http.max_connections as usize)
            .tls_handshake_timeout(seconds(config.http.client_request_timeout_seconds))
            .bind_rustls_0_23(config.listen, certificate.server_config()?),
        None => public.bind(config.listen),
    };
    let public = public.map_err(|error| cannot_bind("listen", config.listen, &error))?;
    let state = app.clone();
    let admin = HttpServer::new(move || {
        ActixApp::new().app_data(state.clone()).configure(|service| {
            routes::admin(service);
            crate::http::admin::configure(service);
        })
    });
    // Health, metrics and administration need no more, and must not be starved by public load.
    let admin = tuned!(admin, config).workers(1);
    let admin = admin
        .bind(config.admin_listen)
        .map_err(|error| cannot_bind("admin_listen", config.admin_listen, &error))?;
    let first = |addresses: Vec<SocketAddr>| {
        addresses.first().copied().ok_or_else(|| SetupError("no address was bound".to_owned()))
    };
    let addresses = Addresses { public: first(public.addrs())?, admin: first(admin.addrs())? };
    Ok(Listening { addresses, public: public.run(), admin: admin.run(), app, certificate })
}

/// The state of the edge.
///
/// # Errors
/// Pages that cannot be prepared.
pub fn app(
    config: &Config,
    provider: Arc<Provider>,
    development: bool,
    certificate: Option<&Certificate>,
) -> Result<App, SetupError> {
    let mut metrics = Metrics::new();
    if let Some(certificate) = certificate {
        certificate.on_replaced(metrics.certificate_expiry());
        certificate.say(provider.clock.now());
    }
    provider.feed.on_published(metrics.lag());
    let site = Site::new("Signet", provider.policy.issuer.as_str());
    let demo = development.then(|| demo::protect(&provider, &reach(config, certificate))).transpose();
    Ok(App {
        demo: demo.map_err(|error| SetupError(format!("public_url: {error}")))?,
        pages: Pages::new(site).map_err(|error| SetupError(error.to_string()))?,
        prepared: Prepared::new(&provider, development),
        followers: Followers::new(provider.policy.revocation.max_followers),
        settings: Settings {
            development,
            trusted_proxies: config
                .http
                .trusted_proxies
                .iter()
                .map(|net| (net.address, net.prefix))
                .collect(),
            // The empty text is no header's name.
            place_header: config.http.place_header.parse().ok(),
            body_timeout: seconds(config.http.body_timeout_seconds),
            request_deadline: seconds(config.refresh.request_deadline_seconds),
            hsts: seconds(config.http.hsts_seconds),
            admin_on_public: config.admin.allow_on_public,
        },
        provider,
        metrics,
        stopping: AtomicBool::new(false),
    })
}

/// How this server reaches itself. Whoever stands last in its chain vouches for it, be it known to the system or not.
fn reach(config: &Config, certificate: Option<&Certificate>) -> demo::Reach {
    let address = config.listen.ip();
    demo::Reach {
        address: (!address.is_unspecified()).then_some(address),
        root: certificate.and_then(|certificate| certificate.current().last_as_pem()),
    }
}

/// One per core, unless configured.
fn workers(configured: u32) -> usize {
    if configured > 0 {
        return configured as usize;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn seconds(value: u32) -> Duration {
    Duration::from_secs(u64::from(value))
}

fn cannot_bind(key: &str, address: SocketAddr, error: &std::io::Error) -> SetupError {
    SetupError(format!(
        "{key} = {address} cannot be used: {error}. Choose another port, or stop what listens there"
    ))
}
