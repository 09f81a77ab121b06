//! `refresh_family`: one row per family, however often it is refreshed. See `model::rotation` for the verdict.
//!
//! A refresh takes one of three ways. The happy path is one conditional UPDATE, gathered with whatever else is
//! under way ([`super::batch`]). Where that changes no row, one plain SELECT lets the verdict function decide; a
//! verdict without effect (retry, hold, coalesce, deny) is answered from that snapshot. Only a verdict with an
//! effect takes locks: the user's row first, then the family's, the order of every other transaction.

use super::batch::BatchItem;
use super::db::{Arg, Sql, Tx, args, retried};
use super::endings::{Ended, Target};
use super::gather::{Lookup, hex};
use super::outbox::Voided;
use super::row::{json, span, time, to_json};
use super::subject::SubjectRow;
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::{AuditEntry, Event, Origin};
use crate::model::family::{EndCause, Family, FamilySecretId, FamilyStatus};
use crate::model::rotation::{Counters, RotationPolicy, Standing, Verdict, apply, verdict};
use crate::model::user::Subject;
use crate::oauth::client_metadata::{ClientClass, TheftResponse};
use crate::secret::{ClientId, FamilyHandle, SessionId, UserId};

/// The columns of a family and of the user it belongs to.
macro_rules! family_columns {
    () => {
        "f.id, f.handle, f.user_id, f.client_id, f.session_id, f.scope, f.audience, f.offline, f.class, f.base, \
         f.cur, f.burst, f.rotated_at, f.epoch, f.status, f.status_cause, f.created_at, f.expires_at, \
         f.idle_millis, f.auth_time, f.amr, f.binding, f.address, f.user_agent, f.subject, f.claims_request, \
         u.id AS subject_id, u.username, u.email, u.email_verified, u.roles, u.claims, u.epoch AS user_epoch, \
         u.updated_at AS user_updated_at"
    };
}
pub(super) use family_columns;

macro_rules! standing_select {
    ($place:literal, $from:literal, $filter:literal) => {
        concat!(
            "SELECT ",
            $place,
            family_columns!(),
            ", u.disabled_at AS user_disabled_at,
               (SELECT c.disabled_at IS NULL FROM clients c WHERE c.client_id = f.client_id) AS client_active,
               (SELECT s.ended_at IS NOT NULL FROM login_session s WHERE s.id = f.session_id) AS session_ended
             FROM ",
            $from,
            "refresh_family f JOIN users u ON u.id = f.user_id WHERE f.id = ",
            $filter
        )
    };
}

const BY_ID: Sql = Sql::per(
    standing_select!("b.place, ", "unnest($1::bytea[]) WITH ORDINALITY AS b(id, place), ", "b.id"),
    standing_select!("b.key + 1 AS place, ", "json_each($1) b, ", "unhex(b.value)"),
);
// SQLite has no row locks; its transaction holds the write lock from the start.
const LOCK: Sql = Sql::per(standing_select!("", "", "$1 FOR UPDATE OF f"), standing_select!("", "", "$1"));
pub(super) const LOCK_USER: Sql = Sql::per(
    "SELECT epoch FROM users WHERE id = $1 FOR NO KEY UPDATE",
    "SELECT epoch FROM users WHERE id = $1",
);
const STORE_COUNTERS: Sql = Sql::both(
    "UPDATE refresh_family SET base = $2, cur = $3, burst = $4, rotated_at = $5, min_generation = $6 WHERE id = $1",
);
const STORE_COUNTERS_ONLY: Sql =
    Sql::both("UPDATE refresh_family SET base = $2, cur = $3, burst = $4, rotated_at = $5 WHERE id = $1");
const STORE_STATUS: Sql =
    Sql::both("UPDATE refresh_family SET status = $2, status_cause = $3, ended_at = $4 WHERE id = $1");
const OF_USER: Sql = Sql::both(
    "SELECT f.handle, f.client_id, f.session_id, f.scope, f.offline, f.created_at, f.rotated_at, f.expires_at,
        f.address, f.user_agent
     FROM refresh_family f JOIN users u ON u.id = f.user_id
     WHERE f.user_id = $1 AND f.status = 'active' AND f.epoch = u.epoch AND f.expires_at > $2
     ORDER BY f.created_at DESC LIMIT 200",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] =
    &[BY_ID, LOCK, LOCK_USER, STORE_COUNTERS, STORE_COUNTERS_ONLY, STORE_STATUS, OF_USER];

/// The columns every reading of a family yields.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct FamilyRow {
    id: Vec<u8>,
    handle: uuid::Uuid,
    user_id: uuid::Uuid,
    client_id: String,
    session_id: uuid::Uuid,
    scope: String,
    audience: String,
    offline: bool,
    class: String,
    base: i64,
    cur: i64,
    burst: i64,
    rotated_at: i64,
    epoch: i64,
    status: String,
    status_cause: Option<String>,
    created_at: i64,
    expires_at: i64,
    idle_millis: i64,
    auth_time: i64,
    amr: String,
    binding: Option<String>,
    address: Option<String>,
    user_agent: Option<String>,
    subject: Option<String>,
    claims_request: Option<String>,
    #[sqlx(flatten)]
    user: SubjectRow,
}

