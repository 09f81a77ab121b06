//! RFC 7591: OAuth 2.0 Dynamic Client Registration Protocol, and OpenID Connect Dynamic Client Registration 1.0.

use super::*;
use crate::support::inside::Inside;
use crate::support::registrar::{Registered, asking, by_token, metadata, open};

async fn dynamic_clients(s: &Server) -> i64 {
    let sql = "SELECT CAST(count(*) AS BIGINT) FROM clients WHERE registered = 'dynamic'";
    Inside::of(s).await.numbers(sql).await[0]
}

mod s1_2_initial_access_tokens {
    use super::*;

    #[test]
    fn nobody_registers_unless_the_operator_lets_them() {
        with_server(async |s| {
            let token = s.initial_access_token(1).await;
            for request in [s.registering(&metadata(json!({}))), s.registering(&metadata(json!({}))).bearer(&token)] {
                request.send().await.refused(403, "access_denied");
            }
            for method in ["GET", "PUT", "DELETE"] {
                s.configuring(method, "app", &token).send().await.refused(403, "access_denied");
            }
            assert_eq!(dynamic_clients(s).await, 0);
        });
    }

    #[test]
    fn without_a_good_one_nothing_is_registered() {
        with_config(by_token, async |s| {
            let asked = s.registering(&metadata(json!({})));
            let answer = asked.send().await;
            answer.refused(401, "invalid_token");
            assert!(header(&answer, "www-authenticate").starts_with("Bearer realm="));
            let good = s.initial_access_token(1).await;
            let tokens = s.tokens("app").await;
            let mut wrong = tampered(&good);
            // Other kinds of tokens are none of this kind.
            wrong.extend([s.api_key().await, tokens.access.clone(), tokens.refresh().to_owned()]);
            for token in wrong.iter().filter(|token| !token.starts_with(' ')) {
                let answer = asked.clone().bearer(token).send().await;
                assert!(matches!((answer.status, answer.error().as_str()),
                    (401, "invalid_token") | (400, "invalid_request")), "{token}: {}", answer.text());
            }
            s.advance(2 * DAY);
            asked.clone().bearer(&good).send().await.refused(401, "invalid_token");
            assert_eq!(dynamic_clients(s).await, 0);
        });
    }

    #[test]
    fn it_registers_as_many_clients_as_it_says() {
        with_config(by_token, async |s| {
            let token = s.initial_access_token(2).await;
            let asked = s.registering(&metadata(json!({}))).bearer(&token);
            for _ in 0..2 {
                Registered::of(&asked.send().await);
            }
            asked.send().await.refused(401, "invalid_token");
            assert_eq!(dynamic_clients(s).await, 2);
        });
    }

    #[test]
    fn a_registration_that_fails_uses_nothing() {
        with_config(by_token, async |s| {
            let token = s.initial_access_token(1).await;
            let bad = metadata(json!({ "redirect_uris": ["https://app.example.com/#x"] }));
            for _ in 0..3 {
                s.registering(&bad).bearer(&token).send().await.refused(400, "invalid_redirect_uri");
            }
            Registered::of(&s.registering(&metadata(json!({}))).bearer(&token).send().await);
        });
    }

    #[test]
    fn of_sixteen_at_once_one_gets_the_last_use() {
        with_config(by_token, async |s| {
            let other = s.node_with(&|config: &mut Config| { config.public_url = s.issuer().to_owned(); by_token(config); }).await;
            let token = s.initial_access_token(1).await;
            let requests = (0..16).map(|n| {
                let node = if n % 2 == 0 { s } else { &other };
                node.registering(&metadata(json!({}))).bearer(&token)
            });
            let answers = in_parallel(requests.collect()).await;
            let made = answers.iter().filter(|answer| answer.status == 201).count();
            assert_eq!((made, dynamic_clients(s).await), (1, 1));
            for answer in answers.iter().filter(|answer| answer.status != 201) {
                answer.refused(401, "invalid_token");
            }
            other.stop().await;
        });
    }

