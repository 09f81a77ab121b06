//! Cookie mode: `/session/start`, `/session/callback`, `/refresh`, `/session`, `/session/logout` (docs/sessions.md).

use super::*;
use crate::support::surfer::{CLIENT, MAIN, OTHER, OTHER_PAGE, PAGE, attributes, cookie, gated};

mod the_whole_way {
    use super::*;

    #[test]
    fn start_callback_refresh_who_logout() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let first = surfer.refresh_cookie(MAIN).unwrap().to_owned();
            let refreshed = surfer.refresh(PAGE).await;
            let body = refreshed.ok().json();
            assert_eq!(body["token_type"], "Bearer");
            assert_ne!(surfer.refresh_cookie(MAIN).unwrap(), first);
            assert!(s.is_active(body["access_token"].as_str().unwrap()).await);
            let who = surfer.whois(PAGE).send().await;
            assert_eq!(who.ok().json()["session"]["sub"], body["session"]["sub"]);
            let out = surfer.log_out("/session/logout", PAGE).await;
            assert_eq!(out.ok().json(), json!({ "sessions": 1, "families": 1, "codes": 0 }));
            assert_eq!(surfer.refresh_cookie(MAIN), None);
            assert!(!s.is_active(body["access_token"].as_str().unwrap()).await);
            surfer.refresh(PAGE).await.refused(401, "login_required");
        });
    }

    #[test]
    fn no_refresh_token_is_in_a_body_or_an_address_and_the_callback_signs_nothing() {
        with_hosts(async |s| {
            let mut surfer = Surfer::new(s);
            let callback = surfer.up_to_callback(MAIN, PAGE).await;
            let mut answers = vec![surfer.get(&callback).await, surfer.get(&callback).await];
            assert_eq!(answers[0].location(), PAGE);
            answers.push(surfer.refresh(PAGE).await);
            answers.push(surfer.whois(PAGE).send().await);
            answers.push(surfer.log_out("/session/logout", PAGE).await);
            for answer in &answers {
                assert!(!answer.text().contains("srt_"), "{answer:?}");
                let others = answer.headers.iter().filter(|(name, _)| name != "set-cookie");
                assert!(others.into_iter().all(|(_, value)| !value.contains("srt_")), "{answer:?}");
            }
            assert!(answers[0].body.is_empty() && answers[1].body.is_empty());
        });
    }

    #[test]
    fn at_the_token_endpoint_such_a_client_gets_nothing() {
        with_hosts(async |s| {
            let surfer = Surfer::signed_in(s).await;
            let token = surfer.refresh_cookie(MAIN).unwrap();
            s.refresh(CLIENT, token).await.refused(400, "unauthorized_client");
            let asked = request(CLIENT).with("redirect_uri", &format!("{MAIN}/session/callback"));
            let code = Browser::new(s).sign_in(&asked, ALICE).await.code();
            s.redeem(CLIENT, &code).await.refused(400, "unauthorized_client");
            // Nothing was used up.
            surfer.clone().refresh(PAGE).await.ok();
        });
    }

    #[test]
    fn on_plain_http_the_names_lose_their_prefix_and_nothing_else() {
        with_server(async |s| {
            let page = format!("{}/page", s.origin());
            s.create_client(
                "local",
                json!({
                    "token_endpoint_auth_method": "none",
                    "client_class": "cookie",
                    "redirect_uris": [format!("{}/session/callback", s.origin())],
                    "return_uris": [page],
                    "scope": "openid read",
                    "audience": [AUDIENCE],
                    "first_party": true,
                }),
            )
            .await;
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await;
            let local = |location: &str| location.strip_prefix(s.origin()).unwrap().to_owned();
            let start = browser.get(&format!("/session/start?{}", encode(&[("client_id", "local"), ("return_to", &page)]))).await;
            assert!(cookie(&start, "signet_transaction-").contains("SameSite=Lax"));
            assert!(!cookie(&start, "signet_transaction-").contains("Secure"));
            let callback = browser.get(&local(start.location())).await;
            let landed = browser.get(&local(callback.location())).await;
            assert_eq!(landed.location(), page);
            let set = cookie(&landed, "refresh-");
            assert_eq!(attributes(set), ["HttpOnly", "Path=/", "SameSite=Strict"]);
            let refresh = browser.with_cookies(s.post("/refresh"));
            gated(refresh, s.origin(), "{\"client_id\":\"local\"}").send().await.ok();
        });
    }
}

mod refresh {
    use super::*;

