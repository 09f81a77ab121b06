//! `revocation_head`, `revocation_batch`: numbers without gaps (docs/revocation-feed.md §3, §6). Who holds the lock of
//! the one-row head makes the next batch; nobody else numbers anything.

use std::sync::Arc;
use std::time::Duration;

use signet_verify::feed::entry::{Entry, Kind};
use signet_verify::feed::message::MOST_IN_BATCH;
use tokio::sync::Notify;

use super::db::{Sql, Tx, args};
use super::row::time;
use super::{Error, Store};
use crate::clock::Timestamp;

/// The channel on which PostgreSQL tells other nodes of a batch.
pub(super) const CHANNEL: &str = "signet_revocation";

// One statement, so that the head and the emptiness of the outbox are of one snapshot.
const GLANCE: Sql = Sql::both(
    "SELECT h.n, h.digest, h.at, EXISTS (SELECT 1 FROM revocation_outbox) AS pending FROM revocation_head h WHERE h.id = 1",
);
// SQLite has no row locks; its transaction holds the write lock from the start.
const LOCK_HEAD: Sql = Sql::per(
    "SELECT n, digest, at FROM revocation_head WHERE id = 1 FOR UPDATE",
    "SELECT n, digest, at FROM revocation_head WHERE id = 1",
);
const TAKE: Sql = Sql::both(
    "DELETE FROM revocation_outbox WHERE id IN (SELECT id FROM revocation_outbox ORDER BY id LIMIT $1)
     RETURNING kind, subject, min, dies_at, created_at",
);
const INSERT: Sql =
    Sql::both("INSERT INTO revocation_batch (n, body, digest, created_at) VALUES ($1, $2, $3, $4)");
const MOVE_HEAD: Sql = Sql::both("UPDATE revocation_head SET n = $1, digest = $2, at = $3 WHERE id = 1");
// PostgreSQL sends it with the commit. It takes a lock that all committing transactions share, so it is here and in no
// transaction that revokes. SQLite has one node, which knows already.
const NOTIFY: Sql = Sql::per("SELECT pg_notify($1, '')", "SELECT $1");
const BETWEEN: Sql =
    Sql::both("SELECT n, body FROM revocation_batch WHERE n > $1 AND n <= $2 ORDER BY n LIMIT $3");
const BY_NUMBER: Sql = Sql::both("SELECT body FROM revocation_batch WHERE n = $1");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[GLANCE, LOCK_HEAD, TAKE, INSERT, MOVE_HEAD, NOTIFY, BETWEEN, BY_NUMBER];

#[derive(sqlx::FromRow)]
struct OutboxRow {
    kind: String,
    subject: String,
    min: Option<i64>,
    dies_at: i64,
    created_at: i64,
}

/// The newest batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedHead {
    /// Its number; 0 before the first.
    pub n: i64,
    /// Its digest.
    pub digest: String,
    /// When it was stated.
    pub at: Timestamp,
}

/// A batch that is to be signed.
#[derive(Debug)]
pub struct Draft {
    /// Its number.
    pub n: i64,
    /// The digest of the batch before.
    pub prev: String,
    /// When it is stated: all that was committed before is in the batches up to this one.
    pub at: Timestamp,
    /// What it adds.
    pub entries: Vec<Entry>,
}

/// A signed batch.
#[derive(Debug)]
pub struct Sealed {
    /// The compact serialisation.
    pub body: String,
    /// Its digest.
    pub digest: String,
}

/// What the batcher did.
#[derive(Debug)]
pub struct Drained {
    /// The newest batch now.
    pub head: FeedHead,
    /// The batch that was made; `None` where the outbox was empty.
    pub made: Option<Made>,
    /// Whether nothing was left in the outbox.
    pub complete: bool,
}

/// A batch that was made and committed.
#[derive(Debug)]
pub struct Made {
    /// The digest of the batch before.
    pub prev: String,
    /// The compact serialisation.
    pub body: String,
    /// What it adds.
    pub entries: Vec<Entry>,
    /// How long each entry had waited.
    pub waited: Vec<Duration>,
}

