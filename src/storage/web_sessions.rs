//! `web_session`: browsers in which a classic web application's user is signed in, for its reverse proxy to ask about.
//!
//! A row holds nothing of its own but what it hangs on: the user's epoch, the login session, the family. It ends when
//! any of them ends, without being touched.

use std::time::Duration;

use uuid::Uuid;

use super::db::{Sql, args};
use super::handoff::CookieLife;
use super::row::{json, span, time};
use super::sessions::TOUCH;
use super::subject::{SubjectRow, subject_columns};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::user::Subject;
use crate::oauth::scope::Scope;
use crate::secret::{ClientId, FamilyHandle, SessionId, WebSessionHash};

/// What a web session hangs on, as joins that its life is made of. `$2` is the client, `$3` the time.
macro_rules! live {
    ($row:literal) => {
        concat!(
            " JOIN users u ON u.id = ",
            $row,
            ".user_id AND u.epoch = ",
            $row,
            ".epoch AND u.disabled_at IS NULL
             JOIN login_session s ON s.id = ",
            $row,
            ".session_id AND s.user_id = u.id AND s.epoch = u.epoch AND s.ended_at IS NULL
                AND s.expires_at > $3 AND s.last_seen_at + s.idle_millis > $3
             JOIN clients c ON c.client_id = $2 AND c.client_id = ",
            $row,
            ".client_id AND c.disabled_at IS NULL"
        )
    };
}

// Everything it hangs on is a condition of the statement: one that races with "log out all devices" is not made, or
// carries the old epoch and is void.
const BEGIN: Sql = Sql::both(concat!(
    "INSERT INTO web_session (cookie_hash, family_handle, session_id, user_id, client_id, epoch, created_at, expires_at)
     SELECT $1, f.handle, s.id, u.id, c.client_id, u.epoch, $3, s.expires_at FROM refresh_family f",
    live!("f"),
    " WHERE f.handle = $4 AND f.status = 'active'"
));
const LIFE: Sql = Sql::both(
    "SELECT s.expires_at, s.remember FROM web_session w JOIN login_session s ON s.id = w.session_id
     WHERE w.cookie_hash = $1",
);
// The time of the login session counts and not its own, since the password given again begins that anew.
const FIND: Sql = Sql::both(concat!(
    "SELECT w.session_id, w.family_handle, w.epoch, s.last_seen_at, s.idle_millis, f.auth_time, f.amr, f.scope,
        f.audience, f.subject, ",
    subject_columns!(),
    " FROM web_session w JOIN refresh_family f ON f.handle = w.family_handle AND f.user_id = w.user_id
        AND f.client_id = w.client_id AND f.session_id = w.session_id AND f.status = 'active'",
    live!("w"),
    " WHERE w.cookie_hash = $1"
));

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[BEGIN, LIFE, FIND];

#[derive(sqlx::FromRow)]
struct WebSessionRow {
    session_id: Uuid,
    family_handle: Uuid,
    epoch: i64,
    last_seen_at: i64,
    idle_millis: i64,
    auth_time: i64,
    amr: String,
    scope: String,
    audience: String,
    subject: Option<String>,
    #[sqlx(flatten)]
    user: SubjectRow,
}

/// A web session to begin under a family that a code has just been redeemed for.
#[derive(Clone, Debug)]
pub struct NewWebSession {
    /// Hash of the cookie's value.
    pub cookie: WebSessionHash,
    /// The application.
    pub client: ClientId,
    /// The family, which names user and login session.
    pub family: FamilyHandle,
}

/// A live web session.
#[derive(Clone, Debug)]
pub struct WebSession {
    /// The user as of now.
    pub subject: Subject,
    /// The login session it hangs on.
    pub session: SessionId,
    /// When that session's browser was last seen, to within a minute.
    pub last_seen_at: Timestamp,
    /// How long it may stay unseen.
    pub idle: Duration,
    /// The family it hangs on; its generation stays 0.
    pub family: FamilyHandle,
    /// When the user proved who they are.
    pub auth_time: Timestamp,
    /// How.
    pub amr: Vec<String>,
    /// What was granted.
    pub scope: Scope,
    /// The audience of its access tokens.
    pub audience: Vec<String>,
    /// The user's epoch.
    pub epoch: i64,
}

impl Store {
    /// Begins a web session. `None` where anything it would hang on has ended meanwhile.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn begin_web_session(
        &self,
        new: &NewWebSession,
        now: Timestamp,
    ) -> Result<Option<CookieLife>, Error> {
        let mut tx = self.db.begin().await?;
        if tx.execute(&BEGIN, args![&new.cookie, &new.client, now, new.family]).await? == 0 {
            return Ok(None);
        }
        let life = tx.fetch_optional::<(i64, bool)>(&LIFE, args![&new.cookie]).await?;
        tx.commit().await?;
        Ok(life.map(|(expires_at, remember)| CookieLife { expires_at: time(expires_at), remember }))
    }

    /// The live web session of a cookie at this application; `None` where the cookie authenticates nobody there.
    ///
    /// # Errors
    /// A storage fault: the caller answers 503, never "signed in" and never "signed out".
    pub async fn web_session(
        &self,
        cookie: &WebSessionHash,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Option<WebSession>, Error> {
        let row = self.db.fetch_optional::<WebSessionRow>(&FIND, args![cookie, client, now]).await?;
        row.map(web_session_of).transpose()
    }

    /// Notes that a web session's browser was seen, which keeps its login session from lying idle; as often as is
    /// worth a write for a login session.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn touch_web_session(&self, session: &WebSession, now: Timestamp) -> Result<(), Error> {
        if Self::is_seen_lately((session.last_seen_at, session.idle), now) {
            return Ok(());
        }
        self.db.write(&TOUCH, args![session.session, now]).await.map(|_| ())
    }
}

fn web_session_of(row: WebSessionRow) -> Result<WebSession, Error> {
    const FAMILY: &str = "refresh_family";
    Ok(WebSession {
        session: SessionId(row.session_id),
        last_seen_at: time(row.last_seen_at),
        idle: span(row.idle_millis),
        family: FamilyHandle(row.family_handle),
        auth_time: time(row.auth_time),
        amr: json(&row.amr, FAMILY, "amr")?,
        scope: Scope::parse(&row.scope).map_err(|_| Error::Corrupt { table: FAMILY, column: "scope" })?,
        audience: json(&row.audience, FAMILY, "audience")?,
        epoch: row.epoch,
        subject: row.user.subject(row.subject)?,
    })
}
