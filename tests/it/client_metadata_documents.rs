//! draft-ietf-oauth-client-id-metadata-document-01: a `client_id` that is the address of the client's metadata.

use signet::flow::registration::document::ensure;
use signet::flow::rejection::Reason;
use signet::storage::SweepCursor;
use signet_verify::feed::entry::Kind;

use super::backchannel_logout::notices;
use super::*;
use crate::support::follower::{Follower, News};
use crate::support::registrar::asking;

const JSON: &str = "application/json";

fn documents(config: &mut Config) {
    config.registration.metadata_documents = true;
}

fn document(id: &str, more: Value) -> Value {
    let mut document = json!({
        "client_id": id,
        "client_name": "An app that nobody knows",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

/// Serves a document for itself.
fn serve(neighbour: &Neighbour, path: &str, more: Value) -> String {
    let id = neighbour.url(path);
    neighbour.serve(path, 200, JSON, document(&id, more).to_string());
    id
}

async fn sign_in(s: &Server, client: &str) -> Tokens {
    let code = Browser::new(s).sign_in(&asking(client, "openid offline_access"), ALICE).await.code();
    Tokens::of(&Auth::Public(client.to_owned()).on(s.post("/token"), &redemption(&code)).send().await)
}

/// The error page of an authorization request, which leads nowhere.
async fn refused(s: &Server, client: &str) -> String {
    let answer = Browser::new(s).authorize(&asking(client, "openid")).await;
    answer.refused(400, "invalid_client");
    answer.text()
}

mod discovering_metadata {
    use super::*;

    #[test]
    fn a_client_that_nobody_registered_signs_a_user_in() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let id = serve(&neighbour, "/app.json", json!({}));
            let mut browser = Browser::new(s);
            let page = browser.authorize(&asking(&id, "openid offline_access")).await;
            let page = browser.page(page.location()).await;
            let consent = browser.login(&page, ALICE).await;
            let asked = browser.page(consent.location()).await;
            let host = neighbour.origin().replace('/', "&#x2f;");
            for html in [page.html, asked.html] {
                assert!(html.contains("id=\"client-unverified\"") && html.contains(&host), "{html}");
            }
            let answer = browser.consent(consent.location()).await;
            let code = Redirect::parse(answer.location()).code();
            let auth = Auth::Public(id.clone());
            let tokens = Tokens::of(&auth.on(s.post("/token"), &redemption(&code)).send().await);
            assert_eq!(claims(tokens.id.as_deref().unwrap())["aud"], id.as_str());
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            auth.on(s.post("/token"), &refresh).send().await.ok();
            // Asked once, and for JSON.
            let seen = neighbour.requests();
            assert_eq!((seen.len(), seen[0].method.as_str(), seen[0].target.as_str()), (1, "GET", "/app.json"));
            assert_eq!(seen[0].header("accept"), Some(JSON));
        });
    }

    async fn takes_none(s: &Server) {
        let neighbour = Neighbour::start().await;
        let id = serve(&neighbour, "/app.json", json!({}));
        refused(s, &id).await;
        assert!(neighbour.requests().is_empty());
    }

    #[test]
    fn documents_are_taken_only_where_the_operator_says_so() {
        let neighbour_hosts = |config: &mut Config| {
            documents(config);
            config.registration.metadata_document_hosts = vec!["app.example.com".to_owned()];
        };
        with_config(neighbour_hosts, takes_none);
        with_config(|_| {}, takes_none);
    }

    #[test]
    fn a_client_that_is_kept_is_refused_once_they_are_not_taken_any_more() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let id = serve(&neighbour, "/app.json", json!({}));
            let tokens = sign_in(s, &id).await;
            let off = s.node_at(s.config.database.url.reveal()).await;
            refused(&off, &id).await;
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            let auth = Auth::Public(id);
            auth.on(off.post("/token"), &refresh).send().await.refused(401, "invalid_client");
            off.stop().await;
        });
    }

    #[test]
    fn an_id_that_may_not_be_is_not_asked_for() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let origin = neighbour.origin();
            let bare = origin.trim_start_matches("http://").to_owned();
            for id in [
                origin.clone(),
                format!("{origin}/app.json?x=1"),
                format!("{origin}/app.json#x"),
                format!("{origin}/a/../app.json"),
                format!("http://user@{bare}/app.json"),
                format!("{origin}/{}", "x".repeat(600)),
                "http://app.example.com/app.json".to_owned(),
            ] {
                refused(s, &id).await;
            }
            assert!(neighbour.requests().is_empty());
        });
    }

    #[test]
    fn an_id_is_as_long_as_the_revocation_feed_can_name() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let of_length = |bytes: usize| format!("/{}", "x".repeat(bytes - neighbour.url("/").len()));
            let too_long = serve(&neighbour, &of_length(256), json!({}));
            assert_eq!(too_long.len(), 256);
            refused(s, &too_long).await;
            assert!(neighbour.requests().is_empty());
            let id = serve(&neighbour, &of_length(255), json!({}));
            sign_in(s, &id).await;
            let mut follower = Follower::new(s);
            s.disable_client(&id).await;
            let named = |news: News| news.iter().any(|(kind, named, _)| *kind == Kind::Client && *named == id);
            assert!(named(follower.news().await));
            s.delete_client(&id).await;
            assert!(named(follower.news().await));
        });
    }

    #[test]
    fn many_requests_of_one_client_make_one() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let id = serve(&neighbour, "/app.json", json!({}));
            let target = asking(&id, "openid").target();
            let answers = in_parallel((0..12).map(|_| s.get(&target)).collect()).await;
            assert!(answers.iter().all(|answer| answer.status == 303), "{answers:?}");
            assert_eq!(neighbour.requests().len(), 1);
        });
    }

    #[test]
    fn an_address_that_tries_too_many_is_turned_away() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            for number in 0..100 {
                refused(s, &neighbour.url(&format!("/nothing-{number}.json"))).await;
            }
            let asked = neighbour.requests().len();
            let answer = Browser::new(s).authorize(&asking(&neighbour.url("/other.json"), "openid")).await;
            answer.refused(503, "temporarily_unavailable");
            assert_eq!(neighbour.requests().len(), asked);
        });
    }
}