    #[test]
    fn the_answer_and_its_cookie() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let signed_in_at = s.now().seconds();
            s.advance(HOUR);
            let response = surfer.refresh(PAGE).await;
            let body = response.ok().json();
            let mut names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["access_token", "expires_in", "scope", "session", "token_type"]);
            let token = claims(body["access_token"].as_str().unwrap());
            let session = &body["session"];
            for name in ["sub", "sid", "acr", "amr", "auth_time"] {
                assert_eq!(session[name], token[name], "{name}");
            }
            assert_eq!(session["auth_time"], signed_in_at);
            assert_eq!(session.as_object().unwrap().len(), 5);
            assert_eq!(header(&response, "cache-control"), "no-store");
            let set = cookie(&response, "__Host-Http-refresh-");
            assert_eq!(attributes(set), ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"], "not remembered");
            assert!(set.len() <= 4096);
            let tag = set.strip_prefix("__Host-Http-refresh-").unwrap().split('=').next().unwrap();
            assert_eq!(tag, &challenge(CLIENT)[..8]);
        });
    }

    #[test]
    fn narrows_scope_and_audience_and_never_widens_them() {
        with_hosts(async |s| {
            let mut surfer = Surfer::new(s);
            surfer.enter(MAIN, PAGE, &[("scope", "openid read")]).await;
            let first = surfer.refresh_cookie(MAIN).unwrap().to_owned();
            let ask = |surfer: &Surfer<'_>, more: &str| {
                let body = format!("{{\"client_id\":\"cookie\",{more}}}");
                gated(surfer.request("POST", &format!("{MAIN}/refresh")), "https://app.example.com", &body)
            };
            for (more, error) in [
                ("\"scope\":\"write\"", "invalid_scope"),
                ("\"scope\":\"\\u0001\"", "invalid_scope"),
                ("\"resource\":\"https://elsewhere.example\"", "invalid_target"),
            ] {
                let response = ask(&surfer, more).send().await;
                assert_eq!(response.refused(400, error).header("set-cookie"), None);
            }
            let narrow = ask(&surfer, "\"scope\":\"read\"").send().await;
            assert_eq!(narrow.ok().json()["scope"], "read");
            // The refusals had used nothing up: the first cookie was still the current one.
            assert!(!cookie(&narrow, "__Host-Http-refresh-").contains(&first));
            surfer.keep(MAIN, &narrow);
            assert_eq!(surfer.refresh(PAGE).await.ok().json()["scope"], "openid read");
        });
    }

    #[test]
    fn a_lost_reply_gets_the_same_cookie_again() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let first = surfer.refresh_cookie(MAIN).unwrap().to_owned();
            surfer.refresh(PAGE).await.ok();
            let second = surfer.refresh_cookie(MAIN).unwrap().to_owned();
            // The page was left before the answer came.
            surfer.set_refresh_cookie(MAIN, &first);
            s.advance(20 * SECOND);
            surfer.refresh(PAGE).await.ok();
            assert_eq!(surfer.refresh_cookie(MAIN).unwrap(), second);
            // Hours later it is a fresh one, and nobody is accused.
            surfer.set_refresh_cookie(MAIN, &first);
            s.advance(3 * HOUR);
            surfer.refresh(PAGE).await.ok();
            assert!(![first, second].contains(&surfer.refresh_cookie(MAIN).unwrap().to_owned()));
            assert!(!s.events(ALICE.0).await.contains(&"refresh.theft"));
        });
    }

    #[test]
    fn a_stolen_cookie_is_found_out_and_ends_everything() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let mut thief = surfer.clone();
            for _ in 0..2 {
                s.advance(2 * MINUTE);
                surfer.refresh(PAGE).await.ok();
            }
            let caught = thief.refresh(PAGE).await;
            caught.refused(401, "login_required");
            assert!(cookie(&caught, "__Host-Http-refresh-").contains("Max-Age=0"));
            surfer.refresh(PAGE).await.refused(401, "login_required");
            assert!(s.events(ALICE.0).await.contains(&"refresh.theft"));
        });
    }

    #[test]
    fn a_definitive_failure_clears_the_cookie_and_one_that_was_not_sent_is_left_alone() {
        with_hosts(async |s| {
            let surfer = Surfer::signed_in(s).await;
            let none = Surfer::new(s).refresh(PAGE).await;
            assert_eq!(none.refused(401, "login_required").header("set-cookie"), None);
            for garbage in ["x", "srt_x", &"A".repeat(76), "sac_AAAAAAAAAAAAAAAAAAAA"] {
                let mut forged = surfer.clone();
                forged.set_refresh_cookie(MAIN, garbage);
                let response = forged.refresh(PAGE).await;
                let cleared = cookie(response.refused(401, "login_required"), "__Host-Http-refresh-");
                assert_eq!(attributes(cleared), ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Strict", "Secure"]);
            }
            s.advance(8 * DAY);
            let idle = surfer.clone().refresh(PAGE).await;
            assert!(cookie(idle.refused(401, "login_required"), "__Host-Http-refresh-").contains("Max-Age=0"));
        });
    }

    #[test]
    fn a_cookie_that_comes_twice_is_refused_and_changes_nothing() {
        with_hosts(async |s| {
            let surfer = Surfer::signed_in(s).await;
            let (name, value) =
                surfer.jars[MAIN].iter().find(|(name, _)| name.contains("refresh-")).map(|(n, v)| (n.clone(), v.clone())).unwrap();
            for path in ["/refresh", "/session/logout", "/session/logout_all"] {
                let twice = surfer.page_post(path, PAGE).header("Cookie", &format!("{name}={value}")).send().await;
                assert_eq!(twice.refused(400, "invalid_request").header("set-cookie"), None, "{path}");
            }
            let twice = surfer.whois(PAGE).header("Cookie", &format!("{name}=x")).send().await;
            twice.refused(400, "invalid_request");
            surfer.clone().refresh(PAGE).await.ok();
        });
    }

    #[test]
    fn another_clients_family_under_this_clients_name_rotates_nothing() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let own = surfer.refresh_cookie(MAIN).unwrap().to_owned();
            let board = format!("{MAIN}/session/start?{}", encode(&[("client_id", "board"), ("return_to", "https://board.example.com/")]));
            assert_eq!(surfer.follow(&board).await, "https://board.example.com/");
            // Two applications at one host keep their cookies apart.
            let jar: Vec<_> = surfer.jars[MAIN].iter().filter(|(name, _)| name.contains("refresh-")).collect();
            assert_eq!(jar.len(), 2);
            let foreign = jar.iter().find(|(_, value)| **value != own).unwrap().1.clone();
            let mut mixed = surfer.clone();
            mixed.jars.get_mut(MAIN).unwrap().values_mut().for_each(|value| {
                if *value == own {
                    value.clone_from(&foreign);
                }
            });
            for path in ["/refresh", "/session/logout_all"] {
                mixed.page_post(path, PAGE).send().await.refused(401, "login_required");
            }
            let out = mixed.page_post("/session/logout", PAGE).send().await;
            assert_eq!(out.ok().json(), json!({ "sessions": 0, "families": 0, "codes": 0 }));
            mixed.whois(PAGE).send().await.refused(401, "login_required");
            let families = s.op.store.families_of(s.user_id(ALICE.0).await, s.now()).await.unwrap();
            assert_eq!(families.len(), 2);
            assert!(families.iter().all(|family| family.last_used_at <= family.created_at));
            surfer.refresh(PAGE).await.ok();
        });
    }

    #[test]
    fn whatever_ends_the_session_ends_the_cookie() {
        with_hosts(async |s| {
            for cause in 0..3 {
                let mut surfer = Surfer::signed_in(s).await;
                let body = surfer.refresh(PAGE).await.ok().json();
                match cause {
                    0 => drop(s.log_out_all(ALICE.0).await),
                    1 => drop(s.end_session(body["session"]["sid"].as_str().unwrap()).await),
                    _ => s.set_password(ALICE.0, "another walk along the river", None).await,
                }
                surfer.refresh(PAGE).await.refused(401, "login_required");
                assert_eq!(surfer.refresh_cookie(MAIN), None, "{cause}");
                assert!(!s.is_active(body["access_token"].as_str().unwrap()).await);
            }
        });
    }

    #[test]
    fn an_id_token_comes_where_the_client_is_registered_for_one() {
        with_hosts(async |s| {
            s.patch_client(CLIENT, json!({ "id_token_on_refresh": true })).await;
            let mut surfer = Surfer::signed_in(s).await;
            let body = surfer.refresh(PAGE).await.ok().json();
            assert_eq!(claims(body["id_token"].as_str().unwrap())["aud"], CLIENT);
        });
    }
}

