//! A browser at several hosts: a jar of cookies for each, and redirects followed from one to the next. One process
//! serves all hosts; which one is meant stands in `Host`.

use std::collections::BTreeMap;

use super::browser::Page;
use super::http::{Request, Response, encode};
use super::people::ALICE;
use super::server::Server;

/// The issuer's host.
pub(crate) const MAIN: &str = "https://auth.example.com";
/// A host of a second root domain.
pub(crate) const OTHER: &str = "https://auth.other.example";
/// A host of a third.
pub(crate) const THIRD: &str = "https://auth.third.example";
/// The client in cookie mode that has a page at each.
pub(crate) const CLIENT: &str = "cookie";
/// Its page at the issuer's root domain.
pub(crate) const PAGE: &str = "https://app.example.com/";
/// Its page at the second.
pub(crate) const OTHER_PAGE: &str = "https://app.other.example/start?tab=1";
/// Its page at the third.
pub(crate) const THIRD_PAGE: &str = "https://app.third.example/";

/// The cookies of one browser, by host.
#[derive(Clone)]
pub(crate) struct Surfer<'a> {
    pub(crate) server: &'a Server,
    pub(crate) jars: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a page has asked of `/refresh` and its like, on its way.
pub(crate) fn gated(request: Request, origin: &str, body: &str) -> Request {
    request
        .header("Origin", origin)
        .header("X-Signet-Request", "1")
        .header("Sec-Fetch-Site", "same-site")
        .header("Sec-Fetch-Mode", "cors")
        .header("Content-Type", "application/json")
        .body(body.as_bytes())
}

/// The origin of an address.
pub(crate) fn origin_of(address: &str) -> &str {
    let start = address.find("://").unwrap() + 3;
    &address[..address[start..].find('/').map_or(address.len(), |end| start + end)]
}

