//! What operators and clients can ask: health, metrics, and the metadata of the protected resource.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Data;
use serde_json::json;

use super::Sidecar;
use crate::feed_client::FeedHandle;

/// The program runs.
pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({ "status": "ok" }))
}

/// Tokens can be judged: the keys were read, and the feed was heard where the issuer has one.
pub(super) async fn readiness(sidecar: Data<Sidecar>) -> HttpResponse {
    let ready = sidecar.ready.load(Ordering::Relaxed);
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.insert_header((CACHE_CONTROL, "no-store"));
    response.json(json!({ "ready": ready, "feed_position": sidecar.verifier.feed_position() }))
}

/// OpenMetrics text.
pub(super) async fn metrics(sidecar: Data<Sidecar>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"))
        .body(exposition(&sidecar))
}

/// RFC 9728 §3. An identifier with a path has it behind the well-known part.
pub(super) async fn metadata(sidecar: Data<Sidecar>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=300")).json(&sidecar.metadata)
}

fn exposition(sidecar: &Sidecar) -> String {
    let stats = sidecar.verifier.stats();
    let mut page = Page(String::with_capacity(4096));
    page.counters("requests", "Requests judged for the proxy", "result", &sidecar.answers.counts());
    let tokens = [
        ("accepted", stats.accepted),
        ("refused", stats.refused.saturating_sub(stats.revoked)),
        ("revoked", stats.revoked),
        ("unavailable", stats.unavailable),
    ];
    page.counters("tokens", "Tokens judged", "result", &tokens);
    page.counter("cache_hits", "Tokens found verified already", stats.cached);
    page.counter("signatures", "Signatures of tokens checked", stats.signatures);
    let fetches =
        [("read", stats.key_fetches.saturating_sub(stats.key_failures)), ("failed", stats.key_failures)];
    page.counters("key_fetches", "Reads of the key set", "result", &fetches);
    page.counter("introspections", "Questions to the introspection endpoint", stats.introspections);
    page.gauge("keys", "Keys known", stats.keys);
    page.gauge("ready", "Whether tokens can be judged", u8::from(sidecar.ready.load(Ordering::Relaxed)));
    if let Some(feed) = sidecar.verifier.feed() {
        page.feed(feed);
    }
    page.0.push_str("# EOF\n");
    page.0
}

/// An OpenMetrics exposition on its way. Writing to a string cannot fail.
struct Page(String);

impl Page {
    /// The figures of the revocation feed. What is not known yet is left out.
    fn feed(&mut self, feed: &FeedHandle) {
        let stats = feed.stats();
        if let Some(position) = stats.position {
            self.gauge("feed_position", "Newest batch of the revocation feed that was reached", position);
        }
        if let Some(age) = feed.age() {
            self.gauge("feed_staleness_seconds", "How old the state of the feed is", age.as_secs_f64());
        }
        self.gauge("feed_live_entries", "Revocations that have not expired", stats.live);
        self.counter("feed_messages", "Messages of the feed taken in", stats.messages);
        self.counter("feed_refused", "Messages of the feed that were refused", stats.refused);
        self.counter("feed_gaps", "Gaps and broken chains, each mended by a snapshot", stats.gaps);
        self.counter("feed_rollbacks", "Snapshots older than what was known", stats.rollbacks);
        self.counter(
            "feed_reconnects",
            "Connections to the feed that were lost or not had",
            stats.reconnects,
        );
    }

    fn counters(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        self.head(name, "counter", help);
        for (which, value) in values {
            let _ = writeln!(self.0, "signet_verify_{name}_total{{{label}=\"{which}\"}} {value}");
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        let _ = writeln!(self.0, "signet_verify_{name}_total {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        let _ = writeln!(self.0, "signet_verify_{name} {value}");
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP signet_verify_{name} {help}.\n# TYPE signet_verify_{name} {kind}");
    }
}
