//! Where a sign-in in cookie mode begins, `/session/start`, and at which hosts (docs/sessions.md).

use super::*;
use crate::support::surfer::{CLIENT, MAIN, OTHER, OTHER_PAGE, PAGE, attributes, cookie};

const TRANSACTION: &str = "__Host-signet_transaction";

mod start {
    use super::*;

    #[test]
    fn leads_to_the_authorization_endpoint_with_a_challenge_and_keeps_one_cookie() {
        with_hosts(async |s| {
            let mut surfer = Surfer::new(s);
            let more = [("scope", "openid read"), ("login_hint", "alice"), ("max_age", "60"), ("prompt", "login")];
            let response = surfer.get(&Surfer::start_url(OTHER, OTHER_PAGE, &more)).await;
            let asked = Redirect::parse(response.location());
            assert_eq!(asked.uri, format!("{MAIN}/authorize"));
            for (name, value) in [
                ("response_type", "code"),
                ("client_id", CLIENT),
                ("redirect_uri", "https://auth.other.example/session/callback"),
                ("code_challenge_method", "S256"),
            ]
            .into_iter()
            .chain(more)
            {
                assert_eq!(asked.get(name), Some(value));
            }
            assert_eq!(asked.get("code_challenge").unwrap().len(), 43);
            let set = cookie(&response, TRANSACTION);
            // As long as an interaction may take, and two minutes for the way there and back.
            assert_eq!(attributes(set), ["HttpOnly", "Max-Age=1920", "Path=/", "SameSite=Lax", "Secure"]);
            let value = set.split(['=', ';']).nth(1).unwrap().to_owned();
            assert_eq!(value.len(), 43);
            assert!(!response.location().contains(&value));

            let again = surfer.get(&Surfer::start_url(OTHER, OTHER_PAGE, &[("prompt", "none")])).await;
            // Kept, since another tab may be under way, and not for a shorter time.
            assert_eq!(cookie(&again, TRANSACTION), set);
            let (one, two) = (Redirect::parse(response.location()), Redirect::parse(again.location()));
            assert_ne!(one.get("state"), two.get("state"));
            assert_ne!(one.get("code_challenge"), two.get("code_challenge"));
            let fresh = Surfer::new(s).get(&Surfer::start_url(MAIN, PAGE, &[("prompt", "none")])).await;
            assert!(cookie(&fresh, TRANSACTION).contains("Max-Age=120;") || cookie(&fresh, TRANSACTION).ends_with("Max-Age=120"));
        });
    }

    #[test]
    fn redirects_nobody_to_what_is_not_registered() {
        with_hosts(async |s| {
            for bad in [
                "",
                "/",
                "//evil.example",
                "https://evil.example/",
                "https://app.example.com",
                "https://app.example.com/x",
                "https://app.example.com/?x=1",
                "https://app.example.com/#x",
                "https://app.example.com//",
                "https://app.example.com/.",
                "https://app.example.com/%2e",
                "https://app.example.com:443/",
                "https://app.example.com@evil.example/",
                "https://evil.example@app.example.com/",
                "https://app.example.com.evil.example/",
                "https:app.example.com/",
                "https:/\\evil.example/",
                "\\\\evil.example/",
                "HTTPS://app.example.com/",
                "http://app.example.com/",
                "javascript:alert(1)",
                "data:text/html,x",
                "https://app.example.com/\r\nLocation: https://evil.example/",
                " https://app.example.com/",
                "https://board.example.com/",
                "https://app.other.example/start",
            ] {
                let response = Surfer::new(s).get(&Surfer::start_url(MAIN, bad, &[])).await;
                assert_eq!(response.status, 400, "{bad}");
                assert_eq!((response.header("location"), response.header("set-cookie")), (None, None), "{bad}");
            }
        });
    }

