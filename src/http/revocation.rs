//! The revocation feed over HTTP (docs/revocation-feed.md §4): configuration, snapshot and numbered batches; the
//! stream is in `stream`. And the one place that names a batch on the answer to a revoking call.

mod stream;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::app::App;
use super::error::{self, Challenge, no_store};
use super::prepared::{Sliced, respond};
use super::request::trace_id;
use crate::flow::rejection::{Outcome, RETRY_AFTER_SECONDS, Rejection};
use crate::flow::revocation::{self, BatchAnswer};

pub use stream::stream;

/// The largest number of a batch: the last integer that every JSON parser reads exactly.
const LAST_NUMBER: i64 = (1 << 53) - 1;

/// `Revocation-Batch`: what the call revoked is in the batches up to this number.
pub const REVOCATION_BATCH: HeaderName = HeaderName::from_static("revocation-batch");

const SNAPSHOT: &str = "application/revocation-snapshot+jwt";
const BATCH: &str = "application/revocation-batch+jwt";
const HEARTBEAT: &str = "application/revocation-heartbeat+jwt";

/// A verifier that met an unknown key may read it again after 30 s, and has to get the new one then.
const CONFIGURATION_CACHING: &str = "public, max-age=30";
const SNAPSHOT_CACHING: &str = "public, max-age=2";
/// A batch never changes, and is kept for 20 minutes.
const BATCH_CACHING: &str = "public, max-age=1200, immutable";
/// A cache folds all that wait for the next batch into one request, and keeps nothing.
const HEARTBEAT_CACHING: &str = "public, max-age=0";

/// Where to find everything, and the feed's keys.
pub async fn configuration(request: HttpRequest, app: Data<App>) -> HttpResponse {
    if !is_served(&app) {
        return no_feed(&request);
    }
    let document = &app.prepared.revocation;
    respond(&request, document.body.clone(), &document.etag, "application/json", CONFIGURATION_CACHING)
}

/// All live entries.
pub async fn snapshot(request: HttpRequest, app: Data<App>) -> HttpResponse {
    if !is_served(&app) {
        return no_feed(&request);
    }
    match revocation::snapshot(&app.provider).await {
        Ok(snapshot) => respond(&request, bytes(snapshot.body), &snapshot.etag, SNAPSHOT, SNAPSHOT_CACHING),
        Err(rejection) => refused(&request, &app, &rejection),
    }
}

/// One batch; the next one is waited for.
pub async fn batch(request: HttpRequest, app: Data<App>) -> HttpResponse {
    if !is_served(&app) {
        return no_feed(&request);
    }
    let Some(n) = request.match_info().get("n").and_then(number).filter(|n| *n > 0) else {
        return said(&request, StatusCode::NOT_FOUND, "Batches have decimal numbers from 1 to 2^53-1.");
    };
    let answer = match find(&app, n).await {
        Ok(BatchAnswer::Newest) => hold(&app, n).await,
        answer => answer.map(Held::Answer),
    };
    match answer {
        Ok(Held::Answer(BatchAnswer::Kept(batch))) => message(BATCH, BATCH_CACHING, batch),
        Ok(Held::Heartbeat(heartbeat)) => message(HEARTBEAT, HEARTBEAT_CACHING, heartbeat),
        Ok(Held::Answer(BatchAnswer::Gone)) => gone(&request),
        Ok(Held::Answer(BatchAnswer::Beyond | BatchAnswer::Newest)) => beyond(&request),
        Ok(Held::Full) => full(&request),
        Err(rejection) => refused(&request, &app, &rejection),
    }
}

/// A batch by its number. One that this node does not know may be another node's: the database is asked once.
async fn find(app: &App, n: i64) -> Outcome<BatchAnswer> {
    let op = &app.provider;
    let answer = revocation::batch(op, n).await?;
    if answer != BatchAnswer::Beyond {
        return Ok(answer);
    }
    match revocation::looked_up(op).await {
        Some(_) => revocation::batch(op, n).await,
        None => Err(Rejection::unavailable(&"the newest batch could not be looked up in time")),
    }
}

