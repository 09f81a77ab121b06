//! The actix-web middleware, in front of a real app, with tokens of a real issuer.

use std::time::Duration;

use super::support::{Holder, World};
use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE,
};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, Bytes};
use actix_web::{App, Error, HttpResponse};
use serde_json::{Value, json};
use signet_verify::actix::{Authorized, Protect};
use signet_verify::challenge::Refusal;
use signet_verify::verifier::{DpopPolicy, StalePolicy};

async fn who(token: Authorized) -> String {
    token.subject().unwrap_or_default().to_owned()
}

async fn write(token: Authorized) -> Result<&'static str, Refusal> {
    token.require_scope("write")?;
    Ok("written")
}

async fn echo(_: Authorized, body: Bytes) -> Bytes {
    body
}

/// What a CORS middleware does, as far as it matters here: answer preflights, and mark every other answer.
async fn cors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let preflight = request.headers().contains_key("access-control-request-method");
    let mut response = if preflight {
        request.into_response(HttpResponse::NoContent().finish())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    response
        .headers_mut()
        .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://app.example"));
    Ok(response)
}

/// Sends one request to an app with these middlewares around its resources.
macro_rules! answer {
    ($protect:expr, $request:expr) => {{
        let app = init_service(
            App::new()
                .service(web::resource("/who").wrap($protect).route(web::route().to(who)))
                .service(web::resource("/write").wrap($protect).route(web::route().to(write)))
                .service(
                    web::resource("/echo")
                        .app_data(web::PayloadConfig::new(8 << 20))
                        .wrap($protect)
                        .route(web::route().to(echo)),
                )
                .service(web::scope("/inner").wrap($protect).service(
                    web::resource("/admin").wrap($protect.scope("admin")).route(web::route().to(who)),
                ))
                .service(
                    web::resource("/shared").wrap($protect).wrap(from_fn(cors)).route(web::route().to(who)),
                )
                .service(web::resource("/naked").route(web::route().to(who))),
        )
        .await;
        Answer::of(call_service(&app, $request.to_request()).await).await
    }};
}

struct Answer {
    status: StatusCode,
    challenge: String,
    head: actix_web::http::header::HeaderMap,
    body: Bytes,
}

impl Answer {
    async fn of(response: ServiceResponse<impl MessageBody>) -> Self {
        let (status, head) = (response.status(), response.headers().clone());
        let challenge = head.get(WWW_AUTHENTICATE).map(|line| line.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body()).await.map_err(|_| "a body").unwrap();
        Self { status, challenge: challenge.unwrap_or_default(), head, body }
    }

    /// The whole of a refusal: status, code in challenge and body, and nobody keeps it.
    fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.head.get(CACHE_CONTROL).unwrap(), "no-store");
        assert_eq!(self.head.get(CONTENT_TYPE).unwrap(), "application/json");
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        if code.is_empty() {
            assert_eq!((self.challenge.as_str(), &body), ("Bearer", &json!({})));
        } else {
            assert_eq!(body["error"], code);
            assert!(self.challenge.contains(&format!("error=\"{code}\"")), "{}", self.challenge);
        }
    }
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

fn bearer(path: &str, token: &str) -> TestRequest {
    get(path).insert_header(("authorization", format!("Bearer {token}")))
}

#[actix_web::test]
async fn a_good_token_passes_and_the_handler_has_it() {
    let world = World::start().await;
    let answer = answer!(Protect::new(world.verifier()), bearer("/who", &world.token("read")));
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, world.subject().as_bytes()));
    assert!(answer.challenge.is_empty());
}

#[actix_web::test]
async fn a_body_reaches_the_handler_and_the_client_as_it_was() {
    let world = World::start().await;
    let body = vec![b'x'; 3 << 20];
    let request = bearer("/echo", &world.token("read")).method(actix_web::http::Method::POST);
    let answer = answer!(Protect::new(world.verifier()), request.set_payload(body.clone()));
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body == body);
}

#[actix_web::test]
async fn no_token_is_401_with_a_challenge_without_a_code() {
    let world = World::start().await;
    answer!(Protect::new(world.verifier()), get("/who")).refused(401, "");
    // RFC 6750 §2.3: in the query it would end up in logs. It is not looked for there.
    let token = world.token("read");
    answer!(Protect::new(world.verifier()), get(&format!("/who?access_token={token}"))).refused(401, "");
}

