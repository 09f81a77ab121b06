//! The check matrix of `/authorize`, in order: the client, what it has signed, whom to answer and how, then what was
//! asked (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1).

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use signet_verify::jose::claims::Expect;
use signet_verify::jose::jws::Rejected;

use super::legacy;
use super::problem::{PageProblem, Refusal};
use super::request_object::{self, Unusable};
use super::response::{self, ReturnPath};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::rejection::Rejection;
use crate::flow::{subject, target, user_claims};
use crate::model::client::Client;
use crate::oauth::claims_request::ClaimsRequest;
use crate::oauth::error::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::params::Params;
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::prompt::{Prompt, Prompts};
use crate::oauth::redirect_uri::{self, ProvenRedirectUri};
use crate::oauth::registration::Registered;
use crate::oauth::response_mode::ResponseMode;
use crate::oauth::response_type::ResponseType;
use crate::oauth::scope::{OFFLINE_ACCESS, OPENID, Scope};
use crate::secret::{ClientId, UserId};

/// Longest `state` in bytes. It is kept and echoed whole, so it has to end somewhere.
const LONGEST_STATE: usize = 4096;
/// Longest `nonce` in bytes.
const LONGEST_NONCE: usize = 512;
/// Longest `login_hint` in characters: no account name is longer.
const LONGEST_LOGIN_HINT: usize = 254;

/// A valid authorization request. What waits for a person is kept in this form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// `client_id`.
    pub client: ClientId,
    /// Who registered the client.
    registered: Registered,
    /// `redirect_uri`, proven to be the client's.
    redirect_uri: String,
    /// `response_type`.
    pub response_type: ResponseType,
    /// `response_mode`, or that of the response type.
    response_mode: ResponseMode,
    /// `state`, echoed byte for byte.
    pub state: Option<String>,
    /// `scope`.
    pub scope: Scope,
    /// The audience of the access tokens.
    pub audience: Vec<String>,
    /// `nonce`.
    pub nonce: Option<String>,
    /// `code_challenge`.
    pub code_challenge: Option<String>,
    /// `prompt`.
    prompt: String,
    /// `max_age` in seconds.
    pub max_age: Option<u64>,
    /// `login_hint`.
    pub login_hint: Option<String>,
    /// Whom `id_token_hint` or a `sub` in `claims` names, as this client knows them.
    pub about: Vec<String>,
    /// `claims`, where it is an OpenID Connect request, in the form in which it is stored.
    pub claims: Option<String>,
}

impl AuthorizationRequest {
    /// Where the answer goes.
    pub fn return_path(&self) -> ReturnPath {
        ReturnPath {
            redirect_uri: ProvenRedirectUri::restored(self.redirect_uri.clone()),
            state: self.state.clone(),
            mode: self.response_mode,
            registered: self.registered,
        }
    }

    /// Whether the client still has the redirect URI that the answer goes to.
    pub fn is_answerable(&self, client: &Client) -> bool {
        redirect_uri::matches(&client.metadata.redirect_uris, &self.redirect_uri).is_some()
    }

    /// The same for what the authorization endpoint gives out itself: nothing to refresh, and nothing that a verifier
    /// could be asked for.
    pub(super) fn for_front_channel(&self) -> Self {
        Self { code_challenge: None, scope: self.scope.without(OFFLINE_ACCESS), ..self.clone() }
    }

    /// Whether `prompt` contains this value; `max_age=0` says the same as `login` (OpenID Connect Core §3.1.2.1).
    pub fn prompts(&self, prompt: Prompt) -> bool {
        let asked = Prompts::parse(&self.prompt).is_ok_and(|prompts| prompts.contains(prompt));
        asked || (prompt == Prompt::Login && self.max_age == Some(0))
    }

    /// Whether the request is about another user than this one. Users are compared as the client knows them.
    pub fn is_about_another(&self, op: &Provider, client: &Client, user: UserId) -> bool {
        if self.about.is_empty() {
            return false;
        }
        let sub = subject::of(op, client, user);
        self.about.iter().any(|named| *named != sub)
    }

