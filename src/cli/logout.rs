//! `signet logout …`

use serde_json::json;

use super::args::{Global, LogoutCommand, LogoutReport};
use super::context::Context;
use super::output::{Failure, Outcome, Report, or_dash, table};
use crate::clock::Timestamp;
use crate::flow::admin::logout_notices::{self, Notice, NoticeQuery};
use crate::flow::admin::{LONGEST_PAGE, users, view};
use crate::secret::ClientId;

/// Runs one command on notices to relying parties.
pub(super) async fn run(command: &LogoutCommand, global: &Global) -> Outcome {
    let LogoutCommand::Report(args) = command;
    let session = args.session.as_deref().map(str::parse).transpose();
    let session = session.map_err(|_| {
        Failure::usage("--session: a session id is a UUID, as `signet user sessions` shows it")
    })?;
    let before = args.after.as_deref().map(str::parse).transpose();
    let before =
        before.map_err(|_| Failure::usage("--after: give the cursor that the previous page ended with"))?;
    let context = Context::new(global)?;
    let op = context.provider().await?;
    let mut filter = NoticeQuery {
        user: match &args.user {
            Some(name) => Some(users::find(&op, name).await?.id),
            None => None,
        },
        session,
        client: args.client.as_deref().map(ClientId::from),
        before,
        ..NoticeQuery::default()
    };
    let mut notices = Vec::new();
    loop {
        let left = left(args, notices.len());
        let page = logout_notices::page(&op, &filter, left.min(LONGEST_PAGE)).await?;
        notices.extend(page.items);
        filter.before = page.next;
        if filter.before.is_none() || left <= LONGEST_PAGE {
            break;
        }
    }
    let next = filter.before;
    let json = json!({ "notices": notices.iter().map(view::notice).collect::<Vec<_>>(), "next": next });
    let more = next.map(|cursor| format!("\nMore: --after {cursor}\n")).unwrap_or_default();
    Ok(Report::new(format!("{}{more}", shown(&notices)), json))
}

fn shown(notices: &[Notice]) -> String {
    let rows: Vec<_> = notices
        .iter()
        .map(|notice| {
            [
                notice.created_at.rfc3339(),
                notice.client.to_string(),
                notice.state().to_owned(),
                or_dash(notice.result.clone()),
                notice.attempts.to_string(),
                or_dash(notice.next_at.map(Timestamp::rfc3339)),
                notice.session.to_string(),
            ]
        })
        .collect();
    table(["ENDED", "APP", "STATE", "LAST ANSWER", "ATTEMPTS", "NEXT", "SESSION"], &rows)
}

fn left(args: &LogoutReport, shown: usize) -> u32 {
    args.limit.saturating_sub(u32::try_from(shown).unwrap_or(u32::MAX))
}