mod content {
    use super::*;

    #[test]
    fn a_document_that_cannot_be_had_is_a_page_that_says_so() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            neighbour.serve("/gone.json", 404, JSON, "{}");
            neighbour.serve_with("/moved.json", 302, &[("Location", "/app.json")], "");
            serve(&neighbour, "/app.json", json!({}));
            neighbour.serve("/long.json", 200, JSON, "x".repeat(70_000));
            for path in ["/gone.json", "/moved.json", "/long.json"] {
                let html = refused(s, &neighbour.url(path)).await;
                assert!(html.contains("could not be fetched"), "{path}: {html}");
            }
        });
    }

    #[test]
    fn a_document_has_to_speak_of_itself_and_hold_no_secret() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let at = |path: &str| neighbour.url(path);
            let wrong = [
                document(&at("/other.json"), json!({})),
                document(&at("/1.json").to_uppercase(), json!({})),
                document(&at("/2.json"), json!({ "client_secret": "x" })),
                document(&at("/3.json"), json!({ "client_secret_expires_at": 0 })),
                document(&at("/4.json"), json!({ "token_endpoint_auth_method": "client_secret_basic" })),
                document(&at("/5.json"), json!({ "token_endpoint_auth_method": "client_secret_jwt" })),
                document(&at("/6.json"), json!({ "redirect_uris": ["javascript:alert(1)"] })),
                document(&at("/7.json"), json!({ "redirect_uris": [] })),
                document(&at("/8.json"), json!({ "token_endpoint_auth_method": "private_key_jwt" })),
                json!([]),
            ];
            for (number, document) in wrong.iter().enumerate() {
                let path = format!("/{number}.json");
                neighbour.serve(&path, 200, JSON, document.to_string());
                let html = refused(s, &at(&path)).await;
                assert!(html.contains("not one that this server can use"), "{document}: {html}");
                assert!(!s.has_client(&at(&path)).await);
            }
            let id = at("/page.json");
            neighbour.serve("/page.json", 200, "text/html", document(&id, json!({})).to_string());
            refused(s, &id).await;
        });
    }

    #[test]
    fn of_one_that_is_long_and_wrong_little_is_logged_and_remembered() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let long = format!("https://app.example.com/{}", "x".repeat(60_000));
            for (number, more) in [
                json!({ "redirect_uris": [long] }),
                json!({ "logo_uri": long }),
                json!({ "request_uris": [long] }),
                json!({ "application_type": long }),
            ]
            .into_iter()
            .enumerate()
            {
                let id = serve(&neighbour, &format!("/{number}.json"), more);
                refused(s, &id).await;
                // What was remembered, and what is found anew.
                for _ in 0..2 {
                    let refusal = ensure(&s.op, &id, None, s.now()).await.unwrap_err();
                    let Reason::HiddenDetail(reason) = &refusal.reason else { panic!("{refusal:?}") };
                    assert!(reason.starts_with(&id) && reason.len() <= 400, "{}: {reason}", reason.len());
                    s.advance(30 * SECOND);
                }
            }
        });
    }

    #[test]
    fn what_is_the_operators_to_say_is_ignored() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let more = json!({ "first_party": true, "scope": "openid admin", "require_pkce": false });
            let id = serve(&neighbour, "/app.json", more);
            let mut browser = Browser::new(s);
            browser.sign_in(&request("app"), ALICE).await;
            let answer = browser.authorize(&asking(&id, "openid")).await;
            assert!(answer.location().starts_with("/consent"), "{}", answer.location());
            let wide = browser.silently(&asking(&id, "openid admin")).await;
            assert_eq!(wide.get("error"), Some("invalid_scope"));
        });
    }
}