#[actix_web::test]
async fn garbled_credentials_are_refused_and_never_panic() {
    let world = World::start().await;
    let good = world.token("read");
    for value in [
        b"Bearer".to_vec(),
        b"Bearer ".to_vec(),
        b"Bearer \xff\xfe".to_vec(),
        b"\xff".to_vec(),
        b"".to_vec(),
        format!("Bearer {good} x").into_bytes(),
        format!("Bearer {good},{good}").into_bytes(),
        format!("Basic {good}").into_bytes(),
        format!("Bearer{good}").into_bytes(),
        format!("Bearer {}", ".".repeat(1 << 20)).into_bytes(),
        format!("DPoP {good}").into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&value).chars().take(40).collect::<String>();
        let line = HeaderValue::from_bytes(&value).unwrap();
        let answer =
            answer!(Protect::new(world.verifier()), get("/who").insert_header(("authorization", line)));
        assert!(matches!(answer.status.as_u16(), 400 | 401), "{shown}: {}", answer.status);
        assert!(answer.challenge.starts_with("Bearer"), "{shown}");
    }
}

#[actix_web::test]
async fn two_authorization_lines_are_refused_whichever_is_good() {
    let world = World::start().await;
    let good = format!("Bearer {}", world.token("read"));
    for (first, second) in [(good.as_str(), good.as_str()), (&good, "Bearer x"), ("Basic eDp5", &good)] {
        let request =
            get("/who").append_header(("authorization", first)).append_header(("authorization", second));
        answer!(Protect::new(world.verifier()), request).refused(400, "invalid_request");
    }
}

#[actix_web::test]
async fn a_missing_scope_is_403_and_named() {
    let world = World::start().await;
    let token = world.token("read");
    let both = || Protect::new(world.verifier()).scope("read").scope("write");
    let answer = answer!(both(), bearer("/who", &token));
    answer.refused(403, "insufficient_scope");
    assert!(answer.challenge.contains("scope=\"read write\""));
    assert_eq!(answer!(both(), bearer("/who", &world.token("write read"))).status, StatusCode::OK);
    // A handler asks the token itself.
    answer!(Protect::new(world.verifier()), bearer("/write", &token)).refused(403, "insufficient_scope");
    assert_eq!(
        answer!(Protect::new(world.verifier()), bearer("/write", &world.token("write"))).status,
        StatusCode::OK
    );
}

#[actix_web::test]
async fn a_sign_in_too_long_ago_or_of_another_class_is_a_step_up() {
    let world = World::start().await;
    let hour = Duration::from_secs(3600);
    let recent = || Protect::new(world.verifier()).max_age(hour);
    let answer =
        answer!(recent(), bearer("/who", &world.token_with(json!({ "auth_time": world.now() - 3700 }))));
    answer.refused(401, "insufficient_user_authentication");
    assert!(answer.challenge.contains("max_age=\"3600\""));
    let fresh = world.token_with(json!({ "auth_time": world.now() - 60, "acr": "silver" }));
    assert_eq!(answer!(recent(), bearer("/who", &fresh)).status, StatusCode::OK);
    let gold = || Protect::new(world.verifier()).acr("gold");
    answer!(gold(), bearer("/who", &fresh)).refused(401, "insufficient_user_authentication");
    let either = || Protect::new(world.verifier()).acr("gold").acr("silver");
    assert_eq!(answer!(either(), bearer("/who", &fresh)).status, StatusCode::OK);
}

#[actix_web::test]
async fn a_guard_inside_another_asks_for_more() {
    let world = World::start().await;
    let protect = || Protect::new(world.verifier()).scope("read");
    answer!(protect(), bearer("/inner/admin", &world.token("read"))).refused(403, "insufficient_scope");
    answer!(protect(), bearer("/inner/admin", &world.token("admin"))).refused(403, "insufficient_scope");
    assert_eq!(answer!(protect(), bearer("/inner/admin", &world.token("read admin"))).status, StatusCode::OK);
}

#[actix_web::test]
async fn an_extractor_without_the_middleware_refuses() {
    let world = World::start().await;
    answer!(Protect::new(world.verifier()), bearer("/naked", &world.token("read"))).refused(401, "");
}

