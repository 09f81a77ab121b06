//! Notices to relying parties (docs/logout.md): each is delivered once, however late, whoever is slow or gone meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{join, join_all};
use signet::fetch::Behalf;
use signet::flow::logout_notice;
use signet::server::background;
use signet::storage::SweepCursor;

use super::backchannel_logout::{PATH, notices, party, sid, signed_in, tell, token, told};
use super::outage::behind_proxy;
use super::*;
use crate::support::inside::Inside;
use crate::support::proxy::Road;

mod delivery {
    use super::*;

    /// Whoever hangs is waited for longer than a test waits for anything: what comes nevertheless has not waited for it.
    fn never_gives_up(config: &mut Config) {
        config.fetch.timeout_ms = 600_000;
    }

    #[test]
    fn begins_at_once_and_keeps_nobody_waiting() {
        with_config(never_gives_up, async |s| {
            let (quick, slow) = (party(s, "web").await, party(s, "app").await);
            slow.hang("/logout");
            let task = tokio::spawn(background::tell_relying_parties(Arc::clone(&s.op)));
            let (mut browser, _) = signed_in(s, "web").await;
            s.tokens_of(&mut browser, "app", "openid").await;
            browser.log_out(false).await.location();
            quick.wait_for(1).await;
            slow.wait_for(1).await;
            // The slow one still has it; everything else goes its way meanwhile, the next notices too.
            let (mut browser, tokens) = signed_in(s, "web").await;
            s.refresh("web", tokens.refresh()).await.ok();
            browser.log_out(false).await.location();
            quick.wait_for(2).await;
            task.abort();
        });
    }

    #[test]
    fn a_relying_party_that_hangs_takes_a_part_of_the_places() {
        let patient = |config: &mut Config| {
            never_gives_up(config);
            config.throttle.address_burst = 100_000;
        };
        with_config(patient, async |s| {
            let (quick, slow) = (party(s, "web").await, party(s, "app").await);
            slow.hang("/logout");
            for _ in 0..40 {
                signed_in(s, "app").await;
            }
            s.log_out_all(ALICE.0).await;
            let (mut browser, _) = signed_in(s, "web").await;
            s.advance(SECOND);
            browser.log_out(false).await.location();
            assert_eq!(notices(s).await.len(), 41);
            let task = tokio::spawn(background::tell_relying_parties(Arc::clone(&s.op)));
            slow.wait_for(8).await;
            quick.wait_for(1).await;
            // The rest waits in the database, where other nodes find it.
            let begun = notices(s).await.iter().filter(|notice| notice.attempts > 0).count();
            assert_eq!(begun, 8 + 1);
            task.abort();
        });
    }

    #[test]
    fn many_to_one_that_is_quick_do_not_wait_for_the_next_look() {
        let open = |config: &mut Config| config.throttle.address_burst = 100_000;
        with_config(open, async |s| {
            let quick = party(s, "web").await;
            for _ in 0..24 {
                signed_in(s, "web").await;
            }
            s.log_out_all(ALICE.0).await;
            let task = tokio::spawn(background::tell_relying_parties(Arc::clone(&s.op)));
            quick.wait_for(24).await;
            task.abort();
        });
    }

    #[test]
    fn an_attempt_that_asked_nobody_is_none() {
        with_server(async |s| {
            let party = party(s, "web").await;
            let address = party.url(PATH);
            drop(party);
            let (mut browser, _) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            // Five failures in a row: the host rests.
            for _ in 0..5 {
                assert!(s.op.fetch.post_form(&address, &[], &Behalf::Operator).await.is_err());
            }
            for _ in 0..3 {
                assert_eq!(tell(s).await, 1);
                let notice = &notices(s).await[0];
                assert_eq!((notice.state(), notice.attempts), ("pending", 0));
                assert_eq!(notice.result.as_deref(), Some("busy"));
                s.advance(2 * SECOND);
            }
        });
    }

