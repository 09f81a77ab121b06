//! The OpenID Foundation's certification of a provider, module by module and under the modules' names: the plan Basic,
//! played against a server that is configured as `config/certification.toml` says. docs/certification.md tells how to run
//! the real thing.

use std::sync::LazyLock;

use signet::config::registration::Mode;
use signet::oauth::algorithm::Algorithm;
use signet::oauth::client_metadata::Profile;

use super::*;
use crate::support::jwt::{Signer, laid_over};

/// Where the suite takes its answers.
pub(super) const SUITE: &str = "https://localhost.emobix.co.uk:8443/test/a/signet/callback";

/// The key of the suite's clients, which has no name.
pub(super) static KEY: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::Rs256, "nameless"));

/// What config/certification.toml says of the protocol.
pub(super) fn certified(config: &mut Config) {
    config.keys.publish_ahead_minutes = 15;
    config.registration.mode = Mode::Open;
    config.registration.profile = Profile::OidcCertification;
    config.protocol.legacy_response_types = true;
}

pub(super) fn with_certified(test: impl AsyncFnOnce(&Server)) {
    with_config(certified, test);
}

/// A relying party of the suite, registered by itself.
pub(super) struct Rp {
    pub(super) id: String,
    pub(super) secret: String,
    /// The answer to its registration.
    pub(super) body: Value,
}

/// A key set by value as the suite sends it: one key, without `kid`.
pub(super) fn nameless() -> Value {
    json!({ "keys": [laid_over(&KEY.jwk(), &json!({ "kid": null }))] })
}

/// Sends a registration as the suite does, with a key by value whatever the client authenticates with, and `more` on top;
/// `null` leaves a member out.
pub(super) async fn try_register(s: &Server, more: Value) -> Response {
    let mut metadata = json!({
        "client_name": "signet certification",
        "redirect_uris": [SUITE],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "contacts": ["certification@oidf.org"],
    });
    if more.get("jwks_uri").is_none() {
        metadata["jwks"] = nameless();
    }
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    metadata.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let post = s.post("/register").header("Content-Type", "application/json");
    post.body(metadata.to_string().as_bytes()).send().await
}

pub(super) async fn register(s: &Server, more: Value) -> Rp {
    let response = try_register(s, more).await;
    assert_eq!(response.status, 201, "{}", response.text());
    let body = response.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Rp { id: text("client_id"), secret: text("client_secret"), body }
}

impl Rp {
    /// What the suite asks: no PKCE, as OpenID Connect knows none.
    pub(super) fn asked(&self) -> Asked {
        let params = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", SUITE),
            ("scope", "openid"),
            ("state", "8kHv4sXHeR"),
            ("nonce", "g3ZqRwrQWc"),
        ];
        Asked(params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    /// Signs alice in where nobody is, consents where asked.
    pub(super) async fn code(&self, browser: &mut Browser<'_>, asked: &Asked) -> String {
        let answer = browser.sign_in(asked, ALICE).await;
        assert_eq!(answer.uri, SUITE, "{answer:?}");
        answer.code()
    }

    pub(super) async fn token(&self, s: &Server, params: &[(&str, &str)]) -> Response {
        let auth = Auth::Basic(self.id.clone(), self.secret.clone());
        auth.on(s.post("/token"), params).send().await
    }

    pub(super) async fn redeem(&self, s: &Server, code: &str) -> Response {
        let params = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", SUITE)];
        self.token(s, &params).await
    }

    pub(super) async fn tokens(&self, s: &Server, browser: &mut Browser<'_>, asked: &Asked) -> Tokens {
        let code = self.code(browser, asked).await;
        Tokens::of(&self.redeem(s, &code).await)
    }
}

/// The claims of the ID token.
pub(super) fn id_of(tokens: &Tokens) -> Value {
    claims(tokens.id.as_deref().unwrap())
}

/// Shannon's entropy of a text in bits, as the suite measures it.
fn entropy(text: &str) -> f64 {
    let length = text.len() as f64;
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let share = |count: &u32| f64::from(*count) / length;
    let per_character: f64 =
        counts.iter().filter(|count| **count > 0).map(share).map(|share| -share * share.log2()).sum();
    per_character * length
}

mod basic {
    use super::*;

