//! The UserInfo endpoint (OpenID Connect Core §5.3): how a token comes, and what the answer is. The modules are named after
//! those of the certification suite.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::*;

/// Everything that a scope opens.
const ALL: &str = "openid profile email address phone";

async fn tokens(s: &Server) -> Tokens {
    s.tokens_of(&mut Browser::new(s), "app", ALL).await
}

fn check(response: &Response, tokens: &Tokens) {
    assert_eq!(header(response.ok(), "content-type"), "application/json");
    assert_eq!(header(response, "cache-control"), "no-store");
    let info = response.json();
    assert_eq!(info["sub"], claims(tokens.id.as_deref().unwrap())["sub"]);
    assert!(info["updated_at"].is_i64() && info["email_verified"].is_boolean() && info["address"].is_object());
}

/// The claims of a JWT whose signature holds under the key of the JWKS that it names.
async fn verified(s: &Server, jwt: &str, algorithm: Algorithm) -> Value {
    let set: JwkSet = serde_json::from_value(s.get("/.well-known/jwks.json").send().await.ok().json()).unwrap();
    let header = jsonwebtoken::decode_header(jwt).unwrap();
    assert_eq!(header.alg, algorithm);
    let key = DecodingKey::from_jwk(set.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_aud = false;
    validation.validate_exp = false;
    jsonwebtoken::decode::<Value>(jwt, &key, &validation).unwrap().claims
}

mod userinfo_get {
    use super::*;

    #[test]
    fn by_get_with_the_token_in_the_header() {
        with_server(async |s| {
            let tokens = tokens(s).await;
            check(&s.userinfo(&tokens.access).await, &tokens);
        });
    }
}

mod userinfo_post_header {
    use super::*;

    #[test]
    fn by_post_with_the_token_in_the_header() {
        with_server(async |s| {
            let tokens = tokens(s).await;
            check(&s.post("/userinfo").bearer(&tokens.access).send().await, &tokens);
        });
    }
}

mod userinfo_post_body {
    use super::*;

    #[test]
    fn by_post_with_the_token_in_the_body() {
        with_server(async |s| {
            let tokens = tokens(s).await;
            check(&s.post("/userinfo").form(&[("access_token", &tokens.access)]).send().await, &tokens);
        });
    }
}

mod userinfo_rs256 {
    use super::*;

    #[test]
    fn a_client_that_wants_it_signed_gets_a_jwt_for_itself() {
        with_server(async |s| {
            s.patch_client("app", json!({ "userinfo_signed_response_alg": "RS256" })).await;
            let tokens = tokens(s).await;
            let rules = json!([{ "claim": "groups", "from": "user.roles", "into": ["userinfo"] }]);
            s.patch_client("app", json!({ "claims": rules })).await;
            s.advance(2 * SECOND);
            let body = [("access_token", tokens.access.as_str())];
            for request in
                [s.get("/userinfo").bearer(&tokens.access), s.post("/userinfo").form(&body)]
            {
                let answer = request.send().await;
                assert_eq!(header(answer.ok(), "content-type"), "application/jwt");
                assert_eq!(header(&answer, "cache-control"), "no-store");
                let told = verified(s, &answer.text(), Algorithm::RS256).await;
                assert_eq!((&told["iss"], &told["aud"]), (&json!(s.issuer()), &json!("app")));
                assert_eq!(told["sub"], claims(tokens.id.as_deref().unwrap())["sub"]);
                assert_eq!(told["name"], "Alice Anna Example");
                assert_eq!(told["groups"], json!(["admin", "staff"]));
                for absent in ["nonce", "exp", "auth_time", "sid"] {
                    assert!(told.get(absent).is_none(), "{absent}");
                }
            }
            // Another client's are JSON as ever.
            let other = s.tokens_of(&mut Browser::new(s), "other", ALL).await;
            check(&s.userinfo(&other.access).await, &other);
        });
    }

    #[test]
    fn errors_are_not_signed() {
        with_server(async |s| {
            s.patch_client("app", json!({ "userinfo_signed_response_alg": "ES256" })).await;
            let token = s.tokens_of(&mut Browser::new(s), "app", "read").await.access;
            s.userinfo(&token).await.refused(403, "insufficient_scope");
            s.userinfo("x").await.refused(401, "invalid_token");
        });
    }

    #[test]
    fn a_signed_answer_passes_for_no_token() {
        with_server(async |s| {
            s.patch_client("app", json!({ "userinfo_signed_response_alg": "RS256" })).await;
            let mut browser = Browser::new(s);
            let tokens = s.tokens_of(&mut browser, "app", ALL).await;
            let told = s.userinfo(&tokens.access).await.ok().text();
            let asked = request("app").with("prompt", "none").with("id_token_hint", &told);
            assert_eq!(browser.silently(&asked).await.get("error"), Some("invalid_request"));
            s.userinfo(&told).await.refused(401, "invalid_token");
            assert!(!s.is_active(&told).await);
        });
    }

    #[test]
    fn an_algorithm_without_a_key_is_refused_at_registration() {
        with_server(async |s| {
            let patch = s.administering("PATCH", "/clients/app").await;
            let patch = patch.header("Content-Type", "application/merge-patch+json");
            let answer = patch.body(br#"{"userinfo_signed_response_alg":"PS256"}"#).send().await;
            assert_eq!(answer.status, 422, "{}", answer.text());
            assert!(answer.text().contains("userinfo_signed_response_alg"), "{}", answer.text());
        });
    }
}

mod idtoken_signature {
    use super::*;

    #[test]
    fn without_a_registered_algorithm_the_id_token_is_rs256_with_a_kid() {
        with_server(async |s| {
            let id = tokens(s).await.id.unwrap();
            let told = verified(s, &id, Algorithm::RS256).await;
            assert_eq!((&told["iss"], &told["aud"]), (&json!(s.issuer()), &json!("app")));
        });
    }

    #[test]
    fn with_a_registered_algorithm_it_is_that() {
        with_server(async |s| {
            s.patch_client("app", json!({ "id_token_signed_response_alg": "ES256" })).await;
            verified(s, &tokens(s).await.id.unwrap(), Algorithm::ES256).await;
        });
    }
}
