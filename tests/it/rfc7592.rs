//! RFC 7592: OAuth 2.0 Dynamic Client Registration Management Protocol.

use super::*;
use crate::support::registrar::{asking, metadata, open};

mod s2_client_configuration_endpoint {
    use super::*;

    #[test]
    fn only_the_clients_own_token_opens_it() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({}))).await;
            let other = s.register(&metadata(json!({}))).await;
            let tokens = s.sign_in_at(&client, asking(&client.id, "openid")).await;
            for method in ["GET", "PUT", "DELETE"] {
                let bare = s.request(method, &format!("/register/{}", client.id)).send().await;
                bare.refused(401, "invalid_token");
                assert!(header(&bare, "www-authenticate").starts_with("Bearer realm="));
                let mut wrong = vec![other.token.clone(), tokens.access.clone(), client.secret.clone().unwrap()];
                wrong.extend([s.api_key().await, format!("{}A", client.token), client.token.to_uppercase()]);
                let mut answers = Vec::new();
                for token in &wrong {
                    let answer = s.configuring(method, &client.id, token).json(&json!({})).send().await;
                    answer.refused(401, "invalid_token");
                    assert!(header(&answer, "www-authenticate").contains("error=\"invalid_token\""));
                    answers.push(answer.json()["error_description"].take());
                }
                // A client that there is not, and those of operators, are answered alike.
                for id in ["nobody", "app", "service", "web"] {
                    let answer = s.configuring(method, id, &client.token).json(&json!({})).send().await;
                    answer.refused(401, "invalid_token");
                    answers.push(answer.json()["error_description"].take());
                }
                answers.dedup();
                assert_eq!(answers.len(), 1, "{answers:?}");
            }
            assert!(s.has_client(&client.id).await && s.has_client("app").await);
        });
    }

    #[test]
    fn a_disabled_client_is_shut_out() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({}))).await;
            s.disable_client(&client.id).await;
            for method in ["GET", "PUT", "DELETE"] {
                let request = s.configuring(method, &client.id, &client.token).json(&metadata(json!({})));
                request.send().await.refused(401, "invalid_token");
            }
            assert!(s.has_client(&client.id).await);
        });
    }
}

mod s2_1_client_read_request {
    use super::*;

    #[test]
    fn it_shows_what_is_registered_but_not_the_secret() {
        with_config(open, async |s| {
            let begin = "https://app.example.com/begin";
            let client = s.register(&metadata(json!({ "initiate_login_uri": begin, "client_name": "Shop" }))).await;
            let answer = s.configuring("GET", &client.id, &client.token).send().await;
            assert_eq!(header(&answer, "cache-control"), "no-store");
            let shown = answer.ok().json();
            let mut expected = client.body.clone();
            let members = expected.as_object_mut().unwrap();
            members.shift_remove("client_secret").unwrap();
            members.shift_remove("client_secret_expires_at").unwrap();
            assert_eq!(shown, expected);
            assert_eq!((&shown["initiate_login_uri"], &shown["client_name"]), (&json!(begin), &json!("Shop")));
            assert!(!answer.text().contains(client.secret.as_deref().unwrap()));
            // Operators see neither.
            let path = format!("/clients/{}", client.id);
            let seen = s.administering("GET", &path).await.send().await;
            assert_eq!(seen.ok().json()["registered"], "dynamic");
            assert!(!seen.text().contains(&client.token) && !seen.text().contains("_hash"), "{}", seen.text());
        });
    }
}

mod s2_2_client_update_request {
    use super::*;

