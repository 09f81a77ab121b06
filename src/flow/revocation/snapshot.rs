//! The snapshot: made off the request threads, once for all who ask meanwhile.

use std::sync::Arc;

use signet_verify::feed::live::Live;
use signet_verify::feed::message::{Message, Snapshot};

use super::{View, looked_up, require_made, sign};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::rejection::{Outcome, Rejection};
use crate::jose::feed_key::FeedKey;

/// Caches may keep it so long, so this node may too.
const AGE_MILLIS: u64 = 2_000;
/// One so long is not made anew for every batch: its readers would keep a processor busy, and each its own copy.
const LONG: usize = 1 << 20;

/// A snapshot as it is sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The compact serialisation.
    pub body: Arc<str>,
    /// An entity tag, with its quotes (RFC 9110 §8.8.3).
    pub etag: Arc<str>,
    /// The number of the newest batch in it.
    pub n: i64,
    at: Timestamp,
}

/// One that is no older than the view at the time of the call, or where it is long, not much older. Who comes while one
/// is made waits and shares the next.
pub(super) async fn current(op: &Provider) -> Outcome<Prepared> {
    let mut wanted = op.feed.view();
    if !wanted.is_made() {
        // Who asks a node that has just begun to listen waits for its first look.
        looked_up(op).await;
        wanted = op.feed.view();
    }
    require_made(&wanted)?;
    let mut kept = op.feed.prepared.lock().await;
    if let Some(prepared) = kept.as_ref()
        && (prepared.n >= wanted.n || prepared.body.len() > LONG)
        && wanted.complete_as_of.millis().abs_diff(prepared.at.millis()) < AGE_MILLIS
    {
        return Ok(prepared.clone());
    }
    let (live, view) = {
        let state = op.feed.state();
        (Arc::clone(&state.live), state.view.clone())
    };
    let (key, issuer) = (Arc::clone(&op.feed.key), op.policy.issuer.as_str().to_owned());
    let made = tokio::task::spawn_blocking(move || prepare(&key, issuer, live, &view)).await;
    let prepared = made.map_err(|error| Rejection::fault(&error))??;
    *kept = Some(prepared.clone());
    Ok(prepared)
}

fn prepare(key: &FeedKey, issuer: String, live: Arc<Live>, view: &View) -> Outcome<Prepared> {
    let entries = live.entries();
    // Until then every fold has to copy.
    drop(live);
    let message = Message::Snapshot(Snapshot {
        issuer,
        n: view.n,
        at: view.complete_as_of.millis(),
        head: view.head.clone(),
        entries,
    });
    Ok(Prepared {
        body: sign(key, &message)?,
        etag: Arc::from(format!("\"{}.{}\"", view.n, view.complete_as_of.millis())),
        n: view.n,
        at: view.complete_as_of,
    })
}
