//! The OpenID Foundation's certification of a provider: the plan RP-Initiated Logout, and what the others say of
//! discovery. What the suite has to be told is in `certification_fetching`.

use super::certification::{Rp, register, with_certified};
use super::*;

const OUT: &str = "https://localhost.emobix.co.uk:8443/test/a/signet/post_logout_redirect";

/// A relying party, a browser that is signed in at it, and its ID token.
async fn signed_in(s: &Server) -> (Rp, Browser<'_>, String) {
    let rp = register(s, json!({ "post_logout_redirect_uris": [OUT] })).await;
    let mut browser = Browser::new(s);
    let tokens = rp.tokens(s, &mut browser, &rp.asked()).await;
    let hint = tokens.id.unwrap();
    (rp, browser, hint)
}

/// Sends the browser to the end session endpoint and says yes where it is asked.
async fn log_out(browser: &mut Browser<'_>, params: &[(&str, &str)]) -> Response {
    let answer = browser.get(&format!("/end_session?{}", encode(params))).await;
    if answer.status != 200 || !answer.text().contains("logout-confirm") {
        return answer;
    }
    let form = Page::at(&answer.text(), "logout-form");
    browser.submit(&form, &[("action", "logout")]).await
}

/// Whether nobody is signed in at the relying party any more.
async fn is_over(rp: &Rp, browser: &Browser<'_>) -> bool {
    let answer = browser.clone().silently(&rp.asked().with("prompt", "none")).await;
    answer.get("error") == Some("login_required")
}

/// Asserts that nobody is sent anywhere else.
fn stays_here(answer: &Response) {
    let own = |to: &str| to.starts_with('/') && !to.starts_with("//");
    assert!(answer.header("location").is_none_or(own), "{answer:?}");
    assert!(!answer.text().contains("http-equiv") && !answer.text().contains(OUT), "{}", answer.text());
}

mod rp_initiated {
    use super::*;

    #[test]
    fn discovery_endpoint_verification() {
        with_certified(async |s| {
            let metadata = s.get("/.well-known/openid-configuration").send().await.ok().json();
            assert_eq!(metadata["end_session_endpoint"], format!("{}/end_session", s.issuer()));
            for member in [
                "backchannel_logout_supported",
                "backchannel_logout_session_supported",
                "frontchannel_logout_supported",
                "frontchannel_logout_session_supported",
            ] {
                assert_eq!(metadata[member], true, "{member}");
            }
        });
    }

    #[test]
    fn rp_initiated_logout() {
        with_certified(async |s| {
            let (rp, mut browser, hint) = signed_in(s).await;
            let state = "x".repeat(128);
            let params =
                [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", OUT), ("state", &state)];
            let answer = log_out(&mut browser, &params).await;
            let back = Redirect::parse(answer.location());
            assert_eq!((back.uri.as_str(), back.get("state")), (OUT, Some(state.as_str())));
            assert_eq!(back.params.len(), 1, "with state only");
            assert!(is_over(&rp, &browser).await);
        });
    }

    #[test]
    fn no_state() {
        with_certified(async |s| {
            let (rp, mut browser, hint) = signed_in(s).await;
            let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", OUT)];
            assert_eq!(log_out(&mut browser, &params).await.location(), OUT);
            assert!(is_over(&rp, &browser).await);
        });
    }

    #[test]
    fn an_expired_hint_is_as_good_as_a_fresh_one() {
        with_certified(async |s| {
            let (rp, mut browser, hint) = signed_in(s).await;
            // Longer than the hint is good for, shorter than the session.
            s.advance(30 * MINUTE);
            let params = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", OUT)];
            assert_eq!(log_out(&mut browser, &params).await.location(), OUT);
            assert!(is_over(&rp, &browser).await);
        });
    }

    #[test]
    fn bad_post_logout_redirect_uri_and_query_added() {
        with_certified(async |s| {
            for bad in [format!("{OUT}/bad"), format!("{OUT}?foo=bar"), "https://evil.example/".to_owned()] {
                let (_, mut browser, hint) = signed_in(s).await;
                let params =
                    [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", &bad), ("state", "x")];
                stays_here(&log_out(&mut browser, &params).await);
            }
        });
    }

    #[test]
    fn modified_id_token_hint_bad_id_token_hint_and_no_id_token_hint() {
        with_certified(async |s| {
            let (_, browser, hint) = signed_in(s).await;
            let payload = hint.split('.').nth(1).unwrap();
            let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
            let mut hints = vec![unsigned, "nonsense".to_owned()];
            hints.extend(tampered(&hint));
            for bad in &hints {
                let params =
                    [("id_token_hint", bad.as_str()), ("post_logout_redirect_uri", OUT), ("state", "x")];
                stays_here(&browser.clone().get(&format!("/end_session?{}", encode(&params))).await);
            }
            let without = [("post_logout_redirect_uri", OUT), ("state", "x")];
            stays_here(&browser.clone().get(&format!("/end_session?{}", encode(&without))).await);
        });
    }

    #[test]
    fn no_params_no_post_logout_redirect_uri_and_only_state() {
        with_certified(async |s| {
            for case in 0..3 {
                let (rp, mut browser, hint) = signed_in(s).await;
                let params = match case {
                    0 => vec![],
                    1 => vec![("id_token_hint", hint.as_str()), ("state", "x")],
                    _ => vec![("state", "x")],
                };
                let mut answer = log_out(&mut browser, &params).await;
                if let Some(own) = answer.header("location") {
                    let own = own.to_owned();
                    assert!(own.starts_with('/') && !own.starts_with("//"), "{own}");
                    answer = browser.get(&own).await;
                }
                assert!(answer.ok().text().contains("logged-out"), "{case}: {}", answer.text());
                assert!(is_over(&rp, &browser).await, "{case}");
            }
        });
    }
}
