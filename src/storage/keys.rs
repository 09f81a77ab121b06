//! `signing_key`: keys sealed with the master key, and the times at which they change state.

use super::db::{Sql, args};
use super::outbox::Voided;
use super::row::{time, time_option};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::AuditEntry;
use crate::model::key::SigningKeyRecord;
use crate::secret::KeyId;

const READ: Sql = Sql::both(
    "SELECT kid, algorithm, sealed, public_jwk, created_at, activates_at, retires_at, removes_at
     FROM signing_key ORDER BY created_at, kid",
);
const VERSION: Sql = Sql::both("SELECT key_version FROM installation WHERE id = 1");
// Of nodes that plan the same change at once, exactly one carries it out.
const RAISE_VERSION: Sql =
    Sql::both("UPDATE installation SET key_version = key_version + 1 WHERE id = 1 AND key_version = $1");
const INSERT: Sql = Sql::both(
    "INSERT INTO signing_key (kid, algorithm, sealed, public_jwk, created_at, activates_at)
     VALUES ($1, $2, $3, $4, $5, $6)",
);
const RETIRE: Sql = Sql::both("UPDATE signing_key SET retires_at = $2, removes_at = $3 WHERE kid = $1");
const DELETE: Sql = Sql::both("DELETE FROM signing_key WHERE kid = $1");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[READ, VERSION, RAISE_VERSION, INSERT, RETIRE, DELETE];

#[derive(sqlx::FromRow)]
struct KeyRow {
    kid: String,
    algorithm: String,
    sealed: Vec<u8>,
    public_jwk: String,
    created_at: i64,
    activates_at: i64,
    retires_at: Option<i64>,
    removes_at: Option<i64>,
}

/// One step of a planned change, with the key already made and sealed.
#[derive(Clone, Debug)]
pub enum KeyStep {
    /// A new key.
    Insert(SigningKeyRecord),
    /// An end for a key.
    Retire {
        /// Which.
        kid: KeyId,
        /// When it stops signing.
        retires_at: Timestamp,
        /// When it leaves the JWKS.
        removes_at: Timestamp,
    },
    /// A key that left the JWKS long ago.
    Delete(KeyId),
}

impl Store {
    /// A number that every change of the signing keys raises.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn signing_key_version(&self) -> Result<i64, Error> {
        Ok(self.db.fetch_optional::<(i64,)>(&VERSION, Vec::new()).await?.map_or(0, |(version,)| version))
    }

    /// All signing keys, and the version that [`Self::apply_key_steps`] compares.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn signing_keys(&self) -> Result<(i64, Vec<SigningKeyRecord>), Error> {
        // The version first: a change between the two reads makes the plan fail rather than act on a mixture.
        let version = self.signing_key_version().await?;
        let rows = self.db.fetch_all::<KeyRow>(&READ, Vec::new()).await?;
        let records = rows.into_iter().map(|row| {
            let algorithm = row.algorithm.parse();
            Ok(SigningKeyRecord {
                kid: KeyId(row.kid),
                algorithm: algorithm
                    .map_err(|_| Error::Corrupt { table: "signing_key", column: "algorithm" })?,
                sealed: row.sealed,
                public_jwk: row.public_jwk,
                created_at: time(row.created_at),
                activates_at: time(row.activates_at),
                retires_at: time_option(row.retires_at),
                removes_at: time_option(row.removes_at),
            })
        });
        Ok((version, records.collect::<Result<_, Error>>()?))
    }

    /// Carries out a planned change, if nobody has changed the keys since `version`; `false` otherwise.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn apply_key_steps(
        &self,
        version: i64,
        steps: &[KeyStep],
        audit: &[AuditEntry],
    ) -> Result<bool, Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if tx.execute(&RAISE_VERSION, args![version]).await? == 0 {
            return Ok(false);
        }
        for step in steps {
            match step {
                KeyStep::Insert(key) => {
                    let args = args![
                        &key.kid,
                        key.algorithm.as_str(),
                        key.sealed.clone(),
                        &key.public_jwk,
                        key.created_at,
                        key.activates_at
                    ];
                    tx.execute(&INSERT, args).await?;
                }
                KeyStep::Retire { kid, retires_at, removes_at } => {
                    tx.execute(&RETIRE, args![kid, *retires_at, *removes_at]).await?;
                    // A key whose time has come takes no token with it: they have expired before.
                    if *removes_at <= now {
                        self.outbox.put(&mut tx, &Voided::Key(kid), now).await?;
                    }
                }
                KeyStep::Delete(kid) => {
                    tx.execute(&DELETE, args![kid]).await?;
                }
            }
        }
        for entry in audit {
            super::audit::record(&mut tx, entry).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(true)
    }
}
