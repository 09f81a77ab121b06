//! How many sessions a user may have at once, and what gives way (sessions.max_per_user, over_limit).

use signet::config::sessions::OverLimit;
use signet_verify::feed::entry::Kind;

use super::*;
use crate::support::follower::Follower;

fn limited(most: u32, over: OverLimit) -> impl Fn(&mut Config) {
    move |config| {
        config.sessions.max_per_user = most;
        config.sessions.over_limit = over;
        config.throttle.address_burst = 100_000;
    }
}

/// Signs alice in in a browser of its own.
async fn signed_in(s: &Server) -> Browser<'_> {
    let mut browser = Browser::new(s);
    browser.sign_in(&request("app"), ALICE).await.code();
    browser
}

/// Sends the sign-in form of a browser of its own.
async fn attempt<'a>(s: &'a Server, user: (&str, &str)) -> (Browser<'a>, Page, Response) {
    let mut browser = Browser::new(s);
    let page = browser.open(&request("app")).await;
    let response = browser.login(&page, user).await;
    (browser, page, response)
}

async fn live(s: &Server) -> usize {
    s.op.store.sessions_of(s.user_id(ALICE.0).await, s.now()).await.unwrap().len()
}

/// The browsers that have filled in the form, and what each would send.
async fn forms<'a>(nodes: &[&'a Server], count: usize) -> (Vec<Browser<'a>>, Vec<Request>) {
    let (mut browsers, mut requests) = (Vec::new(), Vec::new());
    for number in 0..count {
        let node = nodes[number % nodes.len()];
        let mut browser = Browser::new(node);
        let page = browser.open(&request("app")).await;
        let form = page.encoded(&[("username", ALICE.0), ("password", ALICE.1), ("action", "login")]);
        requests.push(browser.with_cookies(node.post(&page.path).raw_form(&form)));
        browsers.push(browser);
    }
    (browsers, requests)
}

