//! What is told of a user: by scope (OpenID Connect Core §5.4), by name (§5.5), and of the sign-in itself (`acr`). The
//! modules in the words of the certification suite are named after its modules.

use super::*;

/// What is in an ID token that nobody asked for more.
const ID_TOKEN: [&str; 12] =
    ["acr", "amr", "at_hash", "aud", "auth_time", "azp", "exp", "iat", "iss", "nonce", "sid", "sub"];

fn names(claims: &Value) -> Vec<&str> {
    let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn asking(client: &str, claims: Value) -> Asked {
    request(client).with("scope", "openid").with("claims", &claims.to_string())
}

/// Signs alice in for a request and redeems the code.
async fn granted(s: &Server, client: &str, asked: &Asked) -> Tokens {
    let code = Browser::new(s).sign_in(asked, ALICE).await.code();
    Tokens::of(&s.redeem(client, &code).await)
}

async fn userinfo(s: &Server, tokens: &Tokens) -> Value {
    s.userinfo(&tokens.access).await.ok().json()
}

fn id_token(tokens: &Tokens) -> Value {
    claims(tokens.id.as_deref().unwrap())
}

/// The answer to a request, wherever the user stands.
async fn answered(s: &Server, asked: &Asked) -> Redirect {
    Redirect::parse(Browser::new(s).authorize(asked).await.location())
}

mod scope_all {
    use super::*;

    const PROFILE: [&str; 14] = [
        "birthdate",
        "family_name",
        "gender",
        "given_name",
        "locale",
        "middle_name",
        "name",
        "nickname",
        "picture",
        "preferred_username",
        "profile",
        "updated_at",
        "website",
        "zoneinfo",
    ];

    #[test]
    fn each_scope_opens_its_claims_and_they_are_of_the_right_type() {
        with_server(async |s| {
            let sets: [(&str, &[&str]); 4] = [
                ("profile", &PROFILE),
                ("email", &["email", "email_verified"]),
                ("address", &["address"]),
                ("phone", &["phone_number", "phone_number_verified"]),
            ];
            let mut all = vec!["sub"];
            for (scope, opened) in sets {
                let tokens = s.tokens_of(&mut Browser::new(s), "app", &format!("openid {scope}")).await;
                let mut expected = [opened, &["sub"]].concat();
                expected.sort_unstable();
                assert_eq!(names(&userinfo(s, &tokens).await), expected, "{scope}");
                assert_eq!(names(&id_token(&tokens)), ID_TOKEN, "{scope}");
                all.extend(opened);
            }
            all.sort_unstable();
            let tokens = s.tokens_of(&mut Browser::new(s), "app", "openid profile email address phone").await;
            let info = userinfo(s, &tokens).await;
            assert_eq!(names(&info), all);
            assert!(info["updated_at"].is_i64() && info["address"].is_object());
            assert!(info["email_verified"].is_boolean() && info["phone_number_verified"].is_boolean());
            assert_eq!(names(&id_token(&tokens)), ID_TOKEN, "the ID token has what was asked for and no more");
        });
    }

    #[test]
    fn a_claim_that_the_user_does_not_have_is_left_out() {
        with_server(async |s| {
            let asked = request("app").with("scope", "openid profile email address phone");
            let code = Browser::new(s).sign_in(&asked, BOB).await.code();
            let tokens = Tokens::of(&s.redeem("app", &code).await);
            let expected = ["email", "email_verified", "preferred_username", "sub", "updated_at"];
            assert_eq!(names(&userinfo(s, &tokens).await), expected);
        });
    }
}

mod claims_essential {
    use super::*;

    #[test]
    fn a_claim_asked_for_by_name_is_at_userinfo_and_not_in_the_id_token() {
        with_server(async |s| {
            let asked = asking("app", json!({ "userinfo": { "name": { "essential": true }, "email": null } }));
            let tokens = granted(s, "app", &asked).await;
            let info = userinfo(s, &tokens).await;
            assert_eq!(names(&info), ["email", "name", "sub"]);
            assert_eq!(info["name"], "Alice Anna Example");
            assert_eq!(names(&id_token(&tokens)), ID_TOKEN);
            assert!(claims(&tokens.access).get("name").is_none());
        });
    }

    #[test]
    fn one_asked_for_in_the_id_token_is_there_also_after_a_refresh() {
        with_server(async |s| {
            s.patch_client("app", json!({ "id_token_on_refresh": true })).await;
            let asked = json!({ "id_token": { "email": null, "auth_time": { "essential": true }, "address": null } });
            let tokens = granted(s, "app", &asking("app", asked)).await;
            let id = id_token(&tokens);
            assert_eq!((&id["email"], &id["address"]["country"]), (&json!("alice@example.com"), &json!("Germany")));
            assert!(id["auth_time"].is_i64());
            assert_eq!(names(&id).len(), ID_TOKEN.len() + 2);
            assert_eq!(names(&userinfo(s, &tokens).await), ["sub"]);
            s.advance(MINUTE);
            let again = Tokens::of(&s.refresh("app", tokens.refresh()).await);
            assert_eq!(id_token(&again)["email"], "alice@example.com");
            assert_eq!(names(&userinfo(s, &again).await), ["sub"]);
        });
    }

    #[test]
    fn what_is_unknown_is_ignored_and_what_cannot_be_read_refused() {
        with_server(async |s| {
            let unknown = json!({
                "userinfo": { "name#fr": null, "roles": { "essential": true }, "shoe_size": 5, "nickname": { "purpose": "x" } },
                "saml": [],
            });
            let tokens = granted(s, "app", &asking("app", unknown)).await;
            assert_eq!(names(&userinfo(s, &tokens).await), ["nickname", "sub"]);
            let long = format!("{{\"userinfo\":{{\"{}\":null}}}}", "x".repeat(8 * 1024));
            for bad in ["x", "[]", "{\"userinfo\":1}", "{\"id_token\":{\"name\":true}}", &long] {
                let answer = answered(s, &request("app").with("claims", bad)).await;
                assert_eq!(answer.get("error"), Some("invalid_request"), "{bad}");
                assert_eq!(answer.get("state"), Some("af0ifjsldkj"));
            }
        });
    }

    #[test]
    fn without_openid_the_parameter_means_nothing() {
        with_server(async |s| {
            let asked = asking("app", json!({ "userinfo": { "name": null } })).with("scope", "read");
            let tokens = granted(s, "app", &asked).await;
            assert!(tokens.id.is_none());
            s.userinfo(&tokens.access).await.refused(403, "insufficient_scope");
        });
    }

    #[test]
    fn a_name_opens_nothing_that_the_client_is_not_registered_for_then_or_later() {
        with_server(async |s| {
            s.patch_client("app", json!({ "scope": "openid email read" })).await;
            let asked = json!({ "userinfo": { "email": null, "birthdate": null }, "id_token": { "name": null } });
            let tokens = granted(s, "app", &asking("app", asked)).await;
            let info = userinfo(s, &tokens).await;
            assert_eq!((names(&info), names(&id_token(&tokens))), (vec!["email", "sub"], ID_TOKEN.to_vec()));
            // Nobody was asked about what the registration did not have.
            s.patch_client("app", json!({ "scope": "openid email profile read" })).await;
            s.advance(2 * SECOND);
            assert_eq!(names(&userinfo(s, &tokens).await), ["email", "sub"]);
            // What it loses is closed at once.
            s.patch_client("app", json!({ "scope": "openid profile read" })).await;
            s.advance(2 * SECOND);
            assert_eq!(names(&userinfo(s, &tokens).await), ["sub"]);
        });
    }
}

mod consent_to_claims {
    use super::*;

    #[test]
    fn what_is_asked_for_by_name_is_listed_in_words_and_remembered() {
        with_server(async |s| {
            let asked = asking("spa", json!({ "userinfo": { "birthdate": null }, "id_token": { "email": null } }));
            let mut browser = Browser::new(s);
            let page = browser.open(&asked).await;
            let location = browser.login(&page, ALICE).await.location().to_owned();
            let page = browser.page(&location).await;
            assert_eq!(page.path, "/consent");
            for words in ["See your date of birth", "See your e-mail address"] {
                assert_eq!(page.html.matches(words).count(), 1, "{words}");
            }
            assert!(!page.html.contains("See your name and profile"));
            let answer = browser.submit(&page, &[("action", "approve")]).await;
            let tokens = Tokens::of(&s.redeem("spa", &Redirect::parse(answer.location()).code()).await);
            assert_eq!(names(&userinfo(s, &tokens).await), ["birthdate", "sub"]);
            assert_eq!(id_token(&tokens)["email"], "alice@example.com");
            // The same and less need no new yes; more does.
            assert!(browser.silently(&asked).await.get("code").is_some());
            let less = asking("spa", json!({ "id_token": { "birthdate": null } }));
            assert!(browser.silently(&less).await.get("code").is_some());
            let more = asking("spa", json!({ "userinfo": { "birthdate": null, "gender": null } }));
            assert!(browser.authorize(&more).await.location().starts_with("/consent"));
            let silent = browser.silently(&more.with("prompt", "none")).await;
            assert_eq!(silent.get("error"), Some("consent_required"));
            let scope = request("spa").with("scope", "openid email");
            assert!(browser.authorize(&scope).await.location().starts_with("/consent"), "a claim is no scope");
        });
    }

    #[test]
    fn a_scope_that_was_agreed_to_covers_its_claims() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("spa").with("scope", "openid profile"), ALICE).await.code();
            let covered = asking("spa", json!({ "id_token": { "name": null, "zoneinfo": null } }));
            assert!(browser.silently(&covered).await.get("code").is_some());
            let both = asking("spa", json!({ "userinfo": { "name": null, "phone_number": null } }));
            assert!(browser.authorize(&both).await.location().starts_with("/consent"));
            // In one request the scope says it all.
            let page = browser.open(&both.with("scope", "openid profile phone")).await;
            assert!(!page.html.contains("See your full name"), "{}", page.html);
        });
    }

    #[test]
    fn a_refusal_gives_nothing() {
        with_server(async |s| {
            let asked = asking("spa", json!({ "userinfo": { "birthdate": null } }));
            let mut browser = Browser::new(s);
            let page = browser.open(&asked).await;
            let location = browser.login(&page, ALICE).await.location().to_owned();
            let page = browser.page(&location).await;
            let answer = browser.submit(&page, &[("action", "deny")]).await;
            assert_eq!(Redirect::parse(answer.location()).get("error"), Some("access_denied"));
            assert!(browser.authorize(&asked).await.location().starts_with("/consent"));
        });
    }
}

