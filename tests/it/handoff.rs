//! Several root domains on one server: the handoff by a code that lives ten seconds, is redeemed once, and is of use to
//! the browser alone that asked for it (docs/sessions.md).

use signet_verify::feed::entry::Kind;

use super::*;
use crate::support::follower::Follower;
use crate::support::surfer::{MAIN, OTHER, OTHER_PAGE, PAGE, THIRD, THIRD_PAGE};

async fn families(s: &Server) -> usize {
    s.op.store.families_of(s.user_id(ALICE.0).await, s.now()).await.unwrap().len()
}

/// The refresh cookie that an answer sets.
fn set(response: &Response) -> Option<&str> {
    response.all("set-cookie").find(|cookie| cookie.contains("refresh-"))
}

/// A page that says what to do, and neither a cookie nor a way on.
#[track_caller]
fn refused(response: &Response) {
    assert_eq!(response.status, 400, "{}", response.text());
    assert!(response.text().contains("What you can do"), "{}", response.text());
    assert_eq!((response.header("set-cookie"), response.header("location")), (None, None));
}

/// The address with another value of one parameter.
fn with_param(url: &str, name: &str, value: &str) -> String {
    let redirect = Redirect::parse(url);
    let params: Vec<_> = redirect
        .params
        .iter()
        .map(|(known, old)| (known.as_str(), if known == name { value } else { old.as_str() }))
        .collect();
    format!("{}?{}", redirect.uri, encode(&params))
}

fn param(url: &str, name: &str) -> String {
    Redirect::parse(url).get(name).unwrap().to_owned()
}

/// A browser that is signed in at the issuer, with a code for the second host on its way.
async fn under_way(s: &Server) -> (Surfer<'_>, String) {
    let mut surfer = Surfer::signed_in(s).await;
    let callback = surfer.up_to_callback(OTHER, OTHER_PAGE).await;
    assert!(callback.starts_with("https://auth.other.example/session/callback?"), "{callback}");
    (surfer, callback)
}

mod signing_in_once {
    use super::*;

    #[test]
    fn opens_every_root_domain_and_one_logout_closes_them_all() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            for (host, page) in [(OTHER, OTHER_PAGE), (THIRD, THIRD_PAGE)] {
                // No page is shown: there would be somebody needed to fill it.
                assert_eq!(surfer.enter(host, page, &[("prompt", "none")]).await, page);
            }
            let sids: Vec<_> = {
                let mut sids = Vec::new();
                for page in [PAGE, OTHER_PAGE, THIRD_PAGE] {
                    sids.push(surfer.refresh(page).await.ok().json()["session"]["sid"].clone());
                }
                sids
            };
            assert!(sids.iter().all(|sid| sid == &sids[0]), "{sids:?}");
            let cookies = [MAIN, OTHER, THIRD].map(|host| surfer.refresh_cookie(host).unwrap().to_owned());
            assert!(cookies[0] != cookies[1] && cookies[1] != cookies[2]);
            let out = surfer.log_out("/session/logout", THIRD_PAGE).await;
            assert_eq!(out.ok().json(), json!({ "sessions": 1, "families": 3, "codes": 0 }));
            for page in [PAGE, OTHER_PAGE, THIRD_PAGE] {
                surfer.refresh(page).await.refused(401, "login_required");
            }
        });
    }

    #[test]
    fn carries_how_and_when_without_making_more_of_it() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let first = surfer.refresh(PAGE).await.ok().json()["session"].clone();
            s.advance(10 * MINUTE);
            surfer.enter(OTHER, OTHER_PAGE, &[("prompt", "none")]).await;
            let second = surfer.refresh(OTHER_PAGE).await.ok().json()["session"].clone();
            assert_eq!((&second["auth_time"], &second["amr"]), (&first["auth_time"], &first["amr"]));
        });
    }

    #[test]
    fn begins_at_any_host() {
        with_hosts(async |s| {
            let mut surfer = Surfer::new(s);
            assert_eq!(surfer.enter(THIRD, THIRD_PAGE, &[]).await, THIRD_PAGE);
            assert_eq!(surfer.enter(MAIN, PAGE, &[("prompt", "none")]).await, PAGE);
            surfer.refresh(PAGE).await.ok();
        });
    }
}