impl FamilyRow {
    /// The row's primary key.
    pub(super) fn secret_id(&self) -> Option<FamilySecretId> {
        FamilySecretId::from_slice(&self.id)
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct StandingRow {
    #[sqlx(flatten)]
    family: FamilyRow,
    user_disabled_at: Option<i64>,
    client_active: Option<bool>,
    session_ended: Option<bool>,
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    handle: uuid::Uuid,
    client_id: String,
    session_id: uuid::Uuid,
    scope: String,
    offline: bool,
    created_at: i64,
    rotated_at: i64,
    expires_at: i64,
    address: Option<String>,
    user_agent: Option<String>,
}

/// A new family, made when an authorization code is redeemed.
#[derive(Clone, Debug)]
pub struct NewFamily {
    /// The secret id inside its tokens.
    pub id: FamilySecretId,
    /// Its client's class.
    pub class: ClientClass,
    /// Generations and the back-dated rotation time.
    pub counters: Counters,
    /// Absolute expiry.
    pub expires_at: Timestamp,
    /// How long it may stay unused.
    pub idle: std::time::Duration,
}

/// A live family as lists show it.
#[derive(Clone, Debug)]
pub struct FamilySummary {
    /// Its public id.
    pub handle: FamilyHandle,
    /// Whose tokens it refreshes.
    pub client: ClientId,
    /// The login session it began in.
    pub session: SessionId,
    /// What was granted.
    pub scope: String,
    /// Whether it outlives its login session.
    pub offline: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed (or began).
    pub last_used_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Where it began.
    pub origin: Origin,
}

/// A presented refresh token whose MAC has been verified.
#[derive(Clone, Debug)]
pub struct RotateRequest {
    /// The family inside the token.
    pub id: FamilySecretId,
    /// The generation inside the token.
    pub generation: u32,
    /// The authenticated client.
    pub client: ClientId,
    /// The client's policy.
    pub policy: RotationPolicy,
    /// What ends on theft.
    pub theft: TheftResponse,
    /// The thumbprint of the key the sender proved.
    pub binding: Option<String>,
    /// Where the request came from, for the audit log.
    pub origin: Origin,
}

/// What became of a presented refresh token.
#[derive(Clone, Debug)]
pub enum Rotation {
    /// The token's family is known; the verdict says what to answer.
    Decided(Box<Rotated>),
    /// No such family: it was swept, or never committed.
    Unknown,
}

/// A decided refresh.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The verdict, already carried out and committed.
    pub verdict: Verdict,
    /// The family after it.
    pub family: Family,
    /// When and how the user proved who they are.
    pub auth_time: Timestamp,
    /// Authentication methods.
    pub amr: Vec<String>,
    /// The user as of now, for the token's claims.
    pub subject: Subject,
    /// The `claims` parameter that was granted, as JSON.
    pub claims_request: Option<String>,
    /// Where the family began, or was noted to have moved since.
    pub origin: Origin,
    /// What ended, where the verdict was THEFT.
    pub ended: Option<Ended>,
}

/// Finds a family with what its verdict depends on.
pub(super) struct ById;

impl Lookup for ById {
    type Key = FamilySecretId;
    type Found = StandingRow;
    const SQL: Sql = BY_ID;

    fn arrays(keys: &[FamilySecretId]) -> Vec<Arg> {
        vec![Arg::Blobs(keys.iter().map(|id| id.as_bytes().to_vec()).collect())]
    }

    fn json(id: &FamilySecretId) -> serde_json::Value {
        serde_json::Value::from(hex(id.as_bytes()))
    }
}

impl Store {
    /// Decides about a refresh token and carries the decision out, atomically.
    ///
    /// # Errors
    /// A storage fault; then nothing has changed, or the same token may be presented again.
    pub async fn rotate(&self, request: &RotateRequest) -> Result<Rotation, Error> {
        let rotation = self.rotate_quickly_or_locked(request).await?;
        if let Rotation::Decided(rotated) = &rotation {
            self.verdicts.count(rotated.verdict);
        }
        Ok(rotation)
    }

