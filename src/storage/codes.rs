//! `authorization_code`: made once, redeemed once.

use uuid::Uuid;

use super::db::{Arg, Db, Sql, Tx, args, retried};
use super::families::{NewFamily, audience_column};
use super::row::{json, time, to_json};
use super::subject::{SubjectRow, subject_columns};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::{AuditEntry, Event, Origin};
use crate::model::grant::Grant;
use crate::model::user::Subject;
use crate::oauth::scope::Scope;
use crate::secret::{ClientId, CodeHash, FamilyHandle, InteractionHash, SessionId, UserId};

// The user's epoch and state and the session's life are conditions of the statement: a code that races with
// "log out all devices" is not made.
macro_rules! insert {
    ($join:literal, $lock:literal) => {
        concat!(
            "INSERT INTO authorization_code (code_hash, family_handle, client_id, user_id, session_id, epoch, redirect_uri,
        code_challenge, nonce, scope, audience, offline, auth_time, amr, created_at, expires_at, subject, claims_request)
     SELECT $1, $2, $3, u.id, s.id, u.epoch, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $17, $18
     FROM users u JOIN login_session s ON s.user_id = u.id",
            $join,
            " WHERE u.id = $4 AND s.id = $5 AND u.disabled_at IS NULL AND s.ended_at IS NULL AND s.epoch = u.epoch
        AND u.epoch = $16",
            $lock
        )
    };
}
// The session's client is noted with it, in the same round trip on PostgreSQL. The lock makes this wait for an end of the
// session that is under way, and the end for this: whoever is told of it is everybody who has a code.
macro_rules! insert_and_note {
    ($insert:expr) => {
        concat!(
            "WITH made AS (",
            $insert,
            " RETURNING session_id, client_id, subject, created_at), noted AS (
                INSERT INTO session_client (session_id, client_id, subject, created_at)
                SELECT session_id, client_id, subject, created_at FROM made
                ON CONFLICT (session_id, client_id) DO NOTHING)
             SELECT session_id FROM made"
        )
    };
}
const INSERT: Sql = Sql::per(insert_and_note!(insert!("", " FOR SHARE OF s")), insert!("", ""));
// So is one whose consent is being withdrawn: the lock makes that wait, and then it finds the code. Rows are locked in one
// order everywhere: the user, the session, the consent.
const INSERT_CONSENTED: Sql = Sql::per(
    insert_and_note!(insert!(
        " JOIN consent c ON c.user_id = u.id AND c.client_id = $3",
        " FOR SHARE OF s, c"
    )),
    insert!(" JOIN consent c ON c.user_id = u.id AND c.client_id = $3", ""),
);
// Where the client knows the user by a pairwise `sub`, which is read from the codes and families that are there, the
// user's row is locked too: whoever raises the epoch meanwhile finds the code, or it is not made.
const INSERT_PAIRWISE: Sql = Sql::per(insert_and_note!(insert!("", " FOR SHARE OF u, s")), insert!("", ""));
const INSERT_PAIRWISE_CONSENTED: Sql = Sql::per(
    insert_and_note!(insert!(
        " JOIN consent c ON c.user_id = u.id AND c.client_id = $3",
        " FOR SHARE OF u, s, c"
    )),
    insert!(" JOIN consent c ON c.user_id = u.id AND c.client_id = $3", ""),
);
// SQLite knows no data-modifying WITH.
const NOTE_CLIENT: Sql = Sql::both(
    "INSERT INTO session_client (session_id, client_id, subject, created_at)
     SELECT a.session_id, a.client_id, a.subject, a.created_at FROM authorization_code a WHERE a.code_hash = $1
     ON CONFLICT (session_id, client_id) DO NOTHING",
);
// `$13` are the audiences that the request asks for: all of them have to be granted (RFC 8707 §2.2). `$14` are those that
// are open to the client: a code that was granted for some is redeemed while it still has one of them. A client that is
// younger than the code is another one under the same id.
macro_rules! redeem {
    ($granted:literal, $returning:literal) => {
        concat!(
            "UPDATE authorization_code SET redeemed_at = $2
             WHERE code_hash = $1 AND redeemed_at IS NULL AND expires_at > $2 AND client_id = $10
                AND redirect_uri = $11
                AND ((code_challenge IS NULL AND CAST($12 AS TEXT) IS NULL) OR code_challenge = $12) AND ",
            $granted,
            " AND EXISTS (SELECT 1 FROM users u WHERE u.id = authorization_code.user_id
                    AND u.epoch = authorization_code.epoch AND u.disabled_at IS NULL)
                AND EXISTS (SELECT 1 FROM login_session s WHERE s.id = authorization_code.session_id
                    AND s.ended_at IS NULL)
                AND EXISTS (SELECT 1 FROM clients c WHERE c.client_id = authorization_code.client_id
                    AND c.disabled_at IS NULL AND c.created_at <= authorization_code.created_at)
             RETURNING ",
            $returning
        )
    };
}
macro_rules! insert_family {
    ($source:literal) => {
        concat!(
            "INSERT INTO refresh_family (id, handle, user_id, client_id, session_id, scope, audience, offline, class,
                base, cur, burst, rotated_at, min_generation, epoch, status, created_at, expires_at, idle_millis,
                auth_time, amr, address, user_agent, subject, claims_request)
             SELECT $3, a.family_handle, a.user_id, a.client_id, a.session_id, a.scope, a.audience, a.offline, $4,
                0, 0, 0, $5, 0, a.epoch, 'active', $2, $6, $7, a.auth_time, a.amr, $8, $9, a.subject, a.claims_request
             FROM ",
            $source
        )
    };
}
macro_rules! insert_audit {
    ($source:literal) => {
        concat!(
            "INSERT INTO audit_event (id, at, event, outcome, actor, user_id, client_id, session_id, address,
                user_agent, trace_id)
             SELECT $15, $2, 'grant.issued', 'success', $16, a.user_id, a.client_id, a.session_id, $8, $9, $17
             FROM ",
            $source
        )
    };
}
macro_rules! redeemed_columns {
    () => {
        concat!(
            "a.family_handle, a.user_id, a.session_id, a.nonce, a.scope, a.audience, a.offline, a.auth_time, a.amr, \
             a.subject, a.claims_request, ",
            subject_columns!()
        )
    };
}
// One round trip on PostgreSQL. SQLite knows no data-modifying WITH: there four statements in one transaction,
// with no network between them.
const REDEEM: Sql = Sql::per(
    concat!(
        "WITH a AS (",
        redeem!(
            "CAST(audience AS JSONB) @> CAST(CAST($13 AS TEXT) AS JSONB)
                AND (CAST($14 AS TEXT) IS NULL OR authorization_code.audience = '[]'
                    OR EXISTS (SELECT 1 FROM jsonb_array_elements_text(CAST(authorization_code.audience AS JSONB)) g(value)
                        JOIN jsonb_array_elements_text(CAST(CAST($14 AS TEXT) AS JSONB)) o(value) ON o.value = g.value))",
            "authorization_code.*"
        ),
        "), family AS (",
        insert_family!("a"),
        "), audit AS (",
        insert_audit!("a"),
        ") SELECT ",
        redeemed_columns!(),
        " FROM a JOIN users u ON u.id = a.user_id"
    ),
    redeem!(
        "NOT EXISTS (SELECT 1 FROM json_each($13) w
            WHERE w.value NOT IN (SELECT a.value FROM json_each(authorization_code.audience) a))
            AND (CAST($14 AS TEXT) IS NULL OR authorization_code.audience = '[]'
                OR EXISTS (SELECT 1 FROM json_each(authorization_code.audience) g
                    JOIN json_each($14) o ON o.value = g.value))",
        "code_hash"
    ),
);
const INSERT_FAMILY: Sql =
    Sql::both(concat!(insert_family!("authorization_code a WHERE a.code_hash = $1"), ""));
