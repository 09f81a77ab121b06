//! RFC 7662: Token Introspection.

use super::*;

const INACTIVE: &[u8] = b"{\"active\":false}";

mod s2_1_introspection_request {
    use super::*;

    #[test]
    fn a_public_client_may_not_ask() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            s.introspect("app", &tokens.access).await.refused(400, "unauthorized_client");
        });
    }

    #[test]
    fn no_token_is_invalid_request() {
        with_server(async |s| {
            s.call("/introspect", "api", &[]).await.refused(400, "invalid_request");
        });
    }
}

mod s2_2_introspection_response {
    use super::*;

    #[test]
    fn a_live_token_is_described() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let response = s.introspect("api", &tokens.access).await;
            assert_eq!(header(&response, "cache-control"), "no-store");
            let answer = response.ok().json();
            assert_eq!((&answer["active"], &answer["token_type"]), (&json!(true), &json!("Bearer")));
            assert_eq!(answer["username"], ALICE.0);
            let claims = claims(&tokens.access);
            for name in ["iss", "sub", "aud", "client_id", "exp", "iat", "nbf", "jti", "scope", "sid"] {
                assert_eq!(answer[name], claims[name], "{name}");
            }
        });
    }

    #[test]
    fn nobody_learns_about_tokens_that_are_none_of_their_business() {
        with_server(async |s| {
            let tokens = s.tokens("web").await;
            // Neither its audience nor its client, or its audience without being a resource server.
            for client in ["stranger", "post", "service"] {
                assert_eq!(s.introspect(client, &tokens.access).await.ok().body, INACTIVE, "{client}");
                assert_eq!(s.introspect(client, tokens.refresh()).await.ok().body, INACTIVE, "{client}");
            }
            for client in ["web", "api"] {
                assert_eq!(
                    s.introspect(client, &tokens.access).await.ok().json()["active"],
                    true,
                    "{client}"
                );
            }
        });
    }

    #[test]
    fn a_refresh_token_is_described_to_its_client_alone() {
        with_server(async |s| {
            let tokens = s.tokens("web").await;
            let answer = s.introspect("web", tokens.refresh()).await.ok().json();
            assert_eq!((&answer["active"], &answer["client_id"]), (&json!(true), &json!("web")));
            assert_eq!(s.introspect("api", tokens.refresh()).await.ok().body, INACTIVE);
            // Looking is not using.
            s.refresh("web", tokens.refresh()).await.ok();
        });
    }

    #[test]
    fn everything_else_is_inactive_and_says_no_more() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let code = s.code("app").await;
            let mut all = tampered(&tokens.access);
            all.extend([
                tokens.id.clone().unwrap(),
                code,
                "x".to_owned(),
                "x".repeat(10_000),
                "srt_x".to_owned(),
            ]);
            for token in all {
                let response = s.introspect("api", &token).await;
                assert_eq!(response.ok().body, INACTIVE, "{token}");
                assert_eq!(header(&response, "cache-control"), "no-store");
            }
            s.advance(10 * MINUTE + 31 * SECOND);
            assert_eq!(s.introspect("api", &tokens.access).await.ok().body, INACTIVE);
        });
    }

    #[test]
    fn a_client_that_is_disabled_takes_its_tokens_with_it() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            s.disable_client("app").await;
            assert!(!s.is_active(&tokens.access).await);
        });
    }
}
