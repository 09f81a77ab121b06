//! What a user sees and ends of their own: devices, applications, the password. The user's id is a condition of each
//! statement, so that nobody reaches what is another's.

use uuid::Uuid;

use super::db::{Sql, Tx, args, retried};
use super::endings::{Ended, EndedDevice, ended_details};
use super::families::LOCK_USER;
use super::outbox::Voided;
use super::row::time;
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::AuditEntry;
use crate::model::family::EndCause;
use crate::secret::{ClientId, FamilyHandle, SessionHash, SessionId, UserId};

/// What makes a family of `f` usable still, given `u`, its user, and `$2`, the time.
macro_rules! live_family {
    () => {
        "f.user_id = $1 AND f.status = 'active' AND f.epoch = u.epoch AND f.expires_at > $2
            AND (f.rotated_at + f.idle_millis > $2 OR f.created_at + f.idle_millis > $2)
            AND EXISTS (SELECT 1 FROM clients c WHERE c.client_id = f.client_id AND c.disabled_at IS NULL)
            AND (f.offline OR NOT EXISTS (
                SELECT 1 FROM login_session s WHERE s.id = f.session_id AND s.ended_at IS NOT NULL))"
    };
}
/// When the families of a group were last used.
macro_rules! last_used {
    () => {
        "MAX(CASE WHEN f.rotated_at > f.created_at THEN f.rotated_at ELSE f.created_at END)"
    };
}

// Browsers that are signed in, and under each what was begun there; a family may outlive the row of its session, so it
// brings an address and a User-Agent of its own.
const DEVICES: Sql = Sql::both(concat!(
    "SELECT * FROM (
        SELECT s.id AS session_id, CAST(NULL AS TEXT) AS client_id, s.created_at AS since, s.last_seen_at AS seen_at,
            s.address AS address, s.user_agent AS user_agent, s.place AS place
        FROM login_session s JOIN users u ON u.id = s.user_id
        WHERE s.user_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND s.last_seen_at + s.idle_millis > $2
            AND s.epoch = u.epoch
        ORDER BY s.last_seen_at DESC LIMIT $3) live
     UNION ALL
     SELECT * FROM (
        SELECT f.session_id, f.client_id, MIN(f.created_at), ",
    last_used!(),
    ", f.address, f.user_agent, CAST(NULL AS TEXT)
        FROM refresh_family f JOIN users u ON u.id = f.user_id WHERE ",
    live_family!(),
    " GROUP BY f.session_id, f.client_id, f.address, f.user_agent ORDER BY 4 DESC LIMIT $4) begun"
));
const APPLICATIONS: Sql = Sql::both(concat!(
    "SELECT * FROM (
        SELECT c.client_id AS client_id, c.scope AS scope, c.granted_at AS since, CAST(NULL AS BIGINT) AS used_at
        FROM consent c WHERE c.user_id = $1 ORDER BY c.granted_at DESC LIMIT $3) agreed
     UNION ALL
     SELECT * FROM (
        SELECT f.client_id, f.scope, MIN(f.created_at), ",
    last_used!(),
    " FROM refresh_family f JOIN users u ON u.id = f.user_id WHERE ",
    live_family!(),
    " GROUP BY f.client_id, f.scope ORDER BY 4 DESC LIMIT $4) used"
));
const END_OWN_SESSION: Sql = Sql::both(
    "UPDATE login_session SET ended_at = $2, end_cause = $3
     WHERE id = $1 AND user_id = $4 AND ended_at IS NULL RETURNING address, user_agent, place",
);
const DELETE_OWN_CODES_OF_SESSION: Sql = Sql::both(
    "DELETE FROM authorization_code WHERE redeemed_at IS NULL AND user_id = $1 AND session_id = $2",
);
const END_OWN_FAMILIES_OF_SESSION: Sql = Sql::both(
    "UPDATE refresh_family SET status = 'ended', status_cause = $3, ended_at = $2
     WHERE session_id = $1 AND user_id = $4 AND status = 'active'
     RETURNING address, user_agent, CAST(NULL AS TEXT) AS place",
);
const RAISE_EPOCH_OF: Sql = Sql::both(
    "UPDATE users SET epoch = epoch + 1, updated_at = $2
     WHERE id = $1 AND epoch = $3 AND disabled_at IS NULL RETURNING epoch",
);
const CHANGE_PASSWORD: Sql = Sql::both(
    "UPDATE users SET password_phc = $4, password_changed_at = $2, epoch = epoch + 1, updated_at = $2
     WHERE id = $1 AND epoch = $3 AND disabled_at IS NULL RETURNING epoch",
);
// What stays lives on under the new epoch; a session that has ended or expired meanwhile does not come back by it.
const KEEP_SESSION: Sql = Sql::both(
    "UPDATE login_session SET epoch = $3
     WHERE user_id = $1 AND id = $2 AND ended_at IS NULL AND epoch = $3 - 1 AND expires_at > $4
        AND last_seen_at + idle_millis > $4",
);
const RENEW_SESSION: Sql = Sql::both(
    "UPDATE login_session SET cookie_hash = $2, auth_time = $3, last_seen_at = $3
     WHERE id = $4 AND user_id = $5 AND cookie_hash = $1 AND ended_at IS NULL",
);
const KEEP_FAMILIES: Sql = Sql::both(
    "UPDATE refresh_family SET epoch = $3
     WHERE user_id = $1 AND session_id = $2 AND status = 'active' AND epoch = $3 - 1",
);
const KEEP_WEB_SESSIONS: Sql =
    Sql::both("UPDATE web_session SET epoch = $3 WHERE user_id = $1 AND session_id = $2 AND epoch = $3 - 1");
