//! Logout that a relying party asks for (OpenID Connect RP-Initiated Logout 1.0), and the pages of relying parties that
//! the browser loads with it (OpenID Connect Front-Channel Logout 1.0).

use std::sync::Arc;

use signet_verify::jose::claims::{Claims, Expect};
use signet_verify::jose::jws::Rejected;

use super::Provider;
use super::authorize::problem::{PageProblem, Refusal};
use super::browser::Browser;
use super::login_session::{self, Current, Presence};
use super::rejection::{Outcome, Rejection};
use super::subject;
use crate::clock::Timestamp;
use crate::model::audit::Event;
use crate::model::client::Client;
use crate::model::family::EndCause;
use crate::model::session::LoginSession;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;
use crate::oauth::proven::ProvenRedirectUri;
use crate::oauth::registration::Registered;
use crate::oauth::uri::origin_of;
use crate::secret::{ClientId, SessionId};

/// What comes next.
#[derive(Debug)]
pub enum Step {
    /// The person is asked first.
    Ask(Box<Question>),
    /// There is nobody signed in here (any more).
    Done(Done),
}

/// What the person is asked.
#[derive(Debug)]
pub struct Question {
    /// The relying party, where it is known.
    pub client: Option<Arc<Client>>,
    /// The name of the account; `None` where whoever is there has not shown to be its owner.
    pub account: Option<String>,
    /// What the page's policy has to allow, so that the way leads on afterwards.
    pub target: Option<String>,
}

/// What a finished logout leads to.
#[derive(Debug, Default)]
pub struct Done {
    /// Pages of relying parties to load.
    pub frames: Vec<Frame>,
    /// Where to go on.
    pub back: Option<String>,
    /// The relying party whose address that is.
    pub client: Option<Arc<Client>>,
    /// Whether that is to happen by itself; otherwise it is offered.
    pub by_itself: bool,
    /// Whether a session has ended now.
    pub ended: bool,
}

/// A page of a relying party that ends its own session (OpenID Connect Front-Channel Logout §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its address.
    pub uri: String,
    /// The origin of that.
    pub origin: String,
}

/// What a relying party asks for, checked.
struct Wish {
    client: Option<Arc<Client>>,
    /// Session and subject of the ID token that proves it.
    proof: Option<(SessionId, String)>,
    /// Where to go on, and the `state` that goes with it.
    back: Option<(ProvenRedirectUri, Option<String>)>,
}

impl Wish {
    /// Whether the way back may be taken although there was nobody to sign out: the ID token is of a client that an
    /// operator has registered. One that registered itself could make a redirector for everybody of its own address and
    /// its own ID token (RFC 9700 §4.11.2).
    fn is_vouched_for(&self) -> bool {
        let by_operator = |client: &Arc<Client>| client.registered == Registered::Operator;
        self.proof.is_some() && self.client.as_ref().is_some_and(by_operator)
    }

    fn way_back(&self) -> Option<String> {
        let (uri, state) = self.back.as_ref()?;
        let state = state.as_deref().map(|state| ("state", state));
        Some(uri.with_params(state.as_slice()))
    }
}

/// Answers a logout request: ends the session of this browser where the hint proves that the relying party means it,
/// otherwise asks.
///
/// # Errors
/// A page: a request that contradicts itself, or an address that is not the relying party's. Nothing has ended then.
pub async fn begin(
    op: &Provider,
    params: &Params,
    browser: &Browser,
    now: Timestamp,
) -> Result<Step, Refusal> {
    answer(op, params, browser, false, now).await
}

/// The same once the person has said yes.
///
/// # Errors
/// As [`begin`].
pub async fn confirmed(
    op: &Provider,
    params: &Params,
    browser: &Browser,
    now: Timestamp,
) -> Result<Step, Refusal> {
    answer(op, params, browser, true, now).await
}

async fn answer(
    op: &Provider,
    params: &Params,
    browser: &Browser,
    confirmed: bool,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let wish = wish(op, params, now).await?;
    let (current, known) = match login_session::presence(op, browser, now).await? {
        Presence::SignedIn(current) => (current, true),
        // All it may do is end.
        Presence::Unconfirmed(current) => (current, false),
        Presence::Nobody => {
            let by_itself = confirmed || wish.is_vouched_for();
            let back = wish.way_back();
            return Ok(Step::Done(Done { back, client: wish.client, by_itself, ..Done::default() }));
        }
    };
    if confirmed || proves(op, &wish, &current.session) {
        return Ok(Step::Done(end(op, wish, &current.session, browser, now).await?));
    }
    Ok(Step::Ask(Box::new(question(wish, *current, known))))
}

fn question(wish: Wish, current: Current, known: bool) -> Question {
    Question {
        client: wish.client,
        account: known.then_some(current.username),
        target: wish.back.map(|(uri, _)| uri.csp_source()),
    }
}

/// Whether the ID token is of this very session and its user.
fn proves(op: &Provider, wish: &Wish, session: &LoginSession) -> bool {
    let (Some(client), Some((sid, sub))) = (&wish.client, &wish.proof) else { return false };
    *sid == session.id && *sub == subject::of(op, client, session.user)
}

