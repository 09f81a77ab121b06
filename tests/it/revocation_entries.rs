//! What a revocation puts into the feed (docs/revocation-feed.md §1): one entry for each thing that ends, none for what
//! does not, and the database judges as a follower does.

use signet::flow::admin::{By, keys};
use signet::flow::revocation::{self, BatchAnswer};
use signet::model::audit::{Event, Origin};
use signet_verify::feed::entry::Kind;

use super::*;
use crate::support::follower::{Follower, News};

fn text(token: &str, claim: &str) -> String {
    claims(token)[claim].as_str().unwrap().to_owned()
}

fn family(token: &str) -> String {
    claims(token)["rv"][1].as_str().unwrap().to_owned()
}

fn epoch(token: &str) -> i64 {
    claims(token)["rv"][0].as_i64().unwrap()
}

async fn refreshed(s: &Server, client: &str, token: &str) -> Tokens {
    Tokens::of(&s.refresh(client, token).await)
}

mod a_user {
    use super::*;

    #[test]
    fn logged_out_everywhere_is_one_entry_however_many_sessions_there_are() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let (one, two) = (s.tokens("app").await, s.tokens("web").await);
            let bob = Browser::new(s).sign_in(&request("app"), BOB).await.code();
            let bob = Tokens::of(&s.redeem("app", &bob).await);
            s.log_out_all(ALICE.0).await;
            let expected = (Kind::Sub, text(&one.access, "sub"), Some(epoch(&one.access) + 1));
            assert_eq!(follower.news().await, [expected]);
            // The clock stands still: in the same millisecond.
            let again = s.tokens("app").await;
            for (token, voided) in [(&one, Some(Kind::Sub)), (&two, Some(Kind::Sub)), (&bob, None), (&again, None)] {
                assert_eq!(follower.judge(&token.access).await, voided);
            }
        });
    }

    #[test]
    fn disabled_and_enabled_again_has_no_old_token_back() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let old = s.tokens("app").await;
            s.disable_user(ALICE.0).await;
            assert_eq!(follower.news().await, [(Kind::Sub, text(&old.access, "sub"), Some(epoch(&old.access) + 1))]);
            s.enable_user(ALICE.0).await;
            assert_eq!(follower.news().await, []);
            assert_eq!(follower.judge(&old.access).await, Some(Kind::Sub));
            assert_eq!(follower.judge(&s.tokens("app").await.access).await, None);
        });
    }

    #[test]
    fn with_a_new_password_has_to_refresh_where_a_session_is_kept() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let (kept, ended) = (s.tokens("app").await, s.tokens("app").await);
            s.set_password(ALICE.0, "another walk along the river", Some(&text(&kept.access, "sid"))).await;
            assert_eq!(follower.news().await, [(Kind::Sub, text(&kept.access, "sub"), Some(epoch(&kept.access) + 1))]);
            assert_eq!(follower.judge(&kept.access).await, Some(Kind::Sub));
            assert_eq!(follower.judge(&ended.access).await, Some(Kind::Sub));
            assert_eq!(follower.judge(&refreshed(s, "app", kept.refresh()).await.access).await, None);
        });
    }
}

mod a_session {
    use super::*;

