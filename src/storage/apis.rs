//! `api`: resource servers by their audience. Changes raise `installation.client_version` like those of clients, and
//! nodes hold their copies by it. Whoever names an audience and whoever deletes an API raises it first: the row is the
//! lock by which no client is left with an audience that is no API's.

use super::clients::{RAISE_VERSION, finish};
use super::db::{Sql, Tx, args};
use super::row::{json, time, to_json};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::api::Api;
use crate::model::audit::{AuditEntry, Event};
use crate::oauth::api_metadata::ApiMetadata;
use crate::secret::ClientId;

const INSERT: Sql =
    Sql::both("INSERT INTO api (audience, metadata, created_at, updated_at) VALUES ($1, $2, $3, $3)");
// Only operators bring audiences about: a client that registered itself may only name what is there.
const INSERT_DEFAULT: Sql = Sql::both(
    "INSERT INTO api (audience, metadata, created_at, updated_at)
     SELECT $1, '{}', $2, $2 FROM clients WHERE client_id = $3 AND registered = 'operator'
     ON CONFLICT (audience) DO NOTHING",
);
const BY_AUDIENCE: Sql =
    Sql::both("SELECT audience, metadata, created_at, updated_at FROM api WHERE audience = $1");
const PAGE: Sql = Sql::both(
    "SELECT audience, metadata, created_at, updated_at FROM api WHERE audience > $1 ORDER BY audience LIMIT $2",
);
const EVERY: Sql = Sql::both("SELECT audience, metadata, created_at, updated_at FROM api ORDER BY audience");
// Of two writers that read the same version one wins, and no two versions have the same time.
const UPDATE: Sql = Sql::both(
    "UPDATE api SET metadata = $2, updated_at = CASE WHEN updated_at < $3 THEN $3 ELSE updated_at + 1 END
     WHERE audience = $1 AND updated_at = $4",
);
const DELETE: Sql = Sql::both("DELETE FROM api WHERE audience = $1");
// An array on PostgreSQL; SQLite has none, and there it is JSON.
const NAMED_BY: Sql = Sql::per(
    "SELECT client_id FROM clients WHERE $1 = ANY(audience) ORDER BY client_id LIMIT 11",
    "SELECT client_id FROM clients WHERE EXISTS
        (SELECT 1 FROM json_each(clients.audience) a WHERE a.value = $1)
     ORDER BY client_id LIMIT 11",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[INSERT, INSERT_DEFAULT, BY_AUDIENCE, PAGE, EVERY, UPDATE, DELETE, NAMED_BY];

#[derive(sqlx::FromRow)]
struct ApiRow {
    audience: String,
    metadata: String,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<ApiRow> for Api {
    type Error = Error;

    fn try_from(row: ApiRow) -> Result<Self, Error> {
        Ok(Self {
            metadata: json(&row.metadata, "api", "metadata")?,
            audience: row.audience,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        })
    }
}

/// What became of an API that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiDeletion {
    /// It is gone.
    Deleted,
    /// There is none.
    Absent,
    /// Clients name it, these first; nothing has changed.
    Named(Vec<String>),
}

impl Store {
    /// Registers an API.
    ///
    /// # Errors
    /// [`Error::Conflict`] with `api_pk` where another API has the audience.
    pub async fn create_api(&self, api: &Api, audit: &AuditEntry) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        tx.execute(&RAISE_VERSION, Vec::new()).await?;
        tx.execute(&INSERT, args![&api.audience, to_json(&api.metadata), api.created_at]).await?;
        finish(tx, audit).await
    }

    /// The API with this audience.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn api(&self, audience: &str) -> Result<Option<Api>, Error> {
        let row = self.db.fetch_optional::<ApiRow>(&BY_AUDIENCE, args![audience]).await?;
        row.map(Api::try_from).transpose()
    }

    /// Up to `limit` APIs whose audience is above `after`, in the order of the audiences.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn apis(&self, after: Option<&str>, limit: u32) -> Result<Vec<Api>, Error> {
        let rows = self.db.fetch_all::<ApiRow>(&PAGE, args![after.unwrap_or_default(), limit]).await?;
        rows.into_iter().map(Api::try_from).collect()
    }

    /// All APIs: what operators have registered by hand.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn every_api(&self) -> Result<Vec<Api>, Error> {
        let rows = self.db.fetch_all::<ApiRow>(&EVERY, Vec::new()).await?;
        rows.into_iter().map(Api::try_from).collect()
    }

    /// Changes an API; `false` where there is none, or it is no longer what was read at `read_at`.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn change_api(
        &self,
        audience: &str,
        (metadata, read_at): (&ApiMetadata, Timestamp),
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        tx.execute(&RAISE_VERSION, Vec::new()).await?;
        if tx.execute(&UPDATE, args![audience, to_json(metadata), now, read_at]).await? == 0 {
            return Ok(false);
        }
        finish(tx, audit).await.map(|()| true)
    }

    /// Deletes an API that no client names.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn delete_api(&self, audience: &str, audit: &AuditEntry) -> Result<ApiDeletion, Error> {
        let mut tx = self.db.begin().await?;
        // First: a client that is being registered with this audience is seen from here on, or sees the API gone.
        tx.execute(&RAISE_VERSION, Vec::new()).await?;
        let named = tx.fetch_all::<(String,)>(&NAMED_BY, args![audience]).await?;
        if !named.is_empty() {
            return Ok(ApiDeletion::Named(named.into_iter().map(|(client,)| client).collect()));
        }
        if tx.execute(&DELETE, args![audience]).await? == 0 {
            return Ok(ApiDeletion::Absent);
        }
        finish(tx, audit).await.map(|()| ApiDeletion::Deleted)
    }

    /// Registers those of a client's audiences that are no API's yet, with defaults: in the transaction in which an
    /// operator gives them to the client, which has raised the version already.
    pub(super) async fn register_audiences(
        &self,
        tx: &mut Tx,
        (client, audiences): (&ClientId, &[String]),
        audit: &AuditEntry,
    ) -> Result<(), Error> {
        for audience in audiences {
            if tx.execute(&INSERT_DEFAULT, args![audience, audit.at, client]).await? == 0 {
                continue;
            }
            let entry = self
                .audit_entry(Event::ApiCreated, audit.actor.clone(), audit.at)?
                .client(client)
                .origin(&audit.origin)
                .details(api_details(audience))
                .cause("a client was registered for it");
            super::audit::record(tx, &entry).await?;
        }
        Ok(())
    }
}

/// Which API an audit entry is about.
pub fn api_details(audience: &str) -> String {
    serde_json::json!({ "audience": audience }).to_string()
}