const READ_REDEEMED: Sql = Sql::both(concat!(
    "SELECT ",
    redeemed_columns!(),
    " FROM authorization_code a JOIN users u ON u.id = a.user_id WHERE a.code_hash = $1"
));
const AUDIENCE: Sql = Sql::both(
    "SELECT audience FROM authorization_code
     WHERE code_hash = $1 AND redeemed_at IS NULL AND expires_at > $2 AND client_id = $3 AND redirect_uri = $4
        AND ((code_challenge IS NULL AND CAST($5 AS TEXT) IS NULL) OR code_challenge = $5)",
);
// A replay by whoever could have redeemed it: right client, redirect URI and verifier (RFC 6749 §4.1.2). Any other
// replay revokes nothing, so that a leaked code is no weapon.
const REPLAYED: Sql = Sql::both(
    "SELECT family_handle, user_id FROM authorization_code
     WHERE code_hash = $1 AND redeemed_at IS NOT NULL AND client_id = $2
        AND redirect_uri = $3
        AND ((code_challenge IS NULL AND CAST($4 AS TEXT) IS NULL) OR code_challenge = $4)",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[
    INSERT,
    INSERT_CONSENTED,
    INSERT_PAIRWISE,
    INSERT_PAIRWISE_CONSENTED,
    NOTE_CLIENT,
    REDEEM,
    INSERT_FAMILY,
    READ_REDEEMED,
    AUDIENCE,
    REPLAYED,
];