mod a_subject_asked_for {
    use super::*;

    #[test]
    fn acts_like_a_hint() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let first = s.tokens_of(&mut browser, "app", "openid").await;
            let about = |sub: &Value| {
                asking("app", json!({ "id_token": { "sub": { "value": sub } } })).with("prompt", "none")
            };
            let alice = &id_token(&first)["sub"];
            assert!(browser.silently(&about(alice)).await.get("code").is_some());
            for other in [json!(s.user_id(BOB.0).await.to_string()), json!("nobody")] {
                let answer = browser.silently(&about(&other)).await;
                assert_eq!((answer.get("error"), answer.get("code")), (Some("login_required"), None));
            }
            // A hint and a claim that disagree are about nobody.
            let hint = first.id.unwrap();
            let both = about(&json!("nobody")).with("id_token_hint", &hint);
            assert_eq!(browser.silently(&both).await.get("error"), Some("login_required"));
        });
    }
}

mod ensure_request_with_acr_values_succeeds {
    use super::*;

    #[test]
    fn the_id_token_says_how_much_the_sign_in_proves() {
        with_server(async |s| {
            for wish in [None, Some("1"), Some("2 1"), Some("urn:mace:incommon:iap:silver")] {
                let asked = wish.map_or(request("app"), |wish| request("app").with("acr_values", wish));
                let tokens = granted(s, "app", &asked).await;
                assert_eq!(id_token(&tokens)["acr"], "1", "{wish:?}");
                // RFC 9068 §2.2.1: in access tokens too.
                assert_eq!(claims(&tokens.access)["acr"], "1", "{wish:?}");
            }
            s.patch_client("app", json!({ "default_acr_values": ["2"] })).await;
            assert_eq!(id_token(&granted(s, "app", &request("app")).await)["acr"], "1", "a wish, no demand");
        });
    }

