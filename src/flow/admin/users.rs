//! Accounts: making, changing, disabling them, and ending what is open under them.

use serde_json::{Map, Value};

use super::{AdminError, Answer, By, Page, audit, merge_patch, page_size};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::account::password::check_policy;
use crate::flow::logout::{self, LoggedOut};
use crate::model::audit::{AuditEntry, Event, Origin};
use crate::model::family::EndCause;
use crate::model::session::LoginSession;
use crate::model::user::{self, NewUser, User};
use crate::oauth::client_metadata::MetadataProblem;
use crate::oauth::{claims, standard_claims};
use crate::secret::{AuditId, ClientId, FamilyHandle, Password, SessionId, UserId};
use crate::storage::{FamilySummary, UserChange};

const MOST_ROLES: usize = 100;
const MOST_CLAIMS: usize = 100;
/// Longest claims of one user as JSON, in bytes: they may travel in tokens.
const LONGEST_CLAIMS: usize = 16 * 1024;
/// How often a change is tried again after another one has come between.
const TRIES: u32 = 3;

/// An account to make.
#[derive(Clone, Debug, Default)]
pub struct CreateUser {
    /// The name people sign in with; without `@`.
    pub username: String,
    /// The e-mail address, also good for signing in.
    pub email: Option<String>,
    /// Whether the address is known to be the user's.
    pub email_verified: bool,
    /// The password; without one nobody can sign in yet.
    pub password: Option<Password>,
    /// Roles.
    pub roles: Vec<String>,
    /// Claims by name (OpenID Connect Core §5.1).
    pub claims: Map<String, Value>,
}

/// What is to change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateUser {
    /// The name people sign in with.
    pub username: Option<String>,
    /// The e-mail address; `Some(None)` takes it away. A new address is unverified unless said otherwise.
    pub email: Option<Option<String>>,
    /// Whether the address is known to be the user's.
    pub email_verified: Option<bool>,
    /// All roles.
    pub roles: Option<Vec<String>>,
    /// Claims to set or, with `null`, to take away (RFC 7396).
    pub claims: Map<String, Value>,
    /// The account's `updated_at` as the caller read it, if that matters.
    pub expected: Option<Timestamp>,
}

/// A refresh-token family as lists show it.
#[derive(Clone, Debug)]
pub struct FamilyEntry {
    /// Its public id.
    pub id: FamilyHandle,
    /// Whose tokens it refreshes.
    pub client: ClientId,
    /// The login session it began in.
    pub session: SessionId,
    /// What was granted.
    pub scope: String,
    /// Whether it outlives its login session (`offline_access`).
    pub offline: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed (or began).
    pub last_used_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Where it began.
    pub origin: Origin,
}

/// What is open under an account.
#[derive(Clone, Debug)]
pub struct UserSessions {
    /// Live login sessions, newest first, each with the families that began in it.
    pub sessions: Vec<(LoginSession, Vec<FamilyEntry>)>,
    /// Families whose login session is over.
    pub detached: Vec<FamilyEntry>,
}

/// Makes an account.
///
/// # Errors
/// A name, address, password, role or claim that cannot be, a name or address that is taken, or a fault.
pub async fn create(op: &Provider, by: &By<'_>, request: CreateUser) -> Answer<User> {
    check_account(&request.username, request.email.as_deref())?;
    check_roles(&request.roles)?;
    check_claims(&request.claims)?;
    let password_phc = match request.password {
        Some(password) => Some(hash(op, password, &request.username, request.email.as_deref()).await?),
        None => None,
    };
    let new = NewUser {
        id: UserId(op.entropy.uuid_v7(by.now)?),
        email_verified: request.email_verified && request.email.is_some(),
        username: request.username,
        email: request.email,
        password_phc,
        roles: request.roles,
        claims: request.claims,
    };
    let entry = by.audit(op, Event::UserCreated)?.user(new.id);
    op.store.create_user(&new, by.now, &entry).await?;
    show(op, new.id).await
}

/// The user with this id.
///
/// # Errors
/// No such user, or a fault.
pub async fn show(op: &Provider, id: UserId) -> Answer<User> {
    op.store.user(id).await?.ok_or(AdminError::NotFound("user"))
}

