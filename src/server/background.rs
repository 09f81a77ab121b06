//! What runs beside the requests: the key schedule, the revocation feed, notices to relying parties, cleanup, and
//! following the database's clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::{Clock as _, SystemClock, monotonic_now};
use crate::flow::logout_notice::Next;
use crate::flow::rejection::Outcome;
use crate::flow::{Provider, keys, logout_notice, revocation};
use crate::secret::ClientId;
use crate::storage::{Error, Store, SweepCursor};

/// What another node or the command line has changed is known within this: a key removed in an emergency signs no
/// longer than that.
const KEY_INTERVAL: Duration = Duration::from_secs(1);
/// So often this node looks for notices that are due: another node's, or ones to try again.
const NOTICE_INTERVAL: Duration = Duration::from_secs(1);
/// So many notices are under way at once, and at most [`NOTICES_PER_CLIENT`] of them to one relying party.
const NOTICES_AT_ONCE: usize = 32;
/// A slow relying party keeps others waiting only where there are as many of its like as share the places: four.
const NOTICES_PER_CLIENT: usize = 8;
/// So many are claimed at a time, which may all be of one relying party: only for those that have as many places free.
const NOTICES_PER_CLAIM: usize = 4;
const CLOCK_INTERVAL: Duration = Duration::from_secs(10);
/// A difference below this is noise of the measurement.
const TOLERATED_MILLIS: i64 = 20;
/// A difference above this deserves a word.
const WORTH_A_WARNING_MILLIS: i64 = 2_000;

/// A tick visits at most so many windows where there is little to delete: a million rows are seen in two hours.
const WINDOWS: u32 = 20;
/// Between two batches of cleanup.
const PAUSE: Duration = Duration::from_millis(50);
/// So many clients go in one transaction: changes of others wait for it.
const CLIENTS_AT_ONCE: u32 = 100;

/// What cleanup needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Cleanup {
    /// Time between sweeps.
    pub interval: Duration,
    /// At most so many rows of a table per sweep; a full one is followed by the next at once.
    pub batch: u32,
    /// Audit entries live so long.
    pub audit_retention: Duration,
}

/// Keeps the signing keys up to date until cancelled.
pub async fn rotate_keys(op: Arc<Provider>) {
    let mut ticks = interval(KEY_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(rejection) = keys::tick(&op, op.clock.now()).await {
            tracing::error!(reason = ?rejection.reason, "the signing keys could not be brought up to date");
        }
    }
}

/// Publishes revocations until cancelled: at news of any, and now and then, so that none is left lying.
pub async fn publish_revocations(op: Arc<Provider>) {
    let news = op.store.feed_news();
    let mut ticks = interval(op.policy.revocation.sweep);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = news.notified() => {}
        }
        match revocation::sweep(&op).await {
            Ok(()) => failing = false,
            Err(rejection) if !failing => {
                failing = true;
                tracing::error!(reason = ?rejection.reason, "revocations cannot be published at present");
            }
            Err(_) => {}
        }
    }
}

/// Tells relying parties of sessions that have ended until cancelled: at news of any, and every second, for those that
/// other nodes have left. No request waits for it.
pub async fn tell_relying_parties(op: Arc<Provider>) {
    let news = op.store.notice_news();
    let mut ticks = interval(NOTICE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way = UnderWay::default();
    let mut failing = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = news.notified() => {}
            () = under_way.room(), if under_way.has_more => {}
        }
        under_way.reap();
        match under_way.fill(&op).await {
            Ok(()) => failing = false,
            Err(rejection) if !failing => {
                failing = true;
                tracing::error!(reason = ?rejection.reason, "relying parties cannot be told of logouts at present");
            }
            Err(_) => {}
        }
    }
}

/// The notices that this node is delivering.
#[derive(Default)]
struct UnderWay {
    /// Each ends with whether its notice was put off.
    tasks: JoinSet<bool>,
    /// By task: whom it tells.
    clients: HashMap<Id, ClientId>,
    /// Whose notices are put off, until when: thousands that are due to a host that rests are not to be claimed and put
    /// off in turn all the time.
    resting: HashMap<ClientId, Instant>,
    /// Whether there may be more to claim as soon as there is room.
    has_more: bool,
}