mod a_code {
    use super::*;

    #[test]
    fn of_nine_point_nine_seconds_is_good() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            s.advance(Duration::from_millis(9_900));
            assert_eq!(surfer.get(&callback).await.location(), OTHER_PAGE);
            surfer.refresh(OTHER_PAGE).await.ok();
        });
    }

    #[test]
    fn of_ten_point_one_begins_anew_without_a_page_then_with_one_and_then_no_more() {
        with_hosts(async |s| {
            let (mut surfer, mut callback) = under_way(s).await;
            let before = families(s).await;
            for prompt in ["none", "login"] {
                s.advance(Duration::from_millis(10_100));
                let again = surfer.get(&callback).await;
                assert_eq!(set(&again), None);
                let asked = Redirect::parse(again.location());
                assert_eq!((asked.uri.as_str(), asked.get("prompt")), ("https://auth.example.com/authorize", Some(prompt)));
                if prompt == "none" {
                    // In time now: the person has noticed nothing.
                    let mut quick = surfer.clone();
                    assert_eq!(quick.follow(again.location()).await, OTHER_PAGE);
                }
                callback = surfer.up_to_callback_from(again.location()).await;
            }
            s.advance(Duration::from_millis(10_100));
            refused(&surfer.get(&callback).await);
            assert_eq!(families(s).await, before + 1);
        });
    }

    #[test]
    fn that_was_asked_for_silently_never_leads_to_a_page() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let start = Surfer::start_url(OTHER, OTHER_PAGE, &[("prompt", "none")]);
            let mut callback = surfer.up_to_callback_from(&start).await;
            s.advance(11 * SECOND);
            let again = surfer.get(&callback).await.location().to_owned();
            callback = surfer.up_to_callback_from(&again).await;
            s.advance(11 * SECOND);
            assert_eq!(surfer.get(&callback).await.location(), format!("{OTHER_PAGE}&error=login_required"));
        });
    }

    #[test]
    fn whose_session_has_ended_since_gives_nothing() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            s.log_out_all(ALICE.0).await;
            let response = surfer.get(&callback).await;
            assert_eq!(set(&response), None);
            assert_eq!(families(s).await, 0);
        });
    }

    #[test]
    fn comes_back_after_a_long_sign_in_and_not_after_one_that_took_longer_than_that() {
        with_hosts(async |s| {
            for (minutes, good) in [(29, true), (33, false)] {
                let mut surfer = Surfer::new(s);
                let start = surfer.get(&Surfer::start_url(OTHER, OTHER_PAGE, &[])).await;
                let asked = start.location().to_owned();
                s.advance(minutes * MINUTE);
                let callback = surfer.up_to_callback_from(&asked).await;
                let response = surfer.get(&callback).await;
                assert_eq!(response.status, if good { 303 } else { 400 }, "{minutes} minutes");
            }
            let mut surfer = Surfer::signed_in(s).await;
            let start = surfer.get(&Surfer::start_url(OTHER, OTHER_PAGE, &[("prompt", "none")])).await;
            let asked = start.location().to_owned();
            s.advance(121 * SECOND);
            let callback = surfer.up_to_callback_from(&asked).await;
            refused(&surfer.get(&callback).await);
        });
    }
}

mod the_same_request_again {
    use super::*;

