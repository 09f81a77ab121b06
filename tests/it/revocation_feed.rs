//! docs/revocation-feed.md, from end to end: whatever revokes a token, a resource server that follows the stream refuses
//! it, and no other.

use signet::http::admin::routes;
use signet_verify::feed::entry::Kind;

use super::*;
use crate::support::feed::{Watcher, named_batch, quick};

/// A server that looks into its outbox as a process does, and a resource server that follows it.
fn with_watcher(test: impl AsyncFnOnce(&Server, &mut Watcher)) {
    with_config(quick, async |s| {
        let _sweeping = s.sweeping();
        s.sweep().await;
        test(s, &mut Watcher::of(s).await).await;
    });
}

/// The reply of a call names a batch; with it the tokens are refused for that reason, and the others are not.
async fn takes_effect(w: &mut Watcher, reply: &Response, kind: Kind, (dead, alive): (&[&str], &[&str])) {
    assert!(reply.status < 400, "{}", reply.text());
    w.reach(named_batch(reply)).await;
    for token in dead {
        assert_eq!(w.judge(token), Some(kind));
    }
    for token in alive {
        assert_eq!(w.judge(token), None);
    }
}

async fn bob(s: &Server) -> Tokens {
    let code = Browser::new(s).sign_in(&request("app"), BOB).await.code();
    Tokens::of(&s.redeem("app", &code).await)
}

async fn service(s: &Server) -> String {
    Tokens::of(&s.token("service", &[("grant_type", "client_credentials")]).await).access
}

mod a_user {
    use super::*;

    #[test]
    fn is_logged_out_on_all_devices_by_an_operator_and_may_come_back_in_the_same_second() {
        with_watcher(async |s, w| {
            let (one, two) = (s.tokens("app").await, s.tokens("web").await);
            let (bob, service) = (bob(s).await, service(s).await);
            let path = format!("/users/{}/logout_all", s.user_id(ALICE.0).await);
            let reply = s.administering("POST", &path).await.send().await;
            // The clock stands still: what is issued now has the same iat as what was revoked.
            let again = s.tokens("app").await;
            let alive = [bob.access.as_str(), &service, &again.access];
            takes_effect(w, &reply, Kind::Sub, (&[&one.access, &two.access], &alive)).await;
            assert_eq!(claims(&again.access)["iat"], claims(&one.access)["iat"]);
            // A refreshed token of the new session is as good.
            let refreshed = Tokens::of(&s.refresh("app", again.refresh()).await);
            assert_eq!(w.judge(&refreshed.access), None);
        });
    }

    #[test]
    fn logs_out_on_all_devices_by_a_token_or_on_the_page() {
        with_watcher(async |s, w| {
            let mut browser = Browser::new(s);
            let first = s.tokens_of(&mut browser, "app", "openid read").await;
            let elsewhere = s.tokens("web").await;
            let reply = s.post("/demo/api/logout-all").bearer(&first.access).send().await;
            takes_effect(w, &reply, Kind::Sub, (&[&first.access, &elsewhere.access], &[])).await;
            let mut browser = Browser::new(s);
            let second = s.tokens_of(&mut browser, "app", "openid read").await;
            let elsewhere = s.tokens("web").await;
            assert_eq!(w.judge(&second.access), None);
            let reply = browser.log_out(true).await;
            takes_effect(w, &reply, Kind::Sub, (&[&second.access, &elsewhere.access], &[])).await;
        });
    }

    #[test]
    fn signs_out_in_one_browser() {
        with_watcher(async |s, w| {
            let (mut browser, bob) = (Browser::new(s), bob(s).await);
            let here = s.tokens_of(&mut browser, "app", "openid read").await;
            let elsewhere = s.tokens("app").await;
            let reply = browser.log_out(false).await;
            takes_effect(w, &reply, Kind::Sid, (&[&here.access], &[&elsewhere.access, &bob.access])).await;
        });
    }

    #[test]
    fn is_disabled() {
        with_watcher(async |s, w| {
            let (tokens, bob) = (s.tokens("app").await, bob(s).await);
            let path = format!("/users/{}/disable", s.user_id(ALICE.0).await);
            let reply = s.administering("POST", &path).await.send().await;
            takes_effect(w, &reply, Kind::Sub, (&[&tokens.access], &[&bob.access])).await;
        });
    }

    #[test]
    fn gets_a_new_password_and_keeps_the_session_it_was_changed_in() {
        with_watcher(async |s, w| {
            let mut browser = Browser::new(s);
            let kept = s.tokens_of(&mut browser, "app", "openid read").await;
            let (other, bob) = (s.tokens("app").await, bob(s).await);
            let path = format!("/users/{}/password", s.user_id(ALICE.0).await);
            let body = json!({ "password": "an entirely different sentence", "keep_session": claims(&kept.access)["sid"] });
            let request = s.administering("PUT", &path).await.header("Content-Type", "application/json");
            let reply = request.body(body.to_string().as_bytes()).send().await;
            // Access tokens are of the epoch before; the session that stays yields new ones.
            let fresh = Tokens::of(&s.refresh("app", kept.refresh()).await);
            let dead = [kept.access.as_str(), &other.access];
            takes_effect(w, &reply, Kind::Sub, (&dead, &[&fresh.access, &bob.access])).await;
        });
    }

