//! RFC 6749: The OAuth 2.0 Authorization Framework. The authorization endpoint and the grants; client authentication
//! is in `rfc6749_clients.rs`.

use super::*;
use crate::support::inside::Inside;

mod s3_1_authorization_endpoint {
    use super::*;

    #[test]
    fn get_and_post_take_the_same_request() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let body = request("app").encoded();
            let response = browser.send(s.post("/authorize").raw_form(&body)).await;
            assert!(response.location().starts_with("/login?interaction="));
            let page = browser.page(response.location()).await;
            let response = browser.login(&page, ALICE).await;
            assert_eq!(Redirect::parse(response.location()).get("state"), Some("af0ifjsldkj"));
        });
    }

    #[test]
    fn unknown_parameters_are_ignored_and_empty_ones_are_absent() {
        with_server(async |s| {
            let asked = request("app").with("shoe_size", "43").with("nonce", "").with("max_age", "");
            let code = Browser::new(s).sign_in(&asked, ALICE).await.code();
            let tokens = Tokens::of(&s.redeem("app", &code).await);
            assert!(claims(&tokens.id.unwrap()).get("nonce").is_none());
            let asked = request("app").with("response_type", "");
            let answer = Browser::new(s).silently(&asked).await;
            assert_eq!(answer.get("error"), Some("invalid_request"));
        });
    }

    #[test]
    fn state_comes_back_byte_for_byte() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await;
            for state in ["<script>\"'&%+ ;=", "ünï\u{1f511}", &"x".repeat(4096), "a\nb"] {
                let answer = browser.silently(&request("app").with("state", state)).await;
                assert_eq!(answer.get("state"), Some(state));
                assert!(answer.get("code").is_some());
            }
            let none = browser.silently(&request("app").without("state")).await;
            assert!(none.get("state").is_none() && none.get("code").is_some());
            let answer = browser.silently(&request("app").with("state", &"x".repeat(4097))).await;
            assert_eq!((answer.get("error"), answer.get("state")), (Some("invalid_request"), None));
        });
    }
}

mod s3_3_scope {
    use super::*;

    #[test]
    fn without_a_scope_the_registered_one_holds_but_not_beyond_the_session() {
        with_server(async |s| {
            let answer = Browser::new(s).sign_in(&request("app").without("scope"), ALICE).await;
            let tokens = Tokens::of(&s.redeem("app", &answer.code()).await);
            assert_eq!(tokens.body["scope"], "openid profile email address phone read write");
        });
    }
}

mod s4_1_2_1_error_response {
    use super::*;

    /// Broken in every other way too: the page must come first.
    fn broken() -> Vec<Asked> {
        let asked = request("app");
        vec![
            asked.clone(),
            asked.clone().with("prompt", "none"),
            asked.clone().with("scope", "no-such-scope"),
            asked.clone().with("response_type", "token"),
            asked.clone().without("code_challenge"),
            asked.clone().with("response_mode", "fragment"),
            asked.with("state", &"x".repeat(5000)),
        ]
    }

    async fn shows_a_page(s: &Server, asked: &Asked, error: &str) {
        let response = Browser::new(s).authorize(asked).await;
        response.refused(400, error);
        assert_eq!(response.header("location"), None);
        assert!(header(&response, "content-type").starts_with("text/html"));
        assert_eq!(header(&response, "cache-control"), "no-store");
    }

    #[test]
    fn an_unproven_client_or_redirect_uri_is_never_redirected_to() {
        with_server(async |s| {
            for asked in broken() {
                shows_a_page(s, &asked.clone().with("client_id", "nobody"), "invalid_client").await;
                shows_a_page(s, &asked.clone().without("client_id"), "invalid_request").await;
                shows_a_page(s, &asked.clone().without("redirect_uri"), "invalid_request").await;
                let foreign = asked.clone().with("redirect_uri", "https://attacker.example.com/callback");
                shows_a_page(s, &foreign, "invalid_request").await;
                shows_a_page(s, &asked.clone().repeating("redirect_uri", CALLBACK), "invalid_request").await;
                shows_a_page(s, &asked.repeating("client_id", "app"), "invalid_request").await;
            }
        });
    }

    #[test]
    fn a_disabled_client_is_like_an_unknown_one() {
        with_server(async |s| {
            s.disable_client("app").await;
            shows_a_page(s, &request("app"), "invalid_client").await;
            s.enable_client("app").await;
            assert!(Browser::new(s).authorize(&request("app")).await.location().starts_with("/login"));
        });
    }

