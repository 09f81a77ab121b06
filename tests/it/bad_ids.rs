//! Ids and texts that cannot be: those of nothing, refused, and never a fault of ours. PostgreSQL can hold no NUL.

use super::*;
use crate::support::registrar::{metadata, open};

#[test]
fn what_no_client_can_be_called_is_nobody_and_no_fault() {
    with_config(open, async |s| {
        let own = s.register(&metadata(json!({}))).await;
        let long = "x".repeat(3000);
        for id in ["%00", "a%00b", "%2500", "%0A", "%C2%85", &long] {
            for method in ["GET", "PUT", "DELETE"] {
                let request = s.configuring(method, id, &own.token).json(&metadata(json!({})));
                request.send().await.refused(401, "invalid_token");
            }
            for (method, path) in [
                ("GET", format!("/clients/{id}")),
                ("GET", format!("/clients/{id}/lint")),
                ("PATCH", format!("/clients/{id}")),
                ("DELETE", format!("/clients/{id}")),
                ("POST", format!("/clients/{id}/disable")),
                ("POST", format!("/clients/{id}/rotate_secret")),
                ("GET", format!("/apis/{id}")),
                ("PATCH", format!("/apis/{id}")),
                ("DELETE", format!("/apis/{id}")),
                ("DELETE", format!("/keys/{id}")),
                ("GET", format!("/users/{id}")),
            ] {
                let answer = s.administering(method, &path).await.json(&json!({})).send().await;
                assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
            }
        }
        for path in ["/authorize", "/end_session"] {
            let answer = s.get(&format!("{path}?client_id={long}")).send().await;
            assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        }
        let token = Auth::Public(long).on(s.post("/token"), &redemption("x"));
        token.send().await.refused(401, "invalid_client");
    });
}

#[test]
fn no_nul_gets_to_the_database() {
    with_config(open, async |s| {
        let cursor = |list: &str| signet::digest::base64url(format!("{list}:a\0").as_bytes());
        for path in [
            "/audit?client_id=a%00".to_owned(),
            "/logout_notices?client_id=a%00".to_owned(),
            format!("/clients?cursor={}", cursor("clients")),
            format!("/apis?cursor={}", cursor("apis")),
            format!("/users?cursor={}", cursor("users")),
        ] {
            let answer = s.administering("GET", &path).await.send().await;
            assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        }
        let nul = "a\0b";
        for (path, body) in [
            ("/users", json!({ "username": nul })),
            ("/users", json!({ "username": "carol", "email": format!("{nul}@example.com") })),
            ("/users", json!({ "username": "dave", "roles": [nul] })),
            ("/users", json!({ "username": "erin", "claims": { "nickname": nul } })),
            ("/apis", json!({ "audience": nul })),
            ("/apis", json!({ "audience": "urn:example:nul", "name": nul })),
            ("/api-keys", json!({ "name": nul })),
            ("/initial_access_tokens", json!({ "name": nul, "uses": 1 })),
            ("/clients", metadata(json!({ "client_id": nul }))),
            ("/clients", metadata(json!({ "audience": [nul] }))),
            ("/clients", metadata(json!({ "default_acr_values": [nul] }))),
            ("/clients", metadata(json!({ "jwks": { "keys": [{ "kty": "EC", "kid": nul }] } }))),
        ] {
            let answer = s.administering("POST", path).await.json(&body).send().await;
            assert!((200..500).contains(&answer.status), "{path} {body}: {}", answer.text());
        }
        for member in
            ["client_name", "software_id", "scope", "logo_uri", "token_endpoint_auth_method", "jwks"]
        {
            let answer = s.registering(&metadata(json!({ member: nul }))).send().await;
            assert!((200..500).contains(&answer.status), "{member}: {}", answer.text());
        }
    });
}