#[derive(sqlx::FromRow)]
struct RedeemedRow {
    family_handle: Uuid,
    user_id: Uuid,
    session_id: Uuid,
    nonce: Option<String>,
    scope: String,
    audience: String,
    offline: bool,
    auth_time: i64,
    amr: String,
    subject: Option<String>,
    claims_request: Option<String>,
    #[sqlx(flatten)]
    user: SubjectRow,
}

/// A token request's claim on a code.
#[derive(Clone, Debug)]
pub struct RedeemRequest {
    /// The code's hash.
    pub code: CodeHash,
    /// The authenticated client.
    pub client: ClientId,
    /// `redirect_uri` of the token request.
    pub redirect_uri: String,
    /// The S256 challenge of the presented verifier.
    pub code_challenge: Option<String>,
    /// Audiences that must have been granted, all of them; none where the request narrows nothing.
    pub resources: Vec<String>,
    /// Audiences that are open to the client, one of which the grant must still have if it was for any; `None` where the
    /// grant has just been made.
    pub open: Option<Vec<String>>,
    /// The family to begin.
    pub family: NewFamily,
    /// Where the request came from.
    pub origin: Origin,
}

/// What a redeemed code grants.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// The family's public id.
    pub handle: FamilyHandle,
    /// The login session.
    pub session: SessionId,
    /// `nonce` of the authorization request.
    pub nonce: Option<String>,
    /// What was granted.
    pub scope: Scope,
    /// The audience of its access tokens.
    pub audience: Vec<String>,
    /// Whether `offline_access` was granted.
    pub offline: bool,
    /// When the user proved who they are.
    pub auth_time: Timestamp,
    /// Authentication methods.
    pub amr: Vec<String>,
    /// The user as of now.
    pub subject: Subject,
    /// The `claims` parameter that was granted, as JSON.
    pub claims_request: Option<String>,
}

/// What became of a presented code.
#[derive(Clone, Debug)]
pub enum Redemption {
    /// Redeemed by this request, and by no other.
    Redeemed(Box<Redeemed>),
    /// It had been redeemed before; what it gave has been revoked.
    Replayed,
    /// Unknown, expired, foreign, or with the wrong verifier or redirect URI. Nothing has changed.
    Refused,
}

impl Store {
    /// Keeps a new code, consuming the interaction it comes from (where there is one), in one transaction; notes that its
    /// session has signed the user in at its client. `false` where the interaction is no longer there, or everything of
    /// the user has ended meanwhile, or the consent that it rests on.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn create_code(
        &self,
        code: &CodeHash,
        grant: &Grant,
        interaction: Option<&InteractionHash>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let insert = match (grant.subject.is_some(), grant.by_consent) {
            (false, false) => &INSERT,
            (false, true) => &INSERT_CONSENTED,
            (true, false) => &INSERT_PAIRWISE,
            (true, true) => &INSERT_PAIRWISE_CONSENTED,
        };
        if interaction.is_none() && self.db.is_postgres() {
            return retried(|| async {
                Ok(self.db.write(insert, insert_args(code, grant, now)).await? == 1)
            })
            .await;
        }
        retried(|| async {
            let mut tx = self.db.begin().await?;
            if let Some(interaction) = interaction
                && tx.execute(&super::interactions::CONSUME, args![interaction, now]).await? == 0
            {
                return Ok(false);
            }
            if tx.execute(insert, insert_args(code, grant, now)).await? == 0 {
                return Ok(false);
            }
            if !self.db.is_postgres() {
                tx.execute(&NOTE_CLIENT, args![code]).await?;
            }
            tx.commit().await.map(|()| true)
        })
        .await
    }

    /// Redeems a code and begins its family: one success for any number of callers.
    ///
    /// # Errors
    /// A storage fault; then the code may be presented again, unless the reply to a commit was lost.
    pub async fn redeem_code(&self, request: &RedeemRequest, now: Timestamp) -> Result<Redemption, Error> {
        match self.redeem_once(request, now).await? {
            Some(redeemed) => Ok(Redemption::Redeemed(Box::new(redeemed))),
            None => self.replayed_or_refused(request, now).await,
        }
    }

    /// The audience that a code was granted for, for whoever could redeem it now; nothing changes.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn code_audience(
        &self,
        request: &RedeemRequest,
        now: Timestamp,
    ) -> Result<Option<Vec<String>>, Error> {
        let args =
            args![&request.code, now, &request.client, &request.redirect_uri, request.code_challenge.clone()];
        let row = self.db.fetch_optional::<(String,)>(&AUDIENCE, args).await?;
        row.map(|(audience,)| json(&audience, "authorization_code", "audience")).transpose()
    }

    /// The conditional write that redeems a code: `Some` for one caller only.
    pub(super) async fn redeem_once(
        &self,
        request: &RedeemRequest,
        now: Timestamp,
    ) -> Result<Option<Redeemed>, Error> {
        let entry = self.audit_entry(Event::GrantIssued, format!("client:{}", request.client), now)?;
        let row = match &self.db {
            Db::Postgres(_) => {
                let mut args = redeem_args(request, now);
                let trace_id = request.origin.trace_id.clone();
                args.extend(args![entry.id, &entry.actor, trace_id]);
                self.db.write_returning::<RedeemedRow>(&REDEEM, args).await?.into_iter().next()
            }
            Db::Sqlite { .. } => redeem_in_steps(self.db.begin().await?, request, entry).await?,
        };
        row.map(redeemed_of).transpose()
    }

    async fn replayed_or_refused(
        &self,
        request: &RedeemRequest,
        now: Timestamp,
    ) -> Result<Redemption, Error> {
        let args =
            args![&request.code, &request.client, &request.redirect_uri, request.code_challenge.clone()];
        let Some((family, user)) = self.db.fetch_optional::<(Uuid, Uuid)>(&REPLAYED, args).await? else {
            return Ok(Redemption::Refused);
        };
        let code = (FamilyHandle(family), UserId(user));
        self.end_replayed(code, &request.client, &request.origin, now).await?;
        Ok(Redemption::Replayed)
    }
}

