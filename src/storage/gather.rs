//! Natural batching: while one statement is in flight the next requests gather; when it returns they go as one. An
//! idle server gathers one, so nothing waits that need not (decisions/0004).
//!
//! This file has the queue, and the task that answers lookups; what writes has a task of its own ([`super::batch`]).

use tokio::sync::{mpsc, oneshot};

use super::Error;
use super::db::{Arg, Db, Held, Row, Sql, args};

/// At most so many requests share a statement; measured: more than 128 gain nothing.
pub(super) const MOST: usize = 128;
/// So many may wait; beyond, the server sheds load with 503 rather than answer late.
const QUEUE: usize = 4096;

/// One request and where its answer goes.
pub(super) struct Waiting<I, A> {
    pub(super) item: I,
    pub(super) answer: oneshot::Sender<Result<A, Error>>,
}

/// The entrance of a queue.
pub(super) struct Gather<I, A>(mpsc::Sender<Waiting<I, A>>);

impl<I, A> Clone for Gather<I, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I, A> Gather<I, A> {
    /// The queue's two ends. The task at the far end stops with the last clone of the entrance.
    pub(super) fn new() -> (Self, mpsc::Receiver<Waiting<I, A>>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Waits for this item's answer.
    pub(super) async fn ask(&self, item: I) -> Result<A, Error> {
        let (answer, outcome) = oneshot::channel();
        self.0.try_send(Waiting { item, answer }).map_err(|_| Error::Overloaded)?;
        outcome.await.unwrap_or(Err(Error::Overloaded))
    }
}

/// A reading statement that finds at most one row for each of many keys.
pub(super) trait Lookup: Send + Sync + 'static {
    /// What is looked for.
    type Key: Send + Sync + 'static;
    /// What is found.
    type Found: Row + 'static;
    /// The statement. Its first column, `place`, says which key of the batch a row belongs to, counted from one.
    /// PostgreSQL takes the batch as arrays, SQLite as a JSON array of rows in `$1`.
    const SQL: Sql;

    /// The batch for PostgreSQL: an array for each column.
    fn arrays(keys: &[Self::Key]) -> Vec<Arg>;

    /// A row of the batch for SQLite.
    fn json(key: &Self::Key) -> serde_json::Value;
}

/// The entrance to the task that answers a [`Lookup`].
pub(super) type Lookups<L> = Gather<<L as Lookup>::Key, Option<<L as Lookup>::Found>>;

/// Starts the one task that answers lookups of this kind. Each statement begins after its last key was asked for, so
/// that no answer is older than its question.
pub(super) fn start<L: Lookup>(db: Db) -> Lookups<L> {
    let (entrance, receiver) = Gather::new();
    tokio::spawn(answer_lookups::<L>(db, receiver));
    entrance
}

type Receiver<L> = mpsc::Receiver<Waiting<<L as Lookup>::Key, Option<<L as Lookup>::Found>>>;

#[derive(sqlx::FromRow)]
struct Placed<T> {
    place: i64,
    #[sqlx(flatten)]
    found: T,
}

async fn answer_lookups<L: Lookup>(db: Db, mut receiver: Receiver<L>) {
    let mut held = None;
    let mut gathered = Vec::with_capacity(MOST);
    while receiver.recv_many(&mut gathered, MOST).await > 0 {
        let (keys, mut answers): (Vec<_>, Vec<_>) =
            gathered.drain(..).map(|waiting| (waiting.item, Some(waiting.answer))).unzip();
        let failed = match look_up::<L>(&db, &mut held, &keys).await {
            Ok(rows) => {
                for Placed { place, found } in rows {
                    let place = usize::try_from(place.saturating_sub(1)).unwrap_or(usize::MAX);
                    if let Some(answer) = answers.get_mut(place).and_then(Option::take) {
                        // Nobody waits any more where the request was dropped.
                        let _ = answer.send(Ok(Some(found)));
                    }
                }
                None
            }
            Err(error) => Some(error),
        };
        for answer in answers.into_iter().flatten() {
            let _ = answer.send(failed.clone().map_or(Ok(None), Err));
        }
    }
}

/// Runs one statement on the held connection; a connection that failed is let go.
async fn look_up<L: Lookup>(
    db: &Db,
    held: &mut Option<Held>,
    keys: &[L::Key],
) -> Result<Vec<Placed<L::Found>>, Error> {
    let mut conn = match held.take() {
        Some(conn) => conn,
        None => db.hold_for_reading().await?,
    };
    let args = if db.is_postgres() {
        L::arrays(keys)
    } else {
        args![serde_json::Value::from_iter(keys.iter().map(L::json)).to_string()]
    };
    let rows = conn.fetch_all(&L::SQL, args).await?;
    *held = conn.finish().await?;
    Ok(rows)
}

/// Bytes in hexadecimal, which is how they travel in JSON.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
