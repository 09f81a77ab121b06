//! The program, asked over HTTP as nginx and Envoy ask. tests/interop has the real nginx in front of it.

use std::process::Stdio;
use std::time::Duration;

use super::support::{Holder, PATIENCE, World, free_port};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_signet-verify");
const IDENTITY: [&str; 5] =
    ["x-auth-subject", "x-auth-client", "x-auth-scope", "x-auth-session", "x-auth-claims"];

struct Sidecar {
    child: Child,
    url: String,
    http: Client,
}

impl Sidecar {
    async fn start(world: &World, more: &[&str]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let child = Command::new(PROGRAM)
            .args(["--issuer", world.issuer(), "--audience", world.audience()])
            .args(["--listen", &address])
            .args(more)
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let this = Self { child, url: format!("http://{address}"), http: Client::new() };
        this.until_ready().await;
        this
    }

    async fn until_ready(&self) {
        let ready = async || {
            let answer = self.http.get(format!("{}/readyz", self.url)).send().await;
            answer.is_ok_and(|one| one.status() == 200)
        };
        let waiting = async {
            while !ready().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "the sidecar does not get ready");
    }

    fn ask(&self, method: Method, target: &str, token: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{target}", self.url));
        if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) }
    }

    /// As nginx asks.
    async fn nginx(&self, query: &str, token: &str) -> Response {
        let request = self.ask(Method::GET, &format!("/auth{query}"), token);
        request.header("x-original-method", "POST").header("x-original-uri", "/orders").send().await.unwrap()
    }

    /// As Envoy asks: the client's method, and its path behind the prefix.
    async fn envoy(&self, method: Method, target: &str, token: &str) -> Response {
        self.ask(method, target, token).header("host", "api.example.com").send().await.unwrap()
    }
}

impl Sidecar {
    /// A GET whose target nobody tidies up on the way; the status of the answer.
    async fn raw(&self, target: &str, token: &str) -> u16 {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

fn line<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or("(absent)")
}

#[tokio::test]
async fn nginx_hears_who_it_is_and_every_line_is_there() {
    let world = World::start().await;
    let sidecar = Sidecar::start(&world, &[]).await;
    let token = world.token_with(json!({ "scope": "read write", "sid": "s-1" }));
    let answer = sidecar.nginx("?scope=read", &token).await;
    assert_eq!(answer.status(), 200);
    let lines = IDENTITY.map(|name| line(&answer, name));
    assert_eq!(lines, [world.subject(), world.client(), "read write", "s-1", ""]);
    assert_eq!(line(&answer, "cache-control"), "no-store");
    // A token without a session still has the line, so that it replaces one that a client sent.
    let answer = sidecar.nginx("", &world.token_with(json!({ "sid": null }))).await;
    assert_eq!(line(&answer, "x-auth-session"), "");
}

#[tokio::test]
async fn no_claim_can_write_a_header_of_its_own() {
    let world = World::start().await;
    let sidecar = Sidecar::start(&world, &["--claims-header"]).await;
    let evil = "a\r\nX-Auth-Scope: admin\u{fc}";
    let answer = sidecar.nginx("", &world.token_with(json!({ "sub": evil, "sid": "\0" }))).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(line(&answer, "x-auth-subject"), "a%0D%0AX-Auth-Scope:%20admin%C3%BC");
    assert_eq!(line(&answer, "x-auth-session"), "%00");
    assert_eq!(answer.headers().get_all("x-auth-scope").iter().count(), 1);
    let claims = URL_SAFE_NO_PAD.decode(line(&answer, "x-auth-claims")).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["sub"], &claims["iss"]), (&json!(evil), &json!(world.issuer())));
}

#[tokio::test]
async fn nginx_hears_401_403_and_a_challenge() {
    let world = World::start().await;
    let sidecar = Sidecar::start(&world, &[]).await;
    let absent = sidecar.nginx("", "").await;
    assert_eq!((absent.status().as_u16(), line(&absent, "www-authenticate")), (401, "Bearer"));
    let garbage = sidecar.nginx("", "garbage").await;
    assert_eq!(garbage.status(), 401);
    assert!(line(&garbage, "www-authenticate").contains("error=\"invalid_token\""));
    let narrow = sidecar.nginx("?scope=read+write", &world.token("read")).await;
    assert_eq!(narrow.status(), 403);
    assert!(line(&narrow, "www-authenticate").contains("scope=\"read write\""));
    let old = world.token_with(json!({ "auth_time": world.now() - 600 }));
    let stale = sidecar.nginx("?max_age=300", &old).await;
    assert_eq!(stale.status(), 401);
    assert!(line(&stale, "www-authenticate").contains("insufficient_user_authentication"));
    // nginx knows no 400.
    let twice = sidecar.ask(Method::GET, "/auth", &world.token("read")).header("authorization", "Bearer x");
    let twice = twice.send().await.unwrap();
    assert_eq!(twice.status(), 401);
    assert!(line(&twice, "www-authenticate").contains("error=\"invalid_request\""));
    for answer in [absent, garbage, narrow, stale, twice] {
        assert_eq!(line(&answer, "cache-control"), "no-store");
        assert!(IDENTITY.iter().all(|name| !answer.headers().contains_key(*name)));
    }
}

