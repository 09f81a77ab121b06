//! Opaque access tokens (docs/decisions/0025-opaque-tokens.md): good for what a JWT is good for, readable by nobody but
//! this server, and ended by whatever ends a JWT.

use super::*;

const INACTIVE: &[u8] = b"{\"active\":false}";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// The API of every client takes opaque tokens.
async fn opaque(s: &Server) -> Tokens {
    s.patch_api(AUDIENCE, json!({ "access_token_format": "opaque" })).await;
    s.tokens("web").await
}

mod an_opaque_token {
    use super::*;

    #[test]
    fn shows_nothing_and_no_two_are_alike() {
        with_server(async |s| {
            let tokens = opaque(s).await;
            let other = Tokens::of(&s.refresh("web", tokens.refresh()).await).access;
            for token in [&tokens.access, &other] {
                let body = token.strip_prefix("sat_").unwrap();
                let bytes = signet::digest::base64url_decode(body).unwrap();
                for part in [&b"alice"[..], b"openid", b"https", b"web"] {
                    assert!(!bytes.windows(part.len()).any(|window| window == part));
                }
                assert!(token.len() < 1500, "{}", token.len());
            }
            assert_ne!(tokens.access[4..26], other[4..26], "the id is drawn anew");
            assert_eq!(tokens.body["token_type"], "Bearer");
            assert_eq!(tokens.body["expires_in"], 600);
        });
    }

    #[test]
    fn says_at_introspection_what_a_jwt_would_say() {
        with_server(async |s| {
            let jwt = s.tokens("web").await.access;
            let tokens = opaque(s).await;
            let answer = s.introspect("api", &tokens.access).await.ok().json();
            assert_eq!((&answer["active"], &answer["token_type"]), (&json!(true), &json!("Bearer")));
            assert_eq!(answer["username"], ALICE.0);
            let claims = claims(&jwt);
            for name in claims.as_object().unwrap().keys() {
                assert!(answer.get(name).is_some(), "{name}");
            }
            for name in ["iss", "sub", "aud", "client_id", "scope", "roles", "amr", "auth_time"] {
                assert_eq!(answer[name], claims[name], "{name}");
            }
            let id = tokens.id.unwrap();
            let half = &signet::digest::sha256(tokens.access.as_bytes()).as_bytes()[..16].to_vec();
            assert_eq!(super::claims(&id)["at_hash"], signet::digest::base64url(half));
        });
    }

    #[test]
    fn is_for_the_resource_servers_in_its_audience_and_its_client() {
        with_server(async |s| {
            let tokens = opaque(s).await;
            for client in ["api", "web"] {
                assert_eq!(s.introspect(client, &tokens.access).await.ok().json()["active"], true, "{client}");
            }
            for client in ["stranger", "post", "service"] {
                assert_eq!(s.introspect(client, &tokens.access).await.ok().body, INACTIVE, "{client}");
            }
            s.introspect("app", &tokens.access).await.refused(400, "unauthorized_client");
        });
    }

    #[test]
    fn opens_userinfo_and_the_administration_api() {
        with_server(async |s| {
            let tokens = opaque(s).await;
            let found = s.userinfo(&tokens.access).await.ok().json();
            assert_eq!(found["sub"], json!(s.user_id(ALICE.0).await));
            let audience = s.op.policy.issuer.url("/admin/v1");
            s.create_api(&audience, json!({ "access_token_format": "opaque" })).await;
            s.patch_client("service", json!({ "audience": [audience], "scope": "signet:admin read" })).await;
            let own = Tokens::of(&s.token("service", &[GRANT]).await).access;
            assert!(own.starts_with("sat_"));
            s.admin_get("/admin/v1/apis").bearer(&own).send().await.ok();
            assert_eq!(s.admin_get("/admin/v1/apis").bearer(&tokens.access).send().await.status, 401);
            // A client's own token is about no person.
            s.userinfo(&own).await.refused(403, "insufficient_scope");
        });
    }

