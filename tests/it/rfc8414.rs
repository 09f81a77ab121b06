//! RFC 8414 and OpenID Connect Discovery: the metadata is true. RFC 7517: the key set.

use super::*;

const DISCOVERY: &str = "/.well-known/openid-configuration";
const JWKS: &str = "/.well-known/jwks.json";

async fn metadata(s: &Server) -> Value {
    s.get(DISCOVERY).send().await.ok().json()
}

fn list(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

mod s3_obtaining_metadata {
    use super::*;

    #[test]
    fn both_well_known_names_serve_the_same_bytes() {
        with_server(async |s| {
            let one = s.get(DISCOVERY).send().await;
            let other = s.get("/.well-known/oauth-authorization-server").send().await;
            assert_eq!(one.ok().body, other.ok().body);
            assert_eq!(header(&one, "etag"), header(&other, "etag"));
            assert_eq!(header(&one, "content-type"), "application/json");
            assert_eq!(one.json()["issuer"], s.issuer());
        });
    }

    #[test]
    fn the_issuer_is_the_configured_one_whatever_the_host_header_says() {
        with_server(async |s| {
            let mut raw = format!("GET {DISCOVERY} HTTP/1.1\r\nHost: attacker.example.com\r\n");
            raw.push_str(
                "X-Forwarded-Host: attacker.example.com\r\nForwarded: host=attacker.example.com\r\n",
            );
            raw.push_str("X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n");
            let answer = exchange(s.public, raw.as_bytes()).await.unwrap();
            assert!(!answer.ok().text().contains("attacker"));
            assert_eq!(answer.json()["issuer"], s.issuer());
        });
    }

    #[test]
    fn documents_are_cached_compared_and_shared_with_everybody() {
        with_server(async |s| {
            for path in [DISCOVERY, JWKS] {
                let response = s.get(path).header("Origin", "https://anybody.example.com").send().await;
                let etag = header(response.ok(), "etag").to_owned();
                assert!(etag.starts_with('"') && etag.len() > 20, "{etag}");
                let caching = "public, max-age=300, stale-while-revalidate=60, stale-if-error=86400";
                assert_eq!(header(&response, "cache-control"), caching);
                assert_eq!(header(&response, "access-control-allow-origin"), "*");
                assert_eq!(response.header("access-control-allow-credentials"), None);
                for known in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
                    let unchanged = s.get(path).header("If-None-Match", &known).send().await;
                    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "{known}");
                    assert_eq!(header(&unchanged, "etag"), etag);
                    assert_eq!(header(&unchanged, "cache-control"), caching);
                }
                let changed = s.get(path).header("If-None-Match", "\"other\"").send().await;
                assert_eq!(changed.ok().body, response.body);
                let head = s.request("HEAD", path).send().await;
                assert_eq!((head.status, head.body.len(), header(&head, "etag")), (200, 0, etag.as_str()));
            }
        });
    }
}

mod s2_authorization_server_metadata {
    use super::*;

    #[test]
    fn every_endpoint_is_below_the_issuer_and_answers() {
        with_server(async |s| {
            let metadata = metadata(s).await;
            let members = metadata.as_object().unwrap();
            let endpoints: Vec<_> = members
                .iter()
                .filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri")
                .collect();
            assert_eq!(endpoints.len(), 7);
            for (name, url) in endpoints {
                let path = url.as_str().unwrap().strip_prefix(s.issuer()).unwrap();
                let get = s.get(path).send().await.status;
                assert!(get != 404 && get < 500, "{name}: {get}");
            }
        });
    }

    #[test]
    fn every_grant_type_works_and_no_other_does() {
        with_server(async |s| {
            let metadata = metadata(s).await;
            assert_eq!(
                list(&metadata["grant_types_supported"]),
                ["authorization_code", "refresh_token", "client_credentials"]
            );
            let tokens = s.tokens("web").await;
            s.refresh("web", tokens.refresh()).await.ok();
            s.token("service", &[("grant_type", "client_credentials")]).await.ok();
        });
    }

    #[test]
    fn every_way_to_authenticate_works() {
        with_server(async |s| {
            let metadata = metadata(s).await;
            let methods = list(&metadata["token_endpoint_auth_methods_supported"]).len();
            assert_eq!(methods, 3);
            for client in ["web", "post", "app"] {
                let tokens = s.tokens(client).await;
                s.revoke(client, tokens.refresh()).await.ok();
            }
            let secret = list(&metadata["introspection_endpoint_auth_methods_supported"]);
            assert_eq!(secret, ["client_secret_basic", "client_secret_post"]);
            s.introspect("post", "x").await.ok();
            s.introspect("web", "x").await.ok();
        });
    }

