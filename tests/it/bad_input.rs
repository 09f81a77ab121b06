//! What no client should send: the right status, error code and header, never a 5xx, and never a change of state.

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";
/// Endpoints that answer in JSON.
const PROTOCOL: [&str; 4] = ["/token", "/revoke", "/introspect", "/userinfo"];

/// A user with everything open, to be found as it was afterwards.
struct Untouched<'a> {
    browser: Browser<'a>,
    tokens: Tokens,
    code: String,
    events: Vec<&'static str>,
}

impl<'a> Untouched<'a> {
    async fn new(s: &'a Server) -> Self {
        let mut browser = Browser::new(s);
        let tokens = s.tokens_of(&mut browser, "app", "openid offline_access").await;
        let code = browser.silently(&request("app")).await.code();
        let events = s.events(ALICE.0).await;
        Self { browser, tokens, code, events }
    }

    async fn check(self, s: &Server) {
        assert_eq!(s.events(ALICE.0).await, self.events);
        assert!(s.is_active(&self.tokens.access).await);
        assert!(self.browser.is_signed_in().await);
        s.redeem("app", &self.code).await.ok();
        s.refresh("app", self.tokens.refresh()).await.ok();
    }
}

mod bodies {
    use super::*;

    #[test]
    fn another_content_type_is_415() {
        with_server(async |s| {
            let open = Untouched::new(s).await;
            let refresh =
                format!("grant_type=refresh_token&client_id=app&refresh_token={}", open.tokens.refresh());
            let paths = [
                "/token",
                "/revoke",
                "/introspect",
                "/userinfo",
                "/authorize",
                "/login",
                "/consent",
                "/logout",
            ];
            for path in paths {
                for content_type in [
                    "application/json",
                    "text/plain",
                    "multipart/form-data; boundary=x",
                    "application/x-www-form-urlencodedx",
                    "",
                ] {
                    let request = s.post(path).header("Content-Type", content_type).body(refresh.as_bytes());
                    let response = open.browser.with_cookies(request).send().await;
                    response.refused(415, "invalid_request");
                }
            }
            for path in ["/token", "/revoke", "/introspect", "/authorize", "/login", "/consent", "/logout"] {
                let none = open.browser.with_cookies(s.post(path).body(refresh.as_bytes())).send().await;
                none.refused(415, "invalid_request");
            }
            open.check(s).await;
        });
    }

    #[test]
    fn a_charset_does_not_matter() {
        with_server(async |s| {
            for content_type in
                [format!("{FORM}; charset=UTF-8"), FORM.to_uppercase(), format!("{FORM};charset=x")]
            {
                let request = s.post("/token").header("Content-Type", &content_type);
                let response =
                    request.body(b"grant_type=refresh_token&client_id=app&refresh_token=x").send().await;
                response.refused(400, "invalid_grant");
            }
        });
    }

    #[test]
    fn a_repeated_parameter_is_invalid_request() {
        with_server(async |s| {
            let open = Untouched::new(s).await;
            let good =
                format!("grant_type=refresh_token&client_id=app&refresh_token={}", open.tokens.refresh());
            for extra in [
                "grant_type=refresh_token",
                "client_id=app",
                "refresh_token=x",
                "scope=read&scope=read",
                "x=1&x=2",
                "client%5Fid=app",
                "refresh_token",
            ] {
                s.post("/token")
                    .raw_form(&format!("{good}&{extra}"))
                    .send()
                    .await
                    .refused(400, "invalid_request");
            }
            let token = format!("client_id=app&token={}&token=x", open.tokens.refresh());
            s.post("/revoke").raw_form(&token).send().await.refused(400, "invalid_request");
            s.post("/introspect")
                .raw_form("client_id=app&token=x&token=y")
                .send()
                .await
                .refused(400, "invalid_request");
            let access = &open.tokens.access;
            let twice = format!("access_token={access}&access_token={access}");
            s.post("/userinfo").raw_form(&twice).send().await.refused(400, "invalid_request");
            open.check(s).await;
        });
    }

    #[test]
    fn what_is_not_urlencoded_text_is_invalid_request() {
        with_server(async |s| {
            let open = Untouched::new(s).await;
            let many: String = (0..65).map(|number| format!("p{number}=1&")).collect();
            for broken in
                ["token=%", "token=%4", "token=%zz", "token=%ff", "token=%00", "token=%c3%28", &many]
            {
                for path in PROTOCOL {
                    let response = s.post(path).raw_form(&format!("client_id=app&{broken}")).send().await;
                    response.refused(400, "invalid_request");
                }
                for path in ["/authorize", "/login", "/consent"] {
                    s.post(path).raw_form(broken).send().await.refused(400, "invalid_request");
                    s.get(&format!("{path}?{broken}")).send().await.refused(400, "invalid_request");
                }
            }
            open.check(s).await;
        });
    }

