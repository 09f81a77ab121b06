//! How long a login session lives, to the millisecond, and what the password given again does to that (S-078).

use super::*;

const SESSION: &str = "signet_session";

mod the_password_again {
    use super::*;

    async fn again(browser: &mut Browser<'_>, remember: bool) -> Response {
        let page = browser.open(&request("app").with("prompt", "login")).await;
        let mut fields = vec![("username", ALICE.0), ("password", ALICE.1), ("action", "login")];
        if remember {
            fields.push(("remember", "1"));
        }
        let response = browser.submit(&page, &fields).await;
        Redirect::parse(response.location()).code();
        response
    }

    fn age(response: &Response) -> Option<&str> {
        let cookie = response.all("set-cookie").find(|one| one.starts_with(SESSION)).unwrap();
        cookie.split("Max-Age=").nth(1)
    }

    /// Keeps the browser in use for so long, in steps within the idle time.
    async fn used_for(s: &Server, browser: &Browser<'_>, span: Duration, step: Duration) {
        let end = s.now().plus(span);
        while s.now().plus(step) < end {
            s.advance(step);
            assert!(browser.is_signed_in().await);
        }
        s.advance(end.since(s.now()));
    }

    #[test]
    fn it_begins_the_absolute_life_anew() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            used_for(s, &browser, 20 * HOUR, 50 * MINUTE).await;
            assert_eq!(age(&again(&mut browser, false).await), None);
            used_for(s, &browser, DAY - Duration::from_millis(1), 50 * MINUTE).await;
            assert!(browser.is_signed_in().await, "one millisecond before its end");
            s.advance(Duration::from_millis(1));
            assert!(!browser.is_signed_in().await, "at its end");
        });
    }

    #[test]
    fn it_may_make_an_ordinary_session_a_remembered_one() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            s.advance(30 * MINUTE);
            assert_eq!(age(&again(&mut browser, true).await), Some("2592000"));
            s.advance(14 * DAY - Duration::from_millis(1));
            assert!(browser.is_signed_in().await);
            used_for(s, &browser, 16 * DAY, 5 * DAY).await;
            assert!(browser.is_signed_in().await, "the last millisecond");
            s.advance(Duration::from_millis(1));
            assert!(!browser.is_signed_in().await);
        });
    }

    #[test]
    fn a_remembered_session_stays_one_and_lives_anew() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            again(&mut browser, true).await;
            used_for(s, &browser, 25 * DAY, 5 * DAY).await;
            assert_eq!(age(&again(&mut browser, false).await), Some("2592000"));
            used_for(s, &browser, 30 * DAY - Duration::from_millis(1), 5 * DAY).await;
            assert!(browser.is_signed_in().await);
            s.advance(Duration::from_millis(1));
            assert!(!browser.is_signed_in().await);
        });
    }

    #[test]
    fn where_remembering_has_been_switched_off_the_password_ends_it() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            again(&mut browser, true).await;
            let url = s.issuer().to_owned();
            let change = |config: &mut Config| {
                config.public_url.clone_from(&url);
                config.sessions.remember_me = false;
            };
            let node = s.node_with(&change).await;
            let mut there = browser.at(&node);
            assert_eq!(age(&again(&mut there, true).await), None);
            s.advance(HOUR);
            assert!(!there.is_signed_in().await);
            node.stop().await;
        });
    }

    #[test]
    fn unseen_for_an_hour_is_over_at_that_instant() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            s.advance(HOUR - Duration::from_millis(1));
            assert!(browser.is_signed_in().await);
            s.advance(HOUR - Duration::from_millis(1));
            assert!(browser.is_signed_in().await);
            s.advance(HOUR);
            assert!(!browser.is_signed_in().await);
        });
    }

    #[test]
    fn the_shortest_idle_time_does_not_end_what_is_in_use() {
        with_config(
            |config| config.sessions.idle_minutes = 1,
            async |s| {
                let mut browser = Browser::new(s);
                browser.sign_in(&request("app"), ALICE).await.code();
                for _ in 0..10 {
                    s.advance(20 * SECOND);
                    assert!(browser.is_signed_in().await);
                }
                s.advance(MINUTE);
                assert!(!browser.is_signed_in().await);
            },
        );
    }
}

mod of_a_web_session {
    use super::*;
    use crate::support::web_application::{WIKI, behind_a_proxy};

    /// Whether the proxy lets this browser through.
    async fn is_in(s: &Server, browser: &Browser<'_>) -> bool {
        match s.visit(browser, &[]).await.status {
            200 => true,
            401 => false,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_shortest_idle_time_does_not_end_what_is_in_use() {
        let short = |config: &mut Config| {
            behind_a_proxy(config);
            config.sessions.idle_minutes = 1;
        };
        with_config(short, async |s| {
            s.create_wiki().await;
            let mut browser = Browser::new(s);
            browser.enter("wiki", WIKI, ALICE).await;
            for _ in 0..10 {
                s.advance(20 * SECOND);
                assert!(is_in(s, &browser).await);
            }
            s.advance(MINUTE);
            assert!(!is_in(s, &browser).await);
        });
    }

    #[test]
    fn the_password_given_again_begins_its_time_anew_with_the_login_sessions() {
        with_config(behind_a_proxy, async |s| {
            s.create_wiki().await;
            let browser = &mut Browser::new(s);
            browser.enter("wiki", WIKI, ALICE).await;
            let used_for = async |browser: &Browser<'_>, half_hours: u32| {
                for _ in 0..half_hours {
                    s.advance(30 * MINUTE);
                    assert!(is_in(s, browser).await);
                }
            };
            used_for(browser, 40).await;
            let page = browser.open(&request("app").with("prompt", "login")).await;
            Redirect::parse(browser.login(&page, ALICE).await.location()).code();
            used_for(browser, 20).await;
            // What has outlived the time it began with is not swept.
            let mut cursor = signet::storage::SweepCursor::default();
            s.op.store.sweep(&mut cursor, 100, 30 * DAY, s.now()).await.unwrap();
            used_for(browser, 27).await;
            s.advance(30 * MINUTE);
            assert!(!is_in(s, browser).await);
        });
    }
}
