//! `clients`: registered applications. Every change raises `installation.client_version`, by which nodes notice
//! that their copies are old. It raises it first: whoever changes clients or APIs waits there for the one before, and
//! nowhere else, so that no two wait for each other.

use super::db::{Sql, Tx, args, retried};
use super::outbox::{self, Voided};
use super::row::{digest, json, time, time_option, to_json};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::AuditEntry;
use crate::model::client::Client;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::client_metadata::ClientMetadata;
use crate::secret::{ClientId, ClientSecretHash, RegistrationTokenHash};

macro_rules! client_columns {
    () => {
        "client_id, metadata, secret_hash, previous_secret_hash, previous_secret_expires_at, sealed_secret, \
         registered, registration_token_hash, fetched_until, disabled_at, created_at, updated_at"
    };
}

const INSERT: Sql = Sql::both(
    "INSERT INTO clients (client_id, metadata, secret_hash, created_at, updated_at, tokens_not_before, sealed_secret,
        registered, registration_token_hash, fetched_until, backchannel_logout, audience)
     VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, $11)",
);
const BY_ID: Sql = Sql::both(concat!("SELECT ", client_columns!(), " FROM clients WHERE client_id = $1"));
const PAGE: Sql = Sql::both(concat!(
    "SELECT ",
    client_columns!(),
    " FROM clients WHERE client_id > $1 ORDER BY client_id LIMIT $2"
));
// PostgreSQL takes the ids as an array; SQLite has none and takes JSON.
const LISTED: Sql = Sql::per(
    concat!("SELECT ", client_columns!(), " FROM clients WHERE client_id = ANY($1)"),
    concat!(
        "SELECT ",
        client_columns!(),
        " FROM clients WHERE client_id IN (SELECT value FROM json_each($1))"
    ),
);
// Of two writers that read the same version one wins, and no two versions have the same time.
// A secret is kept sealed only for a client that signs with it.
const UPDATE: Sql = Sql::both(
    "UPDATE clients SET metadata = $2, updated_at = CASE WHEN updated_at < $3 THEN $3 ELSE updated_at + 1 END,
        sealed_secret = CASE WHEN $5 THEN sealed_secret END, backchannel_logout = $6, audience = $7
     WHERE client_id = $1 AND updated_at = $4",
);
const DISABLE: Sql = Sql::both(
    "UPDATE clients SET disabled_at = $2, tokens_not_before = $3,
        updated_at = CASE WHEN updated_at < $2 THEN $2 ELSE updated_at + 1 END
     WHERE client_id = $1 AND disabled_at IS NULL",
);
const ENABLE: Sql = Sql::both(
    "UPDATE clients SET disabled_at = NULL, updated_at = CASE WHEN updated_at < $2 THEN $2 ELSE updated_at + 1 END
     WHERE client_id = $1 AND disabled_at IS NOT NULL",
);
// What is kept of a secret depends on the method that was read.
const ROTATE_SECRET: Sql = Sql::both(
    "UPDATE clients SET previous_secret_hash = secret_hash, previous_secret_expires_at = $3, secret_hash = $2,
        sealed_secret = $5, updated_at = CASE WHEN updated_at < $4 THEN $4 ELSE updated_at + 1 END
     WHERE client_id = $1 AND updated_at = $6",
);
const DELETE: Sql = Sql::both("DELETE FROM clients WHERE client_id = $1");
// What was issued to it is not to be had by whoever comes under its id.
const DELETE_CODES: Sql = Sql::both("DELETE FROM authorization_code WHERE client_id = $1");
const DELETE_FAMILIES: Sql = Sql::both("DELETE FROM refresh_family WHERE client_id = $1");
pub(super) const DELETE_CONSENTS: Sql = Sql::both("DELETE FROM consent WHERE client_id = $1");
pub(super) const RAISE_VERSION: Sql =
    Sql::both("UPDATE installation SET client_version = client_version + 1 WHERE id = 1");
const VERSION: Sql = Sql::both("SELECT client_version FROM installation WHERE id = 1");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[
    INSERT,
    BY_ID,
    PAGE,
    LISTED,
    UPDATE,
    DISABLE,
    ENABLE,
    ROTATE_SECRET,
    DELETE,
    DELETE_CODES,
    DELETE_FAMILIES,
    DELETE_CONSENTS,
    RAISE_VERSION,
    VERSION,
];