impl Store {
    /// The newest batch, and whether anything waits to be put into the next. One reading statement.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn feed_glance(&self) -> Result<(FeedHead, bool), Error> {
        let row = self.db.fetch_optional::<(i64, String, i64, bool)>(&GLANCE, Vec::new()).await?;
        let (n, digest, at, pending) = row.ok_or(NO_HEAD)?;
        Ok((FeedHead { n, digest, at: time(at) }, pending))
    }

    /// Takes what is in the outbox (at most 10,000 entries), makes the next batch of it, and moves the head, in one
    /// transaction. `now` is read before the call. The batchers of all nodes take turns.
    ///
    /// # Errors
    /// A storage fault, or what `seal` returns; then everything is as it was, unless the reply to a commit was lost.
    pub async fn make_batch<E: From<Error>>(
        &self,
        now: Timestamp,
        seal: impl FnOnce(&Draft) -> Result<Sealed, E>,
    ) -> Result<Drained, E> {
        let mut tx = self.db.begin().await?;
        let row = tx.fetch_optional::<(i64, String, i64)>(&LOCK_HEAD, Vec::new()).await?;
        let (n, digest, at) = row.ok_or(NO_HEAD)?;
        let head = FeedHead { n, digest, at: time(at) };
        let rows = tx.fetch_all::<OutboxRow>(&TAKE, args![MOST_IN_BATCH as i64]).await?;
        if rows.is_empty() {
            return Ok(Drained { head, made: None, complete: true });
        }
        let complete = rows.len() < MOST_IN_BATCH;
        let waited = rows.iter().map(|row| now.since(time(row.created_at))).collect();
        let entries = rows.into_iter().map(entry_of).collect::<Result<_, _>>()?;
        // Of what is left in the outbox some may be older than this batch: then it vouches for no more than the one
        // before. A node whose clock is behind vouches for that much too: whoever made that one had seen it.
        let at = if complete { head.at.max(now) } else { head.at };
        let draft = Draft { n: head.n + 1, prev: head.digest, at, entries };
        let sealed = seal(&draft)?;
        let head = FeedHead { n: draft.n, digest: sealed.digest, at };
        store(&mut tx, &head, &sealed.body, now).await?;
        tx.commit().await?;
        let made = Made { prev: draft.prev, body: sealed.body, entries: draft.entries, waited };
        Ok(Drained { head, made: Some(made), complete })
    }

    /// The kept batches above `after` and up to `to`, at most `limit`, in order.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn feed_batches(&self, after: i64, to: i64, limit: u32) -> Result<Vec<(i64, String)>, Error> {
        self.db.fetch_all(&BETWEEN, args![after, to, limit]).await
    }

    /// One batch, if it is kept.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn feed_batch(&self, n: i64) -> Result<Option<String>, Error> {
        Ok(self.db.fetch_optional::<(String,)>(&BY_NUMBER, args![n]).await?.map(|(body,)| body))
    }

    /// Woken when this process has committed a revocation, or heard of another node's batch.
    pub fn feed_news(&self) -> Arc<Notify> {
        self.outbox.filled()
    }
}

const NO_HEAD: Error = Error::Corrupt { table: "revocation_head", column: "id" };

async fn store(tx: &mut Tx, head: &FeedHead, body: &str, now: Timestamp) -> Result<(), Error> {
    tx.execute(&INSERT, args![head.n, body, &head.digest, now]).await?;
    tx.execute(&MOVE_HEAD, args![head.n, &head.digest, head.at]).await?;
    if matches!(tx, Tx::Postgres(..)) {
        tx.execute(&NOTIFY, args![CHANNEL]).await?;
    }
    Ok(())
}

fn entry_of(row: OutboxRow) -> Result<Entry, Error> {
    const TABLE: &str = "revocation_outbox";
    let kind = Kind::of(&row.kind).ok_or(Error::Corrupt { table: TABLE, column: "kind" })?;
    let entry = Entry { kind, id: row.subject, min: row.min, dies_at: time(row.dies_at).seconds() };
    entry.check().map_err(|_| Error::Corrupt { table: TABLE, column: "subject" })?;
    Ok(entry)
}
