//! OpenID Connect Core 1.0.

use super::*;

/// A browser in which alice has signed in for the client `app`.
async fn signed_in(s: &Server) -> Browser<'_> {
    let mut browser = Browser::new(s);
    browser.sign_in(&request("app"), ALICE).await.code();
    browser
}

mod s2_id_token {
    use super::*;

    #[test]
    fn an_id_token_says_who_signed_in_when_and_for_whom() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let id = tokens.id.unwrap();
            let (head, id) = (jwt_header(&id), claims(&id));
            assert_eq!((&head["alg"], &head["typ"]), (&json!("RS256"), &json!("JWT")));
            let now = s.now().seconds();
            assert_eq!(
                (&id["iss"], &id["aud"], &id["azp"]),
                (&json!(s.issuer()), &json!("app"), &json!("app"))
            );
            assert_eq!(id["sub"], claims(&tokens.access)["sub"]);
            assert_eq!(
                (&id["iat"], &id["exp"], &id["auth_time"]),
                (&json!(now), &json!(now + 600), &json!(now))
            );
            assert_eq!((&id["nonce"], &id["amr"]), (&json!("n-0S6_WzA2Mj"), &json!(["pwd"])));
            assert_eq!(id["sid"], claims(&tokens.access)["sid"]);
            assert!(id.get("email").is_none() && id.get("name").is_none());
        });
    }

    #[test]
    fn without_openid_there_is_none() {
        with_server(async |s| {
            let tokens = s.tokens_of(&mut Browser::new(s), "app", "read").await;
            assert!(tokens.id.is_none());
        });
    }

    #[test]
    fn a_client_may_have_claims_of_its_own_in_it() {
        with_server(async |s| {
            let rules = json!([{ "claim": "name", "from": "user.claims.name", "into": ["id_token"] },
                { "claim": "groups", "from": "user.roles", "into": ["id_token", "userinfo"] }]);
            s.patch_client("app", json!({ "claims": rules })).await;
            let tokens = s.tokens("app").await;
            let id = claims(&tokens.id.unwrap());
            assert_eq!(
                (&id["name"], &id["groups"]),
                (&json!("Alice Anna Example"), &json!(["admin", "staff"]))
            );
            assert_eq!(s.userinfo(&tokens.access).await.ok().json()["groups"], json!(["admin", "staff"]));
            assert!(claims(&tokens.access).get("groups").is_none());
        });
    }
}

mod s3_1_2_1_authentication_request {
    use super::*;

    #[test]
    fn prompt_none_never_shows_a_page() {
        with_server(async |s| {
            let none = |client: &str| request(client).with("prompt", "none");
            let mut browser = Browser::new(s);
            assert_eq!(browser.silently(&none("app")).await.get("error"), Some("login_required"));
            assert!(browser.cookies.is_empty(), "prompt=none began an interaction");
            let mut browser = signed_in(s).await;
            assert!(browser.silently(&none("app")).await.get("code").is_some());
            assert_eq!(browser.silently(&none("spa")).await.get("error"), Some("consent_required"));
            let stale = none("app").with("max_age", "10");
            s.advance(11 * SECOND);
            assert_eq!(browser.silently(&stale).await.get("error"), Some("login_required"));
        });
    }

    #[test]
    fn prompt_login_asks_for_the_password_again_and_moves_auth_time() {
        with_server(async |s| {
            let mut browser = signed_in(s).await;
            let old = browser.cookies["signet_session"].clone();
            let before = s.now().seconds();
            s.advance(5 * MINUTE);
            let page = browser.open(&request("app").with("prompt", "login")).await;
            assert_eq!(page.path, "/login");
            let response = browser.login(&page, ALICE).await;
            let code = Redirect::parse(response.location()).code();
            let id = claims(&Tokens::of(&s.redeem("app", &code).await).id.unwrap());
            assert_eq!(id["auth_time"].as_i64().unwrap(), before + 300);
            assert_ne!(browser.cookies["signet_session"], old);
        });
    }

