//! Cookie mode: `/session/start`, `/session/callback`, `/refresh`, `/session`, `/session/logout` (docs/sessions.md).

use super::*;
use crate::support::surfer::{MAIN, PAGE};

mod the_whole_way {
    use super::*;

    #[test]
    fn start_callback_refresh_who_logout() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let first = surfer.refresh_cookie(MAIN).unwrap().to_owned();
            let refreshed = surfer.refresh(PAGE).await;
            let body = refreshed.ok().json();
            assert_eq!(body["token_type"], "Bearer");
            assert!(body.get("refresh_token").is_none(), "{body}");
            assert_ne!(surfer.refresh_cookie(MAIN).unwrap(), first);
            assert!(s.is_active(body["access_token"].as_str().unwrap()).await);
            let who = surfer.whois(PAGE).send().await;
            assert_eq!(who.ok().json()["session"]["sub"], body["session"]["sub"]);
            let out = surfer.log_out("/session/logout", PAGE).await;
            assert_eq!(out.ok().json(), json!({ "sessions": 1, "families": 1, "codes": 0 }));
            assert_eq!(surfer.refresh_cookie(MAIN), None);
            assert!(!s.is_active(body["access_token"].as_str().unwrap()).await);
            surfer.refresh(PAGE).await.refused(401, "login_required");
        });
    }
}