#[derive(sqlx::FromRow)]
struct ClientRow {
    client_id: String,
    metadata: String,
    secret_hash: Option<Vec<u8>>,
    previous_secret_hash: Option<Vec<u8>>,
    previous_secret_expires_at: Option<i64>,
    sealed_secret: Option<Vec<u8>>,
    registered: String,
    registration_token_hash: Option<Vec<u8>>,
    fetched_until: Option<i64>,
    disabled_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<ClientRow> for Client {
    type Error = Error;

    fn try_from(row: ClientRow) -> Result<Self, Error> {
        let hash = |bytes: Option<Vec<u8>>, column| {
            bytes.map(|bytes| digest(&bytes, "clients", column).map(ClientSecretHash::from)).transpose()
        };
        let registration_token = row.registration_token_hash.map(|bytes| {
            digest(&bytes, "clients", "registration_token_hash").map(RegistrationTokenHash::from)
        });
        let registered =
            row.registered.parse().map_err(|_| Error::Corrupt { table: "clients", column: "registered" })?;
        let previous = hash(row.previous_secret_hash, "previous_secret_hash")?;
        Ok(Self {
            id: ClientId(row.client_id),
            metadata: json(&row.metadata, "clients", "metadata")?,
            secret: hash(row.secret_hash, "secret_hash")?,
            previous_secret: previous.zip(time_option(row.previous_secret_expires_at)),
            sealed_secret: row.sealed_secret,
            registered,
            registration_token: registration_token.transpose()?,
            fetched_until: time_option(row.fetched_until),
            disabled_at: time_option(row.disabled_at),
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        })
    }
}

/// A change of one client.
#[derive(Clone, Debug)]
pub enum ClientChange {
    /// New metadata, unless the client has changed since it was read: `updated_at` as it was then.
    Metadata(Box<ClientMetadata>, Timestamp),
    /// No endpoint serves it any more; its access tokens die; its families stay but are refused while it is disabled.
    Disable,
    /// It may be used again, and so may its families.
    Enable,
    /// A new secret, unless the client has changed since it was read.
    Secret {
        /// Its hash.
        hash: ClientSecretHash,
        /// The secret itself, sealed, for a client that signs with it.
        sealed: Option<Vec<u8>>,
        /// The former one (if there is one) stays good until then.
        previous_until: Timestamp,
        /// `updated_at` as it was read.
        read_at: Timestamp,
    },
    /// Gone, with its codes, families and consents; its access tokens die.
    Delete,
}

impl Store {
    /// Registers a client. What an operator names as its audience and is no API's yet becomes one, with defaults.
    ///
    /// # Errors
    /// [`Error::Conflict`] with `clients_pk` where the id is taken.
    pub async fn create_client(&self, client: &Client, audit: &AuditEntry) -> Result<(), Error> {
        retried(|| async {
            let mut tx = self.db.begin().await?;
            // First: an API that is being deleted is gone from here on, or its deletion sees the client.
            tx.execute(&RAISE_VERSION, Vec::new()).await?;
            insert(&mut tx, client).await?;
            self.register_audiences(&mut tx, (&client.id, &client.metadata.audience), audit).await?;
            finish(tx, audit).await
        })
        .await
    }

    /// The client with this id.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Client>, Error> {
        if !id.can_be() {
            return Ok(None);
        }
        self.db.fetch_optional::<ClientRow>(&BY_ID, args![id]).await?.map(Client::try_from).transpose()
    }