    #[test]
    fn a_body_that_is_too_large_is_413() {
        with_server(async |s| {
            let open = Untouched::new(s).await;
            let large = format!("client_id=app&token={}", "x".repeat(16 * 1024));
            for path in ["/token", "/revoke", "/introspect", "/userinfo", "/authorize"] {
                s.post(path).raw_form(&large).send().await.refused(413, "invalid_request");
            }
            let large = format!("interaction=x&password={}", "x".repeat(8 * 1024));
            for path in ["/login", "/consent", "/logout"] {
                let request = open.browser.with_cookies(s.post(path).raw_form(&large));
                request.send().await.refused(413, "invalid_request");
            }
            open.check(s).await;
        });
    }

    #[test]
    fn parameters_in_the_query_are_refused_where_they_would_be_logged() {
        with_server(async |s| {
            let open = Untouched::new(s).await;
            let refresh = [
                ("grant_type", "refresh_token"),
                ("client_id", "app"),
                ("refresh_token", open.tokens.refresh()),
            ];
            let query = encode(&refresh);
            for path in ["/token", "/revoke", "/introspect"] {
                let response = s.post(&format!("{path}?{query}")).form(&refresh).send().await;
                response.refused(400, "invalid_request");
            }
            open.check(s).await;
        });
    }
}

mod values {
    use super::*;

    #[test]
    fn over_long_and_ill_typed_values_are_the_clients_mistake() {
        with_server(async |s| {
            let open = Untouched::new(s).await;
            let long = "x".repeat(10_000);
            for value in [
                "",
                " ",
                "null",
                "undefined",
                "[]",
                "'; DROP TABLE users; --",
                "../../etc/passwd",
                "\u{1f511}",
                &long,
            ] {
                for (path, name) in [
                    ("/token", "grant_type"),
                    ("/token", "refresh_token"),
                    ("/token", "code"),
                    ("/token", "scope"),
                    ("/token", "resource"),
                    ("/token", "code_verifier"),
                    ("/token", "redirect_uri"),
                    ("/token", "client_id"),
                    ("/revoke", "client_id"),
                    ("/introspect", "token"),
                ] {
                    for grant in ["authorization_code", "refresh_token", "client_credentials"] {
                        let mut params = vec![
                            ("grant_type", grant),
                            ("client_id", "app"),
                            ("refresh_token", "srt_x"),
                            ("code", "sac_x"),
                            ("redirect_uri", CALLBACK),
                            ("token", "x"),
                        ];
                        params.retain(|(known, _)| *known != name);
                        params.push((name, value));
                        let status = s.post(path).form(&params).send().await.status;
                        assert!(matches!(status, 200 | 400 | 401), "{path} {name}={value}: {status}");
                        assert!(status != 200 || path == "/revoke", "{path} {name}={value}");
                    }
                }
            }
            open.check(s).await;
        });
    }

    #[test]
    fn every_parameter_of_authorize_takes_nonsense() {
        with_server(async |s| {
            let open = Untouched::new(s).await;
            let long = "x".repeat(6_000);
            for name in [
                "client_id",
                "redirect_uri",
                "response_type",
                "response_mode",
                "scope",
                "state",
                "nonce",
                "prompt",
                "max_age",
                "login_hint",
                "id_token_hint",
                "code_challenge",
                "code_challenge_method",
                "resource",
                "ui_locales",
                "acr_values",
                "display",
                "claims",
                "claims_locales",
            ] {
                for value in ["", "\u{202e}", "\r\nSet-Cookie: x=y", "%00", "-1", "{\"a\":", &long] {
                    let response = Browser::new(s).authorize(&request("app").with(name, value)).await;
                    assert!(matches!(response.status, 303 | 400), "{name}={value}: {}", response.status);
                    assert!(response.all("set-cookie").all(|cookie| !cookie.starts_with("x=")));
                }
            }
            open.check(s).await;
        });
    }

    #[test]
    fn an_audience_or_lifetime_that_is_over_is_refused() {
        with_server(async |s| {
            let service = Tokens::of(
                &s.token(
                    "service",
                    &[("grant_type", "client_credentials"), ("resource", "https://other.example.com")],
                )
                .await,
            );
            // Not for the audience of this resource server.
            assert_eq!(s.introspect("api", &service.access).await.ok().body, b"{\"active\":false}");
            assert_eq!(s.get("/demo/api/me").bearer(&service.access).send().await.status, 401);
            let tokens = s.tokens("app").await;
            s.get("/demo/api/me").bearer(&tokens.access).send().await.ok();
            s.advance(HOUR);
            s.get("/demo/api/me").bearer(&tokens.access).send().await.refused(401, "invalid_token");
        });
    }
}

mod jwts {
    use super::*;
    use signet::digest::base64url;

