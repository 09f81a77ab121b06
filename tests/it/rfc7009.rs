//! RFC 7009: Token Revocation.

use super::*;

mod s2_1_revocation_request {
    use super::*;

    #[test]
    fn a_refresh_token_takes_its_family_with_it() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            let second = Tokens::of(&s.refresh("app", first.refresh()).await);
            let response = s.revoke("app", second.refresh()).await;
            assert_eq!((response.ok().body.len(), header(&response, "cache-control")), (0, "no-store"));
            for tokens in [&first, &second] {
                s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
                assert!(!s.is_active(&tokens.access).await);
                s.userinfo(&tokens.access).await.refused(401, "invalid_token");
            }
            assert!(s.events(ALICE.0).await.contains(&"family.ended"));
        });
    }

    #[test]
    fn a_superseded_refresh_token_ends_the_family_too() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            s.advance(2 * MINUTE);
            let second = Tokens::of(&s.refresh("app", first.refresh()).await);
            s.advance(2 * MINUTE);
            let third = Tokens::of(&s.refresh("app", second.refresh()).await);
            s.revoke("app", first.refresh()).await.ok();
            s.refresh("app", third.refresh()).await.refused(400, "invalid_grant");
            assert!(!s.events(ALICE.0).await.contains(&"refresh.theft"));
        });
    }

    #[test]
    fn an_access_token_ends_alone() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            let second = Tokens::of(&s.refresh("app", first.refresh()).await);
            s.revoke("app", &second.access).await.ok();
            assert!(!s.is_active(&second.access).await);
            assert!(s.is_active(&first.access).await);
            s.refresh("app", second.refresh()).await.ok();
        });
    }

    #[test]
    fn a_services_own_token_can_be_revoked() {
        with_server(async |s| {
            let grant = [("grant_type", "client_credentials")];
            let token = Tokens::of(&s.token("service", &grant).await).access;
            let other = Tokens::of(&s.token("service", &grant).await).access;
            s.revoke("service", &token).await.ok();
            assert!(!s.is_active(&token).await);
            assert!(s.is_active(&other).await);
            let log = s.administering("GET", "/audit?event=token.revoked").await.send().await.ok().json();
            assert_eq!(log["items"].as_array().unwrap().len(), 1);
            assert!(log["items"][0].get("user_id").is_none_or(Value::is_null), "{log}");
        });
    }

    #[test]
    fn a_token_of_another_client_is_left_alone() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            for client in ["other", "web", "api"] {
                s.revoke(client, tokens.refresh()).await.ok();
                s.revoke(client, &tokens.access).await.ok();
            }
            assert!(s.is_active(&tokens.access).await);
            s.refresh("app", tokens.refresh()).await.ok();
        });
    }

    #[test]
    fn a_wrong_hint_does_not_matter() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            for hint in ["access_token", "nonsense"] {
                let params = [("token", tokens.refresh()), ("token_type_hint", hint)];
                s.call("/revoke", "app", &params).await.ok();
            }
            s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
        });
    }
}

mod s2_2_revocation_response {
    use super::*;

    #[test]
    fn unknown_expired_and_revoked_tokens_are_200() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            for token in tampered(&tokens.access).iter().chain(&tampered(tokens.refresh())) {
                s.revoke("app", token).await.ok();
            }
            assert!(s.is_active(&tokens.access).await);
            s.revoke("app", tokens.refresh()).await.ok();
            s.revoke("app", tokens.refresh()).await.ok();
            s.advance(HOUR);
            s.revoke("app", &tokens.access).await.ok();
        });
    }

    #[test]
    fn no_token_is_invalid_request() {
        with_server(async |s| {
            s.call("/revoke", "app", &[]).await.refused(400, "invalid_request");
            s.call("/revoke", "app", &[("token", "")]).await.refused(400, "invalid_request");
        });
    }
}