    #[test]
    fn by_the_same_browser_within_ten_seconds_gets_the_same_answer() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            let first = surfer.get(&callback).await;
            let before = families(s).await;
            s.advance(9 * SECOND);
            let again = surfer.get(&callback).await;
            assert_eq!((first.location(), again.location()), (OTHER_PAGE, OTHER_PAGE));
            let value = |response: &Response| set(response).unwrap().split(';').next().unwrap().to_owned();
            assert_eq!(value(&first), value(&again));
            assert_eq!(families(s).await, before);
            surfer.refresh(OTHER_PAGE).await.ok();
        });
    }

    #[test]
    fn sets_no_older_cookie_once_the_family_has_moved_on() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            surfer.get(&callback).await;
            surfer.refresh(OTHER_PAGE).await.ok();
            let moved = surfer.refresh_cookie(OTHER).unwrap().to_owned();
            let again = surfer.get(&callback).await;
            assert_eq!((again.location(), set(&again)), (OTHER_PAGE, None));
            assert_eq!(surfer.refresh_cookie(OTHER).unwrap(), moved);
        });
    }

    #[test]
    fn after_a_logout_brings_nothing_back() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            surfer.get(&callback).await;
            surfer.log_out("/session/logout", OTHER_PAGE).await.ok();
            assert_eq!(set(&surfer.get(&callback).await), None);
            surfer.refresh(OTHER_PAGE).await.refused(401, "login_required");
        });
    }

    #[test]
    fn by_the_same_browser_later_ends_what_it_gave_and_begins_anew() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            surfer.get(&callback).await;
            let held = surfer.clone();
            s.advance(Duration::from_millis(10_100));
            let late = surfer.get(&callback).await;
            assert_eq!(param(late.location(), "prompt"), "none");
            held.clone().refresh(OTHER_PAGE).await.refused(401, "login_required");
            assert_eq!(surfer.follow(late.location()).await, OTHER_PAGE);
            surfer.refresh(OTHER_PAGE).await.ok();
        });
    }

    #[test]
    fn from_another_browser_ends_the_family_and_feeds_the_revocation() {
        with_hosts(async |s| {
            for stranger_has_a_cookie in [false, true] {
                let mut follower = Follower::new(s);
                follower.news().await;
                let (mut surfer, callback) = under_way(s).await;
                surfer.get(&callback).await;
                let body = surfer.refresh(OTHER_PAGE).await.ok().json();
                let token = body["access_token"].as_str().unwrap();
                let mut stranger = Surfer::new(s);
                if stranger_has_a_cookie {
                    stranger.get(&Surfer::start_url(OTHER, OTHER_PAGE, &[])).await;
                }
                refused(&stranger.get(&callback).await);
                let family = claims(token)["rv"][1].as_str().unwrap().to_owned();
                assert_eq!(follower.news().await, [(Kind::Fam, family, None)]);
                assert_eq!(follower.judge(token).await, Some(Kind::Fam));
                assert!(s.events(ALICE.0).await.contains(&"code.replayed"));
                surfer.refresh(OTHER_PAGE).await.refused(401, "login_required");
                // Only that: the login session and the other applications live on.
                surfer.refresh(PAGE).await.ok();
                assert_eq!(surfer.enter(OTHER, OTHER_PAGE, &[("prompt", "none")]).await, OTHER_PAGE);
            }
        });
    }
}

mod a_redeemed_code {
    use super::*;

    /// What the audit log says of it.
    async fn replayed(s: &Server) -> Option<String> {
        let history = s.history(ALICE.0).await;
        let entry = history.into_iter().rfind(|entry| entry.event.as_str() == "code.replayed")?;
        entry.client.map(|client| client.as_str().to_owned())
    }