    /// Forgeries of an access token that a careless verifier takes (RFC 8725).
    fn forgeries(s_token: &str) -> Vec<(String, String)> {
        let (head, payload, mac) = {
            let parts: Vec<_> = s_token.split('.').collect();
            (jwt_header(s_token), parts[1].to_owned(), parts[2].to_owned())
        };
        let mut all = Vec::new();
        let mut with_head = |name: &str, head: Value, mac: &str| {
            all.push((
                name.to_owned(),
                format!("{}.{payload}.{mac}", base64url(head.to_string().as_bytes())),
            ));
        };
        for alg in ["none", "None", "NONE", "nOnE", "HS256", "RS256", "ES384", ""] {
            let mut other = head.clone();
            other["alg"] = json!(alg);
            with_head(alg, other.clone(), "");
            with_head(alg, other, &mac);
        }
        for (name, value) in [
            ("crit", json!(["exp"])),
            ("jwk", json!({ "kty": "EC" })),
            ("jku", json!("http://127.0.0.1:1/jwks")),
            ("x5u", json!("http://127.0.0.1:1/x")),
            ("kid", json!("../../etc/passwd")),
            ("kid", json!("' OR 1=1 --")),
            ("typ", json!("JWT")),
            ("b64", json!(false)),
        ] {
            let mut other = head.clone();
            other[name] = value;
            with_head(name, other, &mac);
        }
        let head = s_token.split('.').next().unwrap();
        all.push(("zero signature".to_owned(), format!("{head}.{payload}.{}", base64url(&[0; 64]))));
        all.push(("no signature".to_owned(), format!("{head}.{payload}.")));
        all.push(("two parts".to_owned(), format!("{head}.{payload}")));
        all.push(("four parts".to_owned(), format!("{s_token}.x")));
        all.push(("five parts".to_owned(), format!("{s_token}.x.y")));
        all.push(("padded".to_owned(), format!("{s_token}==")));
        all.push(("another payload".to_owned(), format!("{head}.{}.{mac}", base64url(b"{\"sub\":\"x\"}"))));
        all
    }

    #[test]
    fn a_forged_token_opens_nothing() {
        with_server(async |s| {
            let open = Untouched::new(s).await;
            for (name, forged) in forgeries(&open.tokens.access) {
                assert_eq!(s.userinfo(&forged).await.status, 401, "{name}");
                assert!(!s.is_active(&forged).await, "{name}");
                s.revoke("app", &forged).await.ok();
                assert_eq!(s.get("/demo/api/me").bearer(&forged).send().await.status, 401, "{name}");
            }
            open.check(s).await;
        });
    }
}

mod http {
    use super::*;

    async fn raw(s: &Server, text: &str) -> Option<u16> {
        exchange(s.public, text.as_bytes()).await.map(|response| response.status)
    }

    #[test]
    fn requests_that_two_parsers_could_read_differently_are_refused() {
        with_server(async |s| {
            let open = Untouched::new(s).await;
            let body =
                format!("grant_type=refresh_token&client_id=app&refresh_token={}", open.tokens.refresh());
            let head =
                format!("POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {FORM}\r\n");
            let (length, chunk) = (body.len(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
            for framing in [
                format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"),
                format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n{chunk}"),
                format!("Content-Length: {length}\r\nContent-Length: 5\r\n\r\n{body}"),
                format!("Content-Length: +{length}\r\n\r\n{body}"),
                format!("Content-Length: -1\r\n\r\n{body}"),
                format!("Content-Length: {length}x\r\n\r\n{body}"),
                format!("Transfer-Encoding: xchunked\r\n\r\n{chunk}"),
                format!("Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}"),
            ] {
                let status = raw(s, &format!("{head}{framing}")).await;
                assert!(status.is_none_or(|status| (400..500).contains(&status)), "{framing}: {status:?}");
            }
            open.check(s).await;
        });
    }

    #[test]
    fn what_is_no_request_is_refused() {
        // Blank lines are no beginning: they are waited on for as long as a client may take.
        let hasty = |config: &mut Config| config.http.client_request_timeout_seconds = 5;
        with_config(hasty, async |s| {
            let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(200_000));
            let many: String = (0..2000).map(|number| format!("X-{number}: y\r\n")).collect();
            let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n");
            for text in [
                "\r\n\r\n\r\n",
                "GET\r\n\r\n",
                "nonsense\r\n\r\n",
                "GET / HTTP/9.9\r\n\r\n",
                "\u{0}\u{1}\u{2}\r\n\r\n",
                "GET /\u{7f} HTTP/1.1\r\nHost: x\r\n\r\n",
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                &large,
                &many,
            ] {
                let status = raw(s, text).await;
                assert!(status.is_none_or(|status| (400..500).contains(&status)), "{status:?}");
            }
            s.get("/healthz").send().await.ok();
        });
    }

    #[test]
    fn an_unknown_path_is_404_whatever_the_method() {
        with_server(async |s| {
            for path in [
                "/nothing",
                "/token/",
                "//token",
                "/Token",
                "/admin/v1/users",
                "/metrics",
                "/readyz",
                "/.well-known/",
                "/authorize/x",
                "/assets/../Cargo.toml",
                "/assets/%2e%2e%2fCargo.toml",
            ] {
                for method in ["GET", "POST", "DELETE"] {
                    let status = s.request(method, path).send().await.status;
                    assert!(matches!(status, 404 | 405), "{method} {path}: {status}");
                    assert!(status == 404 || method != "GET", "{path}");
                }
            }
        });
    }
}
