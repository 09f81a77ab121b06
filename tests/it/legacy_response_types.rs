//! OpenID Connect Core §3.2 and §3.3, OAuth 2.0 Multiple Response Type Encoding Practices: tokens from the authorization
//! endpoint, for clients of the certification profile at servers that switch them on.

use super::*;

/// Every legacy response type.
const TYPES: [&str; 5] = ["id_token", "id_token token", "code id_token", "code token", "code id_token token"];

fn with_legacy(test: impl AsyncFnOnce(&Server)) {
    with_config(|config| config.protocol.legacy_response_types = true, test);
}

fn metadata() -> Value {
    json!({
        "profile": "oidc-certification",
        "require_pkce": false,
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "response_types": ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"],
        "scope": "openid profile email offline_access read",
        "audience": [AUDIENCE],
        "first_party": true,
    })
}

async fn suite(s: &Server) -> Auth {
    Auth::Basic("suite".to_owned(), s.create_client("suite", metadata()).await.unwrap())
}

fn asked(kind: &str) -> Asked {
    let plain = request("suite").without("code_challenge").without("code_challenge_method");
    plain.with("response_type", kind).with("scope", "openid email offline_access read")
}

/// The parameters of a fragment; nothing may be in the query.
#[track_caller]
fn fragment(response: &Response) -> Redirect {
    let location = response.location();
    let (uri, params) = location.split_once('#').unwrap_or_else(|| panic!("no fragment: {location}"));
    assert!(!uri.contains('?'), "{location}");
    Redirect::parse(&format!("{uri}?{params}"))
}

async fn answer(browser: &mut Browser<'_>, asked: &Asked) -> Redirect {
    let mut response = browser.authorize(asked).await;
    if response.location().starts_with("/login") {
        let page = browser.page(response.location()).await;
        response = browser.login(&page, ALICE).await;
    }
    fragment(&response)
}

/// Left half of the SHA-256 of a token or code.
fn half(text: &str) -> String {
    signet::digest::base64url(&signet::digest::sha256(text.as_bytes()).as_bytes()[..16])
}

mod who_has_them {
    use super::*;

    #[test]
    fn they_are_off_unless_the_server_switches_them_on() {
        with_server(async |s| {
            suite(s).await;
            for kind in TYPES {
                let answer = Browser::new(s).silently(&asked(kind)).await;
                assert_eq!(answer.get("error"), Some("unsupported_response_type"), "{kind}");
            }
        });
    }

    #[test]
    fn no_other_profile_has_them() {
        with_legacy(async |s| {
            for kind in TYPES.iter().chain(&["token", "none", "code none"]) {
                let answer = Browser::new(s).silently(&request("app").with("response_type", kind)).await;
                assert_eq!(answer.get("error"), Some("unsupported_response_type"), "{kind}");
            }
        });
        for (profile, field) in [("default", "response_types"), ("oauth21", "response_types")] {
            let mut metadata = metadata();
            metadata["profile"] = json!(profile);
            metadata.as_object_mut().unwrap().remove("require_pkce");
            let read = |metadata: &Value| signet::oauth::client_metadata::ClientMetadata::from_json(metadata);
            assert_eq!(read(&metadata).unwrap_err().field, field);
            metadata["response_types"] = json!(["code"]);
            assert_eq!(read(&metadata).unwrap_err().field, "grant_types");
        }
    }

    #[test]
    fn a_client_has_those_it_is_registered_for() {
        with_legacy(async |s| {
            suite(s).await;
            s.patch_client("suite", json!({ "response_types": ["code", "id_token"] })).await;
            let mut browser = Browser::new(s);
            let refused = fragment(&browser.authorize(&asked("code id_token")).await);
            assert_eq!(refused.get("error"), Some("unauthorized_client"));
            assert!(answer(&mut browser, &asked("id_token")).await.get("id_token").is_some());
            s.patch_client("suite", json!({ "grant_types": ["implicit"], "response_types": ["id_token"] })).await;
            let refused = browser.silently(&asked("code")).await;
            assert_eq!(refused.get("error"), Some("unauthorized_client"));
        });
    }

