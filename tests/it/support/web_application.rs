//! A classic web application behind a reverse proxy: its registration, the browser's sign-in, and the proxy's questions.

use serde_json::{Value, json};
use signet::config::Config;
use signet::digest::{base64url, sha256};

use super::browser::Browser;
use super::http::{Request, Response, encode};
use super::people::AUDIENCE;
use super::server::Server;

/// The application, which has a host of ours to itself.
pub(crate) const WIKI: &str = "https://wiki.example.com";
/// The host of ours for everything below `other.com`.
pub(crate) const AUTH: &str = "https://auth.other.com";
/// One of two hosts of the application that shares its cookie.
pub(crate) const MAIL: &str = "https://mail.other.com";

/// A server for browsers over https, which the tests' own address may ask as a proxy.
pub(crate) fn behind_a_proxy(config: &mut Config) {
    config.public_url = "https://login.example.com".to_owned();
    config.browser.hosts = vec![WIKI.to_owned(), AUTH.to_owned()];
    config.browser.cookie_domains = vec!["other.com".to_owned()];
    let own = signet::config::Cidr { address: [127, 0, 0, 1].into(), prefix: 32 };
    config.http.trusted_proxies = vec![own];
}

/// The metadata of an application that signs in at `host` and has pages at `origins`.
pub(crate) fn web_application(host: &str, origins: &[&str]) -> Value {
    json!({
        "client_name": "A wiki",
        "token_endpoint_auth_method": "none",
        "client_class": "cookie",
        "forward_auth": true,
        "redirect_uris": [format!("{host}/session/callback")],
        "allowed_origins": origins,
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email read write",
        "audience": [AUDIENCE],
        "first_party": true,
    })
}

/// The name of the cookie of an application's session over https.
pub(crate) fn cookie_name(client: &str, shared: bool) -> String {
    let tag = base64url(&sha256(client.as_bytes()).as_bytes()[..6]);
    if shared { format!("__Secure-session-{tag}") } else { format!("__Host-Http-session-{tag}") }
}

/// What a proxy asks about a page, in the words of nginx.
pub(crate) fn question(s: &Server, params: &[(&str, &str)], url: &str) -> Request {
    s.get(&format!("/forward-auth?{}", encode(params))).header("X-Original-URL", url)
}

impl Server {
    /// The application of [`WIKI`].
    pub(crate) async fn create_wiki(&self) {
        self.create_client("wiki", web_application(WIKI, &[WIKI])).await;
    }

    /// What the proxy hears when this browser asks for a page of the wiki.
    pub(crate) async fn visit(&self, browser: &Browser<'_>, params: &[(&str, &str)]) -> Response {
        let all: Vec<_> = [("client_id", "wiki")].into_iter().chain(params.iter().copied()).collect();
        browser.with_cookies(question(self, &all, "https://wiki.example.com/page?x=1")).send().await
    }
}

impl Browser<'_> {
    /// Signs in to an application; afterwards the jar holds its session's cookie.
    pub(crate) async fn enter(&mut self, client: &str, host: &str, user: (&str, &str)) {
        let page = if host == AUTH { "https://mail.other.com/" } else { "https://wiki.example.com/page?x=1" };
        let landed = self.try_enter(client, host, page, user).await.expect("no answer of /authorize");
        assert_eq!(landed.location(), page);
        assert!(self.cookies.contains_key(&cookie_name(client, host == AUTH)), "{landed:?}");
    }

    /// Goes from `/session/start` over whatever pages there are to `/session/callback`, and returns its answer; `None`
    /// where the way ends before.
    pub(crate) async fn try_enter(
        &mut self,
        client: &str,
        host: &str,
        page: &str,
        user: (&str, &str),
    ) -> Option<Response> {
        let at = |target: &str| self.server.get(target).host(&host["https://".len()..]);
        let start = at(&format!("/session/start?{}", encode(&[("client_id", client), ("return_to", page)])));
        let mut response = self.send(start).await;
        for _ in 0..5 {
            let location = response.header("location")?.to_owned();
            if let Some(target) = location.strip_prefix(host) {
                let arrival = self.server.get(target).host(&host["https://".len()..]);
                return Some(self.send(arrival).await);
            }
            let target = location.strip_prefix(self.server.origin()).unwrap_or(&location).to_owned();
            response = if target.starts_with("/login") {
                let page = self.page(&target).await;
                self.login(&page, user).await
            } else {
                self.get(&target).await
            };
        }
        None
    }
}
