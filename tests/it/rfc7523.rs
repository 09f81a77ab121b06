//! RFC 7521 §4.2, RFC 7523 §3, OpenID Connect Core §9: client authentication by assertion.

use signet::oauth::algorithm::Algorithm;

use super::*;
use crate::support::inside::Inside;
use crate::support::jwt::{ASSERTION_TYPE, Signer, asserting, laid_over, under_secret};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// A client that acts for itself and may introspect, with further metadata.
pub(super) fn job(method: &str, more: Value) -> Value {
    let metadata = json!({
        "token_endpoint_auth_method": method,
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "read",
        "audience": [AUDIENCE],
        "introspect": true,
    });
    laid_over(&metadata, &more)
}

/// A client `job` with a key of its own, under a profile.
async fn signing(s: &Server, profile: &str) -> Signer {
    let signer = Signer::new(Algorithm::Es256, "key-1");
    let metadata = job("private_key_jwt", json!({ "jwks": signer.jwks(), "profile": profile }));
    s.create_client("job", metadata).await;
    signer
}

/// An assertion of `job` with changed claims.
fn changed(s: &Server, signer: &Signer, changes: &Value) -> String {
    signer.token(&signer.header("JWT"), &laid_over(&s.assertion_claims("job"), changes))
}

pub(super) async fn ask(s: &Server, assertion: &str) -> Response {
    asserting(s.post("/token"), &[GRANT], assertion).send().await
}

/// The request is granted, or refused as every failed authentication is.
#[track_caller]
fn assert_granted(answer: &Response, granted: bool, what: &dyn std::fmt::Debug) {
    let expected = if granted { 200 } else { 401 };
    assert_eq!(answer.status, expected, "{what:?}: {}", answer.text());
    assert!(granted || answer.error() == "invalid_client");
}

mod s2_2_client_authentication {
    use super::*;

    #[test]
    fn an_assertion_is_as_good_as_a_secret_at_every_endpoint() {
        with_server(async |s| {
            for algorithm in Algorithm::ALL {
                let (id, signer) = (format!("job-{algorithm}"), Signer::new(algorithm, "key-1"));
                s.create_client(&id, job("private_key_jwt", json!({ "jwks": signer.jwks() }))).await;
                let token = asserting(s.post("/token"), &[GRANT], &s.assertion(&id, &signer)).send().await;
                let token = Tokens::of(&token).access;
                let named = [("token", token.as_str()), ("client_id", id.as_str())];
                let seen = asserting(s.post("/introspect"), &named, &s.assertion(&id, &signer)).send().await;
                assert_eq!(seen.ok().json()["active"], true, "{algorithm}");
                let revoked = asserting(s.post("/revoke"), &named[..1], &s.assertion(&id, &signer)).send().await;
                revoked.ok();
                assert!(!s.is_active(&token).await);
            }
        });
    }

