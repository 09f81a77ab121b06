//! RFC 6749 §2.3: client authentication.

use super::*;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

mod s2_3_client_authentication {
    use super::*;

    #[test]
    fn only_the_registered_method_works() {
        with_server(async |s| {
            for client in ["app", "web", "post"] {
                let secret = s.secrets.get(client).cloned().unwrap_or_else(|| "ssc_made-up".to_owned());
                let registered = s.auth(client);
                for auth in [
                    Auth::Public(client.to_owned()),
                    Auth::Basic(client.to_owned(), secret.clone()),
                    Auth::Post(client.to_owned(), secret.clone()),
                ] {
                    let params = [("grant_type", "refresh_token"), ("refresh_token", "srt_none")];
                    let response = auth.on(s.post("/token"), &params).send().await;
                    if std::mem::discriminant(&auth) == std::mem::discriminant(&registered) {
                        response.refused(400, "invalid_grant");
                    } else {
                        response.refused(401, "invalid_client");
                    }
                    let basic = matches!(auth, Auth::Basic(..)) && response.status == 401;
                    assert_eq!(response.header("www-authenticate").is_some(), basic, "{client} {auth:?}");
                }
            }
        });
    }

    #[test]
    fn unknown_clients_wrong_secrets_and_disabled_clients_answer_alike() {
        with_server(async |s| {
            s.disable_client("service").await;
            let disabled = s.auth("service");
            let answers = [
                Auth::Basic("nobody".to_owned(), "ssc_x".to_owned()),
                Auth::Basic("web".to_owned(), "ssc_x".to_owned()),
                disabled,
            ];
            let mut seen = Vec::new();
            for auth in answers {
                let response = auth.on(s.post("/token"), &[GRANT]).send().await;
                response.refused(401, "invalid_client");
                let challenge = response.header("www-authenticate").unwrap().to_owned();
                assert!(challenge.starts_with("Basic realm="));
                seen.push((response.json()["error_description"].clone(), challenge));
            }
            assert!(seen.windows(2).all(|two| two[0] == two[1]));
        });
    }

    #[test]
    fn two_methods_in_one_request_are_invalid_request() {
        with_server(async |s| {
            let secret = s.secrets["service"].clone();
            let both = [GRANT, ("client_id", "service"), ("client_secret", &secret)];
            s.token("service", &both).await.refused(400, "invalid_request");
            let other = [GRANT, ("client_id", "api")];
            s.token("service", &other).await.refused(400, "invalid_request");
            let same = [GRANT, ("client_id", "service")];
            s.token("service", &same).await.ok();
            let header = format!("Basic {}", basic("service", &secret));
            let twice = s.post("/token").header("Authorization", &header).header("Authorization", &header);
            twice.form(&[GRANT]).send().await.refused(400, "invalid_request");
        });
    }

    #[test]
    fn no_credentials_are_invalid_client() {
        with_server(async |s| {
            let none = Auth::None.on(s.post("/token"), &[GRANT]).send().await;
            none.refused(401, "invalid_client");
            let secret_only = s.post("/token").form(&[GRANT, ("client_secret", "x")]).send().await;
            secret_only.refused(401, "invalid_client");
        });
    }

    #[test]
    fn client_assertions_are_refused() {
        with_server(async |s| {
            let params = [
                GRANT,
                ("client_id", "app"),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", "a.b.c"),
            ];
            s.post("/token").form(&params).send().await.refused(401, "invalid_client");
        });
    }

    #[test]
    fn malformed_basic_credentials_are_invalid_client_with_a_challenge() {
        with_server(async |s| {
            let secret = s.secrets["service"].clone();
            let good = basic("service", &secret);
            let encode = |text: &str| {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.encode(text)
            };
            for value in [
                "Basic".to_owned(),
                "Basic ".to_owned(),
                format!("Basic {good}="),
                format!("Basic {}", good.trim_end_matches('=').to_owned() + "!"),
                format!("Basic {}", encode("service")),
                format!("Basic {}", encode("service:")),
                format!("Basic {}", encode(":x")),
                format!("Basic {}", encode("service%:x")),
                format!("Basic {}", encode("service\0:x")),
                format!("Basic {}", "A".repeat(4000)),
                format!("Bearer {good}"),
                "Digest username=service".to_owned(),
            ] {
                let request = s.post("/token").header("Authorization", &value).form(&[GRANT]);
                let response = request.send().await;
                response.refused(401, "invalid_client");
                assert!(header(&response, "www-authenticate").starts_with("Basic "), "{value}");
            }
            let lower = s.post("/token").header("Authorization", &format!("bAsIc {good}"));
            lower.form(&[GRANT]).send().await.ok();
        });
    }

    #[test]
    fn a_rotated_secret_and_its_predecessor_are_good_for_the_overlap() {
        with_server(async |s| {
            let old = s.auth("service");
            let new = s.rotate_secret("service", HOUR).await;
            let new = Auth::Basic("service".to_owned(), new.secret.reveal().to_owned());
            for auth in [&old, &new] {
                auth.on(s.post("/token"), &[GRANT]).send().await.ok();
            }
            s.advance(HOUR + SECOND);
            old.on(s.post("/token"), &[GRANT]).send().await.refused(401, "invalid_client");
            new.on(s.post("/token"), &[GRANT]).send().await.ok();
        });
    }

    #[test]
    fn revocation_and_introspection_authenticate_alike() {
        with_server(async |s| {
            for path in ["/revoke", "/introspect"] {
                let token = [("token", "x")];
                let wrong = Auth::Basic("web".to_owned(), "wrong".to_owned());
                wrong.on(s.post(path), &token).send().await.refused(401, "invalid_client");
                let public = Auth::Public("web".to_owned());
                public.on(s.post(path), &token).send().await.refused(401, "invalid_client");
                Auth::None.on(s.post(path), &token).send().await.refused(401, "invalid_client");
            }
        });
    }
}
