//! Access tokens presented to this server itself (RFC 6750): userinfo, the administration API, introspection.

use serde_json::Value;
use signet_verify::jose::claims::{Claims, Expect};
use signet_verify::jose::jws::Rejected;

use super::Provider;
use super::access_token::ACCESS_TOKEN_TYPE;
use super::reference_token;
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::model::user::Subject;
use crate::oauth::error::ErrorCode;
use crate::oauth::scope::Scope;
use crate::secret::{AccessToken, ClientId, FamilyHandle, SessionId};
use crate::storage::TokenStanding;

/// An access token that is genuine, unexpired and not revoked.
#[derive(Debug)]
pub struct LiveToken {
    /// Its claims.
    pub claims: Claims,
    /// `scope`.
    pub scope: Scope,
    /// `client_id`.
    pub client: ClientId,
    /// The user as of now; `None` for a client's own token.
    pub subject: Option<Subject>,
    /// The `claims` parameter that was granted, as JSON.
    pub claims_request: Option<String>,
    /// `sid` of a user's token.
    pub session: Option<SessionId>,
}

impl LiveToken {
    /// Checks that the token reaches as far as `scope`.
    ///
    /// # Errors
    /// `insufficient_scope` (RFC 6750 §3.1).
    pub fn require_scope(&self, scope: &str, description: &'static str) -> Outcome<()> {
        if self.scope.contains(scope) {
            Ok(())
        } else {
            Err(Rejection::new(ErrorCode::InsufficientScope, description))
        }
    }
}

/// The claims of a genuine, unexpired access token of this issuer, JWT or opaque, whatever became of it since.
///
/// # Errors
/// `invalid_token`.
pub fn genuine(
    op: &Provider,
    token: &AccessToken,
    audience: Option<&[&str]>,
    now: Timestamp,
) -> Outcome<Claims> {
    let typ = [ACCESS_TOKEN_TYPE];
    let mut expect = Expect::new(&typ, op.policy.issuer.as_str(), now.millis());
    expect.audience = audience;
    let claims = if reference_token::is_one(token.reveal()) {
        reference_token::open(op, token.reveal(), &expect)
    } else {
        op.keys.current().verify(token.reveal(), &expect).map_err(Rejected::reason)
    };
    claims.map_err(Rejection::invalid_token)
}

/// A genuine access token that nothing has ended: one database round trip.
///
/// # Errors
/// `invalid_token`, or a storage fault (503, never "active").
pub async fn live(
    op: &Provider,
    token: &AccessToken,
    audience: Option<&[&str]>,
    now: Timestamp,
) -> Outcome<LiveToken> {
    let claims = genuine(op, token, audience, now)?;
    standing(op, claims)
        .await?
        .ok_or_else(|| Rejection::invalid_token("revoked, or what it hangs on has ended"))
}

/// Compares a genuine token with the database; `None` where it is void.
///
/// # Errors
/// A storage fault.
pub async fn standing(op: &Provider, claims: Claims) -> Outcome<Option<LiveToken>> {
    let (Some(client), Some(jti)) = (claims.str("client_id").map(ClientId::from), claims.str("jti")) else {
        return Ok(None);
    };
    let scope = Scope::parse(claims.str("scope").unwrap_or_default()).unwrap_or_default();
    let Some(issued_at) = claims.get("iat").and_then(Value::as_i64).map(Timestamp::from_seconds) else {
        return Ok(None);
    };
    if claims.get("rv").is_none() {
        let live = op.store.client_token_is_live(&client, jti, issued_at).await?;
        let own = LiveToken { claims, scope, client, subject: None, claims_request: None, session: None };
        return Ok(live.then_some(own));
    }
    let Some(standing) = coordinates(&claims, &client, (jti, issued_at)) else { return Ok(None) };
    let Some(found) = op.store.user_token_subject(standing).await? else { return Ok(None) };
    let session = claims.str("sid").and_then(|sid| sid.parse().ok());
    let (subject, claims_request) = (Some(found.subject), found.claims_request);
    Ok(Some(LiveToken { claims, scope, client, subject, claims_request, session }))
}

/// `sub` and `rv`, by which a user's token is found in the database.
fn coordinates(
    claims: &Claims,
    client: &ClientId,
    (jti, issued_at): (&str, Timestamp),
) -> Option<TokenStanding> {
    let rv = claims.get("rv")?.as_array()?;
    let [epoch, family, generation] = rv.as_slice() else { return None };
    Some(TokenStanding {
        subject: claims.str("sub")?.to_owned(),
        client: client.clone(),
        epoch: epoch.as_i64()?,
        family: FamilyHandle(family.as_str()?.parse().ok()?),
        generation: u32::try_from(generation.as_u64()?).ok()?,
        jti: jti.to_owned(),
        issued_at,
    })
}
