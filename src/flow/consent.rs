//! The user's yes or no to a client's request (OpenID Connect Core §3.1.2.4).

use super::Provider;
use super::authorize::problem::Refusal;
use super::authorize::request::AuthorizationRequest;
use super::authorize::{self, ConsentState, OpenInteraction, Step};
use crate::clock::Timestamp;
use crate::model::audit::{Event, Origin};
use crate::model::client::Client;
use crate::model::session::LoginSession;
use crate::oauth::claims_request::{CONSENT_PREFIX, ClaimsRequest};
use crate::oauth::registration::Registered;
use crate::oauth::resource;
use crate::oauth::scope::Scope;
use crate::oauth::standard_claims::scope_of;

/// The yes: remembered for client and scope, then the code. What is agreed to is the stored request, whatever the
/// form carried (S-016).
///
/// # Errors
/// A page where the interaction has been answered before or needs something else first; or a fault.
pub async fn approve(
    op: &Provider,
    interaction: OpenInteraction,
    session: LoginSession,
    origin: &Origin,
    now: Timestamp,
) -> Result<Step, Refusal> {
    // Consent does not stand in for a sign-in that the request demands.
    if authorize::consent_state(op, &interaction, &session, now) == ConsentState::SignInFirst {
        return Ok(Step::Login(interaction.handle));
    }
    // The consent is given here; what was remembered before does not matter.
    let delivery = authorize::finish(op, &interaction, &session, false, now).await?;
    let before = op.store.consent(session.user, &interaction.client.id).await?;
    let agreed = words(&interaction.client, &interaction.request);
    let scope = union(&before, &agreed).unwrap_or_else(|| interaction.request.scope.clone());
    let entry = op
        .audit(Event::ConsentGranted, format!("user:{}", session.user), now)?
        .user(session.user)
        .client(&interaction.client.id)
        .session(session.id)
        .origin(origin)
        .details(serde_json::json!({ "scope": agreed.join(" ") }).to_string());
    op.store.remember_consent(session.user, &interaction.client.id, &scope, &entry).await?;
    Ok(Step::Return(delivery))
}

/// What a user is asked to agree to: the scope, then each claim asked for by name that no scope of the request opens, as
/// a word of its own in the manner of a scope, and so each API, where nobody but the user decides which of them the client
/// may reach. These words are what is remembered.
pub fn words(client: &Client, request: &AuthorizationRequest) -> Vec<String> {
    let mut words = scope_and_claims(request);
    if client.registered != Registered::Operator {
        words.extend(
            request.audience.iter().map(|audience| format!("{}{audience}", resource::CONSENT_PREFIX)),
        );
    }
    words
}

/// Those of the words that say what the client may do; where, the APIs say.
pub fn scope_and_claims(request: &AuthorizationRequest) -> Vec<String> {
    let claims = ClaimsRequest::stored(request.claims.as_deref());
    let further = claims
        .about_the_user()
        .filter(|claim| !is_open(&request.scope, claim))
        .map(|claim| format!("{CONSENT_PREFIX}{claim}"));
    request.scope.iter().map(ToOwned::to_owned).chain(further).collect()
}

/// Whether what was agreed to before covers a request. A claim that a remembered scope opens needs no yes of its own.
pub(super) fn covers(client: &Client, granted: &Scope, request: &AuthorizationRequest) -> bool {
    words(client, request).iter().all(|word| {
        let claim = word.strip_prefix(CONSENT_PREFIX);
        granted.contains(word) || claim.is_some_and(|claim| is_open(granted, claim))
    })
}

fn is_open(scope: &Scope, claim: &str) -> bool {
    scope_of(claim).is_some_and(|opens| scope.contains(opens))
}

/// What was agreed to before stays agreed to. Together they may pass the bound of one scope; then the newer is what is
/// kept, and `None` where that alone does.
fn union(before: &Scope, now: &[String]) -> Option<Scope> {
    let now = now.join(" ");
    let both = before.iter().chain(std::iter::once(now.as_str())).collect::<Vec<_>>().join(" ");
    Scope::parse(both.trim()).or_else(|_| Scope::parse(&now)).ok()
}
