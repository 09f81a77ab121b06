//! RFC 6749 §6: refreshing an access token, as every client sees it. What rotation decides is in `rotation.rs`.

use super::*;

const GRANT: (&str, &str) = ("grant_type", "refresh_token");

#[test]
fn a_refresh_token_yields_new_tokens_of_the_same_authorization() {
    with_server(async |s| {
        let first = s.tokens("app").await;
        s.advance(5 * MINUTE);
        let response = s.refresh("app", first.refresh()).await;
        assert_eq!(header(&response, "cache-control"), "no-store");
        let second = Tokens::of(&response);
        assert_ne!(second.access, first.access);
        assert_ne!(second.refresh, first.refresh);
        let (one, two) = (claims(&first.access), claims(&second.access));
        for name in ["sub", "sid", "scope", "aud", "client_id", "auth_time"] {
            assert_eq!(one[name], two[name], "{name}");
        }
        assert_eq!(two["exp"].as_i64().unwrap() - one["exp"].as_i64().unwrap(), 300);
        assert!(s.is_active(&second.access).await);
    });
}

#[test]
fn a_token_of_another_client_is_invalid_grant() {
    with_server(async |s| {
        let tokens = s.tokens("app").await;
        s.refresh("other", tokens.refresh()).await.refused(400, "invalid_grant");
        s.refresh("web", tokens.refresh()).await.refused(400, "invalid_grant");
        s.refresh("app", tokens.refresh()).await.ok();
    });
}

#[test]
fn the_scope_may_narrow_for_one_access_token() {
    with_server(async |s| {
        let first = s.tokens("app").await;
        let params = [GRANT, ("refresh_token", first.refresh()), ("scope", "read")];
        let narrow = Tokens::of(&s.token("app", &params).await);
        assert_eq!(claims(&narrow.access)["scope"], "read");
        let whole = Tokens::of(&s.refresh("app", narrow.refresh()).await);
        assert_eq!(claims(&whole.access)["scope"], "openid offline_access read");
    });
}

#[test]
fn a_scope_wider_than_granted_is_refused_and_uses_nothing_up() {
    with_server(async |s| {
        let first = s.tokens("app").await;
        for scope in ["read write", "profile", "openid offline_access read phone"] {
            let params = [GRANT, ("refresh_token", first.refresh()), ("scope", scope)];
            s.token("app", &params).await.refused(400, "invalid_scope");
        }
        let params = [GRANT, ("refresh_token", first.refresh()), ("resource", "https://x.example.com")];
        s.token("app", &params).await.refused(400, "invalid_target");
        s.advance(2 * HOUR);
        // Had it been used up, this would be the late retry of a predecessor.
        let second = Tokens::of(&s.refresh("app", first.refresh()).await);
        s.advance(2 * HOUR);
        Tokens::of(&s.refresh("app", second.refresh()).await);
        assert!(!s.events(ALICE.0).await.contains(&"refresh.forked"));
    });
}

#[test]
fn a_scope_that_the_client_has_lost_is_not_refreshed() {
    with_server(async |s| {
        let first = s.tokens("app").await;
        s.patch_client("app", json!({ "scope": "openid offline_access" })).await;
        let second = Tokens::of(&s.refresh("app", first.refresh()).await);
        assert_eq!(claims(&second.access)["scope"], "openid offline_access");
        s.patch_client("app", json!({ "scope": "openid" })).await;
        s.refresh("app", second.refresh()).await.refused(400, "invalid_grant");
    });
}

#[test]
fn what_is_no_refresh_token_is_invalid_grant() {
    with_server(async |s| {
        let tokens = s.tokens("app").await;
        for token in tampered(tokens.refresh()) {
            s.refresh("app", &token).await.refused(400, "invalid_grant");
        }
        s.refresh("app", "").await.refused(400, "invalid_request");
        s.refresh("app", tokens.refresh()).await.ok();
    });
}

#[test]
fn a_token_of_another_issuer_with_the_same_keys_is_invalid_grant() {
    with_server(async |s| {
        let tokens = s.tokens("app").await;
        let text = tokens.refresh().to_owned();
        let other = signet::flow::Secrets::derive(s.op.keys.master(), "https://another.example.com");
        let token = signet::secret::RefreshToken::new(text);
        let (id, generation) = s.op.secrets.refresh_tokens.decode(&token).unwrap();
        let forged = other.unwrap().refresh_tokens.encode(id, generation);
        s.refresh("app", forged.reveal()).await.refused(400, "invalid_grant");
    });
}
