//! RFC 9700: Best Current Practice for OAuth 2.0 Security. Each attack, and that it fails.

use super::*;

mod s4_1_insufficient_redirect_uri_validation {
    use super::*;

    #[test]
    fn only_the_registered_string_is_redirected_to() {
        with_server(async |s| {
            for evil in [
                "https://app.example.com/callback/",
                "https://app.example.com/Callback",
                "https://APP.example.com/callback",
                "https://app.example.com:443/callback",
                "http://app.example.com/callback",
                "https://app.example.com/callback?x=y",
                "https://app.example.com/callback?",
                "https://app.example.com/callback#",
                "https://app.example.com/callback#x",
                "https://app.example.com/callback/../evil",
                "https://app.example.com/%63allback",
                "https://app.example.com/callback%00",
                "https://app.example.com/callback ",
                " https://app.example.com/callback",
                "https://app.example.com//callback",
                "https://app.example.com\\@evil.example/callback",
                "https://app.example.com@evil.example/callback",
                "https://user@app.example.com/callback",
                "https://app.example.com.evil.example/callback",
                "https://app.example.com%2eevil.example/callback",
                "//app.example.com/callback",
                "/callback",
                "javascript:alert(1)//https://app.example.com/callback",
                "data:text/html,x",
                "http://localhost/callback",
                "http://127.0.0.1.evil.example/callback",
                "http://127.0.0.1:99999/callback",
                "http://127.0.0.1:/callback",
                "http://127.0.0.1/callback/x",
                "http://127.0.0.1/callback?x",
                "https://127.0.0.1/callback",
                "http://127.0.0.2/callback",
                "http://127.1/callback",
                "http://[::1]/callback",
                "http://127.0.0.1@evil.example/callback",
            ] {
                let response = Browser::new(s).authorize(&request("app").with("redirect_uri", evil)).await;
                response.refused(400, "invalid_request");
                assert_eq!(response.header("location"), None, "{evil}");
            }
            for good in [
                CALLBACK,
                "http://127.0.0.1/callback",
                "http://127.0.0.1:1/callback",
                "http://127.0.0.1:65535/callback",
            ] {
                let asked = request("app").with("redirect_uri", good).with("prompt", "none");
                assert_eq!(Browser::new(s).silently(&asked).await.uri, good);
            }
        });
    }
}

mod s4_2_credential_leakage_via_referer {
    use super::*;

    #[test]
    fn pages_send_no_referer_load_nothing_foreign_and_cannot_be_framed() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let response = browser.authorize(&request("spa")).await;
            let login = browser.get(response.location()).await;
            let page = Page::of("/login", &login);
            let response = browser.login(&page, ALICE).await;
            let consent = browser.get(response.location()).await;
            let logout = browser.get("/logout").await;
            let error = browser.authorize(&request("nobody")).await;
            let others = [
                browser.get("/logged-out").await,
                browser.get("/").await,
                browser.get("/no-such-page").await,
            ];
            for page in [login, consent, logout, error, response].iter().chain(&others) {
                let policy = header(page, "content-security-policy");
                for part in
                    ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
                {
                    assert!(policy.contains(part), "{policy}");
                }
                assert!(!policy.contains("unsafe"), "{policy}");
                assert_eq!(header(page, "referrer-policy"), "no-referrer");
                assert_eq!(header(page, "x-frame-options"), "DENY");
                assert_eq!(header(page, "x-content-type-options"), "nosniff");
                assert_eq!(header(page, "cross-origin-opener-policy"), "same-origin");
                assert_eq!(header(page, "cache-control"), "no-store");
                assert_eq!(page.header("access-control-allow-origin"), None);
                assert_eq!(page.header("server"), None);
            }
        });
    }

    #[test]
    fn the_form_of_a_client_leads_to_that_client_and_on_from_there() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let response = browser.authorize(&request("spa")).await;
            let login = browser.get(response.location()).await;
            let policy = header(&login, "content-security-policy");
            assert!(policy.contains("form-action 'self' https://app.example.com https:;"), "{policy}");
        });
    }
}

mod s4_4_mix_up {
    use super::*;

    #[test]
    fn a_code_names_its_issuer_and_works_nowhere_else() {
        with_server(async |s| {
            let answer = Browser::new(s).sign_in(&request("app"), ALICE).await;
            let discovery = s.get("/.well-known/oauth-authorization-server").send().await.json();
            assert_eq!(answer.get("iss"), discovery["issuer"].as_str());
        });
    }
}

mod s4_5_authorization_code_injection {
    use super::*;

