//! Ending one's own devices and taking back what apps may do: whose they are, what goes with them, and that nothing
//! survives a race (S-046, S-079, S-081).

use super::account::signed_in;
use super::*;

fn sid(tokens: &Tokens) -> String {
    claims(&tokens.access)["sid"].as_str().unwrap().to_owned()
}

async fn sign_out(browser: &mut Browser<'_>, action: &str, session: &str) -> Response {
    let page = browser.form("/account/sessions", "sessions-form").await;
    browser.submit(&page, &[("action", action), ("session", session)]).await
}

/// A form of the applications page: any carries the page's token.
async fn token_of_applications(browser: &mut Browser<'_>) -> Page {
    browser.form("/account/applications", "revoke").await.without("client")
}

async fn revoke(browser: &mut Browser<'_>, client: &str) -> Response {
    let page = token_of_applications(browser).await;
    browser.submit(&page, &[("action", "revoke"), ("client", client)]).await
}

async fn is_dead(s: &Server, client: &str, tokens: &Tokens) {
    s.refresh(client, tokens.refresh()).await.refused(400, "invalid_grant");
    assert!(!s.is_active(&tokens.access).await);
}

mod one_device {
    use super::*;

    #[test]
    fn ends_with_its_apps_and_offline_access_and_no_other_does() {
        with_server(async |s| {
            let (mut here, mut there) = (Browser::new(s), Browser::new(s));
            let own = s.tokens_of(&mut here, "app", "openid").await;
            let online = s.tokens_of(&mut there, "app", "openid").await;
            let offline = s.tokens_of(&mut there, "web", "openid offline_access").await;
            let code = there.silently(&request("app")).await.code();
            let response = sign_out(&mut here, "one", &sid(&online)).await;
            assert_eq!(response.location(), "/account/sessions?done=device");
            assert!(response.header("revocation-batch").is_some());
            assert!(here.get(response.location()).await.text().contains("id=\"account-done\""));
            is_dead(s, "app", &online).await;
            is_dead(s, "web", &offline).await;
            s.redeem("app", &code).await.refused(400, "invalid_grant");
            assert!(!there.is_signed_in().await && here.is_signed_in().await);
            s.refresh("app", own.refresh()).await.ok();
            let entry = s.history(ALICE.0).await.into_iter().rfind(|e| e.event.as_str() == "session.ended").unwrap();
            assert_eq!(entry.actor, format!("user:{}", s.user_id(ALICE.0).await));
            assert_eq!(entry.cause.as_deref(), Some("session_ended"));
            // Why was I signed out: with the device and the place.
            let activity = here.get("/account/activity").await.text();
            assert!(activity.contains("you ended it on the account"), "{activity}");
            assert!(activity.contains("Signed out: "), "{activity}");
        });
    }

    #[test]
    fn whose_session_has_run_out_is_still_listed_and_ends() {
        with_server(async |s| {
            let mut there = Browser::new(s);
            let offline = s.tokens_of(&mut there, "web", "openid offline_access").await;
            s.advance(5 * HOUR);
            let mut cursor = signet::storage::SweepCursor::default();
            let swept = s.op.store.sweep(&mut cursor, 100, DAY, s.now()).await.unwrap();
            assert_eq!((swept.sessions, swept.families), (0, 0));
            let mut inside = signed_in(s, ALICE).await;
            let html = inside.get("/account/sessions").await.ok().text();
            assert!(html.contains("The browser is not signed in any more") && html.contains("A web application"));
            assert!(html.contains(&sid(&offline)));
            let response = sign_out(&mut inside, "one", &sid(&offline)).await;
            assert_eq!(response.location(), "/account/sessions?done=device");
            s.refresh("web", offline.refresh()).await.refused(400, "invalid_grant");
            assert!(!inside.get("/account/sessions").await.text().contains(&sid(&offline)));
        });
    }