    #[test]
    fn operators_make_list_and_delete_them() {
        with_config(by_token, async |s| {
            let path = "/initial_access_tokens";
            let until = s.now().plus(DAY).rfc3339();
            let body = json!({ "name": "partners", "uses": 3, "expires_at": until });
            let made = s.administering("POST", path).await.json(&body).send().await;
            assert_eq!(made.status, 201, "{}", made.text());
            let made = made.json();
            let token = made["token"].as_str().unwrap();
            Registered::of(&s.registering(&metadata(json!({}))).bearer(token).send().await);
            let list = s.administering("GET", path).await.send().await;
            assert!(!list.text().contains(token), "{}", list.text());
            let listed = &list.ok().json()["items"][0];
            assert_eq!((&listed["name"], &listed["uses_left"], &listed["id"]), (&json!("partners"), &json!(2), &made["id"]));
            let one = format!("{path}/{}", made["id"].as_str().unwrap());
            assert_eq!(s.administering("DELETE", &one).await.send().await.status, 204);
            assert_eq!(s.administering("DELETE", &one).await.send().await.status, 404);
            s.registering(&metadata(json!({}))).bearer(token).send().await.refused(401, "invalid_token");
            for bad in [
                json!({ "name": "", "uses": 1, "expires_at": until }),
                json!({ "name": "x", "uses": 0, "expires_at": until }),
                json!({ "name": "x", "uses": 1, "expires_at": "2020-01-01T00:00:00Z" }),
                json!({ "name": "x", "uses": 1 }),
            ] {
                assert_eq!(s.administering("POST", path).await.json(&bad).send().await.status, 422, "{bad}");
            }
        });
    }

    #[test]
    fn open_registration_has_a_limit_for_each_address() {
        with_config(open, async |s| {
            let asked = s.registering(&metadata(json!({ "redirect_uris": [] })));
            for _ in 0..100 {
                asked.send().await.refused(400, "invalid_redirect_uri");
            }
            let answer = asked.send().await;
            answer.refused(429, "temporarily_unavailable");
            assert!(header(&answer, "retry-after").parse::<u64>().unwrap() <= 30);
            s.advance(31 * SECOND);
            s.register(&metadata(json!({}))).await;
        });
    }
}

mod s2_client_metadata {
    use super::*;

    #[test]
    fn what_is_not_said_has_its_default() {
        with_config(open, async |s| {
            let body = s.register(&metadata(json!({}))).await.body;
            assert_eq!(body["grant_types"], json!(["authorization_code"]));
            assert_eq!(body["response_types"], json!(["code"]));
            assert_eq!(body["token_endpoint_auth_method"], "client_secret_basic");
            assert_eq!(body["application_type"], "web");
            assert_eq!(body["scope"], "openid profile email address phone offline_access");
        });
    }

    #[test]
    fn a_client_without_a_scope_may_ask_for_offline_access() {
        with_config(open, async |s| {
            let grants = json!({ "grant_types": ["authorization_code", "refresh_token"] });
            let client = s.register(&metadata(grants)).await;
            let tokens = s.sign_in_at(&client, asking(&client.id, "openid offline_access")).await;
            let auth = Auth::Basic(client.id.clone(), client.secret.clone().unwrap());
            let params = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            auth.on(s.post("/token"), &params).send().await.ok();
        });
    }

    #[test]
    fn a_scope_is_no_wider_than_the_operator_allows() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({ "scope": "openid email admin signet:admin" }))).await;
            assert_eq!(client.body["scope"], "openid email");
            let asked = asking(&client.id, "openid admin");
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            assert_eq!(browser.silently(&asked).await.get("error"), Some("invalid_scope"));
            let only = metadata(json!({ "scope": "admin" }));
            s.registering(&only).send().await.refused(400, "invalid_client_metadata");
        });
    }

    #[test]
    fn what_is_the_operators_to_say_is_ignored_and_not_shown() {
        with_config(open, async |s| {
            let greedy = json!({
                "first_party": true, "introspect": true, "theft_response": "family", "forward_auth": true,
                "profile": "oidc-certification", "require_pkce": false, "client_class": "cookie",
                "claims": [{ "claim": "roles", "value": ["admin"] }], "access_token_lifetime": 900,
                "refresh_token_lifetime": 34_560_000, "allowed_origins": ["https://evil.example.com"],
                "audience": [AUDIENCE], "return_uris": ["https://app.example.com/"], "client_id": "app",
                "client_secret": "chosen-by-a-stranger", "registered": "operator", "disabled": false,
                "client_name#de": "Laden", "nonsense": [1],
            });
            let ignored: Vec<String> = greedy.as_object().unwrap().keys().cloned().collect();
            let client = s.register(&metadata(greedy)).await;
            for name in ignored.iter().filter(|name| !matches!(name.as_str(), "client_id" | "client_secret")) {
                assert!(client.body.get(name).is_none(), "{name}: {}", client.body);
            }
            assert_ne!(client.id, "app");
            assert_ne!(client.secret.as_deref(), Some("chosen-by-a-stranger"));
            let page = Browser::new(s).authorize(&asking(&client.id, "openid")).await;
            assert!(page.location().starts_with("/login"));
            let auth = Auth::Basic(client.id.clone(), client.secret.clone().unwrap());
            auth.on(s.post("/token"), &[("grant_type", "client_credentials")])
                .send()
                .await
                .refused(400, "unauthorized_client");
            let plain = asking(&client.id, "openid").without("code_challenge").without("code_challenge_method");
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            assert_eq!(browser.silently(&plain).await.get("error"), Some("invalid_request"));
        });
    }

    #[test]
    fn grants_that_cannot_be_had_are_left_out() {
        with_config(open, async |s| {
            let device = "urn:ietf:params:oauth:grant-type:device_code";
            let grants = json!(["authorization_code", "refresh_token", "client_credentials", device]);
            let client = s.register(&metadata(json!({ "grant_types": grants }))).await;
            assert_eq!(client.body["grant_types"], json!(["authorization_code", "refresh_token"]));
        });
    }
}

