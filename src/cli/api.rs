//! `signet api …`

use serde_json::{Map, Value, json};

use super::args::{ApiCommand, ApiCreate, ApiFields, ApiUpdate, Global};
use super::context::Context;
use super::output::{Failure, Outcome, Report, or_dash, table};
use crate::flow::Provider;
use crate::flow::admin::apis::{self, ApiChange, CreateApi};
use crate::flow::admin::{LONGEST_PAGE, view};
use crate::oauth::api_metadata::ApiMetadata;

/// Runs one command.
pub(super) async fn run(command: &ApiCommand, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let op = context.provider().await?;
    match command {
        ApiCommand::Create(args) => create(&context, &op, args).await,
        ApiCommand::List => list(&op).await,
        ApiCommand::Show(args) => {
            let json = view::api(&apis::show(&op, &args.audience).await?);
            Ok(Report::new(serde_json::to_string_pretty(&json).unwrap_or_default(), json))
        }
        ApiCommand::Update(args) => update(&context, &op, args).await,
        ApiCommand::Delete(args) => {
            apis::delete(&op, &context.by(), &args.audience).await?;
            let text = format!("{} is gone; no token is issued for it any more.", args.audience);
            Ok(Report::new(text, json!({ "deleted": args.audience })))
        }
    }
}

async fn create(context: &Context, op: &Provider, args: &ApiCreate) -> Outcome {
    let mut metadata = from_file(&args.fields)?;
    metadata.extend(changes(&args.fields));
    let metadata = ApiMetadata::from_json(&Value::Object(metadata))?;
    let request = CreateApi { audience: args.audience.clone(), metadata };
    let api = apis::create(op, &context.by(), request).await?;
    let text = format!(
        "Registered the API {}. Give it to clients: signet client update CLIENT --audience {}",
        api.audience, api.audience
    );
    Ok(Report::new(text, view::api(&api)))
}

async fn list(op: &Provider) -> Outcome {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = apis::list(op, after.as_deref(), LONGEST_PAGE).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let rows: Vec<_> = all
        .iter()
        .map(|api| {
            let metadata = &api.metadata;
            [
                api.audience.clone(),
                or_dash(metadata.name.clone()),
                metadata.access_token_format.to_string(),
                or_dash(metadata.access_token_lifetime.map(|seconds| format!("{seconds} s"))),
                or_dash((!metadata.scopes.is_empty()).then(|| metadata.scopes.join(" "))),
            ]
        })
        .collect();
    let json = json!({ "apis": all.iter().map(view::api).collect::<Vec<_>>() });
    Ok(Report::new(table(["AUDIENCE", "NAME", "TOKENS", "LIFETIME", "SCOPES"], &rows), json))
}

async fn update(context: &Context, op: &Provider, args: &ApiUpdate) -> Outcome {
    let mut patch = from_file(&args.fields)?;
    patch.extend(changes(&args.fields));
    if patch.is_empty() {
        return Err(Failure::usage("nothing to change: give at least one flag"));
    }
    let changed: Vec<_> = patch.keys().cloned().collect();
    let change = ApiChange::Merge(Value::Object(patch));
    let api = apis::update(op, &context.by(), &args.audience, &change, None).await?;
    let text = format!(
        "Changed {} of {}; every node goes by it within a second, tokens that are out stay as they are.",
        changed.join(", "),
        api.audience
    );
    Ok(Report::new(text, view::api(&api)))
}

/// The metadata of `--metadata`, which flags override.
fn from_file(fields: &ApiFields) -> Result<Map<String, Value>, Failure> {
    let Some(path) = &fields.metadata else { return Ok(Map::new()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("--metadata {}: {error}", path.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("--metadata {}: not a JSON object: {error}", path.display())))
}

/// The flags under the names of the metadata; only those that were given.
fn changes(fields: &ApiFields) -> Map<String, Value> {
    let given = [
        ("name", fields.name.as_ref().map(|name| json!(name))),
        ("scopes", (!fields.scopes.is_empty()).then(|| json!(fields.scopes))),
        ("access_token_format", fields.format.map(|format| json!(format))),
        ("signing_alg", fields.algorithm.map(|algorithm| json!(algorithm.as_str()))),
        ("access_token_lifetime", fields.lifetime.map(|seconds| json!(seconds))),
        ("dynamic", fields.dynamic.map(|dynamic| json!(dynamic))),
    ];
    let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    given.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command};
    use crate::oauth::api_metadata::AccessTokenFormat;
    use clap::Parser as _;

    #[test]
    fn flags_become_metadata() {
        let line = "signet api create https://pay.example.com --format opaque --scope pay --lifetime 60 --dynamic true";
        let Command::Api(ApiCommand::Create(args)) = Cli::try_parse_from(line.split(' ')).unwrap().command
        else {
            panic!("create")
        };
        let metadata = ApiMetadata::from_json(&Value::Object(changes(&args.fields))).unwrap();
        assert_eq!(metadata.access_token_format, AccessTokenFormat::Opaque);
        assert_eq!((metadata.scopes, metadata.access_token_lifetime), (vec!["pay".to_owned()], Some(60)));
        assert!(metadata.dynamic);
        assert!(Cli::try_parse_from("signet api create urn:x --format paseto".split(' ')).is_err());
    }

    #[test]
    fn what_is_not_given_stays() {
        let line = "signet api update urn:x --name Orders";
        let Command::Api(ApiCommand::Update(args)) = Cli::try_parse_from(line.split(' ')).unwrap().command
        else {
            panic!("update")
        };
        assert_eq!(changes(&args.fields), Map::from_iter([("name".to_owned(), json!("Orders"))]));
    }
}