    #[test]
    fn a_client_that_signs_redeems_codes_and_refreshes() {
        with_server(async |s| {
            let signer = Signer::new(Algorithm::Es256, "key-1");
            let metadata = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks(),
                "redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"],
                "scope": "openid offline_access read", "audience": [AUDIENCE], "first_party": true });
            s.create_client("bank", metadata).await;
            let asked = request("bank").with("scope", "openid offline_access read");
            let code = Browser::new(s).sign_in(&asked, ALICE).await.code();
            let bare = s.post("/token").form(&redemption(&code)).send().await;
            bare.refused(401, "invalid_client");
            let public = Auth::Public("bank".to_owned()).on(s.post("/token"), &redemption(&code)).send().await;
            public.refused(401, "invalid_client");
            let redeemed = asserting(s.post("/token"), &redemption(&code), &s.assertion("bank", &signer));
            let tokens = Tokens::of(&redeemed.send().await);
            let params = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            Auth::Public("bank".to_owned()).on(s.post("/token"), &params).send().await.refused(401, "invalid_client");
            asserting(s.post("/token"), &params, &s.assertion("bank", &signer)).send().await.ok();
        });
    }

    #[test]
    fn exactly_one_method_per_request() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            let jwt = s.assertion("job", &signer);
            let secret = s.secrets["service"].clone();
            let basic = format!("Basic {}", basic("service", &secret));
            let both = asserting(s.post("/token").header("Authorization", &basic), &[GRANT], &jwt);
            both.send().await.refused(400, "invalid_request");
            let posted = [GRANT, ("client_id", "job"), ("client_secret", "x")];
            asserting(s.post("/token"), &posted, &jwt).send().await.refused(400, "invalid_request");
            let untyped = s.post("/token").form(&[GRANT, ("client_assertion", &jwt)]);
            untyped.send().await.refused(400, "invalid_request");
            for lone in [&[GRANT, ("client_assertion_type", ASSERTION_TYPE)][..],
                &[GRANT, ("client_id", "app"), ("client_assertion_type", ASSERTION_TYPE)]]
            {
                s.post("/token").form(lone).send().await.refused(400, "invalid_request");
            }
            let twice = asserting(s.post("/token"), &[GRANT, ("client_assertion", &jwt)], &jwt);
            twice.send().await.refused(400, "invalid_request");
            for kind in ["urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "jwt-bearer", " "] {
                let params = [GRANT, ("client_assertion_type", kind), ("client_assertion", jwt.as_str())];
                s.post("/token").form(&params).send().await.refused(401, "invalid_client");
            }
            ask(s, &jwt).await.ok();
        });
    }

    #[test]
    fn the_client_id_beside_it_says_the_same() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            for (id, granted) in [("job", true), ("service", false), ("nobody", false), ("Job", false)] {
                let params = [GRANT, ("client_id", id)];
                let answer = asserting(s.post("/token"), &params, &s.assertion("job", &signer)).send().await;
                assert_granted(&answer, granted, &id);
            }
        });
    }

    #[test]
    fn only_the_registered_method_works() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            let keys = json!({ "jwks": signer.jwks() });
            let secret = s.create_client("mac", job("client_secret_jwt", json!({}))).await.unwrap();
            let basic = s.create_client("basic", job("client_secret_basic", keys.clone())).await.unwrap();
            let post = s.create_client("post-2", job("client_secret_post", keys)).await.unwrap();
            let hs256 = json!({ "alg": "HS256", "typ": "JWT" });
            // Right in everything but the method.
            for (id, jwt) in [
                ("basic", s.assertion("basic", &signer)),
                ("post-2", s.assertion("post-2", &signer)),
                ("app", s.assertion("app", &signer)),
                ("mac", s.assertion("mac", &signer)),
                ("basic", under_secret(&hs256, &s.assertion_claims("basic"), basic.as_bytes())),
                ("post-2", under_secret(&hs256, &s.assertion_claims("post-2"), post.as_bytes())),
                ("job", under_secret(&hs256, &s.assertion_claims("job"), secret.as_bytes())),
            ] {
                let answer = asserting(s.post("/token"), &[GRANT, ("client_id", id)], &jwt).send().await;
                assert_granted(&answer, false, &id);
            }
            for auth in [
                Auth::Basic("mac".to_owned(), secret.clone()),
                Auth::Post("mac".to_owned(), secret.clone()),
                Auth::Public("mac".to_owned()),
                Auth::Public("job".to_owned()),
                Auth::Basic("job".to_owned(), String::from("ssc_made-up")),
                Auth::Post("job".to_owned(), String::from("ssc_made-up")),
            ] {
                auth.on(s.post("/token"), &[GRANT]).send().await.refused(401, "invalid_client");
            }
            ask(s, &under_secret(&hs256, &s.assertion_claims("mac"), secret.as_bytes())).await.ok();
        });
    }

    #[test]
    fn unknown_clients_wrong_keys_and_disabled_clients_answer_alike() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            let other = Signer::new(Algorithm::Es256, "key-1");
            let mut seen = vec![
                ask(s, &s.assertion("nobody", &signer)).await,
                ask(s, &s.assertion("job", &other)).await,
                ask(s, &s.assertion("service", &signer)).await,
                ask(s, &changed(s, &signer, &json!({ "exp": 1 }))).await,
                ask(s, "a.b.c").await,
            ];
            s.disable_client("job").await;
            let jwt = s.assertion("job", &signer);
            seen.push(ask(s, &jwt).await);
            for answer in &seen {
                answer.refused(401, "invalid_client");
                assert_eq!(answer.json()["error_description"], seen[0].json()["error_description"]);
                assert_eq!(answer.header("www-authenticate"), None);
            }
            // Nor was it used up.
            s.enable_client("job").await;
            ask(s, &jwt).await.ok();
        });
    }
}

mod s3_jwt_format {
    use super::*;

