//! What a reverse proxy may ask about a request, and what it is told (docs/forward-auth.md).

use super::*;
use crate::support::web_application::{AUTH, MAIL, WIKI, behind_a_proxy, cookie_name, question, web_application};

const PAGE: &str = "https://wiki.example.com/page?x=1";
const IDENTITY: [&str; 5] = ["remote-user", "remote-subject", "remote-email", "remote-name", "remote-groups"];

/// Runs a test with a wiki and a browser in which alice is signed in to it.
fn with_wiki(test: impl AsyncFnOnce(&Server, &mut Browser<'_>)) {
    with_config(behind_a_proxy, async |s| {
        s.create_wiki().await;
        let mut browser = Browser::new(s);
        browser.enter("wiki", WIKI, ALICE).await;
        test(s, &mut browser).await;
    });
}

/// A question of Traefik or Caddy.
fn forwarded(s: &Server, proto: &str, host: &str, uri: &str) -> Request {
    s.get("/forward-auth?client_id=wiki")
        .header("X-Forwarded-Proto", proto)
        .header("X-Forwarded-Host", host)
        .header("X-Forwarded-Uri", uri)
}

/// A question of Envoy, which keeps the host and the method of the browser's request.
fn envoy(s: &Server, method: &str, target: &str) -> Request {
    s.request(method, target).header("X-Forwarded-Host", "wiki.example.com").header("X-Forwarded-Proto", "https")
}

/// Nothing of anybody's identity is in a refusal.
#[track_caller]
fn refused(response: &Response, status: u16, error: &str) {
    response.refused(status, error);
    for name in IDENTITY.into_iter().chain(["authorization", "location", "set-cookie"]) {
        assert_eq!(response.header(name), None, "{name}");
    }
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

mod who_may_ask {
    use super::*;

    #[test]
    fn a_peer_that_is_no_trusted_proxy_is_told_the_key_and_nothing_else() {
        let stranger = |config: &mut Config| {
            behind_a_proxy(config);
            config.http.trusted_proxies.clear();
        };
        with_config(stranger, async |s| {
            s.create_wiki().await;
            let mut browser = Browser::new(s);
            browser.enter("wiki", WIKI, ALICE).await;
            for request in [
                question(s, &[("client_id", "wiki")], PAGE),
                question(s, &[("client_id", "wiki")], PAGE).header("X-Forwarded-For", "127.0.0.1"),
                s.get("/forward-auth"),
                envoy(s, "GET", "/forward-auth/client_id=wiki/"),
                s.request("DELETE", "/forward-auth?client_id=wiki"),
            ] {
                let answer = browser.with_cookies(request).send().await;
                refused(&answer, 403, "access_denied");
                assert!(answer.text().contains("http.trusted_proxies"));
            }
        });
    }

    #[test]
    fn only_an_application_that_is_registered_for_it_is_asked_about() {
        with_wiki(async |s, browser| {
            s.create_client("disabled", web_application(WIKI, &[WIKI])).await;
            s.disable_client("disabled").await;
            for client in ["nobody", "app", "cookie", "disabled"] {
                let asked = browser.with_cookies(question(s, &[("client_id", client)], PAGE));
                refused(&asked.send().await, 403, "access_denied");
            }
        });
    }

    #[test]
    fn a_page_of_another_origin_is_none_of_the_applications() {
        with_wiki(async |s, browser| {
            for url in [
                "https://evil.example/",
                "https://wiki.example.com.evil.example/",
                "http://wiki.example.com/",
                "https://wiki.example.com:8443/",
                "https://login.example.com/",
            ] {
                let asked = browser.with_cookies(question(s, &[("client_id", "wiki")], url));
                refused(&asked.send().await, 403, "access_denied");
            }
        });
    }

    #[test]
    fn a_page_that_no_cookie_would_reach_is_refused_and_not_sent_in_circles() {
        with_config(behind_a_proxy, async |s| {
            s.create_client("far", web_application(AUTH, &[MAIL, "https://far.example.org"])).await;
            let params = [("client_id", "far")];
            let near = question(s, &params, MAIL).header("Accept", "text/html").send().await;
            assert_eq!(near.status, 302);
            let far = question(s, &params, "https://far.example.org/").header("Accept", "text/html").send().await;
            refused(&far, 403, "access_denied");
            assert!(far.text().contains("browser.cookie_domains"));
        });
    }

    #[test]
    fn what_a_proxys_configuration_misspells_lets_nobody_in() {
        with_wiki(async |s, browser| {
            for query in [
                "",
                "client_id=",
                "client=wiki",
                "client_id=wiki&client_id=wiki",
                "client_id=wiki&rol=admin",
                "client_id=wiki&role=",
                "client_id=wiki&role",
                "client_id=wiki&token=yes",
                "client_id=wiki&answer=302",
                "client_id=%zz",
            ] {
                let asked = s.get(&format!("/forward-auth?{query}")).header("X-Original-URL", PAGE);
                refused(&browser.with_cookies(asked).send().await, 400, "invalid_request");
                let asked = envoy(s, "GET", &format!("/forward-auth/{query}/page"));
                refused(&browser.with_cookies(asked).send().await, 400, "invalid_request");
            }
        });
    }
}

mod the_original_url {
    use super::*;

    #[test]
    fn every_proxys_way_of_naming_it_is_understood() {
        with_wiki(async |s, browser| {
            for request in [
                question(s, &[("client_id", "wiki")], PAGE),
                question(s, &[("client_id", "wiki")], "https://WIKI.example.com:443/ü\\|?^"),
                question(s, &[("client_id", "wiki")], PAGE)
                    .header("X-Forwarded-Proto", "https")
                    .header("X-Forwarded-Host", "wiki.example.com"),
                forwarded(s, "https", "wiki.example.com", "/page?x=1"),
                forwarded(s, "wss", "wiki.example.com", "/socket"),
                forwarded(s, "https", "wiki.example.com", "*"),
                forwarded(s, "https, https", "wiki.example.com", "/a,b"),
                envoy(s, "GET", "/forward-auth/client_id=wiki/page?x=1"),
                envoy(s, "GET", "/forward-auth/client_id=wiki"),
                envoy(s, "GET", "/forward-auth/client_id=wiki//../?client_id=app"),
            ] {
                browser.with_cookies(request).send().await.ok();
            }
            // Envoy leaves the browser's own Host.
            let head = format!("GET /forward-auth/client_id=wiki/ HTTP/1.1\r\nHost: wiki.example.com\r\n\
                X-Forwarded-Proto: https\r\nCookie: {}={}\r\nConnection: close\r\n\r\n",
                cookie_name("wiki", false), browser.cookies[&cookie_name("wiki", false)]);
            exchange(s.public, head.as_bytes()).await.unwrap().ok();
        });
    }

    #[test]
    fn one_that_is_missing_or_no_address_is_a_bad_request() {
        with_wiki(async |s, browser| {
            let ask = || s.get("/forward-auth?client_id=wiki");
            for request in [
                ask(),
                ask().header("X-Original-URL", ""),
                ask().header("X-Original-URL", "/page"),
                ask().header("X-Original-URL", "https://user@wiki.example.com/"),
                ask().header("X-Original-URL", "https://wiki.example.com@evil.example/"),
                ask().header("X-Original-URL", "https://wiki.example.com\\@evil.example/"),
                ask().header("X-Original-URL", "ftp://wiki.example.com/"),
                ask().header("X-Forwarded-Host", "wiki.example.com").header("X-Forwarded-Uri", "/"),
                ask().header("X-Forwarded-Proto", "https").header("X-Forwarded-Uri", "/"),
                ask().header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "wiki.example.com"),
                forwarded(s, "gopher", "wiki.example.com", "/"),
                forwarded(s, "https", "wiki.example.com/", "/"),
                s.get("/forward-auth/client_id=wiki/"),
            ] {
                refused(&browser.with_cookies(request).send().await, 400, "invalid_request");
            }
        });
    }

    #[test]
    fn headers_that_contradict_each_other_let_nobody_in() {
        with_wiki(async |s, browser| {
            let nginx = || question(s, &[("client_id", "wiki")], PAGE);
            let traefik = || forwarded(s, "https", "wiki.example.com", "/admin");
            for request in [
                nginx().header("X-Original-URL", "https://wiki.example.com/other"),
                nginx().header("X-Forwarded-Uri", "/other").header("X-Forwarded-Host", "wiki.example.com"),
                nginx().header("X-Forwarded-Uri", "/other"),
                nginx().header("X-Forwarded-Host", "mail.example.com"),
                nginx().header("X-Forwarded-Proto", "http"),
                nginx().header("X-Original-Method", "GET").header("X-Forwarded-Method", "POST"),
                nginx().header("X-Original-Method", "GET").header("X-Original-Method", "POST"),
                traefik().header("X-Original-URL", "https://wiki.example.com/public"),
                traefik().header("X-Forwarded-Uri", "/public"),
                traefik().header("X-Forwarded-Host", "mail.example.com"),
                forwarded(s, "https, http", "wiki.example.com", "/"),
                forwarded(s, "https", "wiki.example.com, mail.example.com", "/"),
                envoy(s, "GET", "/forward-auth/client_id=wiki/admin").header("X-Forwarded-Uri", "/public"),
                envoy(s, "GET", "/forward-auth/client_id=wiki/admin").header("X-Original-URL", PAGE),
                envoy(s, "GET", "/forward-auth/client_id=wiki/").header("X-Forwarded-Host", "mail.example.com"),
            ] {
                refused(&browser.with_cookies(request).send().await, 400, "invalid_request");
            }
        });
    }
}

mod identity {
    use super::*;

    #[test]
    fn all_headers_are_always_there_so_that_they_replace_those_from_outside() {
        with_wiki(async |s, browser| {
            let answer = s.visit(browser, &[]).await;
            answer.ok();
            let told: Vec<_> = IDENTITY.map(|name| answer.all(name).collect::<Vec<_>>().join("|")).to_vec();
            let alice = s.user_id(ALICE.0).await.to_string();
            assert_eq!(told, ["alice", &alice, "alice@example.com", "Alice Anna Example", "admin,staff"]);
            assert_eq!(answer.header("authorization"), None);
            assert_eq!((answer.body.len(), answer.header("cache-control")), (0, Some("no-store")));

            let mut other = Browser::new(s);
            other.enter("wiki", WIKI, BOB).await;
            let answer = s.visit(&other, &[]).await;
            let told: Vec<_> = IDENTITY.map(|name| answer.all(name).collect::<Vec<_>>().join("|")).to_vec();
            let bob = s.user_id(BOB.0).await.to_string();
            assert_eq!(told, ["bob", &bob, "bob@example.com", "", ""]);
            for name in IDENTITY {
                assert_eq!(answer.all(name).count(), 1, "{name}");
            }
        });
    }

    #[test]
    fn values_are_cleaned_of_what_ends_a_header_and_keep_their_letters() {
        with_wiki(async |s, browser| {
            let mut inside = crate::support::inside::Inside::of(s).await;
            let claims = json!({ "name": " Zoë\r\nRemote-User: root\u{7f}\u{85} 中 " }).to_string();
            inside
                .run(&format!(
                    "UPDATE users SET claims = '{claims}', roles = '[\"a\",\"b,admin\",\"c\"]', username = 'Ångström'
                     WHERE username = 'alice'"
                ))
                .await;
            let answer = s.visit(browser, &[]).await;
            answer.ok();
            assert_eq!(answer.header("remote-user"), Some("Ångström"));
            assert_eq!(answer.header("remote-name"), Some("ZoëRemote-User: root 中"));
            // A role with a comma in its name would read as two.
            assert_eq!(answer.header("remote-groups"), Some("a,c"));
            refused(&s.visit(browser, &[("role", "admin")]).await, 403, "access_denied");
        });
    }

    #[test]
    fn a_cookie_of_the_other_name_harms_nobody_however_often_it_comes() {
        with_wiki(async |s, browser| {
            let (own, other) = (cookie_name("wiki", false), cookie_name("wiki", true));
            let planted = format!("{other}=x; {own}={}; {other}=y", browser.cookies[&own]);
            let asked = question(s, &[("client_id", "wiki")], "https://wiki.example.com/").header("Cookie", &planted);
            asked.send().await.ok();
        });
    }

    #[test]
    fn a_role_is_needed_where_the_proxy_says_so() {
        with_wiki(async |s, browser| {
            for role in ["admin", "staff", "nobody,staff"] {
                s.visit(browser, &[("role", role)]).await.ok();
            }
            for role in ["root", "Admin", "admi", "admin staff", ","] {
                refused(&s.visit(browser, &[("role", role)]).await, 403, "access_denied");
            }
            s.op.store.ping().await.unwrap();
            let nobody = Browser::new(s);
            assert_eq!(s.visit(&nobody, &[("role", "admin")]).await.status, 401);
        });
    }

    #[test]
    fn the_answer_is_the_same_for_every_method() {
        with_wiki(async |s, browser| {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
                let asked = envoy(s, method, "/forward-auth/client_id=wiki/page");
                let answer = browser.with_cookies(asked.clone()).send().await;
                assert_eq!((answer.status, answer.header("remote-user")), (200, Some("alice")), "{method}");
                let nobody = asked.header("Accept", "text/html").send().await;
                assert_eq!(nobody.status, if method == "GET" { 302 } else { 401 }, "{method}");
                let told = question(s, &[("client_id", "wiki")], PAGE).header("X-Original-Method", method);
                assert_eq!(browser.with_cookies(told).send().await.status, 200, "{method}");
            }
        });
    }
}

