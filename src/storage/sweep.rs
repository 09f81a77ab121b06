//! Cleanup without a janitor: small batches, never waiting for a row that somebody else holds.

use std::time::Duration;

use uuid::Uuid;

use super::db::{Sql, args};
use super::{Error, Store};
use crate::clock::Timestamp;

/// Deletes a batch from one table by a condition on `$1` (a time) and `$2` (the batch size); the condition holds for
/// each row deleted, also where the key is only a part of the primary key. PostgreSQL skips rows
/// that others hold; SQLite has one writer, so there is nobody to wait for.
macro_rules! sweep {
    ($table:literal, $key:literal, $condition:literal) => {
        Sql::per(
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE ",
                $key,
                " IN (SELECT ",
                $key,
                " FROM ",
                $table,
                " WHERE ",
                $condition,
                " LIMIT $2 FOR UPDATE SKIP LOCKED) AND ",
                $condition
            ),
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE ",
                $key,
                " IN (SELECT ",
                $key,
                " FROM ",
                $table,
                " WHERE ",
                $condition,
                " LIMIT $2) AND ",
                $condition
            ),
        )
    };
}

macro_rules! family_window {
    () => {
        "SELECT id FROM refresh_family WHERE id > $1 AND id <= $2
            AND (expires_at < $3 OR ended_at < $3
                OR (rotated_at + idle_millis < $3 AND created_at + idle_millis < $3))"
    };
}

// The row of an ended session stays for its grace whenever it would have expired: it is what refuses a family that
// raced with the end. One that ran out stays while a family that began in it lives, since the row says who is told when
// that family ends. PostgreSQL would make a join of NOT EXISTS, and may read all families for it; this is a look into
// their index for each session that is to go.
macro_rules! session_window {
    () => {
        "SELECT id FROM login_session WHERE id > $1 AND id <= $2
            AND (ended_at < $3 OR (ended_at IS NULL AND (expires_at < $3 OR last_seen_at + idle_millis < $3)
                AND (SELECT f.status FROM refresh_family f
                    WHERE f.session_id = login_session.id AND f.status = 'active' LIMIT 1) IS NULL))"
    };
}

const INTERACTIONS: Sql = sweep!("interaction", "handle_hash", "expires_at < $1");
const CODES: Sql = sweep!("authorization_code", "code_hash", "expires_at < $1");
const REVOKED: Sql = sweep!("revoked_token", "jti", "expires_at < $1");
const THROTTLE: Sql = sweep!("throttle", "bucket", "allowed_at < $1");
const ASSERTIONS: Sql = sweep!("used_assertion", "id_hash", "expires_at < $1");
const DEVICES: Sql = sweep!("known_device", "cookie_hash", "expires_at < $1");
// The password given again lets a login session, and what hangs on it, outlive the time it began with; one that has run
// out is not renewed.
const WEB_SESSIONS: Sql = sweep!(
    "web_session",
    "cookie_hash",
    "expires_at < $1 AND NOT EXISTS (SELECT 1 FROM login_session s WHERE s.id = web_session.session_id
        AND s.ended_at IS NULL AND s.expires_at >= $1 AND s.last_seen_at + s.idle_millis >= $1)"
);
const AUDIT: Sql = sweep!("audit_event", "id", "at < $1");
// A prefix, so that what is kept has no gaps.
const BATCHES: Sql = Sql::both(
    "DELETE FROM revocation_batch WHERE n <= (
        SELECT MAX(n) FROM (SELECT n, created_at FROM revocation_batch ORDER BY n LIMIT $2) w WHERE created_at < $1)",
);
// No index may mention what a refresh changes, so families and sessions are visited in the order of their keys, a
// window at a time; the next visit goes on where this one stopped and begins anew at the end.
const FAMILY_WINDOW: Sql = Sql::both(
    "SELECT id FROM (SELECT id FROM refresh_family WHERE id > $1 ORDER BY id LIMIT $2) w ORDER BY id DESC LIMIT 1",
);
const FAMILIES: Sql = Sql::per(
    concat!("DELETE FROM refresh_family WHERE id IN (", family_window!(), " FOR UPDATE SKIP LOCKED)"),
    concat!("DELETE FROM refresh_family WHERE id IN (", family_window!(), ")"),
);
const SESSION_WINDOW: Sql = Sql::both(
    "SELECT id FROM (SELECT id FROM login_session WHERE id > $1 ORDER BY id LIMIT $2) w ORDER BY id DESC LIMIT 1",
);
// What raced with the end of its session is refused while the session's row is there to say so; it goes first.
const FAMILIES_OF_ENDED_SESSIONS: Sql = Sql::both(
    "DELETE FROM refresh_family WHERE NOT offline AND session_id IN (
        SELECT id FROM login_session WHERE id > $1 AND id <= $2 AND ended_at < $3)",
);
// The clients of a session go with it. SQLite knows no data-modifying WITH: there it is two statements.
const SESSIONS: Sql = Sql::per(
    concat!(
        "WITH gone AS (DELETE FROM login_session WHERE id IN (",
        session_window!(),
        " FOR UPDATE SKIP LOCKED) RETURNING id), clients AS (
            DELETE FROM session_client WHERE session_id IN (SELECT id FROM gone)) SELECT id FROM gone"
    ),
    concat!("DELETE FROM login_session WHERE id IN (", session_window!(), ")"),
);
const CLIENTS_OF_SESSIONS: Sql =
    Sql::both(concat!("DELETE FROM session_client WHERE session_id IN (", session_window!(), ")"));