    #[test]
    fn everything_else_goes_back_to_the_client() {
        with_server(async |s| {
            let long = "x".repeat(513);
            for (name, value, error) in [
                ("response_type", "", "invalid_request"),
                ("response_type", "token", "unsupported_response_type"),
                ("response_type", "id_token", "unsupported_response_type"),
                ("response_type", "code token", "unsupported_response_type"),
                ("response_type", "code id_token", "unsupported_response_type"),
                ("response_type", "none", "unsupported_response_type"),
                ("response_mode", "fragment", "invalid_request"),
                ("response_mode", "query.jwt", "invalid_request"),
                ("scope", "openid no-such-scope", "invalid_scope"),
                ("scope", "openid \"", "invalid_scope"),
                ("scope", "signet:admin", "invalid_scope"),
                ("code_challenge", "", "invalid_request"),
                ("request", "eyJhbGciOiJub25lIn0..", "invalid_request_object"),
                ("request_uri", "https://app.example.com/r", "invalid_request_uri"),
                ("registration", "{}", "registration_not_supported"),
                ("prompt", "none login", "invalid_request"),
                ("prompt", "create", "invalid_request"),
                ("max_age", "-1", "invalid_request"),
                ("max_age", "ten", "invalid_request"),
                ("max_age", "99999999999999999999", "invalid_request"),
                ("resource", "https://unknown.example.com", "invalid_target"),
                ("nonce", &long, "invalid_request"),
                ("id_token_hint", "garbage", "invalid_request"),
            ] {
                let answer = Browser::new(s).silently(&request("app").with(name, value)).await;
                assert_eq!(answer.uri, CALLBACK);
                assert_eq!(answer.get("error"), Some(error), "{name}={value}");
                assert_eq!(answer.get("state"), Some("af0ifjsldkj"), "{name}");
                assert_eq!(answer.get("iss"), Some(s.issuer()), "{name}");
                assert_eq!(answer.get("code"), None);
            }
        });
    }

    #[test]
    fn a_person_who_says_no_is_access_denied() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let page = browser.open(&request("spa")).await;
            let response = browser.submit(&page, &[("action", "cancel")]).await;
            let answer = Redirect::parse(response.location());
            assert_eq!(answer.get("error"), Some("access_denied"));
            let page = browser.open(&request("spa")).await;
            let response = browser.login(&page, ALICE).await;
            let page = browser.page(response.location()).await;
            let response = browser.submit(&page, &[("action", "deny")]).await;
            let answer = Redirect::parse(response.location());
            assert_eq!(answer.get("error"), Some("access_denied"));
            assert_eq!((answer.get("state"), answer.get("code")), (Some("af0ifjsldkj"), None));
        });
    }

    #[test]
    fn an_error_page_of_a_developer_shows_received_and_registered() {
        with_server(async |s| {
            let asked = request("app").with("redirect_uri", "https://app.example.com/callback/");
            let html = Browser::new(s).authorize(&asked).await.text().replace("&#x2f;", "/");
            assert!(html.contains("<code>https://app.example.com/callback/</code>"));
            assert!(html.contains("<code>https://app.example.com/callback</code>"));
        });
    }

    #[test]
    fn what_was_sent_is_escaped_on_the_page() {
        with_server(async |s| {
            let asked = request("app").with("redirect_uri", "https://x.example/\"><script>alert(1)</script>");
            let response = Browser::new(s).authorize(&asked).await;
            response.refused(400, "invalid_request");
            assert!(!response.text().contains("<script>alert"));
        });
    }
}

mod s4_1_3_access_token_request {
    use super::*;

    #[test]
    fn a_code_is_redeemed_for_tokens() {
        with_server(async |s| {
            let answer = Browser::new(s).sign_in(&request("spa"), ALICE).await;
            let response = s.redeem("spa", &answer.code()).await;
            assert_eq!(header(&response, "cache-control"), "no-store");
            assert_eq!(header(&response, "content-type"), "application/json");
            let tokens = Tokens::of(&response);
            assert_eq!(tokens.body["token_type"], "Bearer");
            assert_eq!(tokens.body["expires_in"], 600);
            assert_eq!(tokens.body["scope"], "openid read");
            assert!(tokens.refresh().starts_with("srt_"));
            assert!(answer.code().starts_with("sac_") && answer.code().len() >= 47);
        });
    }