#[tokio::test]
async fn a_need_that_is_not_understood_lets_nobody_in() {
    let world = World::start().await;
    let sidecar = Sidecar::start(&world, &[]).await;
    let token = world.token("read");
    for query in ["?scop=read", "?scope=", "?scope=read&scope=read", "?max_age=x", "?on_stale=whatever"] {
        assert_eq!(sidecar.nginx(query, &token).await.status(), 500, "{query}");
    }
    for target in ["/envoy/scop=read/orders", "/envoy//orders", "/envoy/", "/envoy/scope=/"] {
        let answer = sidecar.envoy(Method::GET, target, &token).await;
        assert!(!answer.status().is_success(), "{target}");
    }
    for target in ["/", "/other", "/authx", "/auth/"] {
        assert_eq!(sidecar.envoy(Method::GET, target, &token).await.status(), 404, "{target}");
    }
}

#[tokio::test]
async fn envoy_is_answered_for_any_method_and_path_behind_its_prefix() {
    let world = World::start().await;
    let sidecar = Sidecar::start(&world, &[]).await;
    let token = world.token("read");
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let answer =
            sidecar.envoy(method.clone(), "/envoy/scope=read/orders/7?x=1&scope=admin", &token).await;
        assert_eq!(answer.status(), 200, "{method}");
        assert_eq!(line(&answer, "x-auth-subject"), world.subject());
        assert_eq!(line(&answer, "x-auth-claims"), "");
    }
    for target in ["/envoy/-/", "/envoy/-/auth", "/envoy/-?x", "/envoy/-/%2e%2Fhealthz", "/envoy/-//a//b"] {
        assert_eq!(sidecar.envoy(Method::GET, target, &token).await.status(), 200, "{target}");
        assert_eq!(sidecar.envoy(Method::GET, target, "").await.status(), 401, "{target}");
    }
    // What the client asks for decides nothing about what is asked of it, dots included.
    for path in ["/../-/orders", "/%2e%2e/-/orders", "/..%2f-/orders", "/../../healthz", "//-/orders"] {
        assert_eq!(sidecar.raw(&format!("/envoy/scope=write{path}"), &token).await, 403, "{path}");
    }
    let narrow = sidecar.envoy(Method::GET, "/envoy/scope=write/a/envoy/-/?scope=read", &token).await;
    assert_eq!(narrow.status(), 403);
    let twice = sidecar.ask(Method::GET, "/envoy/-/", &token).header("authorization", "Bearer x");
    assert_eq!(twice.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_proof_is_for_the_request_that_the_proxy_tells_of() {
    let world = World::start().await;
    let more = ["--dpop", "accept", "--public-url", "https://api.example.com/"];
    let sidecar = Sidecar::start(&world, &more).await;
    let holder = Holder::new();
    let token = world.token_with(json!({ "cnf": { "jkt": holder.thumbprint() } }));
    let url = "https://api.example.com/orders";
    let nginx = async |method: &str, proof: &str| {
        let request = sidecar.http.get(format!("{}/auth", sidecar.url));
        let request = request.header("authorization", format!("DPoP {token}")).header("dpop", proof);
        let request = request.header("x-original-method", method).header("x-original-uri", "/orders?page=2");
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(nginx("POST", &holder.proof("POST", url, &token, world.now())).await, 200);
    // The question itself is a GET, which the proof is not about.
    assert_eq!(nginx("POST", &holder.proof("GET", url, &token, world.now())).await, 401);
    assert_eq!(
        nginx("POST", &holder.proof("POST", "https://api.example.com/auth", &token, world.now())).await,
        401
    );
    let proof = holder.proof("DELETE", url, &token, world.now());
    let request = sidecar.http.delete(format!("{}/envoy/-/orders", sidecar.url));
    let request = request.header("authorization", format!("DPoP {token}")).header("dpop", &proof);
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(sidecar.nginx("", &token).await.status(), 401);
}

#[tokio::test]
async fn a_proof_is_refused_where_the_request_is_not_known_or_told_by_the_client() {
    let world = World::start().await;
    let more = ["--dpop", "require", "--public-url", "https://api.example.com"];
    let sidecar = Sidecar::start(&world, &more).await;
    let holder = Holder::new();
    let token = world.token_with(json!({ "cnf": { "jkt": holder.thumbprint() } }));
    let ask = async |lines: &[(&str, &str)], (method, url): (&str, &str)| {
        let proof = holder.proof(method, url, &token, world.now());
        let request = sidecar.http.get(format!("{}/auth", sidecar.url));
        let request = request.header("authorization", format!("DPoP {token}")).header("dpop", proof);
        let request = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.unwrap().status().as_u16()
    };
    let (method, root) = (("x-original-method", "GET"), "https://api.example.com/");
    assert_eq!(ask(&[method, ("x-original-uri", "/")], ("GET", root)).await, 200);
    assert_eq!(ask(&[method, ("x-original-url", "https://any.example/")], ("GET", root)).await, 200);
    assert_eq!(ask(&[method], ("GET", root)).await, 401, "no address");
    assert_eq!(ask(&[("x-original-uri", "/")], ("", root)).await, 401, "no method");
    // The proxy tells of /orders; the other line is the client's, who has a proof for something else.
    let lines = [method, ("x-original-uri", "/orders"), ("x-original-url", root)];
    assert_eq!(ask(&lines, ("GET", root)).await, 401);
}

#[tokio::test]
async fn operators_and_clients_are_told_what_they_ask() {
    let world = World::start().await;
    let sidecar = Sidecar::start(&world, &["--scopes", "read write"]).await;
    let token = world.token("read");
    sidecar.nginx("", &token).await;
    sidecar.nginx("", &token).await;
    sidecar.nginx("", "garbage").await;
    sidecar.nginx("?scop=x", &token).await;
    let text = async |path: &str| {
        let answer = sidecar.http.get(format!("{}{path}", sidecar.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    };
    text("/healthz").await;
    let metrics = text("/metrics").await;
    for line in [
        "signet_verify_requests_total{result=\"passed\"} 2",
        "signet_verify_requests_total{result=\"unauthorized\"} 1",
        "signet_verify_requests_total{result=\"misconfigured\"} 1",
        "signet_verify_cache_hits_total 1",
        "signet_verify_ready 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n") && !metrics.contains(&token) && !metrics.contains(world.subject()));
    let document: Value = serde_json::from_str(&text("/.well-known/oauth-protected-resource").await).unwrap();
    assert_eq!(document["resource"], world.audience());
    assert_eq!(document["authorization_servers"], json!([world.issuer()]));
    assert_eq!(document["scopes_supported"], json!(["read", "write"]));
}

#[tokio::test]
async fn without_its_issuer_it_is_not_ready_and_lets_nobody_in() {
    let world = World::start().await;
    let token = world.token("read");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(PROGRAM);
    command.args(["--issuer", "http://127.0.0.1:1", "--audience", world.audience()]);
    command.args(["--listen", &address]).stderr(Stdio::null()).kill_on_drop(true);
    let sidecar =
        Sidecar { child: command.spawn().unwrap(), url: format!("http://{address}"), http: Client::new() };
    let alive = async {
        loop {
            if let Ok(answer) = sidecar.http.get(format!("{}/healthz", sidecar.url)).send().await {
                return answer.status();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, alive).await.unwrap(), 200);
    let ready = sidecar.http.get(format!("{}/readyz", sidecar.url)).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let answer = sidecar.nginx("", &token).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
}

#[cfg(unix)]
#[tokio::test]
async fn sigterm_ends_it_with_zero() {
    let world = World::start().await;
    let mut sidecar = Sidecar::start(&world, &[]).await;
    let id = sidecar.child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, sidecar.child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_configuration_that_cannot_be_followed_is_one_line_and_exit_2() {
    for (more, words) in [
        (&["--issuer", "http://login.example.com", "--audience", "a"][..], "issuer"),
        (&["--issuer", "https://login.example.com", "--audience", ""], "audience"),
        (&["--issuer", "https://login.example.com", "--audience", "a", "--public-url", "x"], "--public-url"),
    ] {
        let output = Command::new(PROGRAM).args(more).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("signet-verify: ") && said.contains(words), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    }
}

#[tokio::test]
async fn help_has_an_example_and_the_environment_is_as_good_as_flags() {
    let output = Command::new(PROGRAM).arg("--help").output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains("Example:") && said.contains("SIGNET_VERIFY_ISSUER"),
        "{said}"
    );
    let output = Command::new(PROGRAM)
        .env("SIGNET_VERIFY_ISSUER", "https://login.example.com")
        .env("SIGNET_VERIFY_AUDIENCE", "a")
        .env("SIGNET_VERIFY_ON_STALE", "introspect")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--introspection-client"));
}
