//! Metrics in OpenMetrics text: base units, bounded labels, no user ids.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::Data;
use actix_web::{HttpResponse, http::header::CONTENT_TYPE};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::app::App;
use crate::clock::Timestamp;
use crate::flow::login::LoginOutcome;
use crate::flow::rejection::Outcome;
use crate::oauth::error::ErrorCode;
use crate::oauth::grant_type::GrantType;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds in seconds: from a prepared answer to the deadline.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Grant {
    grant: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ErrorLabel {
    error: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

type RequestHistogram = Family<RequestLabels, Histogram, fn() -> Histogram>;

/// The counters of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: RequestHistogram,
    tokens: Family<Grant, Counter>,
    errors: Family<ErrorLabel, Counter>,
    logins: Family<ResultLabel, Counter>,
    verdicts: Family<VerdictLabel, Gauge<f64, AtomicU64>>,
    notices: Family<ResultLabel, Gauge<f64, AtomicU64>>,
    connections: Family<StateLabel, Gauge>,
    hashing: Family<StateLabel, Gauge>,
    feed: Feed,
}

/// What is to be seen of the revocation feed.
#[derive(Clone, Debug)]
struct Feed {
    lag: Histogram,
    live_entries: Gauge,
    followers: Gauge,
    batch: Gauge,
    staleness: Gauge<f64, AtomicU64>,
}

impl Feed {
    fn register(registry: &mut Registry) -> Self {
        let feed = Self {
            lag: Histogram::new(BUCKETS),
            live_entries: Gauge::default(),
            followers: Gauge::default(),
            batch: Gauge::default(),
            staleness: Gauge::default(),
        };
        let Self { lag, live_entries, followers, batch, staleness } = feed.clone();
        registry.register("revocation_lag_seconds", "From a revocation to its batch", lag);
        registry.register("revocation_live_entries", "Revocations that can still void a token", live_entries);
        registry.register("revocation_followers", "Streams and held requests", followers);
        registry.register("revocation_batch", "The number of the newest batch", batch);
        registry.register(
            "revocation_staleness_seconds",
            "How long ago this node vouched that everything revoked is published",
            staleness,
        );
        feed
    }

    fn look(&self, app: &App) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let stats = app.provider.feed.stats();
        self.live_entries.set(count(stats.live_entries));
        self.followers.set(count(app.followers.count()));
        self.batch.set(stats.n);
        self.staleness.set(app.provider.clock.now().since(stats.complete_as_of).as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers every metric.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("signet");
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        let requests = RequestHistogram::new_with_constructor(histogram);
        let tokens = Family::default();
        let errors = Family::default();
        let logins = Family::default();
        let verdicts = Family::default();
        let notices = Family::default();
        let connections = Family::default();
        let hashing = Family::default();
        registry.register("http_request_duration_seconds", "Time to answer, by route", requests.clone());
        registry.register("tokens_issued", "Token responses, by grant", tokens.clone());
        registry.register("token_errors", "Error responses of protocol endpoints, by code", errors.clone());
        registry.register("logins", "Sign-in attempts, by result", logins.clone());
        registry.register(
            "refresh_verdicts",
            "Refresh tokens presented since start, by verdict",
            verdicts.clone(),
        );
        registry.register(
            "logout_notices",
            "Notices to relying parties since start, by result",
            notices.clone(),
        );
        registry.register("db_pool_connections", "Database connections, by state", connections.clone());
        registry.register("password_hash_jobs", "Password hashes, by state", hashing.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "This build", build);
        let feed = Feed::register(&mut registry);
        Self { registry, requests, tokens, errors, logins, verdicts, notices, connections, hashing, feed }
    }

    /// One answered request.
    pub fn request(&self, route: &'static str, method: &Method, status: u16, took: Duration) {
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::HEAD => "HEAD",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        self.requests.get_or_create(&RequestLabels { route, method, status }).observe(took.as_secs_f64());
    }

    /// One token response.
    pub fn token_issued(&self, grant: GrantType) {
        self.tokens.get_or_create(&Grant { grant: grant.as_str() }).inc();
    }

    /// One error response.
    pub fn token_error(&self, code: ErrorCode) {
        self.errors.get_or_create(&ErrorLabel { error: code.as_str() }).inc();
    }

    /// One sign-in attempt.
    pub fn login(&self, outcome: &Outcome<LoginOutcome>) {
        let result = match outcome {
            Ok(LoginOutcome::SignedIn(_)) => "success",
            Ok(LoginOutcome::Refused) => "refused",
            Ok(LoginOutcome::Full(_)) => "over_limit",
            Ok(LoginOutcome::Throttled(_)) => "throttled",
            Err(_) => "error",
        };
        self.logins.get_or_create(&ResultLabel { result }).inc();
    }

    /// Something that is told when the certificate of the public listener ends. Without TLS of its own a server has no
    /// such metric: a zero would look like a certificate that has long expired.
    pub fn certificate_expiry(&mut self) -> impl Fn(Timestamp) + Send + Sync + 'static {
        let expiry = Gauge::<i64>::default();
        let help = "When the certificate of the public listener ends, in seconds since 1970";
        self.registry.register("tls_certificate_expiry_timestamp_seconds", help, expiry.clone());
        move |until| {
            expiry.set(until.seconds());
        }
    }

    /// Something that is told how long each revocation waited for its batch.
    pub fn lag(&self) -> impl Fn(Duration) + Send + Sync + 'static {
        let lag = self.feed.lag.clone();
        move |waited| lag.observe(waited.as_secs_f64())
    }

    fn text(&self, app: &App) -> Result<String, std::fmt::Error> {
        let (used, idle) = app.provider.store.pool_usage();
        self.connections.get_or_create(&StateLabel { state: "used" }).set(i64::from(used));
        self.connections.get_or_create(&StateLabel { state: "idle" }).set(i64::from(idle));
        let hashing = app.provider.passwords.stats();
        let count = |jobs: usize| i64::try_from(jobs).unwrap_or(i64::MAX);
        self.hashing.get_or_create(&StateLabel { state: "queued" }).set(count(hashing.queued));
        self.hashing.get_or_create(&StateLabel { state: "running" }).set(count(hashing.running));
        for (verdict, total) in app.provider.store.verdicts() {
            #[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 refreshes may be rounded")]
            self.verdicts.get_or_create(&VerdictLabel { verdict }).set(total as f64);
        }
        for (result, total) in app.provider.notices.all() {
            #[expect(clippy::cast_precision_loss, reason = "a count beyond 2^53 notices may be rounded")]
            self.notices.get_or_create(&ResultLabel { result }).set(total as f64);
        }
        self.feed.look(app);
        let mut text = String::new();
        encode(&mut text, &self.registry).map(|()| text)
    }
}

/// The metrics as text.
pub async fn get(app: Data<App>) -> HttpResponse {
    match app.metrics.text(&app) {
        Ok(text) => HttpResponse::Ok().insert_header((CONTENT_TYPE, OPENMETRICS)).body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
