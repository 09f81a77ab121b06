//! `/authorize` (RFC 6749 §4.1, OpenID Connect Core §3.1.2): from a request to a code, with a person in between
//! where one is needed.

mod legacy;
pub mod problem;
pub mod request;
mod request_object;
pub mod response;

use std::time::Duration;

pub use request_object::RequestUriLimits;

use problem::{PageProblem, Refusal};
use request::AuthorizationRequest;
use response::{Delivery, ReturnPath};

use super::Provider;
use super::browser::{Browser, SetCookie};
use super::interaction::{self, Purpose};
use super::registration::document;
use super::rejection::Rejection;
use super::{consent, login_session, subject, target};
use crate::clock::Timestamp;
use crate::model::audit::Origin;
use crate::model::client::Client;
use crate::model::grant::Grant;
use crate::model::session::LoginSession;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;
use crate::oauth::prompt::Prompt;
use crate::oauth::registration::Registered;
use crate::oauth::scope::Scope;
use crate::secret::{AuthorizationCode, CodeHash, FamilyHandle, InteractionHandle, InteractionHash};
use crate::storage::Interaction;

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// Back to the client, or to a page of ours.
    Return(Delivery),
    /// The user has to sign in.
    Login(InteractionHandle),
    /// The user has to consent.
    Consent(InteractionHandle),
}

/// The next step, and a cookie to set with it.
#[derive(Debug)]
pub struct Answer {
    /// What comes next.
    pub step: Step,
    /// A browser that had no binding gets one.
    pub cookie: Option<SetCookie>,
}

/// An interaction under way, proven to be this browser's.
#[derive(Debug)]
pub struct OpenInteraction {
    /// Its handle.
    pub handle: InteractionHandle,
    /// The request it is about.
    pub request: AuthorizationRequest,
    /// The client that began it.
    pub client: std::sync::Arc<Client>,
    pub(super) stored: Interaction,
    /// Where its browser is.
    pub(super) origin: Origin,
}

impl OpenInteraction {
    /// What storage knows the handle by.
    pub fn hash(&self) -> InteractionHash {
        InteractionHash::from(&self.handle)
    }
}

/// Who has to do what before a code can be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Login,
    Consent,
    Nothing,
}

/// Answers an authorization request.
///
/// # Errors
/// A page or a redirect.
pub async fn begin(
    op: &Provider,
    params: &Params,
    browser: &Browser,
    now: Timestamp,
) -> Result<Answer, Refusal> {
    let address = browser.origin.address.as_deref();
    document::ensure(op, params.get("client_id").unwrap_or_default(), address, now).await?;
    let client = request::client(op, params, now).await?;
    let request = match request::check(op, (&client, address), params, now).await {
        Ok(request) => request,
        Err(refusal) => return Err(vouched_for(op, &client, browser, refusal, now).await),
    };
    let session = session(op, browser, now).await?;
    let signed = session.as_ref().map(|session| Signed { session, fresh: false });
    let need = need(op, &client, &request, signed.as_ref(), now).await?;
    if request.prompts(Prompt::None) && need != Need::Nothing {
        // prompt=none never shows a page (S-014).
        let rejection = match need {
            Need::Login => Rejection::new(
                ErrorCode::LoginRequired,
                "The user has to sign in; send the request without prompt=none.",
            ),
            _ => Rejection::new(
                ErrorCode::ConsentRequired,
                "The user has to consent; send the request without prompt=none.",
            ),
        };
        return Err(Refusal::redirect(op, &request.return_path(), rejection));
    }
    match (need, session) {
        (Need::Nothing, Some(session)) => {
            let granted = Granted {
                client: &client,
                request: &request,
                session: &session,
                interaction: None,
                by_consent: rests_on_consent(&client, &request),
                origin: &browser.origin,
            };
            Ok(Answer { step: Step::Return(answer(op, &granted, now).await?), cookie: None })
        }
        (need, _) => wait_for_person(op, &request, browser, need, now).await,
    }
}

/// Nobody has vouched for where a client leads that registered itself. Until somebody has signed in, an error is shown and
/// not sent on: else anybody could register a redirect that begins at this server's address (RFC 9700 §4.11.2).
async fn vouched_for(
    op: &Provider,
    client: &Client,
    browser: &Browser,
    refusal: Refusal,
    now: Timestamp,
) -> Refusal {
    if client.registered == Registered::Operator || matches!(refusal, Refusal::Page(_)) {
        return refusal;
    }
    match (session(op, browser, now).await, refusal) {
        (Err(fault), _) => Refusal::from(fault),
        (Ok(None), Refusal::Redirect { rejection, .. }) => Refusal::page(PageProblem::Rejected(rejection)),
        (Ok(_), refusal) => refusal,
    }
}

