//! How long the cookies of cookie mode live, and what stands beside them (S-077, S-078).

use super::*;
use crate::support::surfer::{MAIN, PAGE, Surfer, attributes, cookie, gated};

/// Signs alice in at the page, ticking the box.
async fn remembered(s: &Server) -> (Surfer<'_>, Response) {
    let mut surfer = Surfer::new(s);
    let begun = surfer.get(&Surfer::start_url(MAIN, PAGE, &[])).await;
    let login = surfer.get(begun.location()).await.location().to_owned();
    let shown = surfer.get(&format!("{MAIN}{login}")).await;
    let page = Page::of(&login, &shown);
    let fields = [("username", ALICE.0), ("password", ALICE.1), ("remember", "1"), ("action", "login")];
    let form = surfer.request("POST", &format!("{MAIN}/login")).header("Origin", MAIN);
    let answer = form.raw_form(&page.encoded(&fields)).send().await;
    surfer.keep(MAIN, &answer);
    let landed = surfer.get(answer.location()).await;
    assert_eq!(landed.location(), PAGE);
    (surfer, landed)
}

#[test]
fn it_goes_with_the_browser_unless_the_person_stays_signed_in() {
    with_hosts(async |s| {
        let mut surfer = Surfer::signed_in(s).await;
        assert_eq!(attributes(cookie(&surfer.refresh(PAGE).await, "__Host-Http-refresh-")).len(), 4);
        let (mut surfer, landed) = remembered(s).await;
        let whole = 30 * 24 * 3600;
        let set = cookie(&landed, "__Host-Http-refresh-");
        assert!(attributes(set).contains(&format!("Max-Age={whole}")), "{set}");
        s.advance(HOUR);
        let response = surfer.refresh(PAGE).await;
        let set = cookie(response.ok(), "__Host-Http-refresh-");
        assert!(attributes(set).contains(&format!("Max-Age={}", whole - 3600)), "{set}");
    });
}

#[test]
fn it_ends_with_the_absolute_life_of_the_login_session() {
    with_hosts(async |s| {
        let mut surfer = Surfer::signed_in(s).await;
        for _ in 0..47 {
            s.advance(HOUR / 2);
            surfer.refresh(PAGE).await.ok();
        }
        s.advance(HOUR / 2 + MINUTE);
        surfer.refresh(PAGE).await.refused(401, "login_required");
    });
}

#[test]
fn a_page_in_use_keeps_its_login_session_from_idling_away() {
    with_hosts(async |s| {
        let mut surfer = Surfer::signed_in(s).await;
        let user = s.user_id(ALICE.0).await;
        for _ in 0..4 {
            s.advance(HOUR / 2);
            surfer.refresh(PAGE).await.ok();
            let seen = s.now();
            // It is noted beside the answer.
            let is_noted = async || {
                let sessions = s.op.store.sessions_of(user, s.now()).await.unwrap();
                sessions.iter().any(|session| session.last_seen_at == seen)
            };
            let noting = async {
                while !is_noted().await {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(MINUTE, noting).await.expect("the visit is noted");
        }
        assert_eq!(surfer.enter(MAIN, PAGE, &[("prompt", "none")]).await, PAGE);
    });
}

#[test]
fn a_cookie_of_another_application_hides_none_of_ours_whatever_bytes_it_has() {
    with_hosts(async |s| {
        let surfer = Surfer::signed_in(s).await;
        let jar = surfer.jars.get(MAIN).unwrap();
        let ours: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for line in [format!("city=M\u{fc}nchen; {}", ours.join("; ")), format!("{}; x=\u{fc}", ours.join("; "))] {
            let request = s.request("POST", "/refresh").host("auth.example.com").header("Cookie", &line);
            gated(request, "https://app.example.com", "{\"client_id\":\"cookie\"}").send().await.ok();
        }
    });
}

#[test]
fn sign_ins_that_begin_at_the_same_moment_do_not_displace_one_another() {
    with_hosts(async |s| {
        let mut surfer = Surfer::new(s);
        let start = Surfer::start_url(MAIN, PAGE, &[]);
        let requests: Vec<_> = (0..10)
            .map(|_| surfer.request("GET", &start).header("Sec-Fetch-Mode", "navigate"))
            .collect();
        let begun = in_parallel(requests).await;
        for answer in &begun {
            surfer.keep(MAIN, answer);
        }
        for answer in &begun {
            assert_eq!(surfer.follow(answer.location()).await, PAGE);
        }
        surfer.refresh(PAGE).await.ok();
    });
}

#[test]
fn what_no_database_can_hold_is_refused_before_it_is_asked() {
    with_hosts(async |s| {
        let request = s.request("POST", "/refresh").host("auth.example.com");
        let answer = gated(request, "https://app.example.com", "{\"client_id\":\"a\\u0000\"}").send().await;
        assert_eq!(answer.status, 403);
    });
}
