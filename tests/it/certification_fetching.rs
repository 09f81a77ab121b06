//! The OpenID Foundation's certification of a provider: the modules in which the provider asks the suite for something or
//! tells it of something. The suite is played by a server of its own.

use signet::flow::logout_notice;
use signet::oauth::algorithm::Algorithm;

use super::certification::{Rp, SUITE, certified, id_of, register, try_register, with_certified};
use super::*;
use crate::support::jwt::{Signer, asserting};
use crate::support::neighbour::Neighbour;

/// A client that proves itself by a key that the suite publishes.
async fn with_key(s: &Server, suite: &Neighbour, signer: &Signer) -> Rp {
    suite.serve("/jwks", 200, "application/json", signer.jwks().to_string());
    let jwks = format!("{}/jwks", suite.origin());
    let metadata = json!({
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": jwks,
        "grant_types": ["authorization_code", "refresh_token"],
    });
    register(s, metadata).await
}

/// Redeems a code with an assertion for this audience.
async fn redeem(s: &Server, rp: &Rp, code: &str, (signer, audience): (&Signer, Value)) -> Response {
    let params = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", SUITE)];
    asserting(s.post("/token"), &params, &assertion(s, rp, (signer, audience))).send().await
}

fn assertion(s: &Server, rp: &Rp, (signer, audience): (&Signer, Value)) -> String {
    let mut claims = s.assertion_claims(&rp.id);
    claims["aud"] = audience;
    signer.token(&signer.header("JWT"), &claims)
}

mod dynamic {
    use super::*;

    #[test]
    fn registration_jwks_uri_and_ensure_client_assertion_with_iss_aud_succeeds() {
        with_certified(async |s| {
            let (suite, signer) = (Neighbour::start().await, Signer::new(Algorithm::Rs256, "rp-1"));
            let rp = with_key(s, &suite, &signer).await;
            let endpoint = format!("{}/token", s.issuer());
            for audience in [json!(endpoint), json!(s.issuer()), json!([endpoint])] {
                let code = rp.code(&mut Browser::new(s), &rp.asked()).await;
                Tokens::of(&redeem(s, &rp, &code, (&signer, audience)).await);
            }
            let code = rp.code(&mut Browser::new(s), &rp.asked()).await;
            let refused = redeem(s, &rp, &code, (&signer, json!("https://evil.example/token"))).await;
            refused.refused(401, "invalid_client");
        });
    }

    #[test]
    fn refresh_token_rp_key_rotation() {
        with_certified(async |s| {
            let (suite, old) = (Neighbour::start().await, Signer::new(Algorithm::Rs256, "rp-1"));
            let rp = with_key(s, &suite, &old).await;
            let asked = rp.asked().with("scope", "openid offline_access").with("prompt", "consent");
            let code = rp.code(&mut Browser::new(s), &asked).await;
            let tokens = Tokens::of(&redeem(s, &rp, &code, (&old, json!(s.issuer()))).await);
            let new = Signer::new(Algorithm::Rs256, "rp-2");
            suite.serve("/jwks", 200, "application/json", new.jwks().to_string());
            s.advance(MINUTE);
            let refreshing = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            let by = |signer| assertion(s, &rp, (signer, json!(s.issuer())));
            let next = Tokens::of(&asserting(s.post("/token"), &refreshing, &by(&new)).send().await);
            let newest = next.refresh.as_deref().unwrap_or(tokens.refresh());
            let again = [("grant_type", "refresh_token"), ("refresh_token", newest)];
            asserting(s.post("/token"), &again, &by(&old)).send().await.refused(401, "invalid_client");
        });
    }

    #[test]
    fn request_uri_signed_rs256() {
        with_certified(async |s| {
            let (suite, signer) = (Neighbour::start().await, Signer::new(Algorithm::Rs256, "rp-1"));
            suite.serve("/jwks", 200, "application/json", signer.jwks().to_string());
            // RFC 9101's way, and the suite's: a fragment that is the digest of nothing.
            for (number, fragment, kind) in
                [(1, "", "application/oauth-authz-req+jwt"), (2, "#wYbWxJ6VrDHgXOqo", "application/jose")]
            {
                let path = format!("/request-{number}.jwt");
                let at = format!("{}{path}{fragment}", suite.origin());
                let metadata = json!({ "jwks_uri": format!("{}/jwks", suite.origin()), "request_uris": [at],
                    "request_object_signing_alg": "RS256" });
                let rp = register(s, metadata).await;
                let claims = json!({ "iss": rp.id, "aud": s.issuer(), "client_id": rp.id,
                    "response_type": "code", "redirect_uri": SUITE, "scope": "openid", "state": "inner",
                    "nonce": "inner" });
                let object = signer.token(&signer.header("oauth-authz-req+jwt"), &claims);
                suite.serve(&path, 200, kind, &object);
                let asked = rp.asked().with("request_uri", &at);
                let answer = Browser::new(s).sign_in(&asked, ALICE).await;
                assert_eq!((answer.uri.as_str(), answer.get("state")), (SUITE, Some("inner")), "{kind}");
                let tokens = Tokens::of(&rp.redeem(s, &answer.code()).await);
                assert_eq!(id_of(&tokens)["nonce"], "inner", "{kind}");
            }
        });
    }

