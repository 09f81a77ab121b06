//! Who is signed in in a browser: the one place where the cookie of a login session is read, and where the policy about
//! sessions that come back from elsewhere is applied (docs/operations.md, "Session policy").

use super::Provider;
use super::browser::Browser;
use super::rejection::Outcome;
use crate::clock::Timestamp;
use crate::model::audit::{AuditEntry, Event, Origin};
use crate::model::family::EndCause;
use crate::model::session::LoginSession;
use crate::model::session_policy::{Change, Seen, SoftBinding, judge};
use crate::secret::{SessionHash, SessionId, UserId};
use crate::storage::Rotated;

/// A live session and its user's name.
#[derive(Clone, Debug)]
pub struct Current {
    /// The session.
    pub session: LoginSession,
    /// Who is signed in.
    pub username: String,
}

/// Who is at a browser.
#[derive(Debug)]
pub enum Presence {
    /// Nobody: no cookie, or one that authenticates nobody any more.
    Nobody,
    /// A live session whose cookie comes from elsewhere. It counts as not signed in until the password has been given
    /// here; all it may do is end.
    Unconfirmed(Box<Current>),
    /// A signed-in user.
    SignedIn(Box<Current>),
}

/// Who is at `browser`, once the policy has been applied. A session that goes on is noted as seen.
///
/// # Errors
/// A fault; then nobody is to be taken for signed in.
pub async fn presence(op: &Provider, browser: &Browser, now: Timestamp) -> Outcome<Presence> {
    let Some(cookie) = &browser.session else { return Ok(Presence::Nobody) };
    let found = op.store.session_by_cookie(&SessionHash::from(cookie), now).await?;
    let Some((session, username)) = found else { return Ok(Presence::Nobody) };
    let change = admit(op, &session, &browser.origin, now).await?;
    let current = Box::new(Current { session, username });
    Ok(match change {
        Change::Ignore | Change::Note => Presence::SignedIn(current),
        Change::Reauthenticate => Presence::Unconfirmed(current),
        Change::End => Presence::Nobody,
    })
}

/// The signed-in user of `browser`, if there is one: [`presence`] for whoever needs no more.
///
/// # Errors
/// A fault; then nobody is to be taken for signed in.
pub async fn current(op: &Provider, browser: &Browser, now: Timestamp) -> Outcome<Option<Current>> {
    Ok(match presence(op, browser, now).await? {
        Presence::SignedIn(current) => Some(*current),
        Presence::Nobody | Presence::Unconfirmed(_) => None,
    })
}

/// Applies the policy to a live session that is used from `origin`, however it was found. [`Change::Ignore`] and
/// [`Change::Note`]: it goes on, and is noted as seen; [`Change::Reauthenticate`]: not until the password has been given
/// there; [`Change::End`]: it has ended.
///
/// # Errors
/// A fault; then the session is not to be used.
pub async fn admit(
    op: &Provider,
    session: &LoginSession,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<Change> {
    let binding = op.policy.sessions.binding();
    let judgement = judge(session.seen(), origin.seen(), binding);
    if judgement.change == Change::Ignore {
        op.store.touch_session(session, now).await?;
        return Ok(Change::Ignore);
    }
    let whose = (session.user, session.id);
    let moved = moved(op, whose, (session.seen(), origin), judgement.cause(), now)?;
    match judgement.change {
        Change::Ignore => {}
        Change::Note => {
            op.store.move_session(session, origin, &moved).await?;
            op.store.touch_session(session, now).await?;
        }
        Change::Reauthenticate => {
            let mark = origin.seen().mark(binding);
            op.store.hold_session(session.id, &mark, &moved).await?;
        }
        Change::End => {
            let cause = EndCause::SessionMoved.as_str();
            let ended = about(op, Event::SessionEnded, whose, origin, now)?.cause(cause);
            op.store.end_moved_session(session.id, &moved, &ended).await?;
        }
    }
    tracing::info!(session = %session.id, cause = judgement.cause(), answer = ?judgement.change, "session moved");
    Ok(judgement.change)
}

/// Applies the policy to a family whose refresh token has come in a cookie from `origin` and has been rotated; where
/// nothing has changed, without asking the database. What [`admit`] says of sessions holds, for the token:
/// [`Change::Reauthenticate`] gives out nothing and leaves the cookie alone. The family's owner, in the browser that it
/// is noted for, goes on with the token there, which counts as a retry; one sign-in in the new browser begins a family
/// of its own.
///
/// # Errors
/// A fault; then nothing is to be given out, and the same token may be presented again.
pub async fn admit_family(
    op: &Provider,
    rotated: &Rotated,
    origin: &Origin,
    now: Timestamp,
) -> Outcome<Change> {
    let (family, binding) = (&rotated.family, op.policy.sessions.binding());
    let judgement = judge(rotated.origin.seen(), origin.seen(), binding);
    let Some(session) = family.session.filter(|_| judgement.change > Change::Ignore) else {
        return Ok(Change::Ignore);
    };
    let whose = (family.user, session);
    let moved = moved(op, whose, (rotated.origin.seen(), origin), judgement.cause(), now)?;
    let moved = moved.client(&family.client);
    match judgement.change {
        Change::Ignore => {}
        Change::Note => {
            op.store.move_family(family.handle, &rotated.origin, origin, &moved).await?;
        }
        Change::Reauthenticate => {
            op.store.hold_session(session, &origin.seen().mark(binding), &moved).await?;
        }
        Change::End => {
            let cause = EndCause::SessionMoved;
            let ended = about(op, Event::SessionEnded, whose, origin, now)?.cause(cause.as_str());
            if op.store.end_moved_session(session, &moved, &ended).await?.is_none() {
                // The login session is over already, and the family has outlived it.
                let ended = about(op, Event::FamilyEnded, whose, origin, now)?.cause(cause.as_str());
                op.store.end_family(family.handle, None, cause, ended).await?;
            }
        }
    }
    Ok(judgement.change)
}

/// Whether [`admit_family`] would let a family go on; changes nothing.
pub fn would_admit(op: &Provider, rotated: &Rotated, origin: &Origin) -> bool {
    let judgement = judge(rotated.origin.seen(), origin.seen(), op.policy.sessions.binding());
    judgement.change <= Change::Note
}

/// The entry that says from where to where.
fn moved(
    op: &Provider,
    whose: (UserId, SessionId),
    (from, to): (Seen<'_>, &Origin),
    cause: &'static str,
    now: Timestamp,
) -> Outcome<AuditEntry> {
    let details = serde_json::json!({ "from": from.words(), "to": to.seen().words() });
    Ok(about(op, Event::SessionMoved, whose, to, now)?.cause(cause).details(details.to_string()))
}

/// Nobody has proved to be the user: it is the server that acts.
fn about(
    op: &Provider,
    event: Event,
    (user, session): (UserId, SessionId),
    origin: &Origin,
    now: Timestamp,
) -> Outcome<AuditEntry> {
    Ok(op.audit(event, "system", now)?.user(user).session(session).origin(origin))
}

impl SoftBinding {
    /// Whether any change may keep a session from going on.
    pub fn is_strict(self) -> bool {
        self.browser > Change::Note || self.network > Change::Note
    }
}

impl super::policy::SessionPolicy {
    /// What follows which change of a browser.
    pub const fn binding(&self) -> SoftBinding {
        SoftBinding { browser: self.on_new_browser, network: self.on_new_network }
    }
}
