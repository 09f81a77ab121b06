//! `login_session`: browsers in which a user is signed in.

use std::time::Duration;

use uuid::Uuid;

use super::db::{Sql, Tx, args, retried};
use super::endings::Target;
use super::families::LOCK_USER;
use super::row::{json, span, time, to_json};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::{AuditEntry, Event, Origin};
use crate::model::family::EndCause;
use crate::model::session::{LoginSession, SessionState};
use crate::model::session_policy::SessionLimit;
use crate::secret::{DeviceHash, InteractionHash, SessionHash, SessionId, UserId};

macro_rules! session_columns {
    () => {
        "s.id, s.user_id, s.epoch, s.created_at, s.auth_time, s.last_seen_at, s.idle_millis, s.expires_at, \
         s.remember, s.amr, s.address, s.user_agent, s.place, s.ended_at"
    };
}

const BY_COOKIE: Sql = Sql::both(concat!(
    "SELECT ",
    session_columns!(),
    ", u.epoch AS user_epoch, u.disabled_at AS user_disabled_at, u.username
     FROM login_session s JOIN users u ON u.id = s.user_id WHERE s.cookie_hash = $1"
));
const OF_USER: Sql = Sql::both(concat!(
    "SELECT ",
    session_columns!(),
    ", u.epoch AS user_epoch, u.disabled_at AS user_disabled_at, u.username
     FROM login_session s JOIN users u ON u.id = s.user_id
     WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.last_seen_at + s.idle_millis > $2
        AND s.epoch = u.epoch
     ORDER BY s.created_at DESC LIMIT 200"
));
const PAGE: Sql = Sql::both(concat!(
    "SELECT ",
    session_columns!(),
    ", u.epoch AS user_epoch, u.disabled_at AS user_disabled_at, u.username
     FROM login_session s JOIN users u ON u.id = s.user_id
     WHERE s.id > $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.last_seen_at + s.idle_millis > $2
        AND s.epoch = u.epoch
     ORDER BY s.id LIMIT $3"
));
// The epoch comes from the user's row in the same statement: a sign-in that races with "log out all devices"
// carries the old epoch and is void.
const INSERT: Sql = Sql::both(
    "INSERT INTO login_session (id, cookie_hash, user_id, epoch, created_at, auth_time, last_seen_at, idle_millis,
        expires_at, remember, amr, address, user_agent, place)
     SELECT $1, $2, u.id, u.epoch, $4, $4, $4, $5, $6, $7, $8, $9, $10, $12 FROM users u
     WHERE u.id = $3 AND u.epoch = $11 AND u.disabled_at IS NULL",
);
// Another user's session in this browser. One of the same user that could not be renewed has expired or is void
// already: ending it would end its families, which live by their own times.
const STRANGER: Sql = Sql::both(
    "SELECT id, user_id FROM login_session WHERE cookie_hash = $1 AND user_id <> $2 AND ended_at IS NULL",
);
// Re-authentication of the same user keeps the session (and its families) under a new cookie value, and begins its life
// anew where it is now: remembered if it is wished now, or was before. The epoch is the one read with the password hash,
// so that a password that has changed since renews nothing.
const REAUTHENTICATE: Sql = Sql::both(
    "UPDATE login_session SET cookie_hash = $2, auth_time = $3, last_seen_at = $3, amr = $4,
        remember = ($7 OR (remember AND $8)),
        idle_millis = CASE WHEN $7 OR (remember AND $8) THEN CAST($9 AS BIGINT) ELSE CAST($11 AS BIGINT) END,
        expires_at = CASE WHEN $7 OR (remember AND $8) THEN CAST($10 AS BIGINT) ELSE CAST($12 AS BIGINT) END,
        address = $13, user_agent = $14, place = $15, moved_to = NULL, moved_at = NULL
     WHERE cookie_hash = $1 AND user_id = $5 AND ended_at IS NULL AND expires_at > $3
        AND last_seen_at + idle_millis > $3 AND epoch = $6
        AND epoch = (SELECT u.epoch FROM users u WHERE u.id = $5 AND u.disabled_at IS NULL)
     RETURNING id",
);
pub(super) const TOUCH: Sql = Sql::both(
    "UPDATE login_session SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2 AND ended_at IS NULL",
);
// One that has idled away stays so.
const SEE: Sql = Sql::both(
    "UPDATE login_session SET last_seen_at = $2
     WHERE id = $1 AND ended_at IS NULL AND expires_at > $2 AND last_seen_at + idle_millis > $2
        AND (last_seen_at < $3 OR last_seen_at + idle_millis / 10 < $2)",
);
const REMEMBER_DEVICE: Sql = Sql::both(
    "INSERT INTO known_device (cookie_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (cookie_hash, user_id) DO UPDATE SET expires_at = excluded.expires_at",
);
const IS_KNOWN_DEVICE: Sql = Sql::both(
    "SELECT created_at FROM known_device WHERE cookie_hash = $1 AND user_id = $2 AND expires_at > $3",
);
const ATTACH_INTERACTION: Sql =
    Sql::both("UPDATE interaction SET session_id = $2 WHERE handle_hash = $1 AND expires_at > $3");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[
    BY_COOKIE,
    OF_USER,
    PAGE,
    INSERT,
    STRANGER,
    REAUTHENTICATE,
    TOUCH,
    SEE,
    REMEMBER_DEVICE,
    IS_KNOWN_DEVICE,
    ATTACH_INTERACTION,
];

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    epoch: i64,
    created_at: i64,
    auth_time: i64,
    last_seen_at: i64,
    idle_millis: i64,
    expires_at: i64,
    remember: bool,
    amr: String,
    address: Option<String>,
    user_agent: Option<String>,
    place: Option<String>,
    ended_at: Option<i64>,
    user_epoch: i64,
    user_disabled_at: Option<i64>,
    username: String,
}