    /// Whether a sign-in at `auth_time` is too old for `max_age`.
    pub fn is_too_old(&self, auth_time: Timestamp, now: Timestamp) -> bool {
        self.max_age.is_some_and(|age| now.since(auth_time) > Duration::from_secs(age))
    }
}

/// Checks a client's request from the first parameter to the last. `address` is whose request it is.
///
/// # Errors
/// A page until the redirect URI is proven; from then on a redirect.
pub async fn check(
    op: &Provider,
    (client, address): (&Client, Option<&str>),
    params: &Params,
    now: Timestamp,
) -> Result<AuthorizationRequest, Refusal> {
    let params = match request_object::effective(op, (client, address), params, now).await {
        Ok(params) => params,
        Err(unusable) => return Err(unusable_object(op, client, unusable)),
    };
    let redirect_uri = redirect_uri(client, &params)?;
    let kind = legacy::response_type(op, client, &params);
    let mode = response::mode(params.get("response_mode"), kind, &redirect_uri);
    let path = ReturnPath {
        redirect_uri,
        state: None,
        mode: mode.as_ref().copied().unwrap_or(response::default_mode(kind)),
        registered: client.registered,
    };
    // The state is read before everything that may go back with it.
    let path = match state(&params, path.mode) {
        Ok(state) => ReturnPath { state, ..path },
        Err(rejection) => return Err(Refusal::redirect(op, &path, rejection)),
    };
    let asked = match mode {
        Ok(_) => asked(op, client, &params, now),
        Err(rejection) => Err(rejection),
    };
    match asked {
        Ok(mut request) => {
            request.redirect_uri = path.redirect_uri.as_str().to_owned();
            request.response_mode = path.mode;
            request.state = path.state;
            Ok(request)
        }
        Err(rejection) => Err(Refusal::redirect(op, &path, rejection)),
    }
}

/// The answer to a request whose object cannot be used: where the parameters that count name a redirect URI of the client,
/// there.
fn unusable_object(op: &Provider, client: &Client, Unusable { rejection, told }: Unusable) -> Refusal {
    let params = &told;
    if params.get("redirect_uri").is_none() {
        return Refusal::page(PageProblem::Rejected(rejection));
    }
    let redirect_uri = match redirect_uri(client, params) {
        Ok(redirect_uri) => redirect_uri,
        Err(refusal) => return refusal,
    };
    let kind = legacy::response_type(op, client, params);
    let mode = response::mode(params.get("response_mode"), kind, &redirect_uri)
        .unwrap_or(response::default_mode(kind));
    let state = state(params, mode).unwrap_or_default();
    let path = ReturnPath { redirect_uri, state, mode, registered: client.registered };
    Refusal::redirect(op, &path, rejection)
}

fn state(params: &Params, mode: ResponseMode) -> Result<Option<String>, Rejection> {
    let state = bounded(
        params.get("state"),
        LONGEST_STATE,
        "The state is longer than 4096 bytes. Send a shorter one.",
    )?;
    response::check_state(state.as_deref(), mode)?;
    Ok(state)
}

/// The active client that a request is in the name of.
///
/// # Errors
/// A page.
pub(super) async fn client(op: &Provider, params: &Params, now: Timestamp) -> Result<Arc<Client>, Refusal> {
    let Some(id) = params.get("client_id") else {
        let missing = Rejection::invalid_request(
            "The client_id is missing. Send the id the client is registered under.",
        );
        return Err(Refusal::page(PageProblem::Rejected(missing)));
    };
    let found = op.clients.get(&op.store, &ClientId::from(id), now).await;
    let found = found.map_err(|error| Refusal::page(PageProblem::Rejected(Rejection::from(error))))?;
    found.filter(|client| client.is_active()).ok_or_else(|| {
        Refusal::page(PageProblem::Rejected(Rejection::new(
            ErrorCode::InvalidClient,
            "No active client is registered under this client_id. Check it for a typing error.",
        )))
    })
}