    #[test]
    fn has_one_session_ended_by_an_operator() {
        with_watcher(async |s, w| {
            let (ended, other) = (s.tokens("app").await, s.tokens("app").await);
            let path = format!("/sessions/{}", claims(&ended.access)["sid"].as_str().unwrap());
            let reply = s.administering("DELETE", &path).await.send().await;
            takes_effect(w, &reply, Kind::Sid, (&[&ended.access], &[&other.access])).await;
        });
    }
}

mod a_token {
    use super::*;

    #[test]
    fn of_access_is_revoked_alone() {
        with_watcher(async |s, w| {
            let first = s.tokens("app").await;
            let second = Tokens::of(&s.refresh("app", first.refresh()).await);
            let reply = s.revoke("app", &second.access).await;
            takes_effect(w, &reply, Kind::Jti, (&[&second.access], &[&first.access])).await;
            let (mine, other) = (service(s).await, service(s).await);
            let reply = s.revoke("service", &mine).await;
            takes_effect(w, &reply, Kind::Jti, (&[&mine], &[&other])).await;
        });
    }

    #[test]
    fn of_refresh_takes_its_family_with_it() {
        with_watcher(async |s, w| {
            let (first, other) = (s.tokens("app").await, s.tokens("app").await);
            let second = Tokens::of(&s.refresh("app", first.refresh()).await);
            let reply = s.revoke("app", second.refresh()).await;
            takes_effect(w, &reply, Kind::Fam, (&[&first.access, &second.access], &[&other.access])).await;
        });
    }

    #[test]
    fn that_was_displaced_by_a_late_retry_is_refused_and_its_successor_is_not() {
        with_watcher(async |s, w| {
            let first = s.tokens("app").await;
            let lost = Tokens::of(&s.refresh("app", first.refresh()).await);
            s.advance(61 * SECOND);
            let fork = Tokens::of(&s.refresh("app", first.refresh()).await);
            assert_eq!(w.refusal(&lost.access).await, Kind::Fam);
            assert_eq!(w.judge(&fork.access), None);
            let next = Tokens::of(&s.refresh("app", fork.refresh()).await);
            assert_eq!(w.judge(&next.access), None);
        });
    }

    #[test]
    fn that_was_stolen_takes_everything_of_the_user_with_it() {
        with_watcher(async |s, w| {
            let (first, elsewhere, bob) = (s.tokens("app").await, s.tokens("web").await, bob(s).await);
            s.advance(2 * MINUTE);
            let second = Tokens::of(&s.refresh("app", first.refresh()).await);
            s.advance(2 * MINUTE);
            let third = Tokens::of(&s.refresh("app", second.refresh()).await);
            s.refresh("app", first.refresh()).await.refused(400, "invalid_grant");
            for token in [&first, &second, &third, &elsewhere] {
                assert_eq!(w.refusal(&token.access).await, Kind::Sub);
            }
            assert_eq!(w.judge(&bob.access), None);
        });
    }

    #[test]
    fn whose_code_was_replayed_is_refused() {
        with_watcher(async |s, w| {
            let code = s.code("app").await;
            let (tokens, other) = (Tokens::of(&s.redeem("app", &code).await), s.tokens("app").await);
            s.redeem("app", &code).await.refused(400, "invalid_grant");
            assert_eq!(w.refusal(&tokens.access).await, Kind::Fam);
            assert_eq!(w.judge(&other.access), None);
        });
    }
}

mod a_client {
    use super::*;

    #[test]
    fn is_disabled() {
        with_watcher(async |s, w| {
            let (tokens, other) = (s.tokens("app").await, s.tokens("web").await);
            let reply = s.administering("POST", "/clients/app/disable").await.send().await;
            takes_effect(w, &reply, Kind::Client, (&[&tokens.access], &[&other.access])).await;
            // Whoever is let in again gets tokens that work once clocks cannot be to blame any more.
            s.enable_client("app").await;
            s.advance(11 * SECOND);
            assert_eq!(w.judge(&s.tokens("app").await.access), None);
        });
    }

    #[test]
    fn is_deleted() {
        with_watcher(async |s, w| {
            let (token, other) = (service(s).await, s.tokens("web").await);
            let reply = s.administering("DELETE", "/clients/service").await.send().await;
            takes_effect(w, &reply, Kind::Client, (&[&token], &[&other.access])).await;
        });
    }
}

mod a_key {
    use super::*;