    #[test]
    fn a_clients_own_token_says_nothing_of_a_sign_in() {
        with_server(async |s| {
            let tokens = Tokens::of(&s.token("service", &[("grant_type", "client_credentials")]).await);
            assert!(claims(&tokens.access).get("acr").is_none());
        });
    }

    #[test]
    fn an_essential_acr_that_cannot_be_reached_is_refused_by_redirect() {
        with_server(async |s| {
            let acr = |wish: Value| asking("app", json!({ "id_token": { "acr": wish } }));
            let unmet = answered(s, &acr(json!({ "essential": true, "values": ["2", "3"] }))).await;
            assert_eq!(unmet.get("error"), Some("unmet_authentication_requirements"));
            assert_eq!((unmet.uri.as_str(), unmet.get("state")), (CALLBACK, Some("af0ifjsldkj")));
            for met in [
                json!({ "essential": true, "values": ["2", "1"] }),
                json!({ "essential": true, "value": "1" }),
                json!({ "essential": true }),
                json!({ "values": ["2"] }),
            ] {
                let tokens = granted(s, "app", &acr(met.clone())).await;
                assert_eq!(id_token(&tokens)["acr"], "1", "{met}");
            }
        });
    }

    #[test]
    fn a_page_in_cookie_mode_is_told_too() {
        with_hosts(async |s| {
            let page = crate::support::surfer::PAGE;
            let mut surfer = Surfer::signed_in(s).await;
            assert_eq!(surfer.whois(page).send().await.ok().json()["session"]["acr"], "1");
            assert_eq!(surfer.refresh(page).await.ok().json()["session"]["acr"], "1");
        });
    }
}

