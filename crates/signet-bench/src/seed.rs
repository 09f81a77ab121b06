//! Families by the thousand and by the million, written straight into the server's database, and their tokens, made
//! with the server's own key. A family may be refreshed only a few times a minute, so that a closed loop needs many.

use std::path::Path;

use signet::digest::sha256;
use signet::flow::Secrets;
use signet::jose::master_key_file;
use signet::model::family::FamilySecretId;
use signet::model::refresh_token::RefreshTokenKeys;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection as _};

use crate::child::Server;
use crate::client::{SPA, Site, member};
use crate::failure::{Result, failure};
use crate::http::Connection;
use crate::load::Worker;

/// Rows of one INSERT.
const BATCH: u64 = 10_000;

/// Every column that the family is copied in, from one that the server has made.
macro_rules! copy {
    ($id:literal, $handle:literal, $source:literal) => {
        concat!(
            "INSERT INTO refresh_family (id, handle, user_id, client_id, session_id, scope, audience, offline, class, base, cur, \
             burst, rotated_at, min_generation, epoch, status, created_at, expires_at, idle_millis, auth_time, amr, address, \
             user_agent) SELECT ",
            $id,
            ", ",
            $handle,
            ", t.user_id, t.client_id, t.session_id, t.scope, t.audience, t.offline, t.class, 0, 0, 0, t.created_at - 3600000, 0, \
             t.epoch, 'active', t.created_at, t.expires_at, t.idle_millis, t.auth_time, t.amr, t.address, t.user_agent FROM ",
            $source,
            ", (SELECT * FROM refresh_family WHERE id = $1) t"
        )
    };
}

/// The families that a run has made.
pub(crate) struct Families {
    database: Database,
    template: FamilySecretId,
    tokens: RefreshTokenKeys,
    count: u64,
}

enum Database {
    Postgres(PgConnection),
    Sqlite(Box<SqliteConnection>),
}

impl Families {
    /// Signs in once through the server, to have a family to copy.
    pub(crate) async fn new(site: &Site, server: &Server) -> Result<Self> {
        let dir = &server.dir;
        let master = master_key_file::read(&dir.join("keys"))?.ok_or_else(|| failure("no master key"))?;
        let issuer = format!("http://{}", site.authority);
        let secrets = Secrets::derive(&master, &issuer).ok_or_else(|| failure("no token keys"))?;
        let responses = site.sign_in(SPA, "read offline_access", 1).await?;
        let token = responses.first().and_then(|response| member(response, "refresh_token"));
        let token = token.ok_or_else(|| failure("no refresh_token"))?;
        let decoded = secrets.refresh_tokens.decode(&signet::secret::RefreshToken::new(token));
        let (template, _) = decoded.ok_or_else(|| failure("the token is not under this master key"))?;
        let database = match &server.database {
            Some(url) => Database::Postgres(PgConnection::connect(url).await?),
            None => Database::Sqlite(Box::new(open(&dir.join("signet.sqlite")).await?)),
        };
        Ok(Self { database, template, tokens: secrets.refresh_tokens, count: 0 })
    }

    /// Adds families until there are so many.
    pub(crate) async fn grow(&mut self, to: u64) -> Result<()> {
        let template = self.template.as_bytes().to_vec();
        while self.count < to {
            let end = to.min(self.count + BATCH);
            let (ids, handles): (Vec<_>, Vec<_>) = (self.count..end).map(names).unzip();
            match &mut self.database {
                Database::Postgres(connection) => {
                    let sql = copy!(
                        "n.id",
                        "CAST(encode(n.handle, 'hex') AS uuid)",
                        "unnest($2::bytea[], $3::bytea[]) AS n(id, handle)"
                    );
                    sqlx::query(sql).bind(&template).bind(ids).bind(handles).execute(connection).await?;
                }
                Database::Sqlite(connection) => {
                    let sql = copy!("unhex(n.value->>0)", "unhex(n.value->>1)", "json_each($2) n");
                    let pairs: Vec<_> =
                        ids.iter().zip(&handles).map(|(id, handle)| [hex(id), hex(handle)]).collect();
                    let json = serde_json::json!(pairs).to_string();
                    sqlx::query(sql).bind(&template).bind(json).execute(&mut **connection).await?;
                }
            }
            self.count = end;
        }
        self.settle().await
    }

    /// What a database that has grown slowly would have done long ago.
    async fn settle(&mut self) -> Result<()> {
        match &mut self.database {
            Database::Postgres(connection) => {
                for sql in ["VACUUM ANALYZE refresh_family", "CHECKPOINT"] {
                    sqlx::query(sql).execute(&mut *connection).await?;
                }
            }
            Database::Sqlite(connection) => {
                sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    /// `count` workers who share the families out among themselves.
    pub(crate) fn workers(&self, site: &Site, count: usize) -> Vec<RefreshEach> {
        let one = |place: usize| RefreshEach {
            site: site.clone(),
            connection: Connection::new(site.address),
            tokens: self.tokens.clone(),
            next: place as u64,
            stride: count as u64,
            place: place as u64,
            families: self.count,
            generation: 0,
        };
        (0..count).map(one).collect()
    }
}

/// Refreshes one family after the other, each as often as all the others.
pub(crate) struct RefreshEach {
    site: Site,
    connection: Connection,
    tokens: RefreshTokenKeys,
    next: u64,
    stride: u64,
    place: u64,
    families: u64,
    generation: u32,
}

impl RefreshEach {
    /// Leaves out the first so many families: they have been refreshed before.
    pub(crate) fn from(mut self, first: u64) -> Self {
        self.place += first;
        self.next += first;
        self
    }
}

impl Worker for RefreshEach {
    async fn step(&mut self) -> Result<()> {
        let (id, _) = names(self.next);
        let family = FamilySecretId::from_slice(&id).ok_or_else(|| failure("no family id"))?;
        let token = self.tokens.encode(family, self.generation);
        let expected = self.tokens.encode(family, self.generation + 1);
        self.next += self.stride;
        if self.next >= self.families {
            (self.next, self.generation) = (self.place, self.generation + 1);
        }
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.reveal())];
        let post = self.site.post("/token", SPA, &fields);
        let reply = self.connection.send(&post).await?;
        let body = std::str::from_utf8(reply.body).unwrap_or_default();
        // Anything but the next generation is no rotation, and would be measured in vain.
        if reply.status != 200 || member(body, "refresh_token") != Some(expected.reveal()) {
            return Err(reply.unexpected("refresh"));
        }
        Ok(())
    }
}

/// Id and handle of the n-th family: scattered, as random ones are, and the same in every run.
fn names(n: u64) -> (Vec<u8>, Vec<u8>) {
    let digest = sha256(&n.to_be_bytes());
    let (id, handle) = digest.as_bytes().split_at(16);
    (id.to_vec(), handle.to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn open(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(std::time::Duration::from_secs(30));
    Ok(options.connect().await?)
}