mod who {
    use super::*;

    #[test]
    fn is_answered_without_touching_anything() {
        with_hosts(async |s| {
            let mut surfer = Surfer::new(s);
            surfer.enter(MAIN, PAGE, &[("scope", "openid profile")]).await;
            for _ in 0..3 {
                s.advance(2 * MINUTE);
                let response = surfer.whois(PAGE).send().await;
                let session = &response.ok().json()["session"];
                assert_eq!(session["username"], "alice");
                assert_eq!(session["name"], "Alice Anna Example");
                assert!(session["sid"].is_string() && session["auth_time"].is_number());
                assert_eq!(response.header("set-cookie"), None);
                assert_eq!(header(&response, "cache-control"), "no-store");
            }
            let first = surfer.refresh_cookie(MAIN).unwrap().to_owned();
            surfer.refresh(PAGE).await.ok();
            assert_ne!(surfer.refresh_cookie(MAIN).unwrap(), first);
        });
    }

    #[test]
    fn tells_no_names_that_were_not_granted_and_nobody_where_there_is_nobody() {
        with_hosts(async |s| {
            let mut surfer = Surfer::new(s);
            let nobody = surfer.whois(PAGE).send().await;
            assert_eq!(nobody.refused(401, "login_required").header("set-cookie"), None);
            surfer.enter(MAIN, PAGE, &[("scope", "openid read")]).await;
            let session = surfer.whois(PAGE).send().await.ok().json()["session"].clone();
            assert_eq!((session.get("username"), session.get("name")), (None, None));
            s.log_out_all(ALICE.0).await;
            let over = surfer.whois(PAGE).send().await;
            assert_eq!(over.refused(401, "login_required").header("set-cookie"), None);
        });
    }
}

