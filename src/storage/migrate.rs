//! Bringing the schema to this program's version, safely when several nodes start at once.

use sqlx::migrate::{MigrateError, Migrator};

use super::db::Db;
use super::{Error, Store};

static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// What `migrate --dry-run` shows.
#[derive(Clone, Debug, serde::Serialize)]
pub struct MigrationPlan {
    /// Applied versions with their names.
    pub applied: Vec<(i64, String)>,
    /// Versions still to apply, with their names.
    pub pending: Vec<(i64, String)>,
}

impl Store {
    /// Which migrations are applied and which are pending. Changes nothing.
    ///
    /// # Errors
    /// A storage fault, or a schema newer than this program.
    pub async fn migration_plan(&self) -> Result<MigrationPlan, Error> {
        let (migrator, done) = match &self.db {
            Db::Postgres(pool) => {
                let mut conn = pool.acquire().await?;
                (&POSTGRES, applied(&mut *conn).await?)
            }
            Db::Sqlite { write, .. } => {
                let mut conn = write.acquire().await?;
                (&SQLITE, applied(&mut *conn).await?)
            }
        };
        if let Some(newer) = done.iter().find(|version| !migrator.version_exists(**version)) {
            return Err(newer_schema(*newer));
        }
        let mut plan = MigrationPlan { applied: Vec::new(), pending: Vec::new() };
        for migration in migrator.iter() {
            let line = (migration.version, migration.description.to_string());
            if done.contains(&migration.version) { plan.applied.push(line) } else { plan.pending.push(line) }
        }
        Ok(plan)
    }

    /// Applies what is pending. Nodes that start together wait for one another: an advisory lock on PostgreSQL;
    /// a lock file beside the database on SQLite, where sqlx's own lock does nothing.
    ///
    /// # Errors
    /// [`Error::Migration`] where a migration fails or the schema is newer than this program.
    pub async fn migrate(&self) -> Result<(), Error> {
        match &self.db {
            Db::Postgres(pool) => {
                let mut conn = pool.acquire().await?;
                // Waiting for another node's migration may take longer than a request is allowed to.
                sqlx::query("SET statement_timeout = 0").execute(&mut *conn).await?;
                sqlx::query("SET lock_timeout = 0").execute(&mut *conn).await?;
                let outcome = POSTGRES.run_direct(None, &mut *conn, false).await;
                // The connection's own limits are part of its start-up options; a new one has them again.
                conn.close_on_drop();
                outcome.map_err(migration_error)
            }
            Db::Sqlite { write, .. } => {
                let _lock = lock_file(write.connect_options().get_filename()).await?;
                let mut conn = write.acquire().await?;
                SQLITE.run_direct(None, &mut *conn, false).await.map_err(migration_error)
            }
        }
    }
}

/// The versions already applied; none where the bookkeeping table does not exist yet.
async fn applied<C: sqlx::migrate::Migrate>(conn: &mut C) -> Result<Vec<i64>, Error> {
    match conn.list_applied_migrations("_sqlx_migrations").await {
        Ok(list) => Ok(list.iter().map(|migration| migration.version).collect()),
        Err(MigrateError::Execute(sqlx::Error::Database(_))) => Ok(Vec::new()),
        Err(error) => Err(migration_error(error)),
    }
}

fn migration_error(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => Error::from(error),
        MigrateError::VersionMissing(version) => newer_schema(version),
        other => Error::Migration(format!("migration failed: {other}")),
    }
}

fn newer_schema(version: i64) -> Error {
    Error::Migration(format!(
        "the database schema has version {version}, which this program does not know; run a newer signet"
    ))
}

/// Holds an exclusive lock on `<database>.migrate.lock` until dropped. The wait for another holder must not keep a
/// runtime's thread: the holder may need it.
async fn lock_file(database: &std::path::Path) -> Result<std::fs::File, Error> {
    let mut path = database.as_os_str().to_owned();
    path.push(".migrate.lock");
    let locking = tokio::task::spawn_blocking(move || {
        let file = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        file.lock().map(|()| file)
    });
    let locked = locking.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    locked.map_err(|error| Error::Unusable(format!("the migration lock file cannot be used: {error}")))
}
