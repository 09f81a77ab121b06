//! The database ceilings: single prepared statements on the same database, with the same number of clients.

use std::path::Path;
use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::sync::Mutex;

use crate::failure::Result;
use crate::load::Worker;

/// Rows in the table: as many as the rotation figures of 10,000 families.
const ROWS: i64 = 10_000;

/// Which database, and how to reach it.
#[derive(Clone)]
pub(crate) enum Target {
    /// A PostgreSQL URL.
    Postgres(String),
    /// A SQLite file.
    Sqlite(std::path::PathBuf),
}

/// The statement to repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    /// `SELECT` by primary key.
    Select,
    /// `UPDATE` of one row by primary key; one commit.
    Update,
    /// `UPDATE` of one row and `INSERT` of another; one commit.
    UpdateInsert,
}

/// Makes the table the statements run on.
pub(crate) async fn create(target: &Target) -> Result<()> {
    let fill = "INSERT INTO bench_row (id, generation, payload) WITH RECURSIVE n(i) AS \
                (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i, 0, 'x' FROM n";
    match target {
        Target::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await?;
            for sql in [
                // Room for the new version beside the old one (HOT), as any table that is updated should have.
                "CREATE TABLE bench_row (id BIGINT PRIMARY KEY, generation BIGINT NOT NULL, payload TEXT NOT NULL) WITH (fillfactor = 50)",
                "CREATE TABLE bench_new (id BIGSERIAL PRIMARY KEY, row_id BIGINT NOT NULL, payload TEXT NOT NULL)",
                fill,
                "ANALYZE bench_row",
            ] {
                sqlx::query(sql).execute(&mut connection).await?;
            }
        }
        Target::Sqlite(path) => {
            let mut connection = open_sqlite(path).await?;
            for sql in [
                "CREATE TABLE bench_row (id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, payload TEXT NOT NULL)",
                "CREATE TABLE bench_new (id INTEGER PRIMARY KEY, row_id INTEGER NOT NULL, payload TEXT NOT NULL)",
                fill,
            ] {
                sqlx::query(sql).execute(&mut connection).await?;
            }
        }
    }
    Ok(())
}

/// `clients` workers that repeat `statement`. PostgreSQL: a connection each. SQLite: one writer, which they share, and
/// up to four readers.
pub(crate) async fn workers(target: &Target, statement: Statement, clients: usize) -> Result<Vec<Client>> {
    let mut shared = Vec::new();
    if let Target::Sqlite(path) = target {
        let connections = if statement == Statement::Select { clients.min(4) } else { 1 };
        for _ in 0..connections {
            shared.push(Arc::new(Mutex::new(open_sqlite(path).await?)));
        }
    }
    let mut workers = Vec::with_capacity(clients);
    for place in 0..clients {
        let link = match target {
            Target::Postgres(url) => Link::Postgres(PgConnection::connect(url).await?),
            Target::Sqlite(_) => match shared.get(place % shared.len().max(1)) {
                Some(connection) => Link::Sqlite(Arc::clone(connection)),
                None => continue,
            },
        };
        workers.push(Client { link, statement, random: 0x9e37_79b9_7f4a_7c15 ^ (place as u64 + 1) });
    }
    Ok(workers)
}

/// A fresh database beside the given one, so that no run sees another's tables; its URL.
pub(crate) async fn fresh_postgres(url: &str, name: &str) -> Result<String> {
    let mut connection = PgConnection::connect(url).await?;
    for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    }
    let (base, _) = url.rsplit_once('/').unwrap_or((url, ""));
    Ok(format!("{base}/{name}"))
}

/// Bytes on disk of the database that a server uses: a PostgreSQL URL, or else the folder with SQLite's files.
pub(crate) async fn size(database: Option<&str>, dir: &Path) -> Result<u64> {
    if let Some(url) = database {
        let mut connection = PgConnection::connect(url).await?;
        let bytes: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
            .fetch_one(&mut connection)
            .await?;
        return Ok(u64::try_from(bytes).unwrap_or(0));
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        // A log file may be gone by the time it is asked for.
        bytes += entry?.metadata().map_or(0, |metadata| metadata.len());
    }
    Ok(bytes)
}

async fn open_sqlite(path: &Path) -> Result<SqliteConnection> {
    // As durable as the server: the write-ahead log is synced at each commit.
    Ok(SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await?)
}

enum Link {
    Postgres(PgConnection),
    Sqlite(Arc<Mutex<SqliteConnection>>),
}

/// One client of the database.
pub(crate) struct Client {
    link: Link,
    statement: Statement,
    random: u64,
}

const SELECT: &str = "SELECT id, generation, payload FROM bench_row WHERE id = $1";
const UPDATE: &str = "UPDATE bench_row SET generation = generation + 1 WHERE id = $1";
const INSERT: &str = "INSERT INTO bench_new (row_id, payload) VALUES ($1, 'x')";
/// One round trip and one commit; SQLite has no data-modifying CTE, and needs none without a network.
const UPDATE_INSERT: &str = "WITH redeemed AS (UPDATE bench_row SET generation = generation + 1 WHERE id = $1 RETURNING id) \
                             INSERT INTO bench_new (row_id, payload) SELECT id, 'x' FROM redeemed";

impl Worker for Client {
    async fn step(&mut self) -> Result<()> {
        // xorshift64: which row does not matter, only that clients seldom meet on one.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let id = (self.random % ROWS as u64) as i64 + 1;
        match (&mut self.link, self.statement) {
            (Link::Postgres(connection), Statement::Select) => {
                sqlx::query(SELECT).bind(id).fetch_one(connection).await?;
            }
            (Link::Postgres(connection), Statement::Update) => {
                sqlx::query(UPDATE).bind(id).execute(connection).await?;
            }
            (Link::Postgres(connection), Statement::UpdateInsert) => {
                sqlx::query(UPDATE_INSERT).bind(id).execute(connection).await?;
            }
            (Link::Sqlite(connection), Statement::Select) => {
                sqlx::query(SELECT).bind(id).fetch_one(&mut *connection.lock().await).await?;
            }
            (Link::Sqlite(connection), Statement::Update) => {
                sqlx::query(UPDATE).bind(id).execute(&mut *connection.lock().await).await?;
            }
            (Link::Sqlite(connection), Statement::UpdateInsert) => {
                let mut connection = connection.lock().await;
                let mut transaction = connection.begin().await?;
                sqlx::query(UPDATE).bind(id).execute(&mut *transaction).await?;
                sqlx::query(INSERT).bind(id).execute(&mut *transaction).await?;
                transaction.commit().await?;
            }
        }
        Ok(())
    }
}