    #[test]
    fn implicit_is_nothing_the_token_endpoint_knows() {
        with_legacy(async |s| {
            let auth = suite(s).await;
            let refused = auth.on(s.post("/token"), &[("grant_type", "implicit")]).send().await;
            refused.refused(400, "unsupported_grant_type");
        });
    }
}

mod s3_3_2_5_successful_authentication_response {
    use super::*;

    #[test]
    fn each_type_answers_with_what_its_words_say_in_the_fragment() {
        with_legacy(async |s| {
            let auth = suite(s).await;
            let mut browser = Browser::new(s);
            for kind in TYPES {
                let answer = answer(&mut browser, &asked(kind)).await;
                assert_eq!(answer.uri, CALLBACK);
                let has = |word: &str| kind.split(' ').any(|one| one == word);
                let names: Vec<_> = answer.params.keys().map(String::as_str).collect();
                let mut expected = vec!["iss", "state"];
                expected.extend(has("code").then_some("code"));
                expected.extend(has("id_token").then_some("id_token"));
                if has("token") {
                    expected.extend(["access_token", "token_type", "expires_in", "scope"]);
                }
                expected.sort_unstable();
                assert_eq!(names, expected, "{kind}");
                assert_eq!((answer.get("iss"), answer.get("state")), (Some(s.issuer()), Some("af0ifjsldkj")));
                if let Some(token) = answer.get("access_token") {
                    assert_eq!(answer.get("token_type"), Some("Bearer"));
                    assert_eq!(answer.get("scope"), Some("openid email read"));
                    assert_eq!(s.userinfo(token).await.ok().json()["email"], "alice@example.com");
                }
                if let Some(id) = answer.get("id_token") {
                    let id = claims(id);
                    assert_eq!((&id["aud"], &id["nonce"]), (&json!("suite"), &json!("n-0S6_WzA2Mj")));
                    let at_hash = answer.get("access_token").map(half);
                    assert_eq!(id.get("at_hash").and_then(Value::as_str), at_hash.as_deref(), "{kind}");
                    let c_hash = answer.get("code").map(half);
                    assert_eq!(id.get("c_hash").and_then(Value::as_str), c_hash.as_deref(), "{kind}");
                }
                if let Some(code) = answer.get("code") {
                    let redemption =
                        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK)];
                    let tokens = Tokens::of(&auth.on(s.post("/token"), &redemption).send().await);
                    assert!(tokens.refresh.is_some());
                    // The same user and sign-in on both ways (Core §3.3.3.6).
                    if let Some(id) = answer.get("id_token") {
                        let (front, back) = (claims(id), claims(&tokens.id.unwrap()));
                        for name in ["iss", "sub", "auth_time", "sid", "nonce"] {
                            assert_eq!(front[name], back[name], "{name}");
                        }
                    }
                }
            }
        });
    }

    #[test]
    fn claims_of_the_scope_are_in_the_id_token_where_nothing_else_can_fetch_them() {
        with_legacy(async |s| {
            suite(s).await;
            let mut browser = Browser::new(s);
            let alone = answer(&mut browser, &asked("id_token")).await;
            assert_eq!(claims(alone.get("id_token").unwrap())["email"], "alice@example.com");
            for kind in ["id_token token", "code id_token", "code id_token token"] {
                let answer = answer(&mut browser, &asked(kind)).await;
                assert!(claims(answer.get("id_token").unwrap()).get("email").is_none(), "{kind}");
            }
        });
    }

    #[test]
    fn a_consent_is_asked_for_and_one_yes_gives_one_answer() {
        with_legacy(async |s| {
            suite(s).await;
            s.patch_client("suite", json!({ "first_party": false })).await;
            let mut browser = Browser::new(s);
            let page = browser.open(&asked("code id_token token")).await;
            let response = browser.login(&page, ALICE).await;
            let page = browser.page(response.location()).await;
            assert_eq!(page.path, "/consent");
            let yes = || {
                let post = s.post("/consent").header("Origin", s.origin());
                browser.with_cookies(post.raw_form(&page.encoded(&[("action", "approve")])))
            };
            let answers = in_parallel(vec![yes(), yes(), yes(), yes()]).await;
            let given: Vec<_> = answers.iter().filter(|answer| answer.status == 303).collect();
            assert_eq!(given.len(), 1);
            assert!(fragment(given[0]).get("access_token").is_some());
            assert!(answers.iter().all(|answer| matches!(answer.status, 303 | 400)));
        });
    }
}

