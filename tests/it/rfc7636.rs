//! RFC 7636: Proof Key for Code Exchange, required of every client (RFC 9700 §2.1.1).

use super::*;

async fn code_with(s: &Server, client: &str, verifier: &str) -> String {
    let asked = request(client).with("code_challenge", &challenge(verifier));
    Browser::new(s).sign_in(&asked, ALICE).await.code()
}

async fn redeem_with(s: &Server, client: &str, code: &str, verifier: Option<&str>) -> Response {
    let mut params = redemption(code).to_vec();
    params.pop();
    params.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    s.token(client, &params).await
}

mod s4_3_code_challenge {
    use super::*;

    #[test]
    fn a_request_without_a_challenge_is_refused_whoever_asks() {
        with_server(async |s| {
            for client in ["app", "web", "post", "spa"] {
                let asked = request(client).without("code_challenge").without("code_challenge_method");
                let answer = Browser::new(s).silently(&asked).await;
                assert_eq!(answer.get("error"), Some("invalid_request"), "{client}");
            }
        });
    }

    #[test]
    fn only_s256_is_taken() {
        with_server(async |s| {
            for method in ["plain", "s256", "S512", ""] {
                let answer =
                    Browser::new(s).silently(&request("app").with("code_challenge_method", method)).await;
                assert_eq!(answer.get("error"), Some("invalid_request"), "{method}");
            }
        });
    }

    #[test]
    fn a_challenge_that_no_digest_can_be_is_refused() {
        with_server(async |s| {
            let good = challenge(VERIFIER);
            for bad in [
                &good[..42],
                &format!("{good}A"),
                &format!("{good}="),
                &good.replace(&good[..1], "+"),
                VERIFIER,
            ] {
                let answer = Browser::new(s).silently(&request("app").with("code_challenge", bad)).await;
                assert_eq!(answer.get("error"), Some("invalid_request"), "{bad}");
            }
        });
    }
}

mod s4_6_verification {
    use super::*;

    #[test]
    fn the_verifier_is_required_and_compared() {
        with_server(async |s| {
            for client in ["app", "web"] {
                let code = code_with(s, client, VERIFIER).await;
                redeem_with(s, client, &code, None).await.refused(400, "invalid_grant");
                let wrong = VERIFIER.replace("fox", "dog");
                redeem_with(s, client, &code, Some(&wrong)).await.refused(400, "invalid_grant");
                let challenge = challenge(VERIFIER);
                redeem_with(s, client, &code, Some(&challenge)).await.refused(400, "invalid_grant");
                // None of which has used it up.
                redeem_with(s, client, &code, Some(VERIFIER)).await.ok();
            }
        });
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        with_server(async |s| {
            let good = "aZ09-._~".repeat(16);
            for verifier in [&good[..43], &good[..128]] {
                let code = code_with(s, "app", verifier).await;
                redeem_with(s, "app", &code, Some(verifier)).await.ok();
            }
            let code = code_with(s, "app", VERIFIER).await;
            let bad = [
                "a".repeat(42),
                "a".repeat(129),
                format!("{VERIFIER}+"),
                format!("{VERIFIER} "),
                format!("{VERIFIER}é"),
            ];
            for verifier in bad {
                redeem_with(s, "app", &code, Some(&verifier)).await.refused(400, "invalid_request");
            }
            redeem_with(s, "app", &code, Some(VERIFIER)).await.ok();
        });
    }
}
