//! A browser as far as sign-in needs one: cookies, redirects, the login and the consent form.

use std::net::SocketAddr;

use crate::failure::{Result, failure};
use crate::form::{Form, encode, scrape};
use crate::http::{Connection, FORM, request};

/// Who signs in: the demo user of `signet dev`.
pub(crate) const USERNAME: &str = "alice";
/// The demo user's password.
pub(crate) const PASSWORD: &str = "correct-horse-battery-staple";

/// Where the code goes. Nobody listens there; the redirect is read, not followed.
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:49152/callback";
/// RFC 7636, appendix B: the verifier.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636, appendix B: its S256 challenge.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A browser with its cookies.
pub(crate) struct Browser {
    connection: Connection,
    authority: String,
    cookies: Vec<(String, String)>,
    user: (&'static str, &'static str),
}

/// What a page or redirect came to.
enum Landing {
    Code(String),
    Page { path: String, html: String },
}

impl Browser {
    /// A browser without cookies, at the server `authority` (`localhost:8080`) reached through `address`.
    pub(crate) fn new(address: SocketAddr, authority: &str) -> Self {
        let connection = Connection::new(address);
        Self { connection, authority: authority.to_owned(), cookies: Vec::new(), user: (USERNAME, PASSWORD) }
    }

    /// The same for another user: name and password.
    pub(crate) fn of(self, user: (&'static str, &'static str)) -> Self {
        Self { user, ..self }
    }

    /// Puts another jar in, and gives out the one there was: several sign-ins share one connection this way.
    pub(crate) fn swap_cookies(&mut self, cookies: Vec<(String, String)>) -> Vec<(String, String)> {
        std::mem::replace(&mut self.cookies, cookies)
    }

    /// Signs in and approves where asked; afterwards [`Self::code`] needs no password.
    pub(crate) async fn sign_in(&mut self, client_id: &str, scope: &str) -> Result<String> {
        let (path, form) = self.login_form(client_id, scope).await?;
        let landing = self.submit(&path, form).await?;
        self.finish(landing).await
    }

    /// A code for a user who is signed in already.
    pub(crate) async fn code(&mut self, client_id: &str, scope: &str) -> Result<String> {
        let landing = self.visit(&authorize_path(client_id, scope)).await?;
        self.finish(landing).await
    }

    /// Goes to the login page; the form filled in, ready for [`Self::send_form`], and the page's path.
    pub(crate) async fn login_form(&mut self, client_id: &str, scope: &str) -> Result<(String, Form)> {
        match self.visit(&authorize_path(client_id, scope)).await? {
            Landing::Page { path, html } => {
                let mut form = scrape(&html, "login-form", "login-submit")
                    .ok_or_else(|| failure(format!("no login-form at {path}: {}", excerpt(&html))))?;
                form.fields.push(("username".to_owned(), self.user.0.to_owned()));
                form.fields.push(("password".to_owned(), self.user.1.to_owned()));
                Ok((path, form))
            }
            Landing::Code(_) => Err(failure("already signed in")),
        }
    }

    /// Posts a form; the redirect that answers it.
    pub(crate) async fn send_form(&mut self, page: &str, form: &Form) -> Result<String> {
        let page_path = page.split('?').next().unwrap_or_default();
        let action =
            if form.action.is_empty() { page.to_owned() } else { self.local_path(page_path, &form.action)? };
        let origin = format!("origin: http://{}", self.authority);
        let (status, location, html) =
            self.call("POST", &action, &[origin], Some(&encode(&form.fields))).await?;
        location
            .ok_or_else(|| failure(format!("{action}: status {status} and no redirect: {}", excerpt(&html))))
    }

    async fn submit(&mut self, page: &str, form: Form) -> Result<Landing> {
        let location = self.send_form(page, &form).await?;
        self.follow(page, location).await
    }

    async fn finish(&mut self, landing: Landing) -> Result<String> {
        let landing = match landing {
            Landing::Page { path, html } => {
                let form = scrape(&html, "consent-form", "consent-approve").ok_or_else(|| {
                    failure(format!("neither code nor consent-form at {path}: {}", excerpt(&html)))
                })?;
                self.submit(&path, form).await?
            }
            code @ Landing::Code(_) => code,
        };
        match landing {
            Landing::Code(code) => Ok(code),
            Landing::Page { path, html } => {
                Err(failure(format!("no code after consent at {path}: {}", excerpt(&html))))
            }
        }
    }

    async fn visit(&mut self, path: &str) -> Result<Landing> {
        self.follow("/", path.to_owned()).await
    }