/// Goes on with an interaction after the user has done something.
///
/// # Errors
/// A page or a redirect.
pub async fn resume(
    op: &Provider,
    interaction: OpenInteraction,
    session: Option<LoginSession>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let signed = session
        .as_ref()
        .map(|session| Signed { session, fresh: interaction.stored.session == Some(session.id) });
    let need = need(op, &interaction.client, &interaction.request, signed.as_ref(), now).await?;
    let (request, client) = (&interaction.request, &interaction.client);
    if signed.is_some_and(|user| user.fresh && request.is_about_another(op, client, user.session.user)) {
        return Err(wrong_user(op, &interaction, now).await);
    }
    match (need, session) {
        (Need::Nothing, Some(session)) => {
            let by_consent = rests_on_consent(&interaction.client, &interaction.request);
            finish(op, &interaction, &session, by_consent, now).await.map(Step::Return)
        }
        (Need::Consent, Some(_)) => Ok(Step::Consent(interaction.handle)),
        _ => Ok(Step::Login(interaction.handle)),
    }
}

/// Signed in, and still not the user that `id_token_hint` names: asking again would come to the same (OpenID Connect
/// Core §3.1.2.1).
async fn wrong_user(op: &Provider, interaction: &OpenInteraction, now: Timestamp) -> Refusal {
    match op.store.consume_interaction(&interaction.hash(), now).await {
        Ok(true) => op.unfinished.release(interaction.origin.address.as_deref()),
        Ok(false) => {}
        Err(error) => return Refusal::from(error),
    }
    let rejection = Rejection::new(
        ErrorCode::LoginRequired,
        "The user who signed in is not the one that the request names.",
    );
    Refusal::redirect(op, &interaction.request.return_path(), rejection)
}

/// Whether an interaction is ready for the user's consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConsentState {
    /// It is.
    Wanted,
    /// The request demands a sign-in that has not happened.
    SignInFirst,
}

/// Whether this session may consent to this interaction now.
pub(super) fn consent_state(
    op: &Provider,
    interaction: &OpenInteraction,
    session: &LoginSession,
    now: Timestamp,
) -> ConsentState {
    let fresh = interaction.stored.session == Some(session.id);
    if sign_in_needed(op, (&interaction.client, &interaction.request), (session, fresh), now) {
        ConsentState::SignInFirst
    } else {
        ConsentState::Wanted
    }
}

/// Answers the request of an interaction, consuming it. `by_consent`: only while the consent is there that was remembered
/// before.
///
/// # Errors
/// [`PageProblem::Interaction`] where it has been answered before.
pub(super) async fn finish(
    op: &Provider,
    interaction: &OpenInteraction,
    session: &LoginSession,
    by_consent: bool,
    now: Timestamp,
) -> Result<Delivery, Refusal> {
    let hash = interaction.hash();
    let granted = Granted {
        client: &interaction.client,
        request: &interaction.request,
        session,
        interaction: Some(&hash),
        by_consent,
        origin: &interaction.origin,
    };
    let delivery = answer(op, &granted, now).await?;
    op.unfinished.release(interaction.origin.address.as_deref());
    Ok(delivery)
}

/// Ends an interaction with a no.
///
/// # Errors
/// [`PageProblem::Interaction`] where it has been answered before.
pub async fn deny(op: &Provider, interaction: &OpenInteraction, now: Timestamp) -> Result<Step, Refusal> {
    if !op.store.consume_interaction(&interaction.hash(), now).await? {
        return Err(Refusal::page(PageProblem::Interaction));
    }
    op.unfinished.release(interaction.origin.address.as_deref());
    let denied = Rejection::new(ErrorCode::AccessDenied, "The user has not allowed the access.");
    Ok(Step::Return(interaction.request.return_path().error(op, &denied)))
}

/// The login session of a browser, if somebody is signed in there.
///
/// # Errors
/// A fault.
pub async fn session(
    op: &Provider,
    browser: &Browser,
    now: Timestamp,
) -> Result<Option<LoginSession>, Rejection> {
    Ok(login_session::current(op, browser, now).await?.map(|current| current.session))
}

/// Whether the user has not yet agreed to all that is asked for.
///
/// # Errors
/// A fault.
pub(super) async fn needs_consent(
    op: &Provider,
    client: &Client,
    request: &AuthorizationRequest,
    session: &LoginSession,
) -> Result<bool, Rejection> {
    if request.prompts(Prompt::Consent) {
        return Ok(true);
    }
    if client.metadata.first_party {
        return Ok(false);
    }
    let granted: Scope = op.store.consent(session.user, &client.id).await?;
    // Nobody has vouched for such a client: the first time, its user is asked even where it asks for nothing.
    if client.registered != Registered::Operator && granted.is_empty() {
        return Ok(true);
    }
    Ok(!consent::covers(client, &granted, request))
}

/// Whether what needs no consent now was consented to before.
fn rests_on_consent(client: &Client, request: &AuthorizationRequest) -> bool {
    !client.metadata.first_party && !request.scope.is_empty()
}

/// A signed-in user. `fresh`: within this very interaction, which is what `prompt=login` and `max_age` ask for.
struct Signed<'s> {
    session: &'s LoginSession,
    fresh: bool,
}