mod claims_locales {
    use super::*;

    #[test]
    fn wishes_about_languages_and_windows_are_no_errors() {
        with_server(async |s| {
            let asked = request("app")
                .with("claims_locales", "se")
                .with("ui_locales", "se de")
                .with("display", "popup")
                .with("extra", "foobar");
            granted(s, "app", &asked).await;
        });
    }
}

mod registration_logo_uri {
    use super::*;

    #[test]
    fn the_sign_in_and_the_consent_page_show_logo_policy_and_terms() {
        with_server(async |s| {
            let links = json!({
                "client_name": "A <b>shop</b>",
                "logo_uri": "https://static.example.com:8443/logo.png",
                "policy_uri": "https://app.example.com/policy",
                "tos_uri": "https://app.example.com/terms",
            });
            s.patch_client("spa", links).await;
            let mut browser = Browser::new(s);
            let location = browser.authorize(&request("spa")).await.location().to_owned();
            let login = browser.get(&location).await;
            let consent = browser.login(&Page::of(&location, &login), ALICE).await.location().to_owned();
            let consent = browser.get(&consent).await;
            for page in [login, consent] {
                let html = page.ok().text().replace("&#x2f;", "/");
                for part in [
                    "id=\"client-logo\" src=\"https://static.example.com:8443/logo.png\" alt=\"\"",
                    "A &lt;b&gt;shop",
                    "referrerpolicy=\"no-referrer\"",
                    "id=\"client-policy\" href=\"https://app.example.com/policy\"",
                    "id=\"client-tos\" href=\"https://app.example.com/terms\"",
                ] {
                    assert!(html.contains(part), "{part} in {html}");
                }
                let policy = header(&page, "content-security-policy");
                assert!(policy.contains("img-src 'self' data: https://static.example.com:8443;"), "{policy}");
            }
            s.patch_client("spa", json!({ "logo_uri": "http://localhost/logo.png" })).await;
            let page = Browser::new(s).open(&request("spa")).await;
            assert!(!page.html.contains("client-logo"), "a logo comes by https");
        });
    }
}
