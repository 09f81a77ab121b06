//! The API from outside, on a SQLite file: who gets in, and what each route does.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody as _;
use actix_web::http::{Method, StatusCode};
use actix_web::{App as ActixApp, test, web};
use serde_json::{Value, json};

use super::{BASE, routes};
use crate::clock::{ManualClock, Timestamp};
use crate::entropy::SeededEntropy;
use crate::flow::admin::{By, access, api_keys};
use crate::flow::client_auth::Credentials;
use crate::flow::grant::TokenRequest;
use crate::flow::{Provider, client_auth, grant, keys};
use crate::http::app::App;
use crate::model::audit::Origin;
use crate::oauth::scope::Scope;
use crate::secret::{ClientId, ClientSecret};
use crate::server::provider::{World, build, open_store};

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

struct Api {
    app: web::Data<App>,
    clock: Arc<ManualClock>,
    key: String,
    _dir: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: actix_web::http::header::HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

async fn api() -> Api {
    let dir = tempfile::tempdir().unwrap();
    let mut config = crate::config::Config::default();
    let path = dir.path().join("signet.db");
    config.database.url = crate::secret::DatabaseUrl::new(format!("sqlite://{}", path.display()));
    config.keys.dir = dir.path().join("keys");
    config.passwords.memory_kib = 8 * 1024;
    let clock = Arc::new(ManualClock::new(START));
    let world = World { clock: clock.clone(), entropy: Arc::new(SeededEntropy::new(7)) };
    let store = open_store(&config, &world).await.unwrap();
    store.migrate().await.unwrap();
    let provider = build(&config, store, &world).await.unwrap();
    keys::tick(&provider, START).await.unwrap();
    let key = api_key(&provider, Some(START.plus(Duration::from_secs(3600)))).await;
    let app = crate::server::listen::app(&config, Arc::new(provider), false, None).unwrap();
    Api { app: web::Data::new(app), clock, key, _dir: dir }
}

async fn api_key(op: &Provider, expires_at: Option<Timestamp>) -> String {
    let by = By { actor: "cli", origin: &Origin::default(), now: START };
    api_keys::create(op, &by, "test", expires_at).await.unwrap().key.reveal().to_owned()
}

impl Api {
    async fn send(&self, request: test::TestRequest) -> Answer {
        let app = ActixApp::new().app_data(self.app.clone()).configure(super::configure);
        let service = test::init_service(app).await;
        let response = test::call_service(&service, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().try_into_bytes().unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    fn bare(method: &Method, path: &str) -> test::TestRequest {
        test::TestRequest::with_uri(&format!("{BASE}{path}"))
            .method(method.clone())
            .insert_header(("host", "localhost:9000"))
    }

    fn request(&self, method: &Method, path: &str) -> test::TestRequest {
        Self::bare(method, path).insert_header(("authorization", format!("Bearer {}", self.key)))
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request(&Method::GET, path)).await
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        self.send(self.request(&method, path).set_json(body)).await
    }

    async fn create_user(&self, name: &str) -> String {
        let user = self.call(Method::POST, "/users", json!({ "username": name })).await;
        assert_eq!(user.status, 201, "{}", user.body);
        user.body["id"].as_str().unwrap().to_owned()
    }
}

#[actix_web::test]
async fn every_route_is_closed_to_those_without_credentials() {
    let api = api().await;
    for route in routes().iter().filter(|route| route.scope.is_some()) {
        let path = route.path.replace(['{', '}'], "");
        let none = api.send(Api::bare(&route.method, &path)).await;
        assert_eq!(none.status, 401, "{route:?}");
        assert_eq!(none.header("www-authenticate"), "Bearer realm=\"signet-admin\"", "{route:?}");
        for bad in ["Bearer sak_wrong", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic YTpi"] {
            let wrong = api.send(Api::bare(&route.method, &path).insert_header(("authorization", bad))).await;
            assert_eq!(wrong.status, 401, "{route:?} {bad}");
            assert_eq!(wrong.header("content-type"), "application/problem+json");
        }
    }
    assert_eq!(api.send(Api::bare(&Method::GET, "/nothing")).await.status, 401);
    assert_eq!(api.send(Api::bare(&Method::GET, "/openapi.json")).await.status, 200);
    assert_eq!(api.get("/nothing").await.status, 404);
    let put = api.call(Method::PUT, "/users", json!({})).await;
    assert_eq!((put.status.as_u16(), put.header("allow")), (405, "GET, POST"));
}

#[actix_web::test]
async fn an_expired_or_deleted_key_is_void() {
    let api = api().await;
    assert_eq!(api.get("/users").await.status, 200);
    let id = api.get("/api-keys").await.body["items"][0]["id"].as_str().unwrap().to_owned();
    api.clock.advance(Duration::from_secs(3600));
    assert_eq!(api.get("/users").await.status, 401);
    let other = Api { key: api_key(&api.app.provider, None).await, ..api };
    assert_eq!(other.send(other.request(&Method::DELETE, &format!("/api-keys/{id}"))).await.status, 204);
    assert_eq!(other.send(other.request(&Method::DELETE, &format!("/api-keys/{id}"))).await.status, 404);
}

/// A client's own access token with this audience and scope.
async fn client_token(api: &Api, audience: &str, scope: &str) -> String {
    let op = &api.app.provider;
    // The issuer is no API: it is what a client without one gets.
    let audience = if audience == op.policy.issuer.as_str() { json!([]) } else { json!([audience]) };
    let body = json!({
        "grant_types": ["client_credentials"], "response_types": [], "scope": "signet:admin read",
        "audience": audience,
    });
    let made = api.call(Method::POST, "/clients", body).await.body;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let secret = ClientSecret::new(text("client_secret"));
    let credentials = Credentials::Basic(ClientId(text("client_id")), secret);
    let client = client_auth::authenticate(op, &credentials, None, START).await.unwrap();
    let request =
        TokenRequest::ClientCredentials { scope: Some(Scope::parse(scope).unwrap()), resources: Vec::new() };
    let response = grant::token(op, &client, request, &Origin::default(), START).await.unwrap();
    response.access_token.token.reveal().to_owned()
}

#[actix_web::test]
async fn access_tokens_need_the_audience_and_the_scope() {
    let api = api().await;
    let ours = access::audience(&api.app.provider);
    let cases = [
        (ours.as_str(), "signet:admin", 200),
        (ours.as_str(), "read", 403),
        ("https://api.example.com", "signet:admin", 401),
        (api.app.provider.policy.issuer.as_str(), "signet:admin", 401),
    ];
    for (audience, scope, status) in cases {
        let token = client_token(&api, audience, scope).await;
        let request = Api::bare(&Method::GET, "/keys");
        let answer = api.send(request.insert_header(("authorization", format!("Bearer {token}")))).await;
        assert_eq!(answer.status, status, "{audience} {scope}");
        assert_eq!(answer.header("www-authenticate").contains("insufficient_scope"), status == 403);
        assert!(status == 200 || answer.body["trace_id"] == answer.header("x-request-id"), "{}", answer.body);
    }
}

#[actix_web::test]
async fn a_foreign_name_reaches_nothing_on_loopback() {
    let api = api().await;
    for host in ["evil.example", "localhost.evil.example:9000"] {
        let request = test::TestRequest::with_uri("/admin/v1/users").insert_header(("host", host));
        let request = request.insert_header(("authorization", format!("Bearer {}", api.key)));
        assert_eq!(api.send(request).await.status, 403, "{host}");
    }
}

#[actix_web::test]
async fn a_client_lives_from_registration_to_deletion() {
    let api = api().await;
    let body = json!({
        "client_id": "shop", "client_name": "Shop", "redirect_uris": ["https://shop.example.com/cb"]
    });
    let made = api.call(Method::POST, "/clients", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.header("location"), "/admin/v1/clients/shop");
    let secret = made.body["client_secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("ssc_") && secret.len() == 47);
    assert_eq!(api.call(Method::POST, "/clients", body).await.status, 409);

    let shown = api.get("/clients/shop").await;
    assert!(!shown.body.to_string().contains(&secret), "{}", shown.body);
    assert!(shown.body.get("client_secret").is_none());
    let tag = shown.header("etag").to_owned();
    let patch = |name: &str| {
        api.request(&Method::PATCH, "/clients/shop")
            .insert_header(("if-match", tag.clone()))
            .set_json(json!({ "client_name": name }))
    };
    let changed = api.send(patch("Store")).await;
    assert_eq!((changed.status.as_u16(), &changed.body["client_name"]), (200, &json!("Store")));
    assert_eq!(api.send(patch("Other")).await.status, 412);

    for (member, value) in
        [("client_id", json!("x")), ("disabled", json!(true)), ("client_secret", json!("x"))]
    {
        let refused = api.call(Method::PATCH, "/clients/shop", json!({ member: value })).await;
        assert_eq!(refused.status, 422);
        assert_eq!(refused.body["errors"][0]["field"], member);
    }
    let rotated = api.send(api.request(&Method::POST, "/clients/shop/rotate_secret")).await;
    assert_ne!(rotated.body["client_secret"], secret);
    assert_eq!(rotated.body["previous_client_secret_expires_at"], "2027-01-16T08:00:00Z");
    let too_long =
        api.call(Method::POST, "/clients/shop/rotate_secret", json!({"overlap_seconds": 2_592_001})).await;
    assert_eq!(too_long.status, 422);
    let disabled = api.send(api.request(&Method::POST, "/clients/shop/disable")).await;
    assert_eq!(disabled.body["disabled"], true);
    let enabled = api.send(api.request(&Method::POST, "/clients/shop/enable")).await;
    assert_eq!(enabled.body["disabled"], false);
    assert_eq!(api.send(api.request(&Method::DELETE, "/clients/shop")).await.status, 204);
    assert_eq!(api.get("/clients/shop").await.status, 404);
}

#[actix_web::test]
async fn a_client_is_told_what_it_lacks_by_any_profile() {
    let api = api().await;
    let body = json!({ "client_id": "shop", "redirect_uris": ["http://localhost/cb"] });
    assert_eq!(api.call(Method::POST, "/clients", body).await.status, 201);
    let own = api.get("/clients/shop/lint").await;
    assert_eq!((own.status.as_u16(), &own.body["profile"]), (200, &json!("default")));
    assert_eq!(own.body["errors"], 0);
    let rules: Vec<_> = own.body["findings"].as_array().unwrap().iter().map(|one| &one["rule"]).collect();
    assert!(rules.contains(&&json!("localhost")) && rules.contains(&&json!("no-name")), "{rules:?}");
    let strict = api.get("/clients/shop/lint?profile=oauth21").await;
    assert_eq!(
        (&strict.body["errors"], &strict.body["findings"][0]["severity"]),
        (&json!(1), &json!("error"))
    );
    assert_eq!(strict.body["findings"][0]["field"], "redirect_uris");
    assert_eq!(api.get("/clients/shop/lint?profile=fapi").await.status, 400);
    assert_eq!(api.get("/clients/other/lint").await.status, 404);
}

#[actix_web::test]
async fn a_public_client_has_no_secret() {
    let api = api().await;
    let body = json!({
        "token_endpoint_auth_method": "none", "redirect_uris": ["https://spa.example.com/cb"]
    });
    let made = api.call(Method::POST, "/clients", body).await;
    assert_eq!(made.status, 201);
    assert!(made.body.get("client_secret").is_none());
    let id = made.body["client_id"].as_str().unwrap();
    assert_eq!(id.len(), 20);
    let path = format!("/clients/{id}/rotate_secret");
    assert_eq!(api.send(api.request(&Method::POST, &path)).await.status, 409);
    // Once confidential it can have one.
    let patch = json!({ "token_endpoint_auth_method": "client_secret_basic" });
    assert_eq!(api.call(Method::PATCH, &format!("/clients/{id}"), patch).await.status, 200);
    let rotated = api.send(api.request(&Method::POST, &path)).await;
    assert_eq!(rotated.status, 200);
    assert_eq!(rotated.body["previous_client_secret_expires_at"], Value::Null);
}

#[actix_web::test]
async fn an_account_lives_and_tells_its_history() {
    let api = api().await;
    let password = "nine lamps under the bridge";
    let body = json!({
        "username": "alice", "email": "alice@example.com", "email_verified": true,
        "password": password, "roles": ["reader"], "claims": {"name": "Alice"},
    });
    let made = api.call(Method::POST, "/users", body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(!made.body.to_string().contains(password) && !made.body.to_string().contains("argon2"));
    let taken = api.call(Method::POST, "/users", json!({"username": "ALICE"})).await;
    assert_eq!((taken.status.as_u16(), &taken.body["errors"][0]["field"]), (409, &json!("username")));
    let path = format!("/users/{}", made.body["id"].as_str().unwrap());

    let patch = json!({"email": "a@example.com", "claims": {"name": null, "locale": "fr"}, "roles": null});
    let changed = api.call(Method::PATCH, &path, patch).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(changed.body["email_verified"], false);
    assert_eq!((&changed.body["claims"], &changed.body["roles"]), (&json!({"locale": "fr"}), &json!([])));
    for member in ["id", "epoch", "password_phc", "disabled", "created_at", "password"] {
        let refused = api.call(Method::PATCH, &path, json!({ member: 1 })).await;
        assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["field"]), (422, &json!(member)));
    }
    let weak = api.call(Method::PUT, &format!("{path}/password"), json!({"password": "short"})).await;
    assert_eq!((weak.status.as_u16(), &weak.body["errors"][0]["field"]), (422, &json!("password")));
    let password = json!({"password": "seven boats in the harbour"});
    assert_eq!(api.call(Method::PUT, &format!("{path}/password"), password).await.status, 200);
    let out = api.send(api.request(&Method::POST, &format!("{path}/logout_all"))).await;
    assert_eq!(out.body["ended"], json!({"sessions": 0, "families": 0, "codes": 0}));
    assert_eq!(out.body["tokens_accepted_until"], "2027-01-15T08:15:00Z");
    assert_eq!(api.send(api.request(&Method::POST, &format!("{path}/disable"))).await.status, 200);
    let enabled = api.send(api.request(&Method::POST, &format!("{path}/enable"))).await;
    assert_eq!(enabled.body["disabled"], false);
    let open = api.get(&format!("{path}/sessions")).await;
    assert_eq!(open.body, json!({"sessions": [], "detached_refresh_tokens": []}));

    let history = api.get(&format!("{path}/history")).await;
    let events: Vec<_> =
        history.body["items"].as_array().unwrap().iter().map(|e| e["event"].clone()).collect();
    assert_eq!(
        events.iter().collect::<std::collections::HashSet<_>>().len(),
        6,
        "{events:?}: created, updated, password, logout_all, disabled, enabled"
    );
    let actor = history.body["items"][0]["actor"].as_str().unwrap();
    assert!(actor.starts_with("admin:api-key:"), "{actor}");
    let found = api.get("/users?login=A@EXAMPLE.com").await;
    assert_eq!(found.body["items"][0]["username"], "alice");
    let nobody = format!("/users/{}/history", uuid::Uuid::nil());
    assert_eq!(api.get(&nobody).await.status, 404);
    assert_eq!(api.get("/users/not-a-uuid").await.status, 404);
}

#[actix_web::test]
async fn lists_are_read_page_by_page() {
    let api = api().await;
    for name in ["a", "b", "c", "d", "e"] {
        api.create_user(name).await;
        api.clock.advance(Duration::from_millis(5));
    }
    let (mut path, mut names) = ("/users?limit=2".to_owned(), Vec::new());
    for size in [2, 2, 1] {
        let page = api.get(&path).await;
        let items = page.body["items"].as_array().unwrap();
        assert_eq!(items.len(), size);
        names.extend(items.iter().map(|user| user["username"].as_str().unwrap().to_owned()));
        let next = page.header("link").split(['<', '>']).nth(1).unwrap_or_default();
        path = next.strip_prefix(BASE).unwrap_or_default().to_owned();
        assert_eq!(page.body["next_cursor"].is_null(), path.is_empty());
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    for bad in ["limit=0", "limit=-1", "limit=201", "limit=x", "cursor=x", "sort=name", "limit=1&limit=2"] {
        assert_eq!(api.get(&format!("/users?{bad}")).await.status, 400, "{bad}");
    }
    let since = "2027-01-15T08:00:00.010Z";
    let page = api.get(&format!("/audit?event=user.created&since={since}&limit=2")).await;
    assert_eq!(page.body["items"].as_array().unwrap().len(), 2);
    assert!(page.header("link").contains("event=user.created"), "{}", page.header("link"));
    let rest = api.get(&format!("/audit?event=user.created&until={since}")).await;
    assert_eq!(rest.body["items"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("/audit?event=no.such").await.status, 400);
}

#[actix_web::test]
async fn keys_are_rotated_and_withdrawn() {
    let api = api().await;
    let list = api.get("/keys").await;
    let signing = |list: &Value, algorithm: &str| -> Vec<String> {
        let items = list["items"].as_array().unwrap().iter();
        let live = items.filter(|key| key["algorithm"] == algorithm && key["state"] == "active");
        live.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let [old] = signing(&list.body, "ES256").try_into().unwrap();
    assert_eq!(api.send(api.request(&Method::DELETE, &format!("/keys/{old}"))).await.status, 409);
    let rotated = api.call(Method::POST, "/keys/rotate", json!({"algorithm": "ES256"})).await;
    assert_eq!(rotated.body["created"][0]["state"], "pending", "{}", rotated.body);
    assert_eq!(rotated.body["retiring"][0]["kid"], old);
    assert_eq!(rotated.body["tokens_accepted_until"], Value::Null);
    let gone = api.call(Method::POST, "/keys/rotate_emergency", json!({"kid": old})).await;
    assert_eq!(gone.status, 200, "{}", gone.body);
    let list = api.get("/keys").await;
    let [new] = signing(&list.body, "ES256").try_into().unwrap();
    assert_ne!(new, old);
    assert!(gone.body["removed"].as_array().unwrap().iter().any(|key| key["kid"] == old));
    assert_eq!(api.send(api.request(&Method::DELETE, &format!("/keys/{old}"))).await.status, 409);
    assert_eq!(api.send(api.request(&Method::DELETE, "/keys/none")).await.status, 404);
    let both = api.call(Method::POST, "/keys/rotate", json!({"algorithm": "ES256", "kid": "x"})).await;
    assert_eq!(both.status, 422);
}

#[actix_web::test]
async fn bodies_have_bounds() {
    let api = api().await;
    let post = || api.request(&Method::POST, "/users");
    let json_type = ("content-type", "application/json");
    assert_eq!(api.send(post().set_payload("{}")).await.status, 415);
    assert_eq!(api.send(post().insert_header(json_type).set_payload("{")).await.status, 400);
    let deep = format!("{{\"username\":\"x\",\"claims\":{}{}}}", "{\"a\":".repeat(40), "}".repeat(40));
    assert_eq!(api.send(post().insert_header(json_type).set_payload(deep)).await.status, 400);
    let long = " ".repeat(256 * 1024 + 1);
    assert_eq!(api.send(post().insert_header(json_type).set_payload(long)).await.status, 413);
}
