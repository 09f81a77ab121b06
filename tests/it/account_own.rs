//! What users change of their own account: the names by which apps call them, and their password (S-073, S-076, S-080).

use super::account::{claim, make_stale, signed_in};
use super::*;

const SESSION: &str = "signet_session";
const NEW: &str = "twelve green lamps by the door";

async fn change(browser: &mut Browser<'_>, current: &str, new: &str) -> Response {
    let page = browser.form("/account/password", "password-form").await;
    browser.submit(&page, &[("current", current), ("new", new), ("action", "change")]).await
}

mod profile {
    use super::*;

    #[test]
    fn it_shows_who_one_is() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let html = browser.get("/account").await.ok().text();
            for text in ["alice", "alice@example.com", "verified", "admin", "staff", "Alice Anna Example"] {
                assert!(html.contains(text), "{text}");
            }
        });
    }

    #[test]
    fn display_claims_are_saved_emptied_and_seen_by_apps() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let tokens = s.tokens_of(&mut browser, "app", "openid profile").await;
            let page = browser.form("/account", "profile-form").await;
            let fields = [
                ("name", "Zoë <b>"),
                ("given_name", ""),
                ("zoneinfo", "America/Sao_Paulo"),
                ("locale", "pt-BR"),
                ("action", "save"),
                // No fields of this form.
                ("picture", "https://attacker.example.com"),
                ("roles", "owner"),
                ("email", "mallory@example.com"),
            ];
            let response = browser.submit(&page, &fields).await;
            assert_eq!(response.location(), "/account?done=saved");
            let html = browser.get(response.location()).await.ok().text();
            assert!(html.contains("id=\"account-done\"") && html.contains("Zoë &lt;b&gt;"));
            assert_eq!(claim(s, ALICE.0, "given_name").await, Value::Null);
            assert_eq!(claim(s, ALICE.0, "family_name").await, "Example");
            assert_eq!(claim(s, ALICE.0, "picture").await, "https://example.com/alice.png");
            let user = s.op.store.user_by_login(ALICE.0).await.unwrap().unwrap();
            assert_eq!((user.email.as_deref(), user.roles.len()), (Some("alice@example.com"), 2));
            let info = s.userinfo(&tokens.access).await.ok().json();
            assert_eq!((&info["name"], &info["locale"]), (&json!("Zoë <b>"), &json!("pt-BR")));
            let history = s.history(ALICE.0).await;
            let entry = history.iter().find(|entry| entry.event.as_str() == "user.updated").unwrap();
            assert_eq!(entry.actor, format!("user:{}", user.id));
        });
    }

    #[test]
    fn what_cannot_be_is_refused_and_kept_for_mending() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let long = "x".repeat(201);
            for (field, bad) in [
                ("name", long.as_str()),
                ("nickname", "\u{202e}evil"),
                ("given_name", "a\tb"),
                ("zoneinfo", "../../etc/passwd"),
                ("locale", "en_GB"),
            ] {
                let page = browser.form("/account", "profile-form").await;
                let response = browser.submit(&page, &[(field, bad), ("action", "save")]).await;
                assert_eq!(response.status, 400, "{field}");
                let html = response.text();
                assert!(html.contains("id=\"account-error\""), "{field}");
                assert!(html.contains(&format!("href=\"#{field}\"")), "{field}");
            }
            assert_eq!(claim(s, ALICE.0, "name").await, "Alice Anna Example");
        });
    }

    #[test]
    fn what_was_emptied_stays_empty_beside_what_is_wrong() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let page = browser.form("/account", "profile-form").await;
            let fields = [("nickname", ""), ("locale", "en_GB"), ("action", "save")];
            let html = browser.submit(&page, &fields).await.text();
            assert!(html.contains("name=\"nickname\" type=\"text\" value=\"\""), "{html}");
            assert!(html.contains("value=\"en_GB\"") && html.contains("value=\"Alice Anna Example\""));
            assert!(html.contains("<title>Nothing was changed"), "{html}");
            assert_eq!(claim(s, ALICE.0, "nickname").await, "Ally");
        });
    }
}

mod password {
    use super::*;

