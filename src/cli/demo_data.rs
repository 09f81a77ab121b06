//! What a development server starts with: two users and five clients whose secrets everybody knows. `serve` refuses
//! a database that holds them.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::output::Failure;
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::model::api::Api;
use crate::model::audit::Event;
use crate::model::client::Client;
use crate::model::user::NewUser;
use crate::oauth::api_metadata::ApiMetadata;
use crate::oauth::client_metadata::{ClientMetadata, MetadataProblem};
use crate::oauth::client_rules::SESSION_CALLBACK;
use crate::oauth::issuer::Issuer;
use crate::oauth::registration::Registered;
use crate::secret::{ClientId, ClientSecret, ClientSecretHash, Password, UserId};
use crate::storage::{ClientChange, Error, Store, api_details};

/// A demo user's name, password and id. The ids are fixed, so that a database can be asked for them.
pub const USERS: [(&str, &str, UserId); 2] = [
    (
        "alice",
        "correct-horse-battery-staple",
        UserId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_000a_11ce)),
    ),
    ("bob", "hunter2-hunter2-hunter2", UserId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0b0b))),
];

/// The demo clients that have a secret, with it.
pub const SECRETS: [(&str, &str); 3] = [
    ("demo-web", "demo-web-secret"),
    ("demo-service", "demo-service-secret"),
    ("demo-api", "demo-api-secret"),
];

/// The demo client without a secret.
pub const SPA: &str = "demo-spa";
/// The demo client whose refresh token lives in a cookie.
pub const COOKIE: &str = "demo-cookie";
/// Its page, at each host.
pub const COOKIE_PAGE: &str = "/demo/app";
/// The audience of the demo clients' access tokens.
pub const AUDIENCE: &str = "https://api.example.com";
const ACTOR: &str = "system";

/// Makes what is missing; on a second start that is nothing. Says whether anything was made.
///
/// # Errors
/// A database that is in real use already, a storage fault, no randomness.
pub(super) async fn ensure(op: &Provider, now: Timestamp) -> Result<bool, Failure> {
    refuse_real_database(&op.store).await?;
    let (alice, bob) = tokio::try_join!(ensure_user(op, 0, now), ensure_user(op, 1, now))?;
    let mut made = alice || bob;
    made |= ensure_api(op, now).await?;
    for (id, metadata) in clients(&op.policy.issuer, &op.policy.browser.hosts)? {
        made |= ensure_client(op, id, metadata, now).await?;
    }
    Ok(made)
}

/// A database with clients but without the demo's is not a development store: known passwords would open it.
async fn refuse_real_database(store: &Store) -> Result<(), Failure> {
    let in_use = !store.clients(None, 1).await?.is_empty() || !store.users(None, 1).await?.is_empty();
    if in_use
        && store.client(&ClientId::from(SPA)).await?.is_none()
        && store.user(USERS[0].2).await?.is_none()
    {
        return Err(Failure::new(
            "this database is in use and holds no demo data: `dev` adds none to it; give `dev` a database of its own",
        ));
    }
    Ok(())
}

/// Whether a database holds demo credentials that still work, and which. No password is hashed to find out: a demo
/// user is known by the fixed id, and still has the demo password if none was ever set.
///
/// # Errors
/// A storage fault.
pub(super) async fn find_credentials(store: &Store, now: Timestamp) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for (name, _, id) in USERS {
        let user = store.user(id).await?;
        if user.is_some_and(|user| user.is_active() && user.password_changed_at == user.created_at) {
            found.push(format!("user {name}"));
        }
    }
    for (id, secret) in SECRETS {
        let client = store.client(&ClientId::from(id)).await?;
        if client.is_some_and(|client| {
            client.is_active() && client.secret_matches(&ClientSecret::new(secret), now)
        }) {
            found.push(format!("client {id}"));
        }
    }
    Ok(found)
}

/// The known secret of a demo client.
pub(super) fn secret_of(client: &str) -> Option<ClientSecret> {
    SECRETS.iter().find(|(id, _)| *id == client).map(|(_, secret)| ClientSecret::new(*secret))
}

async fn ensure_user(op: &Provider, index: usize, now: Timestamp) -> Result<bool, Failure> {
    let Some((name, password, id)) = USERS.get(index).copied() else { return Ok(false) };
    if op.store.user_by_login(name).await?.is_some() {
        return Ok(false);
    }
    let phc =
        op.passwords.hash(Password::new(password)).await.map_err(|error| Failure::new(error.to_string()))?;
    let user = NewUser {
        id,
        username: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        email_verified: true,
        password_phc: Some(phc),
        roles: if index == 0 {
            vec!["admin".to_owned(), "staff".to_owned()]
        } else {
            vec!["staff".to_owned()]
        },
        claims: if index == 0 { alice() } else { bob() },
    };
    let audit = op.audit(Event::UserCreated, ACTOR, now)?.user(id).cause("demo data");
    made(op.store.create_user(&user, now, &audit).await)
}

