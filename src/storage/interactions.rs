//! `interaction`: what waits for a person: a client's authorization request, or a visit to a page of the account. It lives
//! here, never in the browser.

use uuid::Uuid;

use super::db::{Sql, args};
use super::row::digest;
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::secret::{BrowserHash, ClientId, InteractionHash, SessionId};

const INSERT: Sql = Sql::both(
    "INSERT INTO interaction (handle_hash, browser_hash, client_id, request, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6)",
);
const BY_HANDLE: Sql = Sql::both(
    "SELECT browser_hash, client_id, request, session_id, expires_at FROM interaction
     WHERE handle_hash = $1 AND expires_at > $2",
);
pub(super) const CONSUME: Sql =
    Sql::both("DELETE FROM interaction WHERE handle_hash = $1 AND expires_at > $2");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[INSERT, BY_HANDLE, CONSUME];

#[derive(sqlx::FromRow)]
struct InteractionRow {
    browser_hash: Vec<u8>,
    client_id: String,
    request: String,
    session_id: Option<Uuid>,
    expires_at: i64,
}

/// Something that waits for a person.
#[derive(Clone, Debug)]
pub struct Interaction {
    /// The browser that began it; no other may go on with it (S-017).
    pub browser: BrowserHash,
    /// The client that asks; `None` for this server itself.
    pub client: Option<ClientId>,
    /// What is asked, as the flow serialised it.
    pub request: String,
    /// The login session that signed in within this interaction, if one did.
    pub session: Option<SessionId>,
    /// When it dies.
    pub expires_at: Timestamp,
}

impl Store {
    /// Keeps an interaction.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn create_interaction(
        &self,
        handle: &InteractionHash,
        interaction: &Interaction,
        now: Timestamp,
    ) -> Result<(), Error> {
        let args = args![
            handle,
            &interaction.browser,
            // No client's id is empty.
            interaction.client.as_ref().map_or("", ClientId::as_str),
            &interaction.request,
            now,
            interaction.expires_at,
        ];
        self.db.write(&INSERT, args).await.map(|_| ())
    }

    /// The live interaction of a handle.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn interaction(
        &self,
        handle: &InteractionHash,
        now: Timestamp,
    ) -> Result<Option<Interaction>, Error> {
        let row = self.db.fetch_optional::<InteractionRow>(&BY_HANDLE, args![handle, now]).await?;
        row.map(|row| {
            Ok(Interaction {
                browser: BrowserHash::from(digest(&row.browser_hash, "interaction", "browser_hash")?),
                client: Some(ClientId(row.client_id)).filter(|client| !client.0.is_empty()),
                request: row.request,
                session: row.session_id.map(SessionId),
                expires_at: Timestamp::from_millis(row.expires_at),
            })
        })
        .transpose()
    }

    /// Ends an interaction without a grant; `true` for exactly one of any number of callers.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn consume_interaction(&self, handle: &InteractionHash, now: Timestamp) -> Result<bool, Error> {
        Ok(self.db.write(&CONSUME, args![handle, now]).await? == 1)
    }
}