/// How many of the browsers are signed in once they have the cookies of their answers.
async fn alive(browsers: &mut [Browser<'_>], answers: &[Response]) -> usize {
    let mut alive = 0;
    for (browser, answer) in browsers.iter_mut().zip(answers) {
        for cookie in answer.all("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            browser.cookies.insert(name.to_owned(), value.to_owned());
        }
        alive += usize::from(browser.is_signed_in().await);
    }
    alive
}

mod ending_the_oldest {
    use super::*;

    #[test]
    fn the_session_begun_first_gives_way_with_everything_below_it() {
        with_config(limited(2, OverLimit::EndOldest), async |s| {
            let mut follower = Follower::new(s);
            let mut first = Browser::new(s);
            let offline = s.tokens_of(&mut first, "app", "openid offline_access").await;
            let code = first.silently(&request("other")).await.code();
            s.advance(SECOND);
            let second = signed_in(s).await;
            assert_eq!(follower.news().await, []);
            s.advance(SECOND);
            let third = signed_in(s).await;
            assert!(!first.is_signed_in().await);
            assert!(second.is_signed_in().await && third.is_signed_in().await);
            s.refresh("app", offline.refresh()).await.refused(400, "invalid_grant");
            s.redeem("other", &code).await.refused(400, "invalid_grant");
            let sid = claims(&offline.access)["sid"].as_str().unwrap().to_owned();
            assert_eq!(follower.news().await, [(Kind::Sid, sid.clone(), None)]);
            assert_eq!(follower.judge(&offline.access).await, Some(Kind::Sid));
            let history = s.history(ALICE.0).await;
            let ended: Vec<_> = history.iter().filter(|one| one.event.as_str() == "session.ended").collect();
            assert_eq!(ended.len(), 1);
            assert_eq!(ended[0].cause.as_deref(), Some("session_limit"));
            assert_eq!(ended[0].session.unwrap().to_string(), sid);
            assert_eq!(ended[0].details.as_deref(), Some(r#"{"sessions":1,"families":1,"codes":1}"#));
        });
    }

    #[test]
    fn what_is_over_does_not_count() {
        with_config(limited(2, OverLimit::EndOldest), async |s| {
            let kept = signed_in(s).await;
            // Signed out, ended by an operator, idle: three that are no more.
            signed_in(s).await.log_out(false).await.location();
            let sid = claims(&s.tokens_of(&mut Browser::new(s), "app", "openid").await.access)["sid"].clone();
            s.end_session(sid.as_str().unwrap()).await;
            let idle = signed_in(s).await;
            s.advance(31 * MINUTE);
            assert!(kept.is_signed_in().await);
            s.advance(30 * MINUTE);
            assert!(!idle.is_signed_in().await);
            let newest = signed_in(s).await;
            assert!(kept.is_signed_in().await && newest.is_signed_in().await);
            // Bob's are his own.
            let (bob, _, response) = attempt(s, BOB).await;
            Redirect::parse(response.location()).code();
            assert!(bob.is_signed_in().await && kept.is_signed_in().await);
            // Nor does what another epoch has voided.
            s.log_out_all(ALICE.0).await;
            let (one, two) = (signed_in(s).await, signed_in(s).await);
            assert!(one.is_signed_in().await && two.is_signed_in().await);
        });
    }

    #[test]
    fn signing_in_again_in_the_same_browser_is_none_more() {
        with_config(limited(2, OverLimit::EndOldest), async |s| {
            let mut first = signed_in(s).await;
            let second = signed_in(s).await;
            for _ in 0..3 {
                let page = first.open(&request("app").with("prompt", "login")).await;
                Redirect::parse(first.login(&page, ALICE).await.location()).code();
            }
            assert!(first.is_signed_in().await && second.is_signed_in().await);
        });
    }

    #[test]
    fn one_at_a_time_is_the_newest() {
        with_config(limited(1, OverLimit::EndOldest), async |s| {
            let mut last = signed_in(s).await;
            // The clock stands still: all begin in the same millisecond.
            for _ in 0..5 {
                let newest = signed_in(s).await;
                assert!(newest.is_signed_in().await && !last.is_signed_in().await);
                last = newest;
            }
        });
    }

    #[test]
    fn a_limit_that_came_later_is_kept_from_the_next_sign_in_on() {
        with_server(async |s| {
            let (mut before, mut browsers) = (Vec::new(), Vec::new());
            for _ in 0..5 {
                before.push(signed_in(s).await);
                s.advance(SECOND);
            }
            let change = limited(3, OverLimit::EndOldest);
            let url = s.issuer().to_owned();
            let limited = s
                .node_with(&|config: &mut Config| {
                    change(config);
                    config.public_url.clone_from(&url);
                })
                .await;
            assert_eq!(live(s).await, 5);
            browsers.push(signed_in(&limited).await);
            assert_eq!(live(s).await, 3);
            let signed: Vec<_> = futures_util::future::join_all(before.iter().map(Browser::is_signed_in)).await;
            assert_eq!(signed, [false, false, false, true, true]);
            limited.stop().await;
        });
    }
}

mod refusing {
    use super::*;

    #[test]
    fn the_page_says_so_and_the_same_form_goes_through_once_there_is_room() {
        with_config(limited(2, OverLimit::Refuse), async |s| {
            let (mut one, two) = (signed_in(s).await, signed_in(s).await);
            s.advance(SECOND);
            let (mut third, page, response) = attempt(s, ALICE).await;
            assert_eq!((response.status, response.all("set-cookie").count()), (409, 0));
            let html = response.text();
            assert!(html.contains("2 browsers at once") && html.contains("Sign out in one of them"), "{html}");
            assert!(html.contains("id=\"login-form\"") && html.contains("value=\"alice\""), "{html}");
            assert!(!html.contains(ALICE.1));
            assert!(!third.is_signed_in().await);
            assert!(one.is_signed_in().await && two.is_signed_in().await);
            let failed = s.history(ALICE.0).await.pop().unwrap();
            assert_eq!(failed.event.as_str(), "login.failed");
            assert_eq!(failed.cause.as_deref(), Some("as many sessions as allowed"));
            let metrics = s.admin_get("/metrics").send().await.text();
            assert!(metrics.contains("signet_logins_total{result=\"over_limit\"} 1"), "{metrics}");
            one.log_out(false).await.location();
            Redirect::parse(third.login(&page, ALICE).await.location()).code();
            assert!(third.is_signed_in().await);
        });
    }

    #[test]
    fn a_right_password_costs_no_guess_and_a_wrong_one_learns_nothing() {
        with_config(limited(1, OverLimit::Refuse), async |s| {
            let first = signed_in(s).await;
            for _ in 0..40 {
                assert_eq!(attempt(s, ALICE).await.2.status, 409);
            }
            assert_eq!(attempt(s, (ALICE.0, "wrong")).await.2.status, 401);
            assert!(first.is_signed_in().await);
        });
    }

    #[test]
    fn whoever_is_refused_keeps_the_browser_as_it_was() {
        with_config(limited(1, OverLimit::Refuse), async |s| {
            signed_in(s).await;
            let (mut bob, _, response) = attempt(s, BOB).await;
            Redirect::parse(response.location()).code();
            let page = bob.open(&request("app").with("prompt", "login")).await;
            assert_eq!(bob.login(&page, ALICE).await.status, 409);
            assert!(bob.is_signed_in().await);
            assert!(!s.events(BOB.0).await.contains(&"session.ended"));
        });
    }

    #[test]
    fn signing_in_again_in_the_same_browser_is_not_refused() {
        with_config(limited(1, OverLimit::Refuse), async |s| {
            let mut only = signed_in(s).await;
            let page = only.open(&request("app").with("prompt", "login")).await;
            Redirect::parse(only.login(&page, ALICE).await.location()).code();
            assert!(only.is_signed_in().await);
        });
    }

    #[test]
    fn a_session_makes_room_at_the_instant_it_ends() {
        with_config(limited(1, OverLimit::Refuse), async |s| {
            signed_in(s).await;
            s.advance(HOUR - Duration::from_millis(1));
            assert_eq!(attempt(s, ALICE).await.2.status, 409);
            s.advance(Duration::from_millis(1));
            assert_eq!(attempt(s, ALICE).await.2.status, 303);
        });
    }
}

mod at_once {
    use super::*;

    async fn race(nodes: &[&Server], over: OverLimit) {
        const RACERS: usize = 20;
        for round in 0..effort(2, 20) {
            let (mut browsers, requests) = forms(nodes, RACERS).await;
            let answers = in_parallel(requests).await;
            let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
            let (begun, refused) = (with(303), with(409));
            if over == OverLimit::Refuse {
                assert_eq!((begun, refused), (3, RACERS - 3));
            } else {
                // A later one may have taken its place before its own answer: then it has no code, or no session.
                assert!(begun >= 3 && begun + refused + with(400) == RACERS, "{begun} {refused}");
                if round == 0 {
                    let events = nodes[0].events(ALICE.0).await;
                    let count = |name: &str| events.iter().filter(|event| **event == name).count();
                    assert_eq!((count("login.succeeded"), count("session.ended")), (RACERS, RACERS - 3));
                }
            }
            assert_eq!(live(nodes[0]).await, 3);
            assert_eq!(alive(&mut browsers, &answers).await, 3);
            nodes[0].log_out_all(ALICE.0).await;
        }
    }

    async fn race_on_two(s: &Server, over: OverLimit) {
        let url = s.issuer().to_owned();
        let change = limited(3, over);
        let second = s
            .node_with(&|config: &mut Config| {
                change(config);
                config.public_url.clone_from(&url);
            })
            .await;
        race(&[s, &second], over).await;
        second.stop().await;
    }

    #[test]
    fn twenty_sign_ins_with_three_allowed_leave_three() {
        with_config(limited(3, OverLimit::EndOldest), async |s| race(&[s], OverLimit::EndOldest).await);
    }

    #[test]
    fn twenty_sign_ins_with_three_allowed_are_three_where_the_rest_is_refused() {
        with_config(limited(3, OverLimit::Refuse), async |s| race(&[s], OverLimit::Refuse).await);
    }

    #[test]
    fn two_nodes_count_as_one() {
        with_config(limited(3, OverLimit::EndOldest), async |s| race_on_two(s, OverLimit::EndOldest).await);
    }

    #[test]
    fn two_nodes_refuse_as_one() {
        with_config(limited(3, OverLimit::Refuse), async |s| race_on_two(s, OverLimit::Refuse).await);
    }
}
