//! RFC 9068: JWT Profile for OAuth 2.0 Access Tokens; and that both kinds of token verify with the key set alone.

use ring::signature;
use signet::digest::base64url_decode;

use super::*;

/// Verifies a JWT as a resource server would: by the key set, and nothing else of this crate.
pub(crate) async fn verifies(s: &Server, jwt: &str) -> bool {
    let jwks = s.get("/.well-known/jwks.json").send().await.ok().json();
    let head = jwt_header(jwt);
    let keys = jwks["keys"].as_array().unwrap();
    let Some(key) = keys.iter().find(|key| key["kid"] == head["kid"] && key["alg"] == head["alg"]) else {
        return false;
    };
    let number = |name: &str| base64url_decode(key[name].as_str().unwrap()).unwrap();
    let (signed, mac) = jwt.rsplit_once('.').unwrap();
    let Some(mac) = base64url_decode(mac) else { return false };
    if head["alg"] == "ES256" {
        let point = [vec![4], number("x"), number("y")].concat();
        let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
        return key.verify(signed.as_bytes(), &mac).is_ok();
    }
    let key = signature::RsaPublicKeyComponents { n: number("n"), e: number("e") };
    key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &mac).is_ok()
}

mod s2_access_token_format {
    use super::*;

    #[test]
    fn a_users_token_has_exactly_these_claims() {
        with_server(async |s| {
            let access = s.tokens("app").await.access;
            let head = jwt_header(&access);
            assert_eq!((&head["typ"], &head["alg"]), (&json!("at+jwt"), &json!("ES256")));
            let claims = claims(&access);
            let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            // No name, no address: nothing about the person that a resource server has not asked for.
            assert_eq!(
                names,
                [
                    "acr",
                    "amr",
                    "aud",
                    "auth_time",
                    "client_id",
                    "exp",
                    "iat",
                    "iss",
                    "jti",
                    "nbf",
                    "roles",
                    "rv",
                    "scope",
                    "sid",
                    "sub"
                ]
            );
            let now = s.now().seconds();
            assert_eq!(claims["iss"], s.issuer());
            assert_eq!(claims["sub"], json!(s.user_id(ALICE.0).await));
            assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(AUDIENCE), &json!("app")));
            assert_eq!((&claims["iat"], &claims["exp"]), (&json!(now), &json!(now + 600)));
            assert_eq!((&claims["auth_time"], &claims["amr"]), (&json!(now), &json!(["pwd"])));
            assert_eq!(claims["roles"], json!(["admin", "staff"]));
            assert_eq!(claims["scope"], "openid offline_access read");
            let rv = claims["rv"].as_array().unwrap();
            assert!(rv.len() == 3 && rv[0].is_i64() && rv[1].is_string() && rv[2] == 0, "{rv:?}");
        });
    }

    #[test]
    fn rv_names_the_epoch_the_family_and_the_generation() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            let second = Tokens::of(&s.refresh("app", first.refresh()).await);
            let (one, two) = (claims(&first.access), claims(&second.access));
            assert_eq!((&one["rv"][0], &one["rv"][1]), (&two["rv"][0], &two["rv"][1]));
            assert_eq!((&one["rv"][2], &two["rv"][2]), (&json!(0), &json!(1)));
            assert!(!first.refresh().contains(one["rv"][1].as_str().unwrap()));
            s.log_out_all(ALICE.0).await;
            let third = claims(&s.tokens("app").await.access);
            assert_eq!(third["rv"][0].as_i64().unwrap(), one["rv"][0].as_i64().unwrap() + 1);
            assert_ne!(third["rv"][1], one["rv"][1]);
        });
    }

    #[test]
    fn every_token_has_its_own_jti() {
        with_server(async |s| {
            let mut seen = std::collections::HashSet::new();
            let mut tokens = s.tokens("app").await;
            for _ in 0..5 {
                assert!(seen.insert(claims(&tokens.access)["jti"].as_str().unwrap().to_owned()));
                tokens = Tokens::of(&s.refresh("app", tokens.refresh()).await);
            }
        });
    }

    #[test]
    fn a_client_may_have_claims_of_its_own_and_another_lifetime() {
        with_server(async |s| {
            let rules = json!([
                { "claim": "tenant", "value": "acme", "into": ["access_token"] },
                { "claim": "mail", "from": "user.email", "into": ["access_token"] },
            ]);
            s.patch_client("app", json!({ "claims": rules, "access_token_lifetime": 120 })).await;
            let tokens = s.tokens("app").await;
            let claims = claims(&tokens.access);
            assert_eq!((&claims["tenant"], &claims["mail"]), (&json!("acme"), &json!("alice@example.com")));
            assert_eq!(tokens.body["expires_in"], 120);
            assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
        });
    }

    #[test]
    fn the_jitter_only_ever_shortens() {
        with_config(
            |config| config.tokens.lifetime_jitter_percent = 20,
            async |s| {
                let mut lifetimes = std::collections::BTreeSet::new();
                for _ in 0..12 {
                    let tokens =
                        Tokens::of(&s.token("service", &[("grant_type", "client_credentials")]).await);
                    let claims = claims(&tokens.access);
                    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
                    assert_eq!(tokens.body["expires_in"], lifetime);
                    lifetimes.insert(lifetime);
                }
                assert!(
                    lifetimes.len() > 3 && lifetimes.iter().all(|one| (480..=600).contains(one)),
                    "{lifetimes:?}"
                );
            },
        );
    }
}

mod s4_validation {
    use super::*;

    #[test]
    fn the_key_set_is_all_that_a_verifier_needs() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let id = tokens.id.unwrap();
            assert_eq!(jwt_header(&id)["alg"], "RS256");
            for jwt in [&tokens.access, &id] {
                assert!(verifies(s, jwt).await);
                let (signed, mac) = jwt.rsplit_once('.').unwrap();
                let other = if signed.ends_with('A') { 'B' } else { 'A' };
                assert!(!verifies(s, &format!("{}{other}.{mac}", &signed[..signed.len() - 1])).await);
            }
        });
    }

    #[test]
    fn another_servers_token_is_refused_though_it_has_the_same_keys() {
        with_server(async |s| {
            let config = |config: &mut Config| config.public_url = "https://another.example.com".to_owned();
            let other = s.node_with(&config).await;
            let grant = [("grant_type", "client_credentials")];
            let foreign = Tokens::of(&other.token("service", &grant).await).access;
            assert!(verifies(s, &foreign).await);
            assert!(!s.is_active(&foreign).await);
            assert!(other.is_active(&foreign).await);
            other.stop().await;
        });
    }
}