    #[test]
    fn that_was_altered_or_cut_is_none() {
        with_server(async |s| {
            let token = opaque(s).await.access;
            let mut bad = tampered(&token);
            let padded = format!("{token}{}", "A".repeat(9000));
            bad.extend([padded, "sat_".to_owned(), "sat_AAAA".to_owned(), format!("sat_{token}"), token[4..].to_owned()]);
            for bad in bad {
                assert_eq!(s.introspect("api", &bad).await.ok().body, INACTIVE, "{bad}");
                if bad.bytes().all(|byte| byte.is_ascii_graphic()) && bad.len() < 4000 {
                    assert_eq!(s.userinfo(&bad).await.status, 401, "{bad}");
                }
            }
            assert!(s.is_active(&token).await);
        });
    }

    #[test]
    fn of_another_issuer_is_none_though_it_has_the_same_master_key() {
        with_server(async |s| {
            opaque(s).await;
            let config = |config: &mut Config| config.public_url = "https://another.example.com".to_owned();
            let other = s.node_with(&config).await;
            let foreign = Tokens::of(&other.token("service", &[GRANT, ("resource", AUDIENCE)]).await).access;
            assert!(foreign.starts_with("sat_"));
            assert!(!s.is_active(&foreign).await);
            assert!(other.is_active(&foreign).await);
            other.stop().await;
        });
    }

    #[test]
    fn is_good_at_every_node_and_needs_no_row() {
        with_server(async |s| {
            let tokens = opaque(s).await;
            let node = s.second_node().await;
            assert!(node.is_active(&tokens.access).await);
            node.userinfo(&tokens.access).await.ok();
            node.stop().await;
        });
    }

    #[test]
    fn is_an_access_token_and_nothing_else() {
        with_server(async |s| {
            let tokens = opaque(s).await;
            let token = &tokens.access;
            s.refresh("web", token).await.refused(400, "invalid_grant");
            s.redeem("web", token).await.refused(400, "invalid_grant");
            let hint = request("app").with("id_token_hint", token);
            let answer = Browser::new(s).silently(&hint).await;
            assert_eq!(answer.get("error"), Some("invalid_request"));
            // And what is not one does not become one by its name.
            for other in [tokens.refresh(), tokens.id.as_deref().unwrap()] {
                for name in [other.to_owned(), format!("sat_{other}"), other.replacen("srt_", "sat_", 1)] {
                    assert_eq!(s.introspect("api", &name).await.ok().body, INACTIVE, "{name}");
                    assert_eq!(s.userinfo(&name).await.status, 401, "{name}");
                }
            }
            assert!(s.is_active(token).await);
            s.refresh("web", tokens.refresh()).await.ok();
        });
    }
}

mod it_ends {
    use super::*;

    /// Whether it is dead wherever it is presented.
    async fn is_dead(s: &Server, token: &str) -> bool {
        !s.is_active(token).await && s.userinfo(token).await.status == 401
    }

    #[test]
    fn when_its_time_is_up() {
        with_server(async |s| {
            s.patch_api(AUDIENCE, json!({ "access_token_lifetime": 60 })).await;
            let token = opaque(s).await.access;
            s.advance(59 * SECOND);
            assert!(s.is_active(&token).await);
            s.advance(SECOND);
            assert!(is_dead(s, &token).await);
        });
    }

    #[test]
    fn alone_when_its_client_revokes_it() {
        with_server(async |s| {
            let tokens = opaque(s).await;
            // Not by others.
            s.revoke("post", &tokens.access).await.ok();
            assert!(s.is_active(&tokens.access).await);
            s.revoke("web", &tokens.access).await.ok();
            assert!(is_dead(s, &tokens.access).await);
            let next = Tokens::of(&s.refresh("web", tokens.refresh()).await);
            assert!(s.is_active(&next.access).await);
        });
    }

    #[test]
    fn with_its_refresh_token() {
        with_server(async |s| {
            let tokens = opaque(s).await;
            s.revoke("web", tokens.refresh()).await.ok();
            assert!(is_dead(s, &tokens.access).await);
        });
    }

    #[test]
    fn with_everything_of_its_user() {
        with_server(async |s| {
            let tokens = opaque(s).await;
            s.log_out_all(ALICE.0).await;
            assert!(is_dead(s, &tokens.access).await);
            let tokens = s.tokens("web").await;
            s.disable_user(ALICE.0).await;
            assert!(is_dead(s, &tokens.access).await);
        });
    }