    #[test]
    fn a_stolen_code_is_worthless_without_the_verifier_of_its_request() {
        with_server(async |s| {
            let stolen = s.code("app").await;
            // The attacker runs a flow of their own and swaps the code before their session redeems it.
            let own = "attackers-verifier-attackers-verifier-attackers";
            let asked = request("app").with("code_challenge", &challenge(own));
            let attackers = Browser::new(s).sign_in(&asked, BOB).await.code();
            let mut params = redemption(&stolen);
            params[3].1 = own;
            s.token("app", &params).await.refused(400, "invalid_grant");
            params[1].1 = &attackers;
            s.token("app", &params).await.ok();
            // And the victim is not hurt by the attempt.
            s.redeem("app", &stolen).await.ok();
        });
    }
}

mod s4_10_misuse_of_stolen_access_tokens {
    use super::*;

    /// Every kind of token at every place that takes one: only the right kind works.
    #[test]
    fn tokens_are_not_interchangeable() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let service =
                Tokens::of(&s.token("service", &[("grant_type", "client_credentials")]).await).access;
            let code = s.code("app").await;
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await;
            let page = browser.open(&request("spa")).await;
            let kinds = [
                ("access", tokens.access.clone()),
                ("refresh", tokens.refresh().to_owned()),
                ("id", tokens.id.clone().unwrap()),
                ("service", service),
                ("code", code),
                ("session", browser.cookies["signet_session"].clone()),
                ("interaction", page.field("interaction").to_owned()),
                ("secret", s.secrets["web"].clone()),
            ];
            for (kind, token) in &kinds {
                let bearer = s.userinfo(token).await.status;
                assert_eq!(bearer == 200, *kind == "access", "userinfo takes {kind}: {bearer}");
                let active = s.is_active(token).await;
                assert_eq!(active, ["access", "service"].contains(kind), "introspect takes {kind}");
                let cookie = format!("signet_session={token}");
                let target = request("app").with("prompt", "none").target();
                let answer = s.get(&target).header("Cookie", &cookie).send().await;
                let signed_in = answer.location().contains("code=");
                assert_eq!(signed_in, *kind == "session", "the cookie takes {kind}");
                let refreshed = s.refresh("app", token).await.status;
                assert_eq!(refreshed == 200, *kind == "refresh", "refresh takes {kind}: {refreshed}");
                let hint = request("app").with("prompt", "none").with("id_token_hint", token);
                let answer = browser.clone().silently(&hint).await;
                assert_eq!(answer.get("code").is_some(), *kind == "id", "id_token_hint takes {kind}");
                let redeemed = s.redeem("app", token).await.status;
                assert_eq!(redeemed == 200, *kind == "code", "redeem takes {kind}: {redeemed}");
            }
        });
    }
}

mod s4_12_307_redirect {
    use super::*;

    #[test]
    fn a_redirect_after_the_password_is_303() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let page = browser.open(&request("app")).await;
            let response = browser.login(&page, ALICE).await;
            assert_eq!(response.status, 303);
            assert!(response.location().starts_with(CALLBACK));
            assert!(!response.location().contains("river"));
        });
    }
}

mod s2_1_2_implicit_grant {
    use super::*;

    #[test]
    fn nothing_but_a_code_ever_travels_through_the_browser() {
        with_server(async |s| {
            let answer = Browser::new(s).sign_in(&request("app"), ALICE).await;
            let names: Vec<_> = answer.params.keys().map(String::as_str).collect();
            assert_eq!(names, ["code", "iss", "state"]);
        });
    }
}

mod s4_11_2_authorization_server_as_open_redirector {
    use super::*;
    use crate::support::registrar::{asking, metadata, open};

