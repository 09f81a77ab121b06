//! `signet keys …` and `signet api-key …`

use std::time::Duration;

use serde_json::json;

use super::args::{ApiKeyCommand, ApiKeyCreate, Global, KeysCommand, KeysRotate};
use super::context::Context;
use super::output::{Failure, Outcome, Report, or_dash, table};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::admin::keys::{self, Key, KeysChanged, Which};
use crate::flow::admin::{api_keys, view};
use crate::secret::{ApiKeyId, KeyId};

/// Runs one command on signing keys.
pub(super) async fn run(command: &KeysCommand, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let op = context.provider().await?;
    match command {
        KeysCommand::List => {
            let keys = keys::list(&op, context.now()).await?;
            let json = json!({ "keys": keys.iter().map(view::key).collect::<Vec<_>>() });
            Ok(Report::new(key_table(&keys), json))
        }
        KeysCommand::Rotate(args) => rotate(&context, &op, args).await,
        KeysCommand::Remove(args) => {
            let changed = keys::remove(&op, &context.by(), &KeyId::from(args.kid.as_str())).await?;
            Ok(changes(&changed))
        }
    }
}

async fn rotate(context: &Context, op: &Provider, args: &KeysRotate) -> Outcome {
    let which = match (&args.kid, args.algorithm) {
        (Some(kid), _) => Which::Key(KeyId::from(kid.as_str())),
        (None, Some(algorithm)) => Which::Algorithm(algorithm),
        (None, None) => Which::All,
    };
    let changed = if args.emergency {
        keys::rotate_emergency(op, &context.by(), &which).await?
    } else {
        keys::rotate(op, &context.by(), &which).await?
    };
    Ok(changes(&changed))
}

fn changes(changed: &KeysChanged) -> Report {
    let mut lines = Vec::new();
    for key in &changed.created {
        lines.push(format!(
            "Made {} key {}: published now, signs from {}.",
            key.algorithm.as_str(),
            key.kid,
            key.activates_at.rfc3339()
        ));
    }
    for key in &changed.retiring {
        lines.push(format!(
            "{} key {} signs until {} and verifies until {}; no token dies.",
            key.algorithm.as_str(),
            key.kid,
            or_dash(key.retires_at.map(Timestamp::rfc3339)),
            or_dash(key.removes_at.map(Timestamp::rfc3339))
        ));
    }
    for key in &changed.removed {
        lines.push(format!(
            "Removed {} key {}: access and ID tokens that it signed are refused; refresh tokens and sessions live on.",
            key.algorithm.as_str(),
            key.kid
        ));
    }
    let made_nothing = lines.is_empty();
    for key in &changed.under_way {
        lines.push(format!(
            "A rotation of {} is under way: key {} is published and signs from {}. Rotate again after that.",
            key.algorithm.as_str(),
            key.kid,
            key.activates_at.rfc3339()
        ));
    }
    if let Some(until) = changed.tokens_accepted_until {
        lines.push(format!(
            "A service that has the old key set in its cache may accept such tokens until {}.",
            until.rfc3339()
        ));
    }
    if made_nothing {
        lines.push("Nothing has changed (see `signet keys list`).".to_owned());
    } else {
        lines.push("A running server takes the change over within a second.".to_owned());
    }
    Report::new(lines.join("\n"), view::keys_changed(changed))
}

fn key_table(keys: &[Key]) -> String {
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            [
                key.kid.to_string(),
                key.algorithm.as_str().to_owned(),
                key.state.as_str().to_owned(),
                key.activates_at.rfc3339(),
                or_dash(key.retires_at.map(Timestamp::rfc3339)),
                or_dash(key.removes_at.map(Timestamp::rfc3339)),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "There are no keys yet; the server makes them at its first start.".to_owned();
    }
    table(["KID", "ALG", "STATE", "SIGNS FROM", "SIGNS UNTIL", "PUBLISHED UNTIL"], &rows)
}

/// Runs one command on keys of the administration API.
pub(super) async fn run_api(command: &ApiKeyCommand, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let op = context.provider().await?;
    match command {
        ApiKeyCommand::Create(args) => create(&context, &op, args).await,
        ApiKeyCommand::List => {
            let all = api_keys::list(&op).await?;
            let rows: Vec<_> = all
                .iter()
                .map(|key| {
                    let end = key.expires_at.map_or_else(|| "never".to_owned(), Timestamp::rfc3339);
                    [key.name.clone(), key.created_at.rfc3339(), end, key.id.to_string()]
                })
                .collect();
            let json = json!({ "api_keys": all.iter().map(view::api_key).collect::<Vec<_>>() });
            Ok(Report::new(table(["NAME", "CREATED", "EXPIRES", "ID"], &rows), json))
        }
        ApiKeyCommand::Delete(args) => {
            let id: ApiKeyId = args
                .id
                .parse()
                .map_err(|_| Failure::usage("an id is a UUID, as `signet api-key list` shows it"))?;
            api_keys::delete(&op, &context.by(), id).await?;
            Ok(Report::new("The API key is deleted; it works no more.", json!({ "deleted": id })))
        }
    }
}

async fn create(context: &Context, op: &Provider, args: &ApiKeyCreate) -> Outcome {
    let by = context.by();
    let expires_at =
        args.expires_days.map(|days| by.now.plus(Duration::from_secs(u64::from(days) * 24 * 3600)));
    let created = api_keys::create(op, &by, &args.name, expires_at).await?;
    let until = created
        .entry
        .expires_at
        .map_or_else(|| "for ever".to_owned(), |at| format!("until {}", at.rfc3339()));
    let text = format!(
        "{}\n\nThis is the only time the key is shown. It may do everything at /admin/v1, {until}.",
        created.key.reveal()
    );
    let mut json = view::api_key(&created.entry);
    if let Some(members) = json.as_object_mut() {
        members.insert("key".to_owned(), json!(created.key.reveal()));
    }
    Ok(Report::new(text, json))
}
