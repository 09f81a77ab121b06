//! `signet session …` and `signet audit …`

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::json;

use super::args::{AuditCommand, AuditList, Global, SessionCommand};
use super::context::Context;
use super::output::{Failure, Outcome, Report};
use super::{history, user};
use crate::flow::Provider;
use crate::flow::admin::{LONGEST_PAGE, audit, sessions, users, view};
use crate::model::audit::{AuditEntry, Event};
use crate::secret::{AuditId, ClientId, SessionId, UserId};

/// Runs one command on sessions.
pub(super) async fn run(command: &SessionCommand, global: &Global) -> Outcome {
    let SessionCommand::End(args) = command;
    let id: SessionId = args
        .id
        .parse()
        .map_err(|_| Failure::usage("a session id is a UUID, as `signet user sessions` shows it"))?;
    let context = Context::new(global)?;
    let op = context.provider().await?;
    let done = sessions::end(&op, &context.by(), id).await?;
    Ok(Report::new(format!("The session has ended. {}", user::effect(&done)), view::logged_out(&done)))
}

/// Runs one command on the audit log.
pub(super) async fn run_audit(command: &AuditCommand, global: &Global) -> Outcome {
    let AuditCommand::List(args) = command;
    let event = args.event.as_deref().map(event_of).transpose()?;
    let mut before = args.after.as_deref().map(cursor_of).transpose()?;
    let context = Context::new(global)?;
    let op = context.provider().await?;
    let filter = audit::Filter {
        user: match &args.user {
            Some(name) => Some(users::find(&op, name).await?.id),
            None => None,
        },
        client: args.client.as_deref().map(ClientId::from),
        event,
        ..audit::Filter::default()
    };
    let mut entries = Vec::new();
    loop {
        let left = left(args, entries.len());
        let page = audit::page(&op, &filter, before, left.min(LONGEST_PAGE)).await?;
        entries.extend(page.items);
        before = page.next;
        if before.is_none() || left <= LONGEST_PAGE {
            break;
        }
    }
    let more = before.map(|cursor| format!("\nMore: --after {cursor}\n")).unwrap_or_default();
    let json = json!({ "events": entries.iter().map(view::audit_entry).collect::<Vec<_>>(), "next": before });
    let names = names(&op, &entries).await?;
    Ok(Report::new(format!("{}{more}", history::of_all(&entries, &names)), json))
}

/// The names of the users whom entries concern, each read once.
async fn names(op: &Provider, entries: &[AuditEntry]) -> Result<HashMap<UserId, String>, Failure> {
    let mut names = HashMap::new();
    for id in entries.iter().filter_map(|entry| entry.user) {
        if let Entry::Vacant(place) = names.entry(id)
            && let Some(user) = op.store.user(id).await?
        {
            place.insert(user.username);
        }
    }
    Ok(names)
}

fn left(args: &AuditList, shown: usize) -> u32 {
    args.limit.saturating_sub(u32::try_from(shown).unwrap_or(u32::MAX))
}

fn event_of(text: &str) -> Result<Event, Failure> {
    Event::parse(text).ok_or_else(|| {
        Failure::usage(
            "--event: no such kind; they are named like login.failed, session.ended, user.logout_all",
        )
    })
}

fn cursor_of(text: &str) -> Result<AuditId, Failure> {
    text.parse().map_err(|_| Failure::usage("--after: give the cursor that the previous page ended with"))
}
