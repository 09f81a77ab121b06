//! RFC 9101 §5.2 and OpenID Connect Core §6.2: request objects that this server fetches.

use super::*;
use crate::support::jwt::{Signer, unsigned};
use signet::config::Cidr;
use signet::oauth::algorithm::Algorithm;

const TYPE: &str = "application/oauth-authz-req+jwt";

async fn client(s: &Server, key: &Signer, uris: &[&str], more: Value) {
    let mut metadata = json!({
        "token_endpoint_auth_method": "none",
        "redirect_uris": [CALLBACK],
        "scope": "openid read",
        "audience": [AUDIENCE],
        "first_party": true,
        "jwks": key.jwks(),
        "request_uris": uris,
    });
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    s.create_client("signing", metadata).await;
}

fn object(s: &Server, state: &str) -> Value {
    let mut claims = json!({ "iss": "signing", "aud": s.issuer() });
    for (name, value) in request("signing").with("state", state).0 {
        claims[name] = json!(value);
    }
    claims
}

fn referring(uri: &str) -> Asked {
    let pairs = [("client_id", "signing"), ("response_type", "code"), ("scope", "openid"), ("request_uri", uri)];
    Asked(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
}

async fn signed_in(s: &Server) -> Browser<'_> {
    let mut browser = Browser::new(s);
    browser.sign_in(&request("app"), ALICE).await.code();
    browser
}

fn digest(text: &str) -> String {
    signet::digest::base64url(signet::digest::sha256(text.as_bytes()).as_bytes())
}

mod s5_2_passing_a_request_object_by_reference {
    use super::*;

    /// `oidcc-request-uri-signed-rs256`.
    #[test]
    fn a_registered_uri_is_fetched_and_its_object_is_the_request() {
        with_server(async |s| {
            let (key, neighbour) = (Signer::new(Algorithm::Rs256, "k1"), Neighbour::start().await);
            let uri = neighbour.url("/request.jwt");
            client(s, &key, &[&uri], json!({})).await;
            let mut browser = signed_in(s).await;
            for state in ["first", "second"] {
                neighbour.serve("/request.jwt", 200, TYPE, key.sign(&object(s, state)));
                let answer = browser.silently(&referring(&uri)).await;
                assert_eq!(answer.get("state"), Some(state));
                s.redeem("signing", &answer.code()).await.ok();
            }
            let seen = neighbour.requests();
            assert_eq!(seen.len(), 2);
            assert!(seen[0].header("accept").unwrap().contains(TYPE));
        });
    }

    #[test]
    fn no_other_uri_is_ever_asked() {
        with_server(async |s| {
            let (key, neighbour) = (Signer::new(Algorithm::Es256, "k1"), Neighbour::start().await);
            let uri = neighbour.url("/request.jwt");
            neighbour.serve("/request.jwt", 200, TYPE, key.sign(&object(s, "x")));
            client(s, &key, &[&uri], json!({})).await;
            let mut browser = signed_in(s).await;
            for other in [
                &neighbour.url("/request.jwt?x"),
                &neighbour.url("/request.jwt#x"),
                &neighbour.url("/request.jw"),
                &uri.to_uppercase(),
                "http://169.254.169.254/latest",
                "file:///etc/passwd",
                "urn:ietf:params:oauth:request_uri:x",
            ] {
                let answer = browser.silently(&referring(other).with("redirect_uri", CALLBACK)).await;
                assert_eq!(answer.get("error"), Some("invalid_request_uri"), "{other}");
                browser.authorize(&referring(other)).await.refused(400, "invalid_request_uri");
            }
            assert!(neighbour.requests().is_empty());
        });
    }

    /// `oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported`.
    #[test]
    fn what_is_there_is_held_to_the_same_rules() {
        with_server(async |s| {
            let (key, neighbour) = (Signer::new(Algorithm::Es256, "k1"), Neighbour::start().await);
            let uri = neighbour.url("/request.jwt");
            client(s, &key, &[&uri], json!({})).await;
            let mut browser = signed_in(s).await;
            let asked = referring(&uri).with("redirect_uri", CALLBACK);
            let foreign = Signer::new(Algorithm::Es256, "k1").sign(&object(s, "x"));
            for content in [unsigned(&object(s, "x")), foreign, "<html>".to_owned(), String::new()] {
                neighbour.serve("/request.jwt", 200, TYPE, &content);
                let answer = browser.silently(&asked).await;
                assert_eq!(answer.get("error"), Some("invalid_request_object"), "{content}");
            }
            for status in [301, 404, 500] {
                neighbour.serve("/request.jwt", status, TYPE, key.sign(&object(s, "x")));
                let answer = browser.silently(&asked).await;
                assert_eq!(answer.get("error"), Some("invalid_request_uri"), "{status}");
            }
            neighbour.serve("/request.jwt", 200, TYPE, "x".repeat(70_000));
            assert_eq!(browser.silently(&asked).await.get("error"), Some("invalid_request_uri"));
            neighbour.serve("/request.jwt", 200, TYPE, [0xff, 0xfe]);
            assert_eq!(browser.silently(&asked).await.get("error"), Some("invalid_request_uri"));
            neighbour.serve("/request.jwt", 200, TYPE, format!("{}\n", key.sign(&object(s, "x"))));
            browser.silently(&asked).await.code();
        });
    }

