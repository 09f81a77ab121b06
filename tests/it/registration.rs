//! Clients that register themselves, beyond the RFCs: what bounds them, and how they go again (docs/registration.md).

use std::sync::Arc;

use signet::server::background::{self, Cleanup};

use super::*;
use crate::support::inside::Inside;
use crate::support::registrar::{Registered, asking, by_token, metadata, open};

mod admission {
    use super::*;

    #[test]
    fn changes_count_as_registrations_of_their_address() {
        let few = |config: &mut Config| {
            open(config);
            config.registration.address_burst = 4;
            config.registration.address_period_seconds = 60;
        };
        with_config(few, async |s| {
            let client = s.register(&metadata(json!({}))).await;
            let ask = |method: &str, token: &str| {
                s.configuring(method, &client.id, token).json(&metadata(json!({ "client_name": "Shop" })))
            };
            for _ in 0..3 {
                ask("PUT", &client.token).send().await.ok();
            }
            let mut requests = vec![ask("PUT", &client.token), ask("DELETE", &client.token)];
            requests.push(s.registering(&metadata(json!({}))));
            for request in requests {
                let answer = request.send().await;
                answer.refused(429, "temporarily_unavailable");
                assert_eq!(header(&answer, "retry-after"), "60");
            }
            // What costs nothing is not counted, and a guess at a token is told nothing.
            ask("GET", &client.token).send().await.ok();
            ask("PUT", "srg_guess").send().await.refused(401, "invalid_token");
            s.advance(60 * SECOND);
            assert_eq!(ask("DELETE", &client.token).send().await.status, 204);
            s.registering(&metadata(json!({}))).send().await.refused(429, "temporarily_unavailable");
        });
    }

    #[test]
    fn a_token_is_looked_at_only_where_one_is_needed() {
        let malformed = async |s: &Server, mode: u16| {
            let asked = s.registering(&metadata(json!({})));
            for value in ["Bearer", "Bearer a b", "Bearer \u{1f511}", "Basic YTpi", "x"] {
                let answer = asked.clone().header("Authorization", value).send().await;
                if mode == 201 {
                    Registered::of(&answer);
                } else {
                    answer.refused(mode, "access_denied");
                }
            }
        };
        with_config(open, async |s| malformed(s, 201).await);
        with_server(async |s| {
            malformed(s, 403).await;
            let request = s.request("GET", "/register/app").header("Authorization", "Bearer");
            request.send().await.refused(403, "access_denied");
        });
        with_config(by_token, async |s| {
            let good = s.initial_access_token(1).await;
            let asked = s.registering(&metadata(json!({})));
            asked.clone().header("Authorization", "Bearer").send().await.refused(400, "invalid_request");
            let twice = asked.clone().bearer(&good).bearer(&good);
            twice.send().await.refused(400, "invalid_request");
            Registered::of(&asked.bearer(&good).send().await);
        });
    }

    #[test]
    fn guesses_at_initial_access_tokens_have_a_limit_for_each_address() {
        with_config(by_token, async |s| {
            let guess = s.registering(&metadata(json!({}))).bearer("sia_guess");
            for _ in 0..100 {
                guess.send().await.refused(401, "invalid_token");
            }
            guess.send().await.refused(429, "temporarily_unavailable");
            s.advance(31 * SECOND);
            let good = s.initial_access_token(1).await;
            assert_eq!(s.registering(&metadata(json!({}))).bearer(&good).send().await.status, 201);
        });
    }
}

mod descriptions {
    use super::*;