    /// Up to `limit` clients whose id is above `after`, in id order.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<Client>, Error> {
        let after = after.map_or("", ClientId::as_str);
        let rows = self.db.fetch_all::<ClientRow>(&PAGE, args![after, limit]).await?;
        rows.into_iter().map(Client::try_from).collect()
    }

    /// The clients with these ids, in no order, as far as there are any: one statement for a whole list.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn clients_listed(&self, ids: Vec<ClientId>) -> Result<Vec<Client>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = ids.into_iter().map(|id| id.0).collect();
        let ids =
            if self.db.is_postgres() { super::Arg::Texts(ids) } else { super::Arg::from(to_json(&ids)) };
        let rows = self.db.fetch_all::<ClientRow>(&LISTED, vec![ids]).await?;
        rows.into_iter().map(Client::try_from).collect()
    }

    /// A number that every change of any client raises.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn client_version(&self) -> Result<i64, Error> {
        let row = self.db.fetch_optional::<(i64,)>(&VERSION, Vec::new()).await?;
        Ok(row.map_or(0, |(version,)| version))
    }

    /// Changes a client; `false` where there is none, it already is so, or it is no longer what was read.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn change_client(
        &self,
        id: &ClientId,
        change: &ClientChange,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let changed = id.can_be() && retried(|| self.try_change(id, change, now, audit)).await?;
        if changed {
            self.outbox.wake();
        }
        Ok(changed)
    }

    async fn try_change(
        &self,
        id: &ClientId,
        change: &ClientChange,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        tx.execute(&RAISE_VERSION, Vec::new()).await?;
        let changed = match change {
            ClientChange::Metadata(metadata, read_at) => {
                let signs = metadata.token_endpoint_auth_method == AuthMethod::ClientSecretJwt;
                let [told, audience] = beside(&tx, metadata);
                let args = args![id, to_json(metadata), now, *read_at, signs, told, audience];
                tx.execute(&UPDATE, args).await?
            }
            ClientChange::Disable => {
                let cutoff = Timestamp::from_seconds(outbox::cutoff(now));
                tx.execute(&DISABLE, args![id, now, cutoff]).await?
            }
            ClientChange::Enable => tx.execute(&ENABLE, args![id, now]).await?,
            ClientChange::Secret { hash, sealed, previous_until, read_at } => {
                let sealed = super::Arg::Blob(sealed.clone());
                tx.execute(&ROTATE_SECRET, args![id, hash, *previous_until, now, sealed, *read_at]).await?
            }
            ClientChange::Delete => {
                // Before the families: this waits for a code that is being redeemed, so that its family is seen.
                tx.execute(&DELETE_CODES, args![id]).await?;
                tx.execute(&DELETE_FAMILIES, args![id]).await?;
                tx.execute(&DELETE_CONSENTS, args![id]).await?;
                tx.execute(&DELETE, args![id]).await?
            }
        };
        if changed == 0 {
            return Ok(false);
        }
        if let ClientChange::Metadata(metadata, _) = change {
            self.register_audiences(&mut tx, (id, &metadata.audience), audit).await?;
        }
        if matches!(change, ClientChange::Disable | ClientChange::Delete) {
            self.outbox.put(&mut tx, &Voided::Client(id), now).await?;
        }
        finish(tx, audit).await.map(|()| true)
    }
}

/// What of the metadata statements ask for, as the columns `backchannel_logout` and `audience`. It is written whenever
/// the metadata are: no statement reads those, which clients may have written.
pub(super) fn beside(tx: &Tx, metadata: &ClientMetadata) -> [super::Arg; 2] {
    let audience = match tx {
        Tx::Postgres(..) => super::Arg::Texts(metadata.audience.clone()),
        Tx::Sqlite(_) => super::Arg::from(to_json(&metadata.audience)),
    };
    [super::Arg::from(metadata.backchannel_logout_uri.is_some()), audience]
}

/// Adds a client's row.
pub(super) async fn insert(tx: &mut Tx, client: &Client) -> Result<(), Error> {
    let secret = client.secret.as_ref().map(|hash| hash.as_bytes().to_vec());
    let [told, audience] = beside(tx, &client.metadata);
    let args = args![
        &client.id,
        to_json(&client.metadata),
        super::Arg::Blob(secret),
        client.created_at,
        // What was issued to a former client of this id stays void.
        Timestamp::from_seconds(client.created_at.seconds()),
        super::Arg::Blob(client.sealed_secret.clone()),
        client.registered.as_str(),
        super::Arg::Blob(client.registration_token.as_ref().map(|hash| hash.as_bytes().to_vec())),
        client.fetched_until,
        told,
        audience,
    ];
    tx.execute(&INSERT, args).await.map(|_| ())
}

/// The end of every change of a client or an API: notes who did it, and commits.
pub(super) async fn finish(mut tx: Tx, audit: &AuditEntry) -> Result<(), Error> {
    super::audit::record(&mut tx, audit).await?;
    tx.commit().await
}
