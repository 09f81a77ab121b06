//! What the policy does to login sessions: room for one more, and those that come back from elsewhere. Who is to decide
//! once does so in the condition of a write, however many requests arrive together.

use std::time::Duration;

use uuid::Uuid;

use super::db::{Sql, Tx, args};
use super::endings::{Ended, Target};
use super::sessions::NewSession;
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::{AuditEntry, Event, Origin};
use crate::model::family::EndCause;
use crate::model::session::LoginSession;
use crate::model::session_policy::{OverLimit, SessionLimit};
use crate::secret::{FamilyHandle, SessionId};

// The newest are skipped; what is left is beyond the limit. A limit that has just been set may leave many: a sign-in
// ends a hundred of them and leaves the rest to the next, so that it is answered in time.
const BEYOND: Sql = Sql::both(
    "SELECT id FROM login_session
     WHERE user_id = $1 AND epoch = $2 AND ended_at IS NULL AND expires_at > $3 AND last_seen_at + idle_millis > $3
     ORDER BY created_at DESC, id DESC LIMIT 100 OFFSET $4",
);
// Of the requests that come from the new place together one finds the session where they all have read it to be. A cookie
// that goes to and fro is noted now and then, so that whoever holds it cannot fill the log; `moved_at` says when last.
const MOVE: Sql = Sql::both(
    "UPDATE login_session SET address = $2, user_agent = $3, place = $4, moved_at = $7
     WHERE id = $1 AND ended_at IS NULL AND address IS NOT DISTINCT FROM $5 AND user_agent IS NOT DISTINCT FROM $6
        AND (moved_at IS NULL OR moved_at <= $8)",
);
const MOVE_FAMILY: Sql = Sql::both(
    "UPDATE refresh_family SET address = $2, user_agent = $3, moved_at = $6
     WHERE handle = $1 AND status = 'active' AND address IS NOT DISTINCT FROM $4 AND user_agent IS NOT DISTINCT FROM $5
        AND (moved_at IS NULL OR moved_at <= $7)",
);
// The session stays where it is until the password is given, so that its own browser is not shut out by a copy.
const HOLD: Sql = Sql::both(
    "UPDATE login_session SET moved_to = $2, moved_at = $3
     WHERE id = $1 AND ended_at IS NULL AND (moved_to IS NULL OR moved_to <> $2)
        AND (moved_at IS NULL OR moved_at <= $4)",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[BEYOND, MOVE, MOVE_FAMILY, HOLD];

/// A session, and a family, is noted to have moved at most once in this time.
const BETWEEN_NOTES: Duration = Duration::from_secs(600);

impl Store {
    /// Makes room for `new` within the limit, in the transaction that begins it, which holds the lock of the user;
    /// `false` where nothing may give way.
    pub(super) async fn make_room(
        &self,
        tx: &mut Tx,
        new: &NewSession,
        limit: SessionLimit,
        sign_in: &AuditEntry,
    ) -> Result<bool, Error> {
        let now = sign_in.at;
        let others = limit.most.saturating_sub(1);
        let args = args![new.user, new.epoch, now, others];
        let beyond = tx.fetch_all::<(Uuid,)>(&BEYOND, args).await?;
        if limit.over == OverLimit::Refuse {
            return Ok(beyond.is_empty());
        }
        for (id,) in beyond {
            let session = SessionId(id);
            let ended = self.end(tx, Target::Session(session), EndCause::SessionLimit, now).await?;
            let entry = self
                .audit_entry(Event::SessionEnded, sign_in.actor.clone(), now)?
                .user(new.user)
                .session(session)
                .origin(&sign_in.origin)
                .cause(EndCause::SessionLimit.as_str())
                .details(super::row::to_json(&ended));
            super::audit::record(tx, &entry).await?;
        }
        Ok(true)
    }

    /// Notes that a session has moved to `to` and takes that for its place from now on; `true` for exactly one of the
    /// requests that read it as `session`. What is unknown of `to` stays as it was, and all of it does where another
    /// move was noted less than ten minutes before.
    ///
    /// # Errors
    /// A storage fault; then nothing is noted.
    pub async fn move_session(
        &self,
        session: &LoginSession,
        to: &Origin,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let (address, place) = match &to.address {
            Some(address) => (Some(address.clone()), to.place.clone()),
            None => (session.address.clone(), session.place.clone()),
        };
        let args = args![
            session.id,
            address,
            to.user_agent.clone(),
            place,
            session.address.clone(),
            session.user_agent.clone(),
            audit.at,
            audit.at.minus(BETWEEN_NOTES),
        ];
        self.noted(&MOVE, args, audit).await
    }

    /// The same for a family whose refresh token came from `to`, where it was last noted at `from`.
    ///
    /// # Errors
    /// A storage fault; then nothing is noted.
    pub async fn move_family(
        &self,
        family: FamilyHandle,
        from: &Origin,
        to: &Origin,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let address = to.address.clone().or_else(|| from.address.clone());
        let (at, by) = (from.address.clone(), from.user_agent.clone());
        let (now, before) = (audit.at, audit.at.minus(BETWEEN_NOTES));
        let args = args![family, address, to.user_agent.clone(), at, by, now, before];
        self.noted(&MOVE_FAMILY, args, audit).await
    }

    /// Notes that a session's cookie came from where the password has not been given; `true` once per `mark` of that
    /// place, and once in ten minutes. The session itself stays where it is.
    ///
    /// # Errors
    /// A storage fault; then nothing is noted.
    pub async fn hold_session(
        &self,
        session: SessionId,
        mark: &str,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        self.noted(&HOLD, args![session, mark, audit.at, audit.at.minus(BETWEEN_NOTES)], audit).await
    }

    /// Ends a session that has moved, with everything below it, and notes both. `None` where another request was first.
    ///
    /// # Errors
    /// A storage fault; then it lives on.
    pub async fn end_moved_session(
        &self,
        session: SessionId,
        moved: &AuditEntry,
        ended: &AuditEntry,
    ) -> Result<Option<Ended>, Error> {
        super::db::retried(|| async {
            let mut tx = self.db.begin().await?;
            let target = Target::Session(session);
            let count = self.end(&mut tx, target, EndCause::SessionMoved, ended.at).await?;
            if count.sessions == 0 {
                return Ok(None);
            }
            super::audit::record(&mut tx, moved).await?;
            self.finish(tx, ended.clone(), count).await
        })
        .await
    }

    /// Carries out one conditional write and its audit entry, or neither.
    async fn noted(&self, sql: &Sql, args: Vec<super::Arg>, audit: &AuditEntry) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        if tx.execute(sql, args).await? == 0 {
            return Ok(false);
        }
        super::audit::record(&mut tx, audit).await?;
        tx.commit().await.map(|()| true)
    }

    /// How long a session may go without a write that says it was seen: a minute, less where it ends sooner unseen.
    pub(super) fn is_seen_lately((last_seen_at, idle): (Timestamp, Duration), now: Timestamp) -> bool {
        now < last_seen_at.plus((idle / 10).min(Duration::from_secs(60)))
    }
}
