//! The tower layer, in front of an axum router.

use std::sync::Arc;

use super::support::{Holder, World};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Extension, Router};
use serde_json::{Value, json};
use signet_verify::token::Token;
use signet_verify::tower::Protect;
use signet_verify::verifier::{DpopPolicy, StalePolicy};
use tower::ServiceExt as _;

async fn who(Extension(token): Extension<Arc<Token>>) -> String {
    token.subject().unwrap_or_default().to_owned()
}

async fn write(Extension(token): Extension<Arc<Token>>) -> Result<&'static str, Response> {
    token.require_scope("write")?;
    Ok("written")
}

/// What a CORS layer does, as far as it matters here: answer preflights, and mark every other answer.
async fn cors(request: Request<Body>, next: Next) -> Response {
    let preflight = request.headers().contains_key("access-control-request-method");
    let mut response = if preflight { Response::new(Body::empty()) } else { next.run(request).await };
    let origin = "https://app.example".parse().unwrap();
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    response
}

fn router(protect: Protect) -> Router {
    Router::new()
        .route("/who", get(who))
        .route("/write", get(write))
        .route("/echo", any(|body: Body| async { body }))
        .route("/admin", get(who).layer(protect.clone().scope("admin")))
        .layer(protect)
        .layer(from_fn(cors))
        .route("/naked", get(who))
}