    #[test]
    fn server() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let code = rp.code(&mut Browser::new(s), &rp.asked()).await;
            assert!(code.len() * 6 > 128 && entropy(&code) > 96.0, "{code}: {}", entropy(&code));
            let answer = rp.redeem(s, &code).await;
            let tokens = Tokens::of(&answer);
            assert!(tokens.body["expires_in"].as_u64().unwrap() > 0);
            assert!(entropy(&tokens.access) > 96.0);
            let jwt = tokens.id.as_deref().unwrap();
            let (head, id) = (jwt_header(jwt), claims(jwt));
            assert_eq!(head["alg"], "RS256");
            assert_eq!((&id["iss"], &id["aud"]), (&json!(s.issuer()), &json!(rp.id)));
            assert_eq!(id["nonce"], "g3ZqRwrQWc");
            assert!(id["exp"].as_i64() > id["iat"].as_i64());
            for unrequested in ["name", "email", "given_name", "address", "phone_number"] {
                assert!(id.get(unrequested).is_none(), "{unrequested}");
            }
            let jwks = s.get("/.well-known/jwks.json").send().await.ok().json();
            let kids = jwks["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == head["kid"]);
            assert_eq!(kids.count(), 1);
            assert_eq!(s.userinfo(&tokens.access).await.ok().json()["sub"], id["sub"]);
        });
    }

    #[test]
    fn response_type_missing() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let asked = rp.asked().without("response_type");
            // The module takes an error page as well.
            let page = Browser::new(s).authorize(&asked).await;
            assert_eq!((page.status, page.header("location")), (400, None));
            let mut browser = Browser::new(s);
            rp.code(&mut browser, &rp.asked()).await;
            let answer = browser.silently(&asked).await;
            assert_eq!((answer.uri.as_str(), answer.get("state")), (SUITE, Some("8kHv4sXHeR")));
            assert!(matches!(answer.get("error"), Some("invalid_request" | "unsupported_response_type")));
        });
    }

    #[test]
    fn idtoken_unsigned() {
        with_certified(async |s| {
            let refused = try_register(s, json!({ "id_token_signed_response_alg": "none" })).await;
            refused.refused(400, "invalid_client_metadata");
        });
    }

    #[test]
    fn userinfo_get_post_header_and_post_body() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let asked = rp.asked().with("scope", "openid profile email address phone");
            let tokens = rp.tokens(s, &mut Browser::new(s), &asked).await;
            for request in [
                s.get("/userinfo").bearer(&tokens.access),
                s.post("/userinfo").bearer(&tokens.access),
                s.post("/userinfo").form(&[("access_token", &tokens.access)]),
            ] {
                let claims = request.send().await.ok().json();
                assert_eq!(claims["sub"], id_of(&tokens)["sub"]);
                assert!(claims["updated_at"].is_i64() && claims["address"].is_object());
                assert!(
                    claims["email_verified"].is_boolean() && claims["phone_number_verified"].is_boolean()
                );
            }
        });
    }

    #[test]
    fn ensure_request_without_nonce_succeeds_for_code_flow() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let tokens = rp.tokens(s, &mut Browser::new(s), &rp.asked().without("nonce")).await;
            assert_eq!(id_of(&tokens).get("nonce"), None);
        });
    }

    #[test]
    fn scope_profile_email_address_phone_and_all() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let mut browser = Browser::new(s);
            for (scope, claims) in [
                ("profile", &["name", "family_name", "birthdate", "website", "updated_at"][..]),
                ("email", &["email", "email_verified"]),
                ("address", &["address"]),
                ("phone", &["phone_number", "phone_number_verified"]),
                ("profile email address phone", &["name", "email", "address", "phone_number"]),
            ] {
                let asked = rp.asked().with("scope", &format!("openid {scope}"));
                let tokens = rp.tokens(s, &mut browser, &asked).await;
                let userinfo = s.userinfo(&tokens.access).await.ok().json();
                for claim in claims {
                    assert!(userinfo.get(*claim).is_some(), "{scope}: {claim}");
                }
            }
        });
    }

    #[test]
    fn alternate_happy_flow() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let mut asked = rp.asked().with("scope", "phone address email profile openid");
            asked.0.reverse();
            let tokens = rp.tokens(s, &mut Browser::new(s), &asked).await;
            assert!(s.userinfo(&tokens.access).await.ok().json().get("phone_number").is_some());
        });
    }

    #[test]
    fn display_page_display_popup_ui_locales_claims_locales_login_hint_and_unknown_parameters() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            for (name, value) in [
                ("display", "page"),
                ("display", "popup"),
                ("ui_locales", "se"),
                ("claims_locales", "se"),
                ("login_hint", "buffy@example.com"),
                ("extra", "foobar"),
            ] {
                let asked = rp.asked().with(name, value);
                rp.code(&mut Browser::new(s), &asked).await;
            }
        });
    }

    #[test]
    fn prompt_login() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let mut browser = Browser::new(s);
            let first = id_of(&rp.tokens(s, &mut browser, &rp.asked()).await);
            s.advance(2 * SECOND);
            let asked = rp.asked().with("prompt", "login");
            assert!(browser.clone().authorize(&asked).await.location().starts_with("/login"));
            let second = id_of(&rp.tokens(s, &mut browser, &asked).await);
            assert_eq!(first["sub"], second["sub"]);
            assert!(second["auth_time"].as_i64() > first["auth_time"].as_i64());
        });
    }

    #[test]
    fn prompt_none_not_logged_in() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let answer = Browser::new(s).silently(&rp.asked().with("prompt", "none")).await;
            assert_eq!((answer.get("error"), answer.get("code")), (Some("login_required"), None));
        });
    }

    #[test]
    fn prompt_none_logged_in_and_id_token_hint() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let mut browser = Browser::new(s);
            let tokens = rp.tokens(s, &mut browser, &rp.asked()).await;
            let first = id_of(&tokens);
            s.advance(2 * SECOND);
            let hint = tokens.id.as_deref().unwrap();
            for asked in [
                rp.asked().with("prompt", "none"),
                rp.asked().with("prompt", "none").with("id_token_hint", hint),
            ] {
                // Consent is remembered, or this would say consent_required.
                let code = browser.silently(&asked).await.code();
                let second = id_of(&Tokens::of(&rp.redeem(s, &code).await));
                assert_eq!((&first["sub"], &first["auth_time"]), (&second["sub"], &second["auth_time"]));
            }
        });
    }

    #[test]
    fn max_age_1() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let mut browser = Browser::new(s);
            let first = id_of(&rp.tokens(s, &mut browser, &rp.asked()).await);
            s.advance(2 * SECOND);
            let asked = rp.asked().with("max_age", "1");
            assert!(browser.clone().authorize(&asked).await.location().starts_with("/login"));
            let second = id_of(&rp.tokens(s, &mut browser, &asked).await);
            assert!(second["auth_time"].as_i64() > first["auth_time"].as_i64());
            assert_eq!(second["auth_time"], s.now().seconds());
        });
    }

    #[test]
    fn max_age_10000() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let mut browser = Browser::new(s);
            let asked = rp.asked().with("max_age", "10000");
            let first = id_of(&rp.tokens(s, &mut browser, &asked).await);
            s.advance(2 * SECOND);
            let code = browser.silently(&asked).await.code();
            let second = id_of(&Tokens::of(&rp.redeem(s, &code).await));
            assert!(first["auth_time"].is_i64());
            assert_eq!(first["auth_time"], second["auth_time"]);
        });
    }

    #[test]
    fn ensure_request_with_acr_values_succeeds() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            for asked in ["1", "1 2", "2"] {
                let tokens = rp.tokens(s, &mut Browser::new(s), &rp.asked().with("acr_values", asked)).await;
                assert_eq!(id_of(&tokens)["acr"], "1", "{asked}");
            }
        });
    }

    #[test]
    fn codereuse_and_codereuse_30seconds() {
        with_certified(async |s| {
            for wait in [Duration::ZERO, 30 * SECOND] {
                let rp = register(s, json!({})).await;
                let code = rp.code(&mut Browser::new(s), &rp.asked()).await;
                let tokens = Tokens::of(&rp.redeem(s, &code).await);
                s.userinfo(&tokens.access).await.ok();
                s.advance(wait);
                rp.redeem(s, &code).await.refused(400, "invalid_grant");
                // What the code gave before is revoked.
                assert!((400..500).contains(&s.userinfo(&tokens.access).await.status));
            }
        });
    }

    #[test]
    fn ensure_registered_redirect_uri() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let asked = rp.asked().with("redirect_uri", &format!("{SUITE}/yZnnTRZgUv"));
            let page = Browser::new(s).authorize(&asked).await;
            assert_eq!((page.status, page.header("location")), (400, None));
        });
    }

    #[test]
    fn ensure_post_request_succeeds() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let mut browser = Browser::new(s);
            rp.code(&mut browser, &rp.asked()).await;
            // From a page of the suite's, so that SameSite cookies do not come along at first.
            let posting = s.post("/authorize").raw_form(&rp.asked().encoded());
            let posted = posting.header("Sec-Fetch-Site", "cross-site").send().await;
            let target = posted.location().to_owned();
            let answer = browser.get(&target).await;
            Redirect::parse(answer.location()).code();
        });
    }

    #[test]
    fn server_client_secret_post() {
        with_certified(async |s| {
            let rp = register(s, json!({ "token_endpoint_auth_method": "client_secret_post" })).await;
            let code = rp.code(&mut Browser::new(s), &rp.asked()).await;
            let params = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", SUITE)];
            let auth = Auth::Post(rp.id.clone(), rp.secret.clone());
            Tokens::of(&auth.on(s.post("/token"), &params).send().await);
        });
    }

    #[test]
    fn claims_essential() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let asked = rp.asked().with("claims", r#"{"userinfo":{"name":{"essential":true}}}"#);
            let tokens = rp.tokens(s, &mut Browser::new(s), &asked).await;
            let userinfo = s.userinfo(&tokens.access).await.ok().json();
            assert_eq!(userinfo["name"], "Alice Anna Example");
            assert_eq!((userinfo.get("email"), id_of(&tokens).get("name")), (None, None));
        });
    }

    #[test]
    fn refresh_token() {
        with_certified(async |s| {
            let grants = json!({ "grant_types": ["authorization_code", "refresh_token"] });
            let (rp, other) = (register(s, grants.clone()).await, register(s, grants).await);
            let asked = rp.asked().with("scope", "openid offline_access").with("prompt", "consent");
            let tokens = rp.tokens(s, &mut Browser::new(s), &asked).await;
            s.advance(5 * SECOND);
            let refreshing = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            let answer = rp.token(s, &refreshing).await;
            assert!(header(answer.ok(), "cache-control").contains("no-store"));
            let next = Tokens::of(&answer);
            // A confidential client keeps its refresh token.
            let newest = next.refresh.as_deref().unwrap_or(tokens.refresh());
            assert!(next.access != tokens.access && entropy(newest) > 96.0);
            if next.id.is_some() {
                let (old, new) = (id_of(&tokens), id_of(&next));
                for claim in ["iss", "sub", "aud", "azp", "auth_time"] {
                    assert_eq!(old[claim], new[claim], "{claim}");
                }
                assert!(new["iat"].as_i64() > old["iat"].as_i64());
            }
            let stolen = [("grant_type", "refresh_token"), ("refresh_token", newest)];
            other.token(s, &stolen).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn ensure_request_with_valid_pkce_succeeds() {
        with_certified(async |s| {
            let rp = register(s, json!({})).await;
            let asked =
                rp.asked().with("code_challenge", &challenge(VERIFIER)).with("code_challenge_method", "S256");
            let code = rp.code(&mut Browser::new(s), &asked).await;
            let params = redemption(&code)
                .map(|(name, value)| if name == "redirect_uri" { (name, SUITE) } else { (name, value) });
            Tokens::of(&rp.token(s, &params).await);
        });
    }
}
