//! What waits for a person to sign in: a client's authorization request, or a visit to a page of the account. Either is
//! bound to the browser that began it, is answered once, and is kept at the server (S-017, S-084).

use serde::{Deserialize, Serialize};

use super::Provider;
use super::authorize::problem::{PageProblem, Refusal};
use super::authorize::request::AuthorizationRequest;
use super::authorize::response::Delivery;
use super::authorize::{self, OpenInteraction, Step};
use super::browser::{Browser, SetCookie};
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::digest::base64url;
use crate::model::account::AccountPage;
use crate::model::session::LoginSession;
use crate::oauth::error::ErrorCode;
use crate::secret::{BrowserCookie, BrowserHash, InteractionHandle, InteractionHash};
use crate::storage::Interaction;

/// What a person is to sign in for. Kept in this form.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A client asks.
    Authorization(Box<AuthorizationRequest>),
    /// This server asks.
    Account(Visit),
}

/// A visit to a page of the account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Visit {
    /// Where the way leads back to.
    pub page: AccountPage,
    /// Whether the sign-in has to be fresh (`policy.sessions.fresh`), and not just there.
    pub fresh: bool,
    /// Who is signed in already, to begin the form with.
    pub login_hint: Option<String>,
}

/// An interaction under way, proven to be this browser's.
#[derive(Debug)]
pub enum Opened {
    /// Of a client.
    Authorization(Box<OpenInteraction>),
    /// Of this server.
    Account(OpenVisit),
}

/// A visit under way.
#[derive(Debug)]
pub struct OpenVisit {
    /// Its handle.
    pub handle: InteractionHandle,
    /// What it is for.
    pub visit: Visit,
    stored: Interaction,
    address: Option<String>,
}

impl Opened {
    /// Its handle.
    pub const fn handle(&self) -> &InteractionHandle {
        match self {
            Self::Authorization(interaction) => &interaction.handle,
            Self::Account(visit) => &visit.handle,
        }
    }

    /// What storage knows the handle by.
    pub fn hash(&self) -> InteractionHash {
        InteractionHash::from(self.handle())
    }

    /// Who is likely to sign in.
    pub fn login_hint(&self) -> Option<&str> {
        match self {
            Self::Authorization(interaction) => interaction.request.login_hint.as_deref(),
            Self::Account(visit) => visit.visit.login_hint.as_deref(),
        }
    }
}

/// The interaction of a handle, if it is this browser's (S-017).
///
/// # Errors
/// [`PageProblem::Interaction`], or a fault.
pub async fn open(op: &Provider, handle: &str, browser: &Browser, now: Timestamp) -> Result<Opened, Refusal> {
    let gone = || Refusal::page(PageProblem::Interaction);
    let handle = InteractionHandle::new(handle);
    let stored = op.store.interaction(&InteractionHash::from(&handle), now).await?.ok_or_else(gone)?;
    let binding = browser.binding.as_ref().ok_or_else(gone)?;
    if !stored.browser.matches(binding) {
        return Err(gone());
    }
    let origin = browser.origin.clone();
    // One that another version has stored cannot be gone on with: the person begins again.
    match serde_json::from_str(&stored.request).map_err(|_| gone())? {
        Purpose::Account(visit) => {
            Ok(Opened::Account(OpenVisit { handle, visit, stored, address: origin.address }))
        }
        Purpose::Authorization(request) => {
            let client = op.clients.get(&op.store, &request.client, now).await?;
            let client = client.filter(|client| client.is_active()).ok_or_else(gone)?;
            // Taken away meanwhile, as after an attack on what is there.
            if !request.is_answerable(&client) {
                return Err(gone());
            }
            let interaction = OpenInteraction { handle, request: *request, client, stored, origin };
            Ok(Opened::Authorization(Box::new(interaction)))
        }
    }
}