impl<'a> Surfer<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self { server, jars: BTreeMap::new() }
    }

    /// A browser that is signed in as alice at the page of the issuer's root domain.
    pub(crate) async fn signed_in(server: &'a Server) -> Self {
        let mut surfer = Self::new(server);
        assert_eq!(surfer.enter(MAIN, PAGE, &[]).await, PAGE);
        surfer
    }

    /// The same browser at another node.
    pub(crate) fn at<'b>(&self, server: &'b Server) -> Surfer<'b> {
        Surfer { server, jars: self.jars.clone() }
    }

    /// A request to one of the hosts with its cookies.
    pub(crate) fn request(&self, method: &str, url: &str) -> Request {
        let host = origin_of(url);
        let request = self.server.request(method, &url[host.len()..]).host(&host["https://".len()..]);
        let pairs: Vec<_> = self
            .jars
            .get(host)
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() { request } else { request.header("Cookie", &pairs.join("; ")) }
    }

    /// Keeps the cookies of an answer.
    pub(crate) fn keep(&mut self, host: &str, response: &Response) {
        let jar = self.jars.entry(host.to_owned()).or_default();
        for cookie in response.all("set-cookie") {
            let mut parts = cookie.split(';').map(str::trim);
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Follows a link.
    pub(crate) async fn get(&mut self, url: &str) -> Response {
        let request = self.request("GET", url).header("Sec-Fetch-Mode", "navigate");
        let response = request.header("Sec-Fetch-Dest", "document").send().await;
        self.keep(origin_of(url), &response);
        response
    }

    /// Follows a link and all redirects through the server's hosts, signing alice in where she is asked, to the page
    /// outside where they end.
    pub(crate) async fn follow(&mut self, url: &str) -> String {
        let mut url = url.to_owned();
        for _ in 0..20 {
            if ![MAIN, OTHER, THIRD].contains(&origin_of(&url)) {
                return url;
            }
            let here = origin_of(&url).to_owned();
            let mut response = self.get(&url).await;
            if response.status == 200 {
                response = self.sign_in_at(&url, &response).await;
            }
            let location = response.location().to_owned();
            url = if location.starts_with('/') { format!("{here}{location}") } else { location };
        }
        panic!("redirects without end: {url}");
    }

    /// Answers a page of the issuer: signs alice in, or says yes.
    pub(crate) async fn sign_in_at(&mut self, url: &str, response: &Response) -> Response {
        let page = Page::of(url, response);
        let fields: &[_] = if page.path == "/login" {
            &[("username", ALICE.0), ("password", ALICE.1), ("action", "login")]
        } else {
            &[("action", "approve")]
        };
        let request = self.request("POST", &format!("{MAIN}{}", page.path)).header("Origin", MAIN);
        let response = request.raw_form(&page.encoded(fields)).send().await;
        self.keep(MAIN, &response);
        response
    }

    /// The address of `/session/start`.
    pub(crate) fn start_url(host: &str, return_to: &str, more: &[(&str, &str)]) -> String {
        let all = [&[("client_id", CLIENT), ("return_to", return_to)][..], more].concat();
        format!("{host}/session/start?{}", encode(&all))
    }

    /// Goes through `/session/start`, and returns where that ends.
    pub(crate) async fn enter(&mut self, host: &str, return_to: &str, more: &[(&str, &str)]) -> String {
        self.follow(&Self::start_url(host, return_to, more)).await
    }

    /// Goes through `/session/start` as far as the callback, which is not followed.
    pub(crate) async fn up_to_callback(&mut self, host: &str, return_to: &str) -> String {
        self.up_to_callback_from(&Self::start_url(host, return_to, &[])).await
    }

    /// Follows a link as far as the callback, which is not followed.
    pub(crate) async fn up_to_callback_from(&mut self, url: &str) -> String {
        let mut url = url.to_owned();
        while !url.split('?').next().unwrap().ends_with("/session/callback") {
            let response = self.get(&url).await;
            let location = if response.status == 200 {
                self.sign_in_at(&url, &response).await.location().to_owned()
            } else {
                response.location().to_owned()
            };
            url = if location.starts_with('/') { format!("{MAIN}{location}") } else { location };
        }
        url
    }

    /// A gated request of the client's page.
    pub(crate) fn page_post(&self, path: &str, return_to: &str) -> Request {
        let host = host_of(return_to);
        let body = format!("{{\"client_id\":\"{CLIENT}\"}}");
        gated(self.request("POST", &format!("{host}{path}")), origin_of(return_to), &body)
    }

    /// What the page at `return_to` gets from `/refresh`.
    pub(crate) async fn refresh(&mut self, return_to: &str) -> Response {
        let response = self.page_post("/refresh", return_to).send().await;
        self.keep(host_of(return_to), &response);
        response
    }

    /// `/session/logout` or `/session/logout_all` from the page at `return_to`.
    pub(crate) async fn log_out(&mut self, path: &str, return_to: &str) -> Response {
        let response = self.page_post(path, return_to).send().await;
        self.keep(host_of(return_to), &response);
        response
    }

    /// `GET /session` from the page at `return_to`.
    pub(crate) fn whois(&self, return_to: &str) -> Request {
        self.request("GET", &format!("{}/session?client_id={CLIENT}", host_of(return_to)))
            .header("Origin", origin_of(return_to))
            .header("X-Signet-Request", "1")
    }

    /// The refresh cookie at a host.
    pub(crate) fn refresh_cookie(&self, host: &str) -> Option<&str> {
        let jar = self.jars.get(host)?;
        jar.iter().find(|(name, _)| name.contains("refresh-")).map(|(_, value)| value.as_str())
    }

    /// Puts a refresh cookie back, as if a reply had been lost.
    pub(crate) fn set_refresh_cookie(&mut self, host: &str, value: &str) {
        let jar = self.jars.get_mut(host).unwrap();
        let (_, held) = jar.iter_mut().find(|(name, _)| name.contains("refresh-")).unwrap();
        value.clone_into(held);
    }
}

/// The host of ours that a page's requests go to.
pub(crate) fn host_of(return_to: &str) -> &'static str {
    match origin_of(return_to) {
        "https://app.other.example" => OTHER,
        "https://app.third.example" => THIRD,
        _ => MAIN,
    }
}

/// The `Set-Cookie` whose name begins so.
#[track_caller]
pub(crate) fn cookie<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .all("set-cookie")
        .find(|cookie| cookie.starts_with(name))
        .unwrap_or_else(|| panic!("no {name}: {response:?}"))
}

/// The attributes of a `Set-Cookie`, sorted.
pub(crate) fn attributes(cookie: &str) -> Vec<String> {
    let mut all: Vec<_> = cookie.split(';').skip(1).map(|part| part.trim().to_owned()).collect();
    all.sort();
    all
}