mod s3_2_1_client_information_response {
    use super::*;

    #[test]
    fn everything_registered_is_in_it() {
        with_config(open, async |s| {
            let said = json!({
                "client_name": "My Example",
                "redirect_uris": [CALLBACK, "https://app.example.com/other?tab=1"],
                "post_logout_redirect_uris": ["https://app.example.com/bye"],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "client_secret_post",
                "scope": "openid email",
                "client_uri": "https://app.example.com/",
                "logo_uri": "https://app.example.com/logo.png",
                "policy_uri": "https://app.example.com/privacy",
                "tos_uri": "https://app.example.com/terms",
                "contacts": ["help@app.example.com"],
                "application_type": "web",
                "subject_type": "public",
                "default_max_age": 3600,
                "require_auth_time": true,
                "default_acr_values": ["1"],
                "initiate_login_uri": "https://app.example.com/begin",
                "request_uris": ["https://app.example.com/request.jwt"],
                "software_id": "4NRB1-0XZABZI9E6-5SM3R",
                "software_version": "2",
            });
            let answer = s.registering(&said).send().await;
            assert_eq!((answer.status, header(&answer, "cache-control")), (201, "no-store"));
            assert!(header(&answer, "content-type").starts_with("application/json"));
            let body = answer.json();
            for (name, value) in said.as_object().unwrap() {
                assert_eq!(&body[name], value, "{name}");
            }
            assert_eq!(body["client_id_issued_at"], s.now().seconds());
            assert_eq!(body["client_secret_expires_at"], 0);
            assert!(body["client_secret"].as_str().unwrap().len() >= 43);
            let token = body["registration_access_token"].as_str().unwrap();
            assert!(token.starts_with("srg_") && token.len() == 47, "{token}");
            let place = format!("{}/register/{}", s.issuer(), body["client_id"].as_str().unwrap());
            assert_eq!(body["registration_client_uri"], place.as_str());
        });
    }

    #[test]
    fn a_client_without_a_secret_gets_none() {
        with_config(open, async |s| {
            let keys = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example.com/jwks" });
            for more in [json!({ "token_endpoint_auth_method": "none" }), keys] {
                let client = s.register(&metadata(more)).await;
                assert!(client.secret.is_none() && client.body.get("client_secret_expires_at").is_none());
            }
        });
    }

    #[test]
    fn the_client_is_in_the_audit_log() {
        with_config(by_token, async |s| {
            let token = s.initial_access_token(1).await;
            let client = Registered::of(&s.registering(&metadata(json!({}))).bearer(&token).send().await);
            let path = format!("/audit?client_id={}", client.id);
            let found = s.administering("GET", &path).await.send().await.ok().json();
            assert_eq!(found["items"][0]["event"], "client.registered");
            assert!(found["items"][0]["details"]["initial_access_token"].is_string());
        });
    }
}

mod s3_2_2_client_registration_error_response {
    use super::*;

