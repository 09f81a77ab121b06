//! Every row of the route table is called without credentials, with a wrong method and with a repeated parameter. A
//! route that is added and not listed here fails the last test.

use signet::http::routes::{ADMIN, ANY, DEMO_API, DEVELOPMENT, PUBLIC, Row};

use super::outage::once_available;
use super::*;

/// Path, and the statuses of: a plain GET, an empty POST form, and a POST form (or query) with a repeated parameter.
const PUBLIC_ROWS: [(&str, u16, u16, u16); 36] = [
    ("/.well-known/openid-configuration", 200, 405, 405),
    ("/.well-known/oauth-authorization-server", 200, 405, 405),
    ("/.well-known/jwks.json", 200, 405, 405),
    ("/.well-known/revocation-configuration", 200, 405, 405),
    ("/revocation/snapshot", 200, 405, 405),
    // The row's own path names no number.
    ("/revocation/batches/{n}", 404, 405, 405),
    // What it is asked to go on from is no number; otherwise it would not end.
    ("/revocation/stream", 400, 405, 405),
    ("/authorize", 400, 400, 400),
    ("/token", 405, 400, 400),
    ("/revoke", 405, 401, 400),
    ("/introspect", 405, 401, 400),
    // Registration is off.
    ("/register", 405, 403, 403),
    ("/register/{client_id}", 403, 405, 405),
    ("/userinfo", 401, 401, 400),
    ("/login", 400, 400, 400),
    ("/consent", 400, 400, 400),
    // Nobody is signed in: there is nothing to sign out of.
    ("/end_session", 303, 303, 400),
    ("/logout", 200, 200, 200),
    ("/logged-out", 200, 405, 405),
    // By way of the sign-in page.
    ("/account", 303, 303, 400),
    ("/account/password", 303, 303, 400),
    ("/account/sessions", 303, 303, 400),
    ("/account/applications", 303, 303, 400),
    ("/account/activity", 303, 405, 405),
    ("/session/start", 400, 405, 405),
    ("/session/callback", 400, 405, 405),
    ("/refresh", 405, 403, 403),
    ("/session", 403, 405, 405),
    ("/session/logout", 405, 403, 403),
    ("/session/logout_all", 405, 403, 403),
    // Only a trusted proxy may ask.
    ("/forward-auth", 403, 403, 403),
    ("/forward-auth/{asked:.*}", 403, 403, 403),
    ("/healthz", 200, 405, 405),
    ("/", 200, 405, 405),
    ("/demo/api/me", 401, 405, 405),
    ("/demo/api/logout-all", 405, 401, 401),
];
const ADMIN_ROWS: [(&str, u16, u16, u16); 3] =
    [("/livez", 200, 405, 405), ("/readyz", 200, 405, 405), ("/metrics", 200, 405, 405)];

fn rows() -> impl Iterator<Item = (&'static Row, bool)> {
    let public = PUBLIC.iter().chain(DEMO_API).chain(DEVELOPMENT);
    public.map(|row| (row, false)).chain(ADMIN.iter().map(|row| (row, true)))
}

fn call(s: &Server, admin: bool, method: &str, path: &str) -> Request {
    Request::new(if admin { s.admin } else { s.public }, method, path)
}

#[test]
fn every_route_refuses_other_methods_and_names_its_own() {
    with_server(async |s| {
        for (row, admin) in rows() {
            for method in
                ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"]
            {
                if row.takes(method) {
                    continue;
                }
                let response = call(s, admin, method, row.path).send().await;
                assert_eq!(response.status, 405, "{method} {}", row.path);
                assert_eq!(response.header("allow"), Some(row.methods), "{method} {}", row.path);
            }
        }
    });
}

#[test]
fn every_route_answers_a_stranger_as_listed() {
    with_server(async |s| {
        for (admin, rows) in [(false, &PUBLIC_ROWS[..]), (true, &ADMIN_ROWS[..])] {
            for (path, get, post, repeated) in rows {
                let getting = call(s, admin, "GET", path).header("last-event-id", "none");
                let answer = once_available(async || getting.send().await).await;
                assert_eq!(answer.status, *get, "GET {path}");
                let answer = call(s, admin, "POST", path).form(&[]).send().await;
                assert_eq!(answer.status, *post, "POST {path}");
                let answer =
                    call(s, admin, "POST", path).raw_form("client_id=app&client_id=app").send().await;
                assert_eq!(answer.status, *repeated, "POST {path}, repeated");
                assert!(answer.header("x-request-id").is_some_and(|id| id.len() >= 16), "{path}");
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
                assert!(answer.all("set-cookie").next().is_none(), "{path}");
            }
        }
    });
}

#[test]
fn a_head_is_a_get_without_a_body() {
    with_server(async |s| {
        s.sweep().await;
        for (row, admin) in rows().filter(|(row, _)| row.takes("HEAD") && row.methods != ANY) {
            let head = once_available(async || call(s, admin, "HEAD", row.path).send().await).await;
            assert_eq!((head.status, head.body.len()), (200, 0), "{}", row.path);
        }
    });
}

#[test]
fn the_operators_routes_are_on_their_own_listener() {
    with_server(async |s| {
        for row in ADMIN {
            assert_eq!(s.get(row.path).send().await.status, 404, "{}", row.path);
        }
        for row in PUBLIC.iter().filter(|row| row.path != "/") {
            assert_eq!(s.admin_get(row.path).send().await.status, 404, "{}", row.path);
        }
    });
}

#[test]
fn the_operators_routes_answer_under_loopback_names_only() {
    with_server(async |s| {
        for row in ADMIN {
            let raw = format!("GET {} HTTP/1.1\r\nHost: attacker.example.com\r\nConnection: close\r\n\r\n", row.path);
            assert_eq!(exchange(s.admin, raw.as_bytes()).await.unwrap().status, 403, "{}", row.path);
            let answer = once_available(async || s.admin_get(row.path).send().await).await;
            assert_eq!(answer.status, 200, "{}", row.path);
        }
    });
}

#[test]
fn every_route_is_listed() {
    let known: Vec<_> = PUBLIC_ROWS.iter().chain(&ADMIN_ROWS).map(|row| row.0).collect();
    let routes: Vec<_> = rows().map(|(row, _)| row.path).collect();
    assert_eq!(known, routes);
}