    #[test]
    fn of_another_user_is_out_of_reach() {
        with_server(async |s| {
            let mut alice = signed_in(s, ALICE).await;
            let mut bob = Browser::new(s);
            let code = bob.sign_in(&request("web").with("scope", "openid offline_access"), BOB).await.code();
            let bobs = Tokens::of(&s.redeem("web", &code).await);
            let unused = bob.silently(&request("app")).await.code();
            for session in [sid(&bobs), sid(&bobs).to_uppercase(), uuid::Uuid::nil().to_string()] {
                let response = sign_out(&mut alice, "one", &session).await;
                assert_eq!(response.location(), "/account/sessions?done=nothing");
            }
            assert!(bob.is_signed_in().await);
            Tokens::of(&s.redeem("app", &unused).await);
            s.refresh("web", bobs.refresh()).await.ok();
            assert!(!s.events(BOB.0).await.contains(&"session.ended"));
            assert!(!s.events(ALICE.0).await.contains(&"session.ended"));
            assert!(!alice.get("/account/sessions").await.text().contains(&sid(&bobs)));
        });
    }

    #[test]
    fn ends_once_however_many_ask() {
        with_server(async |s| {
            let (mut here, mut there) = (signed_in(s, ALICE).await, Browser::new(s));
            let ended = s.tokens_of(&mut there, "app", "openid").await;
            let page = here.form("/account/sessions", "sessions-form").await;
            let body = page.encoded(&[("action", "one"), ("session", &sid(&ended))]);
            let one = here.with_cookies(s.post("/account/sessions").raw_form(&body));
            let answers = in_parallel(vec![one; 8]).await;
            let done = answers.iter().filter(|a| a.location() == "/account/sessions?done=device").count();
            assert_eq!(done, 1);
            let events = s.events(ALICE.0).await;
            assert_eq!(events.iter().filter(|event| **event == "session.ended").count(), 1);
            is_dead(s, "app", &ended).await;
        });
    }

    #[test]
    fn that_is_this_one_is_left_without_more_questions() {
        with_server(async |s| {
            let mut here = Browser::new(s);
            let own = s.tokens_of(&mut here, "app", "openid").await;
            let offline = s.tokens_of(&mut here, "web", "openid offline_access").await;
            let passed = s.op.policy.sessions.fresh.as_secs() / 600 + 1;
            for _ in 0..passed {
                s.advance(10 * MINUTE);
                assert!(here.is_signed_in().await);
            }
            let before = here.clone();
            assert_eq!(sign_out(&mut here, "one", &sid(&own)).await.location(), "/logged-out");
            assert!(!before.is_signed_in().await && !here.cookies.contains_key("signet_session"));
            is_dead(s, "app", &own).await;
            is_dead(s, "web", &offline).await;
        });
    }