const DELETE_CONSENT: Sql = Sql::both("DELETE FROM consent WHERE user_id = $1 AND client_id = $2");
const DELETE_CODES_OF_CLIENT: Sql =
    Sql::both("DELETE FROM authorization_code WHERE user_id = $1 AND client_id = $2 AND redeemed_at IS NULL");
const END_FAMILIES_OF_CLIENT: Sql = Sql::both(
    "UPDATE refresh_family SET status = 'ended', status_cause = $4, ended_at = $3
     WHERE user_id = $1 AND client_id = $2 AND status = 'active' RETURNING handle, expires_at",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[
    DEVICES,
    APPLICATIONS,
    END_OWN_SESSION,
    DELETE_OWN_CODES_OF_SESSION,
    END_OWN_FAMILIES_OF_SESSION,
    RAISE_EPOCH_OF,
    CHANGE_PASSWORD,
    KEEP_SESSION,
    RENEW_SESSION,
    KEEP_FAMILIES,
    KEEP_WEB_SESSIONS,
    DELETE_CONSENT,
    DELETE_CODES_OF_CLIENT,
    END_FAMILIES_OF_CLIENT,
];

/// At most so many groups of families are read for one page.
const MOST_GROUPS: u32 = 1000;

#[derive(sqlx::FromRow)]
struct DeviceRow {
    session_id: Uuid,
    client_id: Option<String>,
    since: i64,
    seen_at: i64,
    address: Option<String>,
    user_agent: Option<String>,
    place: Option<String>,
}

/// A trace of a user in a browser: that it is signed in, or that an app was begun there.
#[derive(Clone, Debug)]
pub struct DeviceTrace {
    /// The login session it belongs to, whose row may be gone.
    pub session: SessionId,
    /// The app; `None` for the browser itself, while it is signed in.
    pub client: Option<ClientId>,
    /// Since when.
    pub since: Timestamp,
    /// When it was last seen.
    pub seen_at: Timestamp,
    /// From where.
    pub address: Option<String>,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Where that is, in words.
    pub place: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ApplicationRow {
    client_id: String,
    scope: String,
    since: i64,
    used_at: Option<i64>,
}

/// Something an application has of a user: what was agreed to, or what it may refresh.
#[derive(Clone, Debug)]
pub struct ApplicationTrace {
    /// The application.
    pub client: ClientId,
    /// The scope.
    pub scope: String,
    /// Since when.
    pub since: Timestamp,
    /// When it was last refreshed (or begun); `None` for what was agreed to.
    pub used_at: Option<Timestamp>,
}

/// A password that its owner sets.
#[derive(Clone, Debug)]
pub struct OwnPassword {
    /// Whose.
    pub user: UserId,
    /// The user's epoch as read with the password that was verified.
    pub epoch: i64,
    /// The new password's PHC string.
    pub phc: String,
    /// The session in which it is set, which stays.
    pub session: SessionId,
    /// That session's cookie until now and from now on.
    pub cookies: (SessionHash, SessionHash),
}

impl Store {
    /// The browsers in which a user is signed in, at most `limit`, most recently seen first, and the apps begun in
    /// them or in browsers before.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn devices_of(
        &self,
        user: UserId,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<DeviceTrace>, Error> {
        let args = args![user, now, limit, MOST_GROUPS];
        let rows = self.db.fetch_all::<DeviceRow>(&DEVICES, args).await?;
        let traces = rows.into_iter().map(|row| DeviceTrace {
            session: SessionId(row.session_id),
            client: row.client_id.map(ClientId),
            since: time(row.since),
            seen_at: time(row.seen_at),
            address: row.address,
            user_agent: row.user_agent,
            place: row.place,
        });
        Ok(traces.collect())
    }