    #[test]
    fn is_for_active_clients_in_cookie_mode_that_are_registered_at_this_host() {
        with_hosts(async |s| {
            let start = |client: &str, host: &str| {
                let query = encode(&[("client_id", client), ("return_to", PAGE)]);
                format!("{host}/session/start?{query}")
            };
            for client in ["", "nobody", "app", "web", "board"] {
                let response = Surfer::new(s).get(&start(client, MAIN)).await;
                assert_eq!((response.status, response.header("set-cookie")), (400, None), "{client}");
            }
            s.patch_client(CLIENT, json!({ "redirect_uris": [format!("{MAIN}/session/callback")] })).await;
            assert_eq!(Surfer::new(s).get(&start(CLIENT, MAIN)).await.status, 303);
            assert_eq!(Surfer::new(s).get(&start(CLIENT, OTHER)).await.status, 400);
            s.disable_client(CLIENT).await;
            assert_eq!(Surfer::new(s).get(&start(CLIENT, MAIN)).await.status, 400);
        });
    }

    #[test]
    fn is_for_people_who_follow_a_link_at_one_of_our_hosts() {
        with_hosts(async |s| {
            let target = Surfer::start_url(MAIN, PAGE, &[]);
            let target = target.strip_prefix(MAIN).unwrap();
            let get = |method: &str| s.request(method, target).host("auth.example.com");
            assert_eq!(get("GET").send().await.status, 303);
            for (name, value) in [
                ("Sec-Purpose", "prefetch"),
                ("Sec-Purpose", "prefetch;prerender"),
                ("Purpose", "prefetch"),
                ("X-Moz", "prefetch"),
                ("Sec-Fetch-Mode", "cors"),
                ("Sec-Fetch-Mode", "no-cors"),
                ("Sec-Fetch-Dest", "iframe"),
                ("Sec-Fetch-Dest", "image"),
                ("Sec-Fetch-Dest", "empty"),
            ] {
                let response = get("GET").header(name, value).send().await;
                assert_eq!((response.status, response.header("set-cookie")), (403, None), "{name}: {value}");
            }
            for method in ["HEAD", "POST", "PUT"] {
                assert_eq!(get(method).send().await.status, 405, "{method}");
            }
            for host in ["evil.example", "127.0.0.1", "auth.example.com:8443"] {
                let response = s.get(target).host(host).send().await;
                assert_eq!((response.status, response.header("location")), (400, None), "{host}");
                assert!(response.text().contains("not known here"), "{}", response.text());
            }
            let long = Surfer::start_url(MAIN, PAGE, &[("login_hint", &"x".repeat(4000))]);
            assert_eq!(Surfer::new(s).get(&long).await.status, 400);
            let twice = format!("{target}&client_id=cookie");
            assert_eq!(s.get(&twice).host("auth.example.com").send().await.status, 400);
            let planted = get("GET").header("Cookie", &format!("{TRANSACTION}=a; {TRANSACTION}=b")).send().await;
            assert!(cookie(&planted, TRANSACTION).contains("Max-Age"), "a name that is not made of its value is nobody's");
        });
    }

    #[test]
    fn what_the_authorization_endpoint_refuses_comes_back_to_the_page() {
        with_hosts(async |s| {
            let mut surfer = Surfer::new(s);
            for (more, error) in [
                (("prompt", "none"), "login_required"),
                (("scope", "openid admin"), "invalid_scope"),
                (("resource", "https://elsewhere.example"), "invalid_target"),
                (("prompt", "perhaps"), "invalid_request"),
            ] {
                assert_eq!(surfer.enter(MAIN, PAGE, &[more]).await, format!("{PAGE}?error={error}"));
                assert_eq!(surfer.enter(OTHER, OTHER_PAGE, &[more]).await, format!("{OTHER_PAGE}&error={error}"));
            }
            assert_eq!(surfer.refresh_cookie(MAIN), None);
        });
    }