mod logout {
    use super::*;
    use crate::support::follower::Follower;
    use signet_verify::feed::entry::Kind;

    #[test]
    fn ends_the_session_at_every_host_and_in_every_application_and_is_idempotent() {
        with_hosts(async |s| {
            let mut follower = Follower::new(s);
            let mut surfer = Surfer::signed_in(s).await;
            surfer.enter(OTHER, OTHER_PAGE, &[("prompt", "none")]).await;
            let sid = surfer.refresh(PAGE).await.ok().json()["session"]["sid"].as_str().unwrap().to_owned();
            let before = surfer.clone();
            let out = surfer.log_out("/session/logout", OTHER_PAGE).await;
            assert_eq!(out.ok().json(), json!({ "sessions": 1, "families": 2, "codes": 0 }));
            assert_eq!(surfer.refresh_cookie(OTHER), None);
            assert!(out.header("revocation-batch").is_none_or(|n| n.parse::<u64>().is_ok()));
            assert_eq!(follower.news().await, [(Kind::Sid, sid, None)]);
            surfer.refresh(PAGE).await.refused(401, "login_required");
            assert!(!surfer.enter(MAIN, PAGE, &[("prompt", "none")]).await.ends_with(PAGE));
            // Again, with the dead cookie, and with none.
            for mut again in [before, Surfer::new(s)] {
                let out = again.log_out("/session/logout", OTHER_PAGE).await;
                assert_eq!(out.ok().json(), json!({ "sessions": 0, "families": 0, "codes": 0 }));
            }
            assert_eq!(follower.news().await, []);
        });
    }

    #[test]
    fn ends_a_cookies_family_whatever_was_granted() {
        with_hosts(async |s| {
            let mut surfer = Surfer::new(s);
            surfer.enter(MAIN, PAGE, &[("scope", "openid offline_access")]).await;
            let kept = surfer.clone();
            let out = surfer.log_out("/session/logout", PAGE).await;
            assert_eq!(out.ok().json()["families"], 1);
            kept.clone().refresh(PAGE).await.refused(401, "login_required");
        });
    }

    #[test]
    fn of_all_devices_needs_a_live_session() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let mut elsewhere = Surfer::signed_in(s).await;
            let nobody = Surfer::new(s).log_out("/session/logout_all", PAGE).await;
            assert_eq!(nobody.refused(401, "login_required").header("set-cookie"), None);
            let before = surfer.clone();
            let out = surfer.log_out("/session/logout_all", PAGE).await;
            let body = out.ok().json();
            assert_eq!((&body["sessions"], &body["families"]), (&json!(2), &json!(2)));
            assert!(body["tokens_accepted_until"].is_number() || body["tokens_accepted_until"].is_string());
            assert_eq!(surfer.refresh_cookie(MAIN), None);
            elsewhere.refresh(PAGE).await.refused(401, "login_required");
            let again = before.clone().log_out("/session/logout_all", PAGE).await;
            assert!(cookie(again.refused(401, "login_required"), "__Host-Http-refresh-").contains("Max-Age=0"));
        });
    }
}
