//! RFC 9101 and OpenID Connect Core §6: authorization requests that the client has signed, by value.

use super::*;
use crate::support::jwt::{Signer, laid_over, unsigned};
use signet::oauth::algorithm::Algorithm;

/// A client with this key.
async fn client(s: &Server, key: &Signer, more: Value) {
    let mut metadata = json!({
        "token_endpoint_auth_method": "none",
        "redirect_uris": [CALLBACK, "https://app.example.com/other"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile read write",
        "audience": [AUDIENCE],
        "first_party": true,
        "jwks": key.jwks(),
    });
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    s.create_client("signing", metadata).await;
}

/// The claims of a sound object that holds all of the request.
fn object(s: &Server) -> Value {
    let mut claims = json!({ "iss": "signing", "aud": s.issuer(), "exp": s.now().seconds() + 60 });
    for (name, value) in request("signing").0 {
        claims[name] = json!(value);
    }
    claims
}

fn with(mut claims: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// A request of the required plain parameters and an object.
fn carrying(object: &str) -> Asked {
    let pairs =
        [("client_id", "signing"), ("response_type", "code"), ("scope", "openid"), ("request", object)];
    Asked(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
}

async fn signed_in(s: &Server) -> Browser<'_> {
    let mut browser = Browser::new(s);
    browser.sign_in(&request("app"), ALICE).await.code();
    browser
}

/// Where the plain parameters say nothing about where to answer, a broken object is answered with a page; where they do,
/// there.
async fn refuses(browser: &mut Browser<'_>, object: &str, what: &str) {
    let response = browser.authorize(&carrying(object)).await;
    assert_eq!(response.header("location"), None, "{what}");
    response.refused(400, "invalid_request_object");
    let asked = carrying(object).with("redirect_uri", CALLBACK).with("state", "outside");
    let answer = browser.silently(&asked).await;
    assert_eq!(
        (answer.uri.as_str(), answer.get("error")),
        (CALLBACK, Some("invalid_request_object")),
        "{what}"
    );
    assert_eq!(answer.get("state"), Some("outside"), "{what}");
}

mod s6_validating_jwt_based_requests {
    use super::*;

    #[test]
    fn a_signed_request_is_a_request_whatever_the_algorithm() {
        with_server(async |s| {
            let mut browser = signed_in(s).await;
            for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa] {
                let key = Signer::new(algorithm, "k1");
                client(s, &key, json!({})).await;
                for typ in [json!({}), json!({ "typ": "JWT" }), json!({ "typ": "oauth-authz-req+jwt" })] {
                    let asked = carrying(&key.sign_with(&typ, &object(s)));
                    let answer = browser.silently(&asked).await;
                    assert_eq!(answer.get("state"), Some("af0ifjsldkj"));
                    let tokens = Tokens::of(&s.redeem("signing", &answer.code()).await);
                    assert_eq!(claims(&tokens.id.unwrap())["nonce"], "n-0S6_WzA2Mj");
                    assert_eq!(tokens.body["scope"], "openid read");
                }
                s.delete_client("signing").await;
                s.advance(SECOND);
            }
        });
    }

    /// `oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported`.
    #[test]
    fn unsigned_and_otherwise_unsound_objects_are_refused() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let mut browser = signed_in(s).await;
            let good = object(s);
            let now = s.now().seconds();
            refuses(&mut browser, &unsigned(&good), "alg none").await;
            refuses(&mut browser, "garbage", "no JWT").await;
            refuses(&mut browser, &Signer::new(Algorithm::Es256, "k1").sign(&good), "a foreign key").await;
            refuses(&mut browser, &Signer::new(Algorithm::Es256, "k2").sign(&good), "an unknown key").await;
            refuses(&mut browser, &key.sign_with(&json!({ "alg": "HS256" }), &good), "another alg").await;
            refuses(&mut browser, &key.sign_with(&json!({ "typ": "at+jwt" }), &good), "another typ").await;
            refuses(&mut browser, &key.sign_with(&json!({ "crit": ["exp"] }), &good), "crit").await;
            for token in tampered(&key.sign(&good)) {
                refuses(&mut browser, &token, "tampered").await;
            }
            for (what, change) in [
                ("another iss", json!({ "iss": "app" })),
                ("another aud", json!({ "aud": "https://other.example.com" })),
                ("aud without us", json!({ "aud": ["https://other.example.com"] })),
                ("expired", json!({ "exp": now })),
                ("exp is no date", json!({ "exp": "soon" })),
                ("not yet valid", json!({ "nbf": now + 61 })),
                ("issued ahead", json!({ "iat": now + 61 })),
                // RFC 9101 §10.8: what authenticates a client is no request.
                ("a client assertion", json!({ "sub": "signing" })),
            ] {
                refuses(&mut browser, &key.sign(&with(good.clone(), change)), what).await;
            }
            // Several audiences, and clocks that run a little ahead.
            let fine = with(
                good,
                json!({ "aud": [s.issuer(), "https://x.example"], "nbf": now + 8, "iat": now + 8 }),
            );
            browser.silently(&carrying(&key.sign(&fine))).await.code();
        });
    }

    /// OpenID Connect Core §10.1.1.
    #[test]
    fn a_key_that_is_replaced_is_found_under_its_old_name_and_without_one() {
        with_server(async |s| {
            let neighbour = Neighbour::start().await;
            client(s, &Signer::new(Algorithm::Es256, "k1"), json!({})).await;
            s.patch_client("signing", json!({ "jwks": null, "jwks_uri": neighbour.url("/keys") })).await;
            let mut browser = signed_in(s).await;
            let nameless = json!({ "kid": null });
            for change in [json!({}), json!({}), nameless.clone(), nameless] {
                let signer = Signer::new(Algorithm::Es256, "k1");
                neighbour.serve("/keys", 200, "application/json", signer.jwks().to_string());
                let header = laid_over(&signer.header("oauth-authz-req+jwt"), &change);
                browser.silently(&carrying(&signer.token(&header, &object(s)))).await.code();
                s.advance(10 * SECOND);
            }
            let foreign = Signer::new(Algorithm::Es256, "k1");
            let header = foreign.header("oauth-authz-req+jwt");
            refuses(&mut browser, &foreign.token(&header, &object(s)), "a foreign key").await;
        });
    }

    #[test]
    fn iss_and_aud_may_be_missing_but_where_the_object_counts_alone() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let mut browser = signed_in(s).await;
            let bare = with(object(s), json!({ "iss": null, "aud": null, "exp": null }));
            browser.silently(&carrying(&key.sign(&bare))).await.code();
            for strict in [
                json!({ "profile": "oauth21" }),
                json!({ "profile": null, "require_signed_request_object": true }),
            ] {
                s.patch_client("signing", strict).await;
                browser.silently(&carrying(&key.sign(&object(s)))).await.code();
                for missing in ["iss", "aud", "client_id"] {
                    let object = key.sign(&with(object(s), json!({ missing: null })));
                    let response = browser.authorize(&carrying(&object).with("redirect_uri", CALLBACK)).await;
                    assert_eq!(response.header("location"), None, "{missing}");
                    response.refused(400, "invalid_request_object");
                }
            }
        });
    }

    #[test]
    fn the_registered_algorithm_is_the_only_one() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({ "request_object_signing_alg": "RS256" })).await;
            let mut browser = signed_in(s).await;
            refuses(&mut browser, &key.sign(&object(s)), "ES256").await;
            s.patch_client("signing", json!({ "request_object_signing_alg": "ES256" })).await;
            browser.silently(&carrying(&key.sign(&object(s)))).await.code();
        });
    }

    #[test]
    fn a_client_without_keys_cannot_sign() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            let claims = with(object(s), json!({ "iss": "app", "client_id": "app" }));
            let asked = request("app").with("request", &key.sign(&claims));
            let answer = signed_in(s).await.silently(&asked).await;
            assert_eq!(answer.get("error"), Some("invalid_request_object"));
        });
    }

    #[test]
    fn there_is_one_object_or_none() {
        with_server(async |s| {
            let asked = request("app").with("request", "x").with("request_uri", "https://app.example.com/r");
            let answer = Browser::new(s).silently(&asked).await;
            assert_eq!(answer.get("error"), Some("invalid_request"));
        });
    }
}