    #[test]
    fn ended_is_one_entry_however_many_families_it_had() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let mut browser = Browser::new(s);
            let one = s.tokens_of(&mut browser, "app", "openid").await;
            let two = s.tokens_of(&mut browser, "web", "openid").await;
            let elsewhere = s.tokens("app").await;
            browser.log_out(false).await;
            assert_eq!(follower.news().await, [(Kind::Sid, text(&one.access, "sid"), None)]);
            for (tokens, voided) in [(&one, Some(Kind::Sid)), (&two, Some(Kind::Sid)), (&elsewhere, None)] {
                assert_eq!(follower.judge(&tokens.access).await, voided);
            }
        });
    }

    /// The access tokens of offline families name the session that they outlive.
    #[test]
    fn signed_out_of_names_its_families_where_an_offline_one_lives_on() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let mut browser = Browser::new(s);
            let one = s.tokens_of(&mut browser, "app", "openid").await;
            let two = s.tokens_of(&mut browser, "other", "openid").await;
            let offline = s.tokens_of(&mut browser, "web", "openid offline_access").await;
            let session = text(&offline.access, "sid");
            assert_eq!(text(&one.access, "sid"), session);
            browser.log_out(false).await;
            let mut expected = vec![(Kind::Fam, family(&one.access), None), (Kind::Fam, family(&two.access), None)];
            expected.sort();
            assert_eq!(follower.news().await, expected);
            assert_eq!(follower.judge(&one.access).await, Some(Kind::Fam));
            assert_eq!(follower.judge(&offline.access).await, None);
            s.advance(MINUTE);
            let offline = refreshed(s, "web", offline.refresh()).await;
            assert_eq!(follower.judge(&offline.access).await, None);
            // What an operator ends does not live on.
            s.end_session(&session).await;
            assert_eq!(follower.news().await, [(Kind::Sid, session, None)]);
            assert_eq!(follower.judge(&offline.access).await, Some(Kind::Sid));
        });
    }

    #[test]
    fn with_nothing_but_offline_families_is_signed_out_of_without_a_word() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let mut browser = Browser::new(s);
            let offline = s.tokens_of(&mut browser, "web", "openid offline_access").await;
            browser.log_out(false).await;
            assert_eq!(follower.news().await, []);
            assert_eq!(follower.judge(&offline.access).await, None);
        });
    }

    #[test]
    fn in_whose_browser_somebody_else_signs_in_ends() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let mut browser = Browser::new(s);
            let alices = s.tokens_of(&mut browser, "app", "openid").await;
            let page = browser.open(&request("app").with("prompt", "login")).await;
            browser.login(&page, BOB).await;
            assert_eq!(follower.news().await, [(Kind::Sid, text(&alices.access, "sid"), None)]);
            assert_eq!(follower.judge(&alices.access).await, Some(Kind::Sid));
        });
    }
}

mod a_family {
    use super::*;

    #[test]
    fn given_up_by_its_client_is_named_once() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let (tokens, sibling) = (s.tokens("app").await, s.tokens("app").await);
            for _ in 0..2 {
                s.revoke("app", tokens.refresh()).await.ok();
            }
            s.revoke("web", sibling.refresh()).await;
            assert_eq!(follower.news().await, [(Kind::Fam, family(&tokens.access), None)]);
            assert_eq!(follower.judge(&tokens.access).await, Some(Kind::Fam));
            assert_eq!(follower.judge(&sibling.access).await, None);
        });
    }

    #[test]
    fn whose_code_comes_again_is_named() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let code = s.code("app").await;
            let tokens = Tokens::of(&s.redeem("app", &code).await);
            s.redeem("app", &code).await.refused(400, "invalid_grant");
            assert_eq!(follower.news().await, [(Kind::Fam, family(&tokens.access), None)]);
            assert_eq!(follower.judge(&tokens.access).await, Some(Kind::Fam));
        });
    }

    #[test]
    fn whose_late_retry_displaced_a_successor_is_void_below_the_new_generation() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let first = s.tokens("app").await;
            let lost = refreshed(s, "app", first.refresh()).await;
            assert_eq!(follower.news().await, []);
            s.advance(61 * SECOND);
            let fork = refreshed(s, "app", first.refresh()).await;
            let lowest = claims(&fork.access)["rv"][2].as_i64().unwrap();
            assert!(lowest > claims(&lost.access)["rv"][2].as_i64().unwrap());
            assert_eq!(follower.news().await, [(Kind::Fam, family(&fork.access), Some(lowest))]);
            assert_eq!(follower.judge(&lost.access).await, Some(Kind::Fam));
            assert_eq!(follower.judge(&fork.access).await, None);
        });
    }

    #[test]
    fn too_old_a_token_of_which_comes_ends_with_an_entry() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            s.patch_client("app", json!({ "refresh_token_idle_lifetime": 3 * 24 * 3600 })).await;
            let first = s.tokens("app").await;
            let second = refreshed(s, "app", first.refresh()).await;
            s.advance(24 * HOUR + SECOND);
            s.refresh("app", first.refresh()).await.refused(400, "invalid_grant");
            assert_eq!(follower.news().await, [(Kind::Fam, family(&second.access), None)]);
        });
    }

    async fn theft(response: &str, s: &Server) -> (News, Tokens, Tokens) {
        let mut follower = Follower::new(s);
        s.patch_client("app", json!({ "theft_response": response })).await;
        let mut browser = Browser::new(s);
        let first = s.tokens_of(&mut browser, "app", "openid").await;
        let sibling = s.tokens_of(&mut browser, "web", "openid offline_access").await;
        s.advance(2 * MINUTE);
        let second = refreshed(s, "app", first.refresh()).await;
        s.advance(2 * MINUTE);
        let stolen = refreshed(s, "app", second.refresh()).await;
        assert_eq!(follower.news().await, []);
        s.refresh("app", first.refresh()).await.refused(400, "invalid_grant");
        let news = follower.news().await;
        assert!(follower.judge(&stolen.access).await.is_some());
        assert_eq!(follower.judge(&sibling.access).await.is_none(), response == "family");
        (news, stolen, sibling)
    }

    #[test]
    fn stolen_ends_what_the_client_wishes_in_one_entry() {
        with_server(async |s| {
            let (news, stolen, _) = theft("family", s).await;
            assert_eq!(news, [(Kind::Fam, family(&stolen.access), None)]);
        });
        with_server(async |s| {
            let (news, stolen, _) = theft("session", s).await;
            assert_eq!(news, [(Kind::Sid, text(&stolen.access, "sid"), None)]);
        });
        with_server(async |s| {
            let (news, stolen, _) = theft("user", s).await;
            assert_eq!(news, [(Kind::Sub, text(&stolen.access, "sub"), Some(epoch(&stolen.access) + 1))]);
        });
    }
}

