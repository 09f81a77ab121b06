//! The attacks of `support/attacks.rs` on request objects (RFC 9101) and on the hint at `/end_session`.

use signet::oauth::algorithm::Algorithm;

use super::*;
use crate::support::attacks::{self, Kind};
use crate::support::jwt::Signer;

#[test]
fn as_a_request_object() {
    with_server(async |s| {
        let signer = Signer::new(Algorithm::Es256, "key-1");
        let metadata = json!({ "token_endpoint_auth_method": "none", "jwks": signer.jwks(),
            "redirect_uris": [CALLBACK], "scope": "openid read", "audience": [AUDIENCE], "first_party": true });
        s.create_client("asks", metadata).await;
        let now = s.now().seconds();
        let mut claims = json!({ "iss": "asks", "aud": s.issuer(), "iat": now, "nbf": now, "exp": now + 60 });
        for (name, value) in request("asks").with("prompt", "none").0 {
            claims[name] = json!(value);
        }
        let kind = Kind {
            signer: &signer,
            header: signer.header("oauth-authz-req+jwt"),
            claims,
            required: &[],
            foreign_types: &["at+jwt", "logout+jwt", "client-authentication+jwt", "dpop+jwt"],
            audience: true,
            expiry: true,
            ours: false,
            now,
        };
        let asked = |object: &str| request("asks").with("prompt", "none").with("request", object);
        let genuine = asked(&signer.token(&kind.header, &kind.claims)).target();
        for _ in 0..2 {
            let answer = s.get(&genuine).send().await;
            assert_eq!(Redirect::parse(answer.location()).get("error"), Some("login_required"));
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await;
            Redirect::parse(browser.get(&genuine).await.location()).code();
            // An object may be longer than a token.
            for attack in attacks::on(&kind).into_iter().filter(|attack| !attack.name.contains("9 KiB")) {
                let target = asked(&attack.token).target();
                let Some(answer) = browser.with_cookies(s.get(&target)).try_send().await else { continue };
                assert!(answer.status < 500, "{} {}", attack.name, answer.status);
                if answer.status == 303 {
                    let redirect = Redirect::parse(answer.location());
                    assert_eq!(redirect.get("code"), None, "{}", attack.name);
                    assert_eq!(redirect.get("error"), Some("invalid_request_object"), "{}", attack.name);
                } else if target.len() < 12 * 1024 {
                    assert_eq!(answer.status, 400, "{}", attack.name);
                    assert_eq!(answer.error(), "invalid_request_object", "{}", attack.name);
                }
            }
        }
    });
}

#[test]
fn as_a_hint_at_the_end_of_a_session() {
    with_server(async |s| {
        let back = "https://app.example.com/signed-out";
        s.patch_client("app", json!({ "post_logout_redirect_uris": [back] })).await;
        let mut browser = Browser::new(s);
        let genuine = s.tokens_of(&mut browser, "app", "openid").await.id.unwrap();
        let signer = Signer::of_server(s, Algorithm::Rs256).await;
        let kind = Kind {
            signer: &signer,
            header: jwt_header(&genuine),
            claims: claims(&genuine),
            required: &["iss", "sub", "aud", "exp", "iat"],
            foreign_types: &["at+jwt", "logout+jwt", "client-authentication+jwt", "oauth-authz-req+jwt"],
            audience: false,
            expiry: false,
            ours: true,
            now: s.now().seconds(),
        };
        let target = |hint: &str| {
            let params = [("id_token_hint", hint), ("post_logout_redirect_uri", back), ("state", "s")];
            format!("/end_session?{}", encode(&params))
        };
        for attack in attacks::on(&kind) {
            let request = browser.with_cookies(s.get(&target(&attack.token)));
            let Some(answer) = request.try_send().await else { continue };
            assert!(answer.status < 500, "{} {}", attack.name, answer.status);
            let location = answer.header("location").unwrap_or_default();
            assert!(!location.starts_with(back), "{}: {location}", attack.name);
        }
        assert!(browser.is_signed_in().await, "nothing signed the user out");
        let answer = browser.get(&target(&signer.token(&kind.header, &kind.claims))).await;
        assert!(!browser.is_signed_in().await, "{} {}", answer.status, answer.text());
    });
}
