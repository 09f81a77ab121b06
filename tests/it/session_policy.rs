//! Sessions that come back from elsewhere (sessions.on_new_browser, on_new_network), and where they are said to be.

use signet::config::Cidr;
use signet::model::audit::AuditEntry;
use signet::model::session::LoginSession;
use signet::config::sessions::Change;
use signet_verify::feed::entry::Kind;

use super::*;
use crate::support::follower::Follower;

const SESSION: &str = "signet_session";
const LINUX: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36";
const LINUX_LATER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/143.0.0.0 Safari/537.36";
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0";
const HOME: &str = "203.0.113.9";
const HOME_TOO: &str = "203.0.113.200";
const ABROAD: &str = "198.51.100.7";

/// What follows another browser, and what another network; the tests are a trusted proxy.
fn bound(browser: Change, network: Change) -> impl Fn(&mut Config) {
    move |config| {
        config.sessions.on_new_browser = browser;
        config.sessions.on_new_network = network;
        config.http.trusted_proxies = vec![Cidr { address: [127, 0, 0, 1].into(), prefix: 8 }];
        config.http.place_header = "CF-IPCity".to_owned();
    }
}

/// The same cookies from another browser at another address.
fn from<'a>(browser: &Browser<'a>, user_agent: &str, address: &str) -> Browser<'a> {
    browser.sending(&[("User-Agent", user_agent), ("X-Forwarded-For", address)])
}

async fn at_home(s: &Server) -> Browser<'_> {
    let mut browser = from(&Browser::new(s), LINUX, HOME);
    browser.sign_in(&request("app"), ALICE).await.code();
    browser
}

/// Every note that a session has moved, oldest first: its cause, from where and to where.
async fn moves(s: &Server) -> Vec<(String, String, String)> {
    let history = s.history(ALICE.0).await;
    let moved = history.iter().filter(|entry| entry.event.as_str() == "session.moved");
    moved
        .map(|entry| {
            assert_eq!(entry.actor, "system");
            assert!(entry.session.is_some());
            let details: Value = serde_json::from_str(entry.details.as_deref().unwrap()).unwrap();
            let text = |name: &str| details[name].as_str().unwrap().to_owned();
            (entry.cause.clone().unwrap(), text("from"), text("to"))
        })
        .collect()
}

async fn last_ended(s: &Server) -> AuditEntry {
    let history = s.history(ALICE.0).await;
    history.into_iter().rfind(|entry| entry.event.as_str() == "session.ended").unwrap()
}

async fn sessions(s: &Server) -> Vec<LoginSession> {
    s.op.store.sessions_of(s.user_id(ALICE.0).await, s.now()).await.unwrap()
}

/// Requests that ask who is signed in, with this browser's cookies.
fn asking(browser: &Browser<'_>, count: usize) -> Vec<Request> {
    let target = request("app").with("prompt", "none").target();
    vec![browser.with_cookies(browser.server.get(&target)); count]
}

/// How many of the answers found a signed-in user; the others say `login_required`.
fn signed_in(answers: &[Response]) -> usize {
    let codes = answers.iter().filter(|answer| {
        let answer = Redirect::parse(answer.location());
        assert!(matches!(answer.get("error"), None | Some("login_required")), "{answer:?}");
        answer.get("code").is_some()
    });
    codes.count()
}

mod ignoring {
    use super::*;

    #[test]
    fn nothing_follows_and_the_session_stays_where_it_began() {
        with_config(bound(Change::Ignore, Change::Ignore), async |s| {
            let browser = at_home(s).await;
            assert!(from(&browser, WINDOWS, ABROAD).is_signed_in().await);
            assert_eq!(moves(s).await, []);
            assert_eq!(sessions(s).await[0].address.as_deref(), Some(HOME));
        });
    }
}

mod noting {
    use super::*;

    #[test]
    fn a_change_is_noted_once_and_the_session_goes_on_there() {
        with_config(bound(Change::Note, Change::Note), async |s| {
            let browser = at_home(s).await;
            for same in [(LINUX, HOME_TOO), (LINUX_LATER, HOME), (LINUX, HOME)] {
                assert!(from(&browser, same.0, same.1).is_signed_in().await);
            }
            assert_eq!(moves(s).await, []);
            let elsewhere = from(&browser, WINDOWS, ABROAD);
            for _ in 0..3 {
                assert!(elsewhere.is_signed_in().await);
            }
            let (here, there) = ("Chrome on Linux, 203.0.113.9", "Firefox on Windows, 198.51.100.7");
            let there_now = ("another browser and another network".to_owned(), here.to_owned(), there.to_owned());
            assert_eq!(moves(s).await, [there_now]);
            let moved = &sessions(s).await[0];
            assert_eq!((moved.address.as_deref(), moved.user_agent.as_deref()), (Some(ABROAD), Some(WINDOWS)));
            // Back again is another change.
            s.advance(10 * MINUTE);
            assert!(browser.is_signed_in().await);
            assert_eq!(moves(s).await.len(), 2);
            let entry = s.history(ALICE.0).await.pop().unwrap();
            assert_eq!((entry.origin.address.as_deref(), entry.outcome), (Some(HOME), "success"));
        });
    }

