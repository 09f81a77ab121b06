//! What a request of a page has to pass at `/refresh`, `/session`, `/session/logout` and `/session/logout_all`, and who
//! may read the answers (docs/sessions.md).

use super::*;
use crate::support::surfer::{CLIENT, MAIN, OTHER_PAGE, PAGE, gated, origin_of};

const POSTS: [&str; 3] = ["/refresh", "/session/logout", "/session/logout_all"];
const OWN: &str = "https://app.example.com";
const BODY: &str = "{\"client_id\":\"cookie\"}";
const HEADERS: [(&str, &str); 5] = [
    ("Origin", OWN),
    ("X-Signet-Request", "1"),
    ("Sec-Fetch-Site", "same-site"),
    ("Sec-Fetch-Mode", "cors"),
    ("Content-Type", "application/json"),
];

/// Another value of a header; `None` leaves it out.
type Change<'a> = (&'a str, Option<&'a str>);

/// The request of a page with other headers.
fn changed(surfer: &Surfer<'_>, path: &str, changes: &[Change<'_>], body: &str) -> Request {
    let mut request = surfer.request("POST", &format!("{MAIN}{path}"));
    for (name, value) in HEADERS {
        match changes.iter().find(|(changed, _)| *changed == name) {
            Some((_, Some(other))) => request = request.header(name, other),
            Some((_, None)) => {}
            None => request = request.header(name, value),
        }
    }
    request.body(body.as_bytes())
}

/// Nothing has happened: the cookie is as it was, and the session lives.
async fn assert_untouched(surfer: &Surfer<'_>, response: &Response, what: &str) {
    assert_eq!(response.status, 403, "{what}: {}", response.text());
    assert!(["access_denied", "invalid_request"].contains(&response.error().as_str()), "{what}");
    assert!(response.json()["error_description"].is_string(), "{what}");
    assert_eq!(response.header("set-cookie"), None, "{what}");
    surfer.whois(PAGE).send().await.ok();
    let families = surfer.server.op.store.families_of(surfer.server.user_id(ALICE.0).await, surfer.server.now());
    let families = families.await.unwrap();
    assert_eq!(families.len(), 1, "{what}");
    assert!(families[0].last_used_at <= families[0].created_at, "{what}: it was rotated");
}

mod refuses {
    use super::*;