    #[test]
    fn a_second_redemption_is_refused_and_ends_the_tokens_of_the_first() {
        with_server(async |s| {
            let code = s.code("app").await;
            let tokens = Tokens::of(&s.redeem("app", &code).await);
            s.redeem("app", &code).await.refused(400, "invalid_grant");
            s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
            assert!(!s.is_active(&tokens.access).await);
            s.userinfo(&tokens.access).await.refused(401, "invalid_token");
            assert!(s.events(ALICE.0).await.contains(&"code.replayed"));
        });
    }

    #[test]
    fn a_replay_with_a_wrong_verifier_or_client_ends_nothing() {
        with_server(async |s| {
            let code = s.code("app").await;
            let tokens = Tokens::of(&s.redeem("app", &code).await);
            let mut wrong = redemption(&code);
            wrong[3].1 = "another-verifier-another-verifier-another-verifier";
            s.token("app", &wrong).await.refused(400, "invalid_grant");
            s.redeem("other", &code).await.refused(400, "invalid_grant");
            assert!(s.is_active(&tokens.access).await);
            s.refresh("app", tokens.refresh()).await.ok();
        });
    }

    #[test]
    fn a_failed_attempt_does_not_use_the_code_up() {
        with_server(async |s| {
            let code = s.code("web").await;
            s.redeem("app", &code).await.refused(400, "invalid_grant");
            let wrong = Auth::Basic("web".to_owned(), "wrong".to_owned());
            wrong.on(s.post("/token"), &redemption(&code)).send().await.refused(401, "invalid_client");
            let mut other = redemption(&code);
            other[2].1 = "http://127.0.0.1/callback";
            s.token("web", &other).await.refused(400, "invalid_grant");
            s.redeem("web", &code).await.ok();
        });
    }

