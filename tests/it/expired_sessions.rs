//! Login sessions that have run out while refresh tokens that began in them live on: nobody is signed in with them any
//! more, and whoever can still refresh is told when all of it ends.

use std::collections::BTreeSet;

use signet::storage::SweepCursor;

use super::backchannel_logout::{party, sid, signed_in, told};
use super::*;
use crate::support::inside::Inside;

mod a_session_that_ran_out {
    use super::*;

    async fn sweep(s: &Server) {
        signet::flow::keys::tick(&s.op, s.now()).await.unwrap();
        // Families first, and then the sessions that they kept: by the second visit all is as it stays.
        for _ in 0..2 {
            let mut cursor = SweepCursor::default();
            s.op.store.sweep(&mut cursor, 1000, 365 * DAY, s.now()).await.unwrap();
        }
    }

    async fn rows(s: &Server) -> (i64, i64) {
        let mut inside = Inside::of(s).await;
        let mut of = async |table: &str| {
            inside.numbers(&format!("SELECT CAST(count(*) AS BIGINT) FROM {table}")).await[0]
        };
        (of("login_session").await, of("session_client").await)
    }

    async fn nobody_is_signed_in(s: &Server, browser: &Browser<'_>) {
        assert!(!browser.is_signed_in().await);
        let user = s.user_id(ALICE.0).await;
        assert!(s.op.store.sessions_of(user, s.now()).await.unwrap().is_empty());
        assert!(s.op.store.live_sessions(None, 10, s.now()).await.unwrap().is_empty());
        let devices = s.op.store.devices_of(user, 10, s.now()).await.unwrap();
        assert!(devices.iter().all(|device| device.client.is_some()), "{devices:?}");
    }

    #[test]
    fn is_ended_with_its_families_and_who_has_them_is_told() {
        with_server(async |s| {
            let _party = party(s, "web").await;
            let mut expected = BTreeSet::new();
            // Within the grace after its idle time; when its row would have gone; after its absolute time.
            for age in [90 * MINUTE, 5 * HOUR, 3 * DAY] {
                for round in 0..4 {
                    let (browser, tokens) = signed_in(s, "web").await;
                    s.advance(age);
                    sweep(s).await;
                    nobody_is_signed_in(s, &browser).await;
                    s.refresh("web", tokens.refresh()).await.ok();
                    expected.insert(("web".to_owned(), sid(&tokens)));
                    let ended = match round {
                        0 => s.log_out_all(ALICE.0).await,
                        1 => s.disable_user(ALICE.0).await,
                        2 => s.end_session(&sid(&tokens)).await,
                        _ => {
                            s.set_password(ALICE.0, ALICE.1, None).await;
                            assert_eq!(told(s).await, expected);
                            continue;
                        }
                    };
                    assert_eq!((ended.ended.families, ended.relying_parties), (1, 1), "{ended:?}");
                    assert_eq!(ended.ended.sessions, u64::from(round == 2), "nobody was signed in: {ended:?}");
                    assert_eq!(told(s).await, expected);
                    s.enable_user(ALICE.0).await;
                    s.refresh("web", tokens.refresh()).await.refused(400, "invalid_grant");
                }
                s.advance(2 * HOUR);
                sweep(s).await;
                assert_eq!(rows(s).await, (0, 0));
            }
        });
    }

    #[test]
    fn stays_no_longer_than_the_last_of_its_families() {
        with_server(async |s| {
            let (mut browser, _) = signed_in(s, "web").await;
            let second = s.tokens_of(&mut browser, "app", "openid").await;
            s.advance(5 * HOUR);
            sweep(s).await;
            assert_eq!(rows(s).await, (1, 2));
            s.revoke("app", second.refresh()).await.ok();
            s.advance(2 * HOUR);
            sweep(s).await;
            assert_eq!(rows(s).await, (1, 2));
            // The other one runs out by itself.
            s.advance(400 * DAY);
            sweep(s).await;
            assert_eq!(rows(s).await, (0, 0));
        });
    }

    #[test]
    fn without_a_family_goes_after_the_grace() {
        with_server(async |s| {
            let mut browser = Browser::new(s);
            browser.sign_in(&request("web"), ALICE).await.code();
            s.advance(90 * MINUTE);
            sweep(s).await;
            assert_eq!(rows(s).await, (1, 1));
            s.advance(HOUR);
            sweep(s).await;
            assert_eq!(rows(s).await, (0, 0));
        });
    }
}