    #[test]
    fn whatever_a_form_or_another_sites_script_can_send() {
        with_hosts(async |s| {
            let surfer = Surfer::signed_in(s).await;
            let cases: &[(&str, &[Change<'_>])] = &[
                ("text/plain with JSON inside", &[("Content-Type", Some("text/plain"))]),
                ("a form", &[("Content-Type", Some("application/x-www-form-urlencoded"))]),
                ("a form with files", &[("Content-Type", Some("multipart/form-data; boundary=x"))]),
                ("no content type", &[("Content-Type", None)]),
                ("a type that begins like JSON", &[("Content-Type", Some("application/json-patch+json"))]),
                ("two types", &[("Content-Type", Some("text/plain, application/json"))]),
                ("JSON as a parameter", &[("Content-Type", Some("text/plain; application/json"))]),
                ("JSON in another encoding", &[("Content-Type", Some("application/json; charset=utf-7"))]),
                ("no header of ours", &[("X-Signet-Request", None)]),
                ("another value of it", &[("X-Signet-Request", Some("true"))]),
                ("no origin", &[("Origin", None)]),
                ("an opaque origin", &[("Origin", Some("null"))]),
                ("a foreign origin", &[("Origin", Some("https://evil.example"))]),
                ("a sibling host", &[("Origin", Some("https://evil.example.com"))]),
                ("another client's page", &[("Origin", Some("https://board.example.com"))]),
                ("our own host, which has no page of the client", &[("Origin", Some(MAIN))]),
                ("plain http", &[("Origin", Some("http://app.example.com"))]),
                ("another port", &[("Origin", Some("https://app.example.com:8443"))]),
                ("the default port spelled out", &[("Origin", Some("https://app.example.com:443"))]),
                ("an origin with a path", &[("Origin", Some("https://app.example.com/"))]),
                ("another case", &[("Origin", Some("https://APP.example.com"))]),
                ("a longer name", &[("Origin", Some("https://app.example.com.evil.example"))]),
                ("two origins in one", &[("Origin", Some("https://app.example.com https://evil.example"))]),
                ("cross-site", &[("Sec-Fetch-Site", Some("cross-site"))]),
                ("typed into the address bar", &[("Sec-Fetch-Site", Some("none"))]),
                ("a navigation", &[("Sec-Fetch-Mode", Some("navigate"))]),
                ("no-cors", &[("Sec-Fetch-Mode", Some("no-cors"))]),
            ];
            for path in POSTS {
                for (what, changes) in cases {
                    let response = changed(&surfer, path, changes, BODY).send().await;
                    assert_untouched(&surfer, &response, &format!("{path}: {what}")).await;
                }
                for name in ["Origin", "X-Signet-Request", "Sec-Fetch-Site", "Sec-Fetch-Mode"] {
                    let value = HEADERS.iter().find(|(known, _)| *known == name).unwrap().1;
                    let twice = changed(&surfer, path, &[], BODY).header(name, value).send().await;
                    assert_untouched(&surfer, &twice, &format!("{path}: {name} twice")).await;
                }
            }
        });
    }

    #[test]
    fn bodies_that_are_no_object_naming_a_client_in_cookie_mode() {
        with_hosts(async |s| {
            let surfer = Surfer::signed_in(s).await;
            s.create_client("gone", page_client()).await;
            s.disable_client("gone").await;
            let long = format!("{{\"client_id\":\"cookie\",\"scope\":\"{}\"}}", "x".repeat(5000));
            let bodies = [
                "",
                "{}",
                "[]",
                "[\"cookie\"]",
                "\"cookie\"",
                "{\"client_id\":1}",
                "{\"client_id\":null}",
                "{\"client_id\":[\"cookie\"]}",
                "{\"client_id\":\"cookie\",\"client_id\":\"cookie\"}",
                "{\"client_id\":\"cookie\"",
                "{\"client_id\":\"cookie\"} x",
                "{\"client_id\":\"cookie\",\"scope\":[\"read\"]}",
                "client_id=cookie",
                "{\"client_id\":\"nobody\"}",
                "{\"client_id\":\"app\"}",
                "{\"client_id\":\"web\"}",
                "{\"client_id\":\"gone\"}",
                "{\"client_id\":\"board\"}",
                "{\"client_id\":\"Cookie\"}",
                &long,
            ];
            for path in POSTS {
                for body in bodies {
                    let response = changed(&surfer, path, &[], body).send().await;
                    assert_untouched(&surfer, &response, &format!("{path}: {body:.60}")).await;
                }
            }
        });
    }

    #[test]
    fn a_host_that_is_not_one_of_ours() {
        with_hosts(async |s| {
            let surfer = Surfer::signed_in(s).await;
            for host in ["evil.example", "auth.example.com.evil.example", "localhost", "127.0.0.1"] {
                for path in POSTS {
                    let response = changed(&surfer, path, &[], BODY).host(host).send().await;
                    assert_untouched(&surfer, &response, &format!("{path} at {host}")).await;
                    assert!(response.text().contains("host"), "{}", response.text());
                }
            }
        });
    }

    #[test]
    fn other_methods() {
        with_hosts(async |s| {
            let surfer = Surfer::signed_in(s).await;
            for path in POSTS {
                for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
                    let request = surfer.request(method, &format!("{MAIN}{path}"));
                    assert_eq!(gated(request, OWN, BODY).send().await.status, 405, "{method} {path}");
                }
            }
        });
    }
}

mod lets_pass {
    use super::*;

