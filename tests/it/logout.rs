//! Signing out: one browser, one session, all devices; and everything else that ends what a user has open (S-046,
//! S-079, S-080).

use super::*;

/// Whether nothing of what a browser and its tokens could do works any more, on a node.
async fn all_refused(node: &Server, browser: &Browser<'_>, client: &str, tokens: &Tokens) {
    node.refresh(client, tokens.refresh()).await.refused(400, "invalid_grant");
    assert!(!node.is_active(&tokens.access).await);
    node.userinfo(&tokens.access).await.refused(401, "invalid_token");
    assert!(!browser.at(node).is_signed_in().await);
}

async fn all_works(s: &Server, browser: &Browser<'_>, client: &str, tokens: &Tokens) {
    assert!(s.is_active(&tokens.access).await);
    s.userinfo(&tokens.access).await.ok();
    assert!(browser.is_signed_in().await);
    s.refresh(client, tokens.refresh()).await.ok();
}

async fn bob(s: &Server) -> (Browser<'_>, Tokens) {
    let mut browser = Browser::new(s);
    let code = browser.sign_in(&request("app"), BOB).await.code();
    let tokens = Tokens::of(&s.redeem("app", &code).await);
    (browser, tokens)
}

mod all_devices {
    use super::*;

    #[test]
    fn everything_of_the_user_ends_at_once_on_every_node() {
        with_server(async |s| {
            let other_node = s.second_node().await;
            let (mut one, mut two) = (Browser::new(s), Browser::new(s));
            let offline = s.tokens_of(&mut one, "app", "openid offline_access").await;
            let online = s.tokens_of(&mut two, "web", "openid").await;
            let code = one.silently(&request("app")).await.code();
            let (bobs, bobs_tokens) = bob(s).await;
            // Both nodes know the clients and the user already.
            assert!(other_node.is_active(&offline.access).await);
            let ended = s.log_out_all(ALICE.0).await;
            assert_eq!((ended.ended.sessions, ended.ended.families, ended.ended.codes), (2, 2, 1));
            assert_eq!(ended.tokens_accepted_until, s.now().plus(15 * MINUTE));
            for node in [s, &other_node] {
                all_refused(node, &one, "app", &offline).await;
                all_refused(node, &two, "web", &online).await;
                node.redeem("app", &code).await.refused(400, "invalid_grant");
            }
            all_works(s, &bobs, "app", &bobs_tokens).await;
            let again = s.tokens("app").await;
            assert!(other_node.is_active(&again.access).await);
            let entry =
                s.history(ALICE.0).await.into_iter().find(|entry| entry.event.as_str() == "user.logout_all");
            assert_eq!(entry.unwrap().actor, "cli");
            other_node.stop().await;
        });
    }

    #[test]
    fn a_sign_in_under_way_is_not_ended_but_has_to_be_finished() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let page = browser.open(&request("spa")).await;
            s.log_out_all(ALICE.0).await;
            let response = browser.submit(&page, &[("action", "approve")]).await;
            assert!(response.location().starts_with("/login"));
            let page = browser.page(response.location()).await;
            let response = browser.login(&page, ALICE).await;
            let response = browser.consent(response.location()).await;
            Redirect::parse(response.location()).code();
        });
    }

    #[test]
    fn a_user_can_do_it_on_the_page() {
        with_server(async |s| {
            let (mut one, mut two) = (Browser::new(s), Browser::new(s));
            let first = s.tokens_of(&mut one, "app", "openid offline_access").await;
            let second = s.tokens_of(&mut two, "app", "openid offline_access").await;
            let response = one.log_out(true).await;
            assert_eq!(response.location(), "/logged-out?everywhere=1");
            assert!(!one.cookies.contains_key("signet_session"));
            one.get(response.location()).await.ok();
            all_refused(s, &one, "app", &first).await;
            all_refused(s, &two, "app", &second).await;
        });
    }

    #[test]
    fn a_user_can_do_it_by_an_access_token_in_the_demo() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let tokens = s.tokens_of(&mut browser, "app", "openid offline_access").await;
            assert_eq!(s.post("/demo/api/logout-all").send().await.status, 401);
            s.post("/demo/api/logout-all").bearer(&tokens.access).send().await.ok();
            all_refused(s, &browser, "app", &tokens).await;
            let again = s.post("/demo/api/logout-all").bearer(&tokens.access).send().await;
            again.refused(401, "invalid_token");
        });
    }

    #[test]
    fn a_services_own_token_is_nobodys_device() {
        with_server(async |s| {
            let grant = [("grant_type", "client_credentials")];
            let token = Tokens::of(&s.token("service", &grant).await).access;
            s.log_out_all(ALICE.0).await;
            assert!(s.is_active(&token).await);
        });
    }
}

mod one_browser {
    use super::*;