    #[test]
    fn issuer_and_subject_are_the_client() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            for changes in [
                json!({ "iss": "service" }),
                json!({ "sub": "service" }),
                json!({ "sub": "job " }),
                json!({ "iss": s.issuer() }),
                json!({ "iss": null }),
                json!({ "sub": null }),
                json!({ "jti": null }),
                json!({ "jti": "" }),
                json!({ "exp": null }),
                json!({ "aud": null }),
            ] {
                let params = [GRANT, ("client_id", "job")];
                let answer = asserting(s.post("/token"), &params, &changed(s, &signer, &changes)).send().await;
                assert_granted(&answer, false, &changes);
            }
            ask(s, &changed(s, &signer, &json!({ "iat": null }))).await.ok();
        });
    }

    #[test]
    fn the_audience_is_this_server_by_the_rules_of_the_profile() {
        for (profile, names_endpoint, names_called, list) in [
            ("default", true, false, false),
            ("oauth21", false, false, false),
            ("oidc-certification", true, true, true),
        ] {
            with_server(async |s| {
                let signer = signing(s, profile).await;
                let (issuer, other) = (s.issuer().to_owned(), "https://another.example");
                let (token, called) = (format!("{issuer}/token"), format!("{issuer}/introspect"));
                for (aud, accepted) in [
                    (json!(issuer), true),
                    (json!(token), names_endpoint),
                    (json!(called), names_called),
                    (json!([issuer]), list),
                    (json!([token]), list),
                    (json!([issuer, token]), list),
                    (json!([other, issuer]), list),
                    (json!([other, format!("{other}/token")]), false),
                    (json!([]), false),
                    (json!(other), false),
                    (json!(format!("{issuer}/")), false),
                    (json!(format!("{issuer}/authorize")), false),
                    (json!(format!("{issuer}/token/")), false),
                    (json!(issuer.to_uppercase()), false),
                    (json!("job"), false),
                    (json!(""), false),
                ] {
                    let jwt = changed(s, &signer, &json!({ "aud": aud }));
                    let answer = asserting(s.post("/introspect"), &[("token", "x")], &jwt).send().await;
                    assert_granted(&answer, accepted, &(profile, aud));
                }
            });
        }
    }

    #[test]
    fn it_lives_for_minutes() {
        for (profile, longest) in [("default", 3600), ("oauth21", 300), ("oidc-certification", 3600)] {
            with_server(async |s| {
                let signer = signing(s, profile).await;
                for (exp, accepted) in [
                    (-3600, false),
                    (-1, false),
                    (0, false),
                    (1, true),
                    (longest, true),
                    (longest + 11, false),
                    (24 * 3600, false),
                    (1 << 33, false),
                ] {
                    let jwt = changed(s, &signer, &json!({ "exp": s.now().seconds() + exp }));
                    assert_granted(&ask(s, &jwt).await, accepted, &(profile, exp));
                }
            });
        }
    }

    #[test]
    fn a_clients_clock_may_run_ahead_by_seconds() {
        with_server(async |s| {
            let signer = signing(s, "oauth21").await;
            for name in ["nbf", "iat"] {
                for (ahead, accepted) in [(-3600, true), (0, true), (8, true), (61, false), (3600, false)] {
                    let jwt = changed(s, &signer, &json!({ name: s.now().seconds() + ahead }));
                    assert_granted(&ask(s, &jwt).await, accepted, &(name, ahead));
                }
            }
        });
    }

    #[test]
    fn its_type_is_jwt_or_client_authentication_or_none() {
        with_server(async |s| {
            let signer = signing(s, "oauth21").await;
            for (typ, accepted) in [
                (json!("JWT"), true),
                (json!("jwt"), true),
                (json!("client-authentication+jwt"), true),
                (json!("application/client-authentication+jwt"), true),
                (Value::Null, true),
                (json!("at+jwt"), false),
                (json!("dpop+jwt"), false),
                (json!(""), false),
            ] {
                let header = laid_over(&signer.header("JWT"), &json!({ "typ": typ }));
                let jwt = signer.token(&header, &s.assertion_claims("job"));
                assert_granted(&ask(s, &jwt).await, accepted, &typ);
            }
        });
    }

    #[test]
    fn a_registered_algorithm_is_the_only_one() {
        with_server(async |s| {
            let (ec, ed) = (Signer::new(Algorithm::Es256, "ec"), Signer::new(Algorithm::EdDsa, "ed"));
            let jwks = json!({ "keys": [ec.jwk(), ed.jwk()] });
            s.create_client("job", job("private_key_jwt", json!({ "jwks": jwks }))).await;
            for signer in [&ec, &ed] {
                ask(s, &s.assertion("job", signer)).await.ok();
            }
            s.patch_client("job", json!({ "token_endpoint_auth_signing_alg": "EdDSA" })).await;
            ask(s, &s.assertion("job", &ec)).await.refused(401, "invalid_client");
            ask(s, &s.assertion("job", &ed)).await.ok();
        });
    }
}

