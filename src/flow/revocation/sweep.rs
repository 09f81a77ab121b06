//! One look into the database, and what follows from it (docs/revocation-feed.md §6).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use signet_verify::feed::message::{Batch, Message, Refused};

use super::{Feed, View, digest};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::rejection::{Outcome, Rejection};
use crate::storage::{Draft, Drained, FeedHead, Sealed};

/// So many batches are read at once.
const PAGE: u32 = 64;
/// Batches follow each other no faster, whichever node makes them; who finds the last one younger gathers meanwhile.
/// And so far apart are the looks into the database that anybody can bring about.
const GATHER: Duration = Duration::from_millis(20);

/// Publishes what is in the outbox and takes over what other nodes have published: every 100 ms, and whenever there is
/// news. Where nothing has happened it costs one small read.
///
/// # Errors
/// A storage fault. This node then vouches for nothing newer than it did, until a sweep succeeds.
pub async fn sweep(op: &Provider) -> Outcome<()> {
    let mut turn = op.feed.turn.lock().await;
    take_turn(op, &mut turn).await
}

/// After a committed revocation: the number of a batch up to which it is published. `None` where that could not be
/// had in time; the revocation stands all the same.
pub async fn published(op: &Provider) -> Option<i64> {
    let before = op.feed.begun.load(Ordering::SeqCst);
    tokio::time::timeout(op.policy.revocation.patience, swept_after(op, before)).await.ok().flatten()
}

/// Looks into the database for somebody whom nobody knows: all who ask within a moment share one look. `None` where
/// it took too long.
pub async fn looked_up(op: &Provider) -> Option<i64> {
    let before = op.feed.begun.load(Ordering::SeqCst);
    let waiting = async {
        let _first = op.feed.asked.lock().await;
        if *op.feed.turn.lock().await <= before {
            tokio::time::sleep(GATHER).await;
        }
        swept_after(op, before).await
    };
    tokio::time::timeout(op.policy.revocation.patience, waiting).await.ok().flatten()
}

/// The newest number once a sweep has been completed that was not among the first `before`.
async fn swept_after(op: &Provider, before: u64) -> Option<i64> {
    let mut turn = op.feed.turn.lock().await;
    // While this waited, another may have made it: one serves all who waited.
    if *turn <= before {
        take_turn(op, &mut turn).await.ok()?;
    }
    Some(op.feed.view().n)
}

async fn take_turn(op: &Provider, completed: &mut u64) -> Outcome<()> {
    let number = op.feed.begun.fetch_add(1, Ordering::SeqCst) + 1;
    let mut more = false;
    loop {
        // Before the statement, so that what it sees is no older.
        let mut now = op.clock.now();
        let (head, pending) = op.store.feed_glance().await?;
        if !pending {
            follow(op, &head).await?;
            vouch(&op.feed, head, Some(now));
            break;
        }
        let pause = GATHER.saturating_sub(now.since(head.at));
        if !more && !pause.is_zero() {
            tokio::time::sleep(pause).await;
            now = op.clock.now();
        }
        let Drained { head, made, complete } = op.store.make_batch(now, |draft| seal(op, draft)).await?;
        if let Some(made) = made {
            if let Some(hook) = op.feed.lag.get() {
                made.waited.iter().for_each(|waited| hook(*waited));
            }
            let mut state = op.feed.state();
            if (state.view.n, &state.view.head) == (head.n - 1, &made.prev) {
                state.fold(&made.entries);
                state.remember(head.n, Arc::from(made.body));
                state.view = View { n: head.n, head: head.digest.clone(), ..state.view.clone() };
            }
        }
        follow(op, &head).await?;
        vouch(&op.feed, head, complete.then_some(now));
        if complete {
            break;
        }
        more = true;
    }
    op.feed.state().expire(op.clock.now());
    *completed = number;
    Ok(())
}

fn seal(op: &Provider, draft: &Draft) -> Result<Sealed, Rejection> {
    let message = Message::Batch(Batch {
        issuer: op.policy.issuer.as_str().to_owned(),
        n: draft.n,
        at: draft.at.millis(),
        prev: draft.prev.clone(),
        entries: draft.entries.clone(),
    });
    let body = op.feed.sign(&message)?.to_string();
    Ok(Sealed { digest: digest(&body), body })
}

/// Reads what this node has not folded yet. Where what is stored does not continue what it knows, that is every batch
/// there is: some of them may have been made while this node did not look.
async fn follow(op: &Provider, head: &FeedHead) -> Outcome<()> {
    let known = {
        let state = op.feed.state();
        if (state.view.n, &state.view.head) == (head.n, &head.digest) {
            return Ok(());
        }
        state.view.clone()
    };
    if known.n >= head.n {
        warn_of_going_back(known.n, head.n);
    } else if read(op, known.n, head.n, Some(&known.head)).await? {
        return Ok(());
    }
    // What this node has folded it keeps: nothing is un-revoked by it.
    op.feed.state().recent.clear();
    read(op, 0, head.n, None).await.map(|_| ())
}

/// Folds the stored batches above `at` and up to `to`. Where they are to continue `known`, the digest of batch `at`, and
/// do not, nothing is folded, and the answer is `false`.
async fn read(op: &Provider, mut at: i64, to: i64, known: Option<&str>) -> Outcome<bool> {
    let mut expected = known;
    loop {
        let page = op.store.feed_batches(at, to, PAGE).await?;
        for (n, body) in &page {
            let message = op.feed.keys.open(body, op.policy.issuer.as_str());
            if let (Some(digest), Ok(Message::Batch(batch))) = (expected.take(), &message)
                && (*n, batch.prev.as_str()) != (at + 1, digest)
            {
                if *n == at + 1 {
                    warn_of_going_back(at, to);
                }
                return Ok(false);
            }
            take_over(op, (*n, body), message, known.is_some());
            at = *n;
        }
        // A number that jumped ahead leaves none to read.
        if page.len() < PAGE as usize {
            return Ok(true);
        }
    }
}

/// Folds a stored batch. One that this deployment did not make is passed over: its issuer had another name, and its
/// tokens are none of this issuer's.
fn take_over(op: &Provider, (n, body): (i64, &str), message: Result<Message, Refused>, continues: bool) {
    match message {
        Ok(message) => {
            let mut state = op.feed.state();
            state.fold(message.entries());
            state.remember(n, Arc::from(body));
            // Otherwise the number would run through the past, and with it what a snapshot says meanwhile.
            if continues {
                state.view = View { n, head: digest(body), ..state.view.clone() };
            }
        }
        Err(Refused::Issuer) => tracing::debug!(n, "a batch of the feed is another issuer's"),
        Err(refused) => tracing::error!(n, %refused, "a stored batch of the feed was passed over"),
    }
}

fn warn_of_going_back(known: i64, newest: i64) {
    tracing::error!(
        known,
        newest,
        "the revocation feed has gone back: the database was restored or promoted behind its commits; stop all nodes \
         and run: signet restore-epoch"
    );
}

/// Publishes what this node now vouches for.
fn vouch(feed: &Feed, head: FeedHead, complete_as_of: Option<Timestamp>) {
    let view = {
        let mut state = feed.state();
        let complete_as_of = complete_as_of.unwrap_or(state.view.complete_as_of);
        state.oldest = state.oldest.min(head.n + 1);
        state.view = View { n: head.n, head: head.digest, complete_as_of };
        state.view.clone()
    };
    feed.views.send_replace(Arc::new(view));
}
