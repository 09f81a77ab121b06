//! Taking a role away ends what its user has open (S-080, sessions.end_on_role_loss).

use signet::flow::admin::users::{self, UpdateUser};
use signet::model::audit::Origin;
use signet_verify::feed::entry::Kind;

use super::*;
use crate::support::follower::Follower;

/// Gives alice these roles, as an operator does.
async fn give(s: &Server, roles: &[&str]) {
    let origin = Origin::default();
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let change = UpdateUser { roles: Some(roles), ..UpdateUser::default() };
    users::update(&s.op, &s.by(&origin), s.user_id(ALICE.0).await, &change).await.unwrap();
}

fn roles(token: &str) -> Value {
    claims(token)["roles"].clone()
}

mod taken_away {
    use super::*;

    #[test]
    fn everything_of_the_user_ends_in_the_same_transaction() {
        with_server(async |s| {
            let mut follower = Follower::new(s);
            let mut browser = Browser::new(s);
            let tokens = s.tokens_of(&mut browser, "app", "openid offline_access").await;
            assert_eq!(roles(&tokens.access), json!(["admin", "staff"]));
            let code = browser.silently(&request("app")).await.code();
            give(s, &["staff"]).await;
            assert!(!browser.is_signed_in().await);
            s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
            s.redeem("app", &code).await.refused(400, "invalid_grant");
            s.userinfo(&tokens.access).await.refused(401, "invalid_token");
            let sub = claims(&tokens.access)["sub"].as_str().unwrap().to_owned();
            let epoch = claims(&tokens.access)["rv"][0].as_i64().unwrap();
            assert_eq!(follower.news().await, [(Kind::Sub, sub, Some(epoch + 1))]);
            assert_eq!(follower.judge(&tokens.access).await, Some(Kind::Sub));
            let history = s.history(ALICE.0).await;
            let updated = history.iter().find(|one| one.event.as_str() == "user.updated").unwrap();
            assert_eq!(updated.cause.as_deref(), Some("role_lost"));
            assert_eq!(updated.details.as_deref(), Some(r#"{"sessions":1,"families":1,"codes":1}"#));
            assert_eq!(roles(&s.tokens("app").await.access), json!(["staff"]));
        });
    }

    #[test]
    fn the_administration_api_does_the_same() {
        with_server(async |s| {
            let (key, id) = (s.api_key().await, s.user_id(ALICE.0).await);
            let tokens = s.tokens("app").await;
            let patch = Request::new(s.admin, "PATCH", &format!("/admin/v1/users/{id}"))
                .bearer(&key)
                .header("Content-Type", "application/merge-patch+json")
                .body(br#"{"roles":["staff"]}"#);
            let answer = patch.send().await;
            assert_eq!(answer.ok().json()["roles"], json!(["staff"]));
            s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn two_writers_of_one_version_still_are_one_change() {
        with_server(async |s| {
            let origin = Origin::default();
            let id = s.user_id(ALICE.0).await;
            let read = users::show(&s.op, id).await.unwrap().updated_at;
            let change = |roles: &[&str]| UpdateUser {
                roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()),
                expected: Some(read),
                ..UpdateUser::default()
            };
            let by = s.by(&origin);
            users::update(&s.op, &by, id, &change(&["staff"])).await.unwrap();
            assert!(users::update(&s.op, &by, id, &change(&["admin"])).await.is_err());
        });
    }
}

mod kept_or_added {
    use super::*;

    #[test]
    fn nothing_ends_and_the_next_token_carries_it() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            give(s, &["staff", "admin", "auditor"]).await;
            let next = Tokens::of(&s.refresh("app", tokens.refresh()).await);
            assert_eq!(roles(&next.access), json!(["staff", "admin", "auditor"]));
            assert!(s.is_active(&tokens.access).await);
        });
    }

    #[test]
    fn where_the_operator_wants_it_so_nothing_ends_with_a_lost_role_either() {
        with_config(
            |config| config.sessions.end_on_role_loss = false,
            async |s| {
                let tokens = s.tokens("app").await;
                give(s, &[]).await;
                let next = Tokens::of(&s.refresh("app", tokens.refresh()).await);
                assert_eq!(roles(&next.access), Value::Null);
                assert!(s.is_active(&tokens.access).await);
            },
        );
    }
}
