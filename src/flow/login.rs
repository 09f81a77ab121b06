//! Signing in with a password. Unknown, disabled, throttled and wrong look and take the same (S-072); guesses are
//! counted before they are made (S-073); an attacker cannot lock the owner out of a browser that the account
//! knows (S-074).

use std::time::Duration;

use super::Provider;
use super::browser::{Browser, SetCookie};
use super::limiter::network;
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::model::audit::{AuditEntry, Event};
use crate::model::history;
use crate::model::session::LoginSession;
use crate::model::user::{User, login_key};
use crate::password::Verified;
use crate::secret::{
    DeviceCookie, DeviceHash, InteractionHash, Password, SessionCookie, SessionHash, SessionId, UserId,
};
use crate::storage::{Admission, Bucket, Life, NewSession, SignIn};

/// Longest user name or address in bytes; longer ones are nobody's.
const LONGEST_LOGIN: usize = 512;

/// What was typed.
#[derive(Debug)]
pub struct LoginRequest {
    /// User name or e-mail address.
    pub username: String,
    /// The password.
    pub password: Password,
    /// "Stay signed in".
    pub remember: bool,
    /// The interaction it belongs to.
    pub interaction: Option<InteractionHash>,
}

/// What became of it.
#[derive(Debug)]
pub enum LoginOutcome {
    /// Signed in.
    SignedIn(Box<SignedIn>),
    /// Wrong user name or password, or a disabled account.
    Refused,
    /// The guess was right, but the user has as many sessions as allowed, this many, and none may give way.
    Full(u32),
    /// Too many guesses; the next may be made after this long. Nothing was checked.
    Throttled(Duration),
}

/// A new or renewed login session.
#[derive(Debug)]
pub struct SignedIn {
    /// The session.
    pub session: LoginSession,
    /// Who it is.
    pub user: User,
    /// Cookies to set.
    pub cookies: Vec<SetCookie>,
}

/// Checks a password and begins a session.
///
/// # Errors
/// A fault, or 503 where the hashing queue is full.
pub async fn sign_in(
    op: &Provider,
    request: &LoginRequest,
    browser: &Browser,
    now: Timestamp,
) -> Outcome<LoginOutcome> {
    let typed = (request.username.as_str(), &request.password);
    let user = match check_password(op, typed, WRONG_AT_SIGN_IN, browser, now).await? {
        Guess::Right(user) => *user,
        Guess::Wrong => return Ok(LoginOutcome::Refused),
        Guess::Throttled(wait) => return Ok(LoginOutcome::Throttled(wait)),
    };
    begin_session(op, &user, request, browser, now).await
}

/// The outcome of one guess.
#[derive(Debug)]
pub enum Guess {
    /// The password is this user's, and the user is active.
    Right(Box<User>),
    /// It is not, or there is no such active user.
    Wrong,
    /// Nothing was checked.
    Throttled(Duration),
}

/// What the audit log says of a wrong password: at the sign-in page, by whoever is there.
const WRONG_AT_SIGN_IN: &str = "wrong user name or password";
/// The same, by a signed-in user who changes the password.
pub const WRONG_AT_CHANGE: &str = history::WRONG_CURRENT_PASSWORD;

/// The one place that checks a password of a user: sign-in, re-authentication and change all count alike. `wrong` is what
/// the audit log calls a wrong one.
///
/// # Errors
/// A fault, or 503 where the hashing queue is full.
pub async fn check_password(
    op: &Provider,
    (typed, password): (&str, &Password),
    wrong: &'static str,
    browser: &Browser,
    now: Timestamp,
) -> Outcome<Guess> {
    let typed = if typed.len() > LONGEST_LOGIN { "" } else { typed };
    let address = address_bucket(op, browser);
    if let Admission::Throttled(wait) = op.store.reserve_guess(&address, now).await? {
        // For the log alone: what an address may do without limit must not write rows.
        let address = browser.origin.address.as_deref().unwrap_or("");
        tracing::info!(cause = "throttled by address", address, "sign-in failed");
        return Ok(Guess::Throttled(wait));
    }
    let user = op.store.user_by_login(typed).await?;
    let account = account_bucket(op, typed, user.as_ref(), browser, now).await?;
    if let Admission::Throttled(wait) = op.store.reserve_guess(&account, now).await? {
        record_failure(op, user.as_ref(), browser, "throttled by account", now).await?;
        return Ok(Guess::Throttled(wait));
    }
    let stored = user.as_ref().and_then(|user| user.password_phc.clone());
    let verified = match op.passwords.verify(password.clone(), stored.clone()).await {
        Ok(verified) => verified,
        Err(error) => {
            // Nothing was learnt, so nothing is counted.
            op.store.release_guess(&account).await?;
            op.store.release_guess(&address).await?;
            return Err(Rejection::from(error));
        }
    };
    let Verified::Match { rehash } = verified else {
        record_failure(op, user.as_ref(), browser, wrong, now).await?;
        return Ok(Guess::Wrong);
    };
    let Some(user) = user else { return Ok(Guess::Wrong) };
    if !user.is_active() {
        record_failure(op, Some(&user), browser, "the account is disabled", now).await?;
        return Ok(Guess::Wrong);
    }
    op.store.release_guess(&account).await?;
    op.store.release_guess(&address).await?;
    if let (Some(stronger), Some(stored)) = (rehash, stored) {
        op.store.rehash_password(user.id, &stored, &stronger).await?;
    }
    Ok(Guess::Right(Box::new(user)))
}