/// Keeps an interaction, if this address has not begun too many; with it a cookie for a browser that has no binding.
///
/// # Errors
/// A page.
pub(super) async fn keep(
    op: &Provider,
    purpose: &Purpose,
    browser: &Browser,
    now: Timestamp,
) -> Result<(InteractionHandle, Option<SetCookie>), Refusal> {
    if !op.unfinished.admit(browser.origin.address.as_deref(), now) {
        return Err(Refusal::page(PageProblem::Rejected(Rejection::hidden(
            ErrorCode::TemporarilyUnavailable,
            "Too many sign-ins have begun at this address and not ended. Try again in a moment.",
            "unfinished sign-ins of this address",
        ))));
    }
    let (binding, cookie) = match &browser.binding {
        Some(binding) => (binding.clone(), None),
        None => {
            let fresh = binding_of(op, browser)?;
            (fresh.clone(), Some(SetCookie::Binding(fresh)))
        }
    };
    let handle = InteractionHandle::new(op.entropy.secret("")?);
    let interaction = Interaction {
        browser: BrowserHash::from(&binding),
        client: match purpose {
            Purpose::Authorization(request) => Some(request.client.clone()),
            Purpose::Account(_) => None,
        },
        request: serde_json::to_string(purpose).map_err(|error| Rejection::fault(&error))?,
        session: None,
        expires_at: now.plus(op.policy.sessions.interaction),
    };
    op.store.create_interaction(&InteractionHash::from(&handle), &interaction, now).await?;
    Ok((handle, cookie))
}

/// Begins a visit that needs a sign-in first.
///
/// # Errors
/// A page.
pub async fn visit(
    op: &Provider,
    visit: Visit,
    browser: &Browser,
    now: Timestamp,
) -> Result<authorize::Answer, Refusal> {
    let (handle, cookie) = keep(op, &Purpose::Account(visit), browser, now).await?;
    Ok(authorize::Answer { step: Step::Login(handle), cookie })
}

/// Goes on after a sign-in.
///
/// # Errors
/// A page or a redirect.
pub async fn resume(
    op: &Provider,
    interaction: Opened,
    session: LoginSession,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let visit = match interaction {
        Opened::Authorization(interaction) => {
            return authorize::resume(op, *interaction, Some(session), now).await;
        }
        Opened::Account(visit) => visit,
    };
    let within = visit.stored.session == Some(session.id);
    if visit.visit.fresh && !within && !is_fresh(op, &session, now) {
        return Ok(Step::Login(visit.handle));
    }
    close(op, &visit, now).await?;
    Ok(Step::Return(Delivery::Redirect(visit.visit.page.path().to_owned())))
}

/// Ends an interaction that the person does not want to go on with.
///
/// # Errors
/// [`PageProblem::Interaction`] where it has been answered before.
pub async fn cancel(
    op: &Provider,
    interaction: &Opened,
    browser: &Browser,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let visit = match interaction {
        Opened::Authorization(interaction) => return authorize::deny(op, interaction, now).await,
        Opened::Account(visit) => visit,
    };
    close(op, visit, now).await?;
    // Who is signed in goes back to where they were; anybody else would only be asked again there.
    let signed_in = authorize::session(op, browser, now).await?.is_some();
    let back = if signed_in { visit.visit.page.path() } else { "/" };
    Ok(Step::Return(Delivery::Redirect(back.to_owned())))
}

/// Whether the user has proven recently enough who they are for what is sensitive (S-081).
pub fn is_fresh(op: &Provider, session: &LoginSession, now: Timestamp) -> bool {
    now.since(session.auth_time) <= op.policy.sessions.fresh
}

async fn close(op: &Provider, visit: &OpenVisit, now: Timestamp) -> Result<(), Refusal> {
    if !op.store.consume_interaction(&InteractionHash::from(&visit.handle), now).await? {
        return Err(Refusal::page(PageProblem::Interaction));
    }
    op.unfinished.release(visit.address.as_deref());
    Ok(())
}

/// A browser that has signed in here before gets the same binding in all tabs that begin at the same moment, so that
/// they do not displace one another's; any other a random one.
fn binding_of(op: &Provider, browser: &Browser) -> Outcome<BrowserCookie> {
    Ok(BrowserCookie::new(match &browser.device {
        Some(device) => base64url(op.secrets.forms.mac(&[b"browser", device.reveal().as_bytes()]).as_bytes()),
        None => op.entropy.secret("")?,
    }))
}