    #[test]
    fn with_its_session_and_with_its_client() {
        with_server(async |s| {
            opaque(s).await;
            let tokens = s.tokens_of(&mut Browser::new(s), "web", "openid read").await;
            let sid = s.introspect("api", &tokens.access).await.json()["sid"].as_str().unwrap().to_owned();
            let second = s.tokens_of(&mut Browser::new(s), "web", "openid read").await;
            s.end_session(&sid).await;
            assert!(is_dead(s, &tokens.access).await);
            assert!(s.is_active(&second.access).await);
            let own = Tokens::of(&s.token("service", &[GRANT, ("resource", AUDIENCE)]).await).access;
            assert!(s.is_active(&own).await);
            s.disable_client("service").await;
            assert!(!s.is_active(&own).await);
            s.disable_client("web").await;
            assert!(is_dead(s, &second.access).await);
        });
    }

    #[test]
    fn not_with_a_change_of_the_api_which_is_for_what_is_issued_next() {
        with_server(async |s| {
            let jwt = s.tokens("web").await.access;
            let tokens = opaque(s).await;
            assert!(s.is_active(&jwt).await);
            s.patch_api(AUDIENCE, json!({ "access_token_format": "jwt" })).await;
            assert!(s.is_active(&tokens.access).await);
            let next = Tokens::of(&s.refresh("web", tokens.refresh()).await);
            assert_eq!(jwt_header(&next.access)["typ"], "at+jwt");
        });
    }
}

mod it_costs {
    use super::*;
    use crate::support::proxy::Proxy;
    use crate::support::server::patient;

    /// Questions to the database that one request takes: the fewest of several tries, since a statement is prepared
    /// once per connection. Nobody waits for the one look at a connection that is given back, before or after the answer.
    async fn trips(node: &Server, proxy: &Proxy, requests: Vec<Request>) -> usize {
        let mut fewest = usize::MAX;
        for request in requests {
            let looks = settled(node, proxy).await;
            let trips = proxy.trips();
            request.send().await.ok();
            let looked = settled(node, proxy).await - looks;
            fewest = fewest.min(proxy.trips() - trips + looked.saturating_sub(1));
        }
        fewest
    }

    /// Waits until no connection is looked at any more; how often one was so far.
    async fn settled(node: &Server, proxy: &Proxy) -> usize {
        let (mut last, mut quiet) = (proxy.looks(), 0);
        while quiet < 10 {
            node.get("/healthz").send().await.ok();
            let now = proxy.looks();
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
        }
        last
    }

    /// What an exchange, one that names a resource, a refresh, introspection and userinfo take.
    async fn costs(node: &Server, proxy: &Proxy) -> Vec<usize> {
        // More than there are connections: each prepares a statement when it first meets it.
        const TRIES: usize = 16;
        let mut browser = Browser::new(node);
        let tokens = node.tokens_of(&mut browser, "web", "openid offline_access read").await;
        let mut codes = Vec::new();
        for _ in 0..2 * TRIES {
            codes.push(browser.silently(&request("web")).await.code());
        }
        let (plain, narrow) = codes.split_at(TRIES);
        let post = |path: &str, client: &str, params: &[(&str, &str)]| node.auth(client).on(node.post(path), params);
        let plain = plain.iter().map(|code| post("/token", "web", &redemption(code)));
        let narrow = narrow.iter().map(|code| {
            let mut params = redemption(code).to_vec();
            params.push(("resource", AUDIENCE));
            post("/token", "web", &params)
        });
        // The same one again is a retry, which is a refresh like any other.
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
        let token = [("token", tokens.access.as_str())];
        let all = [
            plain.collect::<Vec<_>>(),
            narrow.collect(),
            vec![post("/token", "web", &refresh); TRIES],
            vec![post("/introspect", "api", &token); TRIES],
            vec![node.get("/userinfo").bearer(&tokens.access); TRIES],
        ];
        let mut found = Vec::new();
        for requests in all {
            found.push(trips(node, proxy, requests).await);
        }
        found
    }

    #[test]
    fn no_more_questions_to_the_database_than_a_jwt() {
        with_server(async |s| {
            let Some((node, proxy)) = super::super::outage::behind_proxy_with(s, &patient).await else { return };
            let jwt = costs(&node, &proxy).await;
            node.patch_api(AUDIENCE, json!({ "access_token_format": "opaque" })).await;
            let opaque = costs(&node, &proxy).await;
            // A resource to narrow to costs nothing either.
            assert_eq!((jwt, opaque), (vec![1; 5], vec![1; 5]));
            node.stop().await;
        });
    }
}