const NOTICES: Sql = sweep!("logout_notice", "id", "created_at < $1 AND next_at IS NULL");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[
    INTERACTIONS,
    CODES,
    REVOKED,
    THROTTLE,
    ASSERTIONS,
    DEVICES,
    WEB_SESSIONS,
    AUDIT,
    BATCHES,
    FAMILY_WINDOW,
    FAMILIES,
    SESSION_WINDOW,
    FAMILIES_OF_ENDED_SESSIONS,
    SESSIONS,
    CLIENTS_OF_SESSIONS,
    NOTICES,
];

/// Rows that expired or ended this long ago may go: longer than any code, access token or clock difference, so
/// that nothing still under way misses them.
const GRACE: Duration = Duration::from_secs(3600);

/// Batches of the revocation feed are kept so long: longer than any entry lives (docs/revocation-feed.md §3).
const FEED_RETENTION: Duration = Duration::from_secs(20 * 60);

/// What came of a notice can be read for so long (docs/logout.md).
const NOTICE_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where the last visit of the tables without an expiry index stopped.
#[derive(Clone, Debug, Default)]
pub struct SweepCursor {
    family: Vec<u8>,
    session: Uuid,
}

impl SweepCursor {
    /// Whether the next visit begins anew: all rows have been visited.
    pub fn is_at_start(&self) -> bool {
        self.family.is_empty() && self.session.is_nil()
    }
}

/// How much a sweep deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Families.
    pub families: u64,
    /// Login sessions.
    pub sessions: u64,
    /// Codes, interactions, revocations, batches of the feed, throttle buckets, used assertions, known devices, web
    /// sessions and notices.
    pub other: u64,
    /// Audit entries past their retention.
    pub audit: u64,
}

impl Swept {
    /// All rows deleted.
    pub const fn total(&self) -> u64 {
        self.families + self.sessions + self.other + self.audit
    }
}

impl Store {
    /// Deletes at most about `batch` rows of each table. Every statement is its own short transaction.
    ///
    /// # Errors
    /// A storage fault; what was deleted stays deleted.
    pub async fn sweep(
        &self,
        cursor: &mut SweepCursor,
        batch: u32,
        audit_retention: Duration,
        now: Timestamp,
    ) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        let old = now.minus(GRACE);
        // There can be many of these, so they go at once: an interaction that has expired is not answered any more, an
        // empty bucket is like none, and the time of an assertion has the difference of clocks in it.
        for statement in [&INTERACTIONS, &THROTTLE, &ASSERTIONS] {
            swept.other += self.db.write(statement, args![now, batch]).await?;
        }
        for statement in [&CODES, &REVOKED, &DEVICES] {
            swept.other += self.db.write(statement, args![old, batch]).await?;
        }
        swept.other += self.db.write(&BATCHES, args![now.minus(FEED_RETENTION), batch]).await?;
        swept.audit = self.db.write(&AUDIT, args![now.minus(audit_retention), batch]).await?;
        let from = std::mem::take(&mut cursor.family);
        let window = self.db.fetch_optional::<(Vec<u8>,)>(&FAMILY_WINDOW, args![from.clone(), batch]).await?;
        if let Some((to,)) = window {
            swept.families = self.db.write(&FAMILIES, args![from, to.clone(), old]).await?;
            cursor.family = to;
        }
        let from = std::mem::take(&mut cursor.session);
        if let Some((to,)) = self.db.fetch_optional::<(Uuid,)>(&SESSION_WINDOW, args![from, batch]).await? {
            swept.families += self.db.write(&FAMILIES_OF_ENDED_SESSIONS, args![from, to, old]).await?;
            swept.sessions = self.sweep_sessions((from, to), old).await?;
            cursor.session = to;
        }
        swept.other += self.db.write(&WEB_SESSIONS, args![old, batch]).await?;
        swept.other += self.db.write(&NOTICES, args![now.minus(NOTICE_RETENTION), batch]).await?;
        Ok(swept)
    }

    async fn sweep_sessions(&self, (from, to): (Uuid, Uuid), old: Timestamp) -> Result<u64, Error> {
        let args = args![from, to, old];
        if self.db.is_postgres() {
            return self.db.write(&SESSIONS, args).await;
        }
        let mut tx = self.db.begin().await?;
        tx.execute(&CLIENTS_OF_SESSIONS, args.clone()).await?;
        let sessions = tx.execute(&SESSIONS, args).await?;
        tx.commit().await.map(|()| sessions)
    }
}