    #[test]
    fn a_page_of_the_client_however_its_browser_speaks() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            for changes in [
                &[][..],
                &[("Sec-Fetch-Site", Some("same-origin"))],
                // Older browsers send neither.
                &[("Sec-Fetch-Site", None), ("Sec-Fetch-Mode", None)],
                &[("Content-Type", Some("application/json; charset=utf-8"))],
                &[("Content-Type", Some("Application/JSON;charset=UTF-8"))],
            ] {
                let response = changed(&surfer, "/refresh", changes, BODY).send().await;
                surfer.keep(MAIN, &response);
                response.ok();
            }
            let spaced = changed(&surfer, "/refresh", &[], " {\"client_id\": \"cookie\", \"more\": 1}\n").send().await;
            spaced.ok();
        });
    }

    #[test]
    fn who_is_signed_in_to_pages_of_the_client_only() {
        with_hosts(async |s| {
            let surfer = Surfer::signed_in(s).await;
            let ask = |headers: &[(&str, &str)]| {
                let request = surfer.request("GET", &format!("{MAIN}/session?client_id={CLIENT}"));
                headers.iter().fold(request, |request, (name, value)| request.header(name, value))
            };
            let own = ("X-Signet-Request", "1");
            ask(&[own, ("Origin", OWN)]).send().await.ok();
            ask(&[own, ("Sec-Fetch-Site", "same-origin")]).send().await.ok();
            for headers in [
                &[][..],
                &[own],
                &[("Origin", OWN)],
                &[own, ("Origin", "null")],
                &[own, ("Origin", "https://evil.example")],
                &[own, ("Origin", OWN), ("Origin", OWN)],
                &[own, ("Origin", OWN), ("Sec-Fetch-Site", "cross-site")],
                &[own, ("Sec-Fetch-Site", "same-site")],
                &[own, ("Sec-Fetch-Site", "none")],
                &[own, ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "navigate")],
            ] {
                let response = ask(headers).send().await;
                assert_untouched(&surfer, &response, &format!("{headers:?}")).await;
            }
            for query in ["", "?client_id=", "?client_id=app", "?client_id=board", "?client_id=cookie&client_id=cookie"] {
                let request = surfer.request("GET", &format!("{MAIN}/session{query}"));
                let response = request.header("Origin", OWN).header(own.0, own.1).send().await;
                assert_untouched(&surfer, &response, query).await;
            }
        });
    }
}

mod cors {
    use super::*;

    #[track_caller]
    fn shared(response: &Response, origin: Option<&str>) {
        assert_eq!(response.header("access-control-allow-origin"), origin, "{response:?}");
        let credentials = origin.map(|_| "true");
        assert_eq!(response.header("access-control-allow-credentials"), credentials, "{response:?}");
        assert!(response.all("vary").any(|value| value.eq_ignore_ascii_case("origin")), "{response:?}");
    }

    fn preflight(s: &Server, path: &str, origin: &str) -> Request {
        s.request("OPTIONS", path)
            .host("auth.example.com")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type, x-signet-request")
    }

    #[test]
    fn preflights_pass_for_origins_of_clients_in_cookie_mode() {
        with_hosts(async |s| {
            s.create_client("spa-elsewhere", spa_elsewhere()).await;
            for path in POSTS.into_iter().chain(["/session"]) {
                for origin in [OWN, "https://app.other.example", "https://board.example.com"] {
                    let response = preflight(s, path, origin).send().await;
                    assert_eq!((response.status, response.body.len()), (204, 0), "{path}");
                    shared(&response, Some(origin));
                    let headers = header(&response, "access-control-allow-headers").to_lowercase();
                    assert!(headers.contains("x-signet-request") && headers.contains("content-type"), "{headers}");
                    assert!(!headers.contains("authorization"), "{headers}");
                }
                for origin in ["https://evil.example", "null", "https://spa.example.com", "http://app.example.com", MAIN] {
                    shared(&preflight(s, path, origin).send().await, None);
                }
            }
        });
    }

