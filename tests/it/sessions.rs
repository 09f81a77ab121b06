//! Login sessions and the pages before them: fixation, lifetime, cookies, form tokens, interactions (S-016, S-017,
//! S-076 to S-078, S-084, S-091, S-094).

use super::*;

const SESSION: &str = "signet_session";

mod fixation {
    use super::*;

    #[test]
    fn a_sign_in_makes_a_new_session_and_kills_the_one_before() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let before = browser.clone();
            assert!(before.is_signed_in().await);
            let page = browser.open(&request("app").with("prompt", "login")).await;
            browser.login(&page, ALICE).await;
            assert_ne!(browser.cookies[SESSION], before.cookies[SESSION]);
            assert!(browser.is_signed_in().await);
            assert!(!before.is_signed_in().await);
        });
    }

    #[test]
    fn a_planted_session_cookie_does_not_become_the_users() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.cookies.insert(SESSION.to_owned(), "A".repeat(43));
            browser.sign_in(&request("app"), ALICE).await.code();
            assert_ne!(browser.cookies[SESSION], "A".repeat(43));
            let mut attacker = Browser::new(s);
            attacker.cookies.insert(SESSION.to_owned(), "A".repeat(43));
            assert!(!attacker.is_signed_in().await);
        });
    }

    #[test]
    fn another_user_in_the_same_browser_gets_another_session() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let alice = s.tokens_of(&mut browser, "app", "openid").await;
            let page = browser.open(&request("app").with("prompt", "login")).await;
            let response = browser.login(&page, BOB).await;
            let code = Redirect::parse(response.location()).code();
            let bob = Tokens::of(&s.redeem("app", &code).await);
            assert_ne!(claims(&bob.access)["sid"], claims(&alice.access)["sid"]);
            assert_eq!(claims(&bob.access)["sub"], json!(s.user_id(BOB.0).await));
        });
    }
}

mod lifetime {
    use super::*;

    #[test]
    fn a_session_ends_when_unused() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            for _ in 0..3 {
                s.advance(59 * MINUTE);
                assert!(browser.is_signed_in().await);
            }
            s.advance(61 * MINUTE);
            assert!(!browser.is_signed_in().await);
        });
    }

    #[test]
    fn a_session_ends_after_a_day_however_much_it_is_used() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            for _ in 0..47 {
                s.advance(30 * MINUTE);
                assert!(browser.is_signed_in().await);
            }
            s.advance(30 * MINUTE + SECOND);
            assert!(!browser.is_signed_in().await);
        });
    }

    #[test]
    fn a_remembered_session_lasts_longer_and_says_so_in_its_cookie() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let page = browser.open(&request("app")).await;
            let fields =
                [("username", ALICE.0), ("password", ALICE.1), ("action", "login"), ("remember", "1")];
            let response = browser.submit(&page, &fields).await;
            let cookie = response.all("set-cookie").find(|one| one.starts_with(SESSION)).unwrap();
            assert!(cookie.contains("Max-Age=2592000"), "{cookie}");
            for _ in 0..2 {
                s.advance(13 * DAY);
                assert!(browser.is_signed_in().await);
            }
            s.advance(4 * DAY + SECOND);
            assert!(!browser.is_signed_in().await);
        });
    }

    #[test]
    fn where_remembering_is_off_it_is_neither_offered_nor_obeyed() {
        with_config(
            |config| config.sessions.remember_me = false,
            async |s| {
                let mut browser = Browser::new(s);
                let page = browser.open(&request("app")).await;
                assert!(!page.html.contains("name=\"remember\""));
                let fields =
                    [("username", ALICE.0), ("password", ALICE.1), ("action", "login"), ("remember", "1")];
                let response = browser.submit(&page, &fields).await;
                let cookie = response.all("set-cookie").find(|one| one.starts_with(SESSION)).unwrap();
                assert!(!cookie.contains("Max-Age"), "{cookie}");
                s.advance(2 * HOUR);
                assert!(!browser.is_signed_in().await);
            },
        );
    }

    #[test]
    fn an_interaction_ends_too() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let page = browser.open(&request("app")).await;
            s.advance(31 * MINUTE);
            let response = browser.login(&page, ALICE).await;
            assert_eq!((response.status, response.header("location")), (400, None));
            assert!(!browser.is_signed_in().await);
        });
    }
}

mod cookies {
    use super::*;