    #[test]
    fn quote_little_of_what_is_long_and_say_what_to_do() {
        with_config(open, async |s| {
            let long = format!("https://app.example.com/{}", "x".repeat(60_000));
            let fix = "Use at most 2048 bytes.";
            for (more, fix) in [
                (json!({ "redirect_uris": [long] }), fix),
                (json!({ "post_logout_redirect_uris": [long] }), fix),
                (json!({ "logo_uri": long }), fix),
                (json!({ "request_uris": [long] }), fix),
                (json!({ "application_type": long }), "cannot be read"),
            ] {
                let answer = s.registering(&metadata(more.clone())).send().await;
                assert_eq!(answer.status, 400);
                let told = answer.json()["error_description"].as_str().unwrap().to_owned();
                assert!(told.len() <= 300 && told.contains(fix), "{told}");
                let answer = s.administering("POST", "/clients").await.json(&metadata(more)).send().await;
                assert!((400..500).contains(&answer.status) && answer.body.len() < 2000, "{}", answer.text());
                assert!(answer.text().contains(fix), "{}", answer.text());
            }
            let unknown = json!({ long: 1 });
            let answer = s.administering("POST", "/clients").await.json(&unknown).send().await;
            assert!((400..500).contains(&answer.status) && answer.body.len() < 2000, "{}", answer.text());
        });
    }
}

mod audiences {
    use super::*;

    #[test]
    fn are_those_that_are_open_to_such_clients() {
        with_config(open, async |s| {
            const OPEN: &str = "https://open.example.com";
            s.create_api(OPEN, json!({ "dynamic": true })).await;
            let asked = json!({ "audience": [AUDIENCE, s.issuer(), OPEN, "urn:example:unknown"] });
            let client = s.register(&metadata(asked)).await;
            assert_eq!(client.body["audience"], json!([OPEN]));
        });
    }
}

mod pairwise_subjects {
    use super::*;

    #[test]
    fn are_told_to_nobody_but_their_sector() {
        with_config(open, async |s| {
            let with = |logout: &str, subjects: &str| {
                metadata(json!({ "subject_type": subjects, "backchannel_logout_uri": logout }))
            };
            let (home, away) = ("https://app.example.com/out", "https://evil.example.com/out");
            let answer = s.registering(&with(away, "pairwise")).send().await;
            answer.refused(400, "invalid_client_metadata");
            assert!(answer.text().contains("backchannel_logout_uri"), "{}", answer.text());
            let client = s.register(&with(home, "pairwise")).await;
            let put = s.configuring("PUT", &client.id, &client.token).json(&with(away, "pairwise"));
            put.send().await.refused(400, "invalid_client_metadata");
            s.register(&with(away, "public")).await;
            let neighbour = Neighbour::start().await;
            neighbour.serve("/sector.json", 200, "application/json", json!([CALLBACK]).to_string());
            let mut named = with(away, "pairwise");
            named["sector_identifier_uri"] = json!(neighbour.url("/sector.json"));
            s.register(&named).await;
        });
    }
}

mod cleanup {
    use super::*;

    #[test]
    fn knows_a_client_in_use_before_its_refresh_tokens_go() {
        with_config(open, async |s| {
            let grants = json!({ "grant_types": ["authorization_code", "refresh_token"] });
            let used = s.register(&metadata(grants)).await;
            s.sign_in_at(&used, asking(&used.id, "openid offline_access")).await;
            s.advance(500 * DAY);
            let cleanup = Cleanup { interval: HOUR, batch: 100, audit_retention: 1000 * DAY };
            let sweeping = tokio::spawn(background::sweep(Arc::clone(&s.op), cleanup));
            let mut inside = Inside::of(s).await;
            let families = "SELECT CAST(count(*) AS BIGINT) FROM refresh_family";
            let swept = async {
                while inside.numbers(families).await != [0] {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), swept).await.unwrap();
            sweeping.abort();
            s.op.store.sweep_clients(DAY, 100, s.now()).await.unwrap();
            assert!(s.has_client(&used.id).await);
        });
    }

    #[test]
    fn is_in_the_audit_log() {
        with_config(open, async |s| {
            let unused = s.register(&metadata(json!({}))).await;
            s.advance(2 * DAY);
            s.op.store.sweep_clients(DAY, 100, s.now()).await.unwrap();
            let path = format!("/audit?client_id={}&event=client.deleted", unused.id);
            let found = s.administering("GET", &path).await.send().await.ok().json();
            assert_eq!(found["items"][0]["actor"], "system");
        });
    }
}