    #[test]
    fn a_token_that_cannot_be_made_is_an_attempt_in_vain_and_not_claimed_for_ever() {
        with_server(async |s| {
            let party = party(s, "web").await;
            s.patch_client("web", json!({ "id_token_signed_response_alg": "ES256" })).await;
            let (mut browser, _) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            // As after a change of the configuration: no key signs with it any more.
            let change =
                "UPDATE clients SET metadata = replace(metadata, 'ES256', 'PS256') WHERE client_id = 'web'";
            Inside::of(s).await.run(change).await;
            let node = s.second_node().await;
            for pause in [0, 1, 5, 30] {
                node.advance(Duration::from_secs(pause));
                assert_eq!((tell(&node).await, tell(&node).await), (1, 0), "{pause}");
            }
            let notice = &notices(s).await[0];
            assert_eq!((notice.state(), notice.attempts), ("pending", 4));
            assert_eq!(notice.result.as_deref(), Some("no token could be made; the server's log says why"));
            node.advance(DAY);
            assert_eq!((tell(&node).await, notices(s).await[0].state()), (1, "failed"));
            node.advance(DAY);
            assert_eq!((tell(&node).await, party.requests().len()), (0, 0));
            node.stop().await;
        });
    }

    #[test]
    fn a_refusal_is_believed() {
        with_server(async |s| {
            let party = party(s, "web").await;
            for (index, status) in [400, 404, 501].into_iter().enumerate() {
                party.serve("/logout", status, "application/json", r#"{"error":"invalid_request"}"#);
                let (mut browser, _) = signed_in(s, "web").await;
                browser.log_out(false).await.location();
                assert_eq!(tell(s).await, 1);
                s.advance(DAY);
                assert_eq!(tell(s).await, 0);
                assert_eq!(party.requests().len(), index + 1);
                let notice = &notices(s).await[0];
                assert_eq!(
                    (notice.state(), notice.result.clone().unwrap()),
                    ("failed", format!("status {status}"))
                );
            }
        });
    }

    #[test]
    fn whatever_may_pass_is_tried_again_on_schedule_until_a_day_has_passed() {
        with_server(async |s| {
            let party = party(s, "web").await;
            party.serve("/logout", 503, "text/plain", "");
            let (mut browser, _) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            let mut attempts = 0;
            for pause in [0, 1, 5, 30, 120, 600, 3600, 3600] {
                if pause > 0 {
                    s.advance(Duration::from_secs(pause) - Duration::from_millis(1));
                    assert_eq!(tell(s).await, 0, "{pause}");
                    s.advance(Duration::from_millis(1));
                }
                assert_eq!(tell(s).await, 1, "{pause}");
                attempts += 1;
                let notice = &notices(s).await[0];
                assert_eq!((notice.state(), notice.attempts), ("pending", attempts));
                assert_eq!(notice.result.as_deref(), Some("status 503"));
            }
            // Each attempt has a token of its own.
            let tokens: BTreeSet<_> = party.requests().iter().map(token).collect();
            assert_eq!(tokens.len(), attempts as usize);
            s.advance(DAY);
            assert_eq!(tell(s).await, 1);
            assert_eq!(notices(s).await[0].state(), "failed");
            s.advance(DAY);
            assert_eq!(tell(s).await, 0);
            let metrics = s.admin_get("/metrics").send().await.text();
            assert!(metrics.contains("signet_logout_notices{result=\"retried\"} 8"), "{metrics}");
            assert!(metrics.contains("signet_logout_notices{result=\"given_up\"} 1"), "{metrics}");
        });
    }

    #[test]
    fn one_that_was_down_is_told_later_by_another_node_where_the_first_is_gone() {
        with_server(async |s| {
            let party = party(s, "web").await;
            let address = party.address;
            drop(party);
            let (mut browser, tokens) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            assert_eq!(tell(s).await, 1);
            assert_eq!(notices(s).await[0].result.as_deref(), Some("unreachable"));
            s.advance(SECOND);
            // This node takes it and is killed before it has told anybody.
            assert_eq!(logout_notice::claim(&s.op, 32, &[]).await.unwrap().len(), 1);
            let other = s.second_node().await;
            assert_eq!(tell(&other).await, 0);
            let up = Neighbour::start().await;
            up.serve("/logout", 204, "text/plain", "");
            assert_ne!(up.address, address);
            other.patch_client("web", json!({ "backchannel_logout_uri": up.url(PATH) })).await;
            s.advance(MINUTE);
            assert_eq!(tell(&other).await, 1);
            assert_eq!(claims(&token(&up.requests()[0]))["sid"], sid(&tokens).as_str());
            let notice = &notices(s).await[0];
            assert_eq!((notice.state(), notice.attempts), ("delivered", 3));
            other.stop().await;
        });
    }

    #[test]
    fn whoever_comes_late_with_an_answer_changes_nothing() {
        with_server(async |s| {
            let party = party(s, "web").await;
            let (mut browser, _) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            let late = logout_notice::claim(&s.op, 32, &[]).await.unwrap();
            s.advance(2 * MINUTE);
            assert_eq!(tell(s).await, 1);
            assert_eq!(notices(s).await[0].state(), "delivered");
            party.serve("/logout", 500, "text/plain", "");
            logout_notice::deliver(&s.op, &late[0]).await.unwrap();
            assert_eq!((notices(s).await[0].state(), tell(s).await), ("delivered", 0));
        });
    }

    #[test]
    fn sixteen_workers_of_two_nodes_tell_each_once() {
        let open = |config: &mut Config| config.throttle.address_burst = 100_000;
        with_config(open, async |s| {
            let party = party(s, "web").await;
            let other = s.second_node().await;
            for _ in 0..effort(2, 10) {
                party.forget();
                for _ in 0..12 {
                    signed_in(s, "web").await;
                }
                s.log_out_all(ALICE.0).await;
                let workers = (0..16).map(|number| {
                    let node = if number % 2 == 0 { s } else { &other };
                    tell(node)
                });
                assert_eq!(join_all(workers).await.into_iter().sum::<usize>(), 12);
                let mut times: BTreeMap<String, u32> = BTreeMap::new();
                for seen in party.requests() {
                    let session = claims(&token(&seen))["sid"].as_str().unwrap().to_owned();
                    *times.entry(session).or_default() += 1;
                }
                assert_eq!(times.len(), 12);
                assert!(times.values().all(|count| *count == 1), "{times:?}");
            }
            other.stop().await;
        });
    }

    #[test]
    fn an_outage_of_the_database_delays_it_and_loses_nothing() {
        with_server(async |s| {
            let Some((node, proxy)) = behind_proxy(s).await else { return };
            let party = party(s, "web").await;
            let (mut browser, _) = signed_in(s, "web").await;
            browser.log_out(false).await.location();
            let claimed = logout_notice::claim(&s.op, 32, &[]).await.unwrap();
            proxy.set(Road::Cut);
            node.advance(10 * SECOND);
            assert!(logout_notice::deliver(&node.op, &claimed[0]).await.is_err());
            assert!(logout_notice::claim(&node.op, 32, &[]).await.is_err());
            proxy.set(Road::Open);
            node.advance(MINUTE);
            assert_eq!(tell(s).await, 1);
            assert_eq!(party.requests().len(), 1);
            node.stop().await;
        });
    }

    #[test]
    fn an_end_that_is_rolled_back_tells_nobody() {
        with_server(async |s| {
            let _party = party(s, "web").await;
            let (browser, _) = signed_in(s, "web").await;
            let page = browser.clone().page("/logout").await;
            let mut inside = Inside::of(s).await;
            // The last statement of the transaction fails.
            inside.run("ALTER TABLE audit_event RENAME TO hidden").await;
            let response = browser.clone().submit(&page, &[("action", "logout")]).await;
            assert!(response.status >= 500, "{}", response.status);
            inside.run("ALTER TABLE hidden RENAME TO audit_event").await;
            assert_eq!(notices(s).await.len(), 0);
            assert!(browser.is_signed_in().await);
            browser.clone().submit(&page, &[("action", "logout")]).await.location();
            assert_eq!(notices(s).await.len(), 1);
        });
    }
}

mod races {
    use super::*;

