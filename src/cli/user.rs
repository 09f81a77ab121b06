//! `signet user …`

use serde_json::json;

use super::args::{Global, UserCommand, UserCreate, UserSessions, UserUpdate};
use super::context::Context;
use super::output::{Outcome, Report, counted, or_dash, pairs, table};
use super::{ask, claims, device, history};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::admin::users::{self, CreateUser, FamilyEntry, UpdateUser};
use crate::flow::admin::{LONGEST_PAGE, view};
use crate::flow::logout::LoggedOut;
use crate::model::user::User;
use crate::secret::Password;

/// How many events `--history` shows.
const HISTORY: u32 = 50;

/// Runs one command.
pub(super) async fn run(command: &UserCommand, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let op = context.provider().await?;
    match command {
        UserCommand::Create(args) => create(&context, &op, args).await,
        UserCommand::List => list(&op).await,
        UserCommand::Show(args) => {
            let user = users::find(&op, &args.name).await?;
            Ok(Report::new(shown(&user), view::user(&user)))
        }
        UserCommand::Update(args) => update(&context, &op, args).await,
        UserCommand::Disable(args) => {
            let user = users::find(&op, &args.name).await?;
            let done = users::disable(&op, &context.by(), user.id).await?;
            Ok(ended(&user, &format!("{} is disabled and cannot sign in.", user.username), &done))
        }
        UserCommand::Enable(args) => {
            let user = users::find(&op, &args.name).await?;
            let user = users::enable(&op, &context.by(), user.id).await?;
            let text = format!("{} may sign in again. What had ended stays ended.", user.username);
            Ok(Report::new(text, view::user(&user)))
        }
        UserCommand::SetPassword(args) => {
            let user = users::find(&op, &args.name).await?;
            let password = Password::new(ask::secret("New password").await?.as_str());
            let done = users::set_password(&op, &context.by(), user.id, password, None).await?;
            Ok(ended(&user, &format!("{} has a new password.", user.username), &done))
        }
        UserCommand::Sessions(args) => sessions(&context, &op, args).await,
        UserCommand::LogoutAll(args) => {
            let user = users::find(&op, &args.name).await?;
            let done = users::logout_all(&op, &context.by(), user.id).await?;
            Ok(ended(&user, &format!("{} is logged out on all devices.", user.username), &done))
        }
    }
}

async fn create(context: &Context, op: &Provider, args: &UserCreate) -> Outcome {
    let mut claims = claims::read(&args.claims, args.name.as_deref())?;
    // A claim taken away from an account that has none yet is no claim.
    claims.retain(|_, value| !value.is_null());
    let prompt = if args.password_stdin { "Password" } else { "Password of the new user" };
    let password = Password::new(ask::secret(prompt).await?.as_str());
    let request = CreateUser {
        username: args.username.clone(),
        email: args.email.clone(),
        email_verified: args.claims.email_verified,
        password: Some(password),
        roles: args.roles.clone(),
        claims,
    };
    let user = users::create(op, &context.by(), request).await?;
    let text = format!("Created {} with the id {}; sign-in works at once.", user.username, user.id);
    Ok(Report::new(text, view::user(&user)))
}

async fn list(op: &Provider) -> Outcome {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = users::list(op, after, LONGEST_PAGE).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let rows: Vec<_> = all
        .iter()
        .map(|user| {
            [
                user.username.clone(),
                or_dash(user.email.clone()),
                user.roles.join(" "),
                state(user).to_owned(),
                user.id.to_string(),
            ]
        })
        .collect();
    let json = json!({ "users": all.iter().map(view::user).collect::<Vec<_>>() });
    Ok(Report::new(table(["USER", "E-MAIL", "ROLES", "STATE", "ID"], &rows), json))
}

async fn update(context: &Context, op: &Provider, args: &UserUpdate) -> Outcome {
    let user = users::find(op, &args.user).await?;
    let roles = (!args.roles.is_empty() || args.no_roles).then(|| args.roles.clone());
    let change = UpdateUser {
        username: args.username.clone(),
        email: args.email.clone().map(|email| (!email.is_empty()).then_some(email)),
        roles,
        email_verified: args.claims.email_verified.then_some(true),
        claims: claims::read(&args.claims, args.name.as_deref())?,
        ..UpdateUser::default()
    };
    let before = user.roles;
    let user = users::update(op, &context.by(), user.id, &change).await?;
    let lost = before.iter().any(|role| !user.roles.contains(role));
    let effect = if lost && op.policy.sessions.end_on_role_loss {
        "a role was taken away, so all devices are logged out"
    } else {
        "the next token carries it"
    };
    let text = format!("Changed {}; {effect}.\n{}", user.username, shown(&user));
    Ok(Report::new(text, view::user(&user)))
}

