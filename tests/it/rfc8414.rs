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
            assert_eq!(endpoints.len(), 8);
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
            // Those with assertions: rfc7523 and oidc_core.
            assert_eq!(methods, 5);
            for client in ["web", "post", "app"] {
                let tokens = s.tokens(client).await;
                s.revoke(client, tokens.refresh()).await.ok();
            }
            let with_proof = list(&metadata["introspection_endpoint_auth_methods_supported"]);
            let expected =
                ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"];
            assert_eq!(with_proof, expected);
            for endpoint in ["token", "revocation", "introspection"] {
                let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
                assert_eq!(list(&metadata[&name]), ["RS256", "ES256", "PS256", "EdDSA", "HS256"], "{name}");
            }
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
    fn what_is_true_by_default_is_said_all_the_same() {
        with_server(async |s| {
            let metadata = metadata(s).await;
            for flag in [
                "authorization_response_iss_parameter_supported",
                "claims_parameter_supported",
                "request_parameter_supported",
                "request_uri_parameter_supported",
                "require_request_uri_registration",
                "backchannel_logout_supported",
                "backchannel_logout_session_supported",
                "frontchannel_logout_supported",
                "frontchannel_logout_session_supported",
            ] {
                assert_eq!(metadata[flag], true, "{flag}");
            }
            assert_eq!(metadata["response_types_supported"], json!(["code"]));
            assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
            assert_eq!(metadata["subject_types_supported"], json!(["public", "pairwise"]));
            assert_eq!(metadata["acr_values_supported"], json!(["1"]));
        });
    }

    #[test]
    fn what_a_deployment_has_not_is_not_in_it() {
        with_server(async |s| {
            let metadata = metadata(s).await;
            for absent in ["registration_endpoint", "client_id_metadata_document_supported"] {
                assert_eq!(metadata.get(absent), None, "{absent}");
            }
            let refused =
                s.post("/register").header("Content-Type", "application/json").body(b"{}").send().await;
            assert!((400..500).contains(&refused.status), "{}", refused.status);
        });
        use signet::config::registration::Mode;
        for mode in [Mode::Token, Mode::Open] {
            let change = move |config: &mut Config| {
                config.registration.mode = mode;
                config.registration.metadata_documents = true;
            };
            with_config(change, async |s| {
                let metadata = metadata(s).await;
                assert_eq!(metadata["registration_endpoint"], format!("{}/register", s.issuer()));
                assert_eq!(metadata["client_id_metadata_document_supported"], true);
            });
        }
    }

    #[test]
    fn every_response_mode_is_taken_and_no_other() {
        with_server(async |s| {
            let modes = metadata(s).await["response_modes_supported"].clone();
            assert_eq!(modes, json!(["query", "form_post"]));
            let asked = |mode: &str| request("app").with("prompt", "none").with("response_mode", mode);
            let query = Browser::new(s).silently(&asked("query")).await;
            assert_eq!(query.get("error"), Some("login_required"));
            let form = Browser::new(s).authorize(&asked("form_post")).await;
            assert!(form.ok().text().contains("login_required"));
            for mode in ["fragment", "web_message", "jwt", "QUERY"] {
                let refused = Browser::new(s).authorize(&asked(mode)).await;
                assert!(
                    refused.status == 400 || refused.location().contains("error=invalid_request"),
                    "{mode}"
                );
            }
        });
    }

    #[test]
    fn legacy_response_types_are_there_where_the_deployment_has_them() {
        with_config(
            |config| config.protocol.legacy_response_types = true,
            async |s| {
                let metadata = metadata(s).await;
                let types = metadata["response_types_supported"].clone();
                assert_eq!(list(&types).len(), 6);
                assert!(list(&metadata["grant_types_supported"]).contains(&"implicit"));
                assert!(list(&metadata["response_modes_supported"]).contains(&"fragment"));
                let client = json!({
                    "profile": "oidc-certification", "response_types": types, "redirect_uris": [CALLBACK],
                    "grant_types": ["authorization_code", "implicit"], "scope": "openid", "require_pkce": false,
                });
                s.create_client("legacy", client).await.unwrap();
                for one in list(&types) {
                    let asked = request("legacy").with("response_type", one).with("scope", "openid");
                    let response = Browser::new(s).authorize(&asked).await;
                    assert!(response.location().starts_with("/login"), "{one}: {}", response.location());
                }
                // Of every other client they are not.
                let refused =
                    Browser::new(s).authorize(&request("app").with("response_type", "id_token")).await;
                assert!(refused.location().contains("error=un"), "{}", refused.location());
            },
        );
        with_server(async |s| {
            let refused = Browser::new(s).authorize(&request("app").with("response_type", "id_token")).await;
            assert!(refused.location().contains("error=unsupported_response_type"), "{}", refused.location());
        });
    }

    #[test]
    fn every_display_and_language_is_taken() {
        with_server(async |s| {
            let metadata = metadata(s).await;
            for display in list(&metadata["display_values_supported"]) {
                let response = Browser::new(s).authorize(&request("app").with("display", display)).await;
                assert!(response.location().starts_with("/login"), "{display}");
            }
            for locales in ["en", "se", "de-AT fr", "x y"] {
                let response = Browser::new(s).authorize(&request("app").with("ui_locales", locales)).await;
                assert!(response.location().starts_with("/login"), "{locales}");
            }
        });
    }

    #[test]
    fn the_claims_parameter_and_request_objects_are_read_and_not_passed_over() {
        with_server(async |s| {
            let asked = request("app").with("claims", r#"{"userinfo":{"name":{"essential":true}}}"#);
            let response = Browser::new(s).authorize(&asked).await;
            assert!(response.location().starts_with("/login"), "{}", response.location());
            for (name, value, error) in [
                ("claims", "{", "invalid_request"),
                ("request", "no.object", "invalid_request_object"),
                ("request", "eyJhbGciOiJub25lIn0.e30.", "invalid_request_object"),
                ("request_uri", "https://app.example.com/never-registered", "invalid_request_uri"),
            ] {
                let refused = Browser::new(s).authorize(&request("app").with(name, value)).await;
                // Where nothing is proven, a page: whoever sent the object decides nothing.
                let page = refused.status == 400 && refused.error() == error;
                assert!(
                    page || refused.location().contains(&format!("error={error}&")),
                    "{name}={value}: {refused:?}"
                );
            }
            let algorithms = metadata(s).await["request_object_signing_alg_values_supported"].clone();
            assert_eq!(algorithms, json!(["RS256", "ES256", "PS256", "EdDSA"]));
        });
    }

    #[test]
    fn every_claim_that_a_user_has_comes_and_every_one_that_comes_is_listed() {
        with_server(async |s| {
            let supported = metadata(s).await["claims_supported"].clone();
            let supported = list(&supported);
            let scope = "openid profile email address phone";
            let tokens = s.tokens_of(&mut Browser::new(s), "app", scope).await;
            let id = claims(tokens.id.as_deref().unwrap());
            let userinfo = s.userinfo(&tokens.access).await.ok().json();
            let come: Vec<_> =
                [&id, &userinfo].iter().flat_map(|one| one.as_object().unwrap().keys()).collect();
            for claim in &come {
                assert!(supported.contains(&claim.as_str()), "{claim}");
            }
            // A hash of a code is in ID tokens of the front channel only.
            for claim in supported.iter().filter(|claim| **claim != "c_hash") {
                assert!(come.iter().any(|one| one == claim), "{claim}");
            }
            assert_eq!(id["acr"], "1");
        });
    }

    #[test]
    fn every_signing_algorithm_signs_answers_of_the_userinfo_endpoint() {
        with_server(async |s| {
            let algorithms = metadata(s).await["userinfo_signing_alg_values_supported"].clone();
            assert_eq!(algorithms, json!(["ES256", "RS256"]));
            let tokens = s.tokens("app").await;
            for algorithm in list(&algorithms) {
                s.patch_client("app", json!({ "userinfo_signed_response_alg": algorithm })).await;
                let answer = s.userinfo(&tokens.access).await;
                assert_eq!(header(answer.ok(), "content-type"), "application/jwt");
                assert_eq!(jwt_header(&answer.text())["alg"], algorithm);
            }
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
