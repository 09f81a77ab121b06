//! How long this side waits for PostgreSQL. A statement's own limit is kept by the server; where that is frozen, or the
//! network swallows what is sent, nobody keeps it, and a request would hang until TCP gives up.

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::{Postgres, Transaction};
use tokio::runtime::Handle;

use super::error::Error;

/// PostgreSQL's pool and the patience with it.
#[derive(Clone, Debug)]
pub(super) struct Pg {
    pub(super) pool: PgPool,
    /// The server's own limit for a statement: whoever has not answered by then will not.
    pub(super) patience: Duration,
    /// The runtime that every connection is opened on: a connection lives no longer than that, and the runtimes of
    /// the HTTP workers end one after another while others still answer.
    pub(super) home: Handle,
}

impl Pg {
    /// An idle connection, or one that the home runtime opens or waits for.
    pub(super) async fn connection(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        if let Some(idle) = self.pool.try_acquire() {
            return Ok(idle);
        }
        let pool = self.pool.clone();
        self.home.spawn(async move { pool.acquire().await }).await.unwrap_or(Err(sqlx::Error::PoolClosed))
    }

    /// As [`Self::connection`], with a transaction begun on it.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        if let Some(begun) = self.pool.try_begin().await? {
            return Ok(begun);
        }
        let pool = self.pool.clone();
        self.home.spawn(async move { pool.begin().await }).await.unwrap_or(Err(sqlx::Error::PoolClosed))
    }
}

impl std::ops::Deref for Pg {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.pool
    }
}

/// Gives up after `patience`: [`Error::Busy`], so 503. What was under way may or may not have happened, as with any
/// connection that breaks.
pub(super) async fn in_time<T, E: Into<Error>>(
    patience: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match tokio::time::timeout(patience, work).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => Err(Error::Busy(Arc::new(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))),
    }
}

/// A connection that broke or went silent does not go back to the pool, which would wait for it.
pub(super) fn settle<T>(mut conn: PoolConnection<Postgres>, outcome: Result<T, Error>) -> Result<T, Error> {
    if matches!(&outcome, Err(Error::Busy(error)) if matches!(**error, sqlx::Error::Io(_))) {
        conn.close_on_drop();
    }
    outcome
}
