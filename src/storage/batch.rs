//! Natural batching of refreshes: while one statement is in flight the next refreshes gather; when it returns
//! they go as one. An idle server batches one, so nothing waits that need not. The commit is what a refresh costs,
//! and this shares it (decisions/0004).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Error;
use super::db::{Arg, Db, Held, Sql, args};
use super::families::{FamilyRow, family_columns};
use crate::clock::{Clock, millis_of};
use crate::model::family::FamilySecretId;
use crate::secret::ClientId;

/// At most so many refreshes share a statement; measured: more than 128 gain nothing.
const MOST: usize = 128;
/// So many may wait; beyond, the server sheds load with 503 rather than answer late.
const QUEUE: usize = 4096;
/// A deadlock or a lock that is held too long concerns one row of the batch: then each goes alone.
const ALONE: usize = 1;

/// Rules 0 and 3 of the verdict as one condition, over the batch `b`; `$1` is the time now.
macro_rules! advance {
    ($batch:literal, $returning:expr) => {
        concat!(
            "UPDATE refresh_family AS f SET
                base = CASE WHEN $1 - f.rotated_at <= b.hold THEN f.base ELSE f.cur END,
                burst = CASE WHEN $1 - f.rotated_at <= b.hold THEN f.burst + 1 ELSE 0 END,
                cur = f.cur + 1,
                rotated_at = $1
             FROM ",
            $batch,
            " AS b, users AS u, clients AS c
             WHERE f.id = b.id AND f.cur = b.generation AND f.client_id = b.client AND f.status = 'active'
                AND f.cur < 4294967295 AND f.binding IS NULL AND f.expires_at > $1
                AND (f.rotated_at + f.idle_millis > $1 OR f.created_at + f.idle_millis > $1)
                AND ($1 - f.rotated_at > b.hold OR f.burst < b.burst)
                AND u.id = f.user_id AND u.epoch = f.epoch AND u.disabled_at IS NULL
                AND c.client_id = f.client_id AND c.disabled_at IS NULL
                AND (f.offline OR NOT EXISTS (
                    SELECT 1 FROM login_session s WHERE s.id = f.session_id AND s.ended_at IS NOT NULL))
             RETURNING ",
            $returning
        )
    };
}

// PostgreSQL takes the batch as arrays and returns the user's columns with the family's. SQLite has no arrays, and
// its RETURNING sees the changed table alone: the batch is JSON, and READ fetches the rest in the same transaction.
const ADVANCE: Sql = Sql::per(
    advance!(
        "(SELECT * FROM unnest($2::bytea[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])
            AS item(id, generation, client, hold, burst))",
        family_columns!()
    ),
    advance!(
        "(SELECT unhex(value->>0) AS id, value->>1 AS generation, value->>2 AS client, value->>3 AS hold,
            value->>4 AS burst FROM json_each($2))",
        "id"
    ),
);
const READ: Sql = Sql::both(concat!(
    "SELECT ",
    family_columns!(),
    " FROM refresh_family f JOIN users u ON u.id = f.user_id WHERE f.id = $1"
));

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[ADVANCE, READ];

/// One refresh on the happy path.
#[derive(Clone, Debug)]
pub(super) struct BatchItem {
    pub(super) id: FamilySecretId,
    pub(super) generation: u32,
    pub(super) client: ClientId,
    pub(super) hold: Duration,
    pub(super) burst: u32,
}

/// The row after the advance; `None` where the conditions did not hold.
type Answer = Result<Option<FamilyRow>, Error>;

struct Waiting {
    item: BatchItem,
    answer: oneshot::Sender<Answer>,
}

/// The queue's entrance.
#[derive(Clone)]
pub(super) struct Batcher(mpsc::Sender<Waiting>);

impl Batcher {
    /// Starts the one task that runs the batches; it ends with the last clone of the batcher.
    pub(super) fn start(db: Db, clock: Arc<dyn Clock>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, clock, receiver));
        Self(sender)
    }

    /// Advances one family by one generation, if rules 0 and 3 hold for it.
    pub(super) async fn advance(&self, item: BatchItem) -> Answer {
        let (answer, outcome) = oneshot::channel();
        self.0.try_send(Waiting { item, answer }).map_err(|_| Error::Overloaded)?;
        outcome.await.unwrap_or(Err(Error::Overloaded))
    }
}