mod s3_single_use {
    use super::*;

    #[test]
    fn an_assertion_is_good_once_on_all_nodes_until_it_has_expired() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            let second = s.second_node().await;
            let jwt = s.assertion("job", &signer);
            ask(s, &jwt).await.ok();
            for node in [s, &second] {
                for path in ["/token", "/introspect"] {
                    let params = [GRANT, ("token", "x")];
                    asserting(node.post(path), &params, &jwt).send().await.refused(401, "invalid_client");
                }
            }
            // The same id under another signature, and with other claims.
            let jti = claims(&jwt)["jti"].clone();
            let again = changed(s, &signer, &json!({ "jti": jti, "exp": s.now().seconds() + 200 }));
            ask(&second, &again).await.refused(401, "invalid_client");
            s.advance(MINUTE);
            ask(s, &jwt).await.refused(401, "invalid_client");
            second.stop().await;
        });
    }

    #[test]
    fn of_sixteen_at_once_on_two_nodes_one_is_served() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            let second = s.second_node().await;
            for _ in 0..effort(3, 30) {
                let jwt = s.assertion("job", &signer);
                let nodes = [s, &second];
                let racers = (0..16).map(|n| asserting(nodes[n % 2].post("/token"), &[GRANT], &jwt)).collect();
                let answers = in_parallel(racers).await;
                let (granted, refused): (Vec<_>, Vec<_>) =
                    answers.iter().partition(|answer| answer.status == 200);
                assert_eq!(granted.len(), 1);
                for answer in refused {
                    answer.refused(401, "invalid_client");
                }
            }
            second.stop().await;
        });
    }

    #[test]
    fn another_client_may_use_the_same_id() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            s.create_client("job2", job("private_key_jwt", json!({ "jwks": signer.jwks() }))).await;
            for (id, jti) in [("job", "1"), ("job2", "1"), ("job", "21")] {
                let claims = laid_over(&s.assertion_claims(id), &json!({ "jti": jti }));
                ask(s, &signer.token(&signer.header("JWT"), &claims)).await.ok();
            }
        });
    }

    #[test]
    fn what_is_refused_uses_nothing_up() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            let thief = Signer::new(Algorithm::Es256, "key-1");
            let claims = s.assertion_claims("job");
            let genuine = signer.token(&signer.header("JWT"), &claims);
            ask(s, &thief.token(&thief.header("JWT"), &claims)).await.refused(401, "invalid_client");
            let late = laid_over(&claims, &json!({ "aud": "https://another.example" }));
            ask(s, &signer.token(&signer.header("JWT"), &late)).await.refused(401, "invalid_client");
            let mut inside = Inside::of(s).await;
            assert_eq!(inside.numbers("SELECT count(*) FROM used_assertion").await, [0]);
            ask(s, &genuine).await.ok();
            assert_eq!(inside.numbers("SELECT count(*) FROM used_assertion").await, [1]);
        });
    }

    #[test]
    fn what_nobody_would_accept_any_more_is_forgotten() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            ask(s, &s.assertion("job", &signer)).await.ok();
            let mut inside = Inside::of(s).await;
            for (after, left) in [(MINUTE, 1), (2 * MINUTE, 0)] {
                s.advance(after);
                s.op.store.sweep(&mut Default::default(), 100, DAY, s.now()).await.unwrap();
                assert_eq!(inside.numbers("SELECT count(*) FROM used_assertion").await, [left]);
            }
        });
    }

    #[test]
    fn a_database_that_cannot_say_is_503_and_the_client_may_try_again() {
        with_server(async |s| {
            let signer = signing(s, "default").await;
            let mut inside = Inside::of(s).await;
            ask(s, &s.assertion("job", &signer)).await.ok();
            let jwt = s.assertion("job", &signer);
            inside.run("ALTER TABLE used_assertion RENAME TO hidden").await;
            let answer = ask(s, &jwt).await;
            answer.refused(503, "temporarily_unavailable");
            assert!(answer.header("retry-after").is_some());
            inside.run("ALTER TABLE hidden RENAME TO used_assertion").await;
            ask(s, &jwt).await.ok();
        });
    }

    #[test]
    fn a_client_with_a_secret_costs_no_row() {
        with_server(async |s| {
            s.token("service", &[GRANT]).await.ok();
            let mut inside = Inside::of(s).await;
            assert_eq!(inside.numbers("SELECT count(*) FROM used_assertion").await, [0]);
        });
    }
}
