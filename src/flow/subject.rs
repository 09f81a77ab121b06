//! What a client knows a user by (OpenID Connect Core §8).

use super::Provider;
use crate::digest::base64url;
use crate::model::client::Client;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::page;
use crate::oauth::redirect_uri::RedirectUri;
use crate::secret::UserId;

/// The pairwise `sub` of a user at a client; `None` where the client's subjects are public. The same for all clients of
/// a sector, and nobody without the key can tell two sectors' apart from two users' (OpenID Connect Core §8.1).
pub fn pairwise(op: &Provider, client: &Client, user: UserId) -> Option<String> {
    if client.metadata.subject_type.is_public() {
        return None;
    }
    let sector = sector(&client.metadata).unwrap_or_else(|| client.id.0.clone());
    let mac = op.secrets.subjects.mac(&[b"sub", sector.as_bytes(), user.0.as_bytes()]);
    Some(base64url(mac.as_bytes()))
}

/// `sub` of a user at a client.
pub fn of(op: &Provider, client: &Client, user: UserId) -> String {
    pairwise(op, client, user).unwrap_or_else(|| user.to_string())
}

/// The sector identifier: the host of `sector_identifier_uri`, else of the redirect URIs.
fn sector(metadata: &ClientMetadata) -> Option<String> {
    let uri = metadata.sector_identifier_uri.as_deref();
    let uri = uri.or_else(|| metadata.redirect_uris.first().map(RedirectUri::as_str))?;
    page::host_of(uri)
}
