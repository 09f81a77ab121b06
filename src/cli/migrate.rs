//! `signet migrate`

use serde_json::json;

use super::args::{Global, Migrate};
use super::context::{self, Context};
use super::output::{Failure, Outcome, Report, counted};

/// Brings the schema up to date, or says what that would take.
pub(super) async fn run(args: &Migrate, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let shown = crate::config::database::shown(&context.config().database.url);
    let fresh = context::sqlite_file(context.config()).is_some_and(|path| !path.exists());
    if args.dry_run && fresh {
        // Asking must not leave an empty database behind.
        let text = format!("{shown} does not exist yet; `signet migrate` makes it with the whole schema.");
        return Ok(Report::new(text, json!({ "database": shown, "exists": false })));
    }
    let store = context.open().await?;
    let plan = store.migration_plan().await?;
    if !args.dry_run {
        store.migrate().await?;
    }
    store.close().await;
    let count = u64::try_from(plan.pending.len()).map_err(|error| Failure::new(error.to_string()))?;
    let pending: String =
        plan.pending.iter().map(|(version, name)| format!("\n  {version:04} {name}")).collect();
    let text = match (count, args.dry_run) {
        (0, _) => format!("The schema of {shown} is up to date; nothing was changed."),
        (_, true) => format!(
            "{} would be applied to {shown}; nothing was changed:{pending}",
            counted(count, "migration", "migrations")
        ),
        (_, false) => format!("{} applied to {shown}:{pending}", counted(count, "migration", "migrations")),
    };
    let applied_now = if args.dry_run { json!([]) } else { json!(plan.pending) };
    let json = json!({
        "database": shown,
        "applied_before": plan.applied,
        "pending": if args.dry_run { json!(plan.pending) } else { json!([]) },
        "applied_now": applied_now,
    });
    Ok(Report::new(text, json))
}