    #[test]
    fn cookies_are_bound_to_the_host_and_out_of_reach_of_scripts() {
        with_config(
            |config| config.public_url = "https://id.example.com".to_owned(),
            async |s| {
                let mut browser = Browser::new(s);
                let first = browser.authorize(&request("app")).await;
                let page = browser.page(first.location()).await;
                let second = browser.login(&page, ALICE).await;
                let cookies: Vec<_> = first.all("set-cookie").chain(second.all("set-cookie")).collect();
                assert_eq!(cookies.len(), 3, "{cookies:?}");
                for cookie in cookies {
                    assert!(cookie.starts_with("__Host-signet_"), "{cookie}");
                    for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
                        assert!(cookie.contains(part), "{cookie}");
                    }
                    assert!(!cookie.contains("Domain"), "{cookie}");
                }
                assert!(header(&second, "strict-transport-security").starts_with("max-age=31536000"));
                // The unprefixed name, which a sibling host could plant, is not read.
                let value = browser.cookies["__Host-signet_session"].clone();
                let mut planted = Browser::new(s);
                planted.cookies.insert(SESSION.to_owned(), value);
                assert!(!planted.is_signed_in().await);
            },
        );
    }

    #[test]
    fn a_cookie_that_comes_twice_is_refused_and_changes_nothing() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let session = browser.cookies[SESSION].clone();
            let twice = format!("{SESSION}={session}; {SESSION}=planted");
            let target = request("app").target();
            for request in [
                s.get(&target).header("Cookie", &twice),
                s.get(&target)
                    .header("Cookie", &format!("{SESSION}={session}"))
                    .header("Cookie", &format!("{SESSION}=x")),
                s.get("/login?interaction=x").header("Cookie", &twice),
                s.get("/consent?interaction=x").header("Cookie", &twice),
                s.get("/logout").header("Cookie", &twice),
                s.post("/logout").header("Cookie", &twice).form(&[("action", "logout")]),
            ] {
                request.send().await.refused(400, "invalid_request");
            }
            assert!(browser.is_signed_in().await);
        });
    }

    #[test]
    fn a_session_is_never_taken_from_the_address() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let session = browser.cookies[SESSION].clone();
            let asked = request("app").with("prompt", "none").with(SESSION, &session).with("sid", &session);
            let answer = Browser::new(s).silently(&asked).await;
            assert_eq!(answer.get("error"), Some("login_required"));
        });
    }
}

mod csrf {
    use super::*;

    /// A form with each thing wrong that a forger cannot get right.
    async fn is_protected(browser: &Browser<'_>, page: &Page, fields: &[(&str, &str)]) {
        let s = browser.server;
        let foreign = "a-token-of-another-form-a-token-of-another-";
        let forged = [
            page.clone().without("csrf"),
            page.clone().with("csrf", ""),
            page.clone().with("csrf", foreign),
            page.clone().with("csrf", &page.field("csrf").to_uppercase()),
        ];
        for page in forged {
            let response = browser.clone().submit(&page, fields).await;
            assert_eq!((response.status, response.header("location")), (403, None), "{}", response.text());
        }
        let body = page.encoded(fields);
        for (name, value) in [
            ("Origin", "https://attacker.example.com"),
            ("Origin", "http://localhost"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let request = browser.with_cookies(s.post(&page.path).header(name, value).raw_form(&body));
            let response = request.send().await;
            assert_eq!((response.status, response.header("location")), (403, None), "{name}: {value}");
        }
        let plain = s.post(&page.path).header("Content-Type", "text/plain").body(body.as_bytes());
        assert_eq!(browser.with_cookies(plain).send().await.status, 415);
    }

    #[test]
    fn the_sign_in_form_is_protected() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let page = browser.open(&request("app")).await;
            let fields = [("username", ALICE.0), ("password", ALICE.1), ("action", "login")];
            is_protected(&browser, &page, &fields).await;
            assert!(!browser.is_signed_in().await);
            // `Origin: null` says nothing: the token decides.
            let body = page.encoded(&fields);
            let request = s.post("/login").header("Origin", "null").raw_form(&body);
            Redirect::parse(browser.send(request).await.location()).code();
        });
    }

    #[test]
    fn the_consent_form_is_protected() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let page = browser.open(&request("spa")).await;
            assert_eq!(page.path, "/consent");
            is_protected(&browser, &page, &[("action", "approve")]).await;
            assert!(browser.authorize(&request("spa")).await.location().starts_with("/consent"));
        });
    }

    #[test]
    fn the_sign_out_form_is_protected() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let page = browser.page("/logout").await;
            is_protected(&browser, &page, &[("action", "logout"), ("everywhere", "1")]).await;
            assert!(browser.is_signed_in().await);
        });
    }

    #[test]
    fn the_token_of_one_form_is_no_good_for_another() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let consent = browser.open(&request("spa")).await;
            let login = browser.open(&request("app").with("prompt", "login")).await;
            let other = browser.open(&request("spa").with("state", "other")).await;
            for token in [login.field("csrf"), other.field("csrf")] {
                let page = consent.clone().with("csrf", token);
                assert_eq!(browser.submit(&page, &[("action", "approve")]).await.status, 403);
            }
            browser.submit(&consent, &[("action", "approve")]).await.location();
        });
    }

    #[test]
    fn a_consent_counts_only_for_the_user_it_was_shown_to() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let shown_to_alice = browser.open(&request("spa")).await;
            let login = browser.open(&request("app").with("prompt", "login")).await;
            Redirect::parse(browser.login(&login, BOB).await.location()).code();
            let answer = browser.submit(&shown_to_alice, &[("action", "approve")]).await;
            assert_eq!((answer.status, answer.header("location")), (403, None));
        });
    }

    #[test]
    fn a_request_that_another_site_posts_without_cookies_goes_on_as_a_get_with_them() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let body = request("app").encoded();
            // A browser keeps SameSite=Lax cookies from this POST.
            let post = s.post("/authorize").header("Sec-Fetch-Site", "cross-site").raw_form(&body).send().await;
            assert_eq!((post.status, post.header("set-cookie")), (303, None));
            Redirect::parse(browser.get(post.location()).await.location()).code();
        });
    }

    #[test]
    fn a_get_changes_nothing() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let page = browser.page("/logout").await;
            browser.get(&format!("/logout?{}", page.encoded(&[("action", "logout")]))).await.ok();
            assert!(browser.is_signed_in().await);
            let page = browser.open(&request("spa")).await;
            browser.get(&format!("/consent?{}", page.encoded(&[("action", "approve")]))).await.ok();
            assert!(browser.authorize(&request("spa")).await.location().starts_with("/consent"));
            let mut other = Browser::new(s);
            let page = other.open(&request("app")).await;
            let fields = [("username", ALICE.0), ("password", ALICE.1), ("action", "login")];
            other.get(&format!("/login?{}", page.encoded(&fields))).await;
            assert!(!other.is_signed_in().await);
        });
    }
}

