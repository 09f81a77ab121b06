//! `grant_type=refresh_token` (RFC 6749 §6): the whole decision on one page. The rotation's own rules are in
//! `model::rotation`, the race for the row in `storage::families`.

use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::access_token::AccessTokenRequest;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::issue::{self, IdTokenWish, TokenResponse, UserAuthorization};
use crate::flow::login_session;
use crate::flow::rejection::{Outcome, Rejection};
use crate::flow::target::{self, Target};
use crate::model::audit::Origin;
use crate::model::family::FamilySecretId;
use crate::model::rotation::Verdict;
use crate::model::session_policy::Change;
use crate::oauth::client_metadata::TheftResponse;
use crate::oauth::error::ErrorCode;
use crate::oauth::scope::{OFFLINE_ACCESS, Scope};
use crate::secret::RefreshToken;
use crate::storage::{RotateRequest, Rotated, Rotation};

/// The request's own parameters.
#[derive(Debug)]
pub struct Exchange {
    /// `refresh_token`.
    pub refresh_token: RefreshToken,
    /// `scope`: a subset of what was granted.
    pub scope: Option<Scope>,
    /// `resource`: some of the granted audiences; none for all of them.
    pub resources: Vec<String>,
}

/// Checks, rotates, mints.
///
/// # Errors
/// `invalid_grant`, `invalid_scope`, `invalid_target`, or a fault (503: the same token works again).
pub async fn exchange(
    op: &Provider,
    client: &AuthenticatedClient,
    request: &Exchange,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<TokenResponse> {
    Ok(refreshed(op, client, request, origin, now).await?.response)
}

/// A refresh with what it rests on.
#[derive(Debug)]
pub(in crate::flow) struct Refreshed {
    /// The tokens.
    pub(in crate::flow) response: TokenResponse,
    /// Whose they are.
    pub(in crate::flow) user: UserAuthorization,
    /// When the family ends at the latest.
    pub(in crate::flow) expires_at: Timestamp,
}

/// Checks, rotates, mints; for `/token` and `/refresh` alike.
///
/// # Errors
/// Those of [`exchange`].
pub(in crate::flow) async fn refreshed(
    op: &Provider,
    client: &AuthenticatedClient,
    request: &Exchange,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<Refreshed> {
    // Garbage and forgeries die here, before the database.
    let Some((id, generation)) = op.secrets.refresh_tokens.decode(&request.refresh_token) else {
        return Err(Rejection::invalid_grant("not a refresh token of this server"));
    };
    let rotate = presented(op, client, (id, generation), origin);
    // A cookie belongs to one browser; what other clients hold may come from wherever they run.
    let bound = client.metadata.is_cookie_mode();
    let strict = bound && op.policy.sessions.binding().is_strict();
    // A request that asks for too much, or comes from where it may not, must not use the token up, so that is compared
    // first.
    let particular =
        request.scope.is_some() || !request.resources.is_empty() || target::is_divided(op, client);
    if strict || particular {
        let family = decided(op.store.inspect(&rotate).await?)?;
        if strict && family.verdict.carries_access_token() {
            admitted(login_session::admit_family(op, &family, origin, now).await?)?;
        }
        if family.verdict.carries_access_token() {
            wanted(op, &family, client, request)?;
        }
    }
    let rotated = decided(op.store.rotate(&rotate).await?)?;
    report(&rotated, client);
    if !rotated.verdict.carries_access_token() {
        return Err(refusal(rotated.verdict));
    }
    if bound && !strict {
        admitted(login_session::admit_family(op, &rotated, origin, now).await?)?;
    }
    let (scope, audience) = wanted(op, &rotated, client, request)?;
    let successor = rotated
        .verdict
        .carries_refresh_token()
        .then(|| op.secrets.refresh_tokens.encode(id, rotated.family.counters.cur));
    let mut refreshed = mint(op, client, rotated, (&scope, &audience), now).await?;
    refreshed.response.refresh_token = successor;
    Ok(refreshed)
}

/// A refresh token whose MAC has held, presented by a client under its own policy.
pub(in crate::flow) fn presented(
    op: &Provider,
    client: &AuthenticatedClient,
    (id, generation): (FamilySecretId, u32),
    origin: &Origin,
) -> RotateRequest {
    RotateRequest {
        id,
        generation,
        client: client.id.clone(),
        policy: op.policy.refresh.of(client).policy,
        theft: narrower(op.policy.refresh.theft_response, client.metadata.theft_response),
        binding: None,
        origin: origin.clone(),
    }
}

fn decided(rotation: Rotation) -> Outcome<Rotated> {
    match rotation {
        Rotation::Decided(rotated) => Ok(*rotated),
        Rotation::Unknown => Err(Rejection::invalid_grant("no such family")),
    }
}

/// What the policy about sessions that come back from elsewhere says.
fn admitted(change: Change) -> Outcome<()> {
    match change {
        Change::Ignore | Change::Note => Ok(()),
        Change::Reauthenticate => Err(Rejection::new(
            ErrorCode::LoginRequired,
            "The session comes from another browser or network. Send the browser to /session/start.",
        )),
        Change::End => Err(Rejection::invalid_grant("the session came back from elsewhere and has ended")),
    }
}

/// Scope and audience of the new access token: never more than granted (RFC 6749 §6), and never more than the
/// client is registered for today (S-047).
fn wanted(
    op: &Provider,
    rotated: &Rotated,
    client: &AuthenticatedClient,
    request: &Exchange,
) -> Outcome<(Scope, Vec<String>)> {
    let granted = Scope::parse(&rotated.family.scope).unwrap_or_default();
    if let Some(scope) = &request.scope
        && !scope.is_subset_of(&granted)
    {
        return Err(Rejection::new(
            ErrorCode::InvalidScope,
            "The scope is wider than what the user granted. Ask for less, or authorize again.",
        ));
    }
    let scope = request.scope.as_ref().unwrap_or(&granted).intersection(&client.metadata.scope);
    if rotated.family.offline && !client.metadata.scope.contains(OFFLINE_ACCESS) {
        return Err(Rejection::invalid_grant("the client has lost offline_access"));
    }
    let audience = target::remaining(op, client, &rotated.family.audience)?;
    let audience = target::narrowed(&audience, &request.resources)?;
    Target::of(op, &audience)?;
    Ok((scope, audience))
}

async fn mint(
    op: &Provider,
    client: &AuthenticatedClient,
    rotated: Rotated,
    (scope, audience): (&Scope, &[String]),
    now: Timestamp,
) -> Outcome<Refreshed> {
    let Some(session) = rotated.family.session else {
        return Err(Rejection::invalid_grant("the family has no session"));
    };
    let expires_at = rotated.family.expires_at;
    let user = UserAuthorization {
        subject: rotated.subject,
        session,
        auth_time: rotated.auth_time,
        amr: rotated.amr,
        family: rotated.family.handle,
        generation: rotated.family.counters.cur,
        epoch: rotated.family.epoch,
    };
    let id = if client.metadata.id_token_on_refresh {
        IdTokenWish::With { nonce: None, claims_request: rotated.claims_request }
    } else {
        IdTokenWish::Without
    };
    let request = AccessTokenRequest { client, audience, scope, user: Some(&user) };
    let response = issue::tokens(op, &request, id, now).await?;
    Ok(Refreshed { response, user, expires_at })
}

fn refusal(verdict: Verdict) -> Rejection {
    Rejection::invalid_grant(match verdict {
        Verdict::Theft => "theft: a superseded refresh token was presented",
        Verdict::End(_) => "the family has ended",
        _ => "denied",
    })
}

/// One line per verdict that an operator may have to know of; the audit entry was written with the effect.
fn report(rotated: &Rotated, client: &AuthenticatedClient) {
    let (verdict, family, client) = (rotated.verdict, rotated.family.handle, client.id.as_str());
    match verdict {
        Verdict::Theft => tracing::warn!(%family, client, "refresh token reuse: the family is compromised"),
        Verdict::RollForward => tracing::error!(
            %family, client,
            "a refresh token is newer than the database: a commit was lost (restored or failed-over database?)"
        ),
        Verdict::Fork => tracing::info!(%family, client, "a late retry displaced an unconfirmed successor"),
        Verdict::Deny(reason) => tracing::info!(%family, client, ?reason, "refresh denied"),
        _ => tracing::debug!(%family, client, ?verdict, "refresh"),
    }
}

/// The deployment's theft response, unless the client's is narrower.
fn narrower(deployment: TheftResponse, client: TheftResponse) -> TheftResponse {
    deployment.max(client)
}
