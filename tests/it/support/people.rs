//! The users and clients that every test finds, made the way an operator makes them.

use std::collections::HashMap;

use serde_json::{Value, json};
use signet::flow::Provider;
use signet::flow::admin::By;
use signet::flow::admin::clients::{self, CreateClient};
use signet::flow::admin::users::{self, CreateUser};
use signet::model::audit::Origin;
use signet::oauth::client_metadata::ClientMetadata;
use signet::secret::Password;

use super::surfer;

/// Name and password of a user with every standard claim.
pub(crate) const ALICE: (&str, &str) = ("alice", "a long walk along the river");
/// Name and password of a user with none.
pub(crate) const BOB: (&str, &str) = ("bob", "seven blue umbrellas at noon");
/// The redirect URI of every client that has one.
pub(crate) const CALLBACK: &str = "https://app.example.com/callback";
/// The audience of every client.
pub(crate) const AUDIENCE: &str = "https://api.example.com";

const PERSON: &str = "openid profile email address phone offline_access read write";

/// Client secrets by client id.
pub(crate) type Secrets = HashMap<String, String>;

/// Every client with its metadata.
fn all() -> Vec<(&'static str, Value)> {
    let person = |name: &str, method: &str| {
        json!({
            "client_name": name,
            "token_endpoint_auth_method": method,
            "redirect_uris": [CALLBACK, "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": PERSON,
            "audience": [AUDIENCE],
        })
    };
    let first_party = |name: &str, method: &str| with(person(name, method), json!({ "first_party": true }));
    vec![
        // Asks for consent.
        ("spa", person("A single-page app", "none")),
        // Do not: most tests are about something else.
        ("app", first_party("An app of ours", "none")),
        ("other", first_party("Another app of ours", "none")),
        ("web", first_party("A web application", "client_secret_basic")),
        ("post", first_party("A web application that posts its secret", "client_secret_post")),
        (
            "cookie",
            page(&[
                "https://app.example.com/",
                "https://app.other.example/start?tab=1",
                "https://app.third.example/",
            ]),
        ),
        ("board", page(&["https://board.example.com/"])),
        (
            "strict",
            with(
                first_party("A bank", "client_secret_basic"),
                json!({ "client_class": "high_assurance", "rotate_refresh_tokens": true }),
            ),
        ),
        (
            "service",
            json!({
                "client_name": "A service",
                "grant_types": ["client_credentials"],
                "response_types": [],
                "scope": "read write",
                "audience": [AUDIENCE, "https://other.example.com"],
            }),
        ),
        (
            "api",
            json!({
                "client_name": "A resource server",
                "grant_types": ["client_credentials"],
                "response_types": [],
                "scope": "read",
                "audience": [AUDIENCE],
                "introspect": true,
            }),
        ),
        (
            "stranger",
            json!({
                "client_name": "A resource server for something else",
                "grant_types": ["client_credentials"],
                "response_types": [],
                "scope": "read",
                "audience": ["https://stranger.example.com"],
                "introspect": true,
            }),
        ),
    ]
}

/// A client in cookie mode at three hosts of ours.
fn page(return_uris: &[&str]) -> Value {
    let callbacks =
        [surfer::MAIN, surfer::OTHER, surfer::THIRD].map(|host| format!("{host}/session/callback"));
    json!({
        "client_name": "A page",
        "token_endpoint_auth_method": "none",
        "client_class": "cookie",
        "redirect_uris": callbacks,
        "return_uris": return_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": PERSON,
        "audience": [AUDIENCE],
        "first_party": true,
    })
}

fn with(mut metadata: Value, more: Value) -> Value {
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    metadata
}

/// Makes them all.
pub(crate) async fn make(op: &Provider) -> Secrets {
    let origin = Origin::default();
    let by = By { actor: "cli", origin: &origin, now: op.clock.now() };
    for ((name, password), roles, claims) in
        [(ALICE, vec!["admin".to_owned(), "staff".to_owned()], alice()), (BOB, Vec::new(), json!({}))]
    {
        let user = CreateUser {
            username: name.to_owned(),
            email: Some(format!("{name}@example.com")),
            email_verified: true,
            password: Some(Password::new(password)),
            roles,
            claims: claims.as_object().unwrap().clone(),
        };
        users::create(op, &by, user).await.unwrap();
    }
    let mut secrets = Secrets::new();
    for (id, metadata) in all() {
        let metadata = ClientMetadata::from_json(&metadata).unwrap();
        let created =
            clients::create(op, &by, CreateClient { id: Some(id.to_owned()), metadata }).await.unwrap();
        if let Some(secret) = created.secret {
            secrets.insert(id.to_owned(), secret.reveal().to_owned());
        }
    }
    secrets
}

fn alice() -> Value {
    json!({
        "name": "Alice Anna Example",
        "given_name": "Alice",
        "family_name": "Example",
        "middle_name": "Anna",
        "nickname": "Ally",
        "picture": "https://example.com/alice.png",
        "profile": "https://example.com/alice",
        "website": "https://alice.example.com",
        "gender": "female",
        "birthdate": "1990-04-01",
        "zoneinfo": "Europe/Berlin",
        "locale": "en-GB",
        "address": { "country": "Germany", "locality": "Berlin" },
        "phone_number": "+49 30 1234567",
        "phone_number_verified": true,
    })
}