/// The user with this id, user name or e-mail address.
///
/// # Errors
/// No such user, or a fault.
pub async fn find(op: &Provider, name: &str) -> Answer<User> {
    if let Ok(id) = name.parse()
        && let Some(user) = op.store.user(id).await?
    {
        return Ok(user);
    }
    op.store.user_by_login(name).await?.ok_or(AdminError::NotFound("user"))
}

/// Users in the order of their creation; `after` is the last user of the page before.
///
/// # Errors
/// A fault.
pub async fn list(op: &Provider, after: Option<UserId>, limit: u32) -> Answer<Page<User, UserId>> {
    let limit = page_size(limit);
    Ok(Page::cut(op.store.users(after, limit + 1).await?, limit, |user| user.id))
}

/// Changes an account: the next token carries the new roles and claims. Where a role is taken away and the policy says
/// so, everything of the user ends (S-080).
///
/// # Errors
/// No such user, a value that cannot be or is taken, [`AdminError::Changed`], or a fault.
pub async fn update(op: &Provider, by: &By<'_>, id: UserId, request: &UpdateUser) -> Answer<User> {
    for _ in 0..TRIES {
        let user = show(op, id).await?;
        if request.expected.is_some_and(|expected| expected != user.updated_at) {
            return Err(AdminError::Changed);
        }
        let mut change = changed(&user, request)?;
        let mut entry = by.audit(op, Event::UserUpdated)?.user(id);
        if op.policy.sessions.end_on_role_loss && loses_role(&user, &change) {
            change.ends = Some(EndCause::RoleLost);
            entry = entry.cause(EndCause::RoleLost.as_str());
        }
        if op.store.update_user(id, &change, by.now, &entry).await? {
            return show(op, id).await;
        }
    }
    Err(AdminError::Changed)
}

/// Blocks an account and ends everything of it: sessions, refresh tokens, codes.
///
/// # Errors
/// No such user, or a fault; then nothing has changed.
pub async fn disable(op: &Provider, by: &By<'_>, id: UserId) -> Answer<LoggedOut> {
    let entry = by.audit(op, Event::UserDisabled)?.user(id);
    let ended = op.store.disable_user(id, by.now, entry).await?.ok_or(AdminError::NotFound("user"))?;
    Ok(LoggedOut::new(op, ended, by.now))
}

/// Lets a disabled user sign in again. What had ended stays ended.
///
/// # Errors
/// No such user, or a fault.
pub async fn enable(op: &Provider, by: &By<'_>, id: UserId) -> Answer<User> {
    let entry = by.audit(op, Event::UserEnabled)?.user(id);
    // `false` is a user who is so already, or none: reading it tells.
    op.store.enable_user(id, by.now, &entry).await?;
    show(op, id).await
}

/// Sets a password and ends everything of the user but the session `keep`.
///
/// # Errors
/// No such user, a password that the policy refuses, or a fault; then nothing has changed.
pub async fn set_password(
    op: &Provider,
    by: &By<'_>,
    id: UserId,
    password: Password,
    keep: Option<SessionId>,
) -> Answer<LoggedOut> {
    let user = show(op, id).await?;
    let phc = hash(op, password, &user.username, user.email.as_deref()).await?;
    let entry = by.audit(op, Event::PasswordChanged)?.user(id);
    let ended = op.store.set_password(id, &phc, keep, entry).await?;
    Ok(LoggedOut::new(op, ended.ok_or(AdminError::NotFound("user"))?, by.now))
}

/// "Log out all devices".
///
/// # Errors
/// No such user, or a fault; then nothing has ended.
pub async fn logout_all(op: &Provider, by: &By<'_>, id: UserId) -> Answer<LoggedOut> {
    logout::all_devices(op, id, by.actor, by.origin, by.now).await?.ok_or(AdminError::NotFound("user"))
}

/// What is open under an account: at most 200 login sessions and 200 families.
///
/// # Errors
/// No such user, or a fault.
pub async fn sessions(op: &Provider, id: UserId, now: Timestamp) -> Answer<UserSessions> {
    show(op, id).await?;
    let live = op.store.sessions_of(id, now).await?;
    let families = op.store.families_of(id, now).await?;
    let mut families: Vec<_> = families.into_iter().map(FamilyEntry::from).collect();
    let sessions = live.into_iter().map(|session| {
        let (own, rest) = std::mem::take(&mut families).into_iter().partition(|f| f.session == session.id);
        families = rest;
        (session, own)
    });
    let sessions = sessions.collect();
    Ok(UserSessions { sessions, detached: families })
}