    #[test]
    fn whoever_got_a_code_that_works_is_told() {
        with_server(async |s| {
            let _party = party(s, "app").await;
            for _ in 0..effort(3, 20) {
                let (browser, tokens) = signed_in(s, "web").await;
                let asked = browser.with_cookies(s.get(&request("app").target()));
                let session = sid(&tokens);
                let end = async { s.end_session(&session).await };
                let (answer, _) = join(asked.send(), end).await;
                // A session that has ended gives none: whoever got one got it before the end.
                let got = Redirect::parse(answer.location()).get("code").is_some();
                let told = told(s).await.contains(&("app".to_owned(), session.clone()));
                assert!(told || !got, "a code was given, and nobody is told");
            }
        });
    }

    #[test]
    fn many_ends_of_one_session_are_one_notice() {
        with_server(async |s| {
            let _party = party(s, "web").await;
            let (browser, _) = signed_in(s, "web").await;
            let page = browser.clone().page("/logout").await;
            let form = page.encoded(&[("action", "logout")]);
            let all: Vec<_> =
                (0..12).map(|_| browser.with_cookies(s.post("/logout").raw_form(&form))).collect();
            in_parallel(all).await;
            assert_eq!(notices(s).await.len(), 1);
        });
    }
}

mod the_report {
    use super::*;

