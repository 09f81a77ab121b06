//! `api_key`: bearer keys of the administration API, kept as hashes.

use uuid::Uuid;

use super::db::{Sql, args};
use super::row::{time, time_option};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::AuditEntry;
use crate::secret::{ApiKeyHash, ApiKeyId};

const INSERT: Sql =
    Sql::both("INSERT INTO api_key (id, name, key_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)");
const BY_HASH: Sql = Sql::both(
    "SELECT id, name, created_at, expires_at FROM api_key
     WHERE key_hash = $1 AND (expires_at IS NULL OR expires_at > $2)",
);
const LIST: Sql = Sql::both("SELECT id, name, created_at, expires_at FROM api_key ORDER BY id LIMIT 1000");
const DELETE: Sql = Sql::both("DELETE FROM api_key WHERE id = $1");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[INSERT, BY_HASH, LIST, DELETE];

#[derive(sqlx::FromRow)]
struct ApiKeyRow {
    id: Uuid,
    name: String,
    created_at: i64,
    expires_at: Option<i64>,
}

/// An API key as lists show it; the key itself is shown once, when it is made.
#[derive(Clone, Debug)]
pub struct ApiKeyRecord {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it dies; `None` for never.
    pub expires_at: Option<Timestamp>,
}

impl From<ApiKeyRow> for ApiKeyRecord {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            id: ApiKeyId(row.id),
            name: row.name,
            created_at: time(row.created_at),
            expires_at: time_option(row.expires_at),
        }
    }
}

impl Store {
    /// Keeps a new API key.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn create_api_key(
        &self,
        key: &ApiKeyRecord,
        hash: &ApiKeyHash,
        audit: &AuditEntry,
    ) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        tx.execute(&INSERT, args![key.id, &key.name, hash, key.created_at, key.expires_at]).await?;
        super::audit::record(&mut tx, audit).await?;
        tx.commit().await
    }

    /// The live API key with this hash.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn api_key(&self, hash: &ApiKeyHash, now: Timestamp) -> Result<Option<ApiKeyRecord>, Error> {
        let row = self.db.fetch_optional::<ApiKeyRow>(&BY_HASH, args![hash, now]).await?;
        Ok(row.map(ApiKeyRecord::from))
    }

    /// All API keys.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeyRecord>, Error> {
        let rows = self.db.fetch_all::<ApiKeyRow>(&LIST, Vec::new()).await?;
        Ok(rows.into_iter().map(ApiKeyRecord::from).collect())
    }

    /// Deletes an API key; `false` where there is none.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn delete_api_key(&self, id: ApiKeyId, audit: &AuditEntry) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        if tx.execute(&DELETE, args![id]).await? == 0 {
            return Ok(false);
        }
        super::audit::record(&mut tx, audit).await?;
        tx.commit().await.map(|()| true)
    }
}