mod nobody_signed_in {
    use super::*;

    const START: &str = "https://wiki.example.com/session/start?client_id=wiki&\
        return_to=https%3A%2F%2Fwiki.example.com%2Fpage%3Fx%3D1";

    #[test]
    fn a_navigation_is_sent_to_sign_in_and_back_to_its_page() {
        with_config(behind_a_proxy, async |s| {
            s.create_wiki().await;
            for (name, value) in [("Sec-Fetch-Mode", "navigate"), ("Accept", "text/html,*/*"), ("Accept", "a/b, text/html;q=0.9")] {
                let answer = question(s, &[("client_id", "wiki")], PAGE).header(name, value).send().await;
                assert_eq!((answer.status, answer.header("location")), (302, Some(START)), "{name}: {value}");
                assert_eq!(answer.header("cache-control"), Some("no-store"));
            }
            let asked = forwarded(s, "https", "wiki.example.com", "/page?x=1").header("Sec-Fetch-Mode", "navigate");
            assert_eq!(asked.send().await.header("location"), Some(START));
        });
    }

    #[test]
    fn a_proxy_that_redirects_by_itself_gets_401_and_the_address() {
        with_config(behind_a_proxy, async |s| {
            s.create_wiki().await;
            let asked = question(s, &[("client_id", "wiki"), ("answer", "401")], PAGE);
            let answer = asked.header("Sec-Fetch-Mode", "navigate").send().await;
            refused(&answer, 401, "login_required");
            assert_eq!(answer.header("x-signet-start"), Some(START));
        });
    }