async fn end(
    op: &Provider,
    wish: Wish,
    session: &LoginSession,
    browser: &Browser,
    now: Timestamp,
) -> Outcome<Done> {
    let frames = frames(op, session.id, now).await?;
    let mut entry = op
        .audit(Event::SessionEnded, format!("user:{}", session.user), now)?
        .user(session.user)
        .session(session.id)
        .origin(&browser.origin)
        .cause(EndCause::Logout.as_str());
    if let Some(client) = &wish.client {
        entry = entry.client(&client.id);
    }
    op.store.end_session(session.id, EndCause::Logout, now, entry).await?;
    let back = wish.way_back();
    Ok(Done { frames, back, client: wish.client, by_itself: true, ended: true })
}

/// The pages that the browser is to load when a session ends, each once (OpenID Connect Front-Channel Logout §2, §3).
///
/// # Errors
/// A storage fault.
pub async fn frames(op: &Provider, session: SessionId, now: Timestamp) -> Outcome<Vec<Frame>> {
    let mut frames = Vec::new();
    for id in op.store.clients_of_session(session).await? {
        let Some(client) = active(op, &id, now).await? else { continue };
        let Some(uri) = client.metadata.frontchannel_logout_uri.as_deref() else { continue };
        let Some(origin) = origin_of(uri) else { continue };
        let uri = if client.metadata.frontchannel_logout_session_required {
            let parameters = [("iss", op.policy.issuer.as_str()), ("sid", &session.to_string())];
            ProvenRedirectUri::restored(uri.to_owned()).with_params(&parameters)
        } else {
            uri.to_owned()
        };
        let frame = Frame { uri, origin };
        if !frames.contains(&frame) {
            frames.push(frame);
        }
    }
    Ok(frames)
}

async fn active(op: &Provider, id: &ClientId, now: Timestamp) -> Outcome<Option<Arc<Client>>> {
    Ok(op.clients.get(&op.store, id, now).await?.filter(|client| client.is_active()))
}

/// Reads a request (OpenID Connect RP-Initiated Logout §2). `logout_hint` and `ui_locales` are read by nobody.
async fn wish(op: &Provider, params: &Params, now: Timestamp) -> Result<Wish, Refusal> {
    let named = params.get("client_id").map(ClientId::from);
    let hint = match hint(op, params, now) {
        Ok(hint) => hint,
        Err(reason) => {
            // It proves nothing, so the person decides; and with a wrong proof nobody is led anywhere.
            tracing::info!(?reason, "the id_token_hint of a logout request is no ID token of this server");
            return Ok(Wish { client: None, proof: None, back: None });
        }
    };
    let (client, proof) = match hint {
        Some(claims) => {
            let hinted = hinted(&claims)?;
            if named.is_some_and(|named| named != hinted.0) {
                return Err(Rejection::invalid_request(
                    "The client_id is not the one that the id_token_hint was issued to.",
                )
                .into());
            }
            (active(op, &hinted.0, now).await?, hinted.1)
        }
        None => match named {
            Some(named) => {
                let client = active(op, &named, now).await?;
                if client.is_none() {
                    return Err(Rejection::new(
                        ErrorCode::InvalidClient,
                        "There is no client with this client_id.",
                    )
                    .into());
                }
                (client, None)
            }
            None => (None, None),
        },
    };
    let back = client.as_deref().map_or(Ok(None), |client| back(client, params))?;
    // What a client that is no more was given proves nothing any more.
    let proof = proof.filter(|_| client.is_some());
    Ok(Wish { client, proof, back })
}

/// Whom an ID token was issued to, and what it proves.
fn hinted(claims: &Claims) -> Result<(ClientId, Option<(SessionId, String)>), Rejection> {
    let audience = claims.list("aud");
    let [client] = audience.as_slice() else {
        return Err(Rejection::invalid_request("The id_token_hint is not an ID token of this server."));
    };
    let session = claims.str("sid").and_then(|sid| sid.parse().ok());
    let proof = session.zip(claims.str("sub").map(str::to_owned));
    Ok((ClientId::from(*client), proof))
}

/// The ID token of `id_token_hint`, expired or not (OpenID Connect RP-Initiated Logout §2). One whose key has been
/// removed counts as not sent, as at the authorization endpoint.
fn hint(op: &Provider, params: &Params, now: Timestamp) -> Result<Option<Claims>, Rejected> {
    let Some(hint) = params.get("id_token_hint") else { return Ok(None) };
    let typ = [super::issue::ID_TOKEN_TYPE];
    let mut expect = Expect::new(&typ, op.policy.issuer.as_str(), now.millis());
    expect.allow_expired = true;
    match op.keys.current().verify(hint, &expect) {
        Ok(claims) => Ok(Some(claims)),
        Err(Rejected::KidUnknown | Rejected::KeyRemoved) => Ok(None),
        Err(reason) => Err(reason),
    }
}

/// `post_logout_redirect_uri`, which must be registered exactly as it is sent (OpenID Connect RP-Initiated Logout §3),
/// with `state`.
fn back(client: &Client, params: &Params) -> Result<Option<(ProvenRedirectUri, Option<String>)>, Refusal> {
    let Some(uri) = params.get("post_logout_redirect_uri") else { return Ok(None) };
    let registered = client.metadata.post_logout_redirect_uris.iter().find(|known| known.as_str() == uri);
    let registered = registered.ok_or_else(|| {
        Refusal::page(PageProblem::Rejected(Rejection::invalid_request(
            "The post_logout_redirect_uri is not registered for this client. Register it, exactly as sent.",
        )))
    })?;
    let uri = ProvenRedirectUri::restored(registered.as_str().to_owned());
    Ok(Some((uri, params.get("state").map(str::to_owned))))
}