    #[test]
    fn a_client_that_registered_itself_leads_nobody_away_who_has_not_signed_in() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({}))).await;
            let plain = || asking(&client.id, "openid");
            let mut signed_in = Browser::new(s);
            signed_in.sign_in(&request("app"), ALICE).await.code();
            for (asked, error) in [
                (asking(&client.id, "openid nothing"), "invalid_scope"),
                (plain().without("response_type"), "invalid_request"),
                (plain().with("response_type", "token"), "unsupported_response_type"),
                (plain().with("request", "x"), "invalid_request_object"),
                (asking(&client.id, "openid nothing").with("prompt", "none"), "invalid_scope"),
            ] {
                let stranger = Browser::new(s).authorize(&asked).await;
                assert_eq!((stranger.status, stranger.header("location")), (400, None), "{error}");
                assert_eq!(stranger.error(), error);
                let form = Browser::new(s).authorize(&asked.clone().with("response_mode", "form_post")).await;
                assert_eq!(form.status, 400, "{error}");
                assert_eq!(signed_in.silently(&asked).await.get("error"), Some(error));
            }
            // What is asked without a page is answered without one.
            let silent = Browser::new(s).silently(&plain().with("prompt", "none")).await;
            assert_eq!(silent.get("error"), Some("login_required"));
            // An operator has vouched for the others.
            let vouched = Browser::new(s).silently(&request("app").with("scope", "nothing")).await;
            assert_eq!(vouched.get("error"), Some("invalid_scope"));
        });
    }

    /// Signs alice in at a client, and asks for a logout with its ID token: with her browser, and with a stranger's.
    async fn log_out_by_hint(s: &Server, client: &str, auth: &Auth) -> (Response, Response) {
        let mut browser = Browser::new(s);
        let code = browser.sign_in(&asking(client, "openid"), ALICE).await.code();
        let tokens = Tokens::of(&auth.on(s.post("/token"), &redemption(&code)).send().await);
        let hint = tokens.id.as_deref().unwrap();
        let asked = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", "x")];
        let asked = format!("/end_session?{}", encode(&asked));
        (Browser::new(s).get(&asked).await, browser.get(&asked).await)
    }

    const AFTER: &str = "https://app.example.com/signed-out";

    #[test]
    fn a_logout_leads_nobody_on_by_itself_who_was_not_signed_in_unless_an_operator_registered_the_client() {
        let both = |config: &mut Config| {
            open(config);
            config.registration.metadata_documents = true;
        };
        with_config(both, async |s| {
            let said = json!({ "client_name": "Shop <b>", "post_logout_redirect_uris": [AFTER] });
            let dynamic = s.register(&metadata(said.clone())).await;
            let neighbour = Neighbour::start().await;
            let id = neighbour.url("/app.json");
            let mut document = metadata(said);
            document["client_id"] = json!(id);
            neighbour.serve("/app.json", 200, "application/json", document.to_string());
            let secret = Auth::Basic(dynamic.id.clone(), dynamic.secret.clone().unwrap());
            let back = format!("{AFTER}?state=x");
            for (client, auth) in [(dynamic.id.clone(), secret), (id.clone(), Auth::Public(id))] {
                let (stranger, own) = log_out_by_hint(s, &client, &auth).await;
                assert_eq!((stranger.status, stranger.header("location")), (200, None), "{client}");
                let html = stranger.text();
                for shown in ["id=\"continue\"", "Shop &lt;b&gt;", "https:&#x2f;&#x2f;app.example.com<", "Nobody here has checked"] {
                    assert!(html.contains(shown), "{shown}: {html}");
                }
                assert!(!html.contains("http-equiv=\"refresh\"") && !html.contains("logged-out.js"), "{html}");
                // Whoever was signed in at it goes back.
                assert_eq!(own.location(), back, "{client}");
            }
            s.patch_client("web", json!({ "post_logout_redirect_uris": [AFTER] })).await;
            let (stranger, own) = log_out_by_hint(s, "web", &s.auth("web")).await;
            assert_eq!((stranger.location(), own.location()), (back.as_str(), back.as_str()));
        });
    }
}

mod s4_14_refresh_token_protection {
    use super::*;

    #[test]
    fn the_code_is_bound_to_the_user_who_signed_in() {
        with_server(async |s| {
            let code = Browser::new(s).sign_in(&request("app"), BOB).await.code();
            let tokens = Tokens::of(&s.redeem("app", &code).await);
            assert_eq!(claims(&tokens.access)["sub"], json!(s.user_id(BOB.0).await));
        });
    }
}

mod s4_15_client_impersonating_resource_owner {
    use super::*;

    #[test]
    fn a_client_cannot_be_given_the_id_of_a_user() {
        with_server(async |s| {
            use signet::flow::admin::{By, clients};
            let origin = signet::model::audit::Origin::default();
            let by = By { actor: "cli", origin: &origin, now: s.now() };
            let metadata = json!({ "grant_types": ["client_credentials"], "response_types": [] });
            let metadata = signet::oauth::client_metadata::ClientMetadata::from_json(&metadata).unwrap();
            let id = Some(s.user_id(ALICE.0).await.to_string());
            let create = clients::CreateClient { id, metadata };
            assert!(clients::create(&s.op, &by, create).await.is_err());
            let token = Tokens::of(&s.token("service", &[("grant_type", "client_credentials")]).await).access;
            s.userinfo(&token).await.refused(403, "insufficient_scope");
        });
    }
}