fn sign_in_needed(
    op: &Provider,
    (client, request): (&Client, &AuthorizationRequest),
    (session, fresh): (&LoginSession, bool),
    now: Timestamp,
) -> bool {
    let again = request.prompts(Prompt::Login) || request.prompts(Prompt::SelectAccount);
    let stale = request.is_too_old(session.auth_time, now);
    (!fresh && (again || stale)) || request.is_about_another(op, client, session.user)
}

async fn need(
    op: &Provider,
    client: &Client,
    request: &AuthorizationRequest,
    user: Option<&Signed<'_>>,
    now: Timestamp,
) -> Result<Need, Rejection> {
    let Some(Signed { session, fresh }) = user else { return Ok(Need::Login) };
    if sign_in_needed(op, (client, request), (session, *fresh), now) {
        return Ok(Need::Login);
    }
    let consent = needs_consent(op, client, request, session).await?;
    Ok(if consent { Need::Consent } else { Need::Nothing })
}

async fn wait_for_person(
    op: &Provider,
    request: &AuthorizationRequest,
    browser: &Browser,
    need: Need,
    now: Timestamp,
) -> Result<Answer, Refusal> {
    let purpose = Purpose::Authorization(Box::new(request.clone()));
    let (handle, cookie) = interaction::keep(op, &purpose, browser, now).await?;
    let step = if need == Need::Consent { Step::Consent(handle) } else { Step::Login(handle) };
    Ok(Answer { step, cookie })
}

/// A code that this server redeems itself is on its way for one redirect only.
const HANDOFF: Duration = Duration::from_secs(10);

fn code_life(op: &Provider, path: &ReturnPath) -> Duration {
    if op.policy.browser.is_callback(path.redirect_uri.as_str()) {
        HANDOFF
    } else {
        op.policy.tokens.authorization_code
    }
}

/// A request that nothing stands in the way of any more.
#[derive(Clone, Copy)]
struct Granted<'a> {
    client: &'a Client,
    request: &'a AuthorizationRequest,
    session: &'a LoginSession,
    /// To consume with it.
    interaction: Option<&'a InteractionHash>,
    /// Only while the consent is there that was remembered before.
    by_consent: bool,
    origin: &'a Origin,
}

/// The authorization response.
async fn answer(op: &Provider, granted: &Granted<'_>, now: Timestamp) -> Result<Delivery, Refusal> {
    let path = granted.request.return_path();
    let request = still_open(op, granted.client, granted.request)
        .map_err(|rejection| Refusal::redirect(op, &path, rejection))?;
    let granted = &Granted { request: &request, ..*granted };
    if request.response_type.is_legacy() {
        return legacy::answer(op, granted, now).await;
    }
    let code = issue_code(op, granted, code_life(op, &path), now).await?;
    Ok(path.deliver(op, &[("code", code.reveal())]))
}

/// The request as far as its client is registered for it now: it may have lost something while a person was signing in
/// (S-047).
///
/// # Errors
/// `invalid_target` where it asks for APIs and none is left, and what [`legacy::check`] says of the rest.
fn still_open(
    op: &Provider,
    client: &Client,
    request: &AuthorizationRequest,
) -> Result<AuthorizationRequest, Rejection> {
    let mut request = request.clone();
    request.scope = request.scope.intersection(&client.metadata.scope);
    request.audience = target::remaining(op, client, &request.audience)?;
    legacy::check(op, client, &request)?;
    Ok(request)
}

async fn issue_code(
    op: &Provider,
    granted: &Granted<'_>,
    life: Duration,
    now: Timestamp,
) -> Result<AuthorizationCode, Refusal> {
    let Granted { client, request, session, interaction, by_consent, .. } = *granted;
    let code = AuthorizationCode::new(op.entropy.secret("sac_")?);
    let path = request.return_path();
    let grant = Grant {
        handle: FamilyHandle(op.entropy.uuid_v7(now)?),
        client: request.client.clone(),
        user: session.user,
        subject: subject::pairwise(op, client, session.user),
        claims_request: request.claims.clone(),
        session: session.id,
        epoch: session.epoch,
        by_consent,
        redirect_uri: path.redirect_uri.as_str().to_owned(),
        code_challenge: request.code_challenge.clone(),
        nonce: request.nonce.clone(),
        scope: request.scope.clone(),
        audience: request.audience.clone(),
        auth_time: session.auth_time,
        amr: session.amr.clone(),
        expires_at: now.plus(life),
    };
    if op.store.create_code(&CodeHash::from(&code), &grant, interaction, now).await? {
        return Ok(code);
    }
    if interaction.is_some() {
        return Err(Refusal::page(PageProblem::Interaction));
    }
    Err(session_gone(op, &path))
}

/// Everything of the user ended between reading the session and issuing the code, or the consent was withdrawn.
fn session_gone(op: &Provider, path: &ReturnPath) -> Refusal {
    let gone =
        Rejection::new(ErrorCode::LoginRequired, "The session has just ended; send the request again.");
    Refusal::redirect(op, path, gone)
}
