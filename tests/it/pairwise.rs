//! Pairwise subjects (OpenID Connect Core §8.1): to clients of two sectors a user is two people, to clients of one the
//! same, and what ends for a user ends for all of them.

use signet_verify::feed::entry::Kind;

use super::*;
use crate::support::follower::Follower;

fn text(token: &str, claim: &str) -> String {
    claims(token)[claim].as_str().unwrap().to_owned()
}

/// Hosts of two sectors: names of this machine, at which a document can be fetched.
const HOST_A: &str = "127.0.0.1";
const HOST_B: &str = "localhost";

fn pairwise() -> Value {
    json!({
        "client_name": "A client of a sector",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [CALLBACK],
        "subject_type": "pairwise",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email offline_access read write",
        "audience": [AUDIENCE],
        "first_party": true,
        "id_token_on_refresh": true,
    })
}

/// Registers a client in the sector of a host, whose document lists its redirect URIs.
async fn create_in(s: &Server, host: &str, id: &str, mut metadata: Value) -> Option<String> {
    let sector = Neighbour::start().await;
    sector.serve("/sector.json", 200, "application/json", metadata["redirect_uris"].to_string());
    metadata["sector_identifier_uri"] = json!(sector.url("/sector.json").replace(HOST_A, host));
    s.create_client(id, metadata).await
}

/// Two clients of one sector, and one of another.
async fn create(s: &Server) {
    for (id, host) in [("one", HOST_A), ("two", HOST_A), ("three", HOST_B)] {
        create_in(s, host, id, pairwise()).await;
    }
}

/// What a client calls alice.
async fn sub(s: &Server, client: &str) -> String {
    text(&s.tokens(client).await.id.unwrap(), "sub")
}

mod a_user_at_several_clients {
    use super::*;

    #[test]
    fn is_one_person_to_a_sector_and_another_to_the_next() {
        with_server(async |s| {
            create(s).await;
            let (one, two, three) = (sub(s, "one").await, sub(s, "two").await, sub(s, "three").await);
            let id = s.user_id(ALICE.0).await.to_string();
            assert_eq!(one, two);
            assert!(one != three && one != id && three != id);
            // 32 bytes that say nothing, the same at every node and for ever.
            assert_eq!(one.len(), 43);
            assert_eq!(sub(&s.second_node().await, "one").await, one);
            assert_eq!(sub(s, "app").await, id);
            let bob = Browser::new(s).sign_in(&request("one"), BOB).await.code();
            assert_ne!(text(&Tokens::of(&s.redeem("one", &bob).await).access, "sub"), one);
        });
    }

    #[test]
    fn without_a_document_the_sector_is_the_host_of_the_redirect_uris() {
        with_server(async |s| {
            let host_of = |uri: &str| url::Url::parse(uri).unwrap().host_str().unwrap().to_owned();
            let mut further = pairwise();
            further["redirect_uris"] = json!([CALLBACK, format!("https://{}/further", host_of(CALLBACK))]);
            s.create_client("near", pairwise()).await;
            s.create_client("further", further).await;
            create_in(s, HOST_A, "named", pairwise()).await;
            let near = sub(s, "near").await;
            assert_eq!(sub(s, "further").await, near);
            assert_ne!(sub(s, "named").await, near);
        });
    }

    #[test]
    fn at_a_host_that_is_nobodys_each_client_is_a_sector() {
        with_server(async |s| {
            let uri = "http://127.0.0.1/callback";
            let mut subs = Vec::new();
            for id in ["here", "there"] {
                let mut metadata = pairwise();
                metadata["redirect_uris"] = json!([uri]);
                s.create_client(id, metadata).await;
                let asked = request(id).with("redirect_uri", uri);
                let code = Browser::new(s).sign_in(&asked, ALICE).await.code();
                let mut params = redemption(&code);
                for (name, value) in &mut params {
                    if *name == "redirect_uri" {
                        *value = uri;
                    }
                }
                subs.push(text(&Tokens::of(&s.token(id, &params).await).access, "sub"));
            }
            assert_ne!(subs[0], subs[1]);
        });
    }