async fn ask(protect: &Protect, request: Request<Body>) -> (StatusCode, header::HeaderMap, Bytes) {
    let response = router(protect.clone()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    (head.status, head.headers, to_bytes(body, usize::MAX).await.unwrap())
}

async fn passes(protect: &Protect, request: Request<Body>) -> Bytes {
    let (status, _, body) = ask(protect, request).await;
    assert_eq!(status, StatusCode::OK, "{body:?}");
    body
}

async fn refused(protect: &Protect, request: Request<Body>, status: u16, code: &str) -> String {
    let (found, head, body) = ask(protect, request).await;
    assert_eq!(found.as_u16(), status, "{body:?}");
    assert_eq!(head[header::CACHE_CONTROL], "no-store");
    assert_eq!(head[header::CONTENT_TYPE], "application/json");
    assert_eq!(head[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
    let challenge = head[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap();
    if code.is_empty() {
        assert_eq!((challenge.as_str(), body), ("Bearer", json!({})));
    } else {
        assert_eq!(body["error"], code);
        assert!(challenge.contains(&format!("error=\"{code}\"")), "{challenge}");
    }
    challenge
}

fn with(path: &str, lines: &[(&str, &[u8])]) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn bearer(path: &str, token: &str) -> Request<Body> {
    with(path, &[("authorization", format!("Bearer {token}").as_bytes())])
}

#[tokio::test]
async fn a_good_token_passes_and_the_handler_has_it() {
    let world = World::start().await;
    let protect = Protect::new(world.verifier()).scope("read");
    let body = passes(&protect, bearer("/who", &world.token("read"))).await;
    assert_eq!(body, world.subject());
}

#[tokio::test]
async fn a_body_is_passed_on_piece_by_piece() {
    let world = World::start().await;
    let protect = Protect::new(world.verifier());
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> = (0..100u8).map(|n| Ok(vec![n; 10_000])).collect();
    let whole: Vec<u8> = (0..100u8).flat_map(|n| vec![n; 10_000]).collect();
    let mut request = bearer("/echo", &world.token("read"));
    *request.method_mut() = Method::POST;
    *request.body_mut() = Body::from_stream(futures_util::stream::iter(pieces));
    assert!(passes(&protect, request).await == whole);
}

#[tokio::test]
async fn what_is_no_good_token_is_refused_with_its_challenge() {
    let world = World::start().await;
    let protect = Protect::new(world.verifier()).scope("read");
    let good = format!("Bearer {}", world.token("read"));
    refused(&protect, with("/who", &[]), 401, "").await;
    refused(&protect, bearer("/who", "garbage"), 401, "invalid_token").await;
    let twice: [(&str, &[u8]); 2] = [("authorization", good.as_bytes()), ("authorization", good.as_bytes())];
    refused(&protect, with("/who", &twice), 400, "invalid_request").await;
    for value in [&b"\xff\xfe"[..], b"", b"Bearer", b"Bearer \xff", b"Basic eDp5"] {
        let (status, _, _) = ask(&protect, with("/who", &[("authorization", value)])).await;
        assert!(matches!(status.as_u16(), 400 | 401), "{value:?}: {status}");
    }
}

#[tokio::test]
async fn a_missing_scope_is_403_in_the_layer_in_one_inside_and_in_the_handler() {
    let world = World::start().await;
    let protect = Protect::new(world.verifier()).scope("read");
    refused(&protect, bearer("/who", &world.token("profile")), 403, "insufficient_scope").await;
    refused(&protect, bearer("/admin", &world.token("read")), 403, "insufficient_scope").await;
    refused(&protect, bearer("/admin", &world.token("admin")), 403, "insufficient_scope").await;
    refused(&protect, bearer("/write", &world.token("read")), 403, "insufficient_scope").await;
    passes(&protect, bearer("/admin", &world.token("read admin"))).await;
    passes(&protect, bearer("/write", &world.token("read write"))).await;
}

#[tokio::test]
async fn a_handler_without_the_layer_serves_nobody() {
    let world = World::start().await;
    let protect = Protect::new(world.verifier());
    let (status, _, _) = ask(&protect, bearer("/naked", &world.token("read"))).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn cors_outside_answers_the_preflight() {
    let world = World::start().await;
    let protect = Protect::new(world.verifier());
    let mut preflight = with("/who", &[("access-control-request-method", b"GET")]);
    *preflight.method_mut() = Method::OPTIONS;
    passes(&protect, preflight).await;
}

#[tokio::test]
async fn a_token_bound_to_a_key_needs_a_proof_for_this_address_once() {
    let world = World::start().await;
    let holder = Holder::new();
    let token = world.token_with(json!({ "scope": "read admin", "cnf": { "jkt": holder.thumbprint() } }));
    let verifier = world.verifier_with(|builder| builder.dpop(DpopPolicy::Accept));
    let protect = Protect::new(verifier.clone()).public_url("https://api.example.com");
    let dpop = |path: &str, proof: &str| {
        with(path, &[("authorization", format!("DPoP {token}").as_bytes()), ("dpop", proof.as_bytes())])
    };
    refused(&protect, bearer("/who", &token), 401, "invalid_token").await;
    let proof = holder.proof("GET", "https://api.example.com/admin", &token, world.now());
    passes(&protect, dpop("/admin", &proof)).await;
    refused(&protect, dpop("/admin", &proof), 401, "invalid_dpop_proof").await;
    let elsewhere = holder.proof("GET", "https://evil.example/who", &token, world.now());
    let mut request = dpop("/who", &elsewhere);
    *request.uri_mut() = "https://evil.example/who".parse().unwrap();
    refused(&protect, request, 401, "invalid_dpop_proof").await;
    let proof = || holder.proof("GET", "https://api.example.com/who", &token, world.now());
    refused(&Protect::new(verifier.clone()), dpop("/who", &proof()), 401, "invalid_dpop_proof").await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_a_silent_feed_closes_where_it_should() {
    let world = World::start().await;
    let (gone, other) = (world.token("read"), world.token("read"));
    let verifier = world.verifier();
    let closed = Protect::new(verifier.clone()).on_stale(StalePolicy::Closed);
    let open = Protect::new(verifier.clone()).on_stale(StalePolicy::Open);
    passes(&closed, bearer("/who", &gone)).await;
    world.revoke(&gone, &verifier).await;
    refused(&closed, bearer("/who", &gone), 401, "invalid_token").await;
    passes(&closed, bearer("/who", &other)).await;
    world.silence().await;
    let (status, head, _) = ask(&closed, bearer("/who", &other)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(head.contains_key(header::RETRY_AFTER) && !head.contains_key(header::WWW_AUTHENTICATE));
    passes(&open, bearer("/who", &other)).await;
    refused(&open, bearer("/who", &gone), 401, "invalid_token").await;
}
