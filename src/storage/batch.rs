//! Natural batching of refreshes: the commit is what a refresh costs, and this shares it (decisions/0004).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};

use super::Error;
use super::db::{Arg, Db, Held, Sql, args};
use super::families::{FamilyRow, family_columns};
use super::gather::{Gather, MOST, Waiting, hex};
use crate::clock::{Clock, millis_of};
use crate::model::family::FamilySecretId;
use crate::secret::ClientId;

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
const READ: Sql = Sql::per(
    "SELECT 1",
    concat!(
        "SELECT ",
        family_columns!(),
        " FROM json_each($1) b JOIN refresh_family f ON f.id = unhex(b.value) JOIN users u ON u.id = f.user_id"
    ),
);

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
type Refresh = Waiting<BatchItem, Option<FamilyRow>>;

/// The entrance: advances one family by one generation, if rules 0 and 3 hold for it.
pub(super) type Batcher = Gather<BatchItem, Option<FamilyRow>>;

/// Starts the tasks that run the batches: one on SQLite, which has one writer; two on PostgreSQL, so that one batch
/// is answered and the next gathers while another waits for its commit.
pub(super) fn start(db: &Db, clock: &Arc<dyn Clock>) -> Batcher {
    let (entrance, receiver) = Gather::new();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..if db.is_postgres() { 2 } else { 1 } {
        tokio::spawn(run(db.clone(), Arc::clone(clock), Arc::clone(&receiver)));
    }
    entrance
}

async fn run(db: Db, clock: Arc<dyn Clock>, receiver: Arc<Mutex<mpsc::Receiver<Refresh>>>) {
    let mut held = None;
    let mut gathered = Vec::with_capacity(MOST);
    // The lock passes on as soon as there is a batch: only one of the tasks waits for requests.
    while receiver.lock().await.recv_many(&mut gathered, MOST).await > 0 {
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
    fn of(gathered: impl Iterator<Item = Refresh>) -> Self {
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
        Held::Sqlite(_) => {
            let advanced: Vec<(Vec<u8>,)> = conn.fetch_all(&ADVANCE, args![now, json_batch(items)]).await?;
            let ids = serde_json::Value::from_iter(advanced.iter().map(|(id,)| hex(id)));
            conn.fetch_all(&READ, args![ids.to_string()]).await?
        }
        Held::Postgres(..) | Held::SqliteReader(_) => {
            let mut args = args![now];
            args.extend(array_args(items));
            conn.fetch_all(&ADVANCE, args).await?
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
            let id = hex(item.id.as_bytes());
            serde_json::json!([id, item.generation, item.client.0, millis_of(item.hold), item.burst])
        })
        .collect();
    serde_json::Value::Array(rows).to_string()
}
