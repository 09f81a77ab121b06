//! Registered APIs (docs/apis.md): `/admin/v1/apis`, what registering a client brings about, and what stands in the way.

use super::*;
use crate::support::inside::Inside;

const ORDERS: &str = "https://orders.example.com";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// An operator with a key.
struct Operator<'a> {
    server: &'a Server,
    key: String,
}

impl<'a> Operator<'a> {
    async fn of(server: &'a Server) -> Self {
        Self { server, key: server.api_key().await }
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Response {
        let request = Request::new(self.server.admin, method, &format!("/admin/v1{path}")).bearer(&self.key);
        match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json");
                request.body(body.to_string().as_bytes()).send().await
            }
            None => request.send().await,
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.call("GET", path, None).await
    }

    /// The audiences of all APIs, page by page.
    async fn audiences(&self) -> Vec<String> {
        let (mut path, mut all) = ("/apis?limit=2".to_owned(), Vec::new());
        loop {
            let page = self.get(&path).await.ok().json();
            all.extend(page["items"].as_array().unwrap().iter().map(|api| api["audience"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/apis?limit=2&cursor={cursor}"),
                None => return all,
            }
        }
    }
}

fn path(audience: &str) -> String {
    format!("/apis/{}", encode(&[("x", audience)]).strip_prefix("x=").unwrap())
}

mod the_administration_api {
    use super::*;

    #[test]
    fn registers_shows_changes_and_deletes() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            let body = json!({ "audience": ORDERS, "name": "Orders", "scopes": ["orders"] });
            let made = operator.call("POST", "/apis", Some(body.clone())).await;
            assert_eq!(made.status, 201, "{}", made.text());
            assert_eq!(header(&made, "location"), "/admin/v1/apis/https%3A%2F%2Forders%2Eexample%2Ecom");
            let shown = operator.get(header(&made, "location").strip_prefix("/admin/v1").unwrap()).await;
            assert_eq!(shown.ok().json(), made.json());
            assert_eq!((&made.json()["access_token_format"], &made.json()["dynamic"]), (&json!("jwt"), &json!(false)));
            assert_eq!(operator.call("POST", "/apis", Some(body)).await.status, 409, "no two share an audience");

            let patch = json!({ "access_token_format": "opaque", "access_token_lifetime": 60 });
            let changed = operator.call("PATCH", &path(ORDERS), Some(patch)).await;
            assert_eq!(changed.ok().json()["name"], "Orders");
            assert_ne!(header(&changed, "etag"), header(&shown, "etag"));
            let replaced = operator.call("PUT", &path(ORDERS), Some(json!({ "scopes": ["o"] }))).await.ok().json();
            assert_eq!((&replaced["access_token_format"], replaced.get("name")), (&json!("jwt"), None));

            assert_eq!(operator.call("DELETE", &path(ORDERS), None).await.status, 204);
            for method in ["GET", "DELETE"] {
                assert_eq!(operator.call(method, &path(ORDERS), None).await.status, 404);
            }
            assert_eq!(operator.call("PATCH", &path(ORDERS), Some(json!({}))).await.status, 404);
            for event in ["api.created", "api.updated", "api.deleted"] {
                let page = operator.get(&format!("/audit?event={event}")).await.ok().json();
                assert_eq!(page["items"][0]["details"]["audience"], ORDERS, "{event}");
                assert!(page["items"][0]["actor"].as_str().unwrap().starts_with("admin:api-key:"));
            }
        });
    }

    #[test]
    fn of_two_changes_of_one_version_one_is_made() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            let version = operator.get(&path(AUDIENCE)).await;
            let change = async |name: &str| {
                Request::new(s.admin, "PATCH", &format!("/admin/v1{}", path(AUDIENCE)))
                    .bearer(&operator.key)
                    .header("Content-Type", "application/json")
                    .header("If-Match", header(&version, "etag"))
                    .body(json!({ "name": name }).to_string().as_bytes())
                    .send()
                    .await
                    .status
            };
            assert_eq!((change("one").await, change("two").await), (200, 412));
        });
    }

    #[test]
    fn takes_no_nonsense() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            for bad in [
                json!({}),
                json!({ "audience": "" }),
                json!({ "audience": "a b" }),
                json!({ "audience": 1 }),
                json!({ "audience": s.issuer() }),
                json!({ "audience": ORDERS, "scopes": ["openid"] }),
                json!({ "audience": ORDERS, "signing_alg": "none" }),
                // No key of this deployment is of this algorithm.
                json!({ "audience": ORDERS, "signing_alg": "EdDSA" }),
                json!({ "audience": ORDERS, "created_at": "2026-01-01T00:00:00Z" }),
                json!({ "audience": ORDERS, "colour": "red" }),
            ] {
                let answer = operator.call("POST", "/apis", Some(bad.clone())).await;
                assert_eq!(answer.status, 422, "{bad}: {}", answer.text());
            }
            let renamed = json!({ "audience": ORDERS });
            assert_eq!(operator.call("PATCH", &path(AUDIENCE), Some(renamed)).await.status, 422);
            let nobody = Request::new(s.admin, "GET", "/admin/v1/apis").send().await;
            assert_eq!(nobody.status, 401);
        });
    }
}

