//! `session_client` and `logout_notice`: at which clients a session has signed its user in, and who of them is told that
//! it has ended (OpenID Connect Back-Channel Logout §2.5). A notice is written in the transaction that ends the session.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use super::db::{Arg, Sql, Tx, args};
use super::row::{time, time_option, to_json};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::secret::{ClientId, NoticeId, SessionId, UserId};

/// One notice per session and client, to those that can be told. `$1` is the time, by which their ids are ordered. A
/// client that asks for no notices gets no row; whether it does is a column, since what a client has written is not
/// parsed where something ends.
macro_rules! write_notices {
    ($id:literal, $whose:literal) => {
        concat!(
            "INSERT INTO logout_notice (id, client_id, session_id, user_id, subject, created_at, attempts, next_at)
             SELECT ",
            $id,
            ", c.client_id, s.id, s.user_id, w.subject, $1, 0, $1
             FROM login_session s JOIN session_client w ON w.session_id = s.id
                JOIN clients c ON c.client_id = w.client_id
             WHERE ",
            $whose,
            " AND c.disabled_at IS NULL AND c.backchannel_logout
             ON CONFLICT (session_id, client_id) DO NOTHING RETURNING client_id"
        )
    };
}
// The databases make a UUID each in its own way.
macro_rules! for_both {
    ($whose:literal) => {
        Sql::per(
            write_notices!(
                "CAST(lpad(to_hex(CAST($1 AS BIGINT)), 12, '0')
                    || substr(replace(CAST(gen_random_uuid() AS TEXT), '-', ''), 13) AS UUID)",
                $whose
            ),
            write_notices!("unhex(printf('%012x', $1) || hex(randomblob(10)))", $whose),
        )
    };
}

const OF_SESSION: Sql = for_both!("s.id = $2");
// Sessions that have expired are among them, for as long as a family of theirs lives: whoever ends everything of a user
// means all of it.
const OF_USER: Sql = for_both!("s.user_id = $2 AND s.id <> $3");
const CLIENTS_OF_SESSION: Sql = Sql::both(
    "SELECT client_id FROM session_client WHERE session_id = $1 ORDER BY created_at, client_id LIMIT 100",
);
// Asked every second: SQLite's one writer is not to be kept busy by it.
const IS_DUE: Sql = Sql::both("SELECT next_at FROM logout_notice WHERE next_at <= $1 LIMIT 1");
macro_rules! claim {
    ($which:literal) => {
        concat!(
            $which,
            "UPDATE logout_notice SET attempts = attempts + 1, next_at = $2
             WHERE next_at <= $1 AND id IN (SELECT id FROM due)
             RETURNING id, client_id, session_id, user_id, subject, created_at, attempts, next_at, delivered_at, result"
        )
    };
}
// PostgreSQL has other writers, and would run a subquery that is not materialized more than once, with more rows each
// time; SQLite takes the clients as JSON.
const CLAIM: Sql = Sql::per(
    claim!(
        "WITH due AS MATERIALIZED (
            SELECT id FROM logout_notice WHERE next_at <= $1 AND client_id <> ALL($4) ORDER BY next_at LIMIT $3
            FOR UPDATE SKIP LOCKED)
         "
    ),
    claim!(
        "WITH due AS (
            SELECT id FROM logout_notice WHERE next_at <= $1 AND client_id NOT IN (SELECT value FROM json_each($4))
            ORDER BY next_at LIMIT $3)
         "
    ),
);
// Not where the lease ran out and somebody else has claimed it since: the lease tells attempts of one number apart.
const FINISH: Sql = Sql::both(
    "UPDATE logout_notice SET attempts = $4, next_at = $5, delivered_at = $6, result = $7
     WHERE id = $1 AND attempts = $2 AND next_at = $3 AND delivered_at IS NULL",
);
macro_rules! page {
    ($filter:literal) => {
        Sql::both(concat!(
            "SELECT id, client_id, session_id, user_id, subject, created_at, attempts, next_at, delivered_at, result
             FROM logout_notice WHERE id < $1 AND ($3 = '' OR client_id = $3)",
            $filter,
            " ORDER BY id DESC LIMIT $2"
        ))
    };
}
const PAGE: Sql = page!("");
const PAGE_OF_USER: Sql = page!(" AND user_id = $4");
const PAGE_OF_SESSION: Sql = page!(" AND session_id = $4");
const PAGE_OF_BOTH: Sql = page!(" AND session_id = $4 AND user_id = $5");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[
    OF_SESSION,
    OF_USER,
    CLIENTS_OF_SESSION,
    IS_DUE,
    CLAIM,
    FINISH,
    PAGE,
    PAGE_OF_USER,
    PAGE_OF_SESSION,
    PAGE_OF_BOTH,
];