async fn begin_session(
    op: &Provider,
    user: &User,
    request: &LoginRequest,
    browser: &Browser,
    now: Timestamp,
) -> Outcome<LoginOutcome> {
    let policy = &op.policy.sessions;
    let life = |idle, absolute| Life { idle, expires_at: now.plus(absolute) };
    let cookie = SessionCookie::new(op.entropy.secret("")?);
    let device = match &browser.device {
        Some(device) => device.clone(),
        None => DeviceCookie::new(op.entropy.secret("")?),
    };
    let hash = SessionHash::from(&cookie);
    let new = NewSession {
        id: SessionId(op.entropy.uuid_v7(now)?),
        cookie: hash.clone(),
        user: user.id,
        epoch: user.epoch,
        life: life(policy.idle, policy.absolute),
        remembered: policy.remember_me.then(|| life(policy.remember_idle, policy.remember_absolute)),
        remember: request.remember,
        limit: policy.limit,
        amr: vec!["pwd".to_owned()],
        replaces: browser.session.as_ref().map(SessionHash::from),
        interaction: request.interaction.clone(),
        device: (DeviceHash::from(&device), now.plus(policy.known_device)),
    };
    let entry: AuditEntry = op
        .audit(Event::LoginSucceeded, format!("user:{}", user.id), now)?
        .user(user.id)
        .origin(&browser.origin);
    match op.store.sign_in(&new, now, entry).await? {
        SignIn::Begun(_) => {}
        // "Log out all devices" or "disable" came between: the guess was right, the account has moved on.
        SignIn::Void => return Ok(LoginOutcome::Refused),
        SignIn::Full(most) => {
            record_failure(op, Some(user), browser, "as many sessions as allowed", now).await?;
            return Ok(LoginOutcome::Full(most));
        }
    }
    let found = op.store.session_by_cookie(&hash, now).await?;
    let Some((session, _)) = found else {
        // It has ended already: later sign-ins may have taken its place, or an operator has.
        return Ok(policy.limit.map_or(LoginOutcome::Refused, |limit| LoginOutcome::Full(limit.most)));
    };
    // A session that ends with the browser has no age; a remembered one has its own.
    let age = session.remember.then(|| session.expires_at.since(now).as_secs());
    let cookies =
        vec![SetCookie::Session(cookie, age), SetCookie::Device(device, policy.known_device.as_secs())];
    Ok(LoginOutcome::SignedIn(Box::new(SignedIn { session, user: user.clone(), cookies })))
}

/// One bucket per account, whatever variant of its name or address was typed; a browser that the account knows
/// has a bucket of its own, so that strangers' guesses do not shut its owner out.
async fn account_bucket(
    op: &Provider,
    typed: &str,
    user: Option<&User>,
    browser: &Browser,
    now: Timestamp,
) -> Outcome<Bucket> {
    let policy = &op.policy.throttle;
    let mut known = None;
    if let Some(device) = &browser.device {
        let device = DeviceHash::from(device);
        // Asked for names that nobody has, too: the time must not tell.
        let id = user.map_or(UserId(uuid::Uuid::nil()), |user| user.id);
        known = op.store.is_known_device(&device, id, now).await?.then_some(device);
    }
    let key = match (user, known) {
        (Some(user), Some(device)) => {
            op.secrets.buckets.mac(&[b"device", user.id.0.as_bytes(), device.as_bytes()])
        }
        (Some(user), None) => op.secrets.buckets.mac(&[b"account", user.id.0.as_bytes()]),
        // Names that nobody has are throttled like names that somebody has.
        (None, _) => op.secrets.buckets.mac(&[b"unknown", login_key(typed).as_bytes()]),
    };
    Ok(Bucket { key, period: policy.account_period, burst: policy.account_burst })
}

/// One bucket per IPv4 address or IPv6 /64, the unit that one subscriber has.
fn address_bucket(op: &Provider, browser: &Browser) -> Bucket {
    let network = network(browser.origin.address.as_deref());
    let policy = &op.policy.throttle;
    Bucket {
        key: op.secrets.buckets.mac(&[b"address", network.as_bytes()]),
        period: policy.address_period,
        burst: policy.address_burst,
    }
}

async fn record_failure(
    op: &Provider,
    user: Option<&User>,
    browser: &Browser,
    cause: &'static str,
    now: Timestamp,
) -> Outcome<()> {
    let actor = match user {
        Some(user) if cause == WRONG_AT_CHANGE => format!("user:{}", user.id),
        _ => "anonymous".to_owned(),
    };
    let mut entry = op.audit(Event::LoginFailed, actor, now)?.origin(&browser.origin).cause(cause);
    if let Some(user) = user {
        entry = entry.user(user.id);
    }
    tracing::info!(cause, address = browser.origin.address.as_deref().unwrap_or(""), "sign-in failed");
    Ok(op.store.record(&entry).await?)
}