    #[test]
    fn registration_sector_uri_and_sector_bad() {
        with_certified(async |s| {
            let suite = Neighbour::start().await;
            suite.serve("/sector.json", 200, "application/json", json!([SUITE]).to_string());
            suite.serve(
                "/bad.json",
                200,
                "application/json",
                json!(["https://other.example/cb"]).to_string(),
            );
            let sector = |path: &str| json!({ "subject_type": "pairwise", "sector_identifier_uri": format!("{}{path}", suite.origin()) });
            let rp = register(s, sector("/sector.json")).await;
            rp.tokens(s, &mut Browser::new(s), &rp.asked()).await;
            for bad in ["/bad.json", "/missing.json"] {
                try_register(s, sector(bad)).await.refused(400, "invalid_client_metadata");
            }
        });
    }
}

mod logout {
    use super::*;

    const OUT: &str = "https://localhost.emobix.co.uk:8443/test/a/signet/post_logout_redirect";

    #[test]
    fn backchannel_rp_initiated_logout() {
        with_config(certified, async |s| {
            let suite = Neighbour::start().await;
            suite.serve("/backchannel", 200, "text/plain", "");
            let metadata = json!({
                "post_logout_redirect_uris": [OUT],
                "backchannel_logout_uri": format!("{}/backchannel", suite.origin()),
                "backchannel_logout_session_required": true,
            });
            let rp = register(s, metadata).await;
            let mut browser = Browser::new(s);
            let tokens = rp.tokens(s, &mut browser, &rp.asked()).await;
            let hint = tokens.id.as_deref().unwrap();
            let params = [("id_token_hint", hint), ("post_logout_redirect_uri", OUT), ("state", "x")];
            let answer = browser.get(&format!("/end_session?{}", encode(&params))).await;
            assert!(answer.location().starts_with(OUT));
            for notice in logout_notice::claim(&s.op, 10, &[]).await.unwrap() {
                logout_notice::deliver(&s.op, &notice).await.unwrap();
            }
            suite.wait_for(1).await;
            let seen = suite.requests().pop().unwrap();
            assert_eq!(seen.method, "POST");
            let form: Vec<(String, String)> =
                form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
            assert_eq!(form.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["logout_token"]);
            let (head, claims, id) = (jwt_header(&form[0].1), claims(&form[0].1), id_of(&tokens));
            assert_eq!((&head["alg"], &head["typ"]), (&json!("RS256"), &json!("logout+jwt")));
            assert_eq!((&claims["iss"], &claims["aud"]), (&json!(s.issuer()), &json!(rp.id)));
            assert_eq!((&claims["sid"], &claims["sub"]), (&id["sid"], &id["sub"]));
            assert!(claims["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
            assert!(claims["jti"].is_string() && claims["iat"].is_i64() && claims.get("nonce").is_none());
            let silent = browser.silently(&rp.asked().with("prompt", "none")).await;
            assert_eq!(silent.get("error"), Some("login_required"));
        });
    }

    #[test]
    fn frontchannel_rp_initiated_logout() {
        with_config(certified, async |s| {
            let page = "https://localhost.emobix.co.uk:8443/test/a/signet/frontchannel";
            let metadata = json!({
                "post_logout_redirect_uris": [OUT],
                "frontchannel_logout_uri": page,
                "frontchannel_logout_session_required": true,
            });
            let rp = register(s, metadata).await;
            let mut browser = Browser::new(s);
            let tokens = rp.tokens(s, &mut browser, &rp.asked()).await;
            let hint = tokens.id.as_deref().unwrap();
            let params = [("id_token_hint", hint), ("post_logout_redirect_uri", OUT), ("state", "x")];
            let mut answer = browser.get(&format!("/end_session?{}", encode(&params))).await;
            if let Some(own) = answer.header("location").map(str::to_owned) {
                assert!(own.starts_with('/'), "{own}");
                answer = browser.get(&own).await;
            }
            let html = answer.ok().text().replace("&#x2f;", "/").replace("&amp;", "&");
            let frame = html.split_once("<iframe").unwrap().1.split_once("src=\"").unwrap().1;
            let frame = Redirect::parse(frame.split('"').next().unwrap());
            assert_eq!((frame.uri.as_str(), frame.params.len()), (page, 2));
            assert_eq!(frame.get("iss"), Some(s.issuer()));
            assert_eq!(frame.get("sid"), id_of(&tokens)["sid"].as_str());
            assert!(html.contains(OUT), "goes on to where the client asked");
        });
    }
}
