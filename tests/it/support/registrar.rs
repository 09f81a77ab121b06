//! Clients that register themselves.

use serde_json::{Value, json};
use signet::config::Config;
use signet::config::registration::Mode;
use signet::flow::admin::initial_access_tokens;
use signet::model::audit::Origin;

use super::browser::Browser;
use super::client::{Asked, Tokens, redemption, request};
use super::http::{Request, Response};
use super::people::{ALICE, CALLBACK};
use super::server::{DAY, Server};

/// Whoever has an initial access token may register.
pub(crate) fn by_token(config: &mut Config) {
    config.registration.mode = Mode::Token;
}

/// Anybody may register.
pub(crate) fn open(config: &mut Config) {
    config.registration.mode = Mode::Open;
}

/// The least that a client says, and more.
pub(crate) fn metadata(more: Value) -> Value {
    let mut metadata = json!({ "redirect_uris": [CALLBACK] });
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    metadata
}

/// A client that has registered itself.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) token: String,
    pub(crate) body: Value,
}

impl Registered {
    #[track_caller]
    pub(crate) fn of(response: &Response) -> Self {
        assert_eq!(response.status, 201, "{}", response.text());
        let body = response.json();
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        Self {
            id: text("client_id").unwrap(),
            secret: text("client_secret"),
            token: text("registration_access_token").unwrap(),
            body,
        }
    }
}

impl Request {
    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string().as_bytes())
    }
}

impl Server {
    /// A token that registers so many clients within a day.
    pub(crate) async fn initial_access_token(&self, uses: u32) -> String {
        let origin = Origin::default();
        let by = self.by(&origin);
        let created = initial_access_tokens::create(&self.op, &by, "test", uses, DAY).await.unwrap();
        created.token.reveal().to_owned()
    }

    /// A request to register.
    pub(crate) fn registering(&self, metadata: &Value) -> Request {
        self.post("/register").json(metadata)
    }

    /// Registers a client where anybody may.
    pub(crate) async fn register(&self, metadata: &Value) -> Registered {
        Registered::of(&self.registering(metadata).send().await)
    }

    /// A request to a client's configuration endpoint.
    pub(crate) fn configuring(&self, method: &str, id: &str, token: &str) -> Request {
        self.request(method, &format!("/register/{id}")).bearer(token)
    }

    /// Whether there is a client.
    pub(crate) async fn has_client(&self, id: &str) -> bool {
        self.op.store.client(&signet::secret::ClientId::from(id)).await.unwrap().is_some()
    }

    /// Alice signs in at a client that authenticates with `client_secret_basic`, and consents.
    pub(crate) async fn sign_in_at(&self, client: &Registered, asked: Asked) -> Tokens {
        let code = Browser::new(self).sign_in(&asked, ALICE).await.code();
        let secret = client.secret.clone().unwrap();
        let auth = super::client::Auth::Basic(client.id.clone(), secret);
        Tokens::of(&auth.on(self.post("/token"), &redemption(&code)).send().await)
    }
}

/// The request of a client that has registered itself.
pub(crate) fn asking(client: &str, scope: &str) -> Asked {
    request(client).with("scope", scope)
}