mod an_access_token {
    use super::*;

    #[test]
    fn revoked_is_named_once_and_alone() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let tokens = s.tokens("app").await;
            s.revoke("web", &tokens.access).await;
            assert_eq!(follower.news().await, []);
            for _ in 0..2 {
                s.revoke("app", &tokens.access).await.ok();
            }
            assert_eq!(follower.news().await, [(Kind::Jti, text(&tokens.access, "jti"), None)]);
            assert_eq!(follower.judge(&tokens.access).await, Some(Kind::Jti));
            s.advance(SECOND);
            assert_eq!(follower.judge(&refreshed(s, "app", tokens.refresh()).await.access).await, None);
        });
    }
}

mod a_client {
    use super::*;

    #[test]
    fn disabled_and_enabled_again_has_no_old_token_back() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let grant = [("grant_type", "client_credentials")];
            let (old, service) = (s.tokens("app").await, s.token("service", &grant).await.json());
            let service = service["access_token"].as_str().unwrap();
            let cutoff = Some(s.now().seconds() + 10);
            for client in ["app", "service"] {
                s.disable_client(client).await;
            }
            let expected = ["app", "service"].map(|client| (Kind::Client, client.to_owned(), cutoff));
            assert_eq!(follower.news().await, expected);
            for client in ["app", "service"] {
                s.enable_client(client).await;
            }
            assert_eq!(follower.news().await, []);
            assert_eq!(follower.judge(&old.access).await, Some(Kind::Client));
            assert_eq!(follower.judge(service).await, Some(Kind::Client));
            // A node whose clock is ahead may have issued what looks younger.
            s.advance(9 * SECOND);
            let early = refreshed(s, "app", old.refresh()).await;
            assert_eq!(follower.judge(&early.access).await, Some(Kind::Client));
            s.advance(SECOND);
            assert_eq!(follower.judge(&refreshed(s, "app", early.refresh()).await.access).await, None);
            let service = s.token("service", &grant).await.json();
            assert_eq!(follower.judge(service["access_token"].as_str().unwrap()).await, None);
        });
    }

    #[test]
    fn deleted_is_named() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let tokens = s.tokens("app").await;
            s.delete_client("app").await;
            assert_eq!(follower.news().await, [(Kind::Client, "app".to_owned(), Some(s.now().seconds() + 10))]);
            assert_eq!(follower.judge(&tokens.access).await, Some(Kind::Client));
        });
    }
}

mod a_signing_key {
    use super::*;