mod interactions {
    use super::*;

    #[test]
    fn two_tabs_do_not_collide() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let one = browser.open(&request("spa").with("state", "one")).await;
            let two = browser.open(&request("app").with("state", "two")).await;
            assert_ne!(one.field("interaction"), two.field("interaction"));
            let response = browser.login(&two, ALICE).await;
            assert_eq!(Redirect::parse(response.location()).get("state"), Some("two"));
            let response = browser.login(&one, ALICE).await;
            let response = browser.consent(response.location()).await;
            assert_eq!(Redirect::parse(response.location()).get("state"), Some("one"));
        });
    }

    #[test]
    fn another_browser_cannot_go_on_with_it() {
        with_server(async |s| {
            let mut attacker = Browser::new(s);
            let page = attacker.open(&request("app")).await;
            let path = format!("/login?interaction={}", page.field("interaction"));
            let mut victim = Browser::new(s);
            assert_eq!(victim.get(&path).await.status, 400);
            victim.sign_in(&request("app"), ALICE).await.code();
            assert_eq!(victim.get(&path).await.status, 400);
            let response = victim.submit(&page, &[("username", ALICE.0), ("password", ALICE.1)]).await;
            assert_eq!((response.status, response.header("location")), (400, None));
            assert!(!attacker.is_signed_in().await);
            // The browser it belongs to still can.
            Redirect::parse(attacker.login(&page, BOB).await.location()).code();
        });
    }

    #[test]
    fn a_second_click_on_allow_gets_no_second_code() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let page = browser.open(&request("spa")).await;
            let clicks: Vec<_> = (0..8)
                .map(|_| {
                    browser.with_cookies(s.post("/consent").raw_form(&page.encoded(&[("action", "approve")])))
                })
                .collect();
            let answers = in_parallel(clicks).await;
            let codes = answers.iter().filter(|one| one.status == 303).count();
            assert_eq!(codes, 1);
            assert!(answers.iter().all(|one| matches!(one.status, 303 | 400)));
        });
    }

    #[test]
    fn saying_yes_after_no_is_too_late() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let page = browser.open(&request("spa")).await;
            browser.submit(&page, &[("action", "deny")]).await.location();
            assert_eq!(browser.submit(&page, &[("action", "approve")]).await.status, 400);
            assert!(browser.authorize(&request("spa")).await.location().starts_with("/consent"));
        });
    }

    #[test]
    fn the_form_cannot_change_what_is_asked() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let page = browser.open(&request("spa").with("scope", "openid")).await;
            let fields = [
                ("action", "approve"),
                ("scope", "openid read write"),
                ("client_id", "app"),
                ("redirect_uri", "https://attacker.example.com"),
                ("state", "attacker"),
                ("code_challenge", ""),
            ];
            let answer = Redirect::parse(browser.submit(&page, &fields).await.location());
            assert_eq!((answer.uri.as_str(), answer.get("state")), (CALLBACK, Some("af0ifjsldkj")));
            let tokens = Tokens::of(&s.redeem("spa", &answer.code()).await);
            assert_eq!(tokens.body["scope"], "openid");
        });
    }

    #[test]
    fn consent_without_a_session_leads_to_the_sign_in() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let page = browser.open(&request("spa")).await;
            let handle = page.field("interaction").to_owned();
            let response = browser.get(&format!("/consent?interaction={handle}")).await;
            assert!(response.location().starts_with("/login"));
        });
    }

    #[test]
    fn a_handle_that_is_none_is_a_page() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.open(&request("app")).await;
            for path in [
                "/login",
                "/login?interaction=",
                "/login?interaction=x",
                "/consent?interaction=x",
                "/consent",
            ] {
                let response = browser.get(path).await;
                assert_eq!((response.status, response.header("location")), (400, None), "{path}");
            }
        });
    }
}
