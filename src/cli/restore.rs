//! `signet restore-epoch`

use serde_json::json;

use super::args::{Global, RestoreEpoch};
use super::ask;
use super::context::Context;
use super::output::{Outcome, Report, counted};
use crate::config;
use crate::model::audit::Event;
use crate::storage::Restored;

/// Voids everything that was issued from this database, so that nothing it has forgotten comes back to life.
pub(super) async fn run(args: &RestoreEpoch, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    // A database that cannot be worked on is said before anything is asked.
    let op = context.provider().await?;
    let database = config::database::shown(&context.config().database.url);
    let question = format!("Every user of {database} has to sign in again.");
    if !args.yes && !ask::confirm(question, "--yes").await? {
        let json = json!({ "database": database, "restored": false });
        return Ok(Report::bad_news("Nothing was changed.", json));
    }
    let entry = context.by().audit(&op, Event::EpochRestored)?;
    let restored = op.store.restore_epoch(entry).await?;
    op.store.close().await;
    let json = json!({
        "database": database,
        "restored": true,
        "users": restored.users,
        "codes": restored.codes,
        "interactions": restored.interactions,
        "feed_number": restored.feed_number,
    });
    Ok(Report::new(effect(&database, &restored), json))
}

fn effect(database: &str, restored: &Restored) -> String {
    format!(
        "All that was issued from {database} so far is void: access tokens, refresh tokens, sessions. Who has to sign in again: {}.\n\
         Deleted: {}, {}.\n\
         The revocation feed goes on after number {}; verifiers that follow it refuse the old access tokens as soon as \
         a server runs on this database.\n\
         What operators changed after the backup was made is not known any more. Disabled users are enabled, old passwords \
         and client secrets are good, deleted clients and API keys work, withdrawn signing keys are trusted. Repeat \
         those changes before you let traffic in; where a signing key may have been withdrawn, run: \
         signet keys rotate --emergency",
        counted(restored.users, "user", "users"),
        counted(restored.codes, "authorization code", "authorization codes"),
        counted(restored.interactions, "half-finished sign-in", "half-finished sign-ins"),
        restored.feed_number,
    )
}