#[actix_web::test]
async fn cors_outside_answers_the_preflight_and_marks_the_refusal() {
    let world = World::start().await;
    let preflight = TestRequest::with_uri("/shared")
        .method(actix_web::http::Method::OPTIONS)
        .insert_header(("access-control-request-method", "GET"));
    let answer = answer!(Protect::new(world.verifier()), preflight);
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let refused = answer!(Protect::new(world.verifier()), get("/shared"));
    refused.refused(401, "");
    assert_eq!(refused.head.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "https://app.example");
}

#[actix_web::test]
async fn a_token_bound_to_a_key_is_no_bearer_token() {
    let world = World::start().await;
    let holder = Holder::new();
    let token = world.token_with(json!({ "cnf": { "jkt": holder.thumbprint() } }));
    for policy in [DpopPolicy::Off, DpopPolicy::Accept, DpopPolicy::Require] {
        let verifier = world.verifier_with(|builder| builder.dpop(policy));
        let answer = answer!(Protect::new(verifier.clone()), bearer("/who", &token));
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{policy:?}");
    }
}

#[actix_web::test]
async fn a_proof_is_for_the_configured_address_and_for_one_request() {
    let world = World::start().await;
    let holder = Holder::new();
    let token = world.token_with(json!({ "scope": "read admin", "cnf": { "jkt": holder.thumbprint() } }));
    let verifier = world.verifier_with(|builder| builder.dpop(DpopPolicy::Accept));
    let protect = || Protect::new(verifier.clone()).public_url("https://api.example.com/");
    let request = |path: &str, proof: &str| {
        get(path).insert_header(("authorization", format!("DPoP {token}"))).insert_header(("dpop", proof))
    };
    let proof = holder.proof("GET", "https://api.example.com/who", &token, world.now());
    assert_eq!(answer!(protect(), request("/who?page=2", &proof)).status, StatusCode::OK);
    answer!(protect(), request("/who", &proof)).refused(401, "invalid_dpop_proof");
    // Two guards, one proof: the inner one does not take it for a replay.
    let proof = holder.proof("GET", "https://api.example.com/inner/admin", &token, world.now());
    assert_eq!(answer!(protect(), request("/inner/admin", &proof)).status, StatusCode::OK);
    // The client's word about the host is not believed, and neither is a proxy's that nobody vouched for.
    let proof = || holder.proof("GET", "https://evil.example/who", &token, world.now());
    let evil = |request: TestRequest| {
        request
            .insert_header(("host", "evil.example"))
            .insert_header(("x-forwarded-host", "evil.example"))
            .insert_header(("x-forwarded-proto", "https"))
    };
    answer!(protect(), evil(request("/who", &proof()))).refused(401, "invalid_dpop_proof");
    let unset = || Protect::new(verifier.clone());
    answer!(unset(), evil(request("/who", &proof()))).refused(401, "invalid_dpop_proof");
    let behind = || Protect::new(verifier.clone()).trust_forwarded();
    assert_eq!(answer!(behind(), evil(request("/who", &proof()))).status, StatusCode::OK);
}

#[actix_web::test]
async fn a_revoked_token_is_refused_and_others_pass() {
    let world = World::start().await;
    let (gone, other) = (world.token("read"), world.token("read"));
    let verifier = world.verifier();
    assert_eq!(answer!(Protect::new(verifier.clone()), bearer("/who", &gone)).status, StatusCode::OK);
    world.revoke(&gone, &verifier).await;
    answer!(Protect::new(verifier.clone()), bearer("/who", &gone)).refused(401, "invalid_token");
    assert_eq!(answer!(Protect::new(verifier.clone()), bearer("/who", &other)).status, StatusCode::OK);
}

#[actix_web::test]
async fn a_route_that_closes_answers_503_when_the_feed_is_silent() {
    let world = World::start().await;
    let token = world.token("read");
    let verifier = world.verifier();
    let closed = || Protect::new(verifier.clone()).on_stale(StalePolicy::Closed);
    let open = || Protect::new(verifier.clone()).on_stale(StalePolicy::Open);
    assert_eq!(answer!(closed(), bearer("/who", &token)).status, StatusCode::OK);
    world.silence().await;
    let answer = answer!(closed(), bearer("/who", &token));
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.head.contains_key("retry-after") && answer.challenge.is_empty());
    assert_eq!(answer!(open(), bearer("/who", &token)).status, StatusCode::OK);
}