fn redirect_uri(client: &Client, params: &Params) -> Result<ProvenRedirectUri, Refusal> {
    let registered = &client.metadata.redirect_uris;
    let received = params.get("redirect_uri");
    received.and_then(|received| redirect_uri::matches(registered, received)).ok_or_else(|| {
        Refusal::page(PageProblem::RedirectUri {
            client: client.id.clone(),
            received: received.map(ToOwned::to_owned),
            registered: registered.iter().map(|uri| uri.as_str().to_owned()).collect(),
            nearest: received
                .and_then(|received| redirect_uri::nearest(registered, received))
                .map(ToOwned::to_owned),
        })
    })
}

/// Everything about the request itself, in the order of the specifications.
fn asked(
    op: &Provider,
    client: &Client,
    params: &Params,
    now: Timestamp,
) -> Result<AuthorizationRequest, Rejection> {
    if params.get("registration").is_some() {
        // S-018: refused rather than ignored, since a client that sends one relies on it.
        return Err(Rejection::new(
            ErrorCode::RegistrationNotSupported,
            "The registration parameter is not supported.",
        ));
    }
    let response_type = response_type(op, client, params)?;
    let scope = scope(client, params, response_type)?;
    let code_challenge = code_challenge(client, params, response_type)?;
    let prompts = params.get("prompt").map_or(Ok(Prompts::default()), Prompts::parse);
    let prompts = prompts.map_err(Rejection::invalid_request)?;
    let mut request = AuthorizationRequest {
        client: client.id.clone(),
        registered: client.registered,
        redirect_uri: String::new(),
        response_type,
        response_mode: ResponseMode::Query,
        state: None,
        audience: audience(op, client, params)?,
        scope,
        nonce: bounded(
            params.get("nonce"),
            LONGEST_NONCE,
            "The nonce is longer than 512 bytes. Send a shorter one.",
        )?,
        code_challenge,
        prompt: prompts.to_string(),
        max_age: max_age(client, params)?,
        // A hint that cannot be an account's name is no use; it must not be an error either.
        login_hint: params
            .get("login_hint")
            .filter(|hint| hint.chars().count() <= LONGEST_LOGIN_HINT)
            .map(ToOwned::to_owned),
        about: hinted_subject(op, client, params, now)?.into_iter().collect(),
        claims: None,
    };
    requested_claims(&mut request, client, params)?;
    legacy::check(op, client, &request)?;
    Ok(request)
}

/// `claims` (OpenID Connect Core §5.5); without `openid` in the scope it means nothing. `acr_values` is read by nobody: it
/// is a wish, and there is one way to sign in, whose class every ID token states.
fn requested_claims(
    request: &mut AuthorizationRequest,
    client: &Client,
    params: &Params,
) -> Result<(), Rejection> {
    let Some(text) = params.get("claims").filter(|_| request.scope.contains(OPENID)) else { return Ok(()) };
    let mut claims = ClaimsRequest::parse(text).map_err(Rejection::invalid_request)?;
    // What the client is not registered for is not asked of the user, nor kept for the day when it is.
    claims.restrict(|claim| user_claims::may_have(client, claim));
    if claims.wants_unreachable_acr() {
        return Err(Rejection::new(
            ErrorCode::UnmetAuthenticationRequirements,
            "The claims parameter demands an acr that no sign-in here reaches. Supported: 1.",
        ));
    }
    request.about.extend(claims.subjects().map(ToOwned::to_owned));
    request.claims = claims.to_json();
    Ok(())
}

fn response_type(op: &Provider, client: &Client, params: &Params) -> Result<ResponseType, Rejection> {
    if params.get("response_type").is_none() {
        return Err(Rejection::invalid_request("The response_type is missing. Send response_type=code."));
    }
    let kind = legacy::response_type(op, client, params).ok_or(Rejection::new(
        ErrorCode::UnsupportedResponseType,
        "Only the authorization code flow is supported. Send response_type=code.",
    ))?;
    if kind.has_code() && !client.metadata.allows(GrantType::AuthorizationCode) {
        return Err(Rejection::new(
            ErrorCode::UnauthorizedClient,
            "This client is not registered for the authorization_code grant type.",
        ));
    }
    if !client.metadata.response_types.contains(&kind) {
        return Err(Rejection::new(
            ErrorCode::UnauthorizedClient,
            "This client is not registered for this response type.",
        ));
    }
    Ok(kind)
}