    #[test]
    fn is_replaced_in_an_emergency() {
        with_watcher(async |s, w| {
            let tokens = s.tokens("app").await;
            let kid = jwt_header(&tokens.access)["kid"].as_str().unwrap().to_owned();
            let request = s.administering("POST", "/keys/rotate_emergency").await;
            let body = json!({ "kid": kid }).to_string();
            let reply = request.header("Content-Type", "application/json").body(body.as_bytes()).send().await;
            let again = s.tokens("app").await;
            takes_effect(w, &reply, Kind::Kid, (&[&tokens.access], &[&again.access])).await;
        });
    }

    #[test]
    fn is_removed_while_it_retires() {
        with_watcher(async |s, w| {
            let tokens = s.tokens("app").await;
            let kid = jwt_header(&tokens.access)["kid"].as_str().unwrap().to_owned();
            let body = json!({ "kid": kid }).to_string();
            let request = s.administering("POST", "/keys/rotate").await;
            request.header("Content-Type", "application/json").body(body.as_bytes()).send().await.ok();
            // A day later the successor signs.
            s.advance(DAY + MINUTE);
            signet::flow::keys::tick(&s.op, s.now()).await.unwrap();
            let again = s.tokens("app").await;
            assert_ne!(jwt_header(&again.access)["kid"], kid.as_str());
            let reply = s.administering("DELETE", &format!("/keys/{kid}")).await.send().await;
            takes_effect(w, &reply, Kind::Kid, (&[&tokens.access], &[&again.access])).await;
        });
    }
}

mod revocation_batch {
    use super::*;

    #[test]
    fn every_call_that_may_revoke_is_marked_and_no_other_names_a_batch() {
        let marked: Vec<_> = routes().iter().filter(|route| route.revokes).map(|route| format!("{route:?}")).collect();
        assert_eq!(
            marked,
            [
                "DELETE /admin/v1/clients/{client_id}",
                "POST /admin/v1/clients/{client_id}/disable",
                "POST /admin/v1/users/{id}/disable",
                "PUT /admin/v1/users/{id}/password",
                "POST /admin/v1/users/{id}/logout_all",
                "DELETE /admin/v1/sessions/{id}",
                "POST /admin/v1/keys/rotate_emergency",
                "DELETE /admin/v1/keys/{kid}",
            ]
        );
        with_watcher(async |s, _| {
            let path = format!("/users/{}/enable", s.user_id(ALICE.0).await);
            for (method, path) in [("POST", path.as_str()), ("GET", "/users"), ("POST", "/clients/app/enable")] {
                let reply = s.administering(method, path).await.send().await;
                assert_eq!(reply.ok().header("revocation-batch"), None, "{path}");
            }
            // A call that failed has revoked nothing.
            let nobody = "/users/0197f3a2-6c1e-7d52-9a41-3f5f0b7f9c11/logout_all";
            let reply = s.administering("POST", nobody).await.send().await;
            assert_eq!((reply.status, reply.header("revocation-batch")), (404, None));
            let reply = s.call("/revoke", "app", &[]).await;
            assert_eq!((reply.status, reply.header("revocation-batch")), (400, None));
        });
    }

    #[test]
    fn a_page_of_the_clients_origin_may_read_it() {
        with_watcher(async |s, w| {
            let tokens = s.tokens("app").await;
            let revoking = s.auth("app").on(s.post("/revoke"), &[("token", &tokens.access)]);
            let reply = revoking.header("Origin", "https://app.example.com").send().await;
            assert_eq!(header(&reply, "access-control-allow-origin"), "https://app.example.com");
            assert!(header(&reply, "access-control-expose-headers").contains("Revocation-Batch"));
            takes_effect(w, &reply, Kind::Jti, (&[&tokens.access], &[])).await;
        });
    }

    #[test]
    fn it_is_named_without_anybody_sweeping_and_by_many_at_once() {
        with_config(quick, async |s| {
            s.sweep().await;
            let mut w = Watcher::of(s).await;
            let mut tokens = Vec::new();
            for _ in 0..8 {
                tokens.push(service(s).await);
            }
            let revoking = tokens.iter().map(|token| s.auth("service").on(s.post("/revoke"), &[("token", token)]));
            let replies = in_parallel(revoking.collect()).await;
            for (reply, token) in replies.iter().zip(&tokens) {
                takes_effect(&mut w, reply, Kind::Jti, (&[token], &[])).await;
            }
        });
    }
}

mod metrics {
    use super::*;

    #[test]
    fn they_tell_of_lag_entries_followers_and_the_newest_batch() {
        with_watcher(async |s, w| {
            let token = service(s).await;
            let reply = s.revoke("service", &token).await;
            takes_effect(w, &reply, Kind::Jti, (&[&token], &[])).await;
            let text = s.admin_get("/metrics").send().await.text();
            for line in [
                "signet_revocation_lag_seconds_count 1",
                "signet_revocation_live_entries 1",
                "signet_revocation_followers 1",
                "signet_revocation_batch 1",
                "signet_revocation_staleness_seconds 0.0",
            ] {
                assert!(text.lines().any(|known| known == line), "{line}\n{text}");
            }
        });
    }
}