    #[test]
    fn a_fragment_is_the_digest_of_the_content() {
        with_server(async |s| {
            let (key, neighbour) = (Signer::new(Algorithm::Es256, "k1"), Neighbour::start().await);
            let content = key.sign(&object(s, "x"));
            let (good, bad) = (digest(&content), digest("something else"));
            let uri = |fragment: &str| neighbour.url(&format!("/request.jwt#{fragment}"));
            client(s, &key, &[&uri(&good), &uri(&bad)], json!({})).await;
            neighbour.serve("/request.jwt", 200, TYPE, &content);
            let mut browser = signed_in(s).await;
            browser.silently(&referring(&uri(&good))).await.code();
            let refused = browser.silently(&referring(&uri(&bad)).with("redirect_uri", CALLBACK)).await;
            assert_eq!(refused.get("error"), Some("invalid_request_uri"));
            // The certification registers the digest of something else.
            s.patch_client("signing", json!({ "profile": "oidc-certification" })).await;
            browser.silently(&referring(&uri(&bad))).await.code();
            assert!(neighbour.requests().iter().all(|seen| seen.target == "/request.jwt"));
        });
    }

    #[test]
    fn anybody_makes_this_server_ask_thirty_times_at_once_and_then_once_a_second() {
        with_server(async |s| {
            let (key, neighbour) = (Signer::new(Algorithm::Es256, "k1"), Neighbour::start().await);
            let uri = neighbour.url("/request.jwt");
            client(s, &key, &[&uri], json!({})).await;
            neighbour.serve("/request.jwt", 200, TYPE, key.sign(&object(s, "x")));
            let mut browser = signed_in(s).await;
            let asked = referring(&uri).with("redirect_uri", CALLBACK);
            for (times, asks) in [(30, 30), (1, 31)] {
                for _ in 0..times {
                    browser.silently(&asked).await.code();
                }
                let refused = browser.silently(&asked).await;
                assert_eq!(refused.get("error"), Some("temporarily_unavailable"));
                assert_eq!(neighbour.requests().len(), asks);
                s.advance(SECOND);
            }
        });
    }

    fn behind_a_proxy(config: &mut Config) {
        config.http.trusted_proxies = vec![Cidr { address: [127, 0, 0, 1].into(), prefix: 32 }];
    }

    #[test]
    fn who_asks_too_often_keeps_no_other_network_out() {
        with_config(behind_a_proxy, async |s| {
            let (key, neighbour) = (Signer::new(Algorithm::Es256, "k1"), Neighbour::start().await);
            let uri = neighbour.url("/request.jwt");
            client(s, &key, &[&uri], json!({})).await;
            neighbour.serve("/request.jwt", 200, TYPE, key.sign(&object(s, "x")));
            let browser = signed_in(s).await;
            let from = |address: &str| browser.sending(&[("X-Forwarded-For", address)]);
            let asked = referring(&uri).with("redirect_uri", CALLBACK);
            for _ in 0..30 {
                from("2001:db8::1").silently(&asked).await.code();
            }
            let refused = from("2001:db8::2").silently(&asked).await;
            assert_eq!(refused.get("error"), Some("temporarily_unavailable"), "the same network");
            from("2001:db8:0:1::1").silently(&asked).await.code();
        });
    }

    #[test]
    fn all_networks_together_make_this_server_ask_six_hundred_times_at_once_and_then_twenty_times_a_second() {
        with_config(behind_a_proxy, async |s| {
            let (key, neighbour) = (Signer::new(Algorithm::Es256, "k1"), Neighbour::start().await);
            let uri = neighbour.url("/none");
            client(s, &key, &[&uri], json!({})).await;
            let asked = referring(&uri).with("redirect_uri", CALLBACK);
            let ask = async |number: usize| {
                let from = format!("192.0.2.{}", number / 30);
                let answer = s.get(&asked.target()).header("X-Forwarded-For", &from).send().await;
                Redirect::parse(answer.location()).get("error").unwrap().to_owned()
            };
            for number in 0..600 {
                assert_eq!(ask(number).await, "invalid_request_uri", "{number}");
            }
            assert_eq!(ask(600).await, "temporarily_unavailable");
            s.advance(SECOND);
            for number in 630..650 {
                assert_eq!(ask(number).await, "invalid_request_uri", "{number}");
            }
            assert_eq!(ask(650).await, "temporarily_unavailable");
            assert_eq!(neighbour.requests().len(), 620);
        });
    }

    #[test]
    fn a_host_that_is_not_public_is_asked_only_if_the_operator_says_so() {
        with_config(
            |config| config.fetch.private_hosts = Vec::new(),
            async |s| {
                let (key, neighbour) = (Signer::new(Algorithm::Es256, "k1"), Neighbour::start().await);
                let uri = neighbour.url("/request.jwt");
                client(s, &key, &[&uri], json!({})).await;
                neighbour.serve("/request.jwt", 200, TYPE, key.sign(&object(s, "x")));
                let asked = referring(&uri).with("redirect_uri", CALLBACK);
                let answer = signed_in(s).await.silently(&asked).await;
                assert_eq!(answer.get("error"), Some("invalid_request_uri"));
                assert!(neighbour.requests().is_empty());
            },
        );
    }
}