/// Without `scope`, what the client is registered for, but not beyond the session (RFC 6749 §3.3). Nothing is there to
/// refresh with without a code (OpenID Connect Core §11).
fn scope(client: &Client, params: &Params, kind: ResponseType) -> Result<Scope, Rejection> {
    let Some(text) = params.get("scope") else { return Ok(client.metadata.scope.without(OFFLINE_ACCESS)) };
    let scope =
        Scope::parse(text).map_err(|error| Rejection::new(ErrorCode::InvalidScope, error.description()))?;
    if !scope.is_subset_of(&client.metadata.scope) {
        return Err(Rejection::new(
            ErrorCode::InvalidScope,
            "The scope is wider than this client's registration. Ask for less, or extend the client's scope.",
        ));
    }
    Ok(if kind.has_code() { scope } else { scope.without(OFFLINE_ACCESS) })
}

/// PKCE is required wherever there is a code (RFC 9700 §2.1.1), but of the clients that a certification has made without.
/// A challenge that is sent counts for them too.
fn code_challenge(client: &Client, params: &Params, kind: ResponseType) -> Result<Option<String>, Rejection> {
    let Some(challenge) = params.get("code_challenge") else {
        if !kind.has_code() || client.metadata.require_pkce == Some(false) {
            return Ok(None);
        }
        return Err(Rejection::invalid_request(
            "The code_challenge is missing. This server requires PKCE with code_challenge_method=S256 (RFC 7636).",
        ));
    };
    let challenge = CodeChallenge::parse(challenge, params.get("code_challenge_method"));
    challenge.map(|challenge| Some(challenge.as_str().to_owned())).map_err(Rejection::invalid_request)
}

/// The APIs that the access tokens are for (RFC 8707 §2.1).
fn audience(op: &Provider, client: &Client, params: &Params) -> Result<Vec<String>, Rejection> {
    target::granted(op, client, &target::parse(params.all("resource"))?)
}

fn max_age(client: &Client, params: &Params) -> Result<Option<u64>, Rejection> {
    let Some(text) = params.get("max_age") else { return Ok(client.metadata.default_max_age) };
    let digits = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { text.parse().ok() } else { None };
    parsed.map(Some).ok_or(Rejection::invalid_request("The max_age is not a number of seconds, 0 or more."))
}

/// `id_token_hint`: an ID token of ours for this client, expired or not (OpenID Connect Core §3.1.2.1). One whose key
/// has been removed says nothing any more, and is treated as if it had not been sent.
fn hinted_subject(
    op: &Provider,
    client: &Client,
    params: &Params,
    now: Timestamp,
) -> Result<Option<String>, Rejection> {
    let Some(hint) = params.get("id_token_hint") else { return Ok(None) };
    let (typ, audience) = ([crate::flow::issue::ID_TOKEN_TYPE], [client.id.as_str()]);
    let mut expect = Expect::new(&typ, op.policy.issuer.as_str(), now.millis()).audience(&audience);
    expect.allow_expired = true;
    let claims = match op.keys.current().verify(hint, &expect) {
        Ok(claims) => claims,
        Err(Rejected::KidUnknown | Rejected::KeyRemoved) => return Ok(None),
        Err(_) => {
            return Err(Rejection::invalid_request(
                "The id_token_hint is not an ID token of this server for this client.",
            ));
        }
    };
    Ok(claims.str("sub").map(ToOwned::to_owned))
}

fn bounded(value: Option<&str>, longest: usize, refusal: &'static str) -> Result<Option<String>, Rejection> {
    match value {
        Some(value) if value.len() > longest => Err(Rejection::invalid_request(refusal)),
        value => Ok(value.map(ToOwned::to_owned)),
    }
}