    #[test]
    fn racing_with_a_redemption_or_a_refresh_leaves_nothing() {
        with_server(async |s| {
            for round in 0..4 {
                let (mut here, mut there) = (signed_in(s, ALICE).await, Browser::new(s));
                let tokens = s.tokens_of(&mut there, "app", "openid offline_access").await;
                let code = there.silently(&request("app").with("scope", "openid offline_access")).await.code();
                let page = here.form("/account/sessions", "sessions-form").await;
                let body = page.encoded(&[("action", "one"), ("session", &sid(&tokens))]);
                let mut requests = vec![
                    s.auth("app").on(s.post("/token"), &redemption(&code)),
                    s.auth("app").on(
                        s.post("/token"),
                        &[("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())],
                    ),
                ];
                requests.insert(round % 3, here.with_cookies(s.post("/account/sessions").raw_form(&body)));
                let answers = in_parallel(requests).await;
                for answer in answers.iter().filter(|answer| answer.status == 200) {
                    is_dead(s, "app", &Tokens::of(answer)).await;
                }
                assert!(!there.is_signed_in().await);
            }
        });
    }
}

mod all_other_devices {
    use super::*;

    #[test]
    fn end_and_this_one_goes_on_with_its_apps() {
        with_server(async |s| {
            let (mut here, mut there) = (Browser::new(s), Browser::new(s));
            let own = s.tokens_of(&mut here, "app", "openid").await;
            let ended = s.tokens_of(&mut there, "app", "openid").await;
            let offline = s.tokens_of(&mut there, "web", "openid offline_access").await;
            let code = there.silently(&request("app")).await.code();
            let mut bob = Browser::new(s);
            let code_of_bob = bob.sign_in(&request("app"), BOB).await.code();
            let bobs = Tokens::of(&s.redeem("app", &code_of_bob).await);
            let response = sign_out(&mut here, "others", "").await;
            assert_eq!(response.location(), "/account/sessions?done=others");
            is_dead(s, "app", &ended).await;
            is_dead(s, "web", &offline).await;
            s.redeem("app", &code).await.refused(400, "invalid_grant");
            assert!(!there.is_signed_in().await && here.is_signed_in().await && bob.is_signed_in().await);
            let own = Tokens::of(&s.refresh("app", own.refresh()).await);
            assert!(s.is_active(&own.access).await && s.is_active(&bobs.access).await);
            let html = here.get("/account/sessions").await.text();
            assert!(html.contains("id=\"session-1\"") && !html.contains("id=\"session-2\""));
            assert!(here.get("/account/activity").await.text().contains("Signed out everywhere else"));
        });
    }

    #[test]
    fn end_with_this_one_where_that_is_asked() {
        with_server(async |s| {
            let (mut here, mut there) = (Browser::new(s), Browser::new(s));
            let own = s.tokens_of(&mut here, "app", "openid offline_access").await;
            s.tokens_of(&mut there, "app", "openid").await;
            let before = here.clone();
            let response = sign_out(&mut here, "all", "").await;
            assert_eq!(response.location(), "/logged-out?everywhere=1");
            assert!(!here.cookies.contains_key("signet_session"));
            assert!(!before.is_signed_in().await && !there.is_signed_in().await);
            is_dead(s, "app", &own).await;
        });
    }

    #[test]
    fn two_who_end_each_other_leave_no_more_than_one() {
        with_server(async |s| {
            let (mut one, mut two) = (Browser::new(s), Browser::new(s));
            s.tokens_of(&mut one, "app", "openid").await;
            s.tokens_of(&mut two, "app", "openid").await;
            let mut requests = Vec::new();
            for browser in [&mut one, &mut two] {
                let page = browser.form("/account/sessions", "sessions-form").await;
                let body = page.encoded(&[("action", "others")]);
                requests.push(browser.with_cookies(s.post("/account/sessions").raw_form(&body)));
            }
            in_parallel(requests).await;
            let left = [one.is_signed_in().await, two.is_signed_in().await];
            assert_eq!(left.iter().filter(|signed_in| **signed_in).count(), 1);
        });
    }
}

mod an_application {
    use super::*;

    #[test]
    fn loses_consent_tokens_and_codes_and_no_other_does() {
        with_server(async |s| {
            let (mut here, mut there) = (Browser::new(s), Browser::new(s));
            let scope = "openid offline_access read";
            let one = s.tokens_of(&mut here, "spa", scope).await;
            let two = s.tokens_of(&mut there, "spa", "openid read").await;
            let other = s.tokens_of(&mut here, "app", scope).await;
            let code = there.silently(&request("spa").with("scope", scope)).await.code();
            let response = revoke(&mut here, "spa").await;
            assert_eq!(response.location(), "/account/applications?done=revoked");
            assert!(response.header("revocation-batch").is_some());
            is_dead(s, "spa", &one).await;
            is_dead(s, "spa", &two).await;
            s.redeem("spa", &code).await.refused(400, "invalid_grant");
            assert!(here.is_signed_in().await && there.is_signed_in().await);
            s.refresh("app", other.refresh()).await.ok();
            let html = here.get(response.location()).await.text();
            assert!(!html.contains("A single-page app") && html.contains("An app of ours"), "{html}");
            // It has to ask again.
            assert!(here.authorize(&request("spa")).await.location().starts_with("/consent"));
            let entry = s.history(ALICE.0).await.into_iter().rfind(|e| e.event.as_str() == "consent.withdrawn");
            let entry = entry.unwrap();
            assert_eq!(entry.cause.as_deref(), Some("consent_withdrawn"));
            assert_eq!(entry.client.unwrap().as_str(), "spa");
            assert_eq!(revoke(&mut here, "spa").await.location(), "/account/applications?done=nothing");
        });
    }

    #[test]
    fn of_ours_and_one_that_outlived_its_session_are_listed_and_end() {
        with_server(async |s| {
            let mut there = Browser::new(s);
            let offline = s.tokens_of(&mut there, "web", "openid offline_access").await;
            there.log_out(false).await.location();
            let mut here = Browser::new(s);
            here.sign_in(&request("app"), ALICE).await.code();
            let html = here.get("/account/applications").await.ok().text();
            assert!(html.contains("A web application") && html.contains(">part of this service<"));
            assert!(html.contains("Stay connected when you are not there"));
            assert_eq!(revoke(&mut here, "web").await.location(), "/account/applications?done=revoked");
            is_dead(s, "web", &offline).await;
            assert!(here.get("/account/applications").await.text().contains("id=\"applications-none\""));
        });
    }

    #[test]
    fn of_another_user_goes_on() {
        with_server(async |s| {
            let (mut alice, mut bob) = (Browser::new(s), Browser::new(s));
            s.tokens_of(&mut alice, "spa", "openid read").await;
            let code = bob.sign_in(&request("spa"), BOB).await.code();
            let bobs = Tokens::of(&s.redeem("spa", &code).await);
            revoke(&mut alice, "spa").await.location();
            s.refresh("spa", bobs.refresh()).await.ok();
            Redirect::parse(bob.authorize(&request("spa")).await.location()).code();
            assert!(!s.events(BOB.0).await.contains(&"consent.withdrawn"));
        });
    }

    #[test]
    fn that_nobody_knows_is_no_error() {
        with_server(async |s| {
            let mut alice = Browser::new(s);
            s.tokens_of(&mut alice, "app", "openid").await;
            let long = "x".repeat(500);
            for client in ["nobody", "service", "' OR 1=1 --", "<script>", &long] {
                let response = revoke(&mut alice, client).await;
                assert_eq!(response.location(), "/account/applications?done=nothing");
            }
        });
    }

    #[test]
    fn that_races_with_its_end_keeps_nothing() {
        with_server(async |s| {
            for round in 0..4 {
                let mut here = Browser::new(s);
                let tokens = s.tokens_of(&mut here, "spa", "openid offline_access").await;
                let there = here.clone();
                let code = here.silently(&request("spa").with("scope", "openid offline_access")).await.code();
                let page = token_of_applications(&mut here).await;
                let body = page.encoded(&[("action", "revoke"), ("client", "spa")]);
                let mut requests = vec![
                    s.auth("spa").on(s.post("/token"), &redemption(&code)),
                    s.auth("spa").on(
                        s.post("/token"),
                        &[("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())],
                    ),
                ];
                requests.insert(round % 3, here.with_cookies(s.post("/account/applications").raw_form(&body)));
                let silent = request("spa").with("scope", "openid offline_access").with("prompt", "none");
                requests.extend(vec![there.with_cookies(s.get(&silent.target())); 4]);
                let answers = in_parallel(requests).await;
                for answer in answers.iter().filter_map(|answer| answer.header("location")) {
                    if let Some(code) = Redirect::parse(answer).get("code") {
                        s.redeem("spa", code).await.refused(400, "invalid_grant");
                    }
                }
                for answer in answers.iter().filter(|answer| answer.status == 200) {
                    is_dead(s, "spa", &Tokens::of(answer)).await;
                }
                is_dead(s, "spa", &tokens).await;
                assert!(here.get("/account/applications").await.text().contains("id=\"applications-none\""));
            }
        });
    }
}
