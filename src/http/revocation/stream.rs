//! `GET /revocation/stream`: the feed as server-sent events (WHATWG HTML §9.2).
//!
//! A follower has no buffer of its own: the next event is made when the connection has taken the one before. Who reads
//! slowly falls behind, and ends once its next batch is no longer kept; who does not read at all is ended by the
//! listener's write timeout.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream::unfold;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::{beyond, bytes, find, full, gone, is_served, no_feed, number, refused, said};
use crate::flow::revocation::{self, BatchAnswer, View};
use crate::http::app::App;
use crate::http::followers::Follower;
use crate::http::prepared::SLICE;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx to pass events on as they come.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Follows the feed: what the verifier lacks, then each new batch, and heartbeats.
pub async fn stream(request: HttpRequest, app: Data<App>) -> HttpResponse {
    if !is_served(&app) {
        return no_feed(&request);
    }
    let from = match from(&request) {
        Ok(from) => from,
        Err(sentence) => return said(&request, StatusCode::BAD_REQUEST, sentence),
    };
    let Some(follower) = app.followers.admit() else { return full(&request) };
    let op = &app.provider;
    // Before the first event is looked up: what comes meanwhile is noticed.
    let views = op.feed.subscribe();
    let (position, first) = match from {
        None => match revocation::snapshot(op).await {
            Ok(snapshot) => (snapshot.n, Event::new("snapshot", snapshot.n, snapshot.body)),
            Err(rejection) => return refused(&request, &app, &rejection),
        },
        Some(n) => match find(&app, n + 1).await {
            Ok(BatchAnswer::Kept(batch)) => (n + 1, Event::new("batch", n + 1, batch)),
            Ok(BatchAnswer::Newest) => (n, Event::default()),
            Ok(BatchAnswer::Beyond) => return beyond(&request),
            Ok(BatchAnswer::Gone) => return gone(&request),
            Err(rejection) => return refused(&request, &app, &rejection),
        },
    };
    let pulse = Box::pin(sleep(op.policy.revocation.heartbeat));
    let swept = op.feed.view().is_made();
    let following = Following { app, follower, views, position, event: first, pulse, due: true, swept };
    HttpResponse::Ok()
        // The connection ends with the stream, so that a stopping server does not wait for it.
        .force_close()
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header((X_ACCEL_BUFFERING, HeaderValue::from_static("no")))
        .streaming(unfold(following, Following::next))
}

/// The last number that the verifier has. A reconnecting `EventSource` repeats its first URL and adds the header, so the
/// header is the newer of the two.
fn from(request: &HttpRequest) -> Result<Option<i64>, &'static str> {
    let mut last: Option<i64> = None;
    for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        if name == "from" {
            if last.is_some() {
                return Err("The parameter from comes twice. Send it once.");
            }
            last = Some(number(&value).ok_or("The parameter from is the decimal number of a batch.")?);
        }
    }
    let mut headers = request.headers().get_all(LAST_EVENT_ID);
    let Some(header) = headers.next() else { return Ok(last) };
    if headers.next().is_some() {
        return Err("The header Last-Event-ID comes twice. Send it once.");
    }
    let text = header.to_str().unwrap_or_default();
    number(text).map(Some).ok_or("The header Last-Event-ID is the decimal number of a batch.")
}

/// One event on its way, in parts.
#[derive(Default)]
struct Event(VecDeque<Bytes>);

impl Event {
    fn new(name: &str, n: i64, message: Arc<str>) -> Self {
        let head = format!("event: {name}\nid: {n}\ndata: ");
        Self([head.into(), bytes(message), Bytes::from_static(b"\n\n")].into())
    }

    /// The next bytes to send; few at once, so that a long snapshot is not copied for each of its readers.
    fn slice(&mut self) -> Option<Bytes> {
        let part = self.0.front_mut()?;
        let slice = part.split_to(part.len().min(SLICE));
        if part.is_empty() {
            self.0.pop_front();
        }
        Some(slice)
    }
}

/// A follower's state.
struct Following {
    app: Data<App>,
    follower: Follower,
    views: watch::Receiver<Arc<View>>,
    /// The newest batch that was sent, or is being sent.
    position: i64,
    event: Event,
    pulse: Pin<Box<Sleep>>,
    /// The time of a heartbeat has come.
    due: bool,
    /// Something new can be said in it: without a database there is nothing to say.
    swept: bool,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if let Some(slice) = self.event.slice() {
                return Some((Ok(slice), self));
            }
            self.event = self.event().await?;
        }
    }

    /// The next event; `None` ends the stream, and the answer to the next request says why.
    async fn event(&mut self) -> Option<Event> {
        loop {
            if self.follower.is_dismissed() {
                return None;
            }
            self.swept |= self.views.has_changed().ok()?;
            let view = Arc::clone(&self.views.borrow_and_update());
            if view.n > self.position {
                return self.batch().await;
            }
            if self.due && self.swept && view.n == self.position {
                return self.heartbeat(&view);
            }
            tokio::select! {
                () = self.follower.dismissed() => return None,
                changed = self.views.changed() => { changed.ok()?; self.swept = true; }
                () = &mut self.pulse, if !self.due => self.due = true,
            }
        }
    }

    async fn batch(&mut self) -> Option<Event> {
        let n = self.position.saturating_add(1);
        let Ok(BatchAnswer::Kept(batch)) = revocation::batch(&self.app.provider, n).await else {
            return None;
        };
        self.position = n;
        Some(Event::new("batch", n, batch))
    }

    fn heartbeat(&mut self, view: &Arc<View>) -> Option<Event> {
        let op = &self.app.provider;
        let heartbeat = revocation::heartbeat(op, view).ok()?;
        (self.due, self.swept) = (false, false);
        self.pulse = Box::pin(sleep(op.policy.revocation.heartbeat));
        Some(Event::new("heartbeat", view.n, heartbeat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_cut_into_slices_and_loses_nothing() {
        let message: String = "0123456789".repeat(SLICE / 4);
        let mut event = Event::new("snapshot", 7, message.as_str().into());
        let mut sent = Vec::new();
        while let Some(slice) = event.slice() {
            assert!(!slice.is_empty() && slice.len() <= SLICE);
            sent.extend_from_slice(&slice);
        }
        assert_eq!(String::from_utf8(sent).unwrap(), format!("event: snapshot\nid: 7\ndata: {message}\n\n"));
    }

    #[test]
    fn the_header_is_newer_than_the_query() {
        let ask = |target: &str, ids: &[&str]| {
            let mut request = actix_web::test::TestRequest::with_uri(target);
            for id in ids {
                request = request.append_header((LAST_EVENT_ID, *id));
            }
            from(&request.to_http_request())
        };
        assert_eq!(ask("/", &[]), Ok(None));
        assert_eq!(ask("/?from=0&x=y", &[]), Ok(Some(0)));
        assert_eq!(ask("/?from=5", &["17"]), Ok(Some(17)));
        for (target, ids) in [
            ("/?from=", &[][..]),
            ("/?from=05", &[]),
            ("/?from=-1", &[]),
            ("/?from=1&from=1", &[]),
            ("/?from=x", &["1"]),
            ("/", &[""]),
            ("/", &["1x"]),
            ("/", &["1", "2"]),
        ] {
            assert!(ask(target, ids).is_err(), "{target} {ids:?}");
        }
    }
}
