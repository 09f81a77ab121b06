//! OpenID Connect Core 1.0, what authorization requests may say: by the modules of the certification's Basic and Dynamic
//! profiles, each named with its test.

use super::*;

/// A client as the certification registers one: confidential, and without PKCE.
async fn suite(s: &Server) -> Auth {
    let metadata = json!({
        "profile": "oidc-certification",
        "require_pkce": false,
        "redirect_uris": [CALLBACK, "https://app.example.com/query?foo=bar"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email offline_access read",
        "audience": [AUDIENCE],
        "first_party": true,
    });
    Auth::Basic("suite".to_owned(), s.create_client("suite", metadata).await.unwrap())
}

/// The certification's request: nothing about PKCE.
fn plain() -> Asked {
    request("suite").without("code_challenge").without("code_challenge_method")
}

async fn redeem(s: &Server, auth: &Auth, code: &str, more: &[(&str, &str)]) -> Response {
    let redemption =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
    auth.on(s.post("/token"), &[&redemption, more].concat()).send().await
}

mod s3_1_2_1_certification {
    use super::*;

    /// `oidcc-server`, `oidcc-response-type-missing`.
    #[test]
    fn a_code_comes_back_and_a_missing_response_type_is_an_error_in_the_query() {
        with_server(async |s| {
            let auth = suite(s).await;
            let code = Browser::new(s).sign_in(&plain(), ALICE).await.code();
            redeem(s, &auth, &code, &[]).await.ok();
            let answer = Browser::new(s).silently(&plain().without("response_type")).await;
            assert_eq!((answer.uri.as_str(), answer.get("error")), (CALLBACK, Some("invalid_request")));
            assert_eq!(answer.get("state"), Some("af0ifjsldkj"));
        });
    }

    /// `oidcc-ensure-request-with-unknown-parameter-succeeds`, `oidcc-display-page`, `oidcc-display-popup`,
    /// `oidcc-ui-locales`, `oidcc-claims-locales`, `oidcc-login-hint`,
    /// `oidcc-ensure-request-with-acr-values-succeeds`.
    #[test]
    fn what_is_only_a_wish_is_no_error() {
        with_server(async |s| {
            let auth = suite(s).await;
            let mut browser = Browser::new(s);
            for (name, value) in [
                ("extra", "foobar"),
                ("display", "page"),
                ("display", "popup"),
                ("display", "touch"),
                ("display", "wap"),
                ("display", "hologram"),
                ("ui_locales", "se"),
                ("ui_locales", "de-DE fr xx"),
                ("claims_locales", "se"),
                ("login_hint", "alice"),
                ("acr_values", "1 2"),
            ] {
                let code = browser.sign_in(&plain().with(name, value), ALICE).await.code();
                redeem(s, &auth, &code, &[]).await.ok();
            }
        });
    }

    /// `oidcc-ensure-post-request-succeeds`.
    #[test]
    fn a_request_may_be_posted() {
        with_server(async |s| {
            let auth = suite(s).await;
            let mut browser = Browser::new(s);
            browser.sign_in(&plain(), ALICE).await.code();
            let response = browser.send(s.post("/authorize").raw_form(&plain().encoded())).await;
            let code = Redirect::parse(response.location()).code();
            redeem(s, &auth, &code, &[]).await.ok();
        });
    }

    /// `oidcc-ensure-request-without-nonce-succeeds-for-code-flow`.
    #[test]
    fn the_code_flow_needs_no_nonce() {
        with_server(async |s| {
            let auth = suite(s).await;
            let code = Browser::new(s).sign_in(&plain().without("nonce"), ALICE).await.code();
            let tokens = Tokens::of(&redeem(s, &auth, &code, &[]).await);
            assert!(claims(&tokens.id.unwrap()).get("nonce").is_none());
        });
    }

    /// `oidcc-redirect-uri-query-OK`, `-query-mismatch`, `-query-added`, `oidcc-ensure-registered-redirect-uri`,
    /// `oidcc-ensure-redirect-uri-in-authorization-request`.
    #[test]
    fn a_registered_query_comes_back_and_another_is_an_error_page() {
        with_server(async |s| {
            suite(s).await;
            let to = |uri: &str| plain().with("redirect_uri", uri);
            let asked = to("https://app.example.com/query?foo=bar");
            let answer = Browser::new(s).sign_in(&asked, ALICE).await;
            assert_eq!(answer.uri, "https://app.example.com/query");
            assert_eq!(answer.get("foo"), Some("bar"));
            assert!(answer.get("code").is_some());
            for uri in [
                "https://app.example.com/query",
                "https://app.example.com/query?foo=baz",
                "https://app.example.com/query?foo=bar&x=y",
                "https://app.example.com/callback?x=y",
                "",
            ] {
                let response = Browser::new(s).authorize(&to(uri)).await;
                assert_eq!((response.status, response.header("location")), (400, None), "{uri}");
            }
        });
    }

    #[test]
    fn max_age_zero_is_prompt_login() {
        with_server(async |s| {
            suite(s).await;
            let mut browser = Browser::new(s);
            browser.sign_in(&plain(), ALICE).await.code();
            // In the very moment of the sign-in.
            let asked = plain().with("max_age", "0");
            let answer = browser.silently(&asked.clone().with("prompt", "none")).await;
            assert_eq!(answer.get("error"), Some("login_required"));
            let page = browser.open(&asked).await;
            assert_eq!(page.path, "/login");
            Redirect::parse(browser.login(&page, ALICE).await.location()).code();
        });
    }

    /// `oidcc-prompt-none-not-logged-in`, and every other reason why a page would be needed.
    #[test]
    fn prompt_none_is_answered_by_an_error_whatever_is_missing() {
        with_server(async |s| {
            suite(s).await;
            s.patch_client("spa", json!({ "default_max_age": 60 })).await;
            let none = |asked: Asked| asked.with("prompt", "none");
            let mut browser = Browser::new(s);
            let alice = s.tokens("app").await.id.unwrap();
            browser.sign_in(&request("app"), BOB).await.code();
            for (asked, error) in [
                (none(request("spa")), "consent_required"),
                (none(plain().with("max_age", "0")), "login_required"),
                (none(request("app").with("id_token_hint", &alice)), "login_required"),
                (request("app").with("prompt", "none login"), "invalid_request"),
                (none(plain().with("scope", "nothing")), "invalid_scope"),
                (none(plain().with("request", "x")), "invalid_request_object"),
            ] {
                let answer = browser.silently(&asked).await;
                assert_eq!((answer.uri.as_str(), answer.get("error")), (CALLBACK, Some(error)));
            }
            s.advance(2 * MINUTE);
            assert_eq!(browser.silently(&none(request("spa"))).await.get("error"), Some("login_required"));
            let stranger = Browser::new(s).silently(&none(plain())).await;
            assert_eq!((stranger.get("error"), stranger.get("code")), (Some("login_required"), None));
        });
    }
}

mod while_a_person_signs_in {
    use super::*;

    #[test]
    fn a_redirect_uri_that_is_taken_away_gets_no_answer_any_more() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let page = browser.open(&request("app")).await;
            s.patch_client("app", json!({ "redirect_uris": ["https://app.example.com/new"] })).await;
            for action in ["login", "cancel"] {
                let fields = [("username", ALICE.0), ("password", ALICE.1), ("action", action)];
                let response = browser.submit(&page, &fields).await;
                assert_eq!((response.status, response.header("location")), (400, None), "{action}");
            }
        });
    }
}

