//! What a client knows a user by (OpenID Connect Core §8).

use super::Provider;
use super::policy::BrowserPolicy;
use crate::digest::base64url;
use crate::model::client::Client;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::page;
use crate::oauth::redirect_uri::RedirectUri;
use crate::oauth::uri;
use crate::secret::UserId;

/// The pairwise `sub` of a user at a client; `None` where the client's subjects are public. The same for all clients of
/// a sector, and nobody without the key can tell two sectors' apart from two users' (OpenID Connect Core §8.1), but for
/// the moment when all that a user has ends: the revocation feed, which anybody can read, then names the user's id and
/// pairwise subjects in one batch.
pub fn pairwise(op: &Provider, client: &Client, user: UserId) -> Option<String> {
    if client.metadata.subject_type.is_public() {
        return None;
    }
    let sector = sector(&op.policy.browser, &client.metadata).unwrap_or_else(|| client.id.0.clone());
    let mac = op.secrets.subjects.mac(&[b"sub", sector.as_bytes(), user.0.as_bytes()]);
    Some(base64url(mac.as_bytes()))
}

/// `sub` of a user at a client.
pub fn of(op: &Provider, client: &Client, user: UserId) -> String {
    pairwise(op, client, user).unwrap_or_else(|| user.to_string())
}

/// Whether all users stay who they are to a client whose metadata changes so: the type of its subjects and, where they
/// are pairwise, their sector.
pub fn stays(browser: &BrowserPolicy, before: &ClientMetadata, after: &ClientMetadata) -> bool {
    before.subject_type == after.subject_type
        && (before.subject_type.is_public() || sector(browser, before) == sector(browser, after))
}

/// The sector identifier: the host of `sector_identifier_uri`, else of the redirect URIs. `None` where that host is nobody's
/// in particular, so that the client is a sector by itself: everybody's own machine, and this server's callback.
fn sector(browser: &BrowserPolicy, metadata: &ClientMetadata) -> Option<String> {
    if let Some(uri) = &metadata.sector_identifier_uri {
        return page::host_of(uri);
    }
    let uris = || metadata.redirect_uris.iter().map(RedirectUri::as_str);
    if uris().any(|uri| browser.is_callback(uri)) {
        return None;
    }
    let host = page::host_of(uris().next()?)?;
    (!uri::is_loopback(&host) && !uri::is_below_localhost(&host)).then_some(host)
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

    fn browser() -> BrowserPolicy {
        BrowserPolicy { hosts: vec!["https://auth.example".to_owned()], cookie_domains: Vec::new() }
    }

    fn stay(before: &ClientMetadata, after: &ClientMetadata) -> bool {
        stays(&browser(), before, after)
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
        assert!(stay(&before, &same) && stay(&before, &named));
        assert!(!stay(&before, &moved));
        let public = metadata(json!({ "subject_type": "public" }));
        assert!(!stay(&before, &public) && !stay(&public, &before));
        let elsewhere = json!({ "subject_type": "public", "redirect_uris": ["https://b.example/cb"] });
        assert!(stay(&public, &metadata(elsewhere)));
    }

    #[test]
    fn a_host_that_is_nobodys_is_no_sector() {
        for uri in [
            "http://127.0.0.1/cb",
            "http://[::1]:7000/cb",
            "http://localhost:3000/cb",
            "https://app.localhost/cb",
            "https://auth.example/session/callback",
        ] {
            assert_eq!(sector(&browser(), &metadata(json!({ "redirect_uris": [uri] }))), None, "{uri}");
        }
        let uri = "https://auth.example/other";
        let own = sector(&browser(), &metadata(json!({ "redirect_uris": [uri] })));
        assert_eq!(own.as_deref(), Some("auth.example"));
    }
}