    #[test]
    fn it_replaces_the_metadata_whole() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({ "client_name": "Shop", "scope": "openid email" }))).await;
            let put = s.configuring("PUT", &client.id, &client.token);
            let new = json!({
                "client_id": client.id, "client_secret": client.secret,
                "redirect_uris": [CALLBACK, "https://app.example.com/second"], "scope": "openid",
                "first_party": true,
            });
            let body = put.clone().json(&new).send().await.ok().json();
            assert!(body.get("client_name").is_none() && body.get("first_party").is_none(), "{body}");
            assert_eq!((&body["scope"], &body["redirect_uris"]), (&json!("openid"), &new["redirect_uris"]));
            assert_eq!((body["client_id"].as_str(), body["registration_access_token"].as_str()),
                (Some(client.id.as_str()), Some(client.token.as_str())));
            let shown = s.configuring("GET", &client.id, &client.token).send().await.ok().json();
            assert_eq!(shown, body);
            let asked = asking(&client.id, "openid").with("redirect_uri", "https://app.example.com/second");
            assert!(Browser::new(s).authorize(&asked).await.location().starts_with("/login"));
            // The secret has not changed.
            s.sign_in_at(&client, asking(&client.id, "openid")).await;
        });
    }

    #[test]
    fn what_is_registered_already_is_no_change() {
        with_config(open, async |s| {
            let sent = metadata(json!({ "client_name": "Shop", "scope": "openid" }));
            let client = s.register(&sent).await;
            let mut inside = crate::support::inside::Inside::of(s).await;
            let sql = "SELECT client_version FROM installation UNION ALL \
                       SELECT CAST(count(*) AS BIGINT) FROM audit_event";
            let before = inside.numbers(sql).await;
            let put = s.configuring("PUT", &client.id, &client.token);
            for _ in 0..3 {
                let body = put.clone().json(&sent).send().await.ok().json();
                assert_eq!((&body["client_name"], &body["client_id"]), (&json!("Shop"), &json!(client.id)));
                assert_eq!(body["registration_access_token"], client.token);
            }
            assert_eq!(inside.numbers(sql).await, before);
            put.clone().json(&metadata(json!({ "client_name": "Store" }))).send().await.ok();
            assert_ne!(inside.numbers(sql).await, before);
            // It is looked at whose it is all the same.
            let foreign = metadata(json!({ "client_name": "Store", "client_id": "other" }));
            put.json(&foreign).send().await.refused(400, "invalid_client_metadata");
        });
    }

    #[test]
    fn what_registration_refuses_it_refuses_and_nothing_changes() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({ "client_name": "Shop" }))).await;
            for (error, new) in [
                ("invalid_redirect_uri", metadata(json!({ "redirect_uris": ["https://app.example.com/#x"] }))),
                ("invalid_client_metadata", metadata(json!({ "initiate_login_uri": "http://app.example.com/" }))),
                ("invalid_client_metadata", metadata(json!({ "client_id": "other" }))),
                ("invalid_client_metadata", metadata(json!({ "client_secret": "mine" }))),
                ("invalid_client_metadata", metadata(json!({ "client_secret": 7 }))),
                ("invalid_client_metadata", metadata(json!({ "token_endpoint_auth_method": "none" }))),
                ("invalid_client_metadata", json!([])),
            ] {
                let put = s.configuring("PUT", &client.id, &client.token).json(&new);
                put.send().await.refused(400, error);
            }
            let shown = s.configuring("GET", &client.id, &client.token).send().await.ok().json();
            assert_eq!(shown["client_name"], "Shop");
        });
    }
}

mod what_a_client_cannot_replace {
    use super::*;

    #[test]
    fn a_pairwise_client_stays_in_its_sector() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({ "subject_type": "pairwise" }))).await;
            let put = async |more: Value| {
                s.configuring("PUT", &client.id, &client.token).json(&metadata(more)).send().await
            };
            let elsewhere = json!({ "subject_type": "pairwise", "redirect_uris": ["https://other.example.com/cb"] });
            for (new, named) in [(elsewhere, "sector_identifier_uri"), (json!({}), "subject_type")] {
                let answer = put(new).await;
                answer.refused(400, "invalid_client_metadata");
                assert!(answer.text().contains(named), "{}", answer.text());
            }
            put(json!({ "subject_type": "pairwise", "redirect_uris": ["https://app.example.com/second"] })).await.ok();
        });
    }

    #[test]
    fn what_an_operator_has_set_stays() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({ "client_name": "Shop" }))).await;
            let set = json!({
                "access_token_lifetime": 60, "theft_response": "family", "profile": "oauth21", "require_pkce": true,
                "allowed_origins": ["https://front.example.com"], "scope": "openid email",
            });
            s.patch_client(&client.id, set.clone()).await;
            let wide = metadata(json!({ "scope": "openid profile email", "theft_response": "user" }));
            let put = s.configuring("PUT", &client.id, &client.token).json(&wide);
            assert_eq!(put.send().await.ok().json()["scope"], "openid email");
            let id = signet::secret::ClientId::from(client.id.as_str());
            let kept = s.op.store.client(&id).await.unwrap().unwrap().metadata;
            let kept = serde_json::to_value(kept).unwrap();
            for (name, value) in set.as_object().unwrap() {
                assert_eq!(&kept[name], value, "{name}");
            }
            assert!(kept.get("client_name").is_none(), "what the client leaves out has its default");
        });
    }
}

mod s2_3_client_delete_request {
    use super::*;

    #[test]
    fn everything_of_the_client_ends() {
        with_config(open, async |s| {
            let grants = json!({ "grant_types": ["authorization_code", "refresh_token"] });
            let client = s.register(&metadata(grants)).await;
            let tokens = s.sign_in_at(&client, asking(&client.id, "openid offline_access")).await;
            s.userinfo(&tokens.access).await.ok();
            let answer = s.configuring("DELETE", &client.id, &client.token).send().await;
            assert_eq!((answer.status, answer.body.len()), (204, 0));
            s.userinfo(&tokens.access).await.refused(401, "invalid_token");
            let auth = Auth::Basic(client.id.clone(), client.secret.clone().unwrap());
            let params = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            auth.on(s.post("/token"), &params).send().await.refused(401, "invalid_client");
            for method in ["GET", "DELETE"] {
                s.configuring(method, &client.id, &client.token).send().await.refused(401, "invalid_token");
            }
            assert!(!s.has_client(&client.id).await);
        });
    }

    #[test]
    fn of_many_at_once_none_fails_in_another_way() {
        with_config(open, async |s| {
            let client = s.register(&metadata(json!({}))).await;
            let requests = (0..8).map(|_| s.configuring("DELETE", &client.id, &client.token)).collect();
            let answers = in_parallel(requests).await;
            assert!(answers.iter().all(|answer| matches!(answer.status, 204 | 401)), "{answers:?}");
            assert!(answers.iter().any(|answer| answer.status == 204));
            assert!(!s.has_client(&client.id).await);
        });
    }
}