async fn run(db: Db, clock: Arc<dyn Clock>, mut receiver: mpsc::Receiver<Waiting>) {
    let mut held = None;
    let mut gathered = Vec::with_capacity(MOST);
    while receiver.recv_many(&mut gathered, MOST).await > 0 {
        let mut batch = Batch::of(gathered.drain(..));
        if batch.items.is_empty() {
            continue;
        }
        match advance_all(&db, &mut held, &batch.items, clock.as_ref()).await {
            Ok(rows) => batch.answer(rows),
            Err(error) if error.is_row_conflict() && batch.items.len() > ALONE => {
                for item in std::mem::take(&mut batch.items) {
                    let outcome =
                        advance_all(&db, &mut held, std::slice::from_ref(&item), clock.as_ref()).await;
                    batch.answer_one(item.id, outcome);
                }
            }
            Err(error) => batch.fail(&error),
        }
    }
}

/// The refreshes that travel together: each family once, in the order of their ids, so that two nodes lock
/// in the same order. Twins of a family wait for the first one's outcome.
struct Batch {
    items: Vec<BatchItem>,
    waiting: HashMap<FamilySecretId, Vec<oneshot::Sender<Answer>>>,
}

impl Batch {
    fn of(gathered: impl Iterator<Item = Waiting>) -> Self {
        let mut batch = Self { items: Vec::new(), waiting: HashMap::new() };
        // Nobody waits any more for an answer whose request has passed its deadline: its token stays as it is.
        for Waiting { item, answer } in gathered.filter(|waiting| !waiting.answer.is_closed()) {
            let twins = batch.waiting.entry(item.id).or_default();
            if twins.is_empty() {
                batch.items.push(item);
            }
            twins.push(answer);
        }
        batch.items.sort_by_key(|item| item.id);
        batch
    }

    fn answer(&mut self, rows: Vec<FamilyRow>) {
        for row in rows {
            if let Some(id) = row.secret_id() {
                self.answer_one(id, Ok(vec![row]));
            }
        }
        for (_, twins) in self.waiting.drain() {
            for twin in twins {
                // Nobody waits any more where the request was dropped; its retry will find the row as it is.
                let _ = twin.send(Ok(None));
            }
        }
    }

    /// The first that asked has advanced the family; its twins are retries, and the slow way tells them so.
    fn answer_one(&mut self, id: FamilySecretId, outcome: Result<Vec<FamilyRow>, Error>) {
        let mut outcome = outcome.map(|rows| rows.into_iter().next());
        for twin in self.waiting.remove(&id).unwrap_or_default() {
            let rest = outcome.as_ref().map(|_| None).map_err(Clone::clone);
            let _ = twin.send(std::mem::replace(&mut outcome, rest));
        }
    }

    fn fail(&mut self, error: &Error) {
        for (_, twins) in self.waiting.drain() {
            for twin in twins {
                let _ = twin.send(Err(error.clone()));
            }
        }
    }
}

/// Runs one batch on the held connection; a connection that failed is let go.
async fn advance_all(
    db: &Db,
    held: &mut Option<Held>,
    items: &[BatchItem],
    clock: &dyn Clock,
) -> Result<Vec<FamilyRow>, Error> {
    let mut conn = match held.take() {
        Some(conn) => conn,
        None => db.hold().await?,
    };
    let now = clock.now();
    let rows = match &mut conn {
        Held::Postgres(_) => {
            let mut args = args![now];
            args.extend(array_args(items));
            conn.fetch_all(&ADVANCE, args).await?
        }
        Held::Sqlite(_) => {
            let advanced: Vec<(Vec<u8>,)> = conn.fetch_all(&ADVANCE, args![now, json_batch(items)]).await?;
            let mut rows = Vec::with_capacity(advanced.len());
            for (id,) in advanced {
                rows.extend(conn.fetch_all::<FamilyRow>(&READ, args![id]).await?);
            }
            rows
        }
    };
    *held = conn.finish().await?;
    Ok(rows)
}

fn array_args(items: &[BatchItem]) -> [Arg; 5] {
    [
        Arg::Blobs(items.iter().map(|item| item.id.as_bytes().to_vec()).collect()),
        Arg::Ints(items.iter().map(|item| i64::from(item.generation)).collect()),
        Arg::Texts(items.iter().map(|item| item.client.0.clone()).collect()),
        Arg::Ints(items.iter().map(|item| millis_of(item.hold)).collect()),
        Arg::Ints(items.iter().map(|item| i64::from(item.burst)).collect()),
    ]
}

fn json_batch(items: &[BatchItem]) -> String {
    let rows: Vec<_> = items
        .iter()
        .map(|item| {
            let id: String = item.id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            serde_json::json!([id, item.generation, item.client.0, millis_of(item.hold), item.burst])
        })
        .collect();
    serde_json::Value::Array(rows).to_string()
}