    #[test]
    fn that_another_browser_brings_to_another_of_our_hosts_ends_the_family_too() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            surfer.get(&callback).await;
            refused(&Surfer::new(s).get(&callback.replace(OTHER, THIRD)).await);
            surfer.refresh(OTHER_PAGE).await.refused(401, "login_required");
            assert_eq!(replayed(s).await.as_deref(), Some("cookie"));
        });
    }

    #[test]
    fn of_another_client_ends_what_that_client_got_and_names_it() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            surfer.get(&callback).await;
            let mut thief = Surfer::new(s);
            let board = [("client_id", "board"), ("return_to", "https://board.example.com/")];
            let started = thief.get(&format!("{OTHER}/session/start?{}", encode(&board))).await;
            let state = param(started.location(), "state");
            refused(&thief.get(&with_param(&callback, "state", &state)).await);
            surfer.refresh(OTHER_PAGE).await.refused(401, "login_required");
            assert_eq!(replayed(s).await.as_deref(), Some("cookie"));
        });
    }

    #[test]
    fn that_was_for_a_client_elsewhere_is_no_weapon_here() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let answer = surfer.get(&format!("{MAIN}{}", request("app").target())).await;
            let code = Redirect::parse(answer.location()).code();
            let tokens = Tokens::of(&s.redeem("app", &code).await);
            let callback = surfer.up_to_callback(OTHER, OTHER_PAGE).await;
            for browser in [&mut surfer, &mut Surfer::new(s)] {
                refused(&browser.get(&with_param(&callback, "code", &code)).await);
            }
            s.refresh("app", tokens.refresh()).await.ok();
            assert_eq!(replayed(s).await, None);
        });
    }
}

mod nobody_else {
    use super::*;

    #[test]
    fn can_use_a_code_that_was_caught_and_the_owner_still_can() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            let before = families(s).await;
            let mut stranger = Surfer::new(s);
            refused(&stranger.get(&callback).await);
            stranger.get(&Surfer::start_url(OTHER, OTHER_PAGE, &[])).await;
            refused(&stranger.get(&callback).await);
            // With a state of their own.
            let own = Surfer::signed_in(s).await;
            let mut own = own;
            let state = param(&own.up_to_callback(OTHER, OTHER_PAGE).await, "state");
            refused(&own.get(&with_param(&callback, "state", &state)).await);
            assert_eq!(families(s).await, before + 1, "the other browser's own sign-in");
            assert_eq!(surfer.get(&callback).await.location(), OTHER_PAGE);
        });
    }

    #[test]
    fn can_make_a_browser_take_a_sign_in_that_it_did_not_begin() {
        with_hosts(async |s| {
            // Login CSRF: the attacker's own code, sent to a victim with and without a sign-in under way.
            let (_, callback) = under_way(s).await;
            let mut victim = Surfer::new(s);
            refused(&victim.get(&callback).await);
            let start = victim.get(&Surfer::start_url(OTHER, OTHER_PAGE, &[])).await;
            refused(&victim.get(&callback).await);
            let state = param(start.location(), "state");
            refused(&victim.get(&with_param(&callback, "state", &state)).await);
            assert_eq!(victim.refresh_cookie(OTHER), None);
        });
    }

    #[test]
    fn swaps_states_between_two_sign_ins_of_one_browser() {
        with_hosts(async |s| {
            let (mut surfer, one) = under_way(s).await;
            let two = surfer.up_to_callback(OTHER, OTHER_PAGE).await;
            refused(&surfer.get(&with_param(&one, "state", &param(&two, "state"))).await);
            refused(&surfer.get(&with_param(&two, "state", &param(&one, "state"))).await);
            // Ten tabs may start at once: both work.
            assert_eq!(surfer.get(&one).await.location(), OTHER_PAGE);
            assert_eq!(surfer.get(&two).await.location(), OTHER_PAGE);
            surfer.refresh(OTHER_PAGE).await.ok();
        });
    }

    #[test]
    fn changes_a_parameter_or_brings_it_to_another_host() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            let state = param(&callback, "state");
            for forged in tampered(&state) {
                refused(&surfer.get(&with_param(&callback, "state", &forged)).await);
            }
            for issuer in ["", "https://auth.example.com/", "https://evil.example", OTHER] {
                refused(&surfer.get(&with_param(&callback, "iss", issuer)).await);
            }
            for code in tampered(&param(&callback, "code")) {
                refused(&surfer.get(&with_param(&callback, "code", &code)).await);
            }
            // The cookie of the right host, and the answer at the wrong one.
            let jar = surfer.jars[OTHER].clone();
            let mut moved = surfer.clone();
            moved.jars.insert(THIRD.to_owned(), jar);
            refused(&moved.get(&callback.replace(OTHER, THIRD)).await);
            for more in ["&error=access_denied", "&code=x", "&state=x"] {
                refused(&surfer.get(&format!("{callback}{more}")).await);
            }
            refused(&surfer.get(&format!("{OTHER}/session/callback")).await);
            assert_eq!(surfer.get(&callback).await.location(), OTHER_PAGE);
        });
    }

    #[test]
    fn reads_ahead_or_asks_in_another_way() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            for (name, value) in [
                ("Sec-Purpose", "prefetch"),
                ("Purpose", "prefetch"),
                ("Sec-Fetch-Mode", "no-cors"),
                ("Sec-Fetch-Dest", "iframe"),
            ] {
                let response = surfer.request("GET", &callback).header(name, value).send().await;
                assert_eq!((response.status, response.header("set-cookie")), (403, None), "{name}: {value}");
            }
            for method in ["HEAD", "POST"] {
                assert_eq!(surfer.request(method, &callback).send().await.status, 405, "{method}");
            }
            for host in ["evil.example", "127.0.0.1"] {
                refused(&surfer.request("GET", &callback).host(host).send().await);
            }
            assert_eq!(surfer.get(&callback).await.location(), OTHER_PAGE);
        });
    }

    #[test]
    fn is_told_more_than_the_code_of_an_error() {
        with_hosts(async |s| {
            let mut surfer = Surfer::new(s);
            let start = surfer.get(&Surfer::start_url(OTHER, OTHER_PAGE, &[("prompt", "none")])).await;
            let callback = surfer.get(start.location()).await.location().to_owned();
            assert_eq!(surfer.get(&callback).await.location(), format!("{OTHER_PAGE}&error=login_required"));
            let invented = with_param(&callback, "error", "<script>");
            assert_eq!(surfer.get(&invented).await.location(), format!("{OTHER_PAGE}&error=server_error"));
            // An error that is nobody's goes nowhere.
            refused(&Surfer::new(s).get(&callback).await);
        });
    }

    #[test]
    fn is_sent_to_a_page_that_is_no_longer_registered() {
        with_hosts(async |s| {
            let (mut surfer, callback) = under_way(s).await;
            s.patch_client("cookie", json!({ "return_uris": [PAGE] })).await;
            refused(&surfer.get(&callback).await);
            s.disable_client("cookie").await;
            refused(&surfer.get(&callback).await);
        });
    }
}