    #[test]
    fn prompt_login_is_not_satisfied_by_the_session_that_was_there() {
        with_server(async |s| {
            let mut browser = signed_in(s).await;
            let asked = request("app").with("prompt", "login");
            let page = browser.open(&asked).await;
            // Going to the consent page by hand, or saying yes there, leads back to the password.
            let handle = page.field("interaction").to_owned();
            let consent = browser.get(&format!("/consent?interaction={handle}")).await;
            let form = Page::of("/consent", &consent);
            let yes = browser.submit(&form, &[("action", "approve")]).await;
            assert_eq!(yes.location(), format!("/login?interaction={handle}"));
            // Nor does a yes that is sent without the page.
            let fields =
                [("interaction", handle.as_str()), ("csrf", page.field("csrf")), ("action", "approve")];
            let yes = browser.post("/consent", &fields).await;
            assert_eq!((yes.status, yes.header("location")), (403, None));
            assert!(browser.is_signed_in().await);
        });
    }

    #[test]
    fn a_wrong_password_under_prompt_login_keeps_the_old_session_and_gives_no_code() {
        with_server(async |s| {
            let mut browser = signed_in(s).await;
            let page = browser.open(&request("app").with("prompt", "login")).await;
            assert_eq!(browser.login(&page, (ALICE.0, "wrong")).await.status, 401);
            assert!(browser.is_signed_in().await);
        });
    }

    #[test]
    fn prompt_consent_asks_even_where_consent_was_given() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("spa"), ALICE).await.code();
            assert!(browser.silently(&request("spa")).await.get("code").is_some());
            for client in ["spa", "app"] {
                let response = browser.authorize(&request(client).with("prompt", "consent")).await;
                assert!(response.location().starts_with("/consent"), "{client}");
            }
        });
    }

    #[test]
    fn consent_is_remembered_for_client_and_scope() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("spa").with("scope", "openid read"), ALICE).await.code();
            let narrower = request("spa").with("scope", "openid");
            assert!(browser.silently(&narrower).await.get("code").is_some());
            let wider = request("spa").with("scope", "openid read write");
            let response = browser.authorize(&wider).await;
            assert!(response.location().starts_with("/consent"));
            let answer = browser.consent(response.location()).await;
            Redirect::parse(answer.location()).code();
            // Another user's consent is another one.
            let mut bob = Browser::new(s);
            bob.sign_in(&request("app"), BOB).await.code();
            assert!(bob.authorize(&request("spa")).await.location().starts_with("/consent"));
        });
    }

    #[test]
    fn max_age_forces_a_sign_in_once_it_has_passed() {
        with_server(async |s| {
            let mut browser = signed_in(s).await;
            let asked = request("app").with("max_age", "60");
            s.advance(60 * SECOND);
            let code = browser.silently(&asked).await.code();
            let id = claims(&Tokens::of(&s.redeem("app", &code).await).id.unwrap());
            assert_eq!(id["auth_time"].as_i64().unwrap(), s.now().seconds() - 60);
            s.advance(SECOND);
            let page = browser.open(&asked).await;
            let response = browser.login(&page, ALICE).await;
            let code = Redirect::parse(response.location()).code();
            let id = claims(&Tokens::of(&s.redeem("app", &code).await).id.unwrap());
            assert_eq!(id["auth_time"].as_i64().unwrap(), s.now().seconds());
        });
    }

    #[test]
    fn max_age_zero_always_asks_and_then_goes_through() {
        with_server(async |s| {
            let mut browser = signed_in(s).await;
            s.advance(SECOND);
            let page = browser.open(&request("app").with("max_age", "0")).await;
            let response = browser.login(&page, ALICE).await;
            Redirect::parse(response.location()).code();
        });
    }

    #[test]
    fn login_hint_fills_the_form_and_is_escaped() {
        with_server(async |s| {
            let hint = "bob\"><script>alert(1)</script>";
            let page = Browser::new(s).open(&request("app").with("login_hint", hint)).await;
            assert!(page.html.contains("value=\"bob&quot;"), "{}", page.html);
            assert!(!page.html.contains("<script>alert"));
            let long = "x".repeat(300);
            let page = Browser::new(s).open(&request("app").with("login_hint", &long)).await;
            assert!(!page.html.contains(&long));
        });
    }

    #[test]
    fn an_id_token_hint_must_be_about_the_user_who_is_there() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let alice = s.tokens_of(&mut browser, "app", "openid").await.id.unwrap();
            let asked = request("app").with("prompt", "none").with("id_token_hint", &alice);
            assert!(browser.silently(&asked).await.get("code").is_some());
            let mut other = Browser::new(s);
            other.sign_in(&request("app"), BOB).await.code();
            assert_eq!(other.silently(&asked).await.get("error"), Some("login_required"));
            // Expired is no matter (§3.1.2.1), a forged one is.
            s.advance(30 * MINUTE);
            assert!(browser.silently(&asked).await.get("code").is_some());
            // One that names another key counts as not sent: that key may have been removed.
            let names_its_key =
                |token: &String| token.split('.').next().is_some_and(|head| alice.starts_with(head));
            for forged in tampered(&alice).into_iter().filter(names_its_key) {
                let answer = browser.silently(&asked.clone().with("id_token_hint", &forged)).await;
                assert_eq!(answer.get("error"), Some("invalid_request"), "{forged}");
            }
        });
    }
}