    /// What applications have of a user: at most `limit` agreements, newest first, then live families by client and
    /// scope, most recently used first.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn applications_of(
        &self,
        user: UserId,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<ApplicationTrace>, Error> {
        let args = args![user, now, limit, MOST_GROUPS];
        let rows = self.db.fetch_all::<ApplicationRow>(&APPLICATIONS, args).await?;
        let traces = rows.into_iter().map(|row| ApplicationTrace {
            client: ClientId(row.client_id),
            scope: row.scope,
            since: time(row.since),
            used_at: row.used_at.map(time),
        });
        Ok(traces.collect())
    }

    /// Ends one of a user's own sessions with all that was begun in it, offline access too; its row may be gone
    /// already. `None` where there is nothing of it, or it is another's.
    ///
    /// # Errors
    /// A storage fault; then nothing has ended.
    pub async fn end_own_session(
        &self,
        user: UserId,
        session: SessionId,
        audit: AuditEntry,
    ) -> Result<Option<Ended>, Error> {
        retried(|| async {
            let (now, cause) = (audit.at, EndCause::SessionEnded.as_str());
            let mut tx = self.db.begin().await?;
            let args = args![session, now, cause, user];
            let sessions = tx.fetch_all::<EndedDevice>(&END_OWN_SESSION, args.clone()).await?;
            // Before the families: this waits for a code that is being redeemed, so that its family is seen.
            let codes = tx.execute(&DELETE_OWN_CODES_OF_SESSION, args![user, session]).await?;
            let families = tx.fetch_all::<EndedDevice>(&END_OWN_FAMILIES_OF_SESSION, args).await?;
            let mut ended = Ended {
                sessions: sessions.len() as u64,
                families: families.len() as u64,
                codes,
                ..Ended::default()
            };
            if ended == Ended::default() {
                return Ok(None);
            }
            if ended.sessions > 0 {
                ended.relying_parties = self.outbox.notices.of_session(&mut tx, session, now).await?;
            }
            self.outbox.put(&mut tx, &Voided::Session(session), now).await?;
            let device = sessions.into_iter().chain(families).next();
            let details = ended_details(&ended, device.as_ref());
            self.record_and_commit(tx, audit.clone().details(details)).await?;
            Ok(Some(ended))
        })
        .await
    }

    /// Ends everything of a user but one session and what was begun in it. `None` where that session is not live under
    /// `epoch`, or that is no longer the user's.
    ///
    /// # Errors
    /// A storage fault; then nothing has ended.
    pub async fn end_other_sessions(
        &self,
        (user, epoch): (UserId, i64),
        keep: SessionId,
        audit: AuditEntry,
    ) -> Result<Option<Ended>, Error> {
        retried(|| async {
            let now = audit.at;
            let mut tx = self.db.begin().await?;
            let raised = tx.fetch_optional::<(i64,)>(&RAISE_EPOCH_OF, args![user, now, epoch]).await?;
            let Some((epoch,)) = raised else { return Ok(None) };
            self.outbox.put(&mut tx, &Voided::User(user, epoch), now).await?;
            if !keep_session(&mut tx, (user, epoch), keep, now).await? {
                return Ok(None);
            }
            let ended =
                self.end_all_of_user(&mut tx, (user, Some(keep)), EndCause::SessionEnded, now).await?;
            let details = ended_details(&ended, None);
            self.record_and_commit(tx, audit.clone().details(details)).await?;
            Ok(Some(ended))
        })
        .await
    }

