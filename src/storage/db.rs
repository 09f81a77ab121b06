//! The one place that knows there are two databases: connections, statements, arguments, transactions.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{FromRow, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::error::Error;
use super::patience::{Pg, in_time, settle};

/// A statement in both dialects. `$1 … $n` bind on both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sql {
    pub(super) postgres: &'static str,
    pub(super) sqlite: &'static str,
}

impl Sql {
    /// One text for both databases.
    pub(super) const fn both(text: &'static str) -> Self {
        Self { postgres: text, sqlite: text }
    }

    /// Two texts; the caller states the dialect difference beside it.
    pub(super) const fn per(postgres: &'static str, sqlite: &'static str) -> Self {
        Self { postgres, sqlite }
    }
}

/// A bound argument. No secret type converts to it, so a plain-text token cannot reach a statement:
///
/// ```compile_fail
/// let code = signet::secret::AuthorizationCode::new("sac_x");
/// let arg: signet::storage::Arg = (&code).into();
/// ```
#[derive(Clone, Debug)]
pub enum Arg {
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer or null.
    Int(Option<i64>),
    /// Text or null.
    Text(Option<String>),
    /// Bytes or null.
    Blob(Option<Vec<u8>>),
    /// A UUID or null.
    Uuid(Option<Uuid>),
    /// An array, PostgreSQL only.
    Uuids(Vec<Uuid>),
    /// An array, PostgreSQL only: batches travel as JSON on SQLite.
    Blobs(Vec<Vec<u8>>),
    /// An array, PostgreSQL only.
    Ints(Vec<i64>),
    /// An array, PostgreSQL only.
    Texts(Vec<String>),
}

macro_rules! arg_from {
    ($($from:ty => |$v:ident| $to:expr;)+) => {$(
        impl From<$from> for Arg {
            fn from($v: $from) -> Self { $to }
        }
    )+};
}

arg_from! {
    bool => |v| Self::Bool(v);
    i64 => |v| Self::Int(Some(v));
    Option<i64> => |v| Self::Int(v);
    u32 => |v| Self::Int(Some(i64::from(v)));
    &str => |v| Self::Text(Some(v.to_owned()));
    &String => |v| Self::Text(Some(v.clone()));
    String => |v| Self::Text(Some(v));
    Option<String> => |v| Self::Text(v);
    Option<&str> => |v| Self::Text(v.map(ToOwned::to_owned));
    Vec<u8> => |v| Self::Blob(Some(v));
    Uuid => |v| Self::Uuid(Some(v));
    Option<Uuid> => |v| Self::Uuid(v);
    crate::clock::Timestamp => |v| Self::Int(Some(v.millis()));
    Option<crate::clock::Timestamp> => |v| Self::Int(v.map(crate::clock::Timestamp::millis));
    Duration => |v| Self::Int(Some(crate::clock::millis_of(v)));
    crate::secret::UserId => |v| Self::Uuid(Some(v.0));
    crate::secret::SessionId => |v| Self::Uuid(Some(v.0));
    crate::secret::FamilyHandle => |v| Self::Uuid(Some(v.0));
    crate::secret::AuditId => |v| Self::Uuid(Some(v.0));
    crate::secret::ApiKeyId => |v| Self::Uuid(Some(v.0));
    Option<crate::secret::UserId> => |v| Self::Uuid(v.map(|id| id.0));
    Option<crate::secret::SessionId> => |v| Self::Uuid(v.map(|id| id.0));
    &crate::secret::ClientId => |v| Self::Text(Some(v.0.clone()));
    Option<&crate::secret::ClientId> => |v| Self::Text(v.map(|id| id.0.clone()));
    &crate::secret::KeyId => |v| Self::Text(Some(v.0.clone()));
    &crate::secret::CodeHash => |v| Self::Blob(Some(v.as_bytes().to_vec()));
    &crate::secret::ClientSecretHash => |v| Self::Blob(Some(v.as_bytes().to_vec()));
    &crate::secret::SessionHash => |v| Self::Blob(Some(v.as_bytes().to_vec()));
    &crate::secret::BrowserHash => |v| Self::Blob(Some(v.as_bytes().to_vec()));
    &crate::secret::WebSessionHash => |v| Self::Blob(Some(v.as_bytes().to_vec()));
    &crate::secret::DeviceHash => |v| Self::Blob(Some(v.as_bytes().to_vec()));
    &crate::secret::InteractionHash => |v| Self::Blob(Some(v.as_bytes().to_vec()));
    &crate::secret::ApiKeyHash => |v| Self::Blob(Some(v.as_bytes().to_vec()));
}

/// A list of [`Arg`]s.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::storage::Arg::from($value)),*] };
}
pub(super) use args;

