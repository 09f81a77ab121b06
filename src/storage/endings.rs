//! Ending things: sessions, families, codes; one transaction each, always in the order user, session, family.

use super::account::keep_below;
use super::db::{Sql, Tx, args, retried};
use super::outbox::Voided;
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::AuditEntry;
use crate::model::family::EndCause;
use crate::secret::{ClientId, FamilyHandle, SessionId, UserId};

const RAISE_EPOCH: Sql =
    Sql::both("UPDATE users SET epoch = epoch + 1, updated_at = $2 WHERE id = $1 RETURNING epoch");
// `updated_at` is the version of the account's editable part, which has just been written in the same transaction.
const RAISE_EPOCH_ALONE: Sql = Sql::both("UPDATE users SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch");
const DISABLE: Sql = Sql::both(
    "UPDATE users SET disabled_at = $2, epoch = epoch + 1, updated_at = $2 WHERE id = $1 RETURNING epoch",
);
const SET_PASSWORD: Sql = Sql::both(
    "UPDATE users SET password_phc = $3, password_changed_at = $2, epoch = epoch + 1, updated_at = $2
     WHERE id = $1 RETURNING epoch",
);
// The session that stays lives on under the new epoch, with its families: only what was good under the epoch before
// is, since what had been void must not come back.
const KEEP_SESSION: Sql = Sql::both(
    "UPDATE login_session SET epoch = (SELECT u.epoch FROM users u WHERE u.id = $1)
     WHERE user_id = $1 AND id = $2 AND ended_at IS NULL
        AND epoch = (SELECT u.epoch - 1 FROM users u WHERE u.id = $1)",
);
// Those that have run out are no devices that somebody is signed in on, though a family may keep their rows: the epoch
// voids them.
const END_SESSIONS_OF_USER: Sql = Sql::both(
    "UPDATE login_session SET ended_at = $2, end_cause = $3
     WHERE user_id = $1 AND id <> $4 AND ended_at IS NULL AND expires_at > $2 AND last_seen_at + idle_millis > $2",
);
const END_FAMILIES_OF_USER: Sql = Sql::both(
    "UPDATE refresh_family SET status = 'ended', status_cause = $3, ended_at = $2
     WHERE user_id = $1 AND session_id <> $4 AND status = 'active' AND expires_at > $2",
);
const DELETE_CODES_OF_USER: Sql =
    Sql::both("DELETE FROM authorization_code WHERE user_id = $1 AND redeemed_at IS NULL");
const DELETE_DEVICES_OF_USER: Sql = Sql::both("DELETE FROM known_device WHERE user_id = $1");
const END_SESSION: Sql =
    Sql::both("UPDATE login_session SET ended_at = $2, end_cause = $3 WHERE id = $1 AND ended_at IS NULL");
const USER_OF_SESSION: Sql =
    Sql::both("SELECT user_id, address, user_agent, place FROM login_session WHERE id = $1");
// What a browser holds in a cookie ends with its session, whatever was granted: no page is there that could outlast it.
const END_FAMILIES_OF_SESSION: Sql = Sql::both(
    "UPDATE refresh_family SET status = 'ended', status_cause = $3, ended_at = $2
     WHERE session_id = $1 AND status = 'active' AND (NOT offline OR $4 OR class = 'cookie')
     RETURNING handle, expires_at",
);
const OUTLIVED: Sql = Sql::both(
    "SELECT COUNT(*) FROM refresh_family WHERE session_id = $1 AND status = 'active' AND expires_at > $2",
);
const DELETE_CODES_OF_SESSION: Sql = Sql::both(
    "DELETE FROM authorization_code WHERE redeemed_at IS NULL AND session_id = $1
        AND user_id = (SELECT s.user_id FROM login_session s WHERE s.id = $1)",
);
const END_FAMILY: Sql = Sql::both(
    "UPDATE refresh_family SET status = 'ended', status_cause = $3, ended_at = $2
     WHERE handle = $1 AND status = 'active'",
);
const END_FAMILY_OF_CLIENT: Sql = Sql::both(
    "UPDATE refresh_family SET status = 'ended', status_cause = $3, ended_at = $2
     WHERE handle = $1 AND status = 'active' AND client_id = $4",
);
const REVOKE_TOKEN: Sql =
    Sql::both("INSERT INTO revoked_token (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING");
