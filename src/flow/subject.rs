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

/// Whether all users stay who they are to a client whose metadata changes so: the type of its subjects and, where they
/// are pairwise, their sector.
pub fn stays(before: &ClientMetadata, after: &ClientMetadata) -> bool {
    before.subject_type == after.subject_type
        && (before.subject_type.is_public() || sector(before) == sector(after))
}

/// The sector identifier: the host of `sector_identifier_uri`, else of the redirect URIs.
fn sector(metadata: &ClientMetadata) -> Option<String> {
    let uri = metadata.sector_identifier_uri.as_deref();
    let uri = uri.or_else(|| metadata.redirect_uris.first().map(RedirectUri::as_str))?;
    page::host_of(uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(change: serde_json::Value) -> ClientMetadata {
        let mut json = json!({ "redirect_uris": ["https://a.example/cb"], "subject_type": "pairwise" });
        json.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        ClientMetadata::from_json(&json).unwrap()
    }

    #[test]
    fn the_sector_is_a_host() {
        let same = metadata(json!({ "redirect_uris": ["https://a.example/other"] }));
        let named = metadata(json!({
            "redirect_uris": ["https://b.example/cb"],
            "sector_identifier_uri": "https://a.example/uris.json",
        }));
        let moved = metadata(json!({ "redirect_uris": ["https://b.example/cb"] }));
        let before = metadata(json!({}));
        assert!(stays(&before, &same) && stays(&before, &named));
        assert!(!stays(&before, &moved));
        let public = metadata(json!({ "subject_type": "public" }));
        assert!(!stays(&before, &public) && !stays(&public, &before));
        let elsewhere = json!({ "subject_type": "public", "redirect_uris": ["https://b.example/cb"] });
        assert!(stays(&public, &metadata(elsewhere)));
    }
}