    /// Follows redirects until a page or the client's redirect URI.
    async fn follow(&mut self, from: &str, location: String) -> Result<Landing> {
        let mut from = from.to_owned();
        let mut location = location;
        for _ in 0..8 {
            if let Some(query) = location.strip_prefix(REDIRECT_URI) {
                return code_of(query);
            }
            let path = self.local_path(&from, &location)?;
            let (status, next, html) = self.call("GET", &path, &[], None).await?;
            match (status, next) {
                (200, _) => return Ok(Landing::Page { path, html }),
                (301..=308, Some(next)) => location = next,
                _ => return Err(failure(format!("{path}: status {status}: {}", excerpt(&html)))),
            }
            from = path;
        }
        Err(failure(format!("redirects without end, last to {location}")))
    }

    fn local_path(&self, from: &str, location: &str) -> Result<String> {
        let origin = format!("http://{}", self.authority);
        if let Some(path) = location.strip_prefix(&origin) {
            return Ok(if path.is_empty() { "/".to_owned() } else { path.to_owned() });
        }
        if location.starts_with('/') && !location.starts_with("//") {
            return Ok(location.to_owned());
        }
        if location.starts_with('?') {
            return Ok(format!("{}{location}", from.split('?').next().unwrap_or_default()));
        }
        if location.contains("//") {
            return Err(failure(format!("a redirect to a foreign address: {location}")));
        }
        let folder =
            from.split('?').next().unwrap_or_default().rsplit_once('/').map_or("", |(folder, _)| folder);
        Ok(format!("{folder}/{location}"))
    }

    async fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[String],
        form: Option<&str>,
    ) -> Result<(u16, Option<String>, String)> {
        let mut headers = headers.to_vec();
        if !self.cookies.is_empty() {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.push(format!("cookie: {}", cookies.join("; ")));
        }
        headers.push("accept: text/html".to_owned());
        let sent =
            request(&format!("{method} {path}"), &self.authority, &headers, form.map(|form| (FORM, form)));
        let reply = self.connection.send(&sent).await?;
        for cookie in reply.headers("set-cookie") {
            keep(&mut self.cookies, cookie);
        }
        let location = reply.headers("location").next().map(str::to_owned);
        Ok((reply.status, location, reply.text()))
    }
}

/// Takes a `Set-Cookie` value into the jar; an emptied or expired one leaves it.
fn keep(jar: &mut Vec<(String, String)>, header: &str) {
    let mut parts = header.split(';').map(str::trim);
    let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
    let expired = parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
    jar.retain(|(kept, _)| kept != name);
    if !expired && !value.is_empty() {
        jar.push((name.to_owned(), value.to_owned()));
    }
}

fn code_of(query: &str) -> Result<Landing> {
    let query = query.trim_start_matches('?');
    let value = |wanted: &str| {
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    };
    value("code").map(Landing::Code).ok_or_else(|| failure(format!("refused: {query}")))
}

fn authorize_path(client_id: &str, scope: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", REDIRECT_URI),
            ("scope", scope),
            ("state", "bench"),
            ("nonce", "bench-nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
        .finish();
    format!("/authorize?{query}")
}

fn excerpt(html: &str) -> String {
    html.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_replaced_and_removed() {
        let mut jar = Vec::new();
        keep(&mut jar, "a=1; Path=/; HttpOnly");
        keep(&mut jar, "b=2");
        keep(&mut jar, "a=3; Secure");
        assert_eq!(jar, [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "3".to_owned())]);
        keep(&mut jar, "a=x; Max-Age=0");
        keep(&mut jar, "b=");
        assert!(jar.is_empty());
    }

    #[test]
    fn addresses_are_resolved_against_the_page() {
        let browser = Browser::new(([127, 0, 0, 1], 1).into(), "localhost:1");
        let path = |from, to| browser.local_path(from, to).unwrap();
        assert_eq!(path("/a/b?c", "http://localhost:1/x?y"), "/x?y");
        assert_eq!(path("/a/b?c", "/x"), "/x");
        assert_eq!(path("/a/b?c", "?d"), "/a/b?d");
        assert_eq!(path("/a/b?c", "x"), "/a/x");
        assert!(browser.local_path("/", "https://elsewhere.example/").is_err());
        assert!(browser.local_path("/", "//elsewhere.example/").is_err());
    }

    #[test]
    fn the_code_is_read_from_the_redirect() {
        assert!(matches!(code_of("?code=sac_1&state=bench"), Ok(Landing::Code(code)) if code == "sac_1"));
        assert!(code_of("?error=access_denied").is_err());
    }
}
