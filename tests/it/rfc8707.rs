//! RFC 8707: Resource Indicators for OAuth 2.0.

use super::*;
use crate::support::surfer::{MAIN, PAGE, gated};

const ORDERS: &str = "https://orders.example.com";
const PAYMENTS: &str = "https://payments.example.com/v1";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// Two APIs beside the one of every client; `app` and `service` may ask for all three.
async fn three_apis(s: &Server, payments: Value) {
    s.create_api(ORDERS, json!({ "scopes": ["orders"] })).await;
    s.create_api(PAYMENTS, payments).await;
    let scope = "openid profile offline_access read write orders pay";
    for client in ["app", "cookie"] {
        s.patch_client(client, json!({ "audience": [AUDIENCE, ORDERS, PAYMENTS], "scope": scope })).await;
    }
    let own = json!({ "audience": [AUDIENCE, ORDERS, PAYMENTS], "scope": "read orders pay" });
    s.patch_client("service", own).await;
}

fn payments() -> Value {
    json!({ "scopes": ["pay"] })
}

/// A code for a grant of all three APIs, or of those that are named.
async fn code(s: &Server, resources: &[&str]) -> String {
    let asked = request("app").with("scope", "openid offline_access read orders pay");
    let asked = resources.iter().fold(asked, |asked, resource| asked.repeating("resource", resource));
    Browser::new(s).sign_in(&asked, ALICE).await.code()
}

/// Redeems a code for some resources.
async fn redeem(s: &Server, code: &str, resources: &[&str]) -> Response {
    let mut params = redemption(code).to_vec();
    params.extend(resources.iter().map(|resource| ("resource", *resource)));
    s.token("app", &params).await
}

async fn refresh(s: &Server, token: &str, resources: &[&str]) -> Response {
    let mut params = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
    params.extend(resources.iter().map(|resource| ("resource", *resource)));
    s.token("app", &params).await
}

fn audience(tokens: &Tokens) -> Value {
    claims(&tokens.access)["aud"].clone()
}

mod s2_resource_parameter {
    use super::*;

    #[test]
    fn its_value_is_an_absolute_uri_without_a_fragment() {
        with_server(async |s| {
            let with_fragment = format!("{AUDIENCE}#part");
            for bad in ["api", "/v1", "//api.example.com", &with_fragment, "https://api.example.com/ "] {
                s.token("service", &[GRANT, ("resource", bad)]).await.refused(400, "invalid_target");
                let answer = Browser::new(s).silently(&request("app").with("resource", bad)).await;
                assert_eq!(answer.get("error"), Some("invalid_target"), "{bad}");
                assert_eq!(answer.get("state"), Some("af0ifjsldkj"));
            }
            // Empty is absent (RFC 6749 §3.1).
            s.token("service", &[GRANT, ("resource", "")]).await.ok();
        });
    }

    #[test]
    fn an_unknown_resource_and_one_of_others_are_invalid_target() {
        with_server(async |s| {
            s.create_api(ORDERS, json!({})).await;
            let longer = format!("{AUDIENCE}/");
            let upper = AUDIENCE.to_uppercase();
            for bad in [ORDERS, "https://unknown.example.com", "https://stranger.example.com", &longer, &upper] {
                s.token("service", &[GRANT, ("resource", bad)]).await.refused(400, "invalid_target");
                let both = [GRANT, ("resource", AUDIENCE), ("resource", bad)];
                s.token("service", &both).await.refused(400, "invalid_target");
                let answer = Browser::new(s).silently(&request("app").with("resource", bad)).await;
                assert_eq!(answer.get("error"), Some("invalid_target"), "{bad}");
            }
        });
    }

    #[test]
    fn it_may_be_repeated_and_nothing_else_may() {
        with_server(async |s| {
            three_apis(s, payments()).await;
            let both = [GRANT, ("resource", ORDERS), ("resource", AUDIENCE), ("resource", ORDERS)];
            let tokens = Tokens::of(&s.token("service", &both).await);
            assert_eq!(audience(&tokens), json!([ORDERS, AUDIENCE]));
            for other in ["scope", "audience", "resources", "grant_type"] {
                let twice = [GRANT, (other, "read"), (other, "read")];
                s.token("service", &twice).await.refused(400, "invalid_request");
            }
            let many: Vec<_> = (0..21).map(|n| format!("urn:api:{n}")).collect();
            let many = many.iter().map(|one| ("resource", one.as_str()));
            let many: Vec<_> = std::iter::once(GRANT).chain(many).collect();
            s.token("service", &many).await.refused(400, "invalid_target");
        });
    }
}