    #[test]
    fn a_code_lives_a_minute() {
        with_server(async |s| {
            let (early, late) = (s.code("app").await, s.code("app").await);
            s.advance(59 * SECOND);
            s.redeem("app", &early).await.ok();
            s.advance(2 * SECOND);
            s.redeem("app", &late).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn a_code_is_bound_to_its_redirect_uri() {
        with_server(async |s| {
            let uri = "http://127.0.0.1:41999/callback";
            let asked = request("app").with("redirect_uri", uri);
            let answer = Browser::new(s).sign_in(&asked, ALICE).await;
            assert_eq!(answer.uri, uri);
            let code = answer.code();
            let mut params = redemption(&code);
            for other in [CALLBACK, "http://127.0.0.1:41998/callback", "http://127.0.0.1/callback"] {
                params[2].1 = other;
                s.token("app", &params).await.refused(400, "invalid_grant");
            }
            params[2].1 = "";
            s.token("app", &params).await.refused(400, "invalid_request");
            params[2].1 = uri;
            s.token("app", &params).await.ok();
        });
    }

    #[test]
    fn a_code_that_is_none_is_invalid_grant() {
        with_server(async |s| {
            let code = s.code("app").await;
            for code in tampered(&code) {
                s.redeem("app", &code).await.refused(400, "invalid_grant");
            }
            s.redeem("app", "").await.refused(400, "invalid_request");
            s.redeem("app", &code).await.ok();
        });
    }

    #[test]
    fn a_code_of_a_client_that_was_deleted_is_none_of_the_next_with_its_id() {
        with_server(async |s| {
            let metadata = json!({
                "token_endpoint_auth_method": "none",
                "redirect_uris": [CALLBACK],
                "scope": "openid read",
                "first_party": true,
            });
            s.create_client("shop", metadata.clone()).await;
            let code = s.code("shop").await;
            s.delete_client("shop").await;
            s.create_client("shop", metadata).await;
            s.redeem("shop", &code).await.refused(400, "invalid_grant");
            // As though a code had been made while the client was being deleted.
            let code = s.code("shop").await;
            let mut inside = Inside::of(s).await;
            let mut age = async |millis: i64| {
                let sql = format!("UPDATE clients SET created_at = created_at + {millis} WHERE client_id = 'shop'");
                inside.run(&sql).await;
            };
            age(1).await;
            s.redeem("shop", &code).await.refused(400, "invalid_grant");
            age(-1).await;
            s.redeem("shop", &code).await.ok();
        });
    }

    #[test]
    fn a_user_who_is_disabled_meanwhile_gets_nothing() {
        with_server(async |s| {
            let code = s.code("app").await;
            s.disable_user(ALICE.0).await;
            s.redeem("app", &code).await.refused(400, "invalid_grant");
        });
    }
}

mod s4_4_client_credentials {
    use super::*;

    const GRANT: (&str, &str) = ("grant_type", "client_credentials");

    #[test]
    fn a_service_gets_a_token_of_its_own() {
        with_server(async |s| {
            let tokens = Tokens::of(&s.token("service", &[GRANT]).await);
            assert_eq!(tokens.body["scope"], "read write");
            assert!(tokens.refresh.is_none() && tokens.id.is_none());
            let claims = claims(&tokens.access);
            assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("service"), &json!("service")));
            assert!(claims.get("sid").is_none() && claims.get("rv").is_none());
            assert!(s.is_active(&tokens.access).await);
        });
    }

    #[test]
    fn the_scope_may_narrow_but_not_widen() {
        with_server(async |s| {
            let tokens = Tokens::of(&s.token("service", &[GRANT, ("scope", "read")]).await);
            assert_eq!(claims(&tokens.access)["scope"], "read");
            for scope in ["read admin", "openid", "offline_access", "read openid", "signet:admin"] {
                s.token("service", &[GRANT, ("scope", scope)]).await.refused(400, "invalid_scope");
            }
        });
    }

    #[test]
    fn a_resource_selects_the_audience() {
        with_server(async |s| {
            let both = Tokens::of(&s.token("service", &[GRANT]).await);
            assert_eq!(claims(&both.access)["aud"], json!([AUDIENCE, "https://other.example.com"]));
            let one = Tokens::of(&s.token("service", &[GRANT, ("resource", AUDIENCE)]).await);
            assert_eq!(claims(&one.access)["aud"], AUDIENCE);
            let wrong = [GRANT, ("resource", "https://stranger.example.com")];
            s.token("service", &wrong).await.refused(400, "invalid_target");
        });
    }

    #[test]
    fn a_public_client_cannot_have_it() {
        with_server(async |s| {
            s.token("app", &[GRANT]).await.refused(400, "unauthorized_client");
        });
    }

    #[test]
    fn a_disabled_client_gets_none_and_its_tokens_end() {
        with_server(async |s| {
            let tokens = Tokens::of(&s.token("service", &[GRANT]).await);
            s.disable_client("service").await;
            s.token("service", &[GRANT]).await.refused(401, "invalid_client");
            assert!(!s.is_active(&tokens.access).await);
        });
    }
}

mod s5_2_error_response {
    use super::*;

    #[test]
    fn a_grant_that_the_client_is_not_registered_for_is_unauthorized_client() {
        with_server(async |s| {
            for (client, grant) in [
                ("service", "authorization_code"),
                ("service", "refresh_token"),
                ("web", "client_credentials"),
                ("app", "client_credentials"),
            ] {
                let params = [
                    ("grant_type", grant),
                    ("code", "sac_x"),
                    ("redirect_uri", CALLBACK),
                    ("refresh_token", "srt_x"),
                ];
                s.token(client, &params).await.refused(400, "unauthorized_client");
            }
        });
    }

    #[test]
    fn a_grant_that_nobody_has_is_unsupported_grant_type() {
        with_server(async |s| {
            for grant in
                ["password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "Refresh_Token"]
            {
                let params = [("grant_type", grant), ("username", ALICE.0), ("password", ALICE.1)];
                s.token("web", &params).await.refused(400, "unsupported_grant_type");
            }
            s.token("web", &[("code", "x")]).await.refused(400, "invalid_request");
        });
    }

    #[test]
    fn an_error_is_json_with_the_registered_members_and_is_not_stored() {
        with_server(async |s| {
            let response = s.token("app", &[("grant_type", "nothing")]).await;
            response.refused(400, "unsupported_grant_type");
            assert_eq!(header(&response, "cache-control"), "no-store");
            assert_eq!(header(&response, "content-type"), "application/json");
            assert_eq!(header(&response, "x-content-type-options"), "nosniff");
            let body = response.json();
            let description = body["error_description"].as_str().unwrap();
            assert!(description.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
            assert_eq!(Some(body["trace_id"].as_str().unwrap()), response.header("x-request-id"));
        });
    }
}

#[path = "rfc6749_refreshing.rs"]
mod s6_refreshing;
