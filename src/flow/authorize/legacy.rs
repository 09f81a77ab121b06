//! Legacy response types: tokens straight from the authorization endpoint (OpenID Connect Core §3.2, §3.3). They exist
//! for clients of the certification profile at servers that switch them on, and nothing else reads this file
//! (docs/decisions/0020-legacy-response-types.md).

use std::time::Duration;

use super::problem::Refusal;
use super::request::AuthorizationRequest;
use super::response::Delivery;
use super::{Granted, HANDOFF, issue_code, session_gone};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::access_token::{self, AccessTokenRequest};
use crate::flow::grant::authorization_code;
use crate::flow::id_token::{self, IdTokenRequest};
use crate::flow::rejection::Rejection;
use crate::flow::target::Target;
use crate::model::client::Client;
use crate::model::family::FamilySecretId;
use crate::model::rotation::Counters;
use crate::oauth::claims_request::ClaimsRequest;
use crate::oauth::error::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::params::Params;
use crate::oauth::response_type::ResponseType;
use crate::oauth::scope::OPENID;
use crate::secret::{AuthorizationCode, CodeHash};
use crate::storage::{NewFamily, RedeemRequest, Redeemed, Redemption};

/// Whether there are such response types for this client at all.
pub(super) fn offered(op: &Provider, client: &Client) -> bool {
    op.policy.legacy_response_types && client.metadata.profile.has_legacy_response_types()
}

/// What requests for tokens from the authorization endpoint have to say besides, and that one token can be for all that
/// they ask for: here nobody can ask for one resource after another.
///
/// # Errors
/// `unauthorized_client`, `invalid_scope`, `invalid_request`, `invalid_target`.
pub(super) fn check(op: &Provider, client: &Client, request: &AuthorizationRequest) -> Result<(), Rejection> {
    let kind = request.response_type;
    if !kind.is_legacy() {
        return Ok(());
    }
    if !client.metadata.allows(GrantType::Implicit) {
        return Err(Rejection::new(
            ErrorCode::UnauthorizedClient,
            "This client is not registered for the implicit grant type.",
        ));
    }
    if kind.has_id_token() && !request.scope.contains(OPENID) {
        return Err(Rejection::new(
            ErrorCode::InvalidScope,
            "An ID token needs the scope openid. Ask for it, or send response_type=code.",
        ));
    }
    if kind.has_id_token() && request.nonce.is_none() {
        return Err(Rejection::invalid_request(
            "The nonce is missing. An ID token from this endpoint needs one (OpenID Connect Core 3.2.2.1).",
        ));
    }
    if kind.has_token() {
        Target::of(op, &request.audience)?;
    }
    Ok(())
}

/// Answers with what the response type names. The tokens hang on a family of their own, which a code begins that never
/// leaves the server: so one statement decides about them as about any other, and all that ends families ends them.
///
/// # Errors
/// As for a code.
pub(super) async fn answer(
    op: &Provider,
    granted: &Granted<'_>,
    now: Timestamp,
) -> Result<Delivery, Refusal> {
    let (request, kind) = (granted.request, granted.request.response_type);
    let code = if kind.has_code() {
        Some(issue_code(op, granted, op.policy.tokens.authorization_code, now).await?)
    } else {
        None
    };
    let inside = request.for_front_channel();
    // What the first code has consumed is gone.
    let interaction = if code.is_some() { None } else { granted.interaction };
    let front = Granted { request: &inside, interaction, ..*granted };
    let redeemed = redeem(op, &front, now).await?;
    let params = tokens(op, granted, redeemed, code.as_ref(), now).await?;
    let mut all: Vec<(&str, &str)> = Vec::new();
    if let Some(code) = &code {
        all.push(("code", code.reveal()));
    }
    all.extend(params.iter().map(|(name, value)| (*name, value.as_str())));
    Ok(request.return_path().deliver(op, &all))
}

/// Begins the family, which lives as long as its one access token.
async fn redeem(op: &Provider, front: &Granted<'_>, now: Timestamp) -> Result<Redeemed, Refusal> {
    let code = issue_code(op, front, HANDOFF, now).await?;
    let metadata = &front.client.metadata;
    let own = metadata.access_token_lifetime.map_or(Duration::ZERO, Duration::from_secs);
    let lifetime = own.max(op.policy.tokens.access_token);
    let request = RedeemRequest {
        code: CodeHash::from(&code),
        client: front.client.id.clone(),
        redirect_uri: front.request.return_path().redirect_uri.as_str().to_owned(),
        code_challenge: None,
        resources: Vec::new(),
        open: None,
        family: NewFamily {
            id: FamilySecretId::generate(op.entropy.as_ref())?,
            class: metadata.class(),
            counters: Counters::begin(now, &op.policy.refresh.of(front.client).policy),
            expires_at: now.plus(lifetime),
            idle: lifetime,
        },
        origin: front.origin.clone(),
    };
    match op.store.redeem_code(&request, now).await? {
        Redemption::Redeemed(redeemed) => Ok(*redeemed),
        Redemption::Replayed | Redemption::Refused => Err(session_gone(op, &front.request.return_path())),
    }
}

/// The tokens as parameters (OpenID Connect Core §3.2.2.5, §3.3.2.5), minted as for the token endpoint (S-033).
async fn tokens(
    op: &Provider,
    granted: &Granted<'_>,
    redeemed: Redeemed,
    code: Option<&AuthorizationCode>,
    now: Timestamp,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let kind = granted.request.response_type;
    let (audience, scope, nonce) =
        (redeemed.audience.clone(), redeemed.scope.clone(), redeemed.nonce.clone());
    let claims = ClaimsRequest::stored(redeemed.claims_request.as_deref());
    let user = authorization_code::authorization_of(redeemed);
    let mut params = Vec::new();
    let mut access_token = None;
    if kind.has_token() {
        let request = AccessTokenRequest {
            client: granted.client,
            audience: &audience,
            scope: &scope,
            user: Some(&user),
        };
        let issued = access_token::make(op, &request, now).await?;
        params.push(("access_token", issued.token.reveal().to_owned()));
        params.push(("token_type", "Bearer".to_owned()));
        params.push(("expires_in", issued.expires_in.to_string()));
        params.push(("scope", issued.scope.to_string()));
        access_token = Some(issued.token);
    }
    if kind.has_id_token() {
        let request = IdTokenRequest {
            nonce,
            access_token: access_token.as_ref(),
            code,
            claims,
            // Core §5.4: where no access token is issued, nobody could ask the UserInfo endpoint for them.
            scope: (kind == ResponseType::IdToken).then_some(&scope),
            ..IdTokenRequest::new(granted.client, &user)
        };
        params.push(("id_token", id_token::mint(op, request, now).await?));
    }
    Ok(params)
}

/// The response type of a request, if it is one that this client can have here.
pub(super) fn response_type(op: &Provider, client: &Client, params: &Params) -> Option<ResponseType> {
    let kind = ResponseType::of_request(params.get("response_type")?)?;
    (!kind.is_legacy() || offered(op, client)).then_some(kind)
}