mod s6_3_request_parameter_assembly {
    use super::*;

    /// OpenID Connect Core §6.1.
    #[test]
    fn what_is_signed_wins_and_the_rest_is_added() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let mut browser = signed_in(s).await;
            let few = with(object(s), json!({ "nonce": null, "scope": "openid write", "state": "inside" }));
            let asked = carrying(&key.sign(&few)).with("nonce", "outside").with("state", "outside");
            let answer = browser.silently(&asked.with("scope", "openid read")).await;
            assert_eq!(answer.get("state"), Some("inside"));
            let tokens = Tokens::of(&s.redeem("signing", &answer.code()).await);
            assert_eq!(tokens.body["scope"], "openid write");
            assert_eq!(claims(&tokens.id.unwrap())["nonce"], "outside");
        });
    }

    /// `fapi2-security-profile-final-state-only-outside-request-object-not-used`.
    #[test]
    fn where_requests_have_to_be_signed_nothing_else_counts() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let mut browser = signed_in(s).await;
            let few = with(object(s), json!({ "nonce": null, "state": null }));
            let asked = || carrying(&key.sign(&few)).with("nonce", "outside").with("state", "outside");
            for strict in [json!({ "require_signed_request_object": true }), json!({ "profile": "oauth21" })]
            {
                s.patch_client("signing", strict).await;
                let answer = browser.silently(&asked()).await;
                assert_eq!(answer.get("state"), None);
                let tokens = Tokens::of(&s.redeem("signing", &answer.code()).await);
                assert!(claims(&tokens.id.unwrap()).get("nonce").is_none());
                s.patch_client("signing", json!({ "require_signed_request_object": null })).await;
            }
            // A required parameter outside alone is missing.
            let few = with(object(s), json!({ "redirect_uri": null }));
            let asked = carrying(&key.sign(&few)).with("redirect_uri", CALLBACK);
            let response = browser.authorize(&asked).await;
            assert_eq!((response.status, response.header("location")), (400, None));
        });
    }

    #[test]
    fn a_client_that_has_to_sign_is_refused_on_a_page_without() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({ "require_signed_request_object": true })).await;
            let response = signed_in(s).await.authorize(&request("signing")).await;
            assert_eq!(response.header("location"), None);
            response.refused(400, "invalid_request");
        });
    }

    /// `oidcc-ensure-request-object-with-redirect-uri`.
    #[test]
    fn the_redirect_uri_inside_counts_and_a_bad_one_is_never_redirected_to() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let mut browser = signed_in(s).await;
            let bad = "https://attacker.example.com/callback";
            let good = key.sign(&object(s));
            let answer = browser.silently(&carrying(&good).with("redirect_uri", bad)).await;
            assert_eq!(answer.uri, CALLBACK);
            assert!(answer.get("code").is_some());
            let inside = key.sign(&with(object(s), json!({ "redirect_uri": bad })));
            for asked in [carrying(&inside), carrying(&inside).with("redirect_uri", CALLBACK)] {
                let response = browser.authorize(&asked).await;
                assert_eq!((response.status, response.header("location")), (400, None));
            }
            // Nor with an error, if what is inside could not be verified.
            let forged = carrying(&unsigned(&object(s))).with("redirect_uri", bad);
            let response = browser.authorize(&forged).await;
            assert_eq!((response.status, response.header("location")), (400, None));
        });
    }

    #[test]
    fn an_error_goes_to_the_redirect_uri_inside() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let inside = with(
                object(s),
                json!({ "redirect_uri": "https://app.example.com/other", "scope": "openid nothing", "state": "inside" }),
            );
            let asked = carrying(&key.sign(&inside)).with("redirect_uri", CALLBACK).with("state", "outside");
            let answer = signed_in(s).await.silently(&asked).await;
            assert_eq!(answer.uri, "https://app.example.com/other");
            assert_eq!((answer.get("error"), answer.get("state")), (Some("invalid_scope"), Some("inside")));
        });
    }

    #[test]
    fn numbers_and_lists_are_parameters_too() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let mut browser = signed_in(s).await;
            s.advance(MINUTE);
            let aged = |age: Value| key.sign(&with(object(s), json!({ "max_age": age, "prompt": "none" })));
            let stale = browser.silently(&carrying(&aged(json!(30)))).await;
            assert_eq!(stale.get("error"), Some("login_required"));
            browser.silently(&carrying(&aged(json!(3600)))).await.code();
            let wrong = browser.silently(&carrying(&aged(json!({})))).await;
            assert_eq!(wrong.get("error"), Some("invalid_request"));
            let resource = key.sign(&with(object(s), json!({ "resource": [AUDIENCE] })));
            browser.silently(&carrying(&resource)).await.code();
            let nul = key.sign(&with(object(s), json!({ "state": "a\u{0}b" })));
            let response = browser.authorize(&carrying(&nul)).await;
            response.refused(400, "invalid_request");
        });
    }

    #[test]
    fn what_is_wrong_inside_is_said_where_the_object_says() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let mut browser = signed_in(s).await;
            let other = "https://app.example.com/other";
            let good = with(object(s), json!({ "redirect_uri": other, "state": "inside" }));
            for (what, change) in [
                ("another client_id", json!({ "client_id": "app" })),
                ("another response_type", json!({ "response_type": "code token" })),
                ("request inside", json!({ "request": "x" })),
                ("request_uri inside", json!({ "request_uri": "https://app.example.com/r" })),
                ("a resource that is no text", json!({ "resource": [AUDIENCE, 1] })),
                ("a resource that is a number", json!({ "resource": 1 })),
                ("no resource at all", json!({ "resource": [] })),
            ] {
                let bad = with(good.clone(), change);
                let object = key.sign(&bad);
                let outside = carrying(&object).with("redirect_uri", CALLBACK).with("state", "outside");
                for asked in [carrying(&object), outside] {
                    let answer = browser.silently(&asked).await;
                    assert_eq!((answer.uri.as_str(), answer.get("state")), (other, Some("inside")), "{what}");
                    assert_eq!(answer.get("error"), Some("invalid_request_object"), "{what}");
                }
                let elsewhere = with(bad, json!({ "redirect_uri": "https://attacker.example.com/cb" }));
                let asked = carrying(&key.sign(&elsewhere)).with("redirect_uri", CALLBACK);
                let response = browser.authorize(&asked).await;
                assert_eq!((response.status, response.header("location")), (400, None), "{what}");
            }
        });
    }

    #[test]
    fn null_is_no_parameter() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let mut claims = object(s);
            for name in ["max_age", "prompt", "resource", "request", "claims"] {
                claims[name] = Value::Null;
            }
            signed_in(s).await.silently(&carrying(&key.sign(&claims))).await.code();
        });
    }

    #[test]
    fn registration_is_not_supported_inside_either() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            let object = key.sign(&with(object(s), json!({ "registration": {} })));
            let answer = signed_in(s).await.silently(&carrying(&object)).await;
            assert_eq!(answer.get("error"), Some("registration_not_supported"));
        });
    }

    #[test]
    fn a_person_signs_in_for_the_request_that_was_signed() {
        with_server(async |s| {
            let key = Signer::new(Algorithm::Es256, "k1");
            client(s, &key, json!({})).await;
            // Nothing is read again after the sign-in, by when the object has expired.
            let mut browser = Browser::new(s);
            let page = browser.open(&carrying(&key.sign(&object(s)))).await;
            s.advance(2 * MINUTE);
            let answer = Redirect::parse(browser.login(&page, ALICE).await.location());
            assert_eq!(answer.get("state"), Some("af0ifjsldkj"));
            s.redeem("signing", &answer.code()).await.ok();
        });
    }
}
