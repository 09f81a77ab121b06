//! `initial_access_token`, and those `clients` that no operator has registered: how they come, and how they go again.

use std::time::Duration;

use uuid::Uuid;

use super::clients::{DELETE_CONSENTS, RAISE_VERSION, beside, finish, insert};
use super::db::{Sql, args, retried};
use super::row::{time, to_json};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::{AuditEntry, Event};
use crate::model::client::Client;
use crate::oauth::client_metadata::ClientMetadata;
use crate::secret::{ClientId, InitialAccessTokenHash, InitialAccessTokenId};

const INSERT: Sql = Sql::both(
    "INSERT INTO initial_access_token (id, name, token_hash, uses_left, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6)",
);
const LIST: Sql = Sql::both(
    "SELECT id, name, uses_left, created_at, expires_at FROM initial_access_token ORDER BY id LIMIT 1000",
);
const DELETE: Sql = Sql::both("DELETE FROM initial_access_token WHERE id = $1");
const IS_GOOD: Sql = Sql::both(
    "SELECT id FROM initial_access_token WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2",
);
// The row count is the verdict: of many that come at once, as many pass as there are uses left.
const USE: Sql = Sql::both(
    "UPDATE initial_access_token SET uses_left = uses_left - 1
     WHERE token_hash = $1 AND uses_left > 0 AND expires_at > $2",
);
// One that an operator has disabled stays so, whatever its document says now.
const REPLACED: Sql = Sql::both(
    "UPDATE clients SET metadata = $2, fetched_until = $3, backchannel_logout = $5, audience = $6,
        updated_at = CASE WHEN updated_at < $4 THEN $4 ELSE updated_at + 1 END
     WHERE client_id = $1 AND registered = 'document'",
);
const PROLONGED: Sql =
    Sql::both("UPDATE clients SET fetched_until = $2 WHERE client_id = $1 AND registered = 'document'");

macro_rules! newly_used {
    () => {
        "UPDATE clients SET used_at = $1 WHERE client_id IN (
            SELECT c.client_id FROM clients c
            WHERE c.registered <> 'operator' AND c.used_at IS NULL
                AND EXISTS (SELECT 1 FROM refresh_family f WHERE f.client_id = c.client_id)
            ORDER BY c.client_id LIMIT $2"
    };
}

// On PostgreSQL the rows are locked in one order, so that two nodes do not wait for each other.
const MARK_USED: Sql = Sql::per(concat!(newly_used!(), " FOR UPDATE OF c)"), concat!(newly_used!(), ")"));

// Nobody who has not been asked for consent gets a code of such a client, so a first sign-in has its interaction until
// the transaction that makes the code, the code until an hour after it has died, and the family from the transaction that
// redeems it: whatever moment this sees, a sign-in under way is seen. What an operator has disabled is kept, or a
// document would come back enabled.
macro_rules! unused {
    () => {
        "registered <> 'operator' AND used_at IS NULL AND disabled_at IS NULL AND created_at < $1
            AND NOT EXISTS (SELECT 1 FROM refresh_family f WHERE f.client_id = clients.client_id)
            AND client_id NOT IN (SELECT a.client_id FROM authorization_code a)
            AND client_id NOT IN (SELECT i.client_id FROM interaction i)"
    };
}

// PostgreSQL skips rows that others hold; SQLite has one writer, so there is nobody to wait for.
const DELETE_UNUSED: Sql = Sql::per(
    concat!(
        "DELETE FROM clients WHERE client_id IN (SELECT client_id FROM clients WHERE ",
        unused!(),
        " LIMIT $2 FOR UPDATE SKIP LOCKED) AND ",
        unused!(),
        " RETURNING client_id"
    ),
    concat!(
        "DELETE FROM clients WHERE client_id IN (SELECT client_id FROM clients WHERE ",
        unused!(),
        " LIMIT $2) RETURNING client_id"
    ),
);
const DELETE_EXPIRED: Sql = Sql::both(
    "DELETE FROM initial_access_token WHERE id IN (
        SELECT id FROM initial_access_token WHERE expires_at < $1 LIMIT $2)",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] =
    &[INSERT, LIST, DELETE, IS_GOOD, USE, REPLACED, PROLONGED, MARK_USED, DELETE_UNUSED, DELETE_EXPIRED];

/// Initial access tokens that have expired are shown for so long.
const EXPIRED_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(sqlx::FromRow)]
struct TokenRow {
    id: Uuid,
    name: String,
    uses_left: i64,
    created_at: i64,
    expires_at: i64,
}

/// An initial access token as lists show it; the token itself is shown once, when it is made.
#[derive(Clone, Debug)]
pub struct InitialAccessTokenRecord {
    /// Its id.
    pub id: InitialAccessTokenId,
    /// What it is for.
    pub name: String,
    /// How many clients may still be registered with it.
    pub uses_left: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it dies.
    pub expires_at: Timestamp,
}

impl From<TokenRow> for InitialAccessTokenRecord {
    fn from(row: TokenRow) -> Self {
        Self {
            id: InitialAccessTokenId(row.id),
            name: row.name,
            uses_left: u32::try_from(row.uses_left).unwrap_or(0),
            created_at: time(row.created_at),
            expires_at: time(row.expires_at),
        }
    }
}

/// How a registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The client is there, and the token, if there was one, has been used once more.
    Done,
    /// The initial access token is not good any more; nothing has changed.
    TokenSpent,
}

