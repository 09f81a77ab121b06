//! The user's yes or no to a client's request (OpenID Connect Core §3.1.2.4).

use super::Provider;
use super::authorize::problem::Refusal;
use super::authorize::{self, ConsentState, OpenInteraction, Step};
use crate::clock::Timestamp;
use crate::model::audit::{Event, Origin};
use crate::model::session::LoginSession;
use crate::oauth::scope::Scope;

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
    if authorize::consent_state(&interaction, &session, now) == ConsentState::SignInFirst {
        return Ok(Step::Login(interaction.handle));
    }
    // The consent is given here; what was remembered before does not matter.
    let delivery = authorize::finish(op, &interaction, &session, false, now).await?;
    let before = op.store.consent(session.user, &interaction.client.id).await?;
    let scope = union(&before, &interaction.request.scope);
    let entry = op
        .audit(Event::ConsentGranted, format!("user:{}", session.user), now)?
        .user(session.user)
        .client(&interaction.client.id)
        .session(session.id)
        .origin(origin)
        .details(serde_json::json!({ "scope": interaction.request.scope.to_string() }).to_string());
    op.store.remember_consent(session.user, &interaction.client.id, &scope, &entry).await?;
    Ok(Step::Return(delivery))
}

/// What was agreed to before stays agreed to.
fn union(before: &Scope, now: &Scope) -> Scope {
    let text: Vec<&str> = before.iter().chain(now.iter().filter(|value| !before.contains(value))).collect();
    // Two registered scopes together may pass the bound of one request; then the newer one is what is kept.
    Scope::parse(&text.join(" ")).unwrap_or_else(|_| now.clone())
}