    async fn rotate_quickly_or_locked(&self, request: &RotateRequest) -> Result<Rotation, Error> {
        if request.policy.rotates && request.binding.is_none() {
            let item = BatchItem {
                id: request.id,
                generation: request.generation,
                client: request.client.clone(),
                hold: request.policy.hold_horizon,
                burst: request.policy.burst,
            };
            if let Some(row) = self.rotations.ask(item).await? {
                return Ok(Rotation::Decided(Box::new(rotated_of(row, Verdict::Advance)?)));
            }
        }
        let Some(row) = self.families.ask(request.id).await? else {
            return Ok(Rotation::Unknown);
        };
        let user = UserId(row.family.user_id);
        let (decision, rotated) = decide(row, request, self.clock.now())?;
        if decision.moves_counters() || decision.ends_as().is_some() {
            return retried(|| self.rotate_locked(request, user)).await;
        }
        Ok(Rotation::Decided(Box::new(rotated)))
    }

    /// What [`Self::rotate`] would decide now, without doing it.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn inspect(&self, request: &RotateRequest) -> Result<Rotation, Error> {
        let Some(row) = self.families.ask(request.id).await? else {
            return Ok(Rotation::Unknown);
        };
        let (_, rotated) = decide(row, request, self.clock.now())?;
        Ok(Rotation::Decided(Box::new(rotated)))
    }

    /// The locked way: decides again under the locks and writes the effect.
    async fn rotate_locked(&self, request: &RotateRequest, user: UserId) -> Result<Rotation, Error> {
        let mut tx = self.db.begin().await?;
        tx.fetch_optional::<(i64,)>(&LOCK_USER, args![user]).await?;
        let Some(row) = tx.fetch_optional::<StandingRow>(&LOCK, id_args(request)).await? else {
            return Ok(Rotation::Unknown);
        };
        // Read after the row is locked: what waited here is no older for it.
        let now = self.clock.now();
        let (decision, mut rotated) = decide(row, request, now)?;
        if decision.moves_counters() {
            let after = apply(decision, &rotated.family.counters, request.generation, now, &request.policy);
            store_counters(&mut tx, request.id, decision, &after).await?;
            rotated.family.counters = after;
        }
        if let Some(status) = decision.ends_as() {
            let args = args![
                request.id.as_bytes().to_vec(),
                status.as_str(),
                status.cause().map(EndCause::as_str),
                now
            ];
            tx.execute(&STORE_STATUS, args).await?;
            rotated.family.status = status;
        }
        if decision == Verdict::Theft {
            let target = theft_target(request.theft, &rotated.family);
            rotated.ended = Some(self.end(&mut tx, target, EndCause::Theft, now).await?);
        } else if let Some(voided) = voided_by(decision, &rotated.family) {
            self.outbox.put(&mut tx, &voided, now).await?;
        }
        if let Some(entry) = self.rotation_audit(decision, &rotated, request, now)? {
            super::audit::record(&mut tx, &entry).await?;
        }
        tx.commit().await?;
        self.outbox.wake();
        Ok(Rotation::Decided(Box::new(rotated)))
    }

    /// A user's live families, newest first, at most 200.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn families_of(&self, user: UserId, now: Timestamp) -> Result<Vec<FamilySummary>, Error> {
        let rows = self.db.fetch_all::<SummaryRow>(&OF_USER, args![user, now]).await?;
        Ok(rows.into_iter().map(summary_of).collect())
    }

    fn rotation_audit(
        &self,
        decision: Verdict,
        rotated: &Rotated,
        request: &RotateRequest,
        now: Timestamp,
    ) -> Result<Option<AuditEntry>, Error> {
        let (event, cause) = match decision {
            Verdict::Theft => (Event::RefreshTheft, "a superseded refresh token was presented"),
            Verdict::Fork => (Event::RefreshForked, "a late retry displaced an unconfirmed successor"),
            Verdict::RollForward => (Event::RefreshRolledForward, "the database had lost a commit"),
            Verdict::End(cause) => (Event::FamilyEnded, cause.as_str()),
            _ => return Ok(None),
        };
        let details = serde_json::json!({
            "family": rotated.family.handle,
            "presented": request.generation,
            "current": rotated.family.counters.cur,
        });
        let mut entry = self
            .audit_entry(event, format!("client:{}", request.client), now)?
            .user(rotated.family.user)
            .client(&request.client)
            .origin(&request.origin)
            .cause(cause)
            .details(details.to_string());
        entry.session = rotated.family.session;
        if decision == Verdict::Theft {
            entry.outcome = "failure";
        }
        Ok(Some(entry))
    }
}