    #[test]
    fn its_session_ends_with_the_tokens_that_hang_on_it() {
        with_server(async |s| {
            let (mut one, mut two) = (Browser::new(s), Browser::new(s));
            let online = s.tokens_of(&mut one, "app", "openid").await;
            let offline = s.tokens_of(&mut one, "web", "openid offline_access").await;
            let elsewhere = s.tokens_of(&mut two, "app", "openid").await;
            let before = one.clone();
            let response = one.log_out(false).await;
            assert_eq!(response.location(), "/logged-out");
            all_refused(s, &before, "app", &online).await;
            // Offline access outlives the session: that is what it is for (OpenID Connect Core §11).
            assert!(s.is_active(&offline.access).await);
            s.refresh("web", offline.refresh()).await.ok();
            all_works(s, &two, "app", &elsewhere).await;
        });
    }

    #[test]
    fn a_code_in_flight_dies_with_it() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let code = browser.sign_in(&request("app"), ALICE).await.code();
            browser.log_out(false).await.location();
            s.redeem("app", &code).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn who_changes_their_mind_stays_signed_in() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await.code();
            let page = browser.page("/logout").await;
            assert_eq!(browser.submit(&page, &[("action", "cancel")]).await.location(), "/account");
            assert!(browser.is_signed_in().await);
        });
    }

    #[test]
    fn nobody_to_sign_out_is_no_error() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.get("/logout").await.ok();
            let page = browser.get("/logged-out").await;
            assert!(page.ok().text().contains("id=\"logged-out\""));
        });
    }
}

mod an_operator {
    use super::*;

    #[test]
    fn ends_one_session_with_its_offline_tokens() {
        with_server(async |s| {
            let (mut one, mut two) = (Browser::new(s), Browser::new(s));
            let ended = s.tokens_of(&mut one, "app", "openid").await;
            let offline = s.tokens_of(&mut one, "app", "openid offline_access").await;
            let other = s.tokens_of(&mut two, "app", "openid").await;
            let sid = claims(&ended.access)["sid"].as_str().unwrap().to_owned();
            assert_eq!(s.end_session(&sid).await.ended.sessions, 1);
            all_refused(s, &one, "app", &ended).await;
            all_refused(s, &one, "app", &offline).await;
            all_works(s, &two, "app", &other).await;
            assert!(s.events(ALICE.0).await.contains(&"session.ended"));
        });
    }

    #[test]
    fn disables_a_user_who_then_cannot_sign_in_until_enabled() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let tokens = s.tokens_of(&mut browser, "app", "openid offline_access").await;
            let ended = s.disable_user(ALICE.0).await;
            assert_eq!((ended.ended.sessions, ended.ended.families), (1, 1));
            all_refused(s, &browser, "app", &tokens).await;
            let page = browser.open(&request("app")).await;
            assert_eq!(browser.login(&page, ALICE).await.status, 401);
            s.enable_user(ALICE.0).await;
            // What had ended stays ended.
            all_refused(s, &browser, "app", &tokens).await;
            s.tokens("app").await;
        });
    }

    #[test]
    fn sets_a_password_which_ends_all_but_the_session_it_was_changed_in() {
        with_server(async |s| {
            let (mut kept, mut other) = (Browser::new(s), Browser::new(s));
            let own = s.tokens_of(&mut kept, "app", "openid").await;
            let ended = s.tokens_of(&mut other, "app", "openid offline_access").await;
            let sid = claims(&own.access)["sid"].as_str().unwrap().to_owned();
            s.set_password(ALICE.0, "an entirely different sentence", Some(&sid)).await;
            all_refused(s, &other, "app", &ended).await;
            assert!(kept.is_signed_in().await);
            // Access tokens are of the epoch before; the refresh token that stays yields one of the new epoch.
            s.userinfo(&own.access).await.refused(401, "invalid_token");
            let own = Tokens::of(&s.refresh("app", own.refresh()).await);
            all_works(s, &kept, "app", &own).await;
            let page = other.open(&request("app")).await;
            assert_eq!(other.login(&page, ALICE).await.status, 401);
            let page = other.open(&request("app")).await;
            let new = (ALICE.0, "an entirely different sentence");
            Redirect::parse(other.login(&page, new).await.location()).code();
            s.set_password(ALICE.0, "yet another sentence altogether", None).await;
            all_refused(s, &kept, "app", &own).await;
        });
    }

    #[test]
    fn deletes_a_client_and_its_tokens_with_it() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            s.delete_client("app").await;
            s.refresh("app", tokens.refresh()).await.refused(401, "invalid_client");
            assert!(!s.is_active(&tokens.access).await);
            s.userinfo(&tokens.access).await.refused(401, "invalid_token");
        });
    }

    #[test]
    fn disables_a_client_on_every_node_within_a_second() {
        with_server(async |s| {
            let other = s.second_node().await;
            let tokens = s.tokens("app").await;
            let code = s.code("app").await;
            assert!(other.is_active(&tokens.access).await);
            other.refresh("app", "garbage").await.refused(400, "invalid_grant");
            s.disable_client("app").await;
            // What a statement decides is refused at once, what memory decides within a second.
            assert!(!other.is_active(&tokens.access).await);
            assert_ne!(other.refresh("app", tokens.refresh()).await.status, 200);
            assert_ne!(other.redeem("app", &code).await.status, 200);
            s.advance(2 * SECOND);
            other.refresh("app", tokens.refresh()).await.refused(401, "invalid_client");
            other.stop().await;
        });
    }
}