    #[test]
    fn each_names_what_to_mend() {
        with_config(open, async |s| {
            let own = format!("{}/session/callback", s.issuer());
            for (error, said, named) in [
                ("invalid_redirect_uri", json!({ "redirect_uris": ["https://app.example.com/cb#x"] }), "fragment"),
                ("invalid_redirect_uri", json!({ "redirect_uris": [] }), "redirect URI"),
                ("invalid_redirect_uri", json!({ "redirect_uris": ["http://app.example.com/cb"] }), "https"),
                ("invalid_redirect_uri", json!({ "redirect_uris": ["javascript:alert(1)"] }), "https"),
                ("invalid_redirect_uri", json!({ "redirect_uris": ["https://*.example.com/"] }), "Wildcards"),
                ("invalid_redirect_uri", json!({ "redirect_uris": ["com.example.app:/cb"] }), "native"),
                ("invalid_redirect_uri", json!({ "redirect_uris": [own] }), "this server"),
                ("invalid_client_metadata", json!({ "initiate_login_uri": "http://app.example.com/" }), "https"),
                ("invalid_client_metadata", json!({ "initiate_login_uri": "http://127.0.0.1/" }), "https"),
                ("invalid_client_metadata", json!({ "logo_uri": "javascript:alert(1)" }), "logo_uri"),
                ("invalid_client_metadata", json!({ "token_endpoint_auth_method": "magic" }), "authentication method"),
                ("invalid_client_metadata", json!({ "token_endpoint_auth_method": "private_key_jwt" }), "jwks_uri"),
                ("invalid_client_metadata", json!({ "grant_types": ["client_credentials"] }), "grant_types"),
                ("invalid_client_metadata", json!({ "grant_types": ["password"] }), "grant_types"),
                ("invalid_client_metadata", json!({ "response_types": [] }), "response_types"),
                ("invalid_client_metadata", json!({ "scope": ["openid"] }), "scope"),
                ("invalid_client_metadata", json!({ "client_name": "\u{202e}evil" }), "client_name"),
                ("invalid_client_metadata", json!({ "client_name": 7 }), "string"),
                ("invalid_client_metadata", json!({ "id_token_signed_response_alg": "none" }), "RS256"),
                ("invalid_client_metadata", json!({ "jwks": { "keys": [] } }), "jwks"),
            ] {
                let answer = s.registering(&metadata(said.clone())).send().await;
                answer.refused(400, error);
                let description = answer.json()["error_description"].as_str().unwrap().to_owned();
                assert!(description.contains(named), "{said}: {description}");
                assert!(signet::oauth::text::is_description(&description), "{description}");
                assert_eq!(header(&answer, "cache-control"), "no-store");
            }
            assert_eq!(dynamic_clients(s).await, 0);
        });
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        with_config(open, async |s| {
            for body in ["", "[]", "7", "{", "\"x\"", "null"] {
                let request = s.post("/register").header("Content-Type", "application/json");
                request.body(body.as_bytes()).send().await.refused(400, "invalid_client_metadata");
            }
            s.post("/register").form(&[("redirect_uris", CALLBACK)]).send().await.refused(415, "invalid_request");
            let long = metadata(json!({ "padding": "x".repeat(65 * 1024) }));
            s.registering(&long).send().await.refused(413, "invalid_request");
        });
    }
}

mod consent {
    use super::*;

    const MARK: &str = "id=\"client-unverified\"";

    #[test]
    fn a_client_that_registered_itself_is_marked_as_such() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({ "client_name": "Your Bank" }))).await;
            let mut browser = Browser::new(s);
            let page = browser.authorize(&asking(&client.id, "openid")).await;
            let page = browser.page(page.location()).await;
            let consent = browser.login(&page, ALICE).await;
            let html = browser.page(consent.location()).await.html;
            assert!(html.contains(MARK) && html.contains("https:&#x2f;&#x2f;app.example.com"), "{html}");
            // One that an operator registered is not.
            let page = browser.authorize(&asking("spa", "openid read")).await;
            assert!(!browser.page(page.location()).await.html.contains(MARK));
        });
    }

    #[test]
    fn it_is_asked_for_at_first_even_where_nothing_is_wanted() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({}))).await;
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await;
            let answer = browser.authorize(&request(&client.id).without("scope")).await;
            assert!(answer.location().starts_with("/consent"), "{}", answer.location());
            let silent = browser.silently(&asking(&client.id, "openid").with("prompt", "none")).await;
            assert_eq!(silent.get("error"), Some("consent_required"));
            browser.sign_in(&asking(&client.id, "openid"), ALICE).await.code();
            browser.silently(&asking(&client.id, "openid").with("prompt", "none")).await.code();
        });
    }
}

mod expiry {
    use super::*;

    async fn sweep(s: &Server) {
        s.op.store.sweep_clients(s.op.policy.registration.unused, 100, s.now()).await.unwrap();
        s.op.clients.forget();
    }

