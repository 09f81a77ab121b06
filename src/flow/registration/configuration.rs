//! A client's configuration endpoint (RFC 7592 §2): what has registered itself looks after itself.

use serde_json::{Map, Value};

use super::{NewRegistration, Problem, REGISTRATION, metadata, throttle};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::admin::clients;
use crate::flow::policy::RegistrationMode;
use crate::flow::rejection::{Outcome, Rejection};
use crate::flow::{behalf, sector};
use crate::model::audit::{Event, Origin};
use crate::model::client::Client;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::client_metadata::MetadataProblem;
use crate::oauth::error::ErrorCode;
use crate::oauth::registration::Registered;
use crate::secret::{ClientId, ClientSecret, RegistrationToken, RegistrationTokenHash};
use crate::storage::ClientChange;

/// How often a change is tried again after another one has come between.
const TRIES: u32 = 3;

/// A client that has shown its registration access token. Only [`authenticate`] makes one.
#[derive(Debug)]
pub struct Owner {
    client: Client,
    token: RegistrationToken,
}

/// One that may be changed now. Only [`admit`] makes one.
#[derive(Debug)]
pub struct Editor(Owner);

/// The client with this id, if the token is its own. A client that does not exist, one that an operator registered or
/// disabled, and a wrong token are answered alike. `token` is what came as one, if it could be read.
///
/// # Errors
/// [`Problem::Off`], [`Problem::NoToken`], `invalid_request`, `invalid_token`, or a fault.
pub async fn authenticate(
    op: &Provider,
    id: &ClientId,
    token: Outcome<Option<RegistrationToken>>,
) -> Result<Owner, Problem> {
    if op.policy.registration.mode == RegistrationMode::Off {
        return Err(Problem::Off);
    }
    let token = token?.ok_or(Problem::NoToken)?;
    let found = op.store.client(id).await?;
    let Some(client) = found.filter(|client| is_of(client, &token)) else {
        // The same work as for a known client.
        let _ = RegistrationTokenHash::from(&token);
        return Err(Problem::Rejected(Rejection::hidden(
            ErrorCode::InvalidToken,
            "The registration access token is not this client's, or there is no such client. Register again.",
            "not the registration access token of this client",
        )));
    };
    Ok(Owner { client, token })
}

fn is_of(client: &Client, token: &RegistrationToken) -> bool {
    let matches = client.registration_token.as_ref().is_some_and(|hash| hash.matches(token));
    matches && client.registered == Registered::Dynamic && client.is_active()
}

/// Whether a client may be changed or deleted now: counted with the registrations of the address, and before anything
/// of the request is read. Changes would otherwise be the way around the limit of registrations.
///
/// # Errors
/// [`Problem::Throttled`], or a fault.
pub async fn admit(op: &Provider, owner: Owner, origin: &Origin, now: Timestamp) -> Result<Editor, Problem> {
    throttle(op, REGISTRATION, origin.address.as_deref(), now).await?;
    Ok(Editor(owner))
}

/// Shows the registration (RFC 7592 §2.1). The secret is not known here any more, and is left out.
pub fn show(owner: Owner) -> NewRegistration {
    NewRegistration { client: owner.client, secret: None, token: owner.token }
}

/// Replaces all that a client may say of itself (RFC 7592 §2.2). Id, secret and token stay, and so does what an operator
/// has set. What changes nothing costs nothing: no node has to read anything anew, and there is nothing to note.
///
/// # Errors
/// Metadata that cannot be, an id or a secret that is not this client's, or a fault.
pub async fn replace(
    op: &Provider,
    Editor(owner): Editor,
    sent: &Map<String, Value>,
    origin: &Origin,
    now: Timestamp,
) -> Result<NewRegistration, Problem> {
    let Owner { mut client, token } = owner;
    check_identity(&client, sent, now)?;
    for _ in 0..TRIES {
        let metadata = metadata(op, sent, Some(&client.metadata), now).await?;
        if metadata == client.metadata {
            return Ok(NewRegistration { client, secret: None, token });
        }
        clients::check_subjects(op, &client.metadata, &metadata)?;
        let (before, after) =
            (client.metadata.token_endpoint_auth_method, metadata.token_endpoint_auth_method);
        if secret_kind(before) != secret_kind(after) {
            return Err(Problem::Metadata(MetadataProblem::new(
                "token_endpoint_auth_method",
                "This change would need another kind of secret. Register a new client.",
            )));
        }
        if sector::concerns(&client.metadata, &metadata) {
            sector::check(op, &metadata, &behalf::stranger(origin.address.as_deref())).await?;
        }
        let change = ClientChange::Metadata(Box::new(metadata.clone()), client.updated_at);
        let entry = op.audit(Event::ClientUpdated, format!("client:{}", client.id), now)?;
        let entry = entry.client(&client.id).origin(origin);
        if op.store.change_client(&client.id, &change, now, &entry).await? {
            op.clients.forget();
            client.metadata = metadata;
            return Ok(NewRegistration { client, secret: None, token });
        }
        // Changed or gone meanwhile.
        let found = op.store.client(&client.id).await?.filter(|client| is_of(client, &token));
        client = found.ok_or_else(|| Rejection::invalid_token("the client has just gone"))?;
    }
    Err(Problem::Rejected(Rejection::unavailable(&"the client changes too often")))
}

/// Ends the registration (RFC 7592 §2.3): tokens, refresh tokens and consents end with it.
///
/// # Errors
/// A fault.
pub async fn delete(
    op: &Provider,
    Editor(owner): &Editor,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), Problem> {
    let id = &owner.client.id;
    let entry = op.audit(Event::ClientDeleted, format!("client:{id}"), now)?.client(id).origin(origin);
    // `false` is a client that another request has just deleted: it is gone, as was asked.
    op.store.change_client(id, &ClientChange::Delete, now, &entry).await?;
    op.clients.forget();
    Ok(())
}

/// RFC 7592 §2.2: what is sent of them has to be what they are.
fn check_identity(client: &Client, sent: &Map<String, Value>, now: Timestamp) -> Result<(), Problem> {
    let wrong = |field, message: &str| Err(Problem::Metadata(MetadataProblem::new(field, message)));
    if sent.get("client_id").is_some_and(|id| id.as_str() != Some(client.id.as_str())) {
        return wrong("client_id", "A client's id never changes. Send the registered one.");
    }
    let secret = sent.get("client_secret").filter(|secret| !secret.is_null());
    let right = secret.is_none_or(|secret| {
        secret.as_str().is_some_and(|secret| client.secret_matches(&ClientSecret::new(secret), now))
    });
    if right {
        return Ok(());
    }
    wrong("client_secret", "The server makes secrets. Send the registered one or none.")
}

/// Methods of one kind can follow one another without a new secret.
const fn secret_kind(method: AuthMethod) -> u8 {
    match method {
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => 0,
        AuthMethod::ClientSecretJwt => 1,
        AuthMethod::PrivateKeyJwt | AuthMethod::None => 2,
    }
}
