//! Changing the password: the current one is a guess like any other, the new one has to pass the policy, and all other
//! sessions end with it (S-073, S-076, S-080).

use std::time::Duration;

use super::Visitor;
use crate::clock::Timestamp;
use crate::digest::ct_eq;
use crate::flow::Provider;
use crate::flow::browser::{Browser, SetCookie};
use crate::flow::login::{self, Guess};
use crate::flow::rejection::Outcome;
use crate::model::audit::Event;
use crate::model::family::EndCause;
use crate::model::password_policy::{self, PasswordContext, PasswordProblem};
use crate::secret::{Password, SessionCookie, SessionHash};
use crate::storage::OwnPassword;

/// What became of a change.
#[derive(Debug)]
pub enum Changed {
    /// The new password holds; this session goes on under a new cookie.
    Done(SetCookie),
    /// The current password is not that.
    Wrong,
    /// Too many guesses; the next may be made after this long. Nothing was checked.
    Throttled(Duration),
    /// The policy refuses the new one.
    Refused(PasswordProblem),
    /// The new one is the current one.
    Same,
    /// This session or the account has moved on meanwhile. Nothing has changed.
    MovedOn,
}

/// Whether a new password is accepted for an account.
///
/// # Errors
/// The reason, which `Display` says to the person who chose it.
pub fn check_policy(
    op: &Provider,
    password: &Password,
    username: &str,
    email: Option<&str>,
) -> Result<(), PasswordProblem> {
    let origin = op.policy.issuer.origin();
    let service = origin.split_once("://").map_or(origin, |(_, host)| host);
    let context = PasswordContext { service, username, email };
    password_policy::check(password, &context, &op.policy.passwords)
}

/// Changes the password of who visits.
///
/// # Errors
/// A fault, or 503 where the hashing queue is full; then nothing has changed.
pub async fn change(
    op: &Provider,
    visitor: &Visitor,
    (current, new): (&Password, Password),
    browser: &Browser,
    now: Timestamp,
) -> Outcome<Changed> {
    let Some(cookie) = &browser.session else { return Ok(Changed::MovedOn) };
    let user = &visitor.user;
    // Before the guess: what is said of the new one says nothing of the current one.
    if let Err(problem) = check_policy(op, &new, &user.username, user.email.as_deref()) {
        return Ok(Changed::Refused(problem));
    }
    let typed = (user.username.as_str(), current);
    let user = match login::check_password(op, typed, login::WRONG_AT_CHANGE, browser, now).await? {
        Guess::Right(user) if user.id == visitor.user.id => *user,
        // The name has passed to another account since.
        Guess::Right(_) => return Ok(Changed::MovedOn),
        Guess::Wrong => return Ok(Changed::Wrong),
        Guess::Throttled(wait) => return Ok(Changed::Throttled(wait)),
    };
    if ct_eq(current.reveal().as_bytes(), new.reveal().as_bytes()) {
        return Ok(Changed::Same);
    }
    let renewed = SessionCookie::new(op.entropy.secret("")?);
    let change = OwnPassword {
        user: user.id,
        epoch: user.epoch,
        phc: op.passwords.hash(new).await?,
        session: visitor.session.id,
        cookies: (SessionHash::from(cookie), SessionHash::from(&renewed)),
    };
    let entry = visitor.audit(op, Event::PasswordChanged, browser, now)?.session(visitor.session.id);
    let entry = entry.cause(EndCause::PasswordChanged.as_str());
    if op.store.change_own_password(&change, entry).await?.is_none() {
        return Ok(Changed::MovedOn);
    }
    let session = &visitor.session;
    let age = session.remember.then(|| session.expires_at.since(now).as_secs());
    Ok(Changed::Done(SetCookie::Session(renewed, age)))
}