    #[test]
    fn a_cookie_that_goes_to_and_fro_is_noted_once_in_ten_minutes() {
        with_config(bound(Change::Note, Change::Note), async |s| {
            let here = at_home(s).await;
            let there = from(&here, WINDOWS, ABROAD);
            for _ in 0..3 {
                assert!(there.is_signed_in().await && here.is_signed_in().await);
            }
            assert_eq!(moves(s).await.len(), 1);
            assert_eq!(sessions(s).await[0].address.as_deref(), Some(ABROAD));
            s.advance(10 * MINUTE - Duration::from_millis(1));
            assert!(here.is_signed_in().await);
            assert_eq!(moves(s).await.len(), 1);
            s.advance(Duration::from_millis(1));
            assert!(here.is_signed_in().await && there.is_signed_in().await);
            assert_eq!(moves(s).await.len(), 2);
            assert_eq!(sessions(s).await[0].address.as_deref(), Some(HOME));
        });
    }

    #[test]
    fn one_kind_of_change_is_noted_without_the_other() {
        with_config(bound(Change::Note, Change::Ignore), async |s| {
            let browser = at_home(s).await;
            assert!(from(&browser, LINUX, ABROAD).is_signed_in().await);
            assert_eq!(moves(s).await, []);
            assert!(from(&browser, WINDOWS, HOME).is_signed_in().await);
            assert_eq!(moves(s).await[0].0, "another browser");
        });
        with_config(bound(Change::Ignore, Change::Note), async |s| {
            let browser = at_home(s).await;
            assert!(from(&browser, WINDOWS, HOME).is_signed_in().await);
            assert_eq!(moves(s).await, []);
            assert!(from(&browser, LINUX, ABROAD).is_signed_in().await);
            assert_eq!(moves(s).await[0].0, "another network");
        });
    }

    #[test]
    fn a_browser_that_says_nothing_of_itself_is_another() {
        with_config(bound(Change::Note, Change::Note), async |s| {
            let browser = at_home(s).await;
            let silent = browser.sending(&[("X-Forwarded-For", HOME)]);
            assert!(silent.is_signed_in().await && silent.is_signed_in().await);
            assert_eq!(moves(s).await.len(), 1);
            assert_eq!(moves(s).await[0].2, "a browser on a device, 203.0.113.9");
        });
    }

    #[test]
    fn every_page_that_reads_the_session_notes_it() {
        with_config(bound(Change::Note, Change::Note), async |s| {
            let mut browser = at_home(s).await;
            let consent = browser.authorize(&request("spa")).await.location().to_owned();
            assert!(consent.starts_with("/consent"));
            for (number, path) in ["/logout", &consent].into_iter().enumerate() {
                let address = format!("198.51.{number}.7");
                s.advance(10 * MINUTE);
                from(&browser, LINUX, &address).get(path).await.ok();
                assert_eq!(moves(s).await.len(), number + 1, "{path}");
            }
        });
    }

    #[test]
    fn many_requests_from_the_new_place_at_once_are_one_note() {
        with_config(bound(Change::Note, Change::Note), async |s| {
            for round in 0..effort(2, 20) {
                let browser = at_home(s).await;
                let elsewhere = from(&browser, WINDOWS, ABROAD);
                let answers = in_parallel(asking(&elsewhere, 20)).await;
                assert_eq!(signed_in(&answers), 20);
                assert_eq!(moves(s).await.len(), round as usize + 1);
            }
        });
    }
}

mod asking_for_the_password {
    use super::*;

    fn ask(config: &mut Config) {
        bound(Change::Reauthenticate, Change::Note)(config);
    }

    #[test]
    fn the_copy_is_not_signed_in_and_the_owner_goes_on() {
        with_config(ask, async |s| {
            let owner = at_home(s).await;
            let copy = from(&owner, WINDOWS, HOME);
            for _ in 0..3 {
                assert!(!copy.is_signed_in().await);
                assert!(owner.is_signed_in().await);
            }
            assert_eq!(moves(s).await.len(), 1);
            assert!(from(&owner, LINUX, ABROAD).is_signed_in().await, "another network is only noted");
        });
    }

