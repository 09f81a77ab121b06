//! A browser: it keeps cookies, fills forms, and does not follow redirects unless told.

use std::collections::BTreeMap;

use super::client::Asked;
use super::http::{Request, Response, encode};
use super::server::Server;

/// A cookie jar and the server it belongs to.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    pub(crate) server: &'a Server,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Sent with every request.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came back to the client.
#[derive(Clone, Debug)]
pub(crate) struct Redirect {
    /// The redirect URI without its parameters.
    pub(crate) uri: String,
    /// The parameters.
    pub(crate) params: BTreeMap<String, String>,
}

impl Redirect {
    #[track_caller]
    pub(crate) fn parse(location: &str) -> Self {
        let (uri, query) = location.split_once('?').unwrap_or((location, ""));
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let params: BTreeMap<_, _> = pairs.iter().cloned().collect();
        assert_eq!(params.len(), pairs.len(), "a parameter came twice: {location}");
        Self { uri: uri.to_owned(), params }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.get("code").unwrap_or_else(|| panic!("no code: {self:?}")).to_owned()
    }
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self { server, cookies: BTreeMap::new(), headers: Vec::new() }
    }

    /// The same browser at another node.
    pub(crate) fn at<'b>(&self, server: &'b Server) -> Browser<'b> {
        Browser { server, cookies: self.cookies.clone(), headers: self.headers.clone() }
    }

    /// The same browser, or a copy of its cookies in another, that sends these headers.
    pub(crate) fn sending(&self, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { headers, ..self.clone() }
    }

    /// Adds this browser's cookies and headers to a request.
    pub(crate) fn with_cookies(&self, request: Request) -> Request {
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        if self.cookies.is_empty() {
            return request;
        }
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header("Cookie", &pairs.join("; "))
    }

    /// Sends a request with the cookies and keeps those that come back.
    pub(crate) async fn send(&mut self, request: Request) -> Response {
        let response = self.with_cookies(request).send().await;
        for cookie in response.all("set-cookie") {
            let mut parts = cookie.split(';').map(str::trim);
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    pub(crate) async fn get(&mut self, target: &str) -> Response {
        self.send(self.server.get(target)).await
    }

    /// Posts a form as a page of this server would.
    pub(crate) async fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Response {
        let origin = self.server.origin().to_owned();
        self.send(self.server.post(target).header("Origin", &origin).form(fields)).await
    }

    /// Sends an authorization request.
    pub(crate) async fn authorize(&mut self, asked: &Asked) -> Response {
        self.get(&asked.target()).await
    }

    /// Sends an authorization request and opens the page it leads to.
    pub(crate) async fn open(&mut self, asked: &Asked) -> Page {
        let response = self.authorize(asked).await;
        self.page(response.location()).await
    }

    /// Opens one of the server's pages with a form.
    pub(crate) async fn page(&mut self, location: &str) -> Page {
        let response = self.get(location).await;
        Page::of(location, &response)
    }

    /// Opens a page and picks the form at this mark (an id or a class) out of several.
    pub(crate) async fn form(&mut self, path: &str, mark: &str) -> Page {
        let response = self.get(path).await;
        Page::at(&response.ok().text(), mark)
    }

    /// Submits a page's form with its hidden fields and these.
    pub(crate) async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Response {
        let hidden = page.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.post(&page.path, &all).await
    }

    /// Fills the sign-in form.
    pub(crate) async fn login(&mut self, page: &Page, (user, password): (&str, &str)) -> Response {
        assert_eq!(page.path, "/login");
        self.submit(page, &[("username", user), ("password", password), ("action", "login")]).await
    }

    /// Goes on to the consent page and says yes.
    pub(crate) async fn consent(&mut self, location: &str) -> Response {
        let page = self.page(location).await;
        assert_eq!(page.path, "/consent");
        self.submit(&page, &[("action", "approve")]).await
    }

    /// The whole way: signs in where asked, consents where asked, returns with what the client gets.
    pub(crate) async fn sign_in(&mut self, asked: &Asked, user: (&str, &str)) -> Redirect {
        let mut response = self.authorize(asked).await;
        if response.location().starts_with("/login") {
            let page = self.page(response.location()).await;
            response = self.login(&page, user).await;
        }
        if response.location().starts_with("/consent") {
            response = self.consent(response.location()).await;
        }
        Redirect::parse(response.location())
    }

    /// The answer to an authorization request that needs nobody.
    pub(crate) async fn silently(&mut self, asked: &Asked) -> Redirect {
        let response = self.authorize(asked).await;
        Redirect::parse(response.location())
    }

    /// Whether this browser is signed in: a request with `prompt=none` for a client of ours succeeds.
    pub(crate) async fn is_signed_in(&self) -> bool {
        let asked = super::client::request("app").with("prompt", "none");
        let answer = self.clone().silently(&asked).await;
        assert!(matches!(answer.get("error"), None | Some("login_required")), "{answer:?}");
        answer.get("code").is_some()
    }

    /// Signs out on the page.
    pub(crate) async fn log_out(&mut self, everywhere: bool) -> Response {
        let page = self.page("/logout").await;
        let fields: &[_] =
            if everywhere { &[("action", "logout"), ("everywhere", "1")] } else { &[("action", "logout")] };
        self.submit(&page, fields).await
    }
}

/// A page with a form.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Where the form goes.
    pub(crate) path: String,
    /// Its hidden fields.
    pub(crate) hidden: Vec<(String, String)>,
    pub(crate) html: String,
}

impl Page {
    #[track_caller]
    pub(crate) fn of(location: &str, response: &Response) -> Self {
        assert_eq!(response.status, 200, "{location}: {}", response.text());
        let html = response.text();
        let form = html.split_once("<form ").unwrap_or_else(|| panic!("no form at {location}: {html}")).1;
        let path = form.split_once("action=\"").unwrap().1.split('"').next().unwrap().replace("&#x2f;", "/");
        let hidden = form
            .split("<input type=\"hidden\" name=\"")
            .skip(1)
            .map(|rest| {
                let name = rest.split('"').next().unwrap();
                let value = rest.split_once("value=\"").unwrap().1.split('"').next().unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect();
        Self { path, hidden, html }
    }

    /// The form at (or after) this mark of a page.
    #[track_caller]
    pub(crate) fn at(html: &str, mark: &str) -> Self {
        let start = html.find(&format!("\"{mark}\"")).unwrap_or_else(|| panic!("no {mark} in {html}"));
        let tag = html[..start].rfind('<').unwrap();
        let rest = html[tag..].split("</form>").next().unwrap().to_owned();
        Self::of(mark, &Response { status: 200, headers: Vec::new(), body: rest.into_bytes() })
    }

    /// A hidden field.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        self.hidden.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap()
    }

    /// The same form with another value in a hidden field.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        for field in self.hidden.iter_mut().filter(|(known, _)| known == name) {
            value.clone_into(&mut field.1);
        }
        self
    }

    /// The same form without a hidden field.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.hidden.retain(|(known, _)| known != name);
        self
    }

    /// The form as a browser would send it.
    pub(crate) fn encoded(&self, fields: &[(&str, &str)]) -> String {
        let hidden = self.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        encode(&hidden.chain(fields.iter().copied()).collect::<Vec<_>>())
    }
}