const USER_OF_FAMILY: Sql = Sql::both("SELECT user_id FROM refresh_family WHERE handle = $1");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[
    RAISE_EPOCH,
    RAISE_EPOCH_ALONE,
    DISABLE,
    SET_PASSWORD,
    KEEP_SESSION,
    END_SESSIONS_OF_USER,
    END_FAMILIES_OF_USER,
    DELETE_CODES_OF_USER,
    DELETE_DEVICES_OF_USER,
    END_SESSION,
    USER_OF_SESSION,
    END_FAMILIES_OF_SESSION,
    OUTLIVED,
    DELETE_CODES_OF_SESSION,
    END_FAMILY,
    END_FAMILY_OF_CLIENT,
    REVOKE_TOKEN,
    USER_OF_FAMILY,
];

/// What is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything of a user, offline families too.
    User(UserId),
    /// A login session with its families; those granted `offline_access` outlive a logout by the user, not an end by
    /// an operator or a theft.
    Session(SessionId),
    /// One family.
    Family(FamilyHandle),
}

/// How much ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ended {
    /// Login sessions.
    pub sessions: u64,
    /// Refresh-token families.
    pub families: u64,
    /// Authorization codes not yet redeemed.
    pub codes: u64,
    /// Relying parties that will be told (OpenID Connect Back-Channel Logout §2.5).
    #[serde(skip)]
    pub relying_parties: u64,
}

/// The device of a session that ended. It stays in the audit log, so that "why was I signed out?" has an answer when
/// the row is gone.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub(super) struct EndedDevice {
    address: Option<String>,
    user_agent: Option<String>,
    place: Option<String>,
}

#[derive(sqlx::FromRow)]
struct EndedSession {
    user_id: uuid::Uuid,
    #[sqlx(flatten)]
    device: EndedDevice,
}

/// The details of an audit entry: how much ended, and on which device where it was one.
pub(super) fn ended_details(ended: &Ended, device: Option<&EndedDevice>) -> String {
    #[derive(serde::Serialize)]
    struct Details<'a> {
        #[serde(flatten)]
        ended: &'a Ended,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<&'a EndedDevice>,
    }
    super::row::to_json(&Details { ended, device })
}