/// Another node may have been quicker: then there is nothing to do.
fn made(outcome: Result<(), Error>) -> Result<bool, Failure> {
    match outcome {
        Ok(()) => Ok(true),
        Err(Error::Conflict(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Registered before the clients, which would register it with defaults.
async fn ensure_api(op: &Provider, now: Timestamp) -> Result<bool, Failure> {
    let metadata = ApiMetadata {
        name: Some("Demo API".to_owned()),
        scopes: vec!["read".to_owned(), "write".to_owned()],
        ..ApiMetadata::default()
    };
    let api = Api { audience: AUDIENCE.to_owned(), metadata, created_at: now, updated_at: now };
    let audit = op.audit(Event::ApiCreated, ACTOR, now)?.details(api_details(AUDIENCE)).cause("demo data");
    made(op.store.create_api(&api, &audit).await)
}

async fn ensure_client(
    op: &Provider,
    id: &str,
    metadata: ClientMetadata,
    now: Timestamp,
) -> Result<bool, Failure> {
    let id = ClientId::from(id);
    if let Some(existing) = op.store.client(&id).await? {
        return follow_port(op, existing, &metadata, now).await;
    }
    let secret = secret_of(id.as_str()).as_ref().map(ClientSecretHash::from);
    let audit = op.audit(Event::ClientCreated, ACTOR, now)?.client(&id).cause("demo data");
    let client = Client {
        id,
        metadata,
        secret,
        previous_secret: None,
        sealed_secret: None,
        registered: Registered::Operator,
        registration_token: None,
        fetched_until: None,
        disabled_at: None,
        created_at: now,
        updated_at: now,
    };
    made(op.store.create_client(&client, &audit).await)
}

/// A development store may be started on another port, or with further hosts: the demo pages' addresses are added, all
/// else stays as somebody may have changed it.
async fn follow_port(
    op: &Provider,
    existing: Client,
    wanted: &ClientMetadata,
    now: Timestamp,
) -> Result<bool, Failure> {
    let mut metadata = existing.metadata;
    let followed = matches!(existing.id.as_str(), SPA | COOKIE);
    let more = add_missing(&mut metadata.redirect_uris, &wanted.redirect_uris)
        | add_missing(&mut metadata.return_uris, &wanted.return_uris);
    if !followed || !more {
        return Ok(false);
    }
    let audit = op.audit(Event::ClientUpdated, ACTOR, now)?.client(&existing.id).cause("demo data");
    let change = ClientChange::Metadata(Box::new(metadata), existing.updated_at);
    Ok(op.store.change_client(&existing.id, &change, now, &audit).await?)
}

fn add_missing<T: Clone + PartialEq>(known: &mut Vec<T>, wanted: &[T]) -> bool {
    let missing: Vec<_> = wanted.iter().filter(|one| !known.contains(one)).cloned().collect();
    known.extend(missing.iter().cloned());
    !missing.is_empty()
}

/// The demo clients with their metadata (RFC 7591 §2).
///
/// # Errors
/// Metadata that the rules refuse, which a test rules out.
pub fn clients(
    issuer: &Issuer,
    hosts: &[String],
) -> Result<Vec<(&'static str, ClientMetadata)>, MetadataProblem> {
    const LOOPBACK: &str = "http://127.0.0.1/callback";
    const PERSON: &str = "openid profile email address phone offline_access read write";
    let at_each = |path: &str| hosts.iter().map(|host| format!("{host}{path}")).collect::<Vec<_>>();
    let all = [
        (
            COOKIE,
            json!({
                "client_name": "Demo app with a cookie",
                "token_endpoint_auth_method": "none",
                "client_class": "cookie",
                "redirect_uris": at_each(SESSION_CALLBACK),
                "return_uris": at_each(COOKIE_PAGE),
                "grant_types": ["authorization_code", "refresh_token"],
                "scope": "openid profile email read write",
                "audience": [AUDIENCE],
                "first_party": true,
            }),
        ),
        (
            SPA,
            json!({
                "client_name": "Demo app",
                "token_endpoint_auth_method": "none",
                "redirect_uris": [issuer.url("/demo/callback"), LOOPBACK],
                "grant_types": ["authorization_code", "refresh_token"],
                "scope": PERSON,
                "audience": [AUDIENCE],
                "claims": [
                    { "claim": "name", "from": "user.claims.name", "into": ["id_token"] },
                    { "claim": "email", "from": "user.email", "into": ["id_token"] },
                ],
            }),
        ),
        (
            "demo-web",
            json!({
                "client_name": "Demo web application",
                "redirect_uris": [LOOPBACK],
                "grant_types": ["authorization_code", "refresh_token"],
                "scope": PERSON,
                "audience": [AUDIENCE],
            }),
        ),
        (
            "demo-service",
            json!({
                "client_name": "Demo service",
                "grant_types": ["client_credentials"],
                "response_types": [],
                "scope": "read write",
                "audience": [AUDIENCE],
            }),
        ),
        (
            "demo-api",
            json!({
                "client_name": "Demo API",
                "grant_types": ["client_credentials"],
                "response_types": [],
                "scope": "read",
                "audience": [AUDIENCE],
                "introspect": true,
            }),
        ),
    ];
    all.into_iter().map(|(id, json)| Ok((id, ClientMetadata::from_json(&json)?))).collect()
}

/// Every standard claim that is not a column of its own (OpenID Connect Core §5.1).
fn alice() -> Map<String, Value> {
    object(json!({
        "name": "Alice Anna Example",
        "given_name": "Alice",
        "family_name": "Example",
        "middle_name": "Anna",
        "nickname": "Ally",
        "picture": "https://example.com/alice/picture.png",
        "profile": "https://example.com/alice",
        "website": "https://alice.example.com",
        "gender": "female",
        "birthdate": "1990-04-01",
        "zoneinfo": "Europe/Berlin",
        "locale": "en-GB",
        "address": {
            "formatted": "1 Example Street\n10115 Berlin\nGermany",
            "street_address": "1 Example Street",
            "locality": "Berlin",
            "region": "Berlin",
            "postal_code": "10115",
            "country": "Germany",
        },
        "phone_number": "+49 30 1234567",
        "phone_number_verified": true,
    }))
}

fn bob() -> Map<String, Value> {
    object(json!({ "name": "Bob Example", "given_name": "Bob", "family_name": "Example" }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo_clients() -> Vec<(&'static str, ClientMetadata)> {
        let hosts = ["http://localhost:8081", "http://127.0.0.1:8081"].map(str::to_owned);
        clients(&Issuer::parse("http://localhost:8081").unwrap(), &hosts).unwrap()
    }

    #[test]
    fn every_demo_client_passes_the_rules() {
        let clients = demo_clients();
        let ids: Vec<_> = clients.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, ["demo-cookie", "demo-spa", "demo-web", "demo-service", "demo-api"]);
        for (id, metadata) in clients {
            metadata.validate().unwrap();
            assert_eq!(metadata.is_public(), secret_of(id).is_none(), "{id}");
            assert_eq!(metadata.audience, [AUDIENCE], "{id}");
            assert_eq!(metadata.scope.contains("offline_access"), id == SPA || id == "demo-web", "{id}");
        }
    }

    #[test]
    fn the_demo_page_is_where_the_issuer_is() {
        let clients = demo_clients();
        let (_, spa) = clients.iter().find(|(id, _)| *id == SPA).unwrap();
        let uris: Vec<_> =
            spa.redirect_uris.iter().map(crate::oauth::redirect_uri::RedirectUri::as_str).collect();
        assert_eq!(uris, ["http://localhost:8081/demo/callback", "http://127.0.0.1/callback"]);
    }

    #[test]
    fn the_page_with_a_cookie_is_at_every_host() {
        let clients = demo_clients();
        let (_, cookie) = clients.iter().find(|(id, _)| *id == COOKIE).unwrap();
        assert_eq!(cookie.return_uris, ["http://localhost:8081/demo/app", "http://127.0.0.1:8081/demo/app"]);
        assert!(cookie.is_cookie_mode());
    }

    #[test]
    fn what_is_there_already_is_not_added() {
        let mut known = vec!["a", "b"];
        assert!(!add_missing(&mut known, &["b"]));
        assert!(add_missing(&mut known, &["b", "c"]));
        assert_eq!(known, ["a", "b", "c"]);
    }

    #[test]
    fn alice_has_every_standard_claim() {
        for name in [
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "picture",
            "profile",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "address",
            "phone_number",
            "phone_number_verified",
        ] {
            assert!(alice().contains_key(name), "{name}");
        }
    }

    #[test]
    fn demo_names_are_names() {
        for (name, _, _) in USERS {
            crate::model::user::check_username(name).unwrap();
        }
    }
}