    #[test]
    fn a_sector_is_a_host_whatever_its_ports() {
        let read = |uris: Value| {
            let metadata = json!({ "redirect_uris": uris, "subject_type": "pairwise" });
            signet::oauth::client_metadata::ClientMetadata::from_json(&metadata)
        };
        assert!(read(json!(["https://a.example/cb", "https://a.example:8443/cb"])).is_ok());
        let two = read(json!(["https://a.example/cb", "https://b.example/cb"]));
        assert_eq!(two.unwrap_err().field, "sector_identifier_uri");
    }

    #[test]
    fn has_one_subject_in_everything_that_a_client_sees() {
        with_server(async |s| {
            create(s).await;
            let first = s.tokens("one").await;
            let sub = text(first.id.as_deref().unwrap(), "sub");
            assert_eq!(text(&first.access, "sub"), sub);
            assert_eq!(s.userinfo(&first.access).await.ok().json()["sub"], sub);
            let told = s.introspect("api", &first.access).await.ok().json();
            assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!(sub)));
            assert!(told.get("username").is_none(), "the user name is the same everywhere");
            s.advance(MINUTE);
            let next = Tokens::of(&s.refresh("one", first.refresh()).await);
            assert_eq!(text(&next.access, "sub"), sub);
            assert_eq!(text(next.id.as_deref().unwrap(), "sub"), sub);
            let id = s.user_id(ALICE.0).await.to_string();
            for token in [&first.access, &next.access, first.id.as_ref().unwrap(), next.id.as_ref().unwrap()] {
                assert!(!claims(token).to_string().contains(&id), "the user id is in {}", claims(token));
            }
        });
    }

    #[test]
    fn has_it_in_refresh_tokens_too_as_far_as_they_are_described() {
        with_server(async |s| {
            let mut metadata = pairwise();
            metadata["token_endpoint_auth_method"] = json!("client_secret_basic");
            let secret = create_in(s, HOST_A, "confidential", metadata).await.unwrap();
            let code = Browser::new(s).sign_in(&request("confidential"), ALICE).await.code();
            let auth = Auth::Basic("confidential".to_owned(), secret);
            let tokens = Tokens::of(&auth.on(s.post("/token"), &redemption(&code)).send().await);
            let told = auth.on(s.post("/introspect"), &[("token", tokens.refresh())]).send().await.ok().json();
            assert_eq!(told["sub"], claims(&tokens.access)["sub"]);
            assert!(told["active"] == true && told.get("username").is_none());
        });
    }

    #[test]
    fn has_it_in_cookie_mode() {
        with_hosts(async |s| {
            let page = crate::support::surfer::PAGE;
            s.delete_client("cookie").await;
            let mut metadata = pairwise();
            metadata["client_class"] = json!("cookie");
            metadata["redirect_uris"] = json!([format!("{}/session/callback", crate::support::surfer::MAIN)]);
            metadata["return_uris"] = json!([page]);
            create_in(s, HOST_A, "cookie", metadata).await;
            let mut surfer = Surfer::signed_in(s).await;
            let whois = surfer.whois(page).send().await.ok().json();
            let refreshed = surfer.refresh(page).await.ok().json();
            let sub = text(refreshed["access_token"].as_str().unwrap(), "sub");
            assert_ne!(sub, s.user_id(ALICE.0).await.to_string());
            assert_eq!((&whois["session"]["sub"], &refreshed["session"]["sub"]), (&json!(sub), &json!(sub)));
        });
    }

    #[test]
    fn has_it_behind_a_reverse_proxy() {
        use crate::support::web_application::{WIKI, behind_a_proxy, web_application};
        with_config(behind_a_proxy, async |s| {
            let mut metadata = web_application(WIKI, &[WIKI]);
            metadata["subject_type"] = json!("pairwise");
            s.create_client("wiki", metadata).await;
            let mut browser = Browser::new(s);
            browser.enter("wiki", WIKI, ALICE).await;
            let answer = s.visit(&browser, &[("token", "1")]).await;
            let sub = header(answer.ok(), "remote-subject").to_owned();
            assert_eq!(sub.len(), 43);
            let token = header(&answer, "authorization").strip_prefix("Bearer ").unwrap();
            assert_eq!(text(token, "sub"), sub);
        });
    }
}

mod an_id_token_hint {
    use super::*;

