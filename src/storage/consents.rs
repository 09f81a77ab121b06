//! `consent`: what a user has agreed that a client may have.

use super::db::{Sql, args};
use super::{Error, Store};
use crate::model::audit::AuditEntry;
use crate::oauth::scope::Scope;
use crate::secret::{ClientId, UserId};

const FIND: Sql = Sql::both("SELECT scope FROM consent WHERE user_id = $1 AND client_id = $2");
const UPSERT: Sql = Sql::both(
    "INSERT INTO consent (user_id, client_id, scope, granted_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (user_id, client_id) DO UPDATE SET scope = excluded.scope, granted_at = excluded.granted_at",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[FIND, UPSERT];

impl Store {
    /// The scope a user has agreed to for a client; empty where none.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn consent(&self, user: UserId, client: &ClientId) -> Result<Scope, Error> {
        let row = self.db.fetch_optional::<(String,)>(&FIND, args![user, client]).await?;
        row.map_or(Ok(Scope::default()), |(scope,)| {
            Scope::parse(&scope).map_err(|_| Error::Corrupt { table: "consent", column: "scope" })
        })
    }

    /// Remembers what a user has agreed to, in place of what was remembered before.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn remember_consent(
        &self,
        user: UserId,
        client: &ClientId,
        scope: &Scope,
        audit: &AuditEntry,
    ) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        tx.execute(&UPSERT, args![user, client, scope.to_string(), audit.at]).await?;
        super::audit::record(&mut tx, audit).await?;
        tx.commit().await
    }
}