    /// Sets a password by its owner's wish: ends everything but the session it is set in, which goes on under a new
    /// cookie (S-076). `None` where the account or that session has moved on since it was read.
    ///
    /// # Errors
    /// A storage fault; then nothing has changed.
    pub async fn change_own_password(
        &self,
        new: &OwnPassword,
        audit: AuditEntry,
    ) -> Result<Option<Ended>, Error> {
        retried(|| async {
            let now = audit.at;
            let mut tx = self.db.begin().await?;
            let args = args![new.user, now, new.epoch, &new.phc];
            let raised = tx.fetch_optional::<(i64,)>(&CHANGE_PASSWORD, args).await?;
            let Some((epoch,)) = raised else { return Ok(None) };
            self.outbox.put(&mut tx, &Voided::User(new.user, epoch), now).await?;
            let args = args![&new.cookies.0, &new.cookies.1, now, new.session, new.user];
            if !keep_session(&mut tx, (new.user, epoch), new.session, now).await?
                || tx.execute(&RENEW_SESSION, args).await? != 1
            {
                return Ok(None);
            }
            let (keep, cause) = (Some(new.session), EndCause::PasswordChanged);
            let ended = self.end_all_of_user(&mut tx, (new.user, keep), cause, now).await?;
            let details = ended_details(&ended, None);
            self.record_and_commit(tx, audit.clone().details(details)).await?;
            Ok(Some(ended))
        })
        .await
    }

    /// Takes back all that a client may do for a user: the consent, every family, every code not yet redeemed. `None`
    /// where there is nothing of it.
    ///
    /// # Errors
    /// A storage fault; then nothing has ended.
    pub async fn withdraw_consent(
        &self,
        user: UserId,
        client: &ClientId,
        audit: AuditEntry,
    ) -> Result<Option<Ended>, Error> {
        retried(|| async {
            let now = audit.at;
            let mut tx = self.db.begin().await?;
            tx.fetch_optional::<(i64,)>(&LOCK_USER, args![user]).await?;
            let consents = tx.execute(&DELETE_CONSENT, args![user, client]).await?;
            // Before the families: this waits for a code that is being redeemed, so that its family is seen.
            let codes = tx.execute(&DELETE_CODES_OF_CLIENT, args![user, client]).await?;
            let args = args![user, client, now, EndCause::ConsentWithdrawn.as_str()];
            let families = tx.fetch_all::<(Uuid, i64)>(&END_FAMILIES_OF_CLIENT, args).await?;
            let ended = Ended { families: families.len() as u64, codes, ..Ended::default() };
            if consents == 0 && ended == Ended::default() {
                return Ok(None);
            }
            let handles = families.into_iter().filter(|(_, expires_at)| {
                self.outbox.may_have_tokens(Timestamp::from_millis(*expires_at), now)
            });
            let voided = Voided::Families(handles.map(|(handle, _)| FamilyHandle(handle)).collect());
            self.outbox.put(&mut tx, &voided, now).await?;
            let details = ended_details(&ended, None);
            self.record_and_commit(tx, audit.clone().details(details)).await?;
            Ok(Some(ended))
        })
        .await
    }

    async fn record_and_commit(&self, mut tx: Tx, audit: AuditEntry) -> Result<(), Error> {
        super::audit::record(&mut tx, &audit).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(())
    }
}

/// Takes a session, and what hangs on it, over into the user's new epoch; `false` where it is not live.
async fn keep_session(
    tx: &mut Tx,
    (user, epoch): (UserId, i64),
    session: SessionId,
    now: Timestamp,
) -> Result<bool, Error> {
    if tx.execute(&KEEP_SESSION, args![user, session, epoch, now]).await? != 1 {
        return Ok(false);
    }
    keep_below(tx, (user, epoch), session).await?;
    Ok(true)
}

/// Takes what hangs on a session that stays over into the user's new epoch: only what was good under the one before,
/// since what had been void must not come back.
pub(super) async fn keep_below(
    tx: &mut Tx,
    (user, epoch): (UserId, i64),
    session: SessionId,
) -> Result<(), Error> {
    tx.execute(&KEEP_FAMILIES, args![user, session, epoch]).await?;
    tx.execute(&KEEP_WEB_SESSIONS, args![user, session, epoch]).await?;
    Ok(())
}
