//! The life of a classic web application's session: it hangs on user, login session, family and client, and ends with
//! the first of them (docs/forward-auth.md).

use super::*;
use crate::support::follower::Follower;
use crate::support::inside::Inside;
use crate::support::proxy::Road;
use crate::support::web_application::{AUTH, MAIL, WIKI, behind_a_proxy, cookie_name, question, web_application};
use signet_verify::feed::entry::Kind;

/// Runs a test with a wiki and a browser in which alice is signed in to it.
fn with_wiki(test: impl AsyncFnOnce(&Server, &mut Browser<'_>)) {
    with_config(behind_a_proxy, async |s| {
        s.create_wiki().await;
        let mut browser = Browser::new(s);
        browser.enter("wiki", WIKI, ALICE).await;
        assert!(is_in(s, &browser).await);
        test(s, &mut browser).await;
    });
}

/// Whether the proxy lets this browser through.
async fn is_in(s: &Server, browser: &Browser<'_>) -> bool {
    match s.visit(browser, &[]).await.status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

async fn sid(s: &Server, browser: &Browser<'_>) -> String {
    let token = token(s, browser).await;
    claims(&token)["sid"].as_str().unwrap().to_owned()
}

/// The access token that the application is given.
async fn token(s: &Server, browser: &Browser<'_>) -> String {
    let answer = s.visit(browser, &[("token", "1")]).await;
    answer.ok().header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned()
}

mod the_cookie {
    use super::*;

    #[test]
    fn another_value_or_none_authenticates_nobody() {
        with_wiki(async |s, browser| {
            let name = cookie_name("wiki", false);
            let value = browser.cookies[&name].clone();
            for other in tampered(&value).into_iter().filter(|other| !other.starts_with(' ')).chain([String::new()]) {
                browser.cookies.insert(name.clone(), other.clone());
                assert!(!is_in(s, browser).await, "{other}");
            }
            browser.cookies.remove(&name);
            assert!(!is_in(s, browser).await);
        });
    }

    #[test]
    fn under_another_name_it_counts_for_nothing() {
        with_wiki(async |s, browser| {
            let value = browser.cookies.remove(&cookie_name("wiki", false)).unwrap();
            // A sibling host could plant the second one.
            for name in [cookie_name("wiki", true), cookie_name("wiki", true).to_lowercase(), "session".to_owned()] {
                browser.cookies.insert(name, value.clone());
            }
            assert!(!is_in(s, browser).await);
        });
    }

    #[test]
    fn one_that_comes_twice_is_refused() {
        with_wiki(async |s, browser| {
            let name = cookie_name("wiki", false);
            let twice = format!("{name}={}; {name}=x", browser.cookies[&name]);
            let asked = question(s, &[("client_id", "wiki")], "https://wiki.example.com/").header("Cookie", &twice);
            asked.send().await.refused(400, "invalid_request");
            assert!(is_in(s, browser).await);
        });
    }

    #[test]
    fn of_one_application_it_is_nothing_to_another() {
        with_wiki(async |s, browser| {
            s.create_client("blog", web_application(WIKI, &[WIKI])).await;
            let value = browser.cookies[&cookie_name("wiki", false)].clone();
            browser.cookies.insert(cookie_name("blog", false), value);
            let asked = question(s, &[("client_id", "blog")], "https://wiki.example.com/");
            assert_eq!(browser.with_cookies(asked).send().await.status, 401);
        });
    }

    #[test]
    fn of_a_domain_it_lets_in_at_each_of_the_applications_hosts() {
        with_config(behind_a_proxy, async |s| {
            s.create_client("suite", web_application(AUTH, &[MAIL, "https://docs.other.com"])).await;
            let mut browser = Browser::new(s);
            browser.enter("suite", AUTH, ALICE).await;
            assert!(browser.cookies.contains_key(&cookie_name("suite", true)));
            for page in [MAIL, "https://docs.other.com/a"] {
                browser.with_cookies(question(s, &[("client_id", "suite")], page)).send().await.ok();
            }
        });
    }
}

mod the_sign_in {
    use super::*;

    const PAGE: &str = "https://wiki.example.com/page?x=1";

    /// The `Set-Cookie` of the session without its value.
    fn set(response: &Response, name: &str) -> String {
        let cookie = response.all("set-cookie").find(|cookie| cookie.starts_with(name)).unwrap();
        cookie.split_once("; ").unwrap().1.to_owned()
    }

    #[test]
    fn sets_a_cookie_for_its_host_alone_and_goes_back_to_the_page() {
        with_config(behind_a_proxy, async |s| {
            s.create_wiki().await;
            let landed = Browser::new(s).try_enter("wiki", WIKI, PAGE, ALICE).await.unwrap();
            assert_eq!(landed.location(), PAGE);
            let attributes = set(&landed, &cookie_name("wiki", false));
            assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Secure");
        });
    }

    #[test]
    fn sets_a_cookie_for_the_domain_where_the_application_has_more_hosts_there() {
        with_config(behind_a_proxy, async |s| {
            s.create_client("suite", web_application(AUTH, &[MAIL, "https://docs.other.com"])).await;
            let landed = Browser::new(s).try_enter("suite", AUTH, "https://mail.other.com/", BOB).await.unwrap();
            let attributes = set(&landed, &cookie_name("suite", true));
            assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Secure; Domain=other.com");
        });
    }

    #[test]
    fn of_who_stays_signed_in_outlasts_the_browser() {
        with_config(behind_a_proxy, async |s| {
            s.create_wiki().await;
            let mut browser = Browser::new(s);
            let page = browser.open(&request("app")).await;
            let fields =
                [("username", ALICE.0), ("password", ALICE.1), ("action", "login"), ("remember", "1")];
            browser.submit(&page, &fields).await;
            s.advance(DAY);
            let landed = browser.try_enter("wiki", WIKI, PAGE, ALICE).await.unwrap();
            assert!(set(&landed, &cookie_name("wiki", false)).ends_with("; Max-Age=2505600"));
            for _ in 0..2 {
                s.advance(13 * DAY);
                assert!(is_in(s, &browser).await);
            }
            s.advance(4 * DAY);
            assert!(!is_in(s, &browser).await);
        });
    }

    #[test]
    fn is_asked_for_once_for_all_applications() {
        with_wiki(async |s, browser| {
            s.create_client("blog", web_application(WIKI, &[WIKI])).await;
            let nobodys_password = ("nobody", "is asked");
            browser.enter("blog", WIKI, nobodys_password).await;
            let asked = question(s, &[("client_id", "blog")], PAGE);
            browser.with_cookies(asked).send().await.ok();
        });
    }

    #[test]
    fn leads_to_pages_of_the_application_only() {
        with_config(behind_a_proxy, async |s| {
            s.create_wiki().await;
            for page in [
                "",
                "/page",
                "//wiki.example.com/",
                "https://evil.example/",
                "https://wiki.example.com.evil.example/",
                "https://wiki.example.com@evil.example/",
                "https://user:pass@wiki.example.com/",
                "https://wiki.example.com\\@evil.example/",
                "https://evil.example\\.wiki.example.com/",
                "https://wiki.example.com/#fragment",
                "https://wiki.example.com/a/../b",
                "https://wiki.example.com/\r\nSet-Cookie: a=b",
                "https://wiki.example.com:8443/",
                "http://wiki.example.com/",
                "javascript:alert(1)",
                &format!("https://wiki.example.com/{}", "a".repeat(2048)),
            ] {
                let mut browser = Browser::new(s);
                let landed = browser.try_enter("wiki", WIKI, page, ALICE).await;
                assert!(landed.is_none() && browser.cookies.is_empty(), "{page}: {landed:?}");
            }
        });
    }

    #[test]
    fn that_the_user_refuses_is_a_page_and_no_second_question() {
        with_config(behind_a_proxy, async |s| {
            s.create_wiki().await;
            s.patch_client("wiki", json!({ "first_party": false })).await;
            s.advance(2 * SECOND);
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await;
            let start = format!("/session/start?client_id=wiki&return_to={WIKI}/");
            let start = browser.send(s.get(&start).host("wiki.example.com")).await;
            let authorize = start.location().strip_prefix(s.origin()).unwrap().to_owned();
            let consent = browser.get(&authorize).await;
            let page = browser.page(consent.location()).await;
            let denied = browser.submit(&page, &[("action", "deny")]).await;
            let callback = denied.location().strip_prefix(WIKI).unwrap().to_owned();
            let landed = browser.send(s.get(&callback).host("wiki.example.com")).await;
            landed.refused(400, "access_denied");
        });
    }
}

mod lifetime {
    use super::*;

    #[test]
    fn being_used_keeps_the_login_session_from_lying_idle() {
        with_wiki(async |s, browser| {
            for _ in 0..4 {
                s.advance(59 * MINUTE);
                assert!(is_in(s, browser).await);
            }
            // And single sign-on with it.
            assert!(browser.is_signed_in().await);
            s.advance(HOUR);
            assert!(!is_in(s, browser).await);
            assert!(!browser.is_signed_in().await);
        });
    }

    #[test]
    fn it_is_noted_at_most_once_a_minute() {
        with_wiki(async |s, browser| {
            let mut inside = Inside::of(s).await;
            let mut seen = async || inside.numbers("SELECT last_seen_at FROM login_session").await;
            let before = seen().await;
            s.advance(59 * SECOND);
            assert!(is_in(s, browser).await);
            assert_eq!(seen().await, before);
            s.advance(SECOND);
            assert!(is_in(s, browser).await);
            assert_eq!(seen().await, [s.now().millis()]);
        });
    }

    #[test]
    fn it_ends_with_the_login_session_however_much_it_is_used() {
        with_wiki(async |s, browser| {
            for _ in 0..47 {
                s.advance(30 * MINUTE);
                assert!(is_in(s, browser).await);
            }
            s.advance(30 * MINUTE);
            assert!(!is_in(s, browser).await);
        });
    }

    #[test]
    fn what_has_expired_is_swept() {
        with_wiki(async |s, browser| {
            let mut inside = Inside::of(s).await;
            let mut count = async || inside.numbers("SELECT count(*) FROM web_session").await;
            let mut cursor = signet::storage::SweepCursor::default();
            let mut sweep = async || s.op.store.sweep(&mut cursor, 100, 30 * DAY, s.now()).await.unwrap();
            s.advance(23 * HOUR);
            sweep().await;
            assert_eq!(count().await, [1]);
            s.advance(2 * HOUR + SECOND);
            sweep().await;
            assert_eq!(count().await, [0]);
            assert!(!is_in(s, browser).await);
        });
    }
}

mod endings {
    use super::*;

    #[test]
    fn log_out_all_devices_ends_it_at_once_and_a_new_sign_in_is_another() {
        with_wiki(async |s, browser| {
            let mut other = Browser::new(s);
            other.enter("wiki", WIKI, BOB).await;
            let before = browser.clone();
            s.log_out_all(ALICE.0).await;
            assert!(!is_in(s, browser).await);
            assert!(is_in(s, &other).await);
            browser.enter("wiki", WIKI, ALICE).await;
            assert!(is_in(s, browser).await);
            assert!(!is_in(s, &before).await);
        });
    }

    #[test]
    fn signing_out_on_the_page_ends_it() {
        with_wiki(async |s, browser| {
            let mut device = Browser::new(s);
            device.enter("wiki", WIKI, ALICE).await;
            browser.log_out(false).await;
            assert!(!is_in(s, browser).await);
            assert!(is_in(s, &device).await);
            device.log_out(true).await;
            assert!(!is_in(s, &device).await);
        });
    }

    #[test]
    fn an_operator_who_ends_the_session_ends_it() {
        with_wiki(async |s, browser| {
            let sid = sid(s, browser).await;
            s.end_session(&sid).await;
            assert!(!is_in(s, browser).await);
        });
    }

    #[test]
    fn a_disabled_user_is_out_and_stays_out_when_enabled_again() {
        with_wiki(async |s, browser| {
            s.disable_user(ALICE.0).await;
            assert!(!is_in(s, browser).await);
            s.enable_user(ALICE.0).await;
            assert!(!is_in(s, browser).await);
        });
    }

    #[test]
    fn a_new_password_ends_it() {
        with_wiki(async |s, browser| {
            s.set_password(ALICE.0, "another walk along the river", None).await;
            assert!(!is_in(s, browser).await);
        });
    }

    #[test]
    fn a_new_password_that_keeps_the_login_session_keeps_it() {
        with_wiki(async |s, browser| {
            let mut other = Browser::new(s);
            other.enter("wiki", WIKI, ALICE).await;
            let kept = sid(s, browser).await;
            s.set_password(ALICE.0, "another walk along the river", Some(&kept)).await;
            assert!(is_in(s, browser).await);
            assert!(!is_in(s, &other).await);
        });
    }

    #[test]
    fn a_disabled_client_lets_nobody_in_until_it_is_enabled() {
        with_wiki(async |s, browser| {
            s.disable_client("wiki").await;
            s.advance(2 * SECOND);
            s.visit(browser, &[]).await.refused(403, "access_denied");
            s.enable_client("wiki").await;
            s.advance(2 * SECOND);
            assert!(is_in(s, browser).await);
            s.delete_client("wiki").await;
            s.create_wiki().await;
            s.advance(2 * SECOND);
            assert!(!is_in(s, browser).await);
        });
    }

    #[test]
    fn what_it_hangs_on_is_a_condition_each() {
        with_wiki(async |s, browser| {
            let mut inside = Inside::of(s).await;
            for (broken, whole) in [
                ("refresh_family SET status = 'compromised'", "refresh_family SET status = 'active'"),
                ("login_session SET ended_at = 1", "login_session SET ended_at = NULL"),
                ("login_session SET epoch = epoch + 1", "login_session SET epoch = epoch - 1"),
                ("web_session SET epoch = epoch + 1", "web_session SET epoch = epoch - 1"),
                ("login_session SET expires_at = -expires_at", "login_session SET expires_at = -expires_at"),
                ("users SET disabled_at = 1", "users SET disabled_at = NULL"),
                ("users SET epoch = epoch + 1", "users SET epoch = epoch - 1"),
                ("clients SET disabled_at = 1", "clients SET disabled_at = NULL"),
            ] {
                inside.run(&format!("UPDATE {broken}")).await;
                assert!(!is_in(s, browser).await, "{broken}");
                inside.run(&format!("UPDATE {whole}")).await;
                assert!(is_in(s, browser).await, "{whole}");
            }
        });
    }

    #[test]
    fn a_sign_in_that_races_with_log_out_all_devices_leaves_nothing() {
        with_wiki(async |s, browser| {
            for _ in 0..effort(8, 200) {
                let mut late = browser.clone();
                let entering = async {
                    late.try_enter("wiki", WIKI, "https://wiki.example.com/", ALICE).await;
                    s.visit(&late, &[]).await.status
                };
                let (status, _) = tokio::join!(entering, s.log_out_all(ALICE.0));
                assert!(matches!(status, 200 | 401), "{status}");
                let ended = s.log_out_all(ALICE.0).await;
                assert!(!is_in(s, &late).await && !is_in(s, browser).await, "{ended:?}");
            }
        });
    }
}

mod the_token {
    use super::*;

    #[test]
    fn it_is_of_the_applications_scope_and_audience_and_a_fresh_one_each_time() {
        with_wiki(async |s, browser| {
            let (one, two) = (token(s, browser).await, token(s, browser).await);
            let told = claims(&one);
            assert_eq!(jwt_header(&one)["typ"], "at+jwt");
            assert_eq!(
                (&told["aud"], &told["client_id"], &told["scope"]),
                (&json!(AUDIENCE), &json!("wiki"), &json!("openid profile email read write"))
            );
            assert_eq!(told["sub"], json!(s.user_id(ALICE.0).await));
            assert_ne!(told["jti"], claims(&two)["jti"]);
            assert!(s.is_active(&one).await);
            assert_eq!(s.visit(browser, &[]).await.header("authorization"), None);
        });
    }

    #[test]
    fn it_dies_by_an_entry_of_the_feed_as_all_the_users_tokens_do() {
        with_wiki(async |s, browser| {
            let mut follower = Follower::new(s);
            let one = token(s, browser).await;
            assert_eq!(follower.judge(&one).await, None);
            s.end_session(&sid(s, browser).await).await;
            follower.news().await;
            assert_eq!(follower.judge(&one).await, Some(Kind::Sid));
            assert!(!s.is_active(&one).await);
            browser.enter("wiki", WIKI, ALICE).await;
            let two = token(s, browser).await;
            assert_eq!(follower.judge(&two).await, None);
            s.log_out_all(ALICE.0).await;
            follower.news().await;
            assert_eq!(follower.judge(&two).await, Some(Kind::Sub));
            assert!(!s.is_active(&two).await);
        });
    }
}

mod a_fault_of_the_database {
    use super::*;

    async fn fault(s: &Server, road: Road) {
        s.create_wiki().await;
        let mut browser = Browser::new(s);
        browser.enter("wiki", WIKI, ALICE).await;
        let Some((node, proxy)) = super::outage::behind_proxy_with(s, &behind_a_proxy).await else { return };
        super::outage::once_available(async || node.visit(&browser.at(&node), &[]).await).await.ok();
        proxy.set(road);
        for (client, wait) in [("wiki", 0), ("wiki", 10), ("nobody", 0)] {
            node.advance(wait * SECOND);
            let asked = question(&node, &[("client_id", client)], "https://wiki.example.com/");
            let answer = browser.with_cookies(asked.header("Sec-Fetch-Mode", "navigate")).send().await;
            answer.refused(503, "temporarily_unavailable");
            assert!(header(&answer, "retry-after").parse::<u32>().unwrap() >= 1);
            assert_eq!(answer.header("location"), None);
        }
        node.stop().await;
    }

    #[test]
    fn that_refuses_is_503_and_nobody_is_let_in_or_signed_out() {
        with_config(behind_a_proxy, async |s| fault(s, Road::Cut).await);
    }

    #[test]
    fn that_hangs_is_503_in_time() {
        with_config(behind_a_proxy, async |s| fault(s, Road::Silent).await);
    }

    #[test]
    fn that_cannot_note_the_visit_is_503() {
        with_wiki(async |s, browser| {
            if s.backend != Backend::Sqlite {
                return;
            }
            let change = |config: &mut Config| [behind_a_proxy, crate::support::server::impatient].iter().for_each(|change| change(config));
            let node = s.node_with(&change).await;
            let mut other = Inside::of(s).await;
            other.begin().await;
            assert!(is_in(s, browser).await);
            s.advance(2 * MINUTE);
            node.visit(browser, &[]).await.refused(503, "temporarily_unavailable");
            other.run("ROLLBACK").await;
            assert!(is_in(s, browser).await);
            node.stop().await;
        });
    }
}