impl Store {
    /// "Log out all devices": raises the user's epoch and ends everything of the user. `None` for no such user.
    ///
    /// # Errors
    /// A storage fault; then nothing has ended.
    pub async fn log_out_all(
        &self,
        user: UserId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Option<Ended>, Error> {
        retried(|| async {
            let mut tx = self.db.begin().await?;
            let raised = tx.fetch_optional::<(i64,)>(&RAISE_EPOCH, args![user, now]).await?;
            let Some((epoch,)) = raised else { return Ok(None) };
            self.outbox.put(&mut tx, &Voided::User(user, epoch), now).await?;
            let ended = self.end_all_of_user(&mut tx, (user, None), EndCause::LogoutAll, now).await?;
            self.finish(tx, audit.clone(), ended).await
        })
        .await
    }

    /// Disables a user and ends everything of theirs. `None` for no such user.
    ///
    /// # Errors
    /// A storage fault; then nothing has changed.
    pub async fn disable_user(
        &self,
        user: UserId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Option<Ended>, Error> {
        retried(|| async {
            let mut tx = self.db.begin().await?;
            let raised = tx.fetch_optional::<(i64,)>(&DISABLE, args![user, now]).await?;
            let Some((epoch,)) = raised else { return Ok(None) };
            self.outbox.put(&mut tx, &Voided::User(user, epoch), now).await?;
            tx.execute(&DELETE_DEVICES_OF_USER, args![user]).await?;
            let ended = self.end_all_of_user(&mut tx, (user, None), EndCause::UserDisabled, now).await?;
            self.finish(tx, audit.clone(), ended).await
        })
        .await
    }

    /// Sets a password and ends everything of the user but the session `keep`. `None` for no such user.
    ///
    /// # Errors
    /// A storage fault; then nothing has changed.
    pub async fn set_password(
        &self,
        user: UserId,
        phc: &str,
        keep: Option<SessionId>,
        audit: AuditEntry,
    ) -> Result<Option<Ended>, Error> {
        retried(|| async {
            let now = audit.at;
            let mut tx = self.db.begin().await?;
            let raised = tx.fetch_optional::<(i64,)>(&SET_PASSWORD, args![user, now, phc]).await?;
            let Some((epoch,)) = raised else { return Ok(None) };
            self.outbox.put(&mut tx, &Voided::User(user, epoch), now).await?;
            let mut kept = None;
            if let Some(keep) = keep
                && tx.execute(&KEEP_SESSION, args![user, keep]).await? == 1
            {
                keep_below(&mut tx, (user, epoch), keep).await?;
                kept = Some(keep);
            } else {
                tx.execute(&DELETE_DEVICES_OF_USER, args![user]).await?;
            }
            let ended = self.end_all_of_user(&mut tx, (user, kept), EndCause::PasswordChanged, now).await?;
            self.finish(tx, audit.clone(), ended).await
        })
        .await
    }

    /// Ends one login session with what hangs on it. `None` where it is not live. The audit entry names its user
    /// even where the caller does not know who that is.
    ///
    /// # Errors
    /// A storage fault; then nothing has ended.
    pub async fn end_session(
        &self,
        session: SessionId,
        cause: EndCause,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Option<Ended>, Error> {
        retried(|| async {
            let mut tx = self.db.begin().await?;
            let mut audit = audit.clone();
            let ended = self.end(&mut tx, Target::Session(session), cause, now).await?;
            if ended == Ended::default() {
                return Ok(None);
            }
            let row = tx.fetch_optional::<EndedSession>(&USER_OF_SESSION, args![session]).await?;
            if audit.user.is_none() {
                audit.user = row.as_ref().map(|row| UserId(row.user_id));
            }
            let device = row.map(|row| row.device);
            self.finish_with(tx, audit.details(ended_details(&ended, device.as_ref())), ended).await
        })
        .await
    }

    /// Ends one family, if it is active and the given client's (where one is given).
    ///
    /// # Errors
    /// A storage fault; then nothing has ended.
    pub async fn end_family(
        &self,
        family: FamilyHandle,
        client: Option<&ClientId>,
        cause: EndCause,
        audit: AuditEntry,
    ) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        let now = audit.at;
        let ended = match client {
            Some(client) => {
                tx.execute(&END_FAMILY_OF_CLIENT, args![family, now, cause.as_str(), client]).await?
            }
            None => tx.execute(&END_FAMILY, args![family, now, cause.as_str()]).await?,
        };
        if ended == 0 {
            return Ok(false);
        }
        self.outbox.put(&mut tx, &Voided::Families(vec![family]), now).await?;
        super::audit::record(&mut tx, &audit).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(true)
    }

    /// Voids one access token until it would have expired (RFC 7009). The audit entry names the user of the family that
    /// it comes from, if it comes from one: what the token calls the user may be a name for its client alone.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn revoke_access_token(
        &self,
        (jti, expires_at): (&str, Timestamp),
        family: Option<FamilyHandle>,
        mut audit: AuditEntry,
    ) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        if tx.execute(&REVOKE_TOKEN, args![jti, expires_at]).await? == 1 {
            self.outbox.put(&mut tx, &Voided::Token(jti, expires_at), audit.at).await?;
            if let Some(family) = family {
                let owner = tx.fetch_optional::<(uuid::Uuid,)>(&USER_OF_FAMILY, args![family]).await?;
                audit.user = owner.map(|(user,)| UserId(user));
            }
            super::audit::record(&mut tx, &audit).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(())
    }

    /// Ends everything of a user in the transaction that has just changed the account.
    pub(super) async fn end_with_change(
        &self,
        tx: &mut Tx,
        user: UserId,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Ended, Error> {
        if let Some((epoch,)) = tx.fetch_optional::<(i64,)>(&RAISE_EPOCH_ALONE, args![user]).await? {
            self.outbox.put(tx, &Voided::User(user, epoch), now).await?;
        }
        self.end_all_of_user(tx, (user, None), cause, now).await
    }

    /// Ends `target` within a transaction, and writes what that voids.
    pub(super) async fn end(
        &self,
        tx: &mut Tx,
        target: Target,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Ended, Error> {
        match target {
            Target::User(user) => {
                if let Some((epoch,)) = tx.fetch_optional::<(i64,)>(&RAISE_EPOCH, args![user, now]).await? {
                    self.outbox.put(tx, &Voided::User(user, epoch), now).await?;
                }
                self.end_all_of_user(tx, (user, None), cause, now).await
            }
            Target::Session(session) => self.end_one_session(tx, session, cause, now).await,
            Target::Family(family) => {
                let families = tx.execute(&END_FAMILY, args![family, now, cause.as_str()]).await?;
                self.outbox.put(tx, &Voided::Families(vec![family]), now).await?;
                Ok(Ended { families, ..Ended::default() })
            }
        }
    }

    async fn end_one_session(
        &self,
        tx: &mut Tx,
        session: SessionId,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Ended, Error> {
        // Who signs out keeps what was meant to outlast it; whoever else ends a device ends all of it.
        let offline_too = matches!(
            cause,
            EndCause::Theft | EndCause::SessionEnded | EndCause::SessionLimit | EndCause::SessionMoved
        );
        let sessions = tx.execute(&END_SESSION, args![session, now, cause.as_str()]).await?;
        // Before the families: this waits for a code that is being redeemed, so that its family is seen.
        let codes = tx.execute(&DELETE_CODES_OF_SESSION, args![session]).await?;
        let args = args![session, now, cause.as_str(), offline_too];
        let families = tx.fetch_all::<(uuid::Uuid, i64)>(&END_FAMILIES_OF_SESSION, args).await?;
        let outlived = tx.fetch_optional::<(i64,)>(&OUTLIVED, args![session, now]).await?;
        // The access tokens of a family that outlives its session name that session too, also those yet to be issued.
        // So where one does, the families that ended are named instead.
        let voided = if outlived.is_some_and(|(count,)| count > 0) {
            let handles = families.iter().filter(|(_, expires_at)| {
                self.outbox.may_have_tokens(Timestamp::from_millis(*expires_at), now)
            });
            Voided::Families(handles.map(|(handle, _)| FamilyHandle(*handle)).collect())
        } else {
            Voided::Session(session)
        };
        self.outbox.put(tx, &voided, now).await?;
        let relying_parties = self.outbox.notices.of_session(tx, session, now).await?;
        Ok(Ended { sessions, families: families.len() as u64, codes, relying_parties })
    }

    pub(super) async fn finish(
        &self,
        tx: Tx,
        audit: AuditEntry,
        ended: Ended,
    ) -> Result<Option<Ended>, Error> {
        self.finish_with(tx, audit.details(ended_details(&ended, None)), ended).await
    }

    async fn finish_with(&self, mut tx: Tx, audit: AuditEntry, ended: Ended) -> Result<Option<Ended>, Error> {
        super::audit::record(&mut tx, &audit).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(Some(ended))
    }

    /// Ends everything of a user but the session `keep`, and writes whom that concerns.
    pub(super) async fn end_all_of_user(
        &self,
        tx: &mut Tx,
        (user, keep): (UserId, Option<SessionId>),
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Ended, Error> {
        // No session has the nil id, so that "all but none" is all.
        let keep = keep.unwrap_or(SessionId(uuid::Uuid::nil()));
        let args = args![user, now, cause.as_str(), keep];
        let sessions = tx.execute(&END_SESSIONS_OF_USER, args.clone()).await?;
        let families = tx.execute(&END_FAMILIES_OF_USER, args).await?;
        let codes = tx.execute(&DELETE_CODES_OF_USER, args![user]).await?;
        let relying_parties = self.outbox.notices.of_user(tx, user, keep, now).await?;
        Ok(Ended { sessions, families, codes, relying_parties })
    }
}
