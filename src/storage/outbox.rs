//! `revocation_outbox`: what a transaction has revoked, written in that transaction (docs/revocation-feed.md §6). The
//! batcher ([`super::feed`]) takes it from here.

use std::sync::Arc;
use std::time::Duration;

use signet_verify::feed::entry::{Entry, Kind};
use tokio::sync::Notify;

use super::Error;
use super::db::{Arg, Sql, Tx, args};
use super::logout_notices::Notices;
use crate::clock::Timestamp;
use crate::secret::{ClientId, FamilyHandle, KeyId, SessionId, UserId};

// PostgreSQL takes the ids as an array; SQLite has none and takes JSON.
const INSERT: Sql = Sql::per(
    "INSERT INTO revocation_outbox (kind, subject, min, dies_at, created_at)
     SELECT $1, ids.id, $3, $4, $5 FROM unnest($2::text[]) AS ids(id)",
    "INSERT INTO revocation_outbox (kind, subject, min, dies_at, created_at)
     SELECT $1, ids.value, $3, $4, $5 FROM json_each($2) ids",
);

// To a client of another sector the user is somebody else. What that client holds hangs on a family, or is on its way
// there as a code; of either the one that expired before `$5` can have no token that lives.
const INSERT_PAIRWISE: Sql = Sql::both(
    "INSERT INTO revocation_outbox (kind, subject, min, dies_at, created_at)
     SELECT $1, known.subject, $3, $4, $6 FROM (
        SELECT f.subject FROM refresh_family f
        WHERE f.user_id = $2 AND f.subject IS NOT NULL AND f.expires_at > $5
        UNION
        SELECT a.subject FROM authorization_code a
        WHERE a.user_id = $2 AND a.subject IS NOT NULL AND a.expires_at > $5) known",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[INSERT, INSERT_PAIRWISE];

/// Clocks differ and verifiers grant leeway: so much longer than the longest access token an entry is remembered.
const TOLERANCE: Duration = Duration::from_secs(60);
/// What is void by its time of issue is void up to so long after the revocation: a node whose clock is ahead by as
/// much as a verifier tolerates may have issued tokens that look younger (docs/revocation-feed.md §1).
const AHEAD: Duration = Duration::from_secs(10);

/// What becomes void.
#[derive(Clone, Debug)]
pub(super) enum Voided<'a> {
    /// Everything issued up to now.
    All,
    /// Everything that a key has signed.
    Key(&'a KeyId),
    /// Everything issued to a client up to now.
    Client(&'a ClientId),
    /// Everything of a user below an epoch, under whatever `sub` clients know the user by.
    User(UserId, i64),
    /// Everything of a login session.
    Session(SessionId),
    /// Everything of some families.
    Families(Vec<FamilyHandle>),
    /// Everything of a family below a generation.
    Generations(FamilyHandle, u32),
    /// One access token and when it expires.
    Token(&'a str, Timestamp),
}

/// The entrance of the feed.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    /// No access token lives longer.
    token_life: Duration,
    filled: Arc<Notify>,
    /// What the same transactions have to tell relying parties.
    pub(super) notices: Arc<Notices>,
}

impl Outbox {
    pub(super) fn new(token_life: Duration) -> Self {
        Self { token_life, filled: Arc::default(), notices: Arc::default() }
    }

    /// Writes what `tx` voids. Once that has committed, [`Self::wake`]. What the format of the feed does not allow is
    /// refused here, where it fails this transaction alone: in the outbox it would be in the way of every batch to come.
    pub(super) async fn put(&self, tx: &mut Tx, voided: &Voided<'_>, now: Timestamp) -> Result<(), Error> {
        let forgotten = now.plus(self.token_life).plus(TOLERANCE);
        let (kind, ids, min, dies_at) = match voided {
            Voided::All => (Kind::Iss, vec![String::new()], Some(cutoff(now)), forgotten.plus(AHEAD)),
            Voided::Key(kid) => (Kind::Kid, vec![kid.0.clone()], None, forgotten),
            Voided::Client(client) => {
                (Kind::Client, vec![client.0.clone()], Some(cutoff(now)), forgotten.plus(AHEAD))
            }
            Voided::User(user, epoch) => (Kind::Sub, vec![user.to_string()], Some(*epoch), forgotten),
            Voided::Session(session) => (Kind::Sid, vec![session.to_string()], None, forgotten),
            Voided::Families(families) => {
                (Kind::Fam, families.iter().map(ToString::to_string).collect(), None, forgotten)
            }
            Voided::Generations(family, lowest) => {
                (Kind::Fam, vec![family.to_string()], Some(i64::from(*lowest)), forgotten)
            }
            Voided::Token(jti, expires_at) => {
                (Kind::Jti, vec![(*jti).to_owned()], None, expires_at.plus(TOLERANCE))
            }
        };
        if ids.is_empty() {
            return Ok(());
        }
        let dies_at = Timestamp::from_seconds(ceil_seconds(dies_at));
        for id in &ids {
            let entry = Entry { kind, id: id.clone(), min, dies_at: dies_at.seconds() };
            entry.check().map_err(|_| Error::Corrupt { table: "revocation_outbox", column: "subject" })?;
        }
        let ids = match tx {
            Tx::Postgres(..) => Arg::Texts(ids),
            Tx::Sqlite(_) => Arg::from(super::row::to_json(&ids)),
        };
        tx.execute(&INSERT, args![kind.as_str(), ids, min, dies_at, now]).await?;
        if let Voided::User(user, epoch) = voided {
            let past = now.minus(self.token_life).minus(TOLERANCE);
            let args = args![kind.as_str(), *user, *epoch, dies_at, past, now];
            tx.execute(&INSERT_PAIRWISE, args).await?;
        }
        Ok(())
    }

    /// Tells the batcher of this process that something was committed, and whoever delivers notices, if there are any.
    pub(super) fn wake(&self) {
        self.filled.notify_one();
        self.notices.wake();
    }

    /// Whether a family that expires (or expired) then may still have an access token that lives: the last was issued
    /// before it expired. Nothing else is certain: a retry issues a token and leaves no trace in the row.
    pub(super) fn may_have_tokens(&self, expires_at: Timestamp, now: Timestamp) -> bool {
        expires_at.plus(self.token_life).plus(TOLERANCE) > now
    }

    /// What [`Self::wake`] wakes.
    pub(super) fn filled(&self) -> Arc<Notify> {
        Arc::clone(&self.filled)
    }
}

/// Tokens issued before this many whole seconds are void by a revocation at `now`.
pub(super) const fn cutoff(now: Timestamp) -> i64 {
    ceil_seconds(now.plus(AHEAD))
}

const fn ceil_seconds(at: Timestamp) -> i64 {
    at.plus(Duration::from_millis(999)).seconds()
}