mod a_fault {
    use super::*;

    #[test]
    fn of_the_database_is_a_page_that_can_be_loaded_again() {
        with_hosts(async |s| {
            let (surfer, callback) = under_way(s).await;
            let node = s.node_with(&crate::support::server::three_hosts).await;
            let mut there = surfer.at(&node);
            // Knows its clients already.
            there.get(&Surfer::start_url(OTHER, OTHER_PAGE, &[])).await;
            node.op.store.close().await;
            let failed = there.get(&callback).await;
            assert_eq!(failed.status, 503, "{}", failed.text());
            assert_eq!((failed.header("set-cookie"), failed.header("location")), (None, None));
            assert!(header(&failed, "retry-after").parse::<u32>().unwrap() >= 1);
            for path in ["/refresh", "/session/logout", "/session/logout_all"] {
                let failed = there.page_post(path, PAGE).send().await;
                assert_eq!(failed.refused(503, "temporarily_unavailable").header("set-cookie"), None, "{path}");
                assert!(header(&failed, "retry-after").parse::<u32>().unwrap() >= 1, "{path}");
            }
            there.whois(PAGE).send().await.refused(503, "temporarily_unavailable");
            let mut surfer = surfer;
            assert_eq!(surfer.get(&callback).await.location(), OTHER_PAGE);
            surfer.refresh(PAGE).await.ok();
        });
    }
}
