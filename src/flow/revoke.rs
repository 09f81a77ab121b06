//! `/revoke` (RFC 7009): a client gives up its token.

use signet_verify::jose::claims::Claims;

use super::Provider;
use super::bearer;
use super::client_auth::AuthenticatedClient;
use super::grant::refresh_token;
use super::rejection::Outcome;
use crate::clock::Timestamp;
use crate::model::audit::{Event, Origin};
use crate::model::family::EndCause;
use crate::secret::{AccessToken, FamilyHandle, RefreshToken};
use crate::storage::{RotateRequest, Rotation};

/// Revokes a token of this client. A refresh token ends its family and with it every access token of the family;
/// an access token ends alone. Unknown and foreign tokens are answered like revoked ones (RFC 7009 §2.2), and
/// nothing happens to them.
///
/// # Errors
/// A storage fault: then nothing was revoked, and the client must ask again.
pub async fn revoke(
    op: &Provider,
    client: &AuthenticatedClient,
    token: &str,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<()> {
    if let Some((id, generation)) = op.secrets.refresh_tokens.decode(&RefreshToken::new(token)) {
        let request = refresh_token::presented(op, client, (id, generation), origin);
        return family(op, &request, now).await;
    }
    let Ok(claims) = bearer::genuine(op, &AccessToken::new(token), None, now) else { return Ok(()) };
    let own = claims.str("client_id") == Some(client.id.as_str());
    let (Some(jti), Some(expires_at), true) = (claims.str("jti"), claims.millis("exp"), own) else {
        return Ok(());
    };
    let mut entry = op
        .audit(Event::TokenRevoked, format!("client:{}", client.id), now)?
        .client(&client.id)
        .origin(origin)
        .details(serde_json::json!({ "jti": jti }).to_string());
    entry.session = claims.str("sid").and_then(|sid| sid.parse().ok());
    let token = (jti, Timestamp::from_millis(expires_at));
    Ok(op.store.revoke_access_token(token, family_of(&claims), entry).await?)
}

/// The family that a user's token comes from; `None` for a client's own.
fn family_of(claims: &Claims) -> Option<FamilyHandle> {
    claims.get("rv")?.as_array()?.get(1)?.as_str()?.parse().ok()
}

/// Any generation of the family will do: who holds an old one held the current one.
async fn family(op: &Provider, request: &RotateRequest, now: Timestamp) -> Outcome<()> {
    let Rotation::Decided(rotated) = op.store.inspect(request).await? else { return Ok(()) };
    let mut entry = op
        .audit(Event::FamilyEnded, format!("client:{}", request.client), now)?
        .user(rotated.family.user)
        .client(&request.client)
        .origin(&request.origin)
        .cause(EndCause::Revoked.as_str());
    entry.session = rotated.family.session;
    op.store.end_family(rotated.family.handle, Some(&request.client), EndCause::Revoked, entry).await?;
    Ok(())
}
