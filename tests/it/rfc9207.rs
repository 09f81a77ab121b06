//! RFC 9207: Authorization Server Issuer Identification.

use super::*;

mod s2_response_parameter_iss {
    use super::*;

    #[test]
    fn every_authorization_response_names_the_issuer() {
        with_server(async |s| {
            let metadata = s.get("/.well-known/openid-configuration").send().await.ok().json();
            assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
            let issuer = metadata["issuer"].as_str().unwrap();
            let mut browser = Browser::new(s);
            let mut answers = vec![
                browser.silently(&request("app").with("prompt", "none")).await,
                browser.silently(&request("app").with("scope", "nothing")).await,
            ];
            let page = browser.open(&request("spa")).await;
            let cancelled = browser.submit(&page, &[("action", "cancel")]).await;
            answers.push(Redirect::parse(cancelled.location()));
            answers.push(browser.sign_in(&request("spa"), ALICE).await);
            answers.push(browser.silently(&request("spa")).await);
            answers
                .push(browser.silently(&request("spa").with("prompt", "none").with("scope", "write")).await);
            let errors: Vec<_> = answers.iter().map(|answer| answer.get("error").unwrap_or("")).collect();
            assert_eq!(
                errors,
                ["login_required", "invalid_scope", "access_denied", "", "", "consent_required"]
            );
            for answer in answers {
                assert_eq!(answer.get("iss"), Some(issuer), "{answer:?}");
                let known = ["code", "state", "iss", "error", "error_description"];
                assert!(answer.params.keys().all(|name| known.contains(&name.as_str())), "{answer:?}");
            }
        });
    }
}
