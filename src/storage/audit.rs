//! `audit_event`: written in the transaction of what it records.

use uuid::Uuid;

use super::db::{Sql, Tx, args};
use super::row::time;
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::{AuditEntry, Event, Origin};
use crate::secret::{AuditId, ClientId, SessionId, UserId};

const INSERT: Sql = Sql::both(
    "INSERT INTO audit_event (id, at, event, outcome, actor, user_id, client_id, session_id, address, user_agent,
        cause, trace_id, details)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
);
// Newest first; ids are ordered by time, so the last id of a page is the cursor of the next. A filter that is not
// set is the empty text, which is no event's and no client's name.
const PAGE: Sql = Sql::both(
    "SELECT id, at, event, outcome, actor, user_id, client_id, session_id, address, user_agent, cause, trace_id,
        details
     FROM audit_event
     WHERE id < $1 AND at >= $3 AND at < $4 AND ($5 = '' OR event = $5) AND ($6 = '' OR client_id = $6)
     ORDER BY id DESC LIMIT $2",
);
const PAGE_OF_USER: Sql = Sql::both(
    "SELECT id, at, event, outcome, actor, user_id, client_id, session_id, address, user_agent, cause, trace_id,
        details
     FROM audit_event
     WHERE id < $1 AND at >= $3 AND at < $4 AND ($5 = '' OR event = $5) AND ($6 = '' OR client_id = $6)
        AND user_id = $7
     ORDER BY id DESC LIMIT $2",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[INSERT, PAGE, PAGE_OF_USER];

#[derive(sqlx::FromRow)]
struct AuditRow {
    id: Uuid,
    at: i64,
    event: String,
    outcome: String,
    actor: String,
    user_id: Option<Uuid>,
    client_id: Option<String>,
    session_id: Option<Uuid>,
    address: Option<String>,
    user_agent: Option<String>,
    cause: Option<String>,
    trace_id: Option<String>,
    details: Option<String>,
}

/// Which entries to read, newest first.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// Only those that concern this user.
    pub user: Option<UserId>,
    /// Only those of this client.
    pub client: Option<ClientId>,
    /// Only those of this kind.
    pub event: Option<Event>,
    /// Only those at or after this time.
    pub since: Option<Timestamp>,
    /// Only those before this time.
    pub until: Option<Timestamp>,
    /// Only those before this one.
    pub before: Option<AuditId>,
    /// At most so many.
    pub limit: u32,
}

/// Writes `entry` in `tx`.
pub(super) async fn record(tx: &mut Tx, entry: &AuditEntry) -> Result<(), Error> {
    tx.execute(&INSERT, insert_args(entry)).await.map(|_| ())
}

impl Store {
    /// An entry with a fresh id.
    ///
    /// # Errors
    /// [`Error::Entropy`] where the operating system gives no random bytes.
    pub fn audit_entry(
        &self,
        event: Event,
        actor: impl Into<String>,
        now: Timestamp,
    ) -> Result<AuditEntry, Error> {
        Ok(AuditEntry::new(AuditId(self.entropy.uuid_v7(now)?), now, event, actor))
    }

    /// Writes an entry that records no other change, such as a failed sign-in.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn record(&self, entry: &AuditEntry) -> Result<(), Error> {
        self.db.write(&INSERT, insert_args(entry)).await.map(|_| ())
    }

    /// Reads entries, newest first.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, Error> {
        let before = query.before.map_or(Uuid::max(), |id| id.0);
        let mut args = args![
            before,
            query.limit,
            query.since.unwrap_or(Timestamp::from_millis(i64::MIN)),
            query.until.unwrap_or(Timestamp::from_millis(i64::MAX)),
            query.event.map_or("", Event::as_str),
            query.client.as_ref().map_or("", ClientId::as_str),
        ];
        let rows = match query.user {
            Some(user) => {
                args.push(super::Arg::from(user));
                self.db.fetch_all(&PAGE_OF_USER, args).await?
            }
            None => self.db.fetch_all(&PAGE, args).await?,
        };
        rows.into_iter().map(entry_of).collect()
    }
}

fn insert_args(entry: &AuditEntry) -> Vec<super::Arg> {
    args![
        entry.id,
        entry.at,
        entry.event.as_str(),
        entry.outcome,
        &entry.actor,
        entry.user,
        entry.client.as_ref(),
        entry.session,
        entry.origin.address.clone(),
        entry.origin.user_agent.clone(),
        entry.cause.clone(),
        entry.origin.trace_id.clone(),
        entry.details.clone(),
    ]
}

fn entry_of(row: AuditRow) -> Result<AuditEntry, Error> {
    let event = Event::parse(&row.event).ok_or(Error::Corrupt { table: "audit_event", column: "event" })?;
    Ok(AuditEntry {
        id: AuditId(row.id),
        at: time(row.at),
        event,
        outcome: if row.outcome == "success" { "success" } else { "failure" },
        actor: row.actor,
        user: row.user_id.map(UserId),
        client: row.client_id.map(ClientId),
        session: row.session_id.map(SessionId),
        origin: Origin {
            address: row.address,
            user_agent: row.user_agent,
            place: None,
            trace_id: row.trace_id,
        },
        cause: row.cause,
        details: row.details,
    })
}
