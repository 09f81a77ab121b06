//! Getting to the account's pages: sign-in on the way, fresh sign-in before changes, form tokens, profile and password
//! (S-073, S-076, S-080, S-081, S-084).

use super::*;

/// The fields of a form.
type Fields<'a> = &'a [(&'a str, &'a str)];

const SESSION: &str = "signet_session";
const PAGES: [&str; 5] =
    ["/account", "/account/password", "/account/sessions", "/account/applications", "/account/activity"];
const NEW: &str = "twelve green lamps by the door";

pub(crate) async fn signed_in<'s>(s: &'s Server, user: (&str, &str)) -> Browser<'s> {
    let mut browser = Browser::new(s);
    browser.sign_in(&request("app"), user).await.code();
    browser
}

/// Old enough that changes need another sign-in, and not so old that the session has ended.
pub(crate) async fn make_stale(s: &Server, browser: &Browser<'_>) {
    let fresh = s.op.policy.sessions.fresh;
    let mut passed = Duration::ZERO;
    while passed <= fresh {
        s.advance(10 * MINUTE);
        passed += 10 * MINUTE;
        assert!(browser.is_signed_in().await);
    }
}

pub(crate) async fn claim(s: &Server, user: &str, name: &str) -> Value {
    let user = s.op.store.user_by_login(user).await.unwrap().unwrap();
    user.claims.get(name).cloned().unwrap_or(Value::Null)
}

mod the_way_in {
    use super::*;

    #[test]
    fn who_is_not_signed_in_signs_in_and_comes_back_to_the_page_asked_for() {
        with_server(async |s| {
            for path in PAGES {
                let mut browser = Browser::new(s);
                let response = browser.get(path).await;
                assert!(response.location().starts_with("/login?interaction="), "{path}");
                let page = browser.page(response.location()).await;
                assert!(!page.html.contains("to continue to"), "{path}");
                let response = browser.login(&page, ALICE).await;
                assert_eq!(response.location(), path);
                let response = browser.get(path).await;
                assert!(response.ok().text().contains("id=\"account-nav\""), "{path}");
                assert!(header(&response, "cache-control").contains("no-store"));
                assert!(header(&response, "content-security-policy").contains("default-src 'none'"));
            }
        });
    }

    #[test]
    fn the_way_back_is_never_an_address_from_outside() {
        with_server(async |s| {
            for bad in [
                "https://attacker.example.com/",
                "//attacker.example.com",
                "/\\attacker.example.com",
                "javascript:alert(1)",
                "/account/../authorize",
                "\r\nLocation: https://attacker.example.com",
            ] {
                let query = encode(&[
                    ("return_to", bad),
                    ("page", bad),
                    ("next", bad),
                    ("redirect_uri", bad),
                    ("done", bad),
                    ("before", bad),
                ]);
                let mut browser = Browser::new(s);
                let response = browser.get(&format!("/account/sessions?{query}")).await;
                let login = response.location().to_owned();
                assert!(login.starts_with("/login?interaction=") && !login.contains("attacker"), "{login}");
                let page = browser.page(&format!("{login}&{query}")).await;
                let fields = [
                    ("username", ALICE.0),
                    ("password", ALICE.1),
                    ("action", "login"),
                    ("return_to", bad),
                    ("page", bad),
                ];
                let response = browser.submit(&page, &fields).await;
                assert_eq!(response.location(), "/account/sessions");
            }
            for path in ["/account/", "/account/nothing", "/account//attacker.example.com", "/Account"] {
                assert_eq!(s.get(path).send().await.status, 404, "{path}");
            }
        });
    }

