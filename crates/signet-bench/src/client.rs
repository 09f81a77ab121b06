//! The clients of the protocol endpoints, as workers of a load. What Signet calls things is in this file, `browser.rs`
//! and `child.rs`, and nowhere else.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;

use crate::browser::{Browser, REDIRECT_URI, VERIFIER};
use crate::failure::{Result, failure};
use crate::form::{Form, encode};
use crate::http::{Connection, FORM, request};
use crate::load::Worker;

/// A client of the demo data and its secret; empty where it has none.
#[derive(Clone, Copy)]
pub(crate) struct DemoClient(pub(crate) &'static str, pub(crate) &'static str);

/// Code flow and rotating refresh tokens.
pub(crate) const SPA: DemoClient = DemoClient("demo-spa", "");
/// Code flow, and refresh tokens that do not rotate.
pub(crate) const WEB: DemoClient = DemoClient("demo-web", "demo-web-secret");
/// Client credentials.
pub(crate) const SERVICE: DemoClient = DemoClient("demo-service", "demo-service-secret");
/// May introspect.
pub(crate) const API: DemoClient = DemoClient("demo-api", "demo-api-secret");

/// Where the server is.
#[derive(Clone)]
pub(crate) struct Site {
    /// The address of its public listener.
    pub(crate) address: SocketAddr,
    /// The issuer's host and port.
    pub(crate) authority: String,
}

impl Site {
    /// A `GET`.
    pub(crate) fn get(&self, path: &str, headers: &[String]) -> Vec<u8> {
        request(&format!("GET {path}"), &self.authority, headers, None)
    }

    /// A form posted with `client_secret_basic`, or with the `client_id` alone.
    pub(crate) fn post(&self, path: &str, client: DemoClient, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut fields: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut headers = Vec::new();
        if client.1.is_empty() {
            fields.push(("client_id".to_owned(), client.0.to_owned()));
        } else {
            // RFC 6749 §2.3.1 form-encodes both parts first; the demo names need none.
            let basic = base64::prelude::BASE64_STANDARD.encode(format!("{}:{}", client.0, client.1));
            headers.push(format!("authorization: Basic {basic}"));
        }
        request(&format!("POST {path}"), &self.authority, &headers, Some((FORM, &encode(&fields))))
    }

    /// The client credentials request.
    pub(crate) fn client_credentials(&self) -> Vec<u8> {
        self.post("/token", SERVICE, &[("grant_type", "client_credentials"), ("scope", "read")])
    }

    /// Redeems a code.
    pub(crate) fn redeem(&self, client: DemoClient, code: &str) -> Vec<u8> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", client, &fields)
    }

    /// Signs in once and redeems `count` codes: the token responses.
    pub(crate) async fn sign_in(&self, client: DemoClient, scope: &str, count: usize) -> Result<Vec<String>> {
        let mut browser = Browser::new(self.address, &self.authority);
        let mut connection = Connection::new(self.address);
        let mut responses = Vec::with_capacity(count);
        let mut code = browser.sign_in(client.0, scope).await?;
        loop {
            let reply = connection.send(&self.redeem(client, &code)).await?;
            if reply.status != 200 {
                return Err(reply.unexpected("redeeming a code"));
            }
            responses.push(reply.text());
            if responses.len() >= count {
                return Ok(responses);
            }
            code = browser.code(client.0, scope).await?;
        }
    }
}

/// A member of a JSON object that is a string without escapes, found without parsing: tokens are nothing else.
pub(crate) fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = json.split_once(&format!("\"{name}\""))?;
    let value = after.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    value.split_once('"').map(|(value, _)| value)
}

/// The same request again and again.
pub(crate) struct Fixed {
    connection: Connection,
    request: Vec<u8>,
    expected: &'static str,
    pause: Duration,
}

impl Fixed {
    /// `count` workers that send `request` and expect 200 and a body that contains `expected`.
    pub(crate) fn many(
        count: usize,
        address: SocketAddr,
        request: &[u8],
        expected: &'static str,
    ) -> Vec<Self> {
        let one = || Self {
            connection: Connection::new(address),
            request: request.to_vec(),
            expected,
            pause: Duration::ZERO,
        };
        (0..count).map(|_| one()).collect()
    }

    /// The same with a pause after each call: a client among others rather than all that the machine can do.
    pub(crate) fn paced(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }
}

impl Worker for Fixed {
    async fn step(&mut self) -> Result<()> {
        let reply = self.connection.send(&self.request).await?;
        let expected = self.expected.as_bytes();
        if reply.status != 200
            || !(expected.is_empty() || reply.body.windows(expected.len()).any(|w| w == expected))
        {
            return Err(reply.unexpected("call"));
        }
        Ok(())
    }

    fn think(&self) -> Duration {
        self.pause
    }
}

/// Refreshes its own family, each time with the newest token; for a client whose tokens do not rotate.
pub(crate) struct Refresh {
    site: Site,
    connection: Connection,
    token: String,
}

