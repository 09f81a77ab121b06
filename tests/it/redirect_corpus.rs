//! The corpus of redirect URIs that others have let through: each is refused with a page wherever it is sent, on every
//! branch, and what could never be a safe address is refused at registration under every name.

use signet::oauth::client_metadata::ClientMetadata;

use super::*;
use crate::support::redirects::{REGISTERED, dangerous, variants};

async fn client(s: &Server) {
    let metadata = json!({
        "client_name": "An app on a device",
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "redirect_uris": REGISTERED,
        "post_logout_redirect_uris": REGISTERED,
        "scope": "openid read",
        "first_party": true,
    });
    assert_eq!(s.create_client("device", metadata).await, None);
}

/// The requests that end in different places where the redirect URI is right.
fn branches(uri: &str) -> [(&'static str, Asked); 8] {
    let asked = request("device").with("redirect_uri", uri);
    [
        ("plain", asked.clone()),
        ("prompt=none", asked.clone().with("prompt", "none")),
        ("a bad prompt", asked.clone().with("prompt", "none login")),
        ("a bad scope", asked.clone().with("scope", "openid\\")),
        ("a scope that it may not have", asked.clone().with("scope", "openid write")),
        ("an unsupported response type", asked.clone().with("response_type", "token")),
        ("no PKCE", asked.clone().without("code_challenge").without("code_challenge_method")),
        ("a response mode", asked.with("response_mode", "form_post")),
    ]
}

mod at_the_authorization_endpoint {
    use super::*;

    #[test]
    fn each_variant_is_refused_with_a_page_on_every_branch() {
        let variants = variants();
        assert!(variants.len() >= 200, "{}", variants.len());
        with_server(async |s| {
            client(s).await;
            let browser = Browser::new(s);
            let mut signed_in = Browser::new(s);
            signed_in.sign_in(&request("app"), ALICE).await.code();
            for (at, uri) in variants.iter().enumerate() {
                let branches = branches(uri);
                // Two branches of each, so that every branch meets every kind, half of them signed in.
                for (name, asked) in [&branches[at % 8], &branches[(at / 8 + at + 1) % 8]] {
                    let browser = if at % 2 == 0 { &browser } else { &signed_in };
                    let response = browser.with_cookies(s.get(&asked.target())).send().await;
                    assert_eq!(response.header("location"), None, "{name}: {uri:?}");
                    assert!((400..=431).contains(&response.status), "{name}: {uri:?}: {}", response.status);
                    assert!(response.header("refresh").is_none() && !response.text().contains("http-equiv"));
                }
            }
        });
    }

    #[test]
    fn what_is_registered_is_not_refused() {
        with_server(async |s| {
            client(s).await;
            for uri in REGISTERED {
                let asked = request("device").with("redirect_uri", uri).with("prompt", "none");
                let location = Browser::new(s).authorize(&asked).await;
                assert!(location.location().starts_with(uri), "{uri}: {}", location.location());
            }
        });
    }

    #[test]
    fn parameters_in_two_versions_prove_nothing() {
        with_server(async |s| {
            client(s).await;
            let base = request("device").with("prompt", "none").without("redirect_uri").encoded();
            let good = "https%3A%2F%2Fapp.example.com%2Fcb";
            let evil = "https%3A%2F%2Fevil.example%2Fcb";
            for pollution in [
                format!("redirect_uri={good}&redirect_uri={evil}"),
                format!("redirect_uri={evil}&redirect_uri={good}"),
                format!("redirect_uri={good}&redirect_uri={good}"),
                format!("redirect_uri={evil}&redirect_uri[]={good}"),
                format!("redirect_uri[]={good}"),
                format!("redirect_uri%00={good}"),
                format!("Redirect_Uri={good}"),
                format!("redirect_uri%20={good}"),
                format!("redirect%5Furi={evil}&redirect_uri={good}"),
                format!("redirect_uri={good}%26redirect_uri={evil}"),
                format!("redirect_uri={good};redirect_uri={evil}"),
                format!("client_id=app&redirect_uri={good}"),
                format!("redirect_uri={}", good.replace('%', "%25")),
            ] {
                for query in [format!("{base}&{pollution}"), format!("{pollution}&{base}")] {
                    let response = s.get(&format!("/authorize?{query}")).send().await;
                    assert_eq!((response.status, response.header("location")), (400, None), "{query}");
                }
            }
        });
    }
}

mod at_registration {
    use super::*;

    #[test]
    fn no_member_takes_what_is_dangerous() {
        let dangerous = dangerous();
        assert!(dangerous.len() >= 200, "{}", dangerous.len());
        let lists =
            ["redirect_uris", "post_logout_redirect_uris", "return_uris", "request_uris", "allowed_origins"];
        let singles = [
            "client_uri",
            "logo_uri",
            "policy_uri",
            "tos_uri",
            "jwks_uri",
            "sector_identifier_uri",
            "initiate_login_uri",
            "backchannel_logout_uri",
            "frontchannel_logout_uri",
        ];
        for uri in &dangerous {
            let with = |field: &str, value: Value| {
                let mut client =
                    json!({ "redirect_uris": ["https://app.example.com/cb"], "application_type": "native" });
                client[field] = value;
                client
            };
            let metadata = lists.map(|field| (field, with(field, json!([uri]))));
            let metadata = metadata.into_iter().chain(singles.map(|field| (field, with(field, json!(uri)))));
            for (field, metadata) in metadata {
                // The fragment of a request URI is the hash of what is there (OpenID Connect Core, section 6.2).
                if field == "request_uris" && uri.contains('#') {
                    continue;
                }
                let refused = ClientMetadata::from_json(&metadata);
                assert!(refused.is_err(), "{field}: {uri:?}");
            }
        }
    }

    #[test]
    fn neither_does_the_registration_endpoint() {
        use signet::config::registration::Mode;
        with_config(
            |config| config.registration.mode = Mode::Open,
            async |s| {
                let register = async |metadata: Value| {
                    let body = metadata.to_string();
                    let post = s.post("/register").header("Content-Type", "application/json");
                    post.body(body.as_bytes()).send().await
                };
                let sound = json!({ "redirect_uris": ["https://app.example.com/cb"] });
                assert_eq!(register(sound).await.status, 201);
                // A sample: the validator is the one above.
                for uri in dangerous().iter().step_by(17) {
                    let refused = register(json!({ "redirect_uris": [uri] })).await;
                    refused.refused(400, "invalid_redirect_uri");
                    let refused =
                        register(json!({ "redirect_uris": ["https://app.example.com/cb"], "logo_uri": uri }))
                            .await;
                    refused.refused(400, "invalid_client_metadata");
                }
            },
        );
    }
}

mod at_logout {
    use super::*;

    /// Whether an answer sends the browser nowhere but to this server's own pages.
    fn stays(response: &Response) -> bool {
        let own = |location: &str| location.starts_with('/') && !location.starts_with("//");
        let moved = response.header("location").is_none_or(own);
        moved && response.header("refresh").is_none() && !response.text().contains("http-equiv")
    }

    #[test]
    fn no_variant_of_a_post_logout_redirect_uri_is_gone_to() {
        let variants = variants();
        with_server(async |s| {
            client(s).await;
            let mut browser = Browser::new(s);
            let asked = request("device").with("redirect_uri", REGISTERED[0]);
            let code = browser.sign_in(&asked, ALICE).await.code();
            let redeeming = [
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", REGISTERED[0]),
                ("code_verifier", VERIFIER),
                ("client_id", "device"),
            ];
            let hint = Tokens::of(&s.post("/token").form(&redeeming).send().await).id.unwrap();
            for (at, uri) in variants.iter().enumerate() {
                let mut fields = vec![("post_logout_redirect_uri", uri.as_str()), ("state", "x")];
                match at % 3 {
                    0 => fields.push(("id_token_hint", &hint)),
                    1 => fields.push(("client_id", "device")),
                    _ => fields.extend([("id_token_hint", hint.as_str()), ("client_id", "device")]),
                }
                let request = if at % 2 == 0 {
                    s.get(&format!("/end_session?{}", encode(&fields)))
                } else {
                    s.post("/end_session").form(&fields)
                };
                let response = browser.with_cookies(request).send().await;
                assert!(response.status != 404 && response.status < 500, "{uri:?}: {}", response.status);
                assert!(stays(&response), "{uri:?}: {response:?}");
            }
            // With the right one it goes there.
            let fields = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", REGISTERED[0])];
            let answer = browser.get(&format!("/end_session?{}", encode(&fields))).await;
            assert_eq!(answer.location(), REGISTERED[0]);
        });
    }
}