    #[test]
    fn the_password_takes_the_session_to_the_new_browser_under_a_new_cookie() {
        with_config(ask, async |s| {
            let mut owner = at_home(s).await;
            let tokens = s.tokens_of(&mut owner, "app", "openid").await;
            let mut moved = from(&owner, WINDOWS, HOME);
            let page = moved.open(&request("app")).await;
            assert!(page.html.contains("Confirm that it is you"), "{}", page.html);
            let before = moved.cookies[SESSION].clone();
            let code = Redirect::parse(moved.login(&page, ALICE).await.location()).code();
            let again = Tokens::of(&s.redeem("app", &code).await);
            // The same session: what hangs on it goes on.
            assert_eq!(claims(&again.access)["sid"], claims(&tokens.access)["sid"]);
            s.refresh("app", tokens.refresh()).await.ok();
            assert_ne!(moved.cookies[SESSION], before);
            assert!(moved.is_signed_in().await);
            assert!(!owner.is_signed_in().await, "the old cookie is dead");
            assert!(!from(&moved, LINUX, HOME).is_signed_in().await, "it is the other browser that is new now");
            assert_eq!(sessions(s).await[0].user_agent.as_deref(), Some(WINDOWS));
        });
    }

    #[test]
    fn a_code_page_and_consent_are_out_of_reach_until_then() {
        with_config(ask, async |s| {
            let mut owner = at_home(s).await;
            let consent = owner.open(&request("spa")).await;
            let path = format!("/consent?interaction={}", consent.field("interaction"));
            let mut copy = from(&owner, WINDOWS, HOME);
            assert!(copy.get(&path).await.location().starts_with("/login"));
            let answer = copy.submit(&consent, &[("action", "approve")]).await;
            assert!(answer.location().starts_with("/login"), "{answer:?}");
            owner.submit(&consent, &[("action", "approve")]).await.location();
        });
    }

    #[test]
    fn what_has_not_been_confirmed_may_end_itself_and_nothing_more() {
        with_config(ask, async |s| {
            let owner = at_home(s).await;
            let mut other = from(&Browser::new(s), LINUX, HOME);
            other.sign_in(&request("app"), ALICE).await.code();
            let mut copy = from(&owner, WINDOWS, HOME);
            let page = copy.page("/logout").await;
            assert!(!page.html.contains("alice") && !page.html.contains("everywhere"), "{}", page.html);
            let response = copy.submit(&page, &[("action", "logout"), ("everywhere", "1")]).await;
            assert_eq!(response.location(), "/logged-out");
            assert!(!owner.is_signed_in().await);
            assert!(other.is_signed_in().await, "signing out everywhere is for the confirmed");
        });
    }

    #[test]
    fn asking_is_no_sign_of_life() {
        with_config(ask, async |s| {
            let owner = at_home(s).await;
            let copy = from(&owner, WINDOWS, HOME);
            for _ in 0..3 {
                s.advance(20 * MINUTE);
                assert!(!copy.is_signed_in().await);
            }
            assert!(!owner.is_signed_in().await, "an hour unseen");
        });
    }

    #[test]
    fn two_browsers_with_one_cookie_at_once_are_one_note() {
        with_config(ask, async |s| {
            for round in 0..effort(2, 20) {
                let owner = at_home(s).await;
                let copy = from(&owner, WINDOWS, HOME);
                let (mut racers, mut others) = (asking(&owner, 10), asking(&copy, 10));
                let (answers, copied) =
                    tokio::join!(in_parallel(std::mem::take(&mut racers)), in_parallel(std::mem::take(&mut others)));
                assert_eq!((signed_in(&answers), signed_in(&copied)), (10, 0));
                assert_eq!(moves(s).await.len(), round as usize + 1);
            }
        });
    }

    #[test]
    fn two_copies_are_two_notes_ten_minutes_apart() {
        with_config(bound(Change::Reauthenticate, Change::Reauthenticate), async |s| {
            let owner = at_home(s).await;
            for _ in 0..2 {
                assert!(!from(&owner, WINDOWS, HOME).is_signed_in().await);
            }
            assert!(!from(&owner, WINDOWS, ABROAD).is_signed_in().await);
            assert_eq!(moves(s).await.len(), 1);
            s.advance(10 * MINUTE);
            for _ in 0..2 {
                assert!(!from(&owner, WINDOWS, ABROAD).is_signed_in().await);
                assert!(!from(&owner, WINDOWS, HOME).is_signed_in().await);
            }
            assert_eq!(moves(s).await.len(), 2);
            assert!(owner.is_signed_in().await);
        });
    }
}