/// What came of waiting for the next batch.
enum Held {
    Answer(BatchAnswer),
    Heartbeat(Arc<str>),
    Full,
}

/// Holds a request until the batch exists, at most for one heartbeat.
async fn hold(app: &App, n: i64) -> Outcome<Held> {
    let Some(mut follower) = app.followers.admit() else { return Ok(Held::Full) };
    let op = &app.provider;
    let mut views = op.feed.subscribe();
    let mut swept = false;
    let waiting = async {
        while views.borrow_and_update().n < n {
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return },
                () = follower.dismissed() => return,
            }
            swept = true;
        }
    };
    let _ = tokio::time::timeout(op.policy.revocation.heartbeat, waiting).await;
    let view = op.feed.view();
    if view.n >= n {
        return revocation::batch(op, n).await.map(Held::Answer);
    }
    if follower.is_dismissed() {
        return Ok(Held::Full);
    }
    if !swept {
        return Err(Rejection::unavailable(&"the outbox was not seen for a heartbeat"));
    }
    revocation::heartbeat(op, &view).map(Held::Heartbeat)
}

/// Says which batch holds what a call has revoked. Where that is not known in time, the header is left out.
pub async fn announce(app: &App, response: &mut HttpResponse) {
    if is_served(app)
        && let Some(n) = revocation::published(&app.provider).await
    {
        response.headers_mut().insert(REVOCATION_BATCH, HeaderValue::from(n));
    }
}

fn is_served(app: &App) -> bool {
    app.provider.policy.revocation.enabled
}

/// A decimal number without sign and leading zeros.
fn number(text: &str) -> Option<i64> {
    let decimal = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    if !decimal || padded {
        return None;
    }
    text.parse().ok().filter(|n| *n <= LAST_NUMBER)
}

fn bytes(message: Arc<str>) -> Bytes {
    Bytes::from_owner(Arc::<[u8]>::from(message))
}

fn message(content_type: &'static str, caching: &'static str, message: Arc<str>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static(content_type)))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static(caching)))
        .body(Sliced::new(bytes(message)))
}

fn refused(request: &HttpRequest, app: &App, rejection: &Rejection) -> HttpResponse {
    error::json(request, app, rejection, Challenge::None)
}

fn no_feed(request: &HttpRequest) -> HttpResponse {
    said(request, StatusCode::NOT_FOUND, "This issuer has no revocation feed.")
}

fn gone(request: &HttpRequest) -> HttpResponse {
    said(request, StatusCode::GONE, "This batch is no longer kept. Take a snapshot.")
}

fn beyond(request: &HttpRequest) -> HttpResponse {
    said(
        request,
        StatusCode::NOT_FOUND,
        "There is no such batch here yet. Ask again after a second, then take a snapshot.",
    )
}

fn full(request: &HttpRequest) -> HttpResponse {
    let mut response = said(
        request,
        StatusCode::SERVICE_UNAVAILABLE,
        "This node has as many followers as it takes. Ask again later, or another node.",
    );
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    response
}

/// An answer that is no message: what is the matter, and what to do.
fn said(request: &HttpRequest, status: StatusCode, description: &'static str) -> HttpResponse {
    let error = match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::GONE => "gone",
        StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        _ => "invalid_request",
    };
    let mut response = HttpResponse::build(status);
    no_store(&mut response);
    response.json(json!({
        "error": error,
        "error_description": description,
        "trace_id": trace_id(request),
    }))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("10"), Some(10));
        assert_eq!(number("9007199254740991"), Some((1 << 53) - 1));
        for bad in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            "1.0",
            "1e3",
            "0x1",
            " 1",
            "1 ",
            "١",
            "9007199254740992",
            "99999999999999999999",
            "{n}",
        ] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }
}
