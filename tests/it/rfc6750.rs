//! RFC 6750: Bearer Token Usage, at the UserInfo endpoint.

use super::*;

mod s2_authenticated_requests {
    use super::*;

    #[test]
    fn a_token_travels_in_the_header_or_in_a_form() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            s.userinfo(&tokens.access).await.ok();
            s.post("/userinfo").bearer(&tokens.access).send().await.ok();
            s.post("/userinfo").form(&[("access_token", &tokens.access)]).send().await.ok();
            let lower = s.get("/userinfo").header("Authorization", &format!("bearer {}", tokens.access));
            lower.send().await.ok();
        });
    }

    #[test]
    fn a_token_in_the_query_is_no_token() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let response = s.get(&format!("/userinfo?access_token={}", tokens.access)).send().await;
            assert_eq!(response.status, 401);
        });
    }

    #[test]
    fn a_token_in_two_places_is_invalid_request() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let twice = s.post("/userinfo").bearer(&tokens.access);
            let response = twice.form(&[("access_token", &tokens.access)]).send().await;
            response.refused(400, "invalid_request");
            let twice = s.get("/userinfo").bearer(&tokens.access).bearer(&tokens.access);
            twice.send().await.refused(400, "invalid_request");
        });
    }
}

mod s3_www_authenticate {
    use super::*;

    #[test]
    fn no_token_is_a_challenge_without_an_error() {
        with_server(async |s| {
            for request in [s.get("/userinfo"), s.get("/userinfo").header("Authorization", "Basic eDp5")] {
                let response = request.send().await;
                assert_eq!(response.status, 401);
                let challenge = header(&response, "www-authenticate");
                assert!(challenge.starts_with("Bearer realm=\""), "{challenge}");
                assert!(!challenge.contains("error="), "{challenge}");
                assert_eq!(header(&response, "cache-control"), "no-store");
            }
        });
    }

    #[test]
    fn a_bad_token_is_invalid_token() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            // Past the checks of form: case, padding and spaces change what kind of error it is.
            for token in tampered(&tokens.access).into_iter().filter(|token| !token.contains([' ', '='])) {
                let response = s.userinfo(&token).await;
                response.refused(401, "invalid_token");
                assert!(header(&response, "www-authenticate").contains("error=\"invalid_token\""));
            }
            s.advance(10 * MINUTE + 31 * SECOND);
            s.userinfo(&tokens.access).await.refused(401, "invalid_token");
        });
    }

    #[test]
    fn a_malformed_header_is_invalid_request() {
        with_server(async |s| {
            for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer \"x\"", "Bearer a,b"] {
                let response = s.get("/userinfo").header("Authorization", value).send().await;
                response.refused(400, "invalid_request");
                assert!(header(&response, "www-authenticate").contains("error=\"invalid_request\""));
            }
            let long = "a".repeat(8193);
            s.userinfo(&long).await.refused(400, "invalid_request");
        });
    }

    #[test]
    fn a_token_without_the_scope_is_insufficient_scope() {
        with_server(async |s| {
            let tokens = s.tokens_of(&mut Browser::new(s), "app", "read").await;
            let response = s.userinfo(&tokens.access).await;
            response.refused(403, "insufficient_scope");
            assert!(header(&response, "www-authenticate").contains("error=\"insufficient_scope\""));
        });
    }
}