    #[test]
    fn a_change_ends_all_others_and_renews_this_one() {
        with_server(async |s| {
            let (mut kept, mut other) = (Browser::new(s), Browser::new(s));
            let own = s.tokens_of(&mut kept, "app", "openid").await;
            let ended = s.tokens_of(&mut other, "web", "openid offline_access").await;
            let code = other.silently(&request("app")).await.code();
            let before = kept.clone();
            let response = change(&mut kept, ALICE.1, NEW).await;
            assert_eq!(response.location(), "/account/password?done=password");
            assert!(response.header("revocation-batch").is_some());
            assert!(kept.get(response.location()).await.text().contains("id=\"account-done\""));
            assert_ne!(kept.cookies[SESSION], before.cookies[SESSION]);
            assert!(kept.is_signed_in().await);
            assert!(!before.is_signed_in().await && !other.is_signed_in().await);
            s.refresh("web", ended.refresh()).await.refused(400, "invalid_grant");
            s.redeem("app", &code).await.refused(400, "invalid_grant");
            assert!(!s.is_active(&ended.access).await);
            let own = Tokens::of(&s.refresh("app", own.refresh()).await);
            assert!(s.is_active(&own.access).await);
            let page = other.open(&request("app")).await;
            assert_eq!(other.login(&page, ALICE).await.status, 401);
            let page = other.open(&request("app")).await;
            other.login(&page, (ALICE.0, NEW)).await.location();
            let entry =
                s.history(ALICE.0).await.into_iter().rfind(|e| e.event.as_str() == "user.password_changed");
            assert!(entry.unwrap().actor.starts_with("user:"));
        });
    }

    #[test]
    fn without_scripts_the_new_one_is_typed_twice() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let page = browser.form("/account/password", "password-form").await;
            let field = page.html.split_once("<noscript>").unwrap().1.split("</noscript>").next().unwrap();
            assert!(field.contains("id=\"again-password\" name=\"again\" type=\"password\""), "{field}");
            for again in ["", "twelve green lamps by the dor"] {
                let fields = [("current", ALICE.1), ("new", NEW), ("again", again), ("action", "change")];
                let response = browser.submit(&page, &fields).await;
                assert_eq!(response.status, 400);
                assert!(response.text().contains("href=\"#again-password\""), "{}", response.text());
            }
            let fields = [("current", ALICE.1), ("new", NEW), ("again", NEW), ("action", "change")];
            assert_eq!(browser.submit(&page, &fields).await.location(), "/account/password?done=password");
        });
    }

    #[test]
    fn a_stale_session_may_since_the_form_asks_for_the_password() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            make_stale(s, &browser).await;
            change(&mut browser, ALICE.1, NEW).await.location();
            // Whoever has just given the password has signed in afresh.
            let page = browser.form("/account", "profile-form").await;
            let response = browser.submit(&page, &[("nickname", "Al"), ("action", "save")]).await;
            assert_eq!(response.location(), "/account?done=saved");
        });
    }

    #[test]
    fn a_bad_new_one_says_why_and_costs_no_guess() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            for (new, why) in [
                ("short", "at least 15 characters"),
                ("aaaaaaaaaaaaaaaaaaaa", "repeats one short piece"),
                ("abcdefghijklmnopqrst", "follows the keyboard"),
                ("", "Enter a new password"),
                (ALICE.1, "is the current one"),
            ] {
                let response = change(&mut browser, ALICE.1, new).await;
                assert_eq!(response.status, 400, "{new}");
                let html = response.text();
                assert!(html.contains(why), "{new}: {html}");
                assert!(html.contains("href=\"#new-password\"") && !html.contains(ALICE.1));
            }
            assert_eq!(change(&mut browser, "", NEW).await.status, 400);
            assert!(browser.is_signed_in().await);
        });
    }

    #[test]
    fn the_current_one_is_a_guess_like_any_other() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let page = browser.form("/account/password", "password-form").await;
            let body = page.encoded(&[("current", "wrong"), ("new", NEW), ("action", "change")]);
            let one = browser.with_cookies(s.post("/account/password").raw_form(&body));
            let answers = in_parallel(vec![one; 40]).await;
            let count = |status| answers.iter().filter(|answer| answer.status == status).count();
            assert_eq!((count(401), count(429)), (30, 10));
            let response = change(&mut browser, ALICE.1, NEW).await;
            assert_eq!(response.status, 429);
            assert!(header(&response, "retry-after").parse::<u64>().unwrap() >= 1);
            // The counter is that of the sign-in page.
            browser.cookies.remove(SESSION);
            let page = browser.open(&request("app")).await;
            assert_eq!(browser.login(&page, ALICE).await.status, 429);
        });
    }

    #[test]
    fn of_two_changes_at_once_one_holds() {
        with_server(async |s| {
            let mut browser = signed_in(s, ALICE).await;
            let page = browser.form("/account/password", "password-form").await;
            let requests = (0..8).map(|number| {
                let new = format!("{NEW} {number}");
                let body = page.encoded(&[("current", ALICE.1), ("new", &new), ("action", "change")]);
                browser.with_cookies(s.post("/account/password").raw_form(&body))
            });
            let answers = in_parallel(requests.collect()).await;
            let done =
                answers.iter().filter(|a| a.header("location") == Some("/account/password?done=password"));
            assert_eq!(done.count(), 1, "{:?}", answers.iter().map(|a| a.status).collect::<Vec<_>>());
            let changes = s.events(ALICE.0).await.into_iter().filter(|e| *e == "user.password_changed");
            assert_eq!(changes.count(), 1);
        });
    }
}