    #[test]
    fn the_administration_api_says_who_was_told_page_by_page() {
        with_server(async |s| {
            let party = party(s, "web").await;
            let key = s.api_key().await;
            let (mut first, tokens) = signed_in(s, "web").await;
            first.log_out(false).await.location();
            tell(s).await;
            s.advance(SECOND);
            party.serve("/logout", 404, "text/plain", "");
            let (mut second, _) = signed_in(s, "web").await;
            second.log_out(false).await.location();
            tell(s).await;
            let read = async |query: &str| {
                let answer =
                    s.admin_get(&format!("/admin/v1/logout_notices{query}")).bearer(&key).send().await;
                answer.ok().json()
            };
            let all = read("").await;
            let states: Vec<_> =
                all["items"].as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap()).collect();
            assert_eq!(states, ["failed", "delivered"]);
            let page = read("?limit=1").await;
            let next = read(&format!("?limit=1&cursor={}", page["next_cursor"].as_str().unwrap())).await;
            assert_eq!((&page["items"][0], &next["items"][0]), (&all["items"][0], &all["items"][1]));
            let user = s.user_id(ALICE.0).await;
            for (query, count) in [
                (format!("?user_id={user}"), 2),
                (format!("?user_id={}", s.user_id(BOB.0).await), 0),
                (format!("?session_id={}", sid(&tokens)), 1),
                (format!("?session_id={}&user_id={user}&client_id=web", sid(&tokens)), 1),
                ("?client_id=app".to_owned(), 0),
            ] {
                assert_eq!(read(&query).await["items"].as_array().unwrap().len(), count, "{query}");
            }
            assert_eq!(s.admin_get("/admin/v1/logout_notices").send().await.status, 401);
            // Nothing that opens anything is in it.
            assert!(!all.to_string().contains("eyJ"));
        });
    }

    #[test]
    fn what_is_done_is_kept_for_a_week_and_the_clients_of_a_session_as_long_as_it() {
        with_server(async |s| {
            let _party = party(s, "web").await;
            let (mut browser, tokens) = signed_in(s, "web").await;
            let session = sid(&tokens).parse().unwrap();
            browser.log_out(false).await.location();
            tell(s).await;
            let sweep = async || {
                let mut cursor = SweepCursor::default();
                s.op.store.sweep(&mut cursor, 1000, 365 * DAY, s.now()).await.unwrap();
            };
            sweep().await;
            assert_eq!(s.op.store.clients_of_session(session).await.unwrap().len(), 1);
            s.advance(2 * HOUR);
            sweep().await;
            assert_eq!(s.op.store.clients_of_session(session).await.unwrap().len(), 0);
            assert_eq!(notices(s).await.len(), 1);
            s.advance(7 * DAY);
            sweep().await;
            assert_eq!(notices(s).await.len(), 0);
        });
    }
}
