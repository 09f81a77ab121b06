//! Codes that this server redeems itself, at `/session/callback`: as at the token endpoint, but the same browser may
//! repeat itself, and a code that came too late is told apart from one that never fitted.

use std::time::Duration;

use uuid::Uuid;

use super::codes::{RedeemRequest, Redeemed};
use super::db::{Sql, args};
use super::row::time;
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::{Event, Origin};
use crate::model::family::{EndCause, FamilySecretId};
use crate::secret::{ClientId, CodeHash, FamilyHandle, UserId};

// `own`: presented with the right client, redirect URI and verifier, the last of which only the browser that began
// can give.
const STANDING: Sql = Sql::both(
    "SELECT a.family_handle, a.user_id, a.client_id, a.redirect_uri, a.redeemed_at,
        (a.client_id = $2 AND a.redirect_uri = $3 AND a.code_challenge = $4) AS own,
        f.id, f.cur, f.status
     FROM authorization_code a LEFT JOIN refresh_family f ON f.handle = a.family_handle
     WHERE a.code_hash = $1",
);
const REDEEMED_ELSEWHERE: Sql = Sql::both(
    "SELECT family_handle, user_id, client_id, redirect_uri FROM authorization_code
     WHERE code_hash = $1 AND redeemed_at IS NOT NULL",
);

// What lies in a browser's cookie does not outlive what the person agreed to when signing in.
const BOUND_BY_SESSION: Sql = Sql::both(
    "UPDATE refresh_family SET expires_at = (
        SELECT CASE WHEN s.expires_at < refresh_family.expires_at THEN s.expires_at ELSE refresh_family.expires_at END
        FROM login_session s WHERE s.id = refresh_family.session_id)
     WHERE handle = $1 AND EXISTS (SELECT 1 FROM login_session s WHERE s.id = refresh_family.session_id)
     RETURNING expires_at,
        (SELECT s.remember FROM login_session s WHERE s.id = refresh_family.session_id) AS remember",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[BOUND_BY_SESSION, STANDING, REDEEMED_ELSEWHERE];

#[derive(sqlx::FromRow)]
struct StandingRow {
    family_handle: Uuid,
    user_id: Uuid,
    client_id: String,
    redirect_uri: String,
    redeemed_at: Option<i64>,
    own: Option<bool>,
    id: Option<Vec<u8>>,
    cur: Option<i64>,
    status: Option<String>,
}

/// What became of a code at `/session/callback`.
#[derive(Clone, Debug)]
pub enum Handoff {
    /// Redeemed by this request, and by no other.
    Redeemed(Box<Redeemed>),
    /// The same browser repeats itself; nothing has changed.
    Repeated(Repeated),
    /// It came after its expiry, or after the session had ended, and would have fitted.
    Late,
    /// It had been redeemed before; what it gave has been revoked.
    Replayed {
        /// By the browser that it was for, only too late.
        own: bool,
    },
    /// Unknown, foreign, or with another request's verifier. Nothing has changed.
    Refused,
}

/// A family that the same code has begun a moment ago.
#[derive(Clone, Copy, Debug)]
pub struct Repeated {
    /// The secret id of its tokens.
    pub family: FamilySecretId,
    /// The id that people see.
    pub handle: FamilyHandle,
    /// It is live, and its first token has not been used yet.
    pub is_untouched: bool,
}

/// How long a browser keeps the cookie that a callback sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieLife {
    /// When what it stands for ends at the latest.
    pub expires_at: Timestamp,
    /// Whether the cookie outlives the browser: "Keep me signed in".
    pub remember: bool,
}

impl Store {
    /// Lets a family end no later than its login session; `None` where that is gone.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn bound_by_session(&self, family: FamilyHandle) -> Result<Option<CookieLife>, Error> {
        let rows = self.db.write_returning::<(i64, bool)>(&BOUND_BY_SESSION, args![family]).await?;
        Ok(rows
            .first()
            .map(|(expires_at, remember)| CookieLife { expires_at: time(*expires_at), remember: *remember }))
    }

    /// Redeems a code and begins its family: one success for any number of callers. Whoever proves to be the same
    /// browser within `repeat` learns which family that was; any other replay ends it.
    /// `is_ours` knows the redirect URIs of this server: codes for others are replayed elsewhere (RFC 6749 §4.1.2).
    ///
    /// # Errors
    /// A storage fault; then the code may be presented again.
    pub async fn redeem_at_callback(
        &self,
        request: &RedeemRequest,
        repeat: Duration,
        is_ours: impl Fn(&str) -> bool,
        now: Timestamp,
    ) -> Result<Handoff, Error> {
        if let Some(redeemed) = self.redeem_once(request, now).await? {
            return Ok(Handoff::Redeemed(Box::new(redeemed)));
        }
        let args =
            args![&request.code, &request.client, &request.redirect_uri, request.code_challenge.clone()];
        let Some(row) = self.db.fetch_optional::<StandingRow>(&STANDING, args).await? else {
            return Ok(Handoff::Refused);
        };
        let own = row.own.unwrap_or(false);
        match row.redeemed_at.map(time) {
            None if own => Ok(Handoff::Late),
            None => Ok(Handoff::Refused),
            Some(at) if own && now.since(at) <= repeat => repeated(&row),
            Some(_) if !is_ours(&row.redirect_uri) => Ok(Handoff::Refused),
            Some(_) => {
                let code = (FamilyHandle(row.family_handle), UserId(row.user_id));
                self.end_replayed(code, &ClientId(row.client_id), &request.origin, now).await?;
                Ok(Handoff::Replayed { own })
            }
        }
    }

    /// Ends what a code gave that has been redeemed at a redirect URI of this server and now comes from somebody who is
    /// not the browser that it was for. Whether it had been redeemed.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn end_replayed_code(
        &self,
        code: &CodeHash,
        is_ours: impl Fn(&str) -> bool,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let found =
            self.db.fetch_optional::<(Uuid, Uuid, String, String)>(&REDEEMED_ELSEWHERE, args![code]).await?;
        let Some((family, user, client, redirect_uri)) = found else { return Ok(false) };
        if !is_ours(&redirect_uri) {
            return Ok(false);
        }
        self.end_replayed((FamilyHandle(family), UserId(user)), &ClientId(client), origin, now).await?;
        Ok(true)
    }

    /// Ends the family of a code that was presented again, with its audit entry and its entry in the feed.
    pub(super) async fn end_replayed(
        &self,
        (family, user): (FamilyHandle, UserId),
        client: &ClientId,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(), Error> {
        let entry = self
            .audit_entry(Event::CodeReplayed, format!("client:{client}"), now)?
            .user(user)
            .client(client)
            .origin(origin)
            .cause("a redeemed authorization code was presented again");
        self.end_family(family, None, EndCause::CodeReuse, entry).await?;
        Ok(())
    }
}

fn repeated(row: &StandingRow) -> Result<Handoff, Error> {
    let corrupt = || Error::Corrupt { table: "refresh_family", column: "id" };
    let id = row.id.as_deref().and_then(FamilySecretId::from_slice).ok_or_else(corrupt)?;
    Ok(Handoff::Repeated(Repeated {
        family: id,
        handle: FamilyHandle(row.family_handle),
        is_untouched: row.status.as_deref() == Some("active") && row.cur == Some(0),
    }))
}
