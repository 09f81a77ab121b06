//! Refresh-token rotation (RFC 9700 §4.14.2): every row of the verdict table, as a client meets it.

use super::*;
use crate::support::surfer::{MAIN, PAGE};

async fn refreshed(s: &Server, client: &str, token: &str) -> Tokens {
    Tokens::of(&s.refresh(client, token).await)
}

/// The token of another generation of the same family.
fn generation(s: &Server, token: &str, change: impl Fn(u32) -> u32) -> String {
    let keys = &s.op.secrets.refresh_tokens;
    let (id, generation) = keys.decode(&signet::secret::RefreshToken::new(token)).unwrap();
    keys.encode(id, change(generation)).reveal().to_owned()
}

mod verdicts {
    use super::*;

    #[test]
    fn the_current_token_advances() {
        with_server(async |s| {
            let mut token = s.tokens("app").await.refresh().to_owned();
            let mut seen = vec![token.clone()];
            for _ in 0..10 {
                s.advance(10 * MINUTE);
                let next = refreshed(s, "app", &token).await;
                assert!(!seen.contains(&next.refresh().to_owned()));
                token = next.refresh().to_owned();
                seen.push(token.clone());
            }
        });
    }

    #[test]
    fn a_retry_yields_the_same_successor() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            let second = refreshed(s, "app", first.refresh()).await;
            for _ in 0..3 {
                s.advance(10 * SECOND);
                let again = refreshed(s, "app", first.refresh()).await;
                assert_eq!(again.refresh, second.refresh);
                assert!(s.is_active(&again.access).await);
            }
            // A lost reply has cost nothing: the successor goes on.
            s.advance(10 * MINUTE);
            refreshed(s, "app", second.refresh()).await;
        });
    }

    #[test]
    fn a_slow_retry_is_held() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            let second = refreshed(s, "app", first.refresh()).await;
            for after in [31 * SECOND, 29 * SECOND] {
                s.advance(after);
                let held = refreshed(s, "app", first.refresh()).await;
                assert!(held.refresh.is_none());
                assert!(s.is_active(&held.access).await);
            }
            refreshed(s, "app", second.refresh()).await;
        });
    }

    #[test]
    fn after_a_burst_the_token_is_kept() {
        with_server(async |s| {
            let mut token = s.tokens("app").await.refresh().to_owned();
            // The first is no part of the burst, eight are, and then it is enough.
            for _ in 0..9 {
                s.advance(SECOND);
                token = refreshed(s, "app", &token).await.refresh().to_owned();
            }
            for _ in 0..5 {
                s.advance(SECOND);
                let kept = refreshed(s, "app", &token).await;
                assert!(kept.refresh.is_none());
                assert!(s.is_active(&kept.access).await);
            }
            s.advance(61 * SECOND);
            assert!(refreshed(s, "app", &token).await.refresh.is_some());
        });
    }

    #[test]
    fn within_a_burst_every_generation_may_be_retried() {
        with_server(async |s| {
            let mut tokens = vec![s.tokens("app").await.refresh().to_owned()];
            for _ in 0..4 {
                s.advance(SECOND);
                tokens.push(refreshed(s, "app", tokens.last().unwrap()).await.refresh().to_owned());
            }
            for token in &tokens[..4] {
                assert_eq!(refreshed(s, "app", token).await.refresh(), tokens[4]);
            }
            assert!(!s.events(ALICE.0).await.contains(&"refresh.theft"));
        });
    }

    #[test]
    fn a_late_retry_forks_and_displaces_the_unconfirmed_successor() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            let lost = refreshed(s, "app", first.refresh()).await;
            s.advance(61 * SECOND);
            let fork = refreshed(s, "app", first.refresh()).await;
            assert_ne!(fork.refresh, lost.refresh);
            assert_ne!(fork.refresh, first.refresh);
            assert!(!s.is_active(&lost.access).await, "the displaced token's access token lives");
            assert!(s.is_active(&fork.access).await);
            assert!(s.events(ALICE.0).await.contains(&"refresh.forked"));
            // The owner goes on undisturbed.
            s.advance(10 * MINUTE);
            refreshed(s, "app", fork.refresh()).await;
        });
    }

    #[test]
    fn the_displaced_token_is_theft_and_ends_everything() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            let first = s.tokens_of(&mut browser, "app", "openid offline_access").await;
            let elsewhere = s.tokens("web").await;
            let displaced = refreshed(s, "app", first.refresh()).await;
            s.advance(61 * SECOND);
            let fork = refreshed(s, "app", first.refresh()).await;
            s.advance(10 * SECOND);
            s.refresh("app", displaced.refresh()).await.refused(400, "invalid_grant");
            s.refresh("app", fork.refresh()).await.refused(400, "invalid_grant");
            s.refresh("web", elsewhere.refresh()).await.refused(400, "invalid_grant");
            assert!(!s.is_active(&fork.access).await);
            assert!(!s.is_active(&elsewhere.access).await);
            assert!(!browser.is_signed_in().await);
            assert!(s.events(ALICE.0).await.contains(&"refresh.theft"));
        });
    }

    #[test]
    fn a_token_whose_successor_was_used_is_theft() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            s.advance(2 * MINUTE);
            let second = refreshed(s, "app", first.refresh()).await;
            s.advance(2 * MINUTE);
            let third = refreshed(s, "app", second.refresh()).await;
            s.refresh("app", first.refresh()).await.refused(400, "invalid_grant");
            s.refresh("app", third.refresh()).await.refused(400, "invalid_grant");
            assert!(!s.is_active(&third.access).await);
        });
    }

    #[test]
    fn beyond_the_late_horizon_the_family_ends_without_an_alarm() {
        with_server(async |s| {
            s.patch_client("app", json!({ "refresh_token_idle_lifetime": 3 * 24 * 3600 })).await;
            let elsewhere = s.tokens("other").await;
            let first = s.tokens("app").await;
            let second = refreshed(s, "app", first.refresh()).await;
            s.advance(23 * HOUR);
            refreshed(s, "other", elsewhere.refresh()).await;
            s.advance(HOUR + SECOND);
            s.refresh("app", first.refresh()).await.refused(400, "invalid_grant");
            s.refresh("app", second.refresh()).await.refused(400, "invalid_grant");
            let events = s.events(ALICE.0).await;
            assert!(events.contains(&"family.ended") && !events.contains(&"refresh.theft"), "{events:?}");
            assert!(Browser::new(s).sign_in(&request("app"), ALICE).await.get("code").is_some());
        });
    }

    #[test]
    fn a_token_newer_than_the_database_is_followed() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            // A restored database: the client saw generation 3, the row says 0.
            let newer = generation(s, first.refresh(), |generation| generation + 3);
            let answer = refreshed(s, "app", &newer).await;
            assert!(answer.refresh.is_none());
            assert!(s.is_active(&answer.access).await);
            assert!(s.events(ALICE.0).await.contains(&"refresh.rolled_forward"));
            s.advance(2 * MINUTE);
            let next = refreshed(s, "app", &newer).await;
            assert_eq!(next.refresh(), generation(s, &newer, |generation| generation + 1));
        });
    }
}