async fn sessions(context: &Context, op: &Provider, args: &UserSessions) -> Outcome {
    let user = users::find(op, &args.name).await?;
    let open = users::sessions(op, user.id, context.now()).await?;
    let rows: Vec<_> = open
        .sessions
        .iter()
        .map(|(session, families)| {
            [
                device::name(session.user_agent.as_deref()),
                or_dash(session.address.clone()),
                or_dash(session.place.clone()),
                session.created_at.rfc3339(),
                session.last_seen_at.rfc3339(),
                apps(families),
                session.id.to_string(),
            ]
        })
        .collect();
    let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let mut text = format!("{} is signed in to {}.\n", user.username, counted(count, "browser", "browsers"));
    if !rows.is_empty() {
        text.push_str(&table(["DEVICE", "ADDRESS", "PLACE", "SINCE", "LAST SEEN", "APPS", "SESSION"], &rows));
    }
    if !open.detached.is_empty() {
        text.push_str("\nRefresh tokens that outlive their session (offline_access):\n");
        text.push_str(&detached(&open.detached));
    }
    let mut json = view::sessions(&open);
    if args.history {
        let page = users::history(op, user.id, None, HISTORY).await?;
        text.push_str(&format!("\nWhat happened, newest first:\n{}", history::of_one(&page.items)));
        if page.next.is_some() {
            text.push_str(&format!("\nEarlier: signet audit list --user {} --limit 1000\n", user.username));
        }
        if let Some(members) = json.as_object_mut() {
            members.insert("history".to_owned(), page.items.iter().map(view::audit_entry).collect());
        }
    }
    Ok(Report::new(text, json))
}

fn detached(families: &[FamilyEntry]) -> String {
    let rows: Vec<_> = families
        .iter()
        .map(|family| {
            [
                family.client.to_string(),
                device::name(family.origin.user_agent.as_deref()),
                or_dash(family.origin.address.clone()),
                family.created_at.rfc3339(),
                family.last_used_at.rfc3339(),
            ]
        })
        .collect();
    table(["APP", "DEVICE", "ADDRESS", "SINCE", "LAST REFRESHED"], &rows)
}

/// The apps that hold refresh tokens of a session.
fn apps(families: &[FamilyEntry]) -> String {
    let mut names: Vec<_> = families.iter().map(|family| family.client.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "-".to_owned() } else { names.join(" ") }
}

fn shown(user: &User) -> String {
    pairs(&[
        ("User", user.username.clone()),
        ("Id", user.id.to_string()),
        ("E-mail", or_dash(user.email.clone())),
        ("Verified", if user.email_verified { "yes" } else { "no" }.to_owned()),
        ("Roles", user.roles.join(" ")),
        ("State", state(user).to_owned()),
        ("Password", user.password_phc.as_ref().map_or("none", |_| "set").to_owned()),
        ("Created", user.created_at.rfc3339()),
        ("Claims", serde_json::to_string(&user.claims).unwrap_or_default()),
    ])
}

const fn state(user: &User) -> &'static str {
    if user.is_active() { "active" } else { "disabled" }
}

fn ended(user: &User, what: &str, done: &LoggedOut) -> Report {
    let mut json = view::logged_out(done);
    if let Some(members) = json.as_object_mut() {
        members.insert("user_id".to_owned(), json!(user.id));
        members.insert("username".to_owned(), json!(user.username));
    }
    Report::new(format!("{what} {}", effect(done)), json)
}

/// What ended, and how long tokens may outlive it.
pub(super) fn effect(done: &LoggedOut) -> String {
    let (sessions, families, codes) = (done.ended.sessions, done.ended.families, done.ended.codes);
    let told = match done.relying_parties {
        0 => String::new(),
        many => format!(
            " {} will be told (signet logout report).",
            counted(many, "relying party", "relying parties")
        ),
    };
    format!(
        "Ended: {}, {}, {}.{told} This server refuses their access tokens at once; a service that verifies them by the JWKS \
         alone may accept one until {}.",
        counted(sessions, "session", "sessions"),
        counted(families, "refresh-token family", "refresh-token families"),
        counted(codes, "authorization code", "authorization codes"),
        Timestamp::rfc3339(done.tokens_accepted_until),
    )
}
