//! The route table: path, methods, who may read the answer from another origin, handler, specification. A path that
//! is not here is 404, a method that is not here 405.

use actix_web::{Route, web};
use signet_verify::actix::Protect;

use super::cors::Sharing;
use super::{
    account, authorize, consent, demo, edge, end_session, forward_auth, health, introspect, login, logout,
    metadata, metrics, register, revocation, revoke, session, start, token, userinfo,
};

/// The methods of a row that takes whatever a proxy passes on.
pub const ANY: &str = "*";

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The path, exact.
    pub path: &'static str,
    /// The methods, as the `Allow` header lists them; [`ANY`] for all there are.
    pub methods: &'static str,
    /// Who may read the answer from another origin.
    pub sharing: Sharing,
    /// Whether people see its answers: then what goes wrong is a page too.
    pub page: bool,
    /// The handler, for all methods of the row.
    pub handler: fn() -> Route,
    /// Where the endpoint is specified.
    pub spec: &'static str,
}

impl Row {
    /// Whether the row takes a method.
    pub fn takes(&self, method: &str) -> bool {
        self.methods == ANY || self.methods.split(", ").any(|one| one == method)
    }
}

const fn row(
    path: &'static str,
    methods: &'static str,
    sharing: Sharing,
    handler: fn() -> Route,
    spec: &'static str,
) -> Row {
    Row { path, methods, sharing, page: false, handler, spec }
}

/// A row that people see, which no page of another origin reads.
const fn page(path: &'static str, methods: &'static str, handler: fn() -> Route, spec: &'static str) -> Row {
    Row { path, methods, sharing: Nobody, page: true, handler, spec }
}

use Sharing::{Clients, Everybody, Nobody, Sessions};

/// What the public listener answers.
#[rustfmt::skip]
pub const PUBLIC: &[Row] = &[
    row("/.well-known/openid-configuration", "GET, HEAD", Everybody, || web::to(metadata::discovery), "OpenID Connect Discovery §4"),
    row("/.well-known/oauth-authorization-server", "GET, HEAD", Everybody, || web::to(metadata::discovery), "RFC 8414 §3"),
    row("/.well-known/jwks.json", "GET, HEAD", Everybody, || web::to(metadata::jwks), "RFC 7517 §5"),
    row("/.well-known/revocation-configuration", "GET, HEAD", Everybody, || web::to(revocation::configuration), "docs/revocation-feed.md §4"),
    row("/revocation/snapshot", "GET, HEAD", Everybody, || web::to(revocation::snapshot), "docs/revocation-feed.md §4"),
    row("/revocation/batches/{n}", "GET", Everybody, || web::to(revocation::batch), "docs/revocation-feed.md §4"),
    row("/revocation/stream", "GET", Everybody, || web::to(revocation::stream), "docs/revocation-feed.md §4"),
    page("/authorize", "GET, POST", || web::to(authorize::authorize), "RFC 6749 §3.1"),
    row("/token", "POST", Clients, || web::to(token::post), "RFC 6749 §3.2"),
    row("/revoke", "POST", Clients, || web::to(revoke::post), "RFC 7009"),
    row("/introspect", "POST", Nobody, || web::to(introspect::post), "RFC 7662"),
    row("/register", "POST", Nobody, || web::to(register::register), "RFC 7591 §3"),
    row("/register/{client_id}", "GET, PUT, DELETE", Nobody, || web::to(register::configuration), "RFC 7592 §2"),
    row("/userinfo", "GET, POST", Clients, || web::to(userinfo::userinfo), "OpenID Connect Core §5.3"),
    page("/login", "GET, POST", || web::to(login::login), "sign-in page"),
    page("/consent", "GET, POST", || web::to(consent::consent), "consent page"),
    page("/end_session", "GET, POST", || web::to(end_session::end_session), "OpenID Connect RP-Initiated Logout §2"),
    page("/logout", "GET, POST", || web::to(logout::logout), "sign-out page"),
    page("/logged-out", "GET", || web::to(logout::logged_out), "page after signing out"),
    page("/account", "GET, POST", || web::to(account::profile), "account: profile"),
    page("/account/password", "GET, POST", || web::to(account::password), "account: password"),
    page("/account/sessions", "GET, POST", || web::to(account::sessions), "account: devices"),
    page("/account/applications", "GET, POST", || web::to(account::applications), "account: applications"),
    page("/account/activity", "GET", || web::to(account::activity), "account: activity"),
    page("/session/start", "GET", || web::to(session::start::get), "docs/sessions.md"),
    page("/session/callback", "GET", || web::to(session::callback::get), "docs/sessions.md"),
    row("/refresh", "POST", Sessions, || web::to(session::refresh::post), "docs/sessions.md"),
    row("/session", "GET", Sessions, || web::to(session::whois::get), "docs/sessions.md"),
    row("/session/logout", "POST", Sessions, || web::to(session::logout::this_browser), "docs/sessions.md"),
    row("/session/logout_all", "POST", Sessions, || web::to(session::logout::all_devices), "docs/sessions.md"),
    row("/forward-auth", ANY, Nobody, || web::to(forward_auth::ask), "docs/forward-auth.md"),
    row("/forward-auth/{asked:.*}", ANY, Nobody, || web::to(forward_auth::ask), "docs/forward-auth.md"),
    row("/healthz", "GET, HEAD", Nobody, || web::to(health::live), "liveness, without detail"),
    page("/", "GET, HEAD", || web::to(start::page), "start page"),
];

/// The demo's resource server, which the public listener answers for in development, behind the verifier of any other.
#[rustfmt::skip]
pub const DEMO_API: &[Row] = &[
    row("/demo/api/me", "GET", Nobody, || web::to(demo::me), "RFC 6750: the demo's protected resource"),
];

/// What the public listener answers in development as well.
#[rustfmt::skip]
pub const DEVELOPMENT: &[Row] = &[
    row("/demo/api/logout-all", "POST", Nobody, || web::to(demo::logout_all), "log out all devices, by the user's own token"),
];

/// What the admin listener answers beside the administration API.
#[rustfmt::skip]
pub const ADMIN: &[Row] = &[
    row("/livez", "GET, HEAD", Nobody, || web::to(health::live), "liveness"),
    row("/readyz", "GET, HEAD", Nobody, || web::to(health::ready), "readiness"),
    row("/metrics", "GET", Nobody, || web::to(metrics::get), "OpenMetrics 1.0"),
];

/// Mounts the public listener; in development, with what stands in front of the demo API.
pub fn public(config: &mut web::ServiceConfig, demo: Option<&Protect>) {
    for row in PUBLIC.iter().chain(if demo.is_some() { DEVELOPMENT } else { &[] }) {
        edge::mount(config, row);
    }
    for (row, protect) in DEMO_API.iter().flat_map(|row| demo.map(|protect| (row, protect))) {
        edge::mount_behind(config, row, protect);
    }
    config.service(
        web::resource(["/assets/{name}", "/demo", "/demo/callback", "/demo/app"])
            .wrap(actix_web::middleware::from_fn(edge::asset))
            .route(web::to(metadata::asset)),
    );
    config.default_service(web::to(start::not_found));
}

/// Mounts the admin listener.
pub fn admin(config: &mut web::ServiceConfig) {
    for row in ADMIN {
        edge::mount_for_operators(config, row);
    }
}