/// What happened to an account, newest first: why a session ended is told here.
///
/// # Errors
/// A fault.
pub async fn history(
    op: &Provider,
    id: UserId,
    before: Option<AuditId>,
    limit: u32,
) -> Answer<Page<AuditEntry, AuditId>> {
    let filter = audit::Filter { user: Some(id), ..audit::Filter::default() };
    audit::page(op, &filter, before, limit).await
}

impl From<FamilySummary> for FamilyEntry {
    fn from(family: FamilySummary) -> Self {
        Self {
            id: family.handle,
            client: family.client,
            session: family.session,
            scope: family.scope,
            offline: family.offline,
            created_at: family.created_at,
            last_used_at: family.last_used_at,
            expires_at: family.expires_at,
            origin: family.origin,
        }
    }
}

async fn hash(op: &Provider, password: Password, username: &str, email: Option<&str>) -> Answer<String> {
    check_policy(op, &password, username, email)
        .map_err(|problem| AdminError::invalid("password", problem.to_string()))?;
    Ok(op.passwords.hash(password).await.map_err(crate::flow::rejection::Rejection::from)?)
}

fn changed(user: &User, request: &UpdateUser) -> Answer<UserChange> {
    let username = request.username.clone().unwrap_or_else(|| user.username.clone());
    let email = request.email.clone().unwrap_or_else(|| user.email.clone());
    check_account(&username, email.as_deref())?;
    let known = email == user.email && user.email_verified;
    let email_verified = request.email_verified.unwrap_or(known) && email.is_some();
    let roles = request.roles.clone().unwrap_or_else(|| user.roles.clone());
    check_roles(&roles)?;
    let mut claims = user.claims.clone();
    merge_patch::merge(&mut claims, &request.claims);
    check_claims(&claims)?;
    Ok(UserChange { read_at: user.updated_at, username, email, email_verified, roles, claims, ends: None })
}

fn loses_role(user: &User, change: &UserChange) -> bool {
    user.roles.iter().any(|role| !change.roles.contains(role))
}

fn check_account(username: &str, email: Option<&str>) -> Answer<()> {
    user::check_username(username).map_err(|problem| AdminError::invalid("username", problem))?;
    if let Some(email) = email {
        user::check_email(email).map_err(|problem| AdminError::invalid("email", problem))?;
    }
    Ok(())
}

fn check_roles(roles: &[String]) -> Answer<()> {
    let sound = |role: &String| (1..=100).contains(&role.len()) && role.bytes().all(|b| b.is_ascii_graphic());
    if roles.len() > MOST_ROLES || !roles.iter().all(sound) {
        return Err(AdminError::invalid(
            "roles",
            "Give at most 100 roles, each of 1 to 100 printable ASCII characters without spaces.",
        ));
    }
    let distinct: std::collections::HashSet<_> = roles.iter().collect();
    if distinct.len() != roles.len() {
        return Err(AdminError::invalid("roles", "A role is listed twice. List each once."));
    }
    Ok(())
}

/// Claims that this server decides itself cannot be stored; nor can those that have a place of their own, nor standard
/// ones of another type than the standard's.
fn check_claims(claims: &Map<String, Value>) -> Answer<()> {
    const OWN_PLACE: [&str; 5] = ["preferred_username", "email", "email_verified", "roles", "updated_at"];
    for (name, value) in claims {
        claims::check_name(name).map_err(|problem| MetadataProblem::quoting("claims", name, problem))?;
        if OWN_PLACE.contains(&name.as_str()) {
            return Err(AdminError::invalid("claims", format!("{name:?} follows from the account itself.")));
        }
        standard_claims::check(name, value)
            .map_err(|problem| MetadataProblem::quoting("claims", name, problem))?;
    }
    let bytes = serde_json::to_string(claims).map_or(usize::MAX, |text| text.len());
    if claims.len() > MOST_CLAIMS || bytes > LONGEST_CLAIMS {
        return Err(AdminError::invalid("claims", "Give at most 100 claims of 16 KiB together."));
    }
    Ok(())
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
