//! `installation`: one row that is this deployment.

use super::db::{Sql, args};
use super::{Error, Store};
use crate::clock::Timestamp;

const INSERT: Sql = Sql::both(
    "INSERT INTO installation (id, created_at, master_key_check, key_version, client_version)
     VALUES (1, $1, $2, 0, 0) ON CONFLICT (id) DO NOTHING",
);
const READ: Sql = Sql::both("SELECT created_at, master_key_check FROM installation WHERE id = 1");
// Milliseconds by the database's own clock, which all nodes share; SQLite shares the machine's.
const TIME: Sql = Sql::per(
    "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
    "SELECT CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)",
);

// PostgreSQL says 150004 for 15.4; SQLite says 3.46.0.
const DATABASE_VERSION: Sql =
    Sql::per("SELECT current_setting('server_version_num')", "SELECT sqlite_version()");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[INSERT, READ, TIME, DATABASE_VERSION];

/// This deployment.
#[derive(Clone, Debug)]
pub struct Installation {
    /// When the first node started.
    pub created_at: Timestamp,
    /// The fingerprint of the master key that its signing keys are sealed with.
    pub master_key_check: String,
}

impl Store {
    /// The deployment, made with this master key's fingerprint if it is new. Of nodes that start together exactly
    /// one makes it; the caller compares the fingerprint with its own.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn installation(&self, master_key_check: &str, now: Timestamp) -> Result<Installation, Error> {
        self.db.write(&INSERT, args![now, master_key_check]).await?;
        let row = self.db.fetch_optional::<(i64, String)>(&READ, Vec::new()).await?;
        let (created_at, master_key_check) =
            row.ok_or(Error::Corrupt { table: "installation", column: "id" })?;
        Ok(Installation { created_at: Timestamp::from_millis(created_at), master_key_check })
    }

    /// The database's clock.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn database_time(&self) -> Result<Timestamp, Error> {
        let row = self.db.fetch_optional::<(i64,)>(&TIME, Vec::new()).await?;
        Ok(Timestamp::from_millis(row.map_or(0, |(millis,)| millis)))
    }

    /// The version of the database program: `15.4` (PostgreSQL) or `3.46.0` (SQLite).
    ///
    /// # Errors
    /// A storage fault.
    pub async fn database_version(&self) -> Result<String, Error> {
        let row = self.db.fetch_optional::<(String,)>(&DATABASE_VERSION, Vec::new()).await?;
        let version = row.map(|(version,)| version).unwrap_or_default();
        Ok(match version.parse::<u32>() {
            Ok(number) => format!("{}.{}", number / 10_000, number % 10_000),
            Err(_) => version,
        })
    }
}