    #[test]
    fn it_is_the_browsers_own_and_good_once() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let location = browser.get("/account").await.location().to_owned();
            let page = browser.page(&location).await;
            let mut other = Browser::new(s);
            other.get("/account").await.location();
            assert_eq!(other.get(&location).await.status, 400);
            let forged = other.submit(&page, &[("username", ALICE.0), ("password", ALICE.1)]).await;
            assert_eq!(forged.status, 400);
            assert_eq!(browser.login(&page, ALICE).await.location(), "/account");
            assert_eq!(browser.login(&page, ALICE).await.status, 400);
            assert_eq!(browser.get(&location).await.status, 400);
        });
    }

    #[test]
    fn a_visit_is_no_consent_and_a_request_is_no_visit() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let location = browser.get("/account").await.location().to_owned();
            let consent = location.replace("/login", "/consent");
            assert_eq!(browser.get(&consent).await.status, 400);
        });
    }

    #[test]
    fn who_does_not_want_to_sign_in_goes_to_the_start_page() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let location = browser.get("/account").await.location().to_owned();
            let page = browser.page(&location).await;
            assert_eq!(browser.submit(&page, &[("action", "cancel")]).await.location(), "/");
            assert_eq!(browser.get(&location).await.status, 400);
        });
    }

    #[test]
    fn it_waits_no_longer_than_any_sign_in() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let location = browser.get("/account").await.location().to_owned();
            s.advance(s.op.policy.sessions.interaction);
            assert_eq!(browser.get(&location).await.status, 400);
        });
    }

    #[test]
    fn one_that_another_version_has_stored_is_begun_again() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let location = browser.get("/account").await.location().to_owned();
            let mut inside = crate::support::inside::Inside::of(s).await;
            inside.run("UPDATE interaction SET request = '{\"client\":\"app\"}'").await;
            assert_eq!(browser.get(&location).await.status, 400);
            browser.get("/account").await.location();
        });
    }

    #[test]
    fn an_address_begins_only_so_many() {
        with_server(async |s| {
            while s.op.unfinished.admit(Some("127.0.0.1"), s.now()) {}
            s.get("/account").send().await.refused(503, "temporarily_unavailable");
            s.advance(SECOND);
            s.get("/account").send().await.location();
        });
    }

    #[test]
    fn an_ended_session_is_no_way_in() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            browser.get("/account").await.ok();
            s.log_out_all(ALICE.0).await;
            assert!(browser.get("/account").await.location().starts_with("/login"));
            let mut disabled = signed_in(s, BOB).await;
            s.disable_user(BOB.0).await;
            assert!(disabled.get("/account").await.location().starts_with("/login"));
        });
    }

    #[test]
    fn the_start_page_and_the_sign_out_page_lead_there() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            for path in ["/", "/logout"] {
                assert!(browser.get(path).await.ok().text().contains("href=\"/account\""), "{path}");
            }
            let page = browser.get("/account").await;
            assert!(page.text().contains("href=\"/logout\""));
        });
    }
}

mod fresh_sign_in {
    use super::*;

    #[test]
    fn a_change_after_a_while_asks_for_the_password_and_then_comes_back() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let tokens = s.tokens_of(&mut browser, "app", "openid").await;
            make_stale(s, &browser).await;
            let page = browser.form("/account", "profile-form").await;
            let response = browser.submit(&page, &[("nickname", "Al"), ("action", "save")]).await;
            assert!(response.location().starts_with("/login?interaction="));
            assert_eq!(claim(s, ALICE.0, "nickname").await, "Ally");
            let before = browser.clone();
            let page = browser.page(response.location()).await;
            assert!(page.html.contains("Confirm that it is you") && page.html.contains("value=\"alice\""));
            assert_eq!(browser.login(&page, ALICE).await.location(), "/account");
            // The same session, under a new cookie.
            assert_ne!(browser.cookies[SESSION], before.cookies[SESSION]);
            assert!(before.clone().get("/account").await.location().starts_with("/login"));
            s.refresh("app", tokens.refresh()).await.ok();
            let page = browser.form("/account", "profile-form").await;
            let response = browser.submit(&page, &[("nickname", "Al"), ("action", "save")]).await;
            assert_eq!(response.location(), "/account?done=saved");
            assert_eq!(claim(s, ALICE.0, "nickname").await, "Al");
        });
    }

    #[test]
    fn every_change_but_leaving_and_the_password_needs_it() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let mut other = signed_in(s, ALICE).await;
            make_stale(s, &browser).await;
            assert!(other.is_signed_in().await);
            let sessions = browser.form("/account/sessions", "sessions-form").await;
            let device = claims(&s.tokens_of(&mut other, "app", "openid").await.access)["sid"].clone();
            let device = device.as_str().unwrap();
            for fields in [
                &[("action", "one"), ("session", device)][..],
                &[("action", "others")],
                &[("action", "all")],
            ] {
                let response = browser.submit(&sessions, fields).await;
                assert!(response.location().starts_with("/login"), "{fields:?}");
            }
            let apps = Page { path: "/account/applications".to_owned(), ..sessions.clone() };
            let token = browser.form("/account/applications", "confirm-form").await;
            let apps = apps.with("csrf", token.field("csrf"));
            let response = browser.submit(&apps, &[("action", "revoke"), ("client", "app")]).await;
            assert!(response.location().starts_with("/login"));
            assert!(browser.is_signed_in().await && other.is_signed_in().await);
        });
    }

    #[test]
    fn it_can_be_given_before_the_change() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            assert!(!browser.get("/account").await.text().contains("confirm-form"));
            make_stale(s, &browser).await;
            for path in ["/account", "/account/sessions", "/account/applications"] {
                let page = browser.form(path, "confirm-form").await;
                let response = browser.submit(&page, &[("action", "confirm")]).await;
                let page = browser.page(response.location()).await;
                assert_eq!(browser.submit(&page, &[("action", "cancel")]).await.location(), path);
            }
            let page = browser.form("/account/sessions", "confirm-form").await;
            let response = browser.submit(&page, &[("action", "confirm")]).await;
            let page = browser.page(response.location()).await;
            assert_eq!(browser.login(&page, (ALICE.0, "wrong")).await.status, 401);
            assert_eq!(browser.login(&page, ALICE).await.location(), "/account/sessions");
            assert!(!browser.get("/account/sessions").await.text().contains("confirm-form"));
        });
    }

    #[test]
    fn another_user_who_confirms_gets_their_own_account() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            make_stale(s, &browser).await;
            let page = browser.form("/account", "profile-form").await;
            let response = browser.submit(&page, &[("nickname", "Mallory"), ("action", "save")]).await;
            let login = browser.page(response.location()).await;
            assert_eq!(browser.login(&login, BOB).await.location(), "/account");
            // What alice was shown is no form of bob's.
            assert_eq!(browser.submit(&page, &[("nickname", "Mallory"), ("action", "save")]).await.status, 403);
            assert!(browser.get("/account").await.text().contains("bob@example.com"));
            assert_eq!(claim(s, ALICE.0, "nickname").await, "Ally");
            assert_eq!(claim(s, BOB.0, "nickname").await, Value::Null);
        });
    }
}

