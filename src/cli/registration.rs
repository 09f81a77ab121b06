//! `signet initial-access-token …`

use std::time::Duration;

use serde_json::json;

use super::args::{Global, InitialAccessTokenCommand, InitialAccessTokenCreate};
use super::context::Context;
use super::output::{Failure, Outcome, Report, table};
use crate::flow::Provider;
use crate::flow::admin::{initial_access_tokens as tokens, view};
use crate::secret::InitialAccessTokenId;

/// Runs one command.
pub(super) async fn run(command: &InitialAccessTokenCommand, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let op = context.provider().await?;
    match command {
        InitialAccessTokenCommand::Create(args) => create(&context, &op, args).await,
        InitialAccessTokenCommand::List => {
            let all = tokens::list(&op).await?;
            let rows: Vec<_> = all
                .iter()
                .map(|token| {
                    let uses = token.uses_left.to_string();
                    [token.name.clone(), uses, token.expires_at.rfc3339(), token.id.to_string()]
                })
                .collect();
            let json = json!({
                "initial_access_tokens": all.iter().map(view::initial_access_token).collect::<Vec<_>>(),
            });
            Ok(Report::new(table(["NAME", "USES LEFT", "EXPIRES", "ID"], &rows), json))
        }
        InitialAccessTokenCommand::Delete(args) => {
            let id: InitialAccessTokenId = args.id.parse().map_err(|_| {
                Failure::usage("an id is a UUID, as `signet initial-access-token list` shows it")
            })?;
            tokens::delete(&op, &context.by(), id).await?;
            let text = "The token is deleted; it registers no more clients. Those it has registered stay.";
            Ok(Report::new(text, json!({ "deleted": id })))
        }
    }
}

async fn create(context: &Context, op: &Provider, args: &InitialAccessTokenCreate) -> Outcome {
    let life = Duration::from_secs(u64::from(args.expires_days) * 24 * 3600);
    let created = tokens::create(op, &context.by(), &args.name, args.uses, life).await?;
    let mut text = format!(
        "{}\n\nThis is the only time the token is shown. It registers {} at {}, until {}.",
        created.token.reveal(),
        if args.uses == 1 { "one client".to_owned() } else { format!("{} clients", args.uses) },
        op.policy.issuer.url("/register"),
        created.entry.expires_at.rfc3339()
    );
    if op.policy.registration.mode == crate::flow::policy::RegistrationMode::Off {
        text.push_str("\nRegistration is off here. Set registration.mode to \"token\" for it to be of use.");
    }
    let mut json = view::initial_access_token(&created.entry);
    if let Some(members) = json.as_object_mut() {
        members.insert("token".to_owned(), json!(created.token.reveal()));
    }
    Ok(Report::new(text, json))
}