    #[test]
    fn a_client_that_nobody_signs_in_at_goes_after_a_day() {
        with_config(open, async |s| {
            let unused = s.register(&metadata(json!({}))).await;
            let used = s.register(&metadata(json!({}))).await;
            let disabled = s.register(&metadata(json!({}))).await;
            s.disable_client(&disabled.id).await;
            s.sign_in_at(&used, asking(&used.id, "openid")).await;
            s.advance(23 * HOUR);
            sweep(s).await;
            assert!(s.has_client(&unused.id).await);
            s.advance(2 * HOUR);
            sweep(s).await;
            assert!(!s.has_client(&unused.id).await);
            for kept in [used.id.as_str(), &disabled.id, "app", "service"] {
                assert!(s.has_client(kept).await, "{kept}");
            }
            s.configuring("GET", &unused.id, &unused.token).send().await.refused(401, "invalid_token");
            // Once used, it stays when its refresh tokens have gone.
            Inside::of(s).await.run("DELETE FROM refresh_family").await;
            s.advance(60 * DAY);
            sweep(s).await;
            assert!(s.has_client(&used.id).await);
        });
    }

    #[test]
    fn a_sign_in_under_way_keeps_its_client_at_every_step() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({}))).await;
            s.advance(2 * DAY);
            let mut browser = Browser::new(s);
            let page = browser.authorize(&asking(&client.id, "openid")).await;
            sweep(s).await;
            let page = browser.page(page.location()).await;
            let consent = browser.login(&page, ALICE).await;
            sweep(s).await;
            let answer = browser.consent(consent.location()).await;
            let code = Redirect::parse(answer.location()).code();
            sweep(s).await;
            let auth = Auth::Basic(client.id.clone(), client.secret.clone().unwrap());
            auth.on(s.post("/token"), &redemption(&code)).send().await.ok();
            s.advance(2 * DAY);
            sweep(s).await;
            assert!(s.has_client(&client.id).await);
        });
    }
}

mod third_party_initiated_login {
    use super::*;

    #[test]
    fn an_application_can_be_opened_from_the_account() {
        with_config(open, async |s| {
            let begin = json!({ "initiate_login_uri": "https://app.example.com/begin?tab=1" });
            let client = s.register(&metadata(begin.clone())).await;
            let mut browser = Browser::new(s);
            browser.sign_in(&asking(&client.id, "openid"), ALICE).await;
            browser.sign_in(&asking("spa", "openid read"), ALICE).await;
            // Where a client leads that registered itself, nobody has vouched for.
            assert!(!browser.get("/account/applications").await.text().contains("open-1"));
            s.patch_client("spa", begin).await;
            let html = browser.get("/account/applications").await.ok().text();
            let links: Vec<_> = html.split("id=\"open-").skip(1).collect();
            assert_eq!(links.len(), 1, "{html}");
            let href = links[0].split("href=\"").nth(1).unwrap().split('"').next().unwrap();
            let href = href.replace("&#x2f;", "/").replace("&amp;", "&");
            let issuer: String = form_urlencoded::byte_serialize(s.issuer().as_bytes()).collect();
            assert_eq!(href, format!("https://app.example.com/begin?tab=1&iss={issuer}"));
        });
    }
}

mod sector_identifiers {
    use super::*;

    fn pairwise(sector: &str) -> Value {
        let hosts = [CALLBACK, "https://other.example.com/callback"];
        json!({ "redirect_uris": hosts, "subject_type": "pairwise", "sector_identifier_uri": sector })
    }

    #[test]
    fn the_document_lists_every_redirect_uri() {
        with_config(open, async |s| {
            let neighbour = Neighbour::start().await;
            let (good, bad) = (neighbour.url("/good.json"), neighbour.url("/bad.json"));
            let listed = json!([CALLBACK, "https://other.example.com/callback", "https://third.example.com/"]);
            neighbour.serve("/good.json", 200, "application/json", listed.to_string());
            neighbour.serve("/bad.json", 200, "application/json", json!([CALLBACK]).to_string());
            let client = s.register(&pairwise(&good)).await;
            assert_eq!(client.body["sector_identifier_uri"], good.as_str());
            let gone = neighbour.url("/gone.json");
            for sector in [&bad, &gone] {
                let answer = s.registering(&pairwise(sector)).send().await;
                answer.refused(400, "invalid_client_metadata");
                assert!(answer.text().contains("sector_identifier_uri"), "{}", answer.text());
                let put = s.configuring("PUT", &client.id, &client.token).json(&pairwise(sector));
                put.send().await.refused(400, "invalid_client_metadata");
            }
            s.configuring("PUT", &client.id, &client.token).json(&pairwise(&good)).send().await.ok();
        });
    }
}