mod caching {
    use super::*;

    async fn name_of(s: &Server, id: &str) -> Option<String> {
        let mut browser = Browser::new(s);
        let answer = browser.authorize(&asking(id, "openid")).await;
        let html = browser.get(answer.location()).await.text();
        let name = html.split("class=\"client-name\">").nth(1)?;
        Some(name.split('<').next()?.to_owned())
    }

    #[test]
    fn it_is_current_for_as_long_as_its_host_says_within_bounds() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            for (path, max_age, current) in
                [("/a", "max-age=1", 5 * MINUTE), ("/b", "max-age=1800", 30 * MINUTE), ("/c", "max-age=9999999", DAY), ("/d", "public", HOUR)]
            {
                let id = neighbour.url(path);
                let headers = [("Content-Type", JSON), ("Cache-Control", max_age)];
                neighbour.serve_with(path, 200, &headers, document(&id, json!({})).to_string());
                name_of(s, &id).await.unwrap();
                let asked = neighbour.requests().len();
                s.advance(current - 10 * SECOND);
                name_of(s, &id).await.unwrap();
                assert_eq!(neighbour.requests().len(), asked, "{max_age}");
                let new = document(&id, json!({ "client_name": "New" })).to_string();
                neighbour.serve_with(path, 200, &headers, new);
                s.advance(20 * SECOND);
                assert_eq!(name_of(s, &id).await.as_deref(), Some("New"), "{max_age}");
                assert_eq!(neighbour.requests().len(), asked + 1, "{max_age}");
            }
        });
    }

    #[test]
    fn one_that_cannot_be_fetched_again_serves_for_another_day() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let id = serve(&neighbour, "/app.json", json!({}));
            let tokens = sign_in(s, &id).await;
            neighbour.serve("/app.json", 500, JSON, "");
            s.advance(12 * HOUR);
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            let auth = Auth::Public(id.clone());
            let tokens = Tokens::of(&auth.on(s.post("/token"), &refresh).send().await);
            s.advance(12 * HOUR);
            name_of(s, &id).await.unwrap();
            s.advance(2 * HOUR);
            refused(s, &id).await;
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            auth.on(s.post("/token"), &refresh).send().await.refused(401, "invalid_client");
            serve(&neighbour, "/app.json", json!({}));
            s.advance(30 * SECOND);
            auth.on(s.post("/token"), &refresh).send().await.ok();
        });
    }

    #[test]
    fn a_host_that_fails_is_asked_once_by_many() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let id = serve(&neighbour, "/app.json", json!({}));
            let tokens = sign_in(s, &id).await;
            let new = neighbour.url("/new.json");
            for path in ["/app.json", "/new.json"] {
                neighbour.serve(path, 500, JSON, "");
            }
            s.advance(2 * HOUR);
            neighbour.forget();
            let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
            let auth = Auth::Public(id.clone());
            let (known, unknown) = (asking(&id, "openid").target(), asking(&new, "openid").target());
            let mut requests = Vec::new();
            for _ in 0..6 {
                requests.extend([s.get(&known), auth.on(s.post("/token"), &refresh), s.get(&unknown)]);
            }
            let answers = in_parallel(requests).await;
            let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
            assert_eq!(statuses, [303, 200, 400].repeat(6));
            refused(s, &new).await;
            assert_eq!(neighbour.requests().len(), 2);
            serve(&neighbour, "/new.json", json!({}));
            s.advance(21 * SECOND);
            name_of(s, &new).await.unwrap();
        });
    }

    #[test]
    fn one_that_says_the_same_again_changes_nothing_for_anybody() {
        with_config(documents, async |s| {
            let taking = |config: &mut Config| {
                config.public_url = s.issuer().to_owned();
                documents(config);
            };
            let other = s.node_with(&taking).await;
            let neighbour = Neighbour::start().await;
            let id = serve(&neighbour, "/app.json", json!({}));
            for node in [s, &other] {
                name_of(node, &id).await.unwrap();
            }
            let mut inside = crate::support::inside::Inside::of(s).await;
            let sql = "SELECT client_version FROM installation";
            let before = inside.numbers(sql).await;
            s.advance(2 * HOUR);
            for node in [s, &other, s, &other] {
                name_of(node, &id).await.unwrap();
            }
            assert_eq!((inside.numbers(sql).await, neighbour.requests().len()), (before, 2));
            other.stop().await;
        });
    }

    #[test]
    fn one_that_would_make_its_users_others_is_not_taken() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let id = serve(&neighbour, "/app.json", json!({ "subject_type": "pairwise" }));
            name_of(s, &id).await.unwrap();
            let elsewhere = "https://other.example.com/callback";
            let moved = json!({ "subject_type": "pairwise", "redirect_uris": [elsewhere] });
            serve(&neighbour, "/app.json", moved);
            s.advance(2 * HOUR);
            name_of(s, &id).await.unwrap();
            assert_eq!(neighbour.requests().len(), 2);
            let asked = asking(&id, "openid").with("redirect_uri", elsewhere);
            assert_eq!(Browser::new(s).authorize(&asked).await.status, 400);
            s.advance(DAY);
            refused(s, &id).await;
        });
    }

    #[test]
    fn is_told_of_ends_once_it_says_so_and_no_longer_than_that() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let asks = json!({ "backchannel_logout_uri": neighbour.url("/logout") });
            for (more, expected) in [(json!({}), 0), (asks, 1), (json!({}), 1)] {
                let id = serve(&neighbour, "/app.json", more);
                s.advance(2 * HOUR);
                // Sessions that have ended before are gone.
                s.op.store.sweep(&mut SweepCursor::default(), 100, DAY, s.now()).await.unwrap();
                sign_in(s, &id).await;
                s.log_out_all(ALICE.0).await;
                assert_eq!(notices(s).await.len(), expected);
            }
        });
    }

    #[test]
    fn what_an_operator_has_disabled_stays_so() {
        with_config(documents, async |s| {
            let neighbour = Neighbour::start().await;
            let id = serve(&neighbour, "/app.json", json!({}));
            name_of(s, &id).await.unwrap();
            let encoded = id.replace(':', "%3A").replace('/', "%2F");
            let path = format!("/clients/{encoded}/disable");
            s.administering("POST", &path).await.send().await.ok();
            refused(s, &id).await;
            s.advance(60 * DAY);
            s.op.store.sweep_clients(DAY, 100, s.now()).await.unwrap();
            refused(s, &id).await;
            assert_eq!(neighbour.requests().len(), 1);
        });
    }
}