    #[test]
    fn whatever_is_no_navigation_gets_401_and_no_address() {
        with_config(behind_a_proxy, async |s| {
            s.create_wiki().await;
            let headers: [&[(&str, &str)]; 9] = [
                &[],
                &[("Accept", "application/json")],
                &[("Sec-Fetch-Mode", "cors"), ("Accept", "text/html")],
                &[("Sec-Fetch-Mode", "no-cors")],
                &[("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
                &[("Sec-Fetch-Mode", "navigate"), ("Sec-Purpose", "prefetch")],
                &[("Sec-Fetch-Mode", "navigate"), ("Sec-Purpose", "prefetch;prerender")],
                &[("Sec-Fetch-Mode", "navigate"), ("X-Original-Method", "POST")],
                &[("Sec-Fetch-Mode", "navigate"), ("X-Original-Method", "HEAD")],
            ];
            for extra in headers {
                let asked = question(s, &[("client_id", "wiki")], PAGE);
                let asked = extra.iter().fold(asked, |asked, (name, value)| asked.header(name, value));
                let answer = asked.send().await;
                refused(&answer, 401, "login_required");
                assert_eq!(answer.header("x-signet-start"), None, "{extra:?}");
            }
        });
    }

    #[test]
    fn the_sign_in_is_at_the_host_whose_cookie_reaches_the_page() {
        with_config(behind_a_proxy, async |s| {
            s.create_client("suite", web_application(AUTH, &[MAIL, "https://docs.other.com"])).await;
            let asked = question(s, &[("client_id", "suite")], "https://docs.other.com/").header("Accept", "text/html");
            let location = asked.send().await.header("location").unwrap().to_owned();
            assert!(location.starts_with("https://auth.other.com/session/start?"), "{location}");
        });
    }
}