mod s3_2_2_1_authentication_request {
    use super::*;

    /// `oidcc-ensure-request-without-nonce-fails` of the Implicit and Hybrid profiles.
    #[test]
    fn an_id_token_needs_a_nonce() {
        with_legacy(async |s| {
            suite(s).await;
            let mut browser = Browser::new(s);
            for kind in TYPES.iter().filter(|kind| kind.contains("id_token")) {
                let refused = fragment(&browser.authorize(&asked(kind).without("nonce")).await);
                assert_eq!(refused.get("error"), Some("invalid_request"), "{kind}");
                assert_eq!(refused.get("state"), Some("af0ifjsldkj"));
            }
            let given = answer(&mut browser, &asked("code token").without("nonce")).await;
            assert!(given.get("access_token").is_some());
        });
    }

    #[test]
    fn an_id_token_needs_the_scope_openid() {
        with_legacy(async |s| {
            suite(s).await;
            let refused =
                fragment(&Browser::new(s).authorize(&asked("id_token").with("scope", "read")).await);
            assert_eq!(refused.get("error"), Some("invalid_scope"));
        });
    }

    #[test]
    fn the_words_come_in_any_order() {
        with_legacy(async |s| {
            suite(s).await;
            let given = answer(&mut Browser::new(s), &asked("token id_token code")).await;
            assert!(["code", "id_token", "access_token"].iter().all(|name| given.get(name).is_some()));
        });
    }
}

mod s3_2_2_5_successful_authentication_response {
    use super::*;

    const ORDERS: &str = "https://orders.example.com";

    #[test]
    fn its_scope_is_that_of_the_access_token() {
        with_legacy(async |s| {
            suite(s).await;
            s.create_api(ORDERS, json!({ "scopes": ["orders"] })).await;
            let wider = json!({ "audience": [AUDIENCE, ORDERS], "scope": "openid read orders" });
            s.patch_client("suite", wider).await;
            let asked = asked("id_token token").with("scope", "openid read orders");
            let given = answer(&mut Browser::new(s), &asked.with("resource", AUDIENCE)).await;
            assert_eq!(given.get("scope"), Some("openid read"));
            assert_eq!(claims(given.get("access_token").unwrap())["scope"], "openid read");
        });
    }

    #[test]
    fn apis_that_no_one_token_suits_are_refused_before_anybody_signs_in() {
        with_legacy(async |s| {
            suite(s).await;
            s.create_api(ORDERS, json!({ "access_token_format": "opaque" })).await;
            s.patch_client("suite", json!({ "audience": [AUDIENCE, ORDERS] })).await;
            for kind in TYPES.iter().filter(|kind| kind.ends_with(" token")) {
                let refused = fragment(&Browser::new(s).authorize(&asked(kind)).await);
                assert_eq!(refused.get("error"), Some("invalid_target"), "{kind}");
                let one = asked(kind).with("resource", AUDIENCE);
                assert!(answer(&mut Browser::new(s), &one).await.get("access_token").is_some(), "{kind}");
            }
            assert!(answer(&mut Browser::new(s), &asked("id_token")).await.get("id_token").is_some());
        });
    }
}