mod forms {
    use super::*;

    #[test]
    fn every_form_is_protected_and_a_get_changes_nothing() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let mut other = signed_in(s, ALICE).await;
            let sid = claims(&s.tokens_of(&mut other, "app", "openid").await.access)["sid"].clone();
            let sid = sid.as_str().unwrap();
            let forms: [(&str, &str, Fields<'_>); 5] = [
                ("/account", "profile-form", &[("nickname", "Mallory"), ("action", "save")]),
                ("/account/password", "password-form", &[("current", ALICE.1), ("new", NEW)]),
                ("/account/sessions", "sessions-form", &[("action", "one"), ("session", sid)]),
                ("/account/sessions", "sessions-form", &[("action", "all")]),
                ("/account/applications", "applications-list", &[("action", "revoke"), ("client", "app")]),
            ];
            for (path, id, fields) in forms {
                let html = browser.get(path).await.ok().text();
                let page = Page::at(&html, id).with("client", "app");
                let page = Page { path: path.to_owned(), ..page }.without("client").without("session");
                let logout = browser.page("/logout").await;
                let forged = [
                    page.clone().without("csrf"),
                    page.clone().with("csrf", ""),
                    page.clone().with("csrf", logout.field("csrf")),
                    page.clone().with("csrf", other.page("/logout").await.field("csrf")),
                ];
                for page in forged {
                    assert_eq!(browser.clone().submit(&page, fields).await.status, 403, "{path}");
                }
                let body = page.encoded(fields);
                for (name, value) in [
                    ("Origin", "https://attacker.example.com"),
                    ("Sec-Fetch-Site", "cross-site"),
                    ("Sec-Fetch-Site", "same-site"),
                ] {
                    let request = browser.with_cookies(s.post(path).header(name, value).raw_form(&body));
                    assert_eq!(request.send().await.status, 403, "{path} {name}");
                }
                let plain = s.post(path).header("Content-Type", "text/plain").body(body.as_bytes());
                assert_eq!(browser.with_cookies(plain).send().await.status, 415, "{path}");
                browser.get(&format!("{path}?{body}")).await.ok();
                assert_eq!(browser.with_cookies(s.request("HEAD", path)).send().await.status, 405);
                // A stranger's form leads to the sign-in page, and from another site nowhere.
                let stranger = s.post(path).raw_form(&body).send().await;
                assert!(stranger.location().starts_with("/login"));
                let foreign = s.post(path).header("Origin", "https://attacker.example.com").raw_form(&body);
                assert_eq!(foreign.send().await.status, 403);
            }
            assert!(browser.is_signed_in().await && other.is_signed_in().await);
            assert_eq!(claim(s, ALICE.0, "nickname").await, "Ally");
            assert!(!s.events(ALICE.0).await.contains(&"user.password_changed"));
            assert!(!s.events(ALICE.0).await.contains(&"consent.withdrawn"));
        });
    }

    #[test]
    fn a_form_without_a_known_wish_does_nothing() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let page = browser.form("/account/sessions", "sessions-form").await;
            for fields in [&[][..], &[("action", "everything")], &[("action", "one"), ("session", "x")]] {
                browser.submit(&page, fields).await.refused(400, "invalid_request");
            }
            let page = browser.form("/account", "profile-form").await;
            browser.submit(&page, &[("nickname", "x")]).await.refused(400, "invalid_request");
            assert!(browser.is_signed_in().await);
        });
    }

    #[test]
    fn a_cookie_that_comes_twice_is_refused() {
        with_server(async |s| {
            let browser = signed_in(s, ALICE).await;
            let twice = format!("{SESSION}={0}; {SESSION}={0}", browser.cookies[SESSION]);
            for path in PAGES {
                s.get(path).header("Cookie", &twice).send().await.refused(400, "invalid_request");
            }
        });
    }
}