impl Refresh {
    /// One worker for each token response.
    pub(crate) fn many(site: &Site, responses: &[String]) -> Result<Vec<Self>> {
        let one = |response: &String| {
            let token = member(response, "refresh_token")
                .ok_or_else(|| failure(format!("no refresh_token: {response}")))?;
            Ok(Self {
                site: site.clone(),
                connection: Connection::new(site.address),
                token: token.to_owned(),
            })
        };
        responses.iter().map(one).collect()
    }
}

impl Worker for Refresh {
    async fn step(&mut self) -> Result<()> {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", self.token.as_str())];
        let request = self.site.post("/token", WEB, &fields);
        let reply = self.connection.send(&request).await?;
        if reply.status != 200 {
            return Err(reply.unexpected("refresh"));
        }
        // Without a new one the old stays valid (RFC 6749 §6).
        if let Some(token) =
            std::str::from_utf8(reply.body).ok().and_then(|body| member(body, "refresh_token"))
        {
            token.clone_into(&mut self.token);
        }
        Ok(())
    }
}

/// Redeems codes that it has fetched before, signed in all the while.
pub(crate) struct Exchange {
    site: Site,
    browser: Browser,
    signed_in: bool,
    connection: Connection,
    codes: Vec<String>,
}

impl Exchange {
    /// How many codes are fetched at a time: redeemed long before they expire.
    const BATCH: usize = 50;
    const SCOPE: &str = "openid offline_access";

    /// `count` workers, each a browser of its own.
    pub(crate) fn many(count: usize, site: &Site) -> Vec<Self> {
        let one = || Self {
            site: site.clone(),
            browser: Browser::new(site.address, &site.authority),
            signed_in: false,
            connection: Connection::new(site.address),
            codes: Vec::new(),
        };
        (0..count).map(|_| one()).collect()
    }
}

impl Worker for Exchange {
    async fn prepare(&mut self) -> Result<usize> {
        // Codes left over from the last round may be too old by now.
        self.codes.clear();
        while self.codes.len() < Self::BATCH {
            let code = if self.signed_in {
                self.browser.code(WEB.0, Self::SCOPE).await?
            } else {
                self.browser.sign_in(WEB.0, Self::SCOPE).await?
            };
            self.signed_in = true;
            self.codes.push(code);
        }
        Ok(self.codes.len())
    }

    async fn step(&mut self) -> Result<()> {
        let code = self.codes.pop().ok_or_else(|| failure("no code left"))?;
        let reply = self.connection.send(&self.site.redeem(WEB, &code)).await?;
        if reply.status == 200 { Ok(()) } else { Err(reply.unexpected("redeeming a code")) }
    }
}

/// Posts login forms that it has fetched before, each in a session of its own.
pub(crate) struct Login {
    browser: Browser,
    ready: Vec<Ready>,
}

struct Ready {
    cookies: Vec<(String, String)>,
    page: String,
    form: Form,
}

impl Login {
    const BATCH: usize = 16;

    /// `count` workers.
    pub(crate) fn many(count: usize, site: &Site) -> Vec<Self> {
        let one = || Self { browser: Browser::new(site.address, &site.authority), ready: Vec::new() };
        (0..count).map(|_| one()).collect()
    }
}

impl Worker for Login {
    async fn prepare(&mut self) -> Result<usize> {
        self.ready.clear();
        while self.ready.len() < Self::BATCH {
            self.browser.swap_cookies(Vec::new());
            let (page, form) = self.browser.login_form(WEB.0, "openid").await?;
            let cookies = self.browser.swap_cookies(Vec::new());
            self.ready.push(Ready { cookies, page, form });
        }
        Ok(self.ready.len())
    }

    async fn step(&mut self) -> Result<()> {
        let Ready { cookies, page, form } = self.ready.pop().ok_or_else(|| failure("no login form left"))?;
        self.browser.swap_cookies(cookies);
        self.browser.send_form(&page, &form).await?;
        Ok(())
    }
}

/// Signs in as somebody new again and again: asks for the form, posts it.
pub(crate) struct SignIn(Browser);

impl SignIn {
    /// `count` workers.
    pub(crate) fn many(count: usize, site: &Site) -> Vec<Self> {
        (0..count).map(|_| Self(Browser::new(site.address, &site.authority))).collect()
    }
}

impl Worker for SignIn {
    async fn step(&mut self) -> Result<()> {
        self.0.swap_cookies(Vec::new());
        let (page, form) = self.0.login_form(WEB.0, "openid").await?;
        self.0.send_form(&page, &form).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_with_and_without_space() {
        let json = r#"{"access_token":"a.b-c","expires_in":600, "refresh_token" : "srt_x"}"#;
        assert_eq!(member(json, "access_token"), Some("a.b-c"));
        assert_eq!(member(json, "refresh_token"), Some("srt_x"));
        assert_eq!(member(json, "expires_in"), None);
        assert_eq!(member(json, "id_token"), None);
    }
}
