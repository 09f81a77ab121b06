//! Whoever races in cookie mode: one outcome, the same for everybody, and never a 5xx.

use std::collections::BTreeSet;

use super::*;
use crate::support::surfer::{MAIN, OTHER, OTHER_PAGE, PAGE};

const RACERS: usize = 32;

/// The refresh cookies that the answers set.
fn cookies(answers: &[Response]) -> Vec<String> {
    let all = answers.iter().flat_map(|answer| answer.all("set-cookie")).filter(|cookie| cookie.contains("refresh-"));
    all.map(|cookie| cookie.split(';').next().unwrap().to_owned()).collect()
}

async fn families(s: &Server) -> usize {
    s.op.store.families_of(s.user_id(ALICE.0).await, s.now()).await.unwrap().len()
}

#[test]
fn thirty_two_callbacks_with_one_code_begin_one_family() {
    with_hosts(async |s| {
        let mut surfer = Surfer::new(s);
        let callback = surfer.up_to_callback(MAIN, PAGE).await;
        let node = s.node_with(&crate::support::server::three_hosts).await;
        let there = surfer.at(&node);
        let requests = (0..RACERS).map(|one| (if one % 2 == 0 { &surfer } else { &there }).request("GET", &callback));
        let answers = in_parallel(requests.collect()).await;
        assert!(answers.iter().all(|answer| answer.location() == PAGE));
        let cookies = cookies(&answers);
        assert_eq!(cookies.len(), RACERS);
        assert_eq!(cookies.iter().collect::<BTreeSet<_>>().len(), 1);
        assert_eq!(families(s).await, 1);
        surfer.keep(MAIN, &answers[RACERS - 1]);
        surfer.refresh(PAGE).await.ok();
        node.stop().await;
    });
}

#[test]
fn thirty_two_refreshes_all_get_an_access_token_and_one_cookie() {
    with_hosts(async |s| {
        let mut surfer = Surfer::signed_in(s).await;
        let first = surfer.refresh_cookie(MAIN).unwrap().to_owned();
        let node = s.node_with(&crate::support::server::three_hosts).await;
        let there = surfer.at(&node);
        let requests = (0..RACERS).map(|one| (if one % 2 == 0 { &surfer } else { &there }).page_post("/refresh", PAGE));
        let answers = in_parallel(requests.collect()).await;
        let tokens: BTreeSet<_> =
            answers.iter().map(|answer| answer.ok().json()["access_token"].as_str().unwrap().to_owned()).collect();
        assert_eq!(tokens.len(), RACERS);
        let cookies: BTreeSet<_> = cookies(&answers).into_iter().collect();
        assert_eq!(cookies.len(), 1, "{cookies:?}");
        assert!(!cookies.first().unwrap().ends_with(&first));
        for token in &tokens {
            assert!(s.is_active(token).await);
        }
        surfer.keep(MAIN, &answers[0]);
        s.advance(2 * MINUTE);
        surfer.refresh(PAGE).await.ok();
        node.stop().await;
    });
}

#[test]
fn nothing_is_minted_after_a_logout_that_a_refresh_raced_with() {
    with_hosts(async |s| {
        for path in ["/session/logout", "/session/logout_all"] {
            let surfer = Surfer::signed_in(s).await;
            let mut requests: Vec<_> = (0..15).map(|_| surfer.page_post("/refresh", PAGE)).collect();
            requests.insert(7, surfer.page_post(path, PAGE));
            let answers = in_parallel(requests).await;
            answers[7].ok();
            let mut held = surfer.clone();
            for answer in &answers {
                assert!([200, 401].contains(&answer.status), "{} {}", answer.status, answer.text());
                if let Some(token) = answer.json()["access_token"].as_str() {
                    assert!(!s.is_active(token).await, "{path}");
                    held.keep(MAIN, answer);
                }
            }
            surfer.clone().refresh(PAGE).await.refused(401, "login_required");
            if held.refresh_cookie(MAIN).is_some() {
                held.refresh(PAGE).await.refused(401, "login_required");
            }
            assert_eq!(families(s).await, 0, "{path}");
        }
    });
}

#[test]
fn no_family_survives_logging_out_all_devices_that_a_callback_raced_with() {
    with_hosts(async |s| {
        for _ in 0..4 {
            let mut surfer = Surfer::signed_in(s).await;
            let callbacks =
                [surfer.up_to_callback(OTHER, OTHER_PAGE).await, surfer.up_to_callback(OTHER, OTHER_PAGE).await];
            let requests = vec![
                surfer.request("GET", &callbacks[0]),
                surfer.page_post("/session/logout_all", PAGE),
                surfer.request("GET", &callbacks[1]),
            ];
            let answers = in_parallel(requests).await;
            answers[1].ok();
            for answer in [&answers[0], &answers[2]] {
                assert!([303, 400].contains(&answer.status), "{} {}", answer.status, answer.text());
                surfer.keep(OTHER, answer);
            }
            assert_eq!(families(s).await, 0);
            surfer.refresh(OTHER_PAGE).await.refused(401, "login_required");
        }
    });
}