impl UnderWay {
    /// Waits until there is room again for a claim, or for one to a relying party that had none.
    async fn room(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let client = self.forget(&ended);
            let free = NOTICES_AT_ONCE.saturating_sub(self.tasks.len());
            if client.is_some_and(|client| self.has_room(&client)) && free >= NOTICES_PER_CLAIM {
                return;
            }
        }
    }

    /// Forgets the tasks that have ended.
    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(&ended);
        }
    }

    fn forget(&mut self, ended: &Result<(Id, bool), JoinError>) -> Option<ClientId> {
        let (id, put_off) = match ended {
            Ok((id, put_off)) => (*id, *put_off),
            Err(error) => (error.id(), false),
        };
        let client = self.clients.remove(&id)?;
        if put_off {
            self.resting.insert(client.clone(), monotonic_now() + logout_notice::BUSY_PAUSE);
        }
        Some(client)
    }

    /// Whether all that one claim brings may be of this client.
    fn has_room(&self, client: &ClientId) -> bool {
        let of_client = self.clients.values().filter(|known| *known == client).count();
        of_client + NOTICES_PER_CLAIM <= NOTICES_PER_CLIENT && !self.resting.contains_key(client)
    }

    /// Who is to get nothing from the next claim.
    fn full(&mut self) -> Vec<ClientId> {
        let now = monotonic_now();
        self.resting.retain(|_, until| now < *until);
        let busy = self.clients.values().filter(|client| !self.has_room(client));
        let mut full: Vec<ClientId> = busy.chain(self.resting.keys()).cloned().collect();
        full.sort_unstable();
        full.dedup();
        full
    }

    /// Claims what is due for as long as there is room, and sets out with it.
    async fn fill(&mut self, op: &Arc<Provider>) -> Outcome<()> {
        self.has_more = false;
        loop {
            let free = NOTICES_AT_ONCE.saturating_sub(self.tasks.len()).min(NOTICES_PER_CLAIM);
            let full = self.full();
            let notices = logout_notice::claim(op, u32::try_from(free).unwrap_or(0), &full).await?;
            let claimed = notices.len();
            for notice in notices {
                let (op, client) = (Arc::clone(op), notice.client.clone());
                let task = self.tasks.spawn(async move {
                    match logout_notice::deliver(&op, &notice).await {
                        Ok(next) => matches!(next, Next::PutOff(_)),
                        Err(rejection) => {
                            tracing::warn!(reason = ?rejection.reason, "what came of a notice could not be written");
                            false
                        }
                    }
                });
                self.clients.insert(task.id(), client);
            }
            if claimed < NOTICES_PER_CLAIM {
                self.has_more = claimed == free || !full.is_empty();
                return Ok(());
            }
        }
    }
}

/// Hears of other nodes' batches until cancelled.
pub async fn listen_to_feed(op: Arc<Provider>) {
    op.store.listen_to_feed().await;
}

/// Deletes what has expired until cancelled.
pub async fn sweep(op: Arc<Provider>, cleanup: Cleanup) {
    let mut ticks = interval(cleanup.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut cursor = SweepCursor::default();
    loop {
        ticks.tick().await;
        // While the families are there that tell which clients are in use.
        if let Err(error) = mark_used_clients(&op, cleanup.batch).await {
            tracing::warn!(%error, "cleanup was put off");
            continue;
        }
        let mut windows = 0;
        loop {
            let now = op.clock.now();
            windows += 1;
            match op.store.sweep(&mut cursor, cleanup.batch, cleanup.audit_retention, now).await {
                Ok(swept)
                    if swept.total() >= u64::from(cleanup.batch)
                        || (windows < WINDOWS && !cursor.is_at_start()) =>
                {
                    tracing::debug!(?swept, "cleanup goes on");
                    // Traffic first: the next batch takes its turn.
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(swept) => {
                    tracing::debug!(?swept, "cleanup done");
                    sweep_clients(&op, cleanup.batch.min(CLIENTS_AT_ONCE)).await;
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "cleanup was put off");
                    break;
                }
            }
        }
    }
}

/// Notes which clients that registered themselves somebody has signed in at.
async fn mark_used_clients(op: &Provider, batch: u32) -> Result<(), Error> {
    while op.store.mark_used_clients(batch, op.clock.now()).await? >= u64::from(batch) {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Deletes clients that registered themselves and that nobody has signed in at since.
async fn sweep_clients(op: &Provider, batch: u32) {
    loop {
        match op.store.sweep_clients(op.policy.registration.unused, batch, op.clock.now()).await {
            Ok(swept) if swept >= u64::from(batch) => {
                tracing::debug!(swept, "cleanup of unused clients goes on");
                tokio::time::sleep(PAUSE).await;
            }
            Ok(swept) => return tracing::debug!(swept, "unused clients are gone"),
            Err(error) => return tracing::warn!(%error, "unused clients stay for now"),
        }
    }
}

/// Makes this node's clock follow the database's, so that all nodes judge ages and expiries alike.
pub async fn follow_database_clock(op: Arc<Provider>, clock: Arc<SystemClock>) {
    let mut ticks = interval(CLOCK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut warned = false;
    loop {
        ticks.tick().await;
        let Ok(offset) = follow(&op.store, &clock).await else { continue };
        if offset.abs() > WORTH_A_WARNING_MILLIS && !warned {
            warned = true;
            tracing::warn!(
                offset_millis = offset,
                "this machine's clock differs from the database's; set it by NTP"
            );
        }
    }
}

/// Sets a clock by the database's; returns the difference from the machine's own, in milliseconds.
///
/// # Errors
/// A storage fault; the clock goes on as it was.
pub async fn follow(store: &Store, clock: &SystemClock) -> Result<i64, Error> {
    let before = SystemClock::machine_now();
    let database = store.database_time().await?;
    let after = SystemClock::machine_now();
    let offset = database.millis().saturating_sub(i64::midpoint(before.millis(), after.millis()));
    let current = clock.now().millis().saturating_sub(SystemClock::machine_now().millis());
    // A slow answer says less: it was given at any moment of the wait. Following it would put `nbf` ahead of the clocks
    // of those who read it.
    let uncertain = after.millis().abs_diff(before.millis()).div_ceil(2);
    if offset.abs_diff(current) > TOLERATED_MILLIS.unsigned_abs() + uncertain {
        clock.set_offset_millis(offset);
    }
    Ok(offset)
}