/// What transactions write, and who is told of it.
#[derive(Debug, Default)]
pub(super) struct Notices {
    written: AtomicBool,
    news: Arc<Notify>,
}

impl Notices {
    /// Writes whom the end of a session concerns: so many clients.
    pub(super) async fn of_session(
        &self,
        tx: &mut Tx,
        session: SessionId,
        now: Timestamp,
    ) -> Result<u64, Error> {
        self.write(tx, &OF_SESSION, args![now, session]).await
    }

    /// Writes whom the end of all sessions of a user but `keep` concerns: so many clients.
    pub(super) async fn of_user(
        &self,
        tx: &mut Tx,
        user: UserId,
        keep: SessionId,
        now: Timestamp,
    ) -> Result<u64, Error> {
        self.write(tx, &OF_USER, args![now, user, keep]).await
    }

    async fn write(&self, tx: &mut Tx, sql: &Sql, args: Vec<Arg>) -> Result<u64, Error> {
        let clients: BTreeSet<(String,)> = tx.fetch_all(sql, args).await?.into_iter().collect();
        if !clients.is_empty() {
            self.written.store(true, Ordering::Release);
        }
        Ok(clients.len() as u64)
    }

    /// Tells whoever delivers, where something was written since the last time. Where that was rolled back, it finds
    /// nothing. Another transaction's end may take the flag of one that has written and not yet committed: then nobody
    /// is woken after the commit, and delivery begins when it looks by itself, up to a second later.
    pub(super) fn wake(&self) {
        if self.written.swap(false, Ordering::AcqRel) {
            self.news.notify_one();
        }
    }
}

#[derive(sqlx::FromRow)]
struct NoticeRow {
    id: Uuid,
    client_id: String,
    session_id: Uuid,
    user_id: Uuid,
    subject: Option<String>,
    created_at: i64,
    attempts: i64,
    next_at: Option<i64>,
    delivered_at: Option<i64>,
    result: Option<String>,
}

/// A notice to a client that a session has ended.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its id; later ones are greater.
    pub id: NoticeId,
    /// Who is told.
    pub client: ClientId,
    /// What has ended.
    pub session: SessionId,
    /// Whose session it was.
    pub user: UserId,
    /// What the client knows the user by, where that is not the user's id.
    pub subject: Option<String>,
    /// When the session ended.
    pub created_at: Timestamp,
    /// How often it has been tried, the one under way included.
    pub attempts: u32,
    /// When it is tried (again); `None` once nothing is left to do.
    pub next_at: Option<Timestamp>,
    /// When the client took it.
    pub delivered_at: Option<Timestamp>,
    /// What came of the last attempt.
    pub result: Option<String>,
}

impl Notice {
    /// `delivered`, `pending` or `failed`.
    pub const fn state(&self) -> &'static str {
        match (self.delivered_at, self.next_at) {
            (Some(_), _) => "delivered",
            (None, Some(_)) => "pending",
            (None, None) => "failed",
        }
    }
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct Attempted {
    /// How often it has been tried now.
    pub attempts: u32,
    /// When to try again; `None` for never.
    pub next_at: Option<Timestamp>,
    /// When the client took it.
    pub delivered_at: Option<Timestamp>,
    /// In a word or two; nothing that the client sent.
    pub result: String,
}

