//! Clients that nobody registers by hand: those that register themselves (RFC 7591) and those whose `client_id` is where
//! their metadata are.

pub mod configuration;
pub mod document;

use std::time::Duration;

use serde_json::{Map, Value};

use super::Provider;
use super::admin::clients::{self, CreateClient, Created};
use super::admin::{AdminError, By};
use super::behalf;
use super::limiter::network;
use super::policy::RegistrationMode;
use super::rejection::{Outcome, Rejection};
use super::sector;
use crate::clock::Timestamp;
use crate::model::audit::{Event, Origin};
use crate::model::client::Client;
use crate::oauth::client_metadata::{ClientMetadata, MetadataProblem};
use crate::oauth::error::ErrorCode;
use crate::oauth::registration::Registered;
use crate::oauth::registration_rules::{self, Terms};
use crate::oauth::{redirect_uri::RedirectUri, text};
use crate::secret::{
    ClientSecret, InitialAccessToken, InitialAccessTokenHash, InitialAccessTokenId, RegistrationToken,
    RegistrationTokenHash,
};
use crate::storage::{Admission, Bucket, Registration};

/// Registration access tokens begin so.
const TOKEN_PREFIX: &str = "srg_";
/// What an address has to itself for registrations and for changes of what it has registered: each costs a row, and makes
/// every node read clients anew.
const REGISTRATION: &str = "registration";

/// Why a client is not registered, changed or shown.
#[derive(Debug)]
pub enum Problem {
    /// This server registers no clients by themselves.
    Off,
    /// A token is needed, and none was sent.
    NoToken,
    /// This address has registered or changed too many; the next may be tried after this long.
    Throttled(Duration),
    /// The metadata cannot be.
    Metadata(MetadataProblem),
    /// Anything else.
    Rejected(Rejection),
}

impl Problem {
    /// The error code and a description of metadata that cannot be (RFC 7591 §3.2.2). Unlike all others it is made at run
    /// time, since it names what is wrong in what was sent.
    pub fn of_metadata(problem: &MetadataProblem) -> (ErrorCode, String) {
        (registration_rules::code_of(problem), text::description(&problem.to_string()))
    }
}

impl<E: Into<Rejection>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<MetadataProblem> for Problem {
    fn from(problem: MetadataProblem) -> Self {
        Self::Metadata(problem)
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Invalid { field, message } => Self::Metadata(MetadataProblem::new(field, message)),
            AdminError::Fault(rejection) => Self::Rejected(rejection),
            other => Self::Rejected(Rejection::fault(&other)),
        }
    }
}

/// A client as its registration shows it.
#[derive(Debug)]
pub struct NewRegistration {
    /// The client.
    pub client: Client,
    /// Its secret, the only time it is shown.
    pub secret: Option<ClientSecret>,
    /// What opens its configuration endpoint.
    pub token: RegistrationToken,
}

/// Somebody who may register one client. Only [`admit`] makes one.
#[derive(Debug)]
pub struct Admitted(Option<(InitialAccessTokenHash, InitialAccessTokenId)>);

/// Whether who asks may register a client: before anything of the request is read. `token` is what came as one, if it
/// could be read; where none is needed, nobody looks at it (RFC 7591 §3).
///
/// # Errors
/// [`Problem::Off`], [`Problem::NoToken`], [`Problem::Throttled`], `invalid_request`, `invalid_token`, or a fault.
pub async fn admit(
    op: &Provider,
    token: Outcome<Option<InitialAccessToken>>,
    origin: &Origin,
    now: Timestamp,
) -> Result<Admitted, Problem> {
    match op.policy.registration.mode {
        RegistrationMode::Off => Err(Problem::Off),
        RegistrationMode::Open => {
            throttle(op, REGISTRATION, origin.address.as_deref(), now).await?;
            Ok(Admitted(None))
        }
        RegistrationMode::Token => {
            let hash = InitialAccessTokenHash::from(&token?.ok_or(Problem::NoToken)?);
            throttle(op, REGISTRATION, origin.address.as_deref(), now).await?;
            let id = op.store.initial_access_token(&hash, now).await?.ok_or_else(spent)?;
            Ok(Admitted(Some((hash, id))))
        }
    }
}