    #[test]
    fn of_a_pairwise_client_is_about_the_user_who_is_there() {
        with_server(async |s| {
            create(s).await;
            let mut browser = Browser::new(s);
            let hint = s.tokens_of(&mut browser, "one", "openid").await.id.unwrap();
            let silent = request("one").with("prompt", "none").with("id_token_hint", &hint);
            assert!(browser.silently(&silent).await.get("code").is_some());
            let mut other = Browser::new(s);
            other.sign_in(&request("app"), BOB).await.code();
            assert_eq!(other.silently(&silent).await.get("error"), Some("login_required"));
            // Signing in as somebody else comes to the same.
            let mut third = Browser::new(s);
            let page = third.open(&request("one").with("id_token_hint", &hint)).await;
            let answer = Redirect::parse(third.login(&page, BOB).await.location());
            assert_eq!((answer.get("error"), answer.get("code")), (Some("login_required"), None));
        });
    }

    #[test]
    fn and_a_subject_asked_for_are_the_clients_own() {
        with_server(async |s| {
            create(s).await;
            let mut browser = Browser::new(s);
            let own = text(&s.tokens_of(&mut browser, "one", "openid").await.access, "sub");
            let about = |sub: &str| {
                let claims = json!({ "id_token": { "sub": { "value": sub } } }).to_string();
                request("one").with("prompt", "none").with("claims", &claims)
            };
            assert!(browser.silently(&about(&own)).await.get("code").is_some());
            for other in [s.user_id(ALICE.0).await.to_string(), sub(s, "three").await] {
                assert_eq!(browser.silently(&about(&other)).await.get("error"), Some("login_required"));
            }
        });
    }
}

mod what_ends {
    use super::*;

    /// One entry for the user and one for each sector, and each token is void, to followers and to introspection.
    async fn ends(s: &Server, end: impl AsyncFnOnce()) {
        create(s).await;
        let mut follower = Follower::new(s);
        let mut tokens = Vec::new();
        let clients = ["one", "two", "three", "app"];
        for client in clients {
            tokens.push(s.tokens(client).await);
        }
        let bob = Browser::new(s).sign_in(&request("one"), BOB).await.code();
        let bob = Tokens::of(&s.redeem("one", &bob).await);
        for one in &tokens {
            assert_eq!(follower.judge(&one.access).await, None);
        }
        let epoch = claims(&tokens[0].access)["rv"][0].as_i64().unwrap() + 1;
        end().await;
        let mut expected: Vec<_> = [&tokens[0], &tokens[2], &tokens[3]]
            .into_iter()
            .map(|one| (Kind::Sub, text(&one.access, "sub"), Some(epoch)))
            .collect();
        expected.sort();
        assert_eq!(follower.news().await, expected);
        for (client, one) in clients.iter().zip(&tokens) {
            assert_eq!(follower.judge(&one.access).await, Some(Kind::Sub));
            s.userinfo(&one.access).await.refused(401, "invalid_token");
            s.refresh(client, one.refresh()).await.refused(400, "invalid_grant");
        }
        assert_eq!(follower.judge(&bob.access).await, None);
    }

    #[test]
    fn by_logging_out_all_devices() {
        with_server(async |s| {
            ends(s, async || {
                s.log_out_all(ALICE.0).await;
            })
            .await;
        });
    }

    #[test]
    fn by_disabling_the_account() {
        with_server(async |s| {
            ends(s, async || {
                s.disable_user(ALICE.0).await;
            })
            .await;
        });
    }

    #[test]
    fn by_a_new_password() {
        with_server(async |s| {
            ends(s, async || s.set_password(ALICE.0, "another walk along the river", None).await).await;
        });
    }

    #[test]
    fn names_whom_a_code_on_its_way_would_have_been_for() {
        with_server(async |s| {
            create(s).await;
            let sub = sub(s, "three").await;
            // Nothing of that sign-in can have a token that lives.
            s.advance(400 * DAY);
            let mut follower = Follower::new(s);
            let code = s.code("three").await;
            s.log_out_all(ALICE.0).await;
            let news = follower.news().await;
            assert_eq!(news.iter().filter(|(_, id, _)| *id == sub).count(), 1, "{news:?}");
            s.redeem("three", &code).await.refused(400, "invalid_grant");
        });
    }