impl Store {
    /// Keeps a new initial access token.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn create_initial_access_token(
        &self,
        token: &InitialAccessTokenRecord,
        hash: &InitialAccessTokenHash,
        audit: &AuditEntry,
    ) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        let hash = hash.as_bytes().to_vec();
        let args = args![token.id.0, &token.name, hash, token.uses_left, token.created_at, token.expires_at];
        tx.execute(&INSERT, args).await?;
        super::audit::record(&mut tx, audit).await?;
        tx.commit().await
    }

    /// All initial access tokens, oldest first.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn initial_access_tokens(&self) -> Result<Vec<InitialAccessTokenRecord>, Error> {
        let rows = self.db.fetch_all::<TokenRow>(&LIST, Vec::new()).await?;
        Ok(rows.into_iter().map(InitialAccessTokenRecord::from).collect())
    }

    /// Deletes an initial access token; `false` where there is none.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn delete_initial_access_token(
        &self,
        id: InitialAccessTokenId,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        if tx.execute(&DELETE, args![id.0]).await? == 0 {
            return Ok(false);
        }
        super::audit::record(&mut tx, audit).await?;
        tx.commit().await.map(|()| true)
    }

    /// The initial access token that is good now, if it is one. It is used by [`Store::register_client`] alone.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn initial_access_token(
        &self,
        hash: &InitialAccessTokenHash,
        now: Timestamp,
    ) -> Result<Option<InitialAccessTokenId>, Error> {
        let args = args![hash.as_bytes().to_vec(), now];
        let row = self.db.fetch_optional::<(Uuid,)>(&IS_GOOD, args).await?;
        Ok(row.map(|(id,)| InitialAccessTokenId(id)))
    }

    /// Registers a client that asked for it itself, and uses its initial access token, both or neither.
    ///
    /// # Errors
    /// [`Error::Conflict`] with `clients_pk` where the id is taken.
    pub async fn register_client(
        &self,
        client: &Client,
        token: Option<&InitialAccessTokenHash>,
        audit: &AuditEntry,
        now: Timestamp,
    ) -> Result<Registration, Error> {
        // A new client is looked for when it first comes. Only the origins of all clients are known without it, and who
        // deletes an API has to see who names it.
        let concerns_all = !client.metadata.audience.is_empty() || !client.metadata.origins().is_empty();
        retried(|| async {
            let mut tx = self.db.begin().await?;
            if concerns_all {
                tx.execute(&RAISE_VERSION, Vec::new()).await?;
            }
            if let Some(hash) = token
                && tx.execute(&USE, args![hash.as_bytes().to_vec(), now]).await? == 0
            {
                return Ok(Registration::TokenSpent);
            }
            insert(&mut tx, client).await?;
            finish(tx, audit).await.map(|()| Registration::Done)
        })
        .await
    }

    /// Keeps what a client's metadata document says now; `false` where there is no such client any more.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn replace_document(
        &self,
        id: &ClientId,
        (metadata, until): (&ClientMetadata, Timestamp),
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        retried(|| async {
            let mut tx = self.db.begin().await?;
            tx.execute(&RAISE_VERSION, Vec::new()).await?;
            let [told, audience] = beside(&tx, metadata);
            let args = args![id, to_json(metadata), until, audit.at, told, audience];
            if tx.execute(&REPLACED, args).await? == 0 {
                return Ok(false);
            }
            finish(tx, audit).await.map(|()| true)
        })
        .await
    }

    /// Notes that a client's metadata document says what it said; `false` where there is no such client any more. No
    /// node has to know: the client is the same.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn prolong_document(&self, id: &ClientId, until: Timestamp) -> Result<bool, Error> {
        Ok(self.db.write(&PROLONGED, args![id, until]).await? == 1)
    }

    /// Notes of up to `batch` clients that no operator registered that somebody has signed in at them: while their
    /// refresh tokens still show it. Returns of how many.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn mark_used_clients(&self, batch: u32, now: Timestamp) -> Result<u64, Error> {
        self.db.write(&MARK_USED, args![now, batch]).await
    }

    /// Deletes up to `batch` clients that no operator registered, that are older than `unused` and that nobody has ever
    /// signed in at; and initial access tokens that have expired. Returns how many rows went.
    ///
    /// # Errors
    /// A storage fault; what was deleted stays deleted.
    pub async fn sweep_clients(&self, unused: Duration, batch: u32, now: Timestamp) -> Result<u64, Error> {
        self.mark_used_clients(batch, now).await?;
        let expired = self.db.write(&DELETE_EXPIRED, args![now.minus(EXPIRED_KEPT), batch]).await?;
        let gone = retried(|| self.delete_unused(now.minus(unused), batch, now)).await?;
        Ok(expired.saturating_add(gone))
    }

    async fn delete_unused(&self, before: Timestamp, batch: u32, now: Timestamp) -> Result<u64, Error> {
        let mut tx = self.db.begin().await?;
        tx.execute(&RAISE_VERSION, Vec::new()).await?;
        let gone = tx.fetch_all::<(String,)>(&DELETE_UNUSED, args![before, batch]).await?;
        if gone.is_empty() {
            return Ok(0);
        }
        let count = u64::try_from(gone.len()).unwrap_or(u64::MAX);
        for (id,) in gone {
            let id = ClientId(id);
            // Whoever comes back under this id asks again.
            tx.execute(&DELETE_CONSENTS, args![&id]).await?;
            let entry = self.audit_entry(Event::ClientDeleted, "system", now)?;
            super::audit::record(&mut tx, &entry.client(&id).cause("nobody has signed in at it")).await?;
        }
        tx.commit().await?;
        Ok(count)
    }
}