/// How long a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// How long it may stay unseen.
    pub idle: Duration,
    /// When it ends, whatever happens.
    pub expires_at: Timestamp,
}

/// What became of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// A session has begun, or the browser's was renewed.
    Begun(SessionId),
    /// Everything of the user ended, or the account was disabled, since the password was read.
    Void,
    /// The user has as many sessions as allowed: this many.
    Full(u32),
}

/// A successful sign-in.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session's public id, used if a new session begins.
    pub id: SessionId,
    /// Hash of the new cookie value.
    pub cookie: SessionHash,
    /// Who signed in.
    pub user: UserId,
    /// The user's epoch as read with the password hash that was verified.
    pub epoch: i64,
    /// How long it lives.
    pub life: Life,
    /// How long where the user asked to stay signed in; `None` where that is not offered.
    pub remembered: Option<Life>,
    /// Whether the user asks for it now.
    pub remember: bool,
    /// How many sessions the user may have at once.
    pub limit: Option<SessionLimit>,
    /// Authentication methods.
    pub amr: Vec<String>,
    /// The cookie the browser came with, which dies.
    pub replaces: Option<SessionHash>,
    /// The interaction this sign-in belongs to.
    pub interaction: Option<InteractionHash>,
    /// The browser's device cookie, and until when it is known as one of the user's.
    pub device: (DeviceHash, Timestamp),
}