mod classes {
    use super::*;

    #[test]
    fn a_cookie_client_advances_once_within_the_hold_horizon() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let first = surfer.refresh_cookie(MAIN).unwrap().to_owned();
            surfer.refresh(PAGE).await.ok();
            let second = surfer.refresh_cookie(MAIN).unwrap().to_owned();
            assert_ne!(second, first);
            for _ in 0..3 {
                s.advance(15 * SECOND);
                assert_eq!(surfer.refresh(PAGE).await.ok().header("set-cookie"), None);
            }
            s.advance(16 * SECOND);
            surfer.refresh(PAGE).await.ok();
            assert_ne!(surfer.refresh_cookie(MAIN).unwrap(), second);
        });
    }

    #[test]
    fn a_confidential_client_keeps_its_token() {
        with_server(async |s| {
            let tokens = s.tokens("web").await;
            for _ in 0..4 {
                s.advance(90 * DAY);
                let again = refreshed(s, "web", tokens.refresh()).await;
                assert!(again.refresh.is_none());
                assert!(s.is_active(&again.access).await);
            }
            s.advance(6 * DAY);
            s.refresh("web", tokens.refresh()).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn a_confidential_client_may_choose_to_rotate() {
        with_server(async |s| {
            s.patch_client("web", json!({ "rotate_refresh_tokens": true })).await;
            let tokens = s.tokens("web").await;
            s.advance(2 * MINUTE);
            assert!(refreshed(s, "web", tokens.refresh()).await.refresh.is_some());
        });
    }

    #[test]
    fn high_assurance_takes_any_late_retry_for_theft() {
        with_server(async |s| {
            let elsewhere = s.tokens("app").await;
            let first = s.tokens("strict").await;
            let second = refreshed(s, "strict", first.refresh()).await;
            s.advance(30 * SECOND);
            assert_eq!(refreshed(s, "strict", first.refresh()).await.refresh, second.refresh);
            s.advance(SECOND);
            s.refresh("strict", first.refresh()).await.refused(400, "invalid_grant");
            s.refresh("strict", second.refresh()).await.refused(400, "invalid_grant");
            s.refresh("app", elsewhere.refresh()).await.refused(400, "invalid_grant");
        });
    }
}

mod denials {
    use super::*;

    #[test]
    fn an_unused_family_ends_after_its_idle_time() {
        with_server(async |s| {
            let (used, unused) = (s.tokens("app").await, s.tokens("app").await);
            s.advance(23 * HOUR);
            let used = refreshed(s, "app", used.refresh()).await;
            s.advance(HOUR + SECOND);
            s.refresh("app", unused.refresh()).await.refused(400, "invalid_grant");
            refreshed(s, "app", used.refresh()).await;
        });
    }

    #[test]
    fn use_does_not_extend_the_absolute_lifetime() {
        with_server(async |s| {
            let mut token = s.tokens("app").await.refresh().to_owned();
            for _ in 0..13 {
                s.advance(12 * HOUR);
                token = refreshed(s, "app", &token).await.refresh().to_owned();
            }
            s.advance(12 * HOUR);
            s.refresh("app", &token).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn high_assurance_families_live_a_quarter_of_an_hour_unused_and_half_a_day_at_most() {
        with_server(async |s| {
            let unused = s.tokens("strict").await;
            s.advance(15 * MINUTE + SECOND);
            s.refresh("strict", unused.refresh()).await.refused(400, "invalid_grant");
            let mut token = s.tokens("strict").await.refresh().to_owned();
            for _ in 0..51 {
                s.advance(14 * MINUTE);
                token = refreshed(s, "strict", &token).await.refresh().to_owned();
            }
            s.advance(6 * MINUTE);
            s.refresh("strict", &token).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn a_foreign_client_learns_nothing_and_harms_nobody() {
        with_server(async |s| {
            let first = s.tokens("app").await;
            s.advance(2 * MINUTE);
            let second = refreshed(s, "app", first.refresh()).await;
            s.advance(2 * MINUTE);
            let third = refreshed(s, "app", second.refresh()).await;
            // From its own client this would be theft.
            for token in [first.refresh(), second.refresh(), third.refresh()] {
                s.refresh("other", token).await.refused(400, "invalid_grant");
                s.refresh("post", token).await.refused(400, "invalid_grant");
            }
            refreshed(s, "app", third.refresh()).await;
        });
    }

    #[test]
    fn a_disabled_user_or_client_refreshes_nothing() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            s.disable_client("app").await;
            s.refresh("app", tokens.refresh()).await.refused(401, "invalid_client");
            s.enable_client("app").await;
            let tokens = refreshed(s, "app", tokens.refresh()).await;
            s.disable_user(ALICE.0).await;
            s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
            s.enable_user(ALICE.0).await;
            s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn every_refusal_reads_the_same() {
        with_server(async |s| {
            let mut refusals = Vec::new();
            let stale = s.tokens("app").await;
            s.advance(DAY + SECOND);
            refusals.push(s.refresh("app", stale.refresh()).await);
            refusals.push(s.refresh("app", "garbage").await);
            let revoked = s.tokens("app").await;
            refusals.push(s.refresh("other", revoked.refresh()).await);
            s.revoke("app", revoked.refresh()).await.ok();
            refusals.push(s.refresh("app", revoked.refresh()).await);
            let stolen = s.tokens("app").await;
            s.advance(2 * MINUTE);
            let next = refreshed(s, "app", stolen.refresh()).await;
            s.advance(2 * MINUTE);
            refreshed(s, "app", next.refresh()).await;
            refusals.push(s.refresh("app", stolen.refresh()).await);
            refusals.push(s.redeem("app", "sac_none").await);
            for refusal in &refusals {
                refusal.refused(400, "invalid_grant");
                assert_eq!(refusal.json()["error_description"], refusals[0].json()["error_description"]);
            }
        });
    }
}

mod theft_response {
    use super::*;

    struct World<'a> {
        /// The browser and the family in which the theft happens.
        browser: Browser<'a>,
        stolen: Tokens,
        /// Another family of the same session.
        sibling: Tokens,
        /// Another session of the same user.
        elsewhere: (Browser<'a>, Tokens),
        /// Another user.
        bob: Tokens,
    }

    async fn after_theft<'a>(s: &'a Server, response: &str) -> World<'a> {
        s.patch_client("app", json!({ "theft_response": response })).await;
        let (mut browser, mut other) = (Browser::new(s), Browser::new(s));
        let first = s.tokens_of(&mut browser, "app", "openid").await;
        let sibling = s.tokens_of(&mut browser, "other", "openid").await;
        let elsewhere = s.tokens_of(&mut other, "other", "openid").await;
        let bob = Browser::new(s).sign_in(&request("app"), BOB).await.code();
        let bob = Tokens::of(&s.redeem("app", &bob).await);
        s.advance(2 * MINUTE);
        let second = refreshed(s, "app", first.refresh()).await;
        s.advance(2 * MINUTE);
        let stolen = refreshed(s, "app", second.refresh()).await;
        s.refresh("app", first.refresh()).await.refused(400, "invalid_grant");
        s.refresh("app", stolen.refresh()).await.refused(400, "invalid_grant");
        assert!(!s.is_active(&stolen.access).await);
        World { browser, stolen, sibling, elsewhere: (other, elsewhere), bob }
    }

    async fn lives(s: &Server, client: &str, tokens: &Tokens) -> bool {
        let active = s.is_active(&tokens.access).await;
        let refreshes = s.refresh(client, tokens.refresh()).await.status == 200;
        assert_eq!(active, refreshes);
        active
    }

    #[test]
    fn by_default_everything_of_the_user_ends_and_nothing_of_anybody_else() {
        with_server(async |s| {
            let world = after_theft(s, "user").await;
            assert!(!lives(s, "other", &world.sibling).await);
            assert!(!lives(s, "other", &world.elsewhere.1).await);
            assert!(!world.browser.is_signed_in().await && !world.elsewhere.0.is_signed_in().await);
            assert!(lives(s, "app", &world.bob).await);
        });
    }

    #[test]
    fn a_client_may_narrow_it_to_the_session() {
        with_server(async |s| {
            let world = after_theft(s, "session").await;
            assert!(!lives(s, "other", &world.sibling).await);
            assert!(!world.browser.is_signed_in().await);
            assert!(lives(s, "other", &world.elsewhere.1).await);
            assert!(world.elsewhere.0.is_signed_in().await);
        });
    }

    #[test]
    fn a_client_may_narrow_it_to_the_family() {
        with_server(async |s| {
            let world = after_theft(s, "family").await;
            assert!(lives(s, "other", &world.sibling).await);
            assert!(world.browser.is_signed_in().await);
            assert!(lives(s, "other", &world.elsewhere.1).await);
            s.userinfo(&world.stolen.access).await.refused(401, "invalid_token");
        });
    }
}