    #[test]
    fn every_prompt_and_scope_is_taken() {
        with_server(async |s| {
            let metadata = metadata(s).await;
            for prompt in list(&metadata["prompt_values_supported"]) {
                let response = Browser::new(s).authorize(&request("app").with("prompt", prompt)).await;
                let location = response.location();
                let expected = if prompt == "none" { "error=login_required" } else { "/login" };
                assert!(location.contains(expected), "{prompt}: {location}");
            }
            for scope in list(&metadata["scopes_supported"]) {
                let response = Browser::new(s).authorize(&request("app").with("scope", scope)).await;
                assert!(response.location().starts_with("/login"), "{scope}");
            }
        });
    }

    #[test]
    fn what_is_not_supported_is_said_to_be_so() {
        with_server(async |s| {
            let metadata = metadata(s).await;
            // Omitted, request_uri_parameter_supported would mean true (OpenID Connect Discovery §3).
            for flag in [
                "request_parameter_supported",
                "request_uri_parameter_supported",
                "claims_parameter_supported",
            ] {
                assert_eq!(metadata[flag], false, "{flag}");
            }
            assert_eq!(metadata["response_types_supported"], json!(["code"]));
            assert_eq!(metadata["response_modes_supported"], json!(["query"]));
            assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
        });
    }

    #[test]
    fn every_signing_algorithm_signs_id_tokens() {
        with_config(
            |config| {
                use signet::oauth::algorithm::Algorithm;
                config.keys.further_algorithms = vec![Algorithm::Ps256, Algorithm::EdDsa];
            },
            async |s| {
                let algorithms = metadata(s).await["id_token_signing_alg_values_supported"].clone();
                assert_eq!(algorithms, json!(["ES256", "EdDSA", "PS256", "RS256"]));
                // New algorithms sign once their keys have been published long enough.
                s.advance(2 * DAY);
                signet::flow::keys::tick(&s.op, s.now()).await.unwrap();
                for algorithm in list(&algorithms) {
                    s.patch_client("app", json!({ "id_token_signed_response_alg": algorithm })).await;
                    let id = s.tokens("app").await.id.unwrap();
                    assert_eq!(jwt_header(&id)["alg"], algorithm);
                }
            },
        );
    }
}

mod rfc7517_key_set {
    use super::*;

    #[test]
    fn the_keys_are_public_and_complete() {
        with_server(async |s| {
            let jwks = s.get(JWKS).send().await.ok().json();
            let keys = jwks["keys"].as_array().unwrap();
            let mut kids: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
            kids.sort_unstable();
            kids.dedup();
            assert_eq!(kids.len(), keys.len());
            for key in keys {
                for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                    assert!(key.get(private).is_none(), "{private}");
                }
                assert_eq!(key["use"], "sig");
                match key["alg"].as_str().unwrap() {
                    "ES256" => {
                        assert_eq!((&key["kty"], &key["crv"]), (&json!("EC"), &json!("P-256")));
                        assert_eq!([&key["x"], &key["y"]].map(|n| n.as_str().unwrap().len()), [43, 43]);
                    }
                    "RS256" => assert_eq!((&key["kty"], &key["e"]), (&json!("RSA"), &json!("AQAB"))),
                    other => panic!("{other}"),
                }
            }
            let mut algorithms: Vec<_> = keys.iter().map(|key| key["alg"].as_str().unwrap()).collect();
            algorithms.sort_unstable();
            algorithms.dedup();
            assert_eq!(algorithms, ["ES256", "RS256"]);
        });
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_long_after() {
        with_server(async |s| {
            let kids = async || {
                let jwks = s.get(JWKS).send().await.json();
                let keys = jwks["keys"].as_array().unwrap().clone();
                keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            let first = kids().await;
            let mut seen = first.clone();
            let mut replaced = false;
            for _ in 0..100 {
                s.advance(DAY);
                signet::flow::keys::tick(&s.op, s.now()).await.unwrap();
                let token = s.token("service", &[("grant_type", "client_credentials")]).await;
                let kid = jwt_header(&Tokens::of(&token).access)["kid"].as_str().unwrap().to_owned();
                assert!(seen.contains(&kid), "a key signs that was not published a day ago");
                replaced |= !first.contains(&kid);
                let now = kids().await;
                assert!(now.contains(&kid));
                seen = now;
            }
            assert!(replaced, "no key was replaced in 100 days");
        });
    }
}
