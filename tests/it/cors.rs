//! Cross-origin reading (WHATWG Fetch §3.2): the origins of each client, on errors too, and never with credentials.

use super::*;
use crate::support::inside::Inside;

const OWN: &str = "https://app.example.com";
const OTHERS: &str = "https://elsewhere.example.com";
const SHARED: [&str; 3] = ["/token", "/revoke", "/userinfo"];

async fn with_elsewhere(s: &Server) {
    let metadata = json!({
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://elsewhere.example.com/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid",
        "audience": [AUDIENCE],
    });
    s.create_client("elsewhere", metadata).await;
}

fn preflight(s: &Server, path: &str, origin: &str) -> Request {
    s.request("OPTIONS", path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization, content-type")
}

#[track_caller]
fn shared_with(response: &Response, origin: Option<&str>) {
    assert_eq!(response.header("access-control-allow-origin"), origin, "{response:?}");
    assert_eq!(response.header("access-control-allow-credentials"), None);
    assert!(response.all("vary").any(|value| value.eq_ignore_ascii_case("origin")), "{response:?}");
}

mod preflights {
    use super::*;

    #[test]
    fn a_clients_origin_may_ask() {
        with_server(async |s| {
            for path in SHARED {
                let response = preflight(s, path, OWN).send().await;
                assert_eq!((response.status, response.body.len()), (204, 0));
                shared_with(&response, Some(OWN));
                assert!(header(&response, "access-control-allow-methods").contains("POST"));
                let headers = header(&response, "access-control-allow-headers").to_lowercase();
                assert!(headers.contains("authorization") && headers.contains("content-type"));
            }
        });
    }

    #[test]
    fn nobody_elses_may() {
        with_server(async |s| {
            for origin in [
                "https://attacker.example.com",
                "null",
                "https://app.example.com:444",
                "http://app.example.com",
                "https://app.example.com.evil.example",
            ] {
                for path in SHARED {
                    shared_with(&preflight(s, path, origin).send().await, None);
                }
            }
        });
    }

    #[test]
    fn an_origin_comes_and_goes_with_its_client() {
        with_server(async |s| {
            shared_with(&preflight(s, "/token", OTHERS).send().await, None);
            with_elsewhere(s).await;
            // All clients are read once a second at most.
            shared_with(&preflight(s, "/token", OTHERS).send().await, None);
            s.advance(SECOND);
            shared_with(&preflight(s, "/token", OTHERS).send().await, Some(OTHERS));
            s.disable_client("elsewhere").await;
            s.advance(SECOND);
            shared_with(&preflight(s, "/token", OTHERS).send().await, None);
        });
    }

    #[test]
    fn of_many_after_a_change_one_reads_the_clients_and_nobody_waits_for_it() {
        with_server(async |s| {
            if s.backend == Backend::Sqlite {
                // Its readers never wait: nobody could be seen to.
                return;
            }
            shared_with(&preflight(s, "/token", OTHERS).send().await, None);
            with_elsewhere(s).await;
            s.advance(2 * SECOND);
            let (mut lock, mut seen) = (Inside::of(s).await, Inside::of(s).await);
            lock.run("BEGIN").await;
            lock.run("LOCK TABLE clients IN ACCESS EXCLUSIVE MODE").await;
            let readers = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'clients'::regclass \
                           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            let others = async {
                while seen.numbers(readers).await != [1] {
                    tokio::task::yield_now().await;
                }
                for answer in in_parallel((0..32).map(|_| preflight(s, "/token", OWN)).collect()).await {
                    shared_with(&answer, Some(OWN));
                }
                assert_eq!(seen.numbers(readers).await, [1], "one reads, for all");
                lock.run("COMMIT").await;
            };
            let first = preflight(s, "/token", OTHERS);
            let (first, ()) = tokio::join!(first.send(), others);
            shared_with(&first, Some(OTHERS));
            shared_with(&preflight(s, "/token", OTHERS).send().await, Some(OTHERS));
        });
    }

    #[test]
    fn pages_and_introspection_are_nobodys() {
        with_server(async |s| {
            for path in ["/authorize", "/login", "/consent", "/logout", "/introspect", "/"] {
                let response = preflight(s, path, OWN).send().await;
                assert_eq!(response.status, 405, "{path}");
                assert_eq!(response.header("access-control-allow-origin"), None, "{path}");
                let get = s.get(path).header("Origin", OWN).send().await;
                assert_eq!(get.header("access-control-allow-origin"), None, "{path}");
            }
        });
    }
}

mod answers {
    use super::*;

    #[test]
    fn a_client_reads_its_own_successes_and_errors() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let grant = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            let auth = s.auth("app");
            let post = |path: &str| s.post(path).header("Origin", OWN);
            let get = || s.get("/userinfo").header("Origin", OWN);
            let large = "x".repeat(20_000);
            for (status, request) in [
                (200, auth.on(post("/token"), &grant)),
                (200, auth.on(post("/revoke"), &[("token", "x")])),
                (200, get().bearer(&tokens.access)),
                (400, auth.on(post("/token"), &[("grant_type", "refresh_token"), ("refresh_token", "x")])),
                (400, auth.on(post("/token"), &[("grant_type", "nothing")])),
                (400, auth.on(post("/token"), &[("grant_type", "refresh_token"), ("grant_type", "x")])),
                (401, Auth::Public("nobody".to_owned()).on(post("/token"), &grant)),
                (401, get()),
                (401, get().bearer("garbage")),
                (405, s.get("/token").header("Origin", OWN)),
                (413, auth.on(post("/token"), &[("x", &large)])),
                (415, post("/token").header("Content-Type", "application/json").body(b"{}")),
            ] {
                let response = request.send().await;
                assert_eq!(response.status, status, "{request:?}");
                shared_with(&response, Some(OWN));
                if status == 401 {
                    let exposed = header(&response, "access-control-expose-headers").to_lowercase();
                    assert!(exposed.contains("www-authenticate"));
                }
            }
        });
    }

    #[test]
    fn another_clients_origin_does_not_read_them() {
        with_server(async |s| {
            with_elsewhere(s).await;
            let tokens = s.tokens("app").await;
            let auth = s.auth("app");
            let wrong = [("grant_type", "refresh_token"), ("refresh_token", "x")];
            shared_with(&auth.on(s.post("/token").header("Origin", OTHERS), &wrong).send().await, None);
            let token = [("token", "x")];
            shared_with(&auth.on(s.post("/revoke").header("Origin", OTHERS), &token).send().await, None);
            let info = s.get("/userinfo").header("Origin", OTHERS).bearer(&tokens.access).send().await;
            shared_with(info.ok(), None);
        });
    }

    #[test]
    fn a_client_may_name_its_origins() {
        with_server(async |s| {
            s.patch_client("app", json!({ "allowed_origins": ["https://www.example.com"] })).await;
            let wrong = [("grant_type", "refresh_token"), ("refresh_token", "x")];
            for (origin, expected) in
                [("https://www.example.com", Some("https://www.example.com")), (OWN, None)]
            {
                let request = s.auth("app").on(s.post("/token").header("Origin", origin), &wrong);
                shared_with(&request.send().await, expected);
            }
        });
    }

    #[test]
    fn an_opaque_origin_reads_nothing() {
        with_server(async |s| {
            let tokens = s.tokens("app").await;
            let grant = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            let request = s.auth("app").on(s.post("/token").header("Origin", "null"), &grant);
            shared_with(request.send().await.ok(), None);
        });
    }
}
