//! The OpenID Foundation's certification of a provider: the modules with request objects and with keys by value, and the
//! plan Config.

use signet::oauth::algorithm::Algorithm;

use super::certification::{KEY, SUITE, certified, id_of, nameless, register, with_certified};
use super::*;
use crate::support::jwt::{Signer, asserting, laid_over, unsigned};

/// A redirect URI that nobody has registered.
const EVIL: &str = "https://evil.example/cb";

/// A request object of this client's, signed by a key whose name nobody knows, or not at all.
fn object(s: &Server, client: &str, redirect_uri: &str, signed: bool) -> String {
    let claims = json!({ "iss": client, "aud": s.issuer(), "client_id": client, "response_type": "code",
        "redirect_uri": redirect_uri, "scope": "openid", "state": "inner", "nonce": "inner" });
    if signed {
        return KEY.token(&json!({ "alg": "RS256", "typ": "JWT" }), &claims);
    }
    unsigned(&claims)
}

/// Asserts an error page.
#[track_caller]
fn is_page(response: &Response) {
    assert_eq!((response.status, response.header("location")), (400, None), "{response:?}");
}

mod basic {
    use super::*;

    #[test]
    fn unsigned_request_object_and_request_uri_unsigned_are_rejected() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let unsigned = object(s, &rp.id, SUITE, false);
            let wrong = [
                ("request", unsigned.as_str(), "invalid_request_object"),
                ("request_uri", "https://example.com/r", "invalid_request_uri"),
            ];
            // Nobody is sent on for a client that registered itself.
            for (name, value, error) in wrong {
                let page = Browser::new(s).authorize(&rp.asked().with(name, value)).await;
                is_page(&page);
                assert_eq!(page.error(), error, "{name}");
            }
            let mut browser = Browser::new(s);
            rp.code(&mut browser, &rp.asked()).await;
            for (name, value, error) in wrong {
                let answer = browser.silently(&rp.asked().with(name, value)).await;
                assert_eq!((answer.uri.as_str(), answer.get("error")), (SUITE, Some(error)), "{name}");
                assert_eq!((answer.get("state"), answer.get("code")), (Some("8kHv4sXHeR"), None));
            }
        });
    }

    #[test]
    fn ensure_request_object_with_redirect_uri() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let mut browser = Browser::new(s);
            rp.code(&mut browser, &rp.asked()).await;
            let inner = |uri: &str, signed| rp.asked().with("request", &object(s, &rp.id, uri, signed));
            // What is not signed says nothing about where to answer, and what is says all.
            let refused = browser.silently(&inner(EVIL, false)).await;
            assert_eq!((refused.uri.as_str(), refused.get("error")), (SUITE, Some("invalid_request_object")));
            is_page(&browser.authorize(&inner(SUITE, false).with("redirect_uri", EVIL)).await);
            is_page(&browser.authorize(&inner(EVIL, true)).await);
            let answer = browser.silently(&inner(SUITE, true).with("redirect_uri", EVIL)).await;
            assert_eq!((answer.uri.as_str(), answer.get("state")), (SUITE, Some("inner")));
            let tokens = Tokens::of(&rp.redeem(s, &answer.code()).await);
            assert_eq!(id_of(&tokens)["nonce"], "inner");
        });
    }
}

mod keys_by_value {
    use super::*;

    #[test]
    fn a_key_without_a_name_is_registered_with_any_method_and_given_back() {
        with_certified(async |s| {
            for method in ["client_secret_basic", "client_secret_post", "private_key_jwt"] {
                let rp = register(s, json!({ "token_endpoint_auth_method": method })).await;
                assert_eq!(rp.body["jwks"], nameless(), "{method}");
                assert_eq!(rp.secret.is_empty(), method == "private_key_jwt");
            }
        });
    }

    #[test]
    fn what_it_signs_without_naming_a_key_is_verified() {
        with_certified(async |s| {
            let rp = register(s, json!({ "token_endpoint_auth_method": "private_key_jwt" })).await;
            let mut browser = Browser::new(s);
            let redeem = async |code: &str, header: &Value, key: &Signer| {
                let params = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", SUITE)];
                let assertion = key.token(header, &s.assertion_claims(&rp.id));
                asserting(s.post("/token"), &params, &assertion).send().await
            };
            let header = KEY.header("JWT");
            let code = rp.code(&mut browser, &rp.asked()).await;
            let foreign = Signer::new(Algorithm::Rs256, "other");
            let nameless = laid_over(&header, &json!({ "kid": null }));
            redeem(&code, &nameless, &foreign).await.refused(401, "invalid_client");
            Tokens::of(&redeem(&code, &nameless, &KEY).await);
        });
    }
}

mod config {
    use super::*;

    /// An issuer as the plan wants it. The listener's own certificate is in the tests of `tls`.
    fn at_https(config: &mut Config) {
        certified(config);
        config.public_url = "https://login.example.com".to_owned();
    }

    #[test]
    fn discovery_endpoint_verification() {
        with_config(at_https, async |s| {
            let answer = s.get("/.well-known/openid-configuration").send().await;
            assert_eq!(header(answer.ok(), "content-type"), "application/json");
            let metadata = answer.json();
            let has = |name: &str, value: &str| metadata[name].as_array().unwrap().contains(&json!(value));
            assert_eq!(metadata["issuer"], "https://login.example.com");
            let is_address = |name: &str| name.ends_with("_endpoint") || name.ends_with("_uri");
            assert!(metadata["jwks_uri"].is_string());
            for (name, url) in metadata.as_object().unwrap().iter().filter(|(name, _)| is_address(name)) {
                assert!(url.as_str().unwrap().starts_with("https://login.example.com/"), "{name}: {url}");
            }
            for kind in ["code", "id_token", "id_token token"] {
                assert!(has("response_types_supported", kind), "{kind}");
            }
            for grant in ["authorization_code", "implicit"] {
                assert!(has("grant_types_supported", grant), "{grant}");
            }
            for name in [
                "id_token_signing_alg_values_supported",
                "userinfo_signing_alg_values_supported",
                "request_object_signing_alg_values_supported",
            ] {
                assert!(has(name, "RS256") && !has(name, "none"), "{name}");
            }
            assert!(has("scopes_supported", "openid") && has("claims_supported", "sub"));
            assert!(has("subject_types_supported", "public") && has("subject_types_supported", "pairwise"));
            assert!(has("code_challenge_methods_supported", "S256"));
            assert_eq!(metadata["registration_endpoint"], format!("{}/register", s.issuer()));
        });
    }
}
