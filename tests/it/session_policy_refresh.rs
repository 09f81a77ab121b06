//! A refresh cookie that comes back from elsewhere (sessions.on_new_browser, on_new_network).

use signet::config::sessions::Change;

use super::*;
use crate::support::server::three_hosts;
use crate::support::surfer::{MAIN, PAGE, Surfer};

const LINUX: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537.36";
const LINUX_LATER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/143.0.0.0 Safari/537.36";
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0";

fn on_new_browser(change: Change) -> impl Fn(&mut Config) {
    move |config| {
        three_hosts(config);
        config.sessions.on_new_browser = change;
    }
}

/// A page's refresh by a browser that calls itself so.
async fn refresh_from(surfer: &mut Surfer<'_>, user_agent: &str) -> Response {
    let response = surfer.page_post("/refresh", PAGE).header("User-Agent", user_agent).send().await;
    surfer.keep(MAIN, &response);
    response
}

/// A browser on Linux that is signed in at the page.
async fn at_home(s: &Server) -> Surfer<'_> {
    let mut surfer = Surfer::new(s);
    let callback = surfer.up_to_callback(MAIN, PAGE).await;
    let landing = surfer.request("GET", &callback).header("User-Agent", LINUX).send().await;
    surfer.keep(MAIN, &landing);
    assert_eq!(landing.location(), PAGE);
    assert_eq!(refresh_from(&mut surfer, LINUX).await.status, 200);
    surfer
}

async fn moves(s: &Server) -> usize {
    let history = s.history(ALICE.0).await;
    history.iter().filter(|entry| entry.event.as_str() == "session.moved").count()
}

#[test]
fn another_version_of_the_browser_is_no_change() {
    with_config(on_new_browser(Change::End), async |s| {
        let mut surfer = at_home(s).await;
        assert_eq!(refresh_from(&mut surfer, LINUX_LATER).await.status, 200);
        assert_eq!(moves(s).await, 0);
    });
}

#[test]
fn note_says_so_once_and_lets_the_page_go_on() {
    with_config(on_new_browser(Change::Note), async |s| {
        let mut surfer = at_home(s).await;
        for _ in 0..3 {
            s.advance(2 * MINUTE);
            assert_eq!(refresh_from(&mut surfer, WINDOWS).await.status, 200);
        }
        assert_eq!(moves(s).await, 1);
        s.advance(2 * MINUTE);
        assert_eq!(refresh_from(&mut surfer, LINUX).await.status, 200);
        assert_eq!(moves(s).await, 1, "at most once in ten minutes");
        s.advance(4 * MINUTE);
        assert_eq!(refresh_from(&mut surfer, LINUX).await.status, 200);
        assert_eq!(moves(s).await, 2);
    });
}

#[test]
fn ignore_says_nothing() {
    with_config(on_new_browser(Change::Ignore), async |s| {
        let mut surfer = at_home(s).await;
        assert_eq!(refresh_from(&mut surfer, WINDOWS).await.status, 200);
        assert_eq!(moves(s).await, 0);
    });
}

#[test]
fn reauthenticate_gives_out_nothing_there_and_leaves_the_owner_in() {
    with_config(on_new_browser(Change::Reauthenticate), async |s| {
        let mut owner = at_home(s).await;
        let mut elsewhere = owner.clone();
        for _ in 0..2 {
            let refused = refresh_from(&mut elsewhere, WINDOWS).await;
            assert_eq!((refused.status, refused.json()["error"].as_str().unwrap()), (401, "login_required"));
            assert!(refused.all("set-cookie").next().is_none(), "the cookie is left alone");
        }
        assert_eq!(moves(s).await, 1);
        assert_eq!(refresh_from(&mut owner, LINUX).await.status, 200);
    });
}

#[test]
fn end_ends_the_session_and_clears_the_cookie() {
    with_config(on_new_browser(Change::End), async |s| {
        let mut owner = at_home(s).await;
        let mut elsewhere = owner.clone();
        let refused = refresh_from(&mut elsewhere, WINDOWS).await;
        assert_eq!(refused.status, 401);
        assert!(elsewhere.refresh_cookie(MAIN).is_none(), "the cookie is cleared");
        assert_eq!(refresh_from(&mut owner, LINUX).await.status, 401);
        let history = s.history(ALICE.0).await;
        let ended = history.iter().rfind(|entry| entry.event.as_str() == "session.ended").unwrap();
        assert_eq!(ended.cause.as_deref(), Some("session_moved"));
    });
}