mod response_modes {
    use super::*;

    #[test]
    fn tokens_never_travel_in_a_query() {
        with_legacy(async |s| {
            suite(s).await;
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            for kind in TYPES {
                let refused = fragment(&browser.authorize(&asked(kind).with("response_mode", "query")).await);
                assert_eq!(refused.get("error"), Some("invalid_request"), "{kind}");
                let given =
                    fragment(&browser.authorize(&asked(kind).with("response_mode", "fragment")).await);
                assert_eq!(given.get("error"), None, "{kind}");
            }
            let code = browser.silently(&asked("code").with("response_mode", "fragment")).await;
            assert_eq!(code.get("error"), Some("invalid_request"));
        });
    }

    #[test]
    fn errors_take_the_same_way() {
        with_legacy(async |s| {
            suite(s).await;
            let mut browser = Browser::new(s);
            for kind in TYPES {
                let refused = fragment(&browser.authorize(&asked(kind).with("prompt", "none")).await);
                assert_eq!(refused.get("error"), Some("login_required"), "{kind}");
                let page = browser.open(&asked(kind)).await;
                let refused = fragment(&browser.submit(&page, &[("action", "cancel")]).await);
                assert_eq!(refused.get("error"), Some("access_denied"), "{kind}");
            }
        });
    }

    #[test]
    fn a_form_carries_them_too() {
        with_legacy(async |s| {
            suite(s).await;
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            for kind in TYPES {
                let response = browser.authorize(&asked(kind).with("response_mode", "form_post")).await;
                assert_eq!((response.status, response.header("location")), (200, None), "{kind}");
                let form = Page::at(&response.text(), "form-post");
                assert_eq!(form.path, CALLBACK);
                let has = |name: &str| form.hidden.iter().any(|(known, _)| known == name);
                assert_eq!(has("id_token"), kind.contains("id_token"), "{kind}");
                assert_eq!(has("access_token"), kind.ends_with(" token"), "{kind}");
            }
        });
    }
}

mod what_ends_them {
    use super::*;

    #[test]
    fn an_access_token_from_here_can_be_revoked_and_ends_with_its_session() {
        with_legacy(async |s| {
            let auth = suite(s).await;
            let mut browser = Browser::new(s);
            let token = async |browser: &mut Browser<'_>| {
                answer(browser, &asked("id_token token")).await.get("access_token").unwrap().to_owned()
            };
            let (first, second) = (token(&mut browser).await, token(&mut browser).await);
            assert!(s.is_active(&first).await && s.is_active(&second).await);
            auth.on(s.post("/revoke"), &[("token", &first)]).send().await.ok();
            assert!(!s.is_active(&first).await && s.is_active(&second).await);
            s.log_out_all("alice").await;
            assert!(!s.is_active(&second).await);
            let third = token(&mut Browser::new(s)).await;
            s.end_session(claims(&third)["sid"].as_str().unwrap()).await;
            assert!(!s.is_active(&third).await);
            let fourth = token(&mut Browser::new(s)).await;
            s.disable_user("alice").await;
            assert!(!s.is_active(&fourth).await);
        });
    }

    #[test]
    fn the_tokens_of_a_hybrid_answer_hang_on_two_families() {
        with_legacy(async |s| {
            let auth = suite(s).await;
            let given = answer(&mut Browser::new(s), &asked("code token")).await;
            let front = given.get("access_token").unwrap();
            let code = given.code();
            let redemption =
                [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
            let back = Tokens::of(&auth.on(s.post("/token"), &redemption).send().await);
            assert_ne!(claims(front)["rv"][1], claims(&back.access)["rv"][1]);
            // A replay of the code ends what the code gave.
            let again = auth.on(s.post("/token"), &redemption).send().await;
            again.refused(400, "invalid_grant");
            assert!(!s.is_active(&back.access).await && s.is_active(front).await);
        });
    }
}