async fn redeem_in_steps(
    mut tx: Tx,
    request: &RedeemRequest,
    entry: AuditEntry,
) -> Result<Option<RedeemedRow>, Error> {
    let args = redeem_args(request, entry.at);
    let family_args = args.iter().take(9).cloned().collect();
    if tx.fetch_optional::<(Vec<u8>,)>(&REDEEM, args).await?.is_none() {
        return Ok(None);
    }
    tx.execute(&INSERT_FAMILY, family_args).await?;
    let row = tx.fetch_optional::<RedeemedRow>(&READ_REDEEMED, args![&request.code]).await?;
    if let Some(row) = &row {
        let entry = entry.user(UserId(row.user_id)).session(SessionId(row.session_id));
        super::audit::record(&mut tx, &entry.client(&request.client).origin(&request.origin)).await?;
    }
    tx.commit().await.map(|()| row)
}

/// `$1`–`$9` make the family, `$10`–`$14` are the conditions of the code; on PostgreSQL `$15`–`$17` make the
/// audit entry.
fn redeem_args(request: &RedeemRequest, now: Timestamp) -> Vec<Arg> {
    let family = &request.family;
    args![
        &request.code,
        now,
        family.id.as_bytes().to_vec(),
        family.class.as_str(),
        family.counters.rotated_at,
        family.expires_at,
        family.idle,
        request.origin.address.clone(),
        request.origin.user_agent.clone(),
        &request.client,
        &request.redirect_uri,
        request.code_challenge.clone(),
        audience_column(&request.resources),
        request.open.as_deref().map(audience_column),
    ]
}

fn insert_args(code: &CodeHash, grant: &Grant, now: Timestamp) -> Vec<Arg> {
    args![
        code,
        grant.handle,
        &grant.client,
        grant.user,
        grant.session,
        &grant.redirect_uri,
        grant.code_challenge.clone(),
        grant.nonce.clone(),
        grant.scope.to_string(),
        audience_column(&grant.audience),
        grant.scope.contains(crate::oauth::scope::OFFLINE_ACCESS),
        grant.auth_time,
        to_json(&grant.amr),
        now,
        grant.expires_at,
        grant.epoch,
        grant.subject.clone(),
        grant.claims_request.clone(),
    ]
}

fn redeemed_of(row: RedeemedRow) -> Result<Redeemed, Error> {
    const TABLE: &str = "authorization_code";
    Ok(Redeemed {
        handle: FamilyHandle(row.family_handle),
        session: SessionId(row.session_id),
        nonce: row.nonce,
        scope: Scope::parse(&row.scope).map_err(|_| Error::Corrupt { table: TABLE, column: "scope" })?,
        audience: json(&row.audience, TABLE, "audience")?,
        offline: row.offline,
        auth_time: time(row.auth_time),
        amr: json(&row.amr, TABLE, "amr")?,
        subject: row.user.subject(row.subject)?,
        claims_request: row.claims_request,
    })
}