    #[test]
    fn taken_out_of_use_in_an_emergency_is_named_and_one_that_retires_is_not() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let tokens = s.tokens("app").await;
            let origin = Origin::default();
            let by = By { actor: "cli", origin: &origin, now: s.now() };
            let rotated = keys::rotate(&s.op, &by, &keys::Which::All).await.unwrap();
            assert!(!rotated.created.is_empty());
            assert_eq!(follower.news().await, []);
            // A successor that signs nothing yet may be removed: whoever stole it could sign.
            let pending = &rotated.created[0].kid;
            keys::remove(&s.op, &by, pending).await.unwrap();
            assert_eq!(follower.news().await, [(Kind::Kid, pending.0.clone(), None)]);
            let kid = jwt_header(&tokens.access)["kid"].as_str().unwrap().to_owned();
            let which = keys::Which::Key(signet::secret::KeyId(kid.clone()));
            keys::rotate_emergency(&s.op, &by, &which).await.unwrap();
            assert!(follower.news().await.contains(&(Kind::Kid, kid, None)));
            assert_eq!(follower.judge(&tokens.access).await, Some(Kind::Kid));
            assert_eq!(follower.judge(&refreshed(s, "app", tokens.refresh()).await.access).await, None);
        });
    }
}

mod everything_else {
    use super::*;

    #[test]
    fn is_not_named() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let mut browser = Browser::new(s);
            let first = s.tokens_of(&mut browser, "app", "openid offline_access").await;
            let second = refreshed(s, "app", first.refresh()).await;
            refreshed(s, "app", first.refresh()).await;
            s.advance(2 * MINUTE);
            refreshed(s, "app", second.refresh()).await;
            s.userinfo(&first.access).await.ok();
            s.refresh("web", first.refresh()).await.refused(400, "invalid_grant");
            s.redeem("app", "sac_none").await.refused(400, "invalid_grant");
            browser.silently(&request("app")).await.code();
            let page = browser.open(&request("app").with("prompt", "login")).await;
            browser.login(&page, ALICE).await;
            s.patch_client("app", json!({ "client_name": "Other" })).await;
            s.rotate_secret("web", HOUR).await;
            assert_eq!(follower.news().await, []);
            assert_eq!(follower.judge(&first.access).await, None);
        });
    }
}

mod a_restored_database {
    use super::*;

    #[test]
    fn brings_nothing_back_and_uses_no_number_twice() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let mut browser = Browser::new(s);
            let tokens = s.tokens_of(&mut browser, "app", "openid offline_access").await;
            let code = browser.silently(&request("other")).await.code();
            let page = browser.open(&request("app").with("prompt", "login")).await;
            s.revoke("web", s.tokens("web").await.refresh()).await.ok();
            follower.news().await;
            let mut numbers = vec![follower.n];
            // Twice: the same backup may have to be restored again.
            for _ in 0..2 {
                s.advance(SECOND);
                let entry = s.op.audit(Event::EpochRestored, "cli", s.now()).unwrap();
                let restored = s.op.store.restore_epoch(entry).await.unwrap();
                assert_eq!(restored.users, 2);
                revocation::sweep(&s.op).await.unwrap();
                assert!(restored.feed_number >= numbers.last().unwrap() + (1 << 32));
                // The next batch has a predecessor that does not exist, as a follower finds when it asks for it.
                let gone = revocation::batch(&s.op, restored.feed_number).await.unwrap();
                assert_eq!(gone, BatchAnswer::Gone);
                assert_eq!(revocation::batch(&s.op, follower.n + 1).await.unwrap(), BatchAnswer::Gone);
                follower.n = restored.feed_number;
                let cutoff = s.now().seconds() + 10;
                assert_eq!(follower.news().await, [(Kind::Iss, String::new(), Some(cutoff))]);
                numbers.push(follower.n);
            }
            assert_eq!(follower.judge(&tokens.access).await, Some(Kind::Iss));
            s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
            s.redeem("other", &code).await.refused(400, "invalid_grant");
            assert!(!browser.is_signed_in().await);
            assert!(browser.login(&page, ALICE).await.status >= 400);
            s.advance(10 * SECOND);
            assert_eq!(follower.judge(&s.tokens("app").await.access).await, None);
        });
    }
}