/// Which notices to read, newest first; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct NoticeQuery {
    /// Of this user.
    pub user: Option<UserId>,
    /// Of this session.
    pub session: Option<SessionId>,
    /// To this client.
    pub client: Option<ClientId>,
    /// Before this one.
    pub before: Option<NoticeId>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// The clients at which a session has signed its user in, the first ones first, at most 100.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn clients_of_session(&self, session: SessionId) -> Result<Vec<ClientId>, Error> {
        let rows = self.db.fetch_all::<(String,)>(&CLIENTS_OF_SESSION, args![session]).await?;
        Ok(rows.into_iter().map(|(id,)| ClientId(id)).collect())
    }

    /// What is notified when a transaction of this process has left notices.
    pub fn notice_news(&self) -> Arc<Notify> {
        Arc::clone(&self.outbox.notices.news)
    }

    /// Takes up to `limit` notices that are due, to other clients than `but`, for `lease`: nobody else gets them before
    /// that is over. Each goes to one of all who ask.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn claim_notices(
        &self,
        limit: u32,
        but: &[ClientId],
        lease: Duration,
        now: Timestamp,
    ) -> Result<Vec<Notice>, Error> {
        if limit == 0 || self.db.fetch_optional::<(i64,)>(&IS_DUE, args![now]).await?.is_none() {
            return Ok(Vec::new());
        }
        let but: Vec<String> = but.iter().map(|id| id.0.clone()).collect();
        let but = if self.db.is_postgres() { Arg::Texts(but) } else { Arg::from(to_json(&but)) };
        let mut args = args![now, now.plus(lease), limit];
        args.push(but);
        let rows = self.db.write_returning::<NoticeRow>(&CLAIM, args).await?;
        rows.into_iter().map(notice_of).collect()
    }

    /// Writes what came of a claimed notice; `false` where somebody else has claimed it since.
    ///
    /// # Errors
    /// A storage fault; then it is tried again when the lease is over.
    pub async fn finish_notice(&self, notice: &Notice, attempted: &Attempted) -> Result<bool, Error> {
        let args = args![
            notice.id.0,
            notice.attempts,
            notice.next_at,
            attempted.attempts,
            attempted.next_at,
            attempted.delivered_at,
            &attempted.result
        ];
        Ok(self.db.write(&FINISH, args).await? == 1)
    }

    /// Reads notices, newest first.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn notices(&self, query: &NoticeQuery) -> Result<Vec<Notice>, Error> {
        let before = query.before.map_or(Uuid::max(), |id| id.0);
        let mut args = args![before, query.limit, query.client.as_ref().map_or("", ClientId::as_str)];
        let page = match (query.session, query.user) {
            (None, None) => &PAGE,
            (None, Some(_)) => &PAGE_OF_USER,
            (Some(_), None) => &PAGE_OF_SESSION,
            (Some(_), Some(_)) => &PAGE_OF_BOTH,
        };
        args.extend(query.session.map(Arg::from));
        args.extend(query.user.map(Arg::from));
        let rows = self.db.fetch_all::<NoticeRow>(page, args).await?;
        rows.into_iter().map(notice_of).collect()
    }
}

fn notice_of(row: NoticeRow) -> Result<Notice, Error> {
    Ok(Notice {
        id: NoticeId(row.id),
        client: ClientId(row.client_id),
        session: SessionId(row.session_id),
        user: UserId(row.user_id),
        subject: row.subject,
        created_at: time(row.created_at),
        attempts: super::row::counter(row.attempts, "logout_notice", "attempts")?,
        next_at: time_option(row.next_at),
        delivered_at: time_option(row.delivered_at),
        result: row.result,
    })
}