mod s2_1_authorization_request {
    use super::*;

    #[test]
    fn the_grant_is_for_the_resources_it_names() {
        with_server(async |s| {
            three_apis(s, payments()).await;
            let one = Tokens::of(&redeem(s, &code(s, &[ORDERS]).await, &[]).await);
            assert_eq!(audience(&one), ORDERS);
            let two = Tokens::of(&redeem(s, &code(s, &[PAYMENTS, AUDIENCE]).await, &[]).await);
            assert_eq!(audience(&two), json!([PAYMENTS, AUDIENCE]));
            let all = Tokens::of(&redeem(s, &code(s, &[]).await, &[]).await);
            assert_eq!(audience(&all), json!([AUDIENCE, ORDERS, PAYMENTS]));
            // Never more than was granted.
            refresh(s, one.refresh(), &[PAYMENTS]).await.refused(400, "invalid_target");
            assert_eq!(audience(&Tokens::of(&refresh(s, one.refresh(), &[]).await)), ORDERS);
        });
    }

    #[test]
    fn a_client_that_registered_itself_gets_what_is_open_to_such_clients() {
        with_server(async |s| {
            s.create_api(ORDERS, json!({ "dynamic": true })).await;
            s.create_api(PAYMENTS, json!({})).await;
            s.patch_client("app", json!({ "audience": [] })).await;
            let mut inside = crate::support::inside::Inside::of(s).await;
            inside.run("UPDATE clients SET registered = 'dynamic' WHERE client_id = 'app'").await;
            inside.run("UPDATE installation SET client_version = client_version + 1").await;
            s.advance(2 * SECOND);
            // What is wrong is sent to a client that nobody has vouched for once somebody is signed in.
            let mut browser = Browser::new(s);
            browser.sign_in(&request("web"), ALICE).await.code();
            for closed in [PAYMENTS, AUDIENCE] {
                let answer = browser.silently(&request("app").with("resource", closed)).await;
                assert_eq!(answer.get("error"), Some("invalid_target"), "{closed}");
            }
            let open = Browser::new(s).sign_in(&request("app").with("resource", ORDERS), ALICE).await.code();
            assert_eq!(audience(&Tokens::of(&s.redeem("app", &open).await)), ORDERS);
            // What it does not name it does not get.
            let none = Browser::new(s).sign_in(&request("app"), ALICE).await.code();
            assert_eq!(audience(&Tokens::of(&s.redeem("app", &none).await)), s.issuer());
        });
    }
}

mod s2_2_access_token_request {
    use super::*;

    #[test]
    fn a_code_and_each_refresh_may_be_narrowed_and_the_grant_stays() {
        with_server(async |s| {
            three_apis(s, payments()).await;
            let first = Tokens::of(&redeem(s, &code(s, &[]).await, &[ORDERS]).await);
            assert_eq!(audience(&first), ORDERS);
            let second = Tokens::of(&refresh(s, first.refresh(), &[PAYMENTS]).await);
            assert_eq!(audience(&second), PAYMENTS);
            let third = Tokens::of(&refresh(s, second.refresh(), &[AUDIENCE, ORDERS]).await);
            assert_eq!(audience(&third), json!([AUDIENCE, ORDERS]));
            let fourth = Tokens::of(&refresh(s, third.refresh(), &[]).await);
            assert_eq!(audience(&fourth), json!([AUDIENCE, ORDERS, PAYMENTS]));
        });
    }