    #[test]
    fn a_third_partys_consent_and_the_form_lead_through_our_host_to_the_page() {
        with_hosts(async |s| {
            s.patch_client(CLIENT, json!({ "first_party": false })).await;
            let mut surfer = Surfer::new(s);
            let begun = surfer.get(&Surfer::start_url(OTHER, OTHER_PAGE, &[])).await;
            let to_login = surfer.get(begun.location()).await.location().to_owned();
            let page = surfer.get(&format!("{MAIN}{to_login}")).await;
            let policy = header(page.ok(), "content-security-policy");
            let targets = policy.split(';').find(|part| part.trim().starts_with("form-action")).unwrap();
            // Chromium holds the whole chain of redirects after a form to these.
            for target in ["'self'", OTHER, "https://app.other.example"] {
                assert!(targets.split(' ').any(|one| one == target), "{targets}");
            }
            assert_eq!(surfer.enter(OTHER, OTHER_PAGE, &[]).await, OTHER_PAGE);
            surfer.refresh(OTHER_PAGE).await.ok();
        });
    }
}

mod hosts {
    use super::*;

    #[test]
    fn a_further_host_has_what_sessions_need_and_no_pages() {
        with_hosts(async |s| {
            for (path, status) in [
                ("/healthz", 200),
                ("/.well-known/jwks.json", 200),
                ("/assets/style.css", 200),
                ("/session/start", 400),
                ("/session", 403),
                ("/", 404),
                ("/authorize", 404),
                ("/login", 404),
                ("/logout", 404),
                ("/.well-known/openid-configuration", 404),
                ("/revocation/snapshot", 404),
                ("/demo", 404),
                ("/nothing", 404),
            ] {
                let response = s.get(path).host("auth.third.example").send().await;
                assert_eq!(response.status, status, "{path}");
                if status == 404 {
                    let text = response.text().replace("&#x2f;", "/");
                    assert!(text.contains(&format!("href=\"{MAIN}/\"")), "{path}: {text}");
                }
            }
            assert_eq!(s.post("/token").host("auth.third.example").form(&[]).send().await.status, 404);
            // A proxy that rewrites Host is no reason to refuse anything else.
            s.get("/.well-known/openid-configuration").host("upstream").send().await.ok();
        });
    }

    #[test]
    fn a_proxy_is_believed_only_if_it_is_trusted() {
        let trusting = |config: &mut Config| {
            crate::support::server::three_hosts(config);
            config.http.trusted_proxies = vec![signet::config::Cidr { address: [127, 0, 0, 1].into(), prefix: 32 }];
        };
        with_config(trusting, async |s| {
            let target = Surfer::start_url(OTHER, OTHER_PAGE, &[]);
            let target = target.strip_prefix(OTHER).unwrap();
            let forwarded = |value: &str| s.get(target).host("upstream").header("X-Forwarded-Host", value);
            for (value, status) in [
                ("auth.other.example", 303),
                ("evil.example, auth.other.example", 303),
                ("auth.other.example, evil.example", 400),
                ("", 400),
            ] {
                assert_eq!(forwarded(value).send().await.status, status, "{value:?}");
            }
        });
        with_hosts(async |s| {
            let target = Surfer::start_url(OTHER, OTHER_PAGE, &[]);
            let target = target.strip_prefix(OTHER).unwrap();
            let request = s.get(target).host("upstream").header("X-Forwarded-Host", "auth.other.example");
            assert_eq!(request.send().await.status, 400);
        });
    }

    #[test]
    fn no_get_changes_a_family() {
        with_hosts(async |s| {
            let surfer = Surfer::signed_in(s).await;
            let user = s.user_id(ALICE.0).await;
            let state = async || {
                let families = s.op.store.families_of(user, s.now()).await.unwrap();
                families.iter().map(|family| (family.handle, family.last_used_at)).collect::<Vec<_>>()
            };
            let before = state().await;
            s.advance(2 * MINUTE);
            for row in signet::http::routes::PUBLIC.iter().filter(|row| !row.path.contains("stream")) {
                for method in ["GET", "HEAD"].into_iter().filter(|method| row.takes(method)) {
                    let request = surfer.request(method, &format!("{MAIN}{}?client_id=cookie", row.path));
                    let request = request.header("Origin", "https://app.example.com").header("X-Signet-Request", "1");
                    assert!(request.send().await.status < 500, "{method} {}", row.path);
                    assert_eq!(state().await, before, "{method} {}", row.path);
                }
            }
            surfer.clone().refresh(PAGE).await.ok();
        });
    }
}
