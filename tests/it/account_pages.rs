//! What the account's lists show: devices, apps, activity; in plain words, with nothing of anybody else's, page by page,
//! and with every text from outside as text.

use signet::model::audit::{Event, Origin};

use super::account::signed_in;
use super::*;

const CORPUS: [&str; 4] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onfocus='alert(1)",
    "</title><svg onload=alert(1)>",
];
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";

/// Signs in with a `User-Agent`.
async fn signed_in_as<'s>(s: &'s Server, agent: &str) -> Browser<'s> {
    let mut browser = Browser::new(s).sending(&[("User-Agent", agent)]);
    let page = browser.open(&request("app")).await;
    let body = page.encoded(&[("username", ALICE.0), ("password", ALICE.1), ("action", "login")]);
    browser.send(s.post("/login").raw_form(&body)).await.location();
    browser
}

async fn text(browser: &mut Browser<'_>, path: &str) -> String {
    browser.get(path).await.ok().text()
}

mod devices {
    use super::*;

    #[test]
    fn each_is_named_with_place_times_and_apps_and_this_one_is_marked_and_first() {
        with_server(async |s| {
            let mut there = signed_in_as(s, FIREFOX).await;
            s.advance(10 * MINUTE);
            let tokens = s.tokens_of(&mut there, "other", "openid").await;
            let mut here = signed_in(s, ALICE).await;
            let mut sql = crate::support::inside::Inside::of(s).await;
            sql.run("UPDATE login_session SET place = 'Lisbon, Portugal' WHERE user_agent LIKE '%Firefox%'").await;
            s.advance(5 * MINUTE);
            s.refresh("other", tokens.refresh()).await.ok();
            let html = text(&mut here, "/account/sessions").await;
            let (first, second) = html.split_once("id=\"session-2\"").unwrap();
            assert!(first.contains("id=\"session-current\"") && !second.contains("id=\"session-current\""));
            assert!(first.contains("127.0.0.1"), "{first}");
            for text in ["Firefox on Linux", "Lisbon, Portugal", "Another app of ours", "1 January 2026, 01:00 UTC"] {
                assert!(second.contains(text), "{text} in {second}");
            }
            // The newest of session and refreshes.
            assert!(second.contains("1 January 2026, 01:15 UTC"), "{second}");
            assert!(!second.contains("id=\"session-3\""));
        });
    }

    #[test]
    fn what_has_ended_or_expired_is_not_listed() {
        with_server(async |s| {
            let mut gone = signed_in(s, ALICE).await;
            gone.log_out(false).await.location();
            let idle = signed_in(s, BOB).await;
            signed_in(s, ALICE).await;
            s.advance(2 * HOUR);
            let mut here = signed_in(s, ALICE).await;
            assert!(!text(&mut here, "/account/sessions").await.contains("id=\"session-2\""));
            assert!(!idle.is_signed_in().await);
        });
    }

    #[test]
    fn no_more_than_two_hundred_are_shown_and_the_page_says_so() {
        with_server(async |s| {
            let mut here = signed_in(s, ALICE).await;
            let user = s.user_id(ALICE.0).await;
            let mut sql = crate::support::inside::Inside::of(s).await;
            let (now, later) = (s.now().millis() - 1, s.now().plus(DAY).millis());
            let (numbers, id, hash, owner) = match s.backend {
                Backend::Postgres => (
                    "generate_series(1, 230) AS g(n)",
                    "md5('s' || n)::uuid",
                    "decode(md5('c' || n), 'hex')",
                    format!("'{user}'"),
                ),
                Backend::Sqlite => (
                    "(WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 230) SELECT n FROM g)",
                    "randomblob(16)",
                    "randomblob(32)",
                    format!("x'{}'", user.0.simple()),
                ),
            };
            sql.run(&format!(
                "INSERT INTO login_session (id, cookie_hash, user_id, epoch, created_at, auth_time, last_seen_at,
                    idle_millis, expires_at, remember, amr)
                 SELECT {id}, {hash}, u.id, u.epoch, {now}, {now}, {now}, 3600000, {later}, FALSE, '[]'
                 FROM {numbers}, users u WHERE u.id = {owner}"
            ))
            .await;
            let html = text(&mut here, "/account/sessions").await;
            assert!(html.contains("id=\"session-200\"") && !html.contains("id=\"session-201\""));
            assert!(html.contains("Only the 200 most recently seen"));
        });
    }
}

mod apps {
    use super::*;

    #[test]
    fn each_says_what_it_may_since_when_and_when_it_was_last_used() {
        with_server(async |s| {
            let mut here = Browser::new(s);
            let tokens = s.tokens_of(&mut here, "spa", "openid email offline_access").await;
            s.advance(7 * MINUTE);
            s.refresh("spa", tokens.refresh()).await.ok();
            let html = text(&mut here, "/account/applications").await;
            for text in [
                "A single-page app",
                "See your e-mail address",
                "Stay connected when you are not there",
                "1 January 2026, 01:00 UTC",
                "1 January 2026, 01:07 UTC",
            ] {
                assert!(html.contains(text), "{text} in {html}");
            }
            assert!(!html.contains(">part of this service<"));
        });
    }

    #[test]
    fn a_consent_without_tokens_is_listed_too() {
        with_server(async |s| {
            let mut here = Browser::new(s);
            here.sign_in(&request("spa"), ALICE).await.code();
            let html = text(&mut here, "/account/applications").await;
            assert!(html.contains("A single-page app") && html.contains("not connected now"));
        });
    }