/// Reads one row and lets the verdict function decide; touches nothing.
fn decide(row: StandingRow, request: &RotateRequest, now: Timestamp) -> Result<(Verdict, Rotated), Error> {
    let mut standing = Standing {
        user_epoch: row.family.user.epoch(),
        user_active: row.user_disabled_at.is_none(),
        client_active: row.client_active.unwrap_or(false),
        session_ended: row.session_ended.unwrap_or(false),
        client_matches: row.family.client_id == request.client.0,
        binding_matches: false,
    };
    let mut rotated = rotated_of(row.family, Verdict::Coalesce)?;
    standing.binding_matches = rotated.family.binding.is_none() || rotated.family.binding == request.binding;
    rotated.verdict = verdict(&rotated.family, &standing, request.generation, now, &request.policy);
    Ok((rotated.verdict, rotated))
}

async fn store_counters(
    tx: &mut Tx,
    id: FamilySecretId,
    decision: Verdict,
    after: &Counters,
) -> Result<(), Error> {
    let mut args = args![id.as_bytes().to_vec(), after.base, after.cur, after.burst, after.rotated_at];
    if decision == Verdict::Fork {
        // Access tokens of the displaced generations are void from here on.
        args.push(Arg::from(after.cur));
        tx.execute(&STORE_COUNTERS, args).await?;
    } else {
        tx.execute(&STORE_COUNTERS_ONLY, args).await?;
    }
    Ok(())
}

/// What a verdict on one family voids; of a theft, what its response ends.
fn voided_by(decision: Verdict, family: &Family) -> Option<Voided<'static>> {
    match decision {
        Verdict::Fork => Some(Voided::Generations(family.handle, family.counters.cur)),
        Verdict::End(_) => Some(Voided::Families(vec![family.handle])),
        _ => None,
    }
}

const fn theft_target(scope: TheftResponse, family: &Family) -> Target {
    match (scope, family.session) {
        (TheftResponse::User, _) => Target::User(family.user),
        (TheftResponse::Session, Some(session)) => Target::Session(session),
        (TheftResponse::Session, None) | (TheftResponse::Family, _) => Target::Family(family.handle),
    }
}

fn id_args(request: &RotateRequest) -> Vec<Arg> {
    args![request.id.as_bytes().to_vec()]
}

/// Turns a row into a decided refresh.
fn rotated_of(row: FamilyRow, verdict: Verdict) -> Result<Rotated, Error> {
    const TABLE: &str = "refresh_family";
    let corrupt = |column| Error::Corrupt { table: TABLE, column };
    let status = FamilyStatus::from_columns(&row.status, row.status_cause.as_deref());
    let family = Family {
        id: FamilySecretId::from_slice(&row.id).ok_or(corrupt("id"))?,
        handle: FamilyHandle(row.handle),
        user: UserId(row.user_id),
        client: ClientId(row.client_id),
        session: Some(SessionId(row.session_id)),
        scope: row.scope,
        audience: json(&row.audience, TABLE, "audience")?,
        offline: row.offline,
        counters: Counters {
            base: super::row::counter(row.base, TABLE, "base")?,
            cur: super::row::counter(row.cur, TABLE, "cur")?,
            rotated_at: time(row.rotated_at),
            burst: super::row::counter(row.burst, TABLE, "burst")?,
        },
        epoch: row.epoch,
        status: status.ok_or(corrupt("status"))?,
        created_at: time(row.created_at),
        expires_at: time(row.expires_at),
        idle: span(row.idle_millis),
        class: row.class.parse().map_err(|_| corrupt("class"))?,
        binding: row.binding,
    };
    let subject = row.user.subject(row.subject)?;
    let amr = json(&row.amr, TABLE, "amr")?;
    let origin = Origin { address: row.address, user_agent: row.user_agent, ..Origin::default() };
    Ok(Rotated {
        verdict,
        family,
        auth_time: time(row.auth_time),
        amr,
        subject,
        claims_request: row.claims_request,
        origin,
        ended: None,
    })
}

fn summary_of(row: SummaryRow) -> FamilySummary {
    FamilySummary {
        handle: FamilyHandle(row.handle),
        client: ClientId(row.client_id),
        session: SessionId(row.session_id),
        scope: row.scope,
        offline: row.offline,
        created_at: time(row.created_at),
        last_used_at: time(row.rotated_at.max(row.created_at)),
        expires_at: time(row.expires_at),
        origin: Origin { address: row.address, user_agent: row.user_agent, ..Origin::default() },
    }
}

/// Serialises an audience for its column.
pub(super) fn audience_column(audience: &[String]) -> String {
    to_json(&audience)
}