    #[test]
    fn an_origin_goes_with_its_client() {
        with_hosts(async |s| {
            shared(&preflight(s, "/refresh", "https://board.example.com").send().await, Some("https://board.example.com"));
            s.disable_client("board").await;
            s.advance(SECOND);
            shared(&preflight(s, "/refresh", "https://board.example.com").send().await, None);
        });
    }

    #[test]
    fn every_status_can_be_read_by_the_clients_pages_and_nobody_else() {
        with_hosts(async |s| {
            let mut surfer = Surfer::signed_in(s).await;
            let ok = surfer.refresh(PAGE).await;
            shared(ok.ok(), Some(OWN));
            let exposed = header(&ok, "access-control-expose-headers").to_lowercase();
            for name in ["retry-after", "revocation-batch", "www-authenticate", "dpop-nonce"] {
                assert!(exposed.contains(name), "{exposed}");
            }
            let wide = changed(&surfer, "/refresh", &[], "{\"client_id\":\"cookie\",\"scope\":\"admin\"}").send().await;
            shared(wide.refused(400, "invalid_scope"), Some(OWN));
            let form = changed(&surfer, "/refresh", &[("Content-Type", Some("text/plain"))], BODY).send().await;
            shared(form.refused(403, "invalid_request"), Some(OWN));
            let unknown = changed(&surfer, "/refresh", &[], "{\"client_id\":\"nobody\"}").send().await;
            shared(unknown.refused(403, "access_denied"), Some(OWN));
            let method = surfer.request("GET", &format!("{MAIN}/refresh")).header("Origin", OWN).send().await;
            assert_eq!(method.status, 405);
            shared(&method, Some(OWN));
            let nobody = Surfer::new(s).refresh(PAGE).await;
            shared(nobody.refused(401, "login_required"), Some(OWN));
            // The client is known by then, and this is another client's origin.
            let foreign = changed(&surfer, "/refresh", &[("Origin", Some("https://board.example.com"))], BODY).send().await;
            shared(foreign.refused(403, "access_denied"), None);
            s.op.store.close().await;
            let fault = surfer.refresh(PAGE).await;
            shared(fault.refused(503, "temporarily_unavailable"), Some(OWN));
            // Whose page nobody has registered is no question to the database, whatever client it names.
            for body in [BODY, "{\"client_id\":\"nobody\"}"] {
                let origin = ("Origin", Some("https://attacker.example.com"));
                let foreign = changed(&surfer, "/refresh", &[origin], body).send().await;
                shared(foreign.refused(403, "access_denied"), None);
            }
            assert!(header(&fault, "retry-after").parse::<u32>().unwrap() >= 1);
            assert_eq!(fault.header("set-cookie"), None);
        });
    }

    #[test]
    fn navigations_are_shared_with_nobody() {
        with_hosts(async |s| {
            for path in ["/session/start", "/session/callback"] {
                let response = preflight(s, path, OWN).send().await;
                assert_eq!(response.status, 405, "{path}");
                assert_eq!(response.header("access-control-allow-origin"), None);
                let get = s.get(path).host("auth.example.com").header("Origin", OWN).send().await;
                assert_eq!(get.header("access-control-allow-origin"), None);
            }
        });
    }

    fn spa_elsewhere() -> Value {
        json!({
            "token_endpoint_auth_method": "none",
            "redirect_uris": ["https://spa.example.com/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid",
            "audience": [AUDIENCE],
        })
    }
}

fn page_client() -> Value {
    json!({
        "token_endpoint_auth_method": "none",
        "client_class": "cookie",
        "redirect_uris": [format!("{MAIN}/session/callback")],
        "return_uris": [PAGE, OTHER_PAGE, format!("{}/more", origin_of(PAGE))],
        "scope": "openid",
        "audience": [AUDIENCE],
    })
}