    #[test]
    fn what_was_not_granted_is_invalid_target_and_uses_nothing_up() {
        with_server(async |s| {
            three_apis(s, payments()).await;
            let code = code(s, &[ORDERS]).await;
            for foreign in [PAYMENTS, "https://unknown.example.com"] {
                redeem(s, &code, &[foreign]).await.refused(400, "invalid_target");
                redeem(s, &code, &[ORDERS, foreign]).await.refused(400, "invalid_target");
            }
            let tokens = Tokens::of(&redeem(s, &code, &[ORDERS]).await);
            refresh(s, tokens.refresh(), &[PAYMENTS]).await.refused(400, "invalid_target");
            assert_eq!(audience(&Tokens::of(&refresh(s, tokens.refresh(), &[ORDERS]).await)), ORDERS);
        });
    }

    #[test]
    fn only_whoever_could_redeem_a_code_learns_what_it_was_granted_for() {
        with_server(async |s| {
            three_apis(s, payments()).await;
            let code = code(s, &[ORDERS]).await;
            let wrong = |name: &'static str, value: &'static str| {
                let mut params = redemption(&code).to_vec();
                params.retain(|(known, _)| *known != name);
                params.extend([(name, value), ("resource", PAYMENTS)]);
                params
            };
            let verifier = "another-verifier-another-verifier-another-verifier";
            s.token("app", &wrong("code_verifier", verifier)).await.refused(400, "invalid_grant");
            let elsewhere = wrong("redirect_uri", "https://app.example.com/other");
            s.token("app", &elsewhere).await.refused(400, "invalid_grant");
            s.token("other", &wrong("state", "x")).await.refused(400, "invalid_grant");
            Tokens::of(&redeem(s, &code, &[ORDERS]).await);
            // Redeemed, it is a replay like any other.
            redeem(s, &code, &[PAYMENTS]).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn scopes_of_other_apis_are_left_out_and_the_answer_says_so() {
        with_server(async |s| {
            three_apis(s, payments()).await;
            let first = Tokens::of(&redeem(s, &code(s, &[]).await, &[ORDERS]).await);
            // `read` is nobody's.
            assert_eq!(first.body["scope"], "openid offline_access read orders");
            assert_eq!(claims(&first.access)["scope"], first.body["scope"]);
            let second = Tokens::of(&refresh(s, first.refresh(), &[PAYMENTS]).await);
            assert_eq!(second.body["scope"], "openid offline_access read pay");
            let both = Tokens::of(&refresh(s, second.refresh(), &[PAYMENTS, ORDERS]).await);
            assert_eq!(both.body["scope"], "openid offline_access read orders pay");
            let own = Tokens::of(&s.token("service", &[GRANT, ("resource", AUDIENCE)]).await);
            assert_eq!(own.body["scope"], "read");
            // Two APIs may list the same scope.
            s.patch_api(AUDIENCE, json!({ "scopes": ["read", "pay"] })).await;
            let own = Tokens::of(&s.token("service", &[GRANT, ("resource", AUDIENCE)]).await);
            assert_eq!(own.body["scope"], "read pay");
        });
    }

    #[test]
    fn an_audience_that_the_client_has_lost_is_lost_to_its_tokens() {
        with_server(async |s| {
            three_apis(s, payments()).await;
            let tokens = Tokens::of(&redeem(s, &code(s, &[]).await, &[]).await);
            let pending = code(s, &[ORDERS, PAYMENTS]).await;
            s.patch_client("app", json!({ "audience": [AUDIENCE, ORDERS] })).await;
            refresh(s, tokens.refresh(), &[PAYMENTS]).await.refused(400, "invalid_target");
            let left = Tokens::of(&refresh(s, tokens.refresh(), &[]).await);
            assert_eq!(audience(&left), json!([AUDIENCE, ORDERS]));
            assert_eq!(audience(&Tokens::of(&redeem(s, &pending, &[]).await)), ORDERS);
        });
    }

    #[test]
    fn a_grant_of_which_nothing_is_left_gives_no_token_and_its_code_stays_good() {
        with_server(async |s| {
            three_apis(s, payments()).await;
            let tokens = Tokens::of(&redeem(s, &code(s, &[ORDERS]).await, &[]).await);
            let pending = code(s, &[ORDERS]).await;
            s.patch_client("app", json!({ "audience": [AUDIENCE] })).await;
            refresh(s, tokens.refresh(), &[]).await.refused(400, "invalid_target");
            for resources in [&[][..], &[ORDERS], &[AUDIENCE]] {
                redeem(s, &pending, resources).await.refused(400, "invalid_target");
            }
            // Who could not redeem it learns nothing of it.
            s.token("other", &redemption(&pending)).await.refused(400, "invalid_grant");
            s.patch_client("app", json!({ "audience": [AUDIENCE, ORDERS] })).await;
            assert_eq!(audience(&Tokens::of(&redeem(s, &pending, &[]).await)), ORDERS);
            redeem(s, &pending, &[]).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn a_proxy_gets_no_token_for_a_grant_of_which_nothing_is_left() {
        use crate::support::web_application::{WIKI, behind_a_proxy};
        with_config(behind_a_proxy, async |s| {
            s.create_wiki().await;
            s.create_api(ORDERS, json!({})).await;
            let mut browser = Browser::new(s);
            browser.enter("wiki", WIKI, ALICE).await;
            s.visit(&browser, &[("token", "1")]).await.ok();
            s.patch_client("wiki", json!({ "audience": [ORDERS] })).await;
            s.visit(&browser, &[]).await.ok();
            let status = s.visit(&browser, &[("token", "1")]).await.status;
            assert_ne!(status, 200, "another sign-in is needed");
            browser.enter("wiki", WIKI, ALICE).await;
            s.visit(&browser, &[("token", "1")]).await.ok();
        });
    }

    #[test]
    fn what_apis_of_others_ask_of_a_token_is_not_told() {
        with_server(async |s| {
            s.create_api(ORDERS, json!({})).await;
            s.create_api(PAYMENTS, json!({ "access_token_format": "opaque" })).await;
            let own = Browser::new(s).sign_in(&request("app"), ALICE).await.code();
            let known = redeem(s, &own, &[ORDERS, PAYMENTS]).await;
            let unknown = redeem(s, &own, &[ORDERS, "https://unknown.example.com"]).await;
            let why = |answer: &Response| answer.refused(400, "invalid_target").json()["error_description"].clone();
            assert_eq!(why(&known), why(&unknown));
            redeem(s, "unknown", &[ORDERS, PAYMENTS]).await.refused(400, "invalid_grant");
            Tokens::of(&redeem(s, &own, &[AUDIENCE]).await);
        });
    }

    #[test]
    fn in_cookie_mode_it_is_a_text_or_a_list() {
        with_hosts(async |s| {
            three_apis(s, payments()).await;
            let mut surfer = Surfer::new(s);
            let more = [("resource", ORDERS), ("resource", PAYMENTS), ("scope", "openid read")];
            surfer.enter(MAIN, PAGE, &more).await;
            let ask = |surfer: &Surfer<'_>, resource: Value| {
                let body = json!({ "client_id": "cookie", "resource": resource }).to_string();
                gated(surfer.request("POST", &format!("{MAIN}/refresh")), "https://app.example.com", &body)
            };
            for (resource, expected) in [
                (json!(ORDERS), json!(ORDERS)),
                (json!([PAYMENTS, ORDERS]), json!([PAYMENTS, ORDERS])),
                (json!([]), json!([ORDERS, PAYMENTS])),
                (Value::Null, json!([ORDERS, PAYMENTS])),
            ] {
                let answer = ask(&surfer, resource).send().await;
                surfer.keep(MAIN, &answer);
                assert_eq!(claims(answer.ok().json()["access_token"].as_str().unwrap())["aud"], expected);
            }
            for bad in [json!(AUDIENCE), json!([ORDERS, AUDIENCE]), json!("orders")] {
                ask(&surfer, bad).send().await.refused(400, "invalid_target");
            }
            for bad in [json!(1), json!({}), json!([1])] {
                let status = ask(&surfer, bad).send().await.status;
                assert_eq!(status, 403, "a body that is none of ours");
            }
        });
    }
}

mod consent {
    use super::*;

    /// Goes to the consent page for these resources, which names their APIs, and says yes.
    async fn agree(browser: &mut Browser<'_>, resources: &[&str], names: &[&str]) {
        let response = browser.authorize(&naming(resources)).await;
        let location = if response.location().starts_with("/login") {
            let page = browser.page(response.location()).await;
            browser.login(&page, ALICE).await.location().to_owned()
        } else {
            response.location().to_owned()
        };
        let page = browser.page(&location).await;
        assert_eq!(page.path, "/consent");
        for name in ["consent-apis"].iter().chain(names) {
            assert!(page.html.contains(name), "{name}: {}", page.html);
        }
        let answer = browser.submit(&page, &[("action", "approve")]).await;
        Redirect::parse(answer.location()).code();
    }

    fn naming(resources: &[&str]) -> Asked {
        resources.iter().fold(request("spa"), |asked, resource| asked.repeating("resource", resource))
    }

    async fn two_apis(s: &Server) {
        s.create_api(ORDERS, json!({ "name": "Orders & more", "dynamic": true })).await;
        s.create_api(PAYMENTS, json!({ "dynamic": true })).await;
    }

    #[test]
    fn an_operators_client_names_its_apis_and_is_not_asked_again() {
        with_server(async |s| {
            two_apis(s).await;
            s.patch_client("spa", json!({ "audience": [ORDERS, PAYMENTS] })).await;
            let mut browser = Browser::new(s);
            agree(&mut browser, &[ORDERS], &["Orders &amp; more", "orders.example.com"]).await;
            browser.silently(&naming(&[PAYMENTS]).with("prompt", "none")).await.code();
        });
    }

    #[test]
    fn a_client_that_registered_itself_needs_one_for_each_api() {
        with_server(async |s| {
            two_apis(s).await;
            s.patch_client("spa", json!({ "audience": [] })).await;
            let mut inside = crate::support::inside::Inside::of(s).await;
            inside.run("UPDATE clients SET registered = 'dynamic' WHERE client_id = 'spa'").await;
            inside.run("UPDATE installation SET client_version = client_version + 1").await;
            s.advance(2 * SECOND);
            let mut browser = Browser::new(s);
            agree(&mut browser, &[ORDERS], &["Orders &amp; more"]).await;
            let silent = |resources: &[&str]| naming(resources).with("prompt", "none");
            browser.silently(&silent(&[ORDERS])).await.code();
            browser.silently(&silent(&[])).await.code();
            for more in [&[PAYMENTS][..], &[ORDERS, PAYMENTS]] {
                let answer = browser.silently(&silent(more)).await;
                assert_eq!(answer.get("error"), Some("consent_required"), "{more:?}");
            }
            agree(&mut browser, &[PAYMENTS], &["payments.example.com"]).await;
            // The earlier yes holds.
            browser.silently(&silent(&[ORDERS, PAYMENTS])).await.code();
        });
    }
}

mod what_apis_ask_of_a_token {
    use super::*;

    #[test]
    fn two_that_say_different_things_of_one_claim_are_asked_for_one_at_a_time() {
        with_server(async |s| {
            let tier = |value: &str| json!({ "claims": [{ "claim": "tier", "value": value }] });
            three_apis(s, tier("gold")).await;
            s.patch_api(ORDERS, tier("gold")).await;
            Tokens::of(&s.token("service", &[GRANT]).await);
            s.patch_api(ORDERS, tier("silver")).await;
            let refused = s.token("service", &[GRANT]).await;
            assert!(refused.refused(400, "invalid_target").text().contains("one resource at a time"));
            for (resource, value) in [(PAYMENTS, "gold"), (ORDERS, "silver")] {
                let tokens = Tokens::of(&s.token("service", &[GRANT, ("resource", resource)]).await);
                assert_eq!(claims(&tokens.access)["tier"], value);
            }
        });
    }

    #[test]
    fn one_that_cannot_be_for_all_of_them_is_asked_for_one_resource_at_a_time() {
        with_server(async |s| {
            three_apis(s, json!({ "scopes": ["pay"], "access_token_format": "opaque" })).await;
            s.token("service", &[GRANT]).await.refused(400, "invalid_target");
            s.token("service", &[GRANT, ("resource", ORDERS)]).await.ok();
            // The grant may be for both, each token only for one; asking wrongly costs nothing.
            let code = code(s, &[]).await;
            let refused = redeem(s, &code, &[]).await;
            assert!(refused.refused(400, "invalid_target").text().contains("one resource at a time"));
            redeem(s, &code, &[ORDERS, PAYMENTS]).await.refused(400, "invalid_target");
            let tokens = Tokens::of(&redeem(s, &code, &[PAYMENTS]).await);
            assert!(tokens.access.starts_with("sat_"));
            refresh(s, tokens.refresh(), &[]).await.refused(400, "invalid_target");
            let tokens = Tokens::of(&refresh(s, tokens.refresh(), &[ORDERS, AUDIENCE]).await);
            assert_eq!(audience(&tokens), json!([ORDERS, AUDIENCE]));
        });
    }

    #[test]
    fn two_algorithms_in_one_token_are_refused_and_one_overrides_the_clients() {
        with_server(async |s| {
            three_apis(s, json!({ "signing_alg": "RS256" })).await;
            // Who asks for nothing takes what the other wants.
            let tokens = Tokens::of(&s.token("service", &[GRANT]).await);
            assert_eq!(jwt_header(&tokens.access)["alg"], "RS256");
            s.patch_api(ORDERS, json!({ "signing_alg": "ES256" })).await;
            s.token("service", &[GRANT]).await.refused(400, "invalid_target");
            s.patch_client("service", json!({ "access_token_signed_response_alg": "RS256" })).await;
            for (resource, alg) in [(PAYMENTS, "RS256"), (ORDERS, "ES256"), (AUDIENCE, "RS256")] {
                let tokens = Tokens::of(&s.token("service", &[GRANT, ("resource", resource)]).await);
                assert_eq!(jwt_header(&tokens.access)["alg"], alg, "{resource}");
            }
        });
    }

    #[test]
    fn the_shortest_lifetime_counts() {
        with_server(async |s| {
            three_apis(s, json!({ "access_token_lifetime": 300 })).await;
            s.patch_api(ORDERS, json!({ "access_token_lifetime": 120 })).await;
            let life = async |resources: &[&str]| {
                let params = resources.iter().map(|resource| ("resource", *resource));
                let params: Vec<_> = std::iter::once(GRANT).chain(params).collect();
                let tokens = Tokens::of(&s.token("service", &params).await);
                let claims = claims(&tokens.access);
                assert_eq!(
                    tokens.body["expires_in"],
                    claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()
                );
                tokens.body["expires_in"].as_i64().unwrap()
            };
            assert_eq!(life(&[AUDIENCE]).await, 600);
            assert_eq!(life(&[PAYMENTS]).await, 300);
            assert_eq!(life(&[PAYMENTS, ORDERS]).await, 120);
            s.patch_client("service", json!({ "access_token_lifetime": 60 })).await;
            assert_eq!(life(&[PAYMENTS]).await, 60);
            // An API can shorten what the server gives, and no more.
            s.patch_client("service", json!({ "access_token_lifetime": null })).await;
            s.patch_api(PAYMENTS, json!({ "access_token_lifetime": 900 })).await;
            assert_eq!(life(&[PAYMENTS]).await, 600);
        });
    }

    #[test]
    fn its_claims_go_into_its_tokens_beside_the_clients() {
        with_server(async |s| {
            let mail = json!([{ "claim": "mail", "from": "user.email" }, { "claim": "tier", "value": "gold" }]);
            three_apis(s, json!({ "claims": mail })).await;
            s.patch_client("app", json!({ "claims": [{ "claim": "tenant", "value": "acme" }] })).await;
            let tokens = Tokens::of(&redeem(s, &code(s, &[]).await, &[PAYMENTS]).await);
            let found = claims(&tokens.access);
            assert_eq!(
                (&found["tenant"], &found["tier"], &found["mail"]),
                (&json!("acme"), &json!("gold"), &json!("alice@example.com"))
            );
            let id = claims(tokens.id.as_deref().unwrap());
            assert!(id.get("tier").is_none() && id.get("mail").is_none());
            let other = claims(&Tokens::of(&refresh(s, tokens.refresh(), &[ORDERS]).await).access);
            assert_eq!((&other["tenant"], other.get("tier")), (&json!("acme"), None));
        });
    }
}