/// Registers a client (RFC 7591 §3.1).
///
/// # Errors
/// Metadata that cannot be, an initial access token that another has used up meanwhile, or a fault.
pub async fn register(
    op: &Provider,
    admitted: &Admitted,
    sent: &Map<String, Value>,
    origin: &Origin,
    now: Timestamp,
) -> Result<NewRegistration, Problem> {
    let metadata = metadata(op, sent, None, now).await?;
    let by = By { actor: "anonymous", origin, now };
    sector::check(op, &metadata, &behalf::stranger(origin.address.as_deref())).await?;
    let Created { mut client, secret } = clients::make(op, &by, CreateClient { id: None, metadata })?;
    let token = RegistrationToken::new(op.entropy.secret(TOKEN_PREFIX)?);
    client.registered = Registered::Dynamic;
    client.registration_token = Some(RegistrationTokenHash::from(&token));
    let mut entry = by.audit(op, Event::ClientRegistered)?.client(&client.id);
    if let Some((_, id)) = &admitted.0 {
        entry = entry.details(serde_json::json!({ "initial_access_token": id }).to_string());
    }
    let hash = admitted.0.as_ref().map(|(hash, _)| hash);
    match op.store.register_client(&client, hash, &entry, now).await? {
        Registration::Done => {
            op.clients.forget();
            Ok(NewRegistration { client, secret, token })
        }
        Registration::TokenSpent => Err(Problem::Rejected(spent())),
    }
}

/// What a client has said about itself, as far as it may; and where it is registered already, what else is `former`ly
/// said of it.
///
/// # Errors
/// Metadata that cannot be, or a fault.
async fn metadata(
    op: &Provider,
    sent: &Map<String, Value>,
    former: Option<&ClientMetadata>,
    now: Timestamp,
) -> Result<ClientMetadata, Problem> {
    let policy = &op.policy.registration;
    let terms = Terms { scope: &policy.scope, profile: policy.profile };
    let mut metadata = match former {
        None => registration_rules::read(sent, &terms)?,
        Some(former) => registration_rules::replace(former, sent, &terms)?,
    };
    if !metadata.audience.is_empty() {
        // As in `flow::target`: what is not open to such clients they could not ask for.
        let apis = op.clients.fresh_apis(&op.store, now).await?;
        metadata.audience.retain(|audience| apis.get(audience).is_some_and(|api| api.metadata.dynamic));
    }
    let had = former.map_or(&[][..], |former| former.audience.as_slice());
    clients::check_deployment(op, &metadata, had)?;
    // Codes that come there are redeemed by this server, for its own clients.
    let ours = |uri: &RedirectUri| op.policy.browser.is_callback(uri.as_str());
    if metadata.redirect_uris.iter().any(ours) {
        return Err(Problem::Metadata(MetadataProblem::new(
            "redirect_uris",
            "A redirect URI leads to this server itself. Register a page of the client's own.",
        )));
    }
    Ok(metadata)
}

/// Counts an attempt of an address at something that costs a row.
async fn throttle(
    op: &Provider,
    what: &'static str,
    address: Option<&str>,
    now: Timestamp,
) -> Result<(), Problem> {
    let key = op.secrets.buckets.mac(&[what.as_bytes(), network(address).as_bytes()]);
    let policy = &op.policy.registration;
    let bucket = Bucket { key, period: policy.address_period, burst: policy.address_burst };
    match op.store.reserve_guess(&bucket, now).await? {
        Admission::Admitted => Ok(()),
        Admission::Throttled(wait) => Err(Problem::Throttled(wait)),
    }
}

fn spent() -> Rejection {
    Rejection::hidden(
        ErrorCode::InvalidToken,
        "The initial access token is unknown, expired or used up. Ask the operator of this server for another.",
        "initial access token not good",
    )
}