mod s3_1_2_1_hints {
    use super::*;

    #[test]
    fn an_id_token_of_another_client_is_no_hint() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let other = s.tokens_of(&mut browser, "other", "openid").await.id.unwrap();
            let asked = request("app").with("prompt", "none").with("id_token_hint", &other);
            assert_eq!(browser.silently(&asked).await.get("error"), Some("invalid_request"));
        });
    }

    #[test]
    fn another_user_than_the_hinted_one_is_asked_once_and_then_sent_back() {
        with_server(async |s| {
            let alice = s.tokens("app").await.id.unwrap();
            let mut browser = Browser::new(s);
            let page = browser.open(&request("app").with("id_token_hint", &alice)).await;
            let answer = Redirect::parse(browser.login(&page, BOB).await.location());
            assert_eq!((answer.get("error"), answer.get("code")), (Some("login_required"), None));
            // The right one gets through.
            let page = browser.open(&request("app").with("id_token_hint", &alice)).await;
            Redirect::parse(browser.login(&page, ALICE).await.location()).code();
        });
    }
}

mod s3_1_3_6_at_hash {
    use super::*;

    #[test]
    fn at_hash_is_the_left_half_of_the_access_tokens_digest() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let digest = signet::digest::sha256(tokens.access.as_bytes());
            let half = signet::digest::base64url(&digest.as_bytes()[..16]);
            assert_eq!(claims(&tokens.id.unwrap())["at_hash"], half);
        });
    }
}

mod s5_4_requesting_claims_using_scope_values {
    use super::*;

    async fn names(s: &Server, scope: &str) -> Vec<String> {
        let tokens = s.tokens_of(&mut Browser::new(s), "app", scope).await;
        let response = s.userinfo(&tokens.access).await;
        assert_eq!(header(response.ok(), "cache-control"), "no-store");
        let mut names: Vec<_> = response.json().as_object().unwrap().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_scope_opens_its_claims_and_no_others() {
        with_server(async |s| {
            assert_eq!(names(s, "openid").await, ["sub"]);
            assert_eq!(names(s, "openid email").await, ["email", "email_verified", "sub"]);
            assert_eq!(names(s, "openid address").await, ["address", "sub"]);
            assert_eq!(names(s, "openid phone").await, ["phone_number", "phone_number_verified", "sub"]);
            let profile = names(s, "openid profile").await;
            for name in ["name", "family_name", "birthdate", "preferred_username", "updated_at", "zoneinfo"] {
                assert!(profile.iter().any(|known| known == name), "{name}");
            }
            assert!(!profile.iter().any(|name| name.starts_with("email") || name == "address"));
        });
    }

    #[test]
    fn the_subject_is_the_id_tokens() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let info = s.userinfo(&tokens.access).await.ok().json();
            assert_eq!(info["sub"], claims(&tokens.id.unwrap())["sub"]);
        });
    }
}

mod s12_using_refresh_tokens {
    use super::*;

    #[test]
    fn a_refreshed_id_token_is_about_the_same_sign_in() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            assert!(Tokens::of(&s.refresh("app", first.refresh()).await).id.is_none());
            s.patch_client("app", json!({ "id_token_on_refresh": true })).await;
            s.advance(5 * MINUTE);
            let again = s.tokens("app").await;
            s.advance(5 * MINUTE);
            let id = claims(&Tokens::of(&s.refresh("app", again.refresh()).await).id.unwrap());
            let old = claims(&again.id.unwrap());
            for name in ["iss", "sub", "aud", "azp", "auth_time", "sid"] {
                assert_eq!(id[name], old[name], "{name}");
            }
            assert_eq!(id["iat"].as_i64().unwrap(), s.now().seconds());
            assert!(id.get("nonce").is_none());
        });
    }
}
