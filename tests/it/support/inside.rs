//! Inside the database, beside the server: what a test sees and does there that no endpoint shows.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};

use super::database::Backend;
use super::server::{MINUTE, Server};

/// A connection of its own, beside those of the nodes.
pub(crate) enum Inside {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Inside {
    pub(crate) async fn of(s: &Server) -> Self {
        let url = s.config.database.url.reveal();
        match s.backend {
            Backend::Postgres => Self::Postgres(PgConnection::connect(url).await.unwrap()),
            Backend::Sqlite => Self::Sqlite(SqliteConnection::connect(url).await.unwrap()),
        }
    }

    pub(crate) async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(conn) => conn.execute(sql).await.map(|_| ()).unwrap(),
            Self::Sqlite(conn) => conn.execute(sql).await.map(|_| ()).unwrap(),
        }
    }

    pub(crate) async fn numbers(&mut self, sql: &str) -> Vec<i64> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(conn) => sqlx::query_scalar(sql).fetch_all(conn).await.unwrap(),
            Self::Sqlite(conn) => sqlx::query_scalar(sql).fetch_all(conn).await.unwrap(),
        }
    }

    /// What changes when anybody writes the head, or as much as locks it.
    pub(crate) async fn trace(&mut self) -> String {
        match self {
            Self::Postgres(conn) => {
                let sql = "SELECT ctid::text || ' ' || xmin::text || ' ' || xmax::text FROM revocation_head";
                sqlx::query_scalar(sql).fetch_one(conn).await.unwrap()
            }
            Self::Sqlite(conn) => {
                let version: i64 = sqlx::query_scalar("PRAGMA data_version").fetch_one(conn).await.unwrap();
                version.to_string()
            }
        }
    }

    pub(crate) async fn begin(&mut self) {
        self.run(if matches!(self, Self::Postgres(_)) { "BEGIN" } else { "BEGIN IMMEDIATE" }).await;
    }

    /// What a transaction that revokes leaves.
    pub(crate) async fn revoke(&mut self, id: &str, s: &Server) {
        let (dies_at, now) = (s.now().plus(15 * MINUTE).millis(), s.now().millis());
        self.run(&format!(
            "INSERT INTO revocation_outbox (kind, subject, min, dies_at, created_at)
             VALUES ('jti', '{id}', NULL, {dies_at}, {now})"
        ))
        .await;
    }
}
