//! `consent`: what a user has agreed that a client may have.

use super::db::{Sql, args};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::AuditEntry;
use crate::oauth::scope::Scope;
use crate::secret::{ClientId, UserId};

const FIND: Sql = Sql::both("SELECT scope FROM consent WHERE user_id = $1 AND client_id = $2");
const UPSERT: Sql = Sql::both(
    "INSERT INTO consent (user_id, client_id, scope, granted_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (user_id, client_id) DO UPDATE SET scope = excluded.scope, granted_at = excluded.granted_at",
);
// Once per look at the clients by an operator, so that it may read the whole table.
const OPEN_SCOPES: Sql = Sql::both(
    "SELECT client_id, scope FROM refresh_family WHERE ($1 = '' OR client_id = $1) AND status = 'active' AND expires_at > $2
     GROUP BY client_id, scope",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[FIND, UPSERT, OPEN_SCOPES];

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

    /// The distinct scopes of what users have granted and is still open: of one client, or of each that has any.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn open_scopes(
        &self,
        client: Option<&ClientId>,
        now: Timestamp,
    ) -> Result<Vec<(ClientId, Scope)>, Error> {
        let client = client.map_or("", ClientId::as_str);
        let rows = self.db.fetch_all::<(String, String)>(&OPEN_SCOPES, args![client, now]).await?;
        let read = |(client, scope): (String, String)| {
            let scope = Scope::parse(&scope);
            let scope = scope.map_err(|_| Error::Corrupt { table: "refresh_family", column: "scope" })?;
            Ok((ClientId(client), scope))
        };
        rows.into_iter().map(read).collect()
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