impl Store {
    /// The live session of a cookie with its user's name; `None` where the cookie authenticates nobody.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn session_by_cookie(
        &self,
        cookie: &SessionHash,
        now: Timestamp,
    ) -> Result<Option<(LoginSession, String)>, Error> {
        let Some(row) = self.db.fetch_optional::<SessionRow>(&BY_COOKIE, args![cookie]).await? else {
            return Ok(None);
        };
        let (user_epoch, user_active) = (row.user_epoch, row.user_disabled_at.is_none());
        let (session, username) = session_of(row)?;
        let live = user_active && session.is_live(now, user_epoch);
        Ok(live.then_some((session, username)))
    }

    /// A user's live sessions, newest first, at most 200.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn sessions_of(&self, user: UserId, now: Timestamp) -> Result<Vec<LoginSession>, Error> {
        let rows = self.db.fetch_all::<SessionRow>(&OF_USER, args![user, now]).await?;
        rows.into_iter().map(|row| session_of(row).map(|(session, _)| session)).collect()
    }

    /// Up to `limit` live sessions whose id is above `after`, in id order (which is the order of sign-in).
    ///
    /// # Errors
    /// A storage fault.
    pub async fn live_sessions(
        &self,
        after: Option<SessionId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<LoginSession>, Error> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let rows = self.db.fetch_all::<SessionRow>(&PAGE, args![after, now, limit]).await?;
        rows.into_iter().map(|row| session_of(row).map(|(session, _)| session)).collect()
    }

    /// Begins a session, or renews the browser's session where it is the same user's: either way under a new
    /// cookie value, the old one dead (S-076). Where the user may have no more, the sessions begun first end, or
    /// nothing begins; a renewal is none more.
    ///
    /// # Errors
    /// A storage fault; then nothing has changed.
    pub async fn sign_in(
        &self,
        new: &NewSession,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<SignIn, Error> {
        retried(|| async {
            let mut tx = self.db.begin().await?;
            if new.limit.is_some() {
                // Whoever counts counts alone; SQLite has one writer.
                tx.fetch_optional::<(i64,)>(&LOCK_USER, args![new.user]).await?;
            }
            let id = match self.renew(&mut tx, new, &audit, now).await? {
                Some(renewed) => renewed,
                None => {
                    if let Some(limit) = new.limit
                        && !self.make_room(&mut tx, new, limit, &audit).await?
                    {
                        return Ok(SignIn::Full(limit.most));
                    }
                    if !begin(&mut tx, new, &audit.origin, now).await? {
                        return Ok(SignIn::Void);
                    }
                    new.id
                }
            };
            if let Some(interaction) = &new.interaction {
                tx.execute(&ATTACH_INTERACTION, args![interaction, id, now]).await?;
            }
            tx.execute(&REMEMBER_DEVICE, args![&new.device.0, new.user, now, new.device.1]).await?;
            super::audit::record(&mut tx, &audit.clone().session(id)).await?;
            tx.commit().await?;
            self.outbox.wake();
            Ok(SignIn::Begun(id))
        })
        .await
    }

    /// Renews the session that the browser came with, if it is the user's own and live; ends it if it is another's.
    async fn renew(
        &self,
        tx: &mut Tx,
        new: &NewSession,
        audit: &AuditEntry,
        now: Timestamp,
    ) -> Result<Option<SessionId>, Error> {
        let Some(old) = &new.replaces else { return Ok(None) };
        let remembered = new.remembered.unwrap_or(new.life);
        let args = args![
            old,
            &new.cookie,
            now,
            to_json(&new.amr),
            new.user,
            new.epoch,
            new.remember && new.remembered.is_some(),
            new.remembered.is_some(),
            remembered.idle,
            remembered.expires_at,
            new.life.idle,
            new.life.expires_at,
            audit.origin.address.clone(),
            audit.origin.user_agent.clone(),
            audit.origin.place.clone(),
        ];
        let renewed = tx.fetch_optional::<(Uuid,)>(&REAUTHENTICATE, args).await?;
        if renewed.is_none() {
            self.end_stranger(tx, old, audit, now).await?;
        }
        Ok(renewed.map(|(id,)| SessionId(id)))
    }

    /// Ends the session that another user has in the browser of the sign-in that `sign_in` records.
    async fn end_stranger(
        &self,
        tx: &mut Tx,
        cookie: &SessionHash,
        sign_in: &AuditEntry,
        now: Timestamp,
    ) -> Result<(), Error> {
        let row = tx.fetch_optional::<(Uuid, Uuid)>(&STRANGER, args![cookie, sign_in.user]).await?;
        let Some((session, user)) = row else { return Ok(()) };
        let session = SessionId(session);
        self.end(tx, Target::Session(session), EndCause::Superseded, now).await?;
        let entry = self
            .audit_entry(Event::SessionEnded, sign_in.actor.clone(), now)?
            .user(UserId(user))
            .session(session)
            .origin(&sign_in.origin)
            .cause(EndCause::Superseded.as_str());
        super::audit::record(tx, &entry).await
    }

    /// Notes that a session's browser was seen; at most once a minute is worth a write, or ten times in the time after
    /// which an unseen session ends.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn touch_session(&self, session: &LoginSession, now: Timestamp) -> Result<(), Error> {
        if Self::is_seen_lately((session.last_seen_at, session.idle), now) {
            return Ok(());
        }
        self.db.write(&TOUCH, args![session.id, now]).await.map(|_| ())
    }

    /// Notes that a live session's browser was seen, by somebody who knows no more of it than the id; at most once a
    /// minute it is a write.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn see_session(&self, session: SessionId, now: Timestamp) -> Result<(), Error> {
        let before = now.minus(Duration::from_secs(60));
        self.db.write(&SEE, args![session, now, before]).await.map(|_| ())
    }

    /// Whether this browser has signed in to this account before.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn is_known_device(
        &self,
        device: &DeviceHash,
        user: UserId,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let row = self.db.fetch_optional::<(i64,)>(&IS_KNOWN_DEVICE, args![device, user, now]).await?;
        Ok(row.is_some())
    }
}

/// Begins a session; `false` where the account has moved on since the password was read.
async fn begin(tx: &mut Tx, new: &NewSession, origin: &Origin, now: Timestamp) -> Result<bool, Error> {
    let remembered = new.remembered.filter(|_| new.remember);
    let life = remembered.unwrap_or(new.life);
    let args = args![
        new.id,
        &new.cookie,
        new.user,
        now,
        life.idle,
        life.expires_at,
        remembered.is_some(),
        to_json(&new.amr),
        origin.address.clone(),
        origin.user_agent.clone(),
        new.epoch,
        origin.place.clone(),
    ];
    Ok(tx.execute(&INSERT, args).await? == 1)
}

fn session_of(row: SessionRow) -> Result<(LoginSession, String), Error> {
    let session = LoginSession {
        id: SessionId(row.id),
        user: UserId(row.user_id),
        epoch: row.epoch,
        created_at: time(row.created_at),
        auth_time: time(row.auth_time),
        last_seen_at: time(row.last_seen_at),
        idle: span(row.idle_millis),
        expires_at: time(row.expires_at),
        remember: row.remember,
        amr: json(&row.amr, "login_session", "amr")?,
        address: row.address,
        user_agent: row.user_agent,
        place: row.place,
        state: row.ended_at.map_or(SessionState::Live, |at| SessionState::Ended(time(at))),
    };
    Ok((session, row.username))
}