mod a_clients_registration {
    use super::*;

    #[test]
    fn registers_the_apis_it_names() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            // Those of the clients that every test finds.
            let known = ["https://api.example.com", "https://other.example.com", "https://stranger.example.com"];
            assert_eq!(operator.audiences().await, known);
            let new = json!({ "grant_types": ["client_credentials"], "response_types": [], "audience": [AUDIENCE, ORDERS] });
            s.create_client("new", new).await;
            s.patch_client("new", json!({ "audience": ["urn:example:later"] })).await;
            let all = operator.audiences().await;
            assert_eq!(all.len(), 5);
            for audience in [ORDERS, "urn:example:later"] {
                assert!(all.contains(&audience.to_owned()));
                let api = operator.get(&path(audience)).await.ok().json();
                assert_eq!((&api["access_token_format"], &api["dynamic"]), (&json!("jwt"), &json!(false)));
            }
            // What is registered already stays as it is.
            s.patch_api(ORDERS, json!({ "name": "Orders" })).await;
            s.patch_client("new", json!({ "audience": [ORDERS] })).await;
            assert_eq!(operator.get(&path(ORDERS)).await.ok().json()["name"], "Orders");
            let page = operator.get("/audit?event=api.created&client_id=new").await.ok().json();
            assert_eq!(page["items"].as_array().unwrap().len(), 2);
        });
    }

    #[test]
    fn never_has_the_issuer_as_its_audience() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            let patch = json!({ "audience": [s.issuer()] });
            assert_eq!(operator.call("PATCH", "/clients/app", Some(patch)).await.status, 422);
        });
    }

    #[test]
    fn that_has_the_issuer_from_of_old_can_be_changed() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            let sql = format!(
                "UPDATE clients SET metadata = replace(metadata, '{AUDIENCE}', '{}') WHERE client_id = 'service'",
                s.issuer()
            );
            Inside::of(s).await.run(&sql).await;
            let changed = operator.call("PATCH", "/clients/service", Some(json!({ "client_name": "Still here" }))).await;
            assert!(changed.ok().text().contains(s.issuer()), "{}", changed.text());
        });
    }

    #[test]
    fn and_changes_of_it_at_the_same_time_are_no_fault() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            let second = s.second_node().await;
            for round in 0..8 {
                let id = format!("racer-{round}");
                s.create_client(&id, json!({
                    "grant_types": ["client_credentials"], "response_types": [],
                    "token_endpoint_auth_method": "client_secret_jwt",
                })).await;
                let request = |node: &Server, method: &str, path: &str| {
                    let path = format!("/admin/v1/clients/{id}{path}");
                    Request::new(node.admin, method, &path).bearer(&operator.key)
                };
                let basic = json!({ "token_endpoint_auth_method": "client_secret_basic", "audience": [ORDERS] });
                let mut requests = Vec::new();
                for node in [s, &second] {
                    requests.extend([
                        request(node, "PATCH", "").json(&json!({ "client_name": "Racer" })),
                        request(node, "POST", "/rotate_secret"),
                        request(node, "POST", "/disable"),
                        request(node, "PATCH", "").json(&basic),
                        request(node, "POST", "/enable"),
                        request(node, "POST", "/rotate_secret"),
                    ]);
                }
                if round % 2 == 1 {
                    requests.push(request(s, "DELETE", ""));
                }
                for answer in in_parallel(requests).await {
                    assert!(matches!(answer.status, 200 | 204 | 404 | 412), "{} {}", answer.status, answer.text());
                }
                // A secret is sealed for its method: neither change was made on what the other had replaced.
                let sql = "SELECT CAST(count(*) AS BIGINT) FROM clients
                           WHERE sealed_secret IS NOT NULL AND metadata NOT LIKE '%client_secret_jwt%'";
                assert_eq!(Inside::of(s).await.numbers(sql).await, [0]);
            }
            second.stop().await;
        });
    }

    #[test]
    fn that_names_an_api_keeps_it_from_being_deleted() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            let refused = operator.call("DELETE", &path("https://other.example.com"), None).await;
            assert_eq!(refused.status, 409);
            assert!(refused.text().contains("service") && !refused.text().contains("stranger"), "{}", refused.text());
            s.patch_client("service", json!({ "audience": [AUDIENCE] })).await;
            assert_eq!(operator.call("DELETE", &path("https://other.example.com"), None).await.status, 204);
        });
    }

    #[test]
    fn and_a_deletion_at_the_same_time_leave_no_audience_without_an_api() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            for _ in 0..6 {
                s.create_client("racer", json!({
                    "grant_types": ["client_credentials"], "response_types": [], "audience": [AUDIENCE],
                })).await;
                s.create_api(ORDERS, json!({})).await;
                let path = path(ORDERS);
                let named = s.patch_client("racer", json!({ "audience": [ORDERS] }));
                let (deleted, ()) = tokio::join!(operator.call("DELETE", &path, None), named);
                assert!(matches!(deleted.status, 204 | 409), "{}", deleted.text());
                operator.get(&path).await.ok();
                s.delete_client("racer").await;
                assert_eq!(operator.call("DELETE", &path, None).await.status, 204);
            }
        });
    }
}