mod pkce_by_client {
    use super::*;

    /// `oidcc-ensure-request-with-valid-pkce-succeeds`.
    #[test]
    fn a_client_that_may_go_without_is_held_to_the_challenge_it_sends() {
        with_server(async |s| {
            let auth = suite(s).await;
            let mut browser = Browser::new(s);
            let code = browser.sign_in(&request("suite"), ALICE).await.code();
            redeem(s, &auth, &code, &[]).await.refused(400, "invalid_grant");
            redeem(s, &auth, &code, &[("code_verifier", VERIFIER)]).await.ok();
            // And a code without a challenge takes no verifier (RFC 9700, PKCE downgrade).
            let code = browser.silently(&plain()).await.code();
            redeem(s, &auth, &code, &[("code_verifier", VERIFIER)]).await.refused(400, "invalid_grant");
            redeem(s, &auth, &code, &[]).await.ok();
            let weak = plain().with("code_challenge", VERIFIER).with("code_challenge_method", "plain");
            assert_eq!(browser.silently(&weak).await.get("error"), Some("invalid_request"));
        });
    }

    #[test]
    fn the_profile_alone_does_not_lift_it() {
        with_server(async |s| {
            suite(s).await;
            s.patch_client("suite", json!({ "require_pkce": null })).await;
            let answer = Browser::new(s).silently(&plain()).await;
            assert_eq!(answer.get("error"), Some("invalid_request"));
        });
    }

    #[test]
    fn no_other_client_may_go_without() {
        let metadata = |profile: &str, method: &str| {
            json!({ "profile": profile, "token_endpoint_auth_method": method, "require_pkce": false,
                "redirect_uris": [CALLBACK] })
        };
        let read = |metadata| signet::oauth::client_metadata::ClientMetadata::from_json(&metadata);
        for (profile, method) in [
            ("default", "client_secret_basic"),
            ("oauth21", "client_secret_basic"),
            ("oidc-certification", "none"),
        ] {
            assert_eq!(read(metadata(profile, method)).unwrap_err().field, "require_pkce", "{profile}");
        }
        assert!(read(metadata("oidc-certification", "client_secret_basic")).is_ok());
    }
}