mod ending {
    use super::*;

    #[test]
    fn the_session_ends_with_everything_below_it_and_the_feed_says_so() {
        with_config(bound(Change::Note, Change::End), async |s| {
            let mut follower = Follower::new(s);
            let mut browser = from(&Browser::new(s), LINUX, HOME);
            let tokens = s.tokens_of(&mut browser, "app", "openid offline_access").await;
            let mut copy = from(&browser, LINUX, ABROAD);
            assert!(!copy.is_signed_in().await);
            assert!(!browser.is_signed_in().await);
            s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
            let sid = claims(&tokens.access)["sid"].as_str().unwrap().to_owned();
            assert_eq!(follower.news().await, [(Kind::Sid, sid, None)]);
            assert_eq!(follower.judge(&tokens.access).await, Some(Kind::Sid));
            assert_eq!(moves(s).await.len(), 1);
            let ended = last_ended(s).await;
            assert_eq!((ended.cause.as_deref(), ended.actor.as_str()), (Some("session_moved"), "system"));
            assert_eq!(ended.details.as_deref(), Some(r#"{"sessions":1,"families":1,"codes":0}"#));
            // The honest user comes back with one sign-in.
            copy.sign_in(&request("app"), ALICE).await.code();
            assert!(copy.is_signed_in().await);
        });
    }

    #[test]
    fn many_requests_at_once_end_it_once() {
        with_config(bound(Change::End, Change::Note), async |s| {
            for round in 1..=effort(2, 20) as usize {
                let copy = from(&at_home(s).await, WINDOWS, HOME);
                assert_eq!(signed_in(&in_parallel(asking(&copy, 20)).await), 0);
                let events = s.events(ALICE.0).await;
                let count = |name: &str| events.iter().filter(|event| **event == name).count();
                assert_eq!((count("session.moved"), count("session.ended")), (round, round));
            }
        });
    }

    #[test]
    fn the_stricter_answer_wins_where_both_have_changed() {
        for (browser, network) in [(Change::Note, Change::End), (Change::End, Change::Ignore)] {
            with_config(bound(browser, network), async |s| {
                let here = at_home(s).await;
                assert!(!from(&here, WINDOWS, ABROAD).is_signed_in().await);
                assert!(!here.is_signed_in().await);
            });
        }
        with_config(bound(Change::Reauthenticate, Change::Note), async |s| {
            let here = at_home(s).await;
            assert!(!from(&here, WINDOWS, ABROAD).is_signed_in().await);
            assert!(here.is_signed_in().await);
        });
    }
}

mod place {
    use super::*;

    #[test]
    fn a_trusted_proxy_says_where_a_browser_is() {
        with_config(bound(Change::Note, Change::Note), async |s| {
            let browser = Browser::new(s).sending(&[("X-Forwarded-For", HOME), ("CF-IPCity", "M%C3%BCnchen")]);
            let mut browser = from_with_agent(&browser);
            browser.sign_in(&request("app"), ALICE).await.code();
            let key = s.api_key().await;
            let id = s.user_id(ALICE.0).await;
            let shown = s.admin_get(&format!("/admin/v1/users/{id}/sessions")).bearer(&key).send().await;
            let shown = shown.ok().json();
            assert_eq!(shown["sessions"][0]["place"], "M\u{fc}nchen");
            // It moves with the session.
            let abroad = browser.sending(&[
                ("User-Agent", LINUX),
                ("X-Forwarded-For", ABROAD),
                ("CF-IPCity", "Lyon"),
            ]);
            assert!(abroad.is_signed_in().await);
            assert_eq!(sessions(s).await[0].place.as_deref(), Some("Lyon"));
        });
    }

    fn from_with_agent<'a>(browser: &Browser<'a>) -> Browser<'a> {
        let mut browser = browser.clone();
        browser.headers.push(("User-Agent", LINUX.to_owned()));
        browser
    }

    #[test]
    fn nobody_else_does() {
        with_config(
            |config| config.http.place_header = "CF-IPCity".to_owned(),
            async |s| {
                let mut browser = Browser::new(s).sending(&[("CF-IPCity", "Atlantis")]);
                browser.sign_in(&request("app"), ALICE).await.code();
                assert_eq!(sessions(s).await[0].place, None);
            },
        );
        with_config(
            |config| {
                bound(Change::Note, Change::Note)(config);
                config.http.place_header = String::new();
            },
            async |s| {
                let mut browser = Browser::new(s).sending(&[("CF-IPCity", "Atlantis")]);
                browser.sign_in(&request("app"), ALICE).await.code();
                assert_eq!(sessions(s).await[0].place, None);
            },
        );
    }
}