    #[test]
    fn nobody_sees_anothers() {
        with_server(async |s| {
            s.tokens("spa").await;
            let mut bob = signed_in(s, BOB).await;
            assert!(text(&mut bob, "/account/applications").await.contains("id=\"applications-none\""));
            assert!(!text(&mut bob, "/account/activity").await.contains("A single-page app"));
        });
    }
}

mod activity {
    use super::*;

    #[test]
    fn it_tells_what_happened_in_plain_words_and_marks_what_matters() {
        with_server(async |s| {
            let mut here = signed_in(s, ALICE).await;
            let mut other = Browser::new(s);
            let page = other.open(&request("app")).await;
            assert_eq!(other.login(&page, (ALICE.0, "wrong")).await.status, 401);
            let there = s.tokens_of(&mut signed_in(s, ALICE).await, "spa", "openid").await;
            s.end_session(claims(&there.access)["sid"].as_str().unwrap()).await;
            let html = text(&mut here, "/account/activity").await;
            for text in [
                "Signed in",
                "A sign-in failed",
                "somebody who was not signed in",
                "Allowed access by “A single-page app”",
                "Signed out of one device: an operator ended the session",
                "look twice",
            ] {
                assert!(html.contains(text), "{text} in {html}");
            }
            let (user, sid) = (s.user_id(ALICE.0).await.to_string(), claims(&there.access)["sid"].clone());
            assert!(!html.contains(&user) && !html.contains(sid.as_str().unwrap()));
        });
    }

    #[test]
    fn it_is_read_page_by_page_and_each_entry_once() {
        with_server(async |s| {
            let mut here = signed_in(s, ALICE).await;
            let user = s.user_id(ALICE.0).await;
            for number in 0..130 {
                s.advance(SECOND);
                let entry = s.op.audit(Event::LoginFailed, "anonymous", s.now()).unwrap();
                s.op.store.record(&entry.user(user).cause(format!("reason {number:03}"))).await.unwrap();
            }
            let mut path = "/account/activity".to_owned();
            let mut seen = Vec::new();
            for _ in 0..4 {
                let html = text(&mut here, &path).await;
                seen.extend(html.split("reason ").skip(1).map(|rest| rest[..3].to_owned()));
                let Some((_, rest)) = html.split_once("id=\"activity-older\" href=\"") else {
                    path.clear();
                    break;
                };
                path = rest.split('"').next().unwrap().replace("&#x2f;", "/");
                assert!(!path.contains(&user.to_string()));
            }
            assert_eq!(path, "", "there is an end");
            assert_eq!(seen.len(), 130);
            assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
        });
    }

    #[test]
    fn a_cursor_that_is_none_begins_at_the_newest() {
        with_server(async |s| {
            let mut here = signed_in(s, ALICE).await;
            for bad in ["x", "AAAA", "..%2f", "%3Cscript%3E", "' OR 1=1"] {
                let path = format!("/account/activity?{}", encode(&[("before", bad)]));
                assert!(text(&mut here, &path).await.contains("Signed in"), "{bad}");
            }
        });
    }
}

mod text_from_outside {
    use super::*;

    #[test]
    fn is_text_on_every_page() {
        with_server(async |s| {
            for (number, evil) in CORPUS.into_iter().enumerate() {
                let mut here = signed_in_as(s, evil).await;
                let page = Page::of("/account", &here.get("/account").await);
                let body = page.encoded(&[("nickname", evil), ("name", evil), ("action", "save")]);
                here.send(s.post("/account").header("User-Agent", evil).raw_form(&body)).await.location();
                let client = format!("evil-{number}");
                s.create_client(&client, json!({
                    "client_name": evil, "token_endpoint_auth_method": "none", "redirect_uris": [CALLBACK],
                    "grant_types": ["authorization_code", "refresh_token"], "scope": "openid read",
                    "audience": [AUDIENCE], "first_party": true,
                }))
                .await;
                s.tokens_of(&mut here, &client, "openid read").await;
                let mut sql = crate::support::inside::Inside::of(s).await;
                let quoted = evil.replace('\'', "''");
                sql.run(&format!("UPDATE login_session SET place = '{quoted}', address = '{quoted}'")).await;
                sql.run(&format!("UPDATE refresh_family SET address = '{quoted}', user_agent = '{quoted}'")).await;
                let user = s.user_id(ALICE.0).await;
                let origin = Origin { address: Some(evil.to_owned()), user_agent: Some(evil.to_owned()), ..Origin::default() };
                let entry = s.op.audit(Event::LoginFailed, evil, s.now()).unwrap().user(user).origin(&origin).cause(evil);
                s.op.store.record(&entry).await.unwrap();
                for path in ["/account", "/account/password", "/account/sessions", "/account/applications", "/account/activity"] {
                    let query = encode(&[("done", evil), ("before", evil)]);
                    let html = text(&mut here, &format!("{path}?{query}")).await;
                    assert!(!html.contains(evil), "{path} holds {evil}");
                    assert!(!html.contains("account-done"), "{path}");
                }
            }
        });
    }

    #[test]
    fn a_confirmation_is_a_word_of_a_fixed_list() {
        with_server(async |s| {
            let mut here = signed_in(s, ALICE).await;
            for word in ["saved", "password", "device", "others", "revoked", "nothing"] {
                assert!(text(&mut here, &format!("/account?done={word}")).await.contains("id=\"account-done\""));
            }
            for word in ["", "Saved", "call+0800+1234", "saved%20", "%3Cb%3E"] {
                let html = text(&mut here, &format!("/account?done={word}")).await;
                assert!(!html.contains("account-done") && !html.contains("0800"), "{word}");
            }
        });
    }
}
