//! An OAuth client: authorization requests, the token endpoint, and reading what comes back.

use base64::Engine as _;
use serde_json::Value;
use signet::digest::{base64url, base64url_decode, sha256};

use super::browser::Browser;
use super::http::{Request, Response, encode};
use super::people::{ALICE, CALLBACK};
use super::server::Server;

/// The `code_verifier` of every request.
pub(crate) const VERIFIER: &str = "the-quick-brown-fox-jumps-over-the-lazy-dog-0123456789";

/// An authorization request.
#[derive(Clone, Debug)]
pub(crate) struct Asked(pub(crate) Vec<(String, String)>);

/// The request that most clients send.
pub(crate) fn request(client: &str) -> Asked {
    let challenge = challenge(VERIFIER);
    let params = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("scope", "openid read"),
        ("state", "af0ifjsldkj"),
        ("nonce", "n-0S6_WzA2Mj"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    Asked(params.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
}

/// The S256 challenge of a verifier (RFC 7636 §4.2).
pub(crate) fn challenge(verifier: &str) -> String {
    base64url(sha256(verifier.as_bytes()).as_bytes())
}

impl Asked {
    /// Sets a parameter.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.0.push((name.to_owned(), value.to_owned()));
        changed
    }

    /// Leaves a parameter out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// Sends a parameter once more.
    pub(crate) fn repeating(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn encoded(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        encode(&pairs)
    }

    pub(crate) fn target(&self) -> String {
        format!("/authorize?{}", self.encoded())
    }
}

/// How a client authenticates.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    None,
    Public(String),
    Basic(String, String),
    Post(String, String),
}

impl Auth {
    /// Puts the credentials and the parameters on a request.
    pub(crate) fn on(&self, request: Request, params: &[(&str, &str)]) -> Request {
        let mut all = params.to_vec();
        match self {
            Self::None => request.form(&all),
            Self::Public(id) => {
                all.push(("client_id", id));
                request.form(&all)
            }
            Self::Post(id, secret) => {
                all.extend([("client_id", id.as_str()), ("client_secret", secret.as_str())]);
                request.form(&all)
            }
            Self::Basic(id, secret) => {
                request.header("Authorization", &format!("Basic {}", basic(id, secret))).form(&all)
            }
        }
    }
}

/// `id:secret` as RFC 6749 §2.3.1 encodes it.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", part(id), part(secret)))
}

/// What the token endpoint issued.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) body: Value,
}

impl Tokens {
    #[track_caller]
    pub(crate) fn of(response: &Response) -> Self {
        let body = response.ok().json();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Self {
            access: text("access_token").unwrap(),
            refresh: text("refresh_token"),
            id: text("id_token"),
            body,
        }
    }

    /// The refresh token.
    #[track_caller]
    pub(crate) fn refresh(&self) -> &str {
        self.refresh.as_deref().unwrap()
    }
}

impl Server {
    /// The registered way of authenticating of a client.
    pub(crate) fn auth(&self, client: &str) -> Auth {
        match self.secrets.get(client) {
            None => Auth::Public(client.to_owned()),
            Some(secret) if client == "post" => Auth::Post(client.to_owned(), secret.clone()),
            Some(secret) => Auth::Basic(client.to_owned(), secret.clone()),
        }
    }

    /// A request to an endpoint by a client.
    pub(crate) async fn call(&self, path: &str, client: &str, params: &[(&str, &str)]) -> Response {
        self.auth(client).on(self.post(path), params).send().await
    }

    pub(crate) async fn token(&self, client: &str, params: &[(&str, &str)]) -> Response {
        self.call("/token", client, params).await
    }

    /// Redeems a code.
    pub(crate) async fn redeem(&self, client: &str, code: &str) -> Response {
        self.token(client, &redemption(code)).await
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str) -> Response {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    pub(crate) async fn revoke(&self, client: &str, token: &str) -> Response {
        self.call("/revoke", client, &[("token", token)]).await
    }

    pub(crate) async fn introspect(&self, client: &str, token: &str) -> Response {
        self.call("/introspect", client, &[("token", token)]).await
    }

    /// Whether the resource server of every client's audience sees the token as active.
    pub(crate) async fn is_active(&self, access_token: &str) -> bool {
        self.introspect("api", access_token).await.ok().json()["active"].as_bool().unwrap()
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Response {
        self.get("/userinfo").bearer(token).send().await
    }

    /// Signs alice in and gives a client its first tokens, with offline access.
    pub(crate) async fn tokens(&self, client: &str) -> Tokens {
        self.tokens_of(&mut Browser::new(self), client, "openid offline_access read").await
    }

    /// Tokens for a scope in a browser, which alice signs in to where she is not yet.
    pub(crate) async fn tokens_of(&self, browser: &mut Browser<'_>, client: &str, scope: &str) -> Tokens {
        let answer = browser.sign_in(&request(client).with("scope", scope), ALICE).await;
        Tokens::of(&self.redeem(client, &answer.code()).await)
    }

    /// A code for a client.
    pub(crate) async fn code(&self, client: &str) -> String {
        Browser::new(self).sign_in(&request(client), ALICE).await.code()
    }
}

/// The parameters that redeem a code.
pub(crate) fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}

/// The claims of a JWT, unverified.
#[track_caller]
pub(crate) fn claims(jwt: &str) -> Value {
    part(jwt, 1)
}

/// The header of a JWT.
#[track_caller]
pub(crate) fn jwt_header(jwt: &str) -> Value {
    part(jwt, 0)
}

#[track_caller]
fn part(jwt: &str, index: usize) -> Value {
    serde_json::from_slice(&base64url_decode(jwt.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// A header, or the empty text.
pub(crate) fn header<'a>(response: &'a Response, name: &'a str) -> &'a str {
    response.header(name).unwrap_or_default()
}

/// A token with one character changed, at every place in turn (sparsely), and cut short.
pub(crate) fn tampered(token: &str) -> Vec<String> {
    let mut all: Vec<String> = (0..token.len())
        .step_by(1 + token.len() / 12)
        .chain([token.len() - 1])
        .map(|at| {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &token[..at], &token[at + 1..])
        })
        .collect();
    all.extend([1, token.len() / 2, token.len() - 1].map(|end| token[..end].to_owned()));
    all.extend([format!("{token}A"), format!("{token}="), format!(" {token}"), token.to_uppercase()]);
    all
}

/// Sends all at once; the answers in the order of the requests.
pub(crate) async fn in_parallel(requests: Vec<Request>) -> Vec<Response> {
    let sent = requests.into_iter().map(|request| tokio::spawn(async move { request.send().await }));
    let sent: Vec<_> = sent.collect();
    let mut answers = Vec::new();
    for one in sent {
        answers.push(one.await.unwrap());
    }
    answers
}