    #[test]
    fn leaves_out_no_code_that_is_being_redeemed() {
        with_server(async |s| {
            create(s).await;
            let mut follower = Follower::new(s);
            // Who comes first is chance: on, until a code was redeemed before all ended.
            for round in 1.. {
                assert!(round <= 20, "no code has ever been redeemed");
                let mut codes = Vec::new();
                for client in ["one", "three", "one", "three"] {
                    codes.push((client, s.code(client).await));
                }
                let redeeming = codes
                    .iter()
                    .map(|(client, code)| s.auth(client).on(s.post("/token"), &redemption(code)))
                    .collect();
                let (answers, _) = tokio::join!(in_parallel(redeeming), s.log_out_all(ALICE.0));
                follower.news().await;
                let redeemed: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
                for answer in &redeemed {
                    assert_eq!(follower.judge(&Tokens::of(answer).access).await, Some(Kind::Sub));
                }
                if !redeemed.is_empty() {
                    break;
                }
            }
        });
    }

    #[test]
    fn long_ago_is_not_named_again() {
        with_server(async |s| {
            create(s).await;
            sub(s, "three").await;
            s.advance(400 * DAY);
            let mut follower = Follower::new(s);
            let id = s.user_id(ALICE.0).await.to_string();
            s.log_out_all(ALICE.0).await;
            assert_eq!(follower.news().await.iter().map(|(_, id, _)| id.clone()).collect::<Vec<_>>(), [id]);
        });
    }
}

mod an_operator {
    use super::*;

    #[test]
    fn sees_user_ids_and_a_pairwise_subject_is_nobodys() {
        with_server(async |s| {
            create(s).await;
            let sub = sub(s, "one").await;
            for path in [format!("/users/{sub}"), format!("/users/{sub}/sessions")] {
                let answer = s.administering("GET", &path).await.send().await;
                assert_eq!(answer.status, 404, "{path}: {}", answer.text());
            }
            let id = s.user_id(ALICE.0).await.to_string();
            let answer = s.administering("GET", &format!("/users/{id}/sessions")).await.send().await;
            assert!(!answer.ok().text().contains(&sub));
            assert!(answer.text().contains("\"client_id\":\"one\""), "{}", answer.text());
        });
    }

    #[test]
    fn and_the_user_see_whose_access_token_was_revoked() {
        with_server(async |s| {
            create(s).await;
            let mut browser = Browser::new(s);
            for client in ["one", "app"] {
                let tokens = s.tokens_of(&mut browser, client, "openid").await;
                s.revoke(client, &tokens.access).await.ok();
                let history = s.history(ALICE.0).await;
                let entry = history.into_iter().find(|entry| {
                    entry.event.as_str() == "token.revoked"
                        && entry.client.as_ref().is_some_and(|id| id.to_string() == client)
                });
                let entry = entry.unwrap();
                assert_eq!(entry.session.unwrap().to_string(), text(&tokens.access, "sid"));
            }
            let activity = browser.get("/account/activity").await.ok().text();
            assert!(activity.matches("revoked an access token").count() == 2, "{activity}");
        });
    }

    #[test]
    fn cannot_make_every_user_somebody_else() {
        with_server(async |s| {
            create(s).await;
            let before = sub(s, "one").await;
            for (patch, field) in [
                (json!({ "subject_type": "public" }), "subject_type"),
                (json!({ "sector_identifier_uri": "https://c.example/x" }), "sector_identifier_uri"),
                (json!({ "sector_identifier_uri": null }), "sector_identifier_uri"),
            ] {
                let call = s.administering("PATCH", "/clients/one").await;
                let call = call.header("Content-Type", "application/merge-patch+json");
                let answer = call.body(patch.to_string().as_bytes()).send().await;
                assert_eq!(answer.status, 409, "{}", answer.text());
                assert!(answer.text().contains(field), "{}", answer.text());
            }
            // The sector is the host: its document may move there, and name more.
            let (sector, uris) = (Neighbour::start().await, json!([CALLBACK, "https://new.example.com/cb"]));
            sector.serve("/other.json", 200, "application/json", uris.to_string());
            s.patch_client("one", json!({ "sector_identifier_uri": sector.url("/other.json") })).await;
            s.patch_client("one", json!({ "redirect_uris": uris })).await;
            assert_eq!(sub(s, "one").await, before);
        });
    }
}
