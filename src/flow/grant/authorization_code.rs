//! `grant_type=authorization_code` (RFC 6749 §4.1.3, RFC 7636 §4.6).

use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::access_token::AccessTokenRequest;
use crate::flow::client_auth::AuthenticatedClient;
use crate::flow::issue::{self, IdTokenWish, TokenResponse, UserAuthorization};
use crate::flow::rejection::{Outcome, Rejection};
use crate::flow::target::{self, Target};
use crate::model::audit::Origin;
use crate::model::family::FamilySecretId;
use crate::model::rotation::Counters;
use crate::oauth::grant_type::GrantType;
use crate::oauth::pkce::{self, CodeVerifier};
use crate::secret::{AuthorizationCode, CodeHash};
use crate::storage::{NewFamily, RedeemRequest, Redeemed, Redemption};

/// The request's own parameters.
#[derive(Debug)]
pub struct Exchange {
    /// `code`.
    pub code: AuthorizationCode,
    /// `redirect_uri`.
    pub redirect_uri: String,
    /// `code_verifier`.
    pub code_verifier: Option<CodeVerifier>,
    /// `resource` (RFC 8707 §2.2): some of the granted audiences; none for all of them.
    pub resources: Vec<String>,
}

/// Redeems a code. Client, redirect URI, verifier, expiry and the standing of user, session and client are
/// conditions of the one statement that redeems it, so that nothing can change between check and use, and a wrong
/// attempt neither burns the code nor revokes anything (S-008). So is that the granted audience has the resources that are
/// asked for, and that something of it is left.
///
/// # Errors
/// `invalid_grant`, `invalid_target`, or a fault.
pub async fn exchange(
    op: &Provider,
    client: &AuthenticatedClient,
    request: &Exchange,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<TokenResponse> {
    let redeem = claim(op, client, request, origin, now)?;
    aim(op, client, &redeem, now).await?;
    let redeemed = match op.store.redeem_code(&redeem, now).await? {
        Redemption::Redeemed(redeemed) => *redeemed,
        Redemption::Replayed => {
            return Err(Rejection::invalid_grant("code replayed; its tokens are revoked"));
        }
        Redemption::Refused => return Err(refusal(op, client, &redeem, now).await?),
    };
    let audience = aimed(op, client, &redeemed.audience, &redeem)?;
    let mut response = mint(op, client, (redeemed, &audience), now).await?;
    if client.metadata.allows(GrantType::RefreshToken) {
        response.refresh_token = Some(op.secrets.refresh_tokens.encode(redeem.family.id, 0));
    }
    Ok(response)
}

/// Why a code has not been redeemed. What it was granted for is told to whoever could redeem it, and to nobody else.
async fn refusal(
    op: &Provider,
    client: &AuthenticatedClient,
    redeem: &RedeemRequest,
    now: Timestamp,
) -> Outcome<Rejection> {
    let unproven =
        Rejection::invalid_grant("code unknown, expired, foreign, or verifier or redirect_uri wrong");
    let Some(granted) = op.store.code_audience(redeem, now).await? else { return Ok(unproven) };
    Ok(aimed(op, client, &granted, redeem).err().unwrap_or(unproven))
}

/// What the token will be for.
///
/// # Errors
/// `invalid_target`.
fn aimed(
    op: &Provider,
    client: &AuthenticatedClient,
    granted: &[String],
    redeem: &RedeemRequest,
) -> Outcome<Vec<String>> {
    target::narrowed(&target::remaining(op, client, granted)?, &redeem.resources)
}

/// That one access token can be for all that is asked for, before the code is used up. Where the request names nothing and
/// the client has APIs that do not go together, or names what is not the client's, what was granted is looked up first; no
/// other request costs more. What APIs want is compared only where they are the client's: the answer tells nothing of
/// others.
///
/// # Errors
/// `invalid_target`, or a fault.
async fn aim(
    op: &Provider,
    client: &AuthenticatedClient,
    redeem: &RedeemRequest,
    now: Timestamp,
) -> Outcome<()> {
    let named = &redeem.resources;
    let own = target::narrowed(&target::open_to(op, client), named).is_ok();
    if own && !named.is_empty() {
        Target::of(op, named)?;
    } else if (!own || target::is_divided(op, client))
        && let Some(granted) = op.store.code_audience(redeem, now).await?
    {
        Target::of(op, &aimed(op, client, &granted, redeem)?)?;
    }
    Ok(())
}

/// What storage is asked: the code, by whom and with what, and the family that it is to begin.
///
/// # Errors
/// No randomness.
pub(in crate::flow) fn claim(
    op: &Provider,
    client: &AuthenticatedClient,
    request: &Exchange,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<RedeemRequest> {
    let (metadata, refresh) = (&client.metadata, op.policy.refresh.of(client));
    // A client that may not refresh gets a family too: what its tokens hang on, for as long as they live.
    let may_refresh = metadata.allows(GrantType::RefreshToken) || metadata.is_cookie_mode();
    let lifetime = match may_refresh {
        // Nothing is refreshed there; what the family hangs on, the login session, says how long.
        _ if metadata.forward_auth => op.policy.sessions.absolute.max(op.policy.sessions.remember_absolute),
        true => refresh.absolute,
        false => op.policy.tokens.access_token,
    };
    Ok(RedeemRequest {
        code: CodeHash::from(&request.code),
        client: client.id.clone(),
        redirect_uri: request.redirect_uri.clone(),
        code_challenge: request.code_verifier.as_ref().map(|v| pkce::challenge_of(v).as_str().to_owned()),
        resources: request.resources.clone(),
        open: Some(target::open_to(op, client)),
        family: NewFamily {
            id: FamilySecretId::generate(op.entropy.as_ref())?,
            class: metadata.class(),
            counters: Counters::begin(now, &refresh.policy),
            expires_at: now.plus(lifetime),
            idle: if metadata.forward_auth { lifetime } else { refresh.idle },
        },
        origin: origin.clone(),
    })
}

async fn mint(
    op: &Provider,
    client: &AuthenticatedClient,
    (redeemed, audience): (Redeemed, &[String]),
    now: Timestamp,
) -> Outcome<TokenResponse> {
    // Never more than the client is registered for today (S-047).
    let scope = redeemed.scope.intersection(&client.metadata.scope);
    let id =
        IdTokenWish::With { nonce: redeemed.nonce.clone(), claims_request: redeemed.claims_request.clone() };
    let user = authorization_of(redeemed);
    let request = AccessTokenRequest { client, audience, scope: &scope, user: Some(&user) };
    issue::tokens(op, &request, id, now).await
}

/// What the first tokens of a family state.
pub(in crate::flow) fn authorization_of(redeemed: Redeemed) -> UserAuthorization {
    UserAuthorization {
        session: redeemed.session,
        auth_time: redeemed.auth_time,
        amr: redeemed.amr,
        family: redeemed.handle,
        generation: 0,
        epoch: redeemed.subject.epoch,
        subject: redeemed.subject,
    }
}
