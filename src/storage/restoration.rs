//! After a database was restored from a backup, or promoted behind its commits (docs/revocation-feed.md §6).

use std::time::Duration;

use super::db::{Sql, Tx, args};
use super::outbox::{self, Voided};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::AuditEntry;

// What was lost may have raised the epoch any number of times, and so may an earlier restoration from the same backup:
// the clock tells the two apart.
const RAISE_EPOCHS: Sql =
    Sql::both("UPDATE users SET epoch = CASE WHEN epoch < $1 THEN $1 ELSE epoch END + 1048576");
const DELETE_CODES: Sql = Sql::both("DELETE FROM authorization_code WHERE redeemed_at IS NULL");
const DELETE_INTERACTIONS: Sql = Sql::both("DELETE FROM interaction");
const DELETE_DEVICES: Sql = Sql::both("DELETE FROM known_device");
const DELETE_BATCHES: Sql = Sql::both("DELETE FROM revocation_batch");
const VOID_TOKENS: Sql = Sql::both("UPDATE installation SET tokens_not_before = $1 WHERE id = 1");
const JUMP: Sql = Sql::both(
    "UPDATE revocation_head SET n = CASE WHEN n < $1 THEN $1 ELSE n END + 4294967296 WHERE id = 1 RETURNING n",
);
// SQLite runs in this process, which sets itself no limit.
const TAKE_YOUR_TIME: Sql = Sql::per("SET LOCAL statement_timeout = 0", "SELECT 1");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[
    RAISE_EPOCHS,
    DELETE_CODES,
    DELETE_INTERACTIONS,
    DELETE_DEVICES,
    DELETE_BATCHES,
    VOID_TOKENS,
    JUMP,
    TAKE_YOUR_TIME,
];

/// What [`Store::restore_epoch`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// Users whose sessions and refresh tokens are void.
    pub users: u64,
    /// Authorization codes deleted, which may have been redeemed already.
    pub codes: u64,
    /// Half-finished sign-ins deleted.
    pub interactions: u64,
    /// The number that the revocation feed goes on from.
    pub feed_number: i64,
}

impl Store {
    /// Makes sure that nothing that was revoked or used up since a backup comes back with it: voids every access
    /// token, refresh token and session, deletes codes and half-finished sign-ins, and lets the feed's number jump, so
    /// that none is used twice. One transaction; with a million users it takes some seconds.
    ///
    /// What operators had changed since is not known any more: deleted API keys and clients, withdrawn signing keys,
    /// disabled users and new passwords are as the backup has them.
    ///
    /// # Errors
    /// A storage fault; then nothing has changed.
    pub async fn restore_epoch(&self, audit: AuditEntry) -> Result<Restored, Error> {
        let now = audit.at;
        let mut tx = self.db.begin().await?;
        if let Tx::Postgres(_, patience) = &mut tx {
            *patience = Duration::MAX;
        }
        tx.execute(&TAKE_YOUR_TIME, Vec::new()).await?;
        let users = tx.execute(&RAISE_EPOCHS, args![now.seconds()]).await?;
        let codes = tx.execute(&DELETE_CODES, Vec::new()).await?;
        let interactions = tx.execute(&DELETE_INTERACTIONS, Vec::new()).await?;
        tx.execute(&DELETE_DEVICES, Vec::new()).await?;
        tx.execute(&VOID_TOKENS, args![Timestamp::from_seconds(outbox::cutoff(now))]).await?;
        // Their entries concern tokens that are all void by the new one.
        tx.execute(&DELETE_BATCHES, Vec::new()).await?;
        self.outbox.put(&mut tx, &Voided::All, now).await?;
        let row = tx.fetch_optional::<(i64,)>(&JUMP, args![now.millis()]).await?;
        let (feed_number,) = row.ok_or(Error::Corrupt { table: "revocation_head", column: "id" })?;
        let restored = Restored { users, codes, interactions, feed_number };
        super::audit::record(&mut tx, &audit.details(super::row::to_json(&restored))).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(restored)
    }
}