mod every_node {
    use super::*;

    #[test]
    fn goes_by_a_change_within_a_second() {
        with_server(async |s| {
            let node = s.second_node().await;
            let audience = [GRANT, ("resource", AUDIENCE)];
            assert!(!Tokens::of(&node.token("service", &audience).await).access.starts_with("sat_"));
            s.patch_api(AUDIENCE, json!({ "access_token_format": "opaque" })).await;
            assert!(Tokens::of(&s.token("service", &audience).await).access.starts_with("sat_"));
            s.advance(SECOND + Duration::from_millis(1));
            assert!(Tokens::of(&node.token("service", &audience).await).access.starts_with("sat_"));
            node.stop().await;
        });
    }

    #[test]
    fn knows_a_new_client_and_its_new_api_at_once() {
        with_server(async |s| {
            let node = s.second_node().await;
            Tokens::of(&node.token("service", &[GRANT]).await);
            let metadata = json!({ "grant_types": ["client_credentials"], "response_types": [], "audience": [ORDERS] });
            let secret = s.create_client("new", metadata).await.unwrap();
            let auth = Auth::Basic("new".to_owned(), secret);
            let tokens = Tokens::of(&auth.on(node.post("/token"), &[GRANT]).send().await);
            assert_eq!(claims(&tokens.access)["aud"], ORDERS);
            node.stop().await;
        });
    }
}

mod the_migration {
    use super::*;

    const SCRIPTS: [&str; 2] = [
        include_str!("../../migrations/postgres/0004_openid_connect.sql"),
        include_str!("../../migrations/sqlite/0004_openid_connect.sql"),
    ];

    #[test]
    fn makes_apis_of_the_audiences_of_clients() {
        with_server(async |s| {
            let operator = Operator::of(s).await;
            let before = operator.audiences().await;
            let script = SCRIPTS[usize::from(s.backend == Backend::Sqlite)];
            let mut inside = Inside::of(s).await;
            inside.run("DELETE FROM api").await;
            inside.run(&script[script.find("INSERT INTO api").unwrap()..]).await;
            assert_eq!(operator.audiences().await, before);
            assert_eq!(operator.get(&path(AUDIENCE)).await.ok().json()["access_token_format"], "jwt");
            s.tokens("app").await;
        });
    }
}