/// A row that both databases can produce.
pub(super) trait Row:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{
}
impl<T> Row for T where T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

/// How to reach a database and how long to wait for it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite://path` or `postgres://…`. May hold a password: never print it.
    pub url: String,
    /// Pool size (PostgreSQL), or readers (SQLite has one writer).
    pub max_connections: u32,
    /// Longest wait for a free connection.
    pub acquire_timeout: Duration,
    /// Longest run of one statement.
    pub statement_timeout: Duration,
    /// No access token lives longer: so long the revocation feed remembers a revocation, and a little more.
    pub access_token_life: Duration,
}

/// The open database.
#[derive(Clone, Debug)]
pub(super) enum Db {
    Postgres(Pg),
    Sqlite { read: SqlitePool, write: SqlitePool },
}

impl Db {
    /// Opens the pools. PostgreSQL connects on first use, so that the server starts before its database.
    pub(super) async fn open(options: &Options) -> Result<Self, Error> {
        if options.url.starts_with("postgres://") || options.url.starts_with("postgresql://") {
            open_postgres(options)
        } else if options.url.starts_with("sqlite:") {
            open_sqlite(options).await
        } else {
            Err(Error::Unusable("database.url must begin with sqlite:// or postgres://".to_owned()))
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
    }

    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Connections in use and idle.
    pub(super) fn pool_usage(&self) -> (u32, u32) {
        let (size, idle) = match self {
            Self::Postgres(pool) => (pool.size(), pool.num_idle()),
            Self::Sqlite { read, write } => (read.size() + write.size(), read.num_idle() + write.num_idle()),
        };
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        (size.saturating_sub(idle), idle)
    }

    /// Runs one reading statement outside a transaction.
    pub(super) async fn fetch_all<T: Row>(&self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<T>, Error> {
        match self {
            Self::Postgres(pg) => {
                let mut conn = pg.connection().await?;
                let outcome = in_time(pg.patience, fetch(Conn::Postgres(&mut conn), sql, args)).await;
                settle(conn, outcome)
            }
            Self::Sqlite { read, .. } => fetch(Conn::Sqlite(&mut *acquire(read).await?), sql, args).await,
        }
    }

    /// As [`Self::fetch_all`], for at most one row.
    pub(super) async fn fetch_optional<T: Row>(&self, sql: &Sql, args: Vec<Arg>) -> Result<Option<T>, Error> {
        Ok(self.fetch_all(sql, args).await?.into_iter().next())
    }

    /// Runs one writing statement as its own transaction; returns the rows it yields.
    pub(super) async fn write_returning<T: Row>(&self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<T>, Error> {
        match self {
            Self::Postgres(pg) => {
                let mut conn = pg.connection().await?;
                let outcome = in_time(pg.patience, fetch(Conn::Postgres(&mut conn), sql, args)).await;
                settle(conn, outcome)
            }
            Self::Sqlite { write, .. } => fetch(Conn::Sqlite(&mut *acquire(write).await?), sql, args).await,
        }
    }

    /// Runs one writing statement as its own transaction; returns the number of rows changed.
    pub(super) async fn write(&self, sql: &Sql, args: Vec<Arg>) -> Result<u64, Error> {
        match self {
            Self::Postgres(pg) => {
                let mut conn = pg.connection().await?;
                let outcome = in_time(pg.patience, execute(Conn::Postgres(&mut conn), sql, args)).await;
                settle(conn, outcome)
            }
            Self::Sqlite { write, .. } => execute(Conn::Sqlite(&mut *acquire(write).await?), sql, args).await,
        }
    }

    /// Begins a writing transaction: READ COMMITTED with row locks on PostgreSQL; `BEGIN IMMEDIATE` on SQLite,
    /// because a deferred one that reads before it writes fails under a concurrent writer.
    pub(super) async fn begin(&self) -> Result<Tx, Error> {
        Ok(match self {
            Self::Postgres(pg) => Tx::Postgres(in_time(pg.patience, pg.begin()).await?, pg.patience),
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    /// A connection for a task that runs one statement after another: a pooled one costs a second round trip
    /// when it is given back.
    pub(super) async fn hold(&self) -> Result<Held, Error> {
        Ok(match self {
            // Detached: a pool waits for its connections when it closes, and this one would never come back.
            Self::Postgres(pg) => Held::Postgres(Box::new(pg.connection().await?.detach()), pg.patience),
            Self::Sqlite { write, .. } => Held::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
        })
    }

    /// The same for a task that only reads; on SQLite it keeps one of the readers.
    pub(super) async fn hold_for_reading(&self) -> Result<Held, Error> {
        Ok(match self {
            Self::Postgres(pg) => Held::Postgres(Box::new(pg.connection().await?.detach()), pg.patience),
            Self::Sqlite { read, .. } => Held::SqliteReader(Box::new(acquire(read).await?.detach())),
        })
    }

    /// Whether `sql` is valid on this database.
    pub(super) async fn prepare(&self, sql: &Sql) -> Result<(), Error> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        match self {
            Self::Postgres(pool) => pool.prepare(sql.postgres.into_sql_str()).await.map(|_| ())?,
            Self::Sqlite { read, .. } => read.prepare(sql.sqlite.into_sql_str()).await.map(|_| ())?,
        }
        Ok(())
    }
}

/// Boxed, because the future that waits for a connection takes 4 KB in every future around it.
async fn acquire<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> Result<PoolConnection<D>, sqlx::Error> {
    Box::pin(pool.acquire()).await
}

/// A held connection: on PostgreSQL, and for SQLite's readers, each statement is its own transaction; SQLite's one
/// writer must not be kept from others, so there it is one transaction and ends with [`Held::finish`].
pub(super) enum Held {
    Postgres(Box<PgConnection>, Duration),
    Sqlite(Transaction<'static, Sqlite>),
    SqliteReader(Box<SqliteConnection>),
}

impl Held {
    pub(super) async fn fetch_all<T: Row>(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<T>, Error> {
        match self {
            Self::Postgres(conn, patience) => {
                in_time(*patience, fetch(Conn::Postgres(conn), sql, args)).await
            }
            Self::Sqlite(tx) => fetch(Conn::Sqlite(tx), sql, args).await,
            Self::SqliteReader(conn) => fetch(Conn::Sqlite(conn), sql, args).await,
        }
    }

    /// Commits on SQLite; gives the connection back for more where it may be kept.
    pub(super) async fn finish(self) -> Result<Option<Self>, Error> {
        match self {
            kept @ (Self::Postgres(..) | Self::SqliteReader(_)) => Ok(Some(kept)),
            Self::Sqlite(tx) => {
                tx.commit().await?;
                Ok(None)
            }
        }
    }
}

/// Runs a transaction again, as a whole, where the database broke it off for another's sake: a deadlock or a
/// serialization failure says nothing about the caller. At most three times (R-009).
pub(super) async fn retried<T, F, Fut>(transaction: F) -> Result<T, Error>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    for _ in 0..2 {
        match transaction().await {
            Err(error) if error.is_broken_off() => {}
            outcome => return outcome,
        }
    }
    transaction().await
}

/// A transaction; dropped without [`Tx::commit`] it rolls back. It does not leave `storage`.
pub(super) enum Tx {
    Postgres(Transaction<'static, Postgres>, Duration),
    Sqlite(Transaction<'static, Sqlite>),
}

impl Tx {
    /// SQLite is in this process: it keeps its own limits.
    const fn patience(&self) -> Duration {
        match self {
            Self::Postgres(_, patience) => *patience,
            Self::Sqlite(_) => Duration::MAX,
        }
    }

    fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Postgres(tx, _) => Conn::Postgres(&mut *tx),
            Self::Sqlite(tx) => Conn::Sqlite(&mut *tx),
        }
    }

    pub(super) async fn fetch_optional<T: Row>(
        &mut self,
        sql: &Sql,
        args: Vec<Arg>,
    ) -> Result<Option<T>, Error> {
        Ok(self.fetch_all(sql, args).await?.into_iter().next())
    }

    pub(super) async fn fetch_all<T: Row>(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<Vec<T>, Error> {
        in_time(self.patience(), fetch(self.conn(), sql, args)).await
    }

    pub(super) async fn execute(&mut self, sql: &Sql, args: Vec<Arg>) -> Result<u64, Error> {
        in_time(self.patience(), execute(self.conn(), sql, args)).await
    }

    pub(super) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Postgres(tx, patience) => in_time(patience, tx.commit()).await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

enum Conn<'c> {
    Postgres(&'c mut PgConnection),
    Sqlite(&'c mut SqliteConnection),
}

/// Binds one list of arguments to a query of either driver.
macro_rules! bind_all {
    ($query:expr, $args:expr, $array:path) => {{
        let mut query = $query;
        for arg in $args {
            query = match arg {
                Arg::Bool(value) => query.bind(value),
                Arg::Int(value) => query.bind(value),
                Arg::Text(value) => query.bind(value),
                Arg::Blob(value) => query.bind(value),
                Arg::Uuid(value) => query.bind(value),
                array => $array(query, array),
            };
        }
        query
    }};
}

type PgQuery<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;
type PgQueryAs<'q, T> = sqlx::query::QueryAs<'q, Postgres, T, sqlx::postgres::PgArguments>;

fn pg_array(query: PgQuery<'_>, arg: Arg) -> PgQuery<'_> {
    match arg {
        Arg::Blobs(values) => query.bind(values),
        Arg::Ints(values) => query.bind(values),
        Arg::Texts(values) => query.bind(values),
        Arg::Uuids(values) => query.bind(values),
        _ => query,
    }
}

fn pg_array_as<T>(query: PgQueryAs<'_, T>, arg: Arg) -> PgQueryAs<'_, T> {
    match arg {
        Arg::Blobs(values) => query.bind(values),
        Arg::Ints(values) => query.bind(values),
        Arg::Texts(values) => query.bind(values),
        Arg::Uuids(values) => query.bind(values),
        _ => query,
    }
}

/// SQLite has no arrays: the argument is skipped and the statement fails for want of it.
fn no_array<Q>(query: Q, _: Arg) -> Q {
    query
}

async fn fetch<T: Row>(conn: Conn<'_>, sql: &Sql, args: Vec<Arg>) -> Result<Vec<T>, Error> {
    Ok(match conn {
        Conn::Postgres(conn) => {
            bind_all!(sqlx::query_as(sql.postgres), args, pg_array_as).fetch_all(conn).await?
        }
        Conn::Sqlite(conn) => bind_all!(sqlx::query_as(sql.sqlite), args, no_array).fetch_all(conn).await?,
    })
}

async fn execute(conn: Conn<'_>, sql: &Sql, args: Vec<Arg>) -> Result<u64, Error> {
    Ok(match conn {
        Conn::Postgres(conn) => {
            bind_all!(sqlx::query(sql.postgres), args, pg_array).execute(conn).await?.rows_affected()
        }
        Conn::Sqlite(conn) => {
            bind_all!(sqlx::query(sql.sqlite), args, no_array).execute(conn).await?.rows_affected()
        }
    })
}

fn open_postgres(options: &Options) -> Result<Db, Error> {
    let connect: PgConnectOptions = options
        .url
        .parse()
        .map_err(|_| Error::Unusable("database.url is not a valid postgres:// address".to_owned()))?;
    let millis = options.statement_timeout.as_millis().to_string();
    let connect = connect.application_name("signet").options([
        ("statement_timeout", millis.as_str()),
        ("lock_timeout", millis.as_str()),
        // Every statement goes by key or by an indexed prefix, so its plan does not depend on the values; without
        // this PostgreSQL plans batches anew each time, because it cannot know how long an array will be.
        ("plan_cache_mode", "force_generic_plan"),
        // An abandoned transaction must not hold a family's row.
        ("idle_in_transaction_session_timeout", "10000"),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        // A dead connection shows itself at its first statement and is then replaced; asking each time
        // would double the round trips of every request.
        .test_before_acquire(false)
        .connect_lazy_with(connect);
    Ok(Db::Postgres(Pg { pool, patience: options.statement_timeout, home: Handle::current() }))
}

async fn open_sqlite(options: &Options) -> Result<Db, Error> {
    let connect: SqliteConnectOptions = options
        .url
        .parse()
        .map_err(|_| Error::Unusable("database.url is not a valid sqlite:// path".to_owned()))?;
    let base = connect
        .create_if_missing(true)
        // Readers never wait for the writer.
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: an acknowledged commit survives power loss; NORMAL may lose the last ones in WAL mode.
        .synchronous(SqliteSynchronous::Full)
        // Another process (the command line) may hold the write lock for a moment.
        .busy_timeout(options.statement_timeout)
        // 16 MiB of pages: the hot rows of a single node.
        .pragma("cache_size", "-16384")
        .pragma("temp_store", "memory");
    let pool = SqlitePoolOptions::new()
        // SQLite has one writer; queueing here is fair, SQLITE_BUSY is not.
        .max_connections(1)
        .acquire_timeout(options.acquire_timeout.max(options.statement_timeout))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    let write = open_file(pool, &base)
        .await
        .map_err(|error| Error::Unusable(format!("the SQLite database cannot be opened: {error}")))?;
    let read = SqlitePoolOptions::new()
        .max_connections(options.max_connections.clamp(1, 16))
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(base.pragma("query_only", "on"));
    Ok(Db::Sqlite { read, write })
}

/// Turning a new file's journal into a WAL takes an exclusive lock that SQLite does not wait for: of processes that
/// open a new file together, one gets it and the others have to ask again.
async fn open_file(pool: SqlitePoolOptions, connect: &SqliteConnectOptions) -> Result<SqlitePool, Error> {
    const PAUSE: Duration = Duration::from_millis(50);
    for _ in 0..10 {
        match pool.clone().connect_with(connect.clone()).await.map_err(Error::from) {
            Err(Error::Busy(_)) => tokio::time::sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
    Ok(pool.connect_with(connect.clone()).await?)
}
