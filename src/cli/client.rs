//! `signet client …`

use std::path::Path;

use serde_json::{Map, Value, json};

use super::args::{ClientChanges, ClientCommand, ClientCreate, ClientUpdate, Global};
use super::client_lint;
use super::context::Context;
use super::output::{Failure, Outcome, Report, or_dash, table};
use crate::flow::Provider;
use crate::flow::admin::apis;
use crate::flow::admin::clients::{self, CreateClient, DEFAULT_OVERLAP, MetadataChange};
use crate::flow::admin::{LONGEST_PAGE, view};
use crate::flow::web_cookie;
use crate::model::client::Client;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::client_metadata::ClientMetadata;
use crate::oauth::client_rules::SESSION_CALLBACK;
use crate::secret::ClientId;

/// What a client that signs people in may ask for unless told otherwise.
const DEFAULT_SCOPE: &str = "openid profile email";

/// Runs one command.
pub(super) async fn run(command: &ClientCommand, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let op = context.provider().await?;
    let by = context.by();
    match command {
        ClientCommand::Create(args) => create(&context, &op, args).await,
        ClientCommand::List => list(&context, &op).await,
        ClientCommand::Show(args) => {
            let client = clients::show(&op, &ClientId::from(args.id.as_str())).await?;
            let json = view::client(&client, by.now);
            Ok(Report::new(serde_json::to_string_pretty(&json).unwrap_or_default(), json))
        }
        ClientCommand::Update(args) => update(&context, &op, args).await,
        ClientCommand::Disable(args) => {
            let client = clients::disable(&op, &by, &ClientId::from(args.id.as_str())).await?;
            let text = format!(
                "{} is disabled: within a second every node refuses its requests and tokens, until it is enabled again.",
                client.id
            );
            Ok(Report::new(text, view::client(&client, by.now)))
        }
        ClientCommand::Enable(args) => {
            let client = clients::enable(&op, &by, &ClientId::from(args.id.as_str())).await?;
            let text = format!("{} works again, and so do its tokens that have not expired.", client.id);
            Ok(Report::new(text, view::client(&client, by.now)))
        }
        ClientCommand::Delete(args) => {
            let id = ClientId::from(args.id.as_str());
            clients::delete(&op, &by, &id).await?;
            let text =
                format!("{id} is gone with its refresh tokens and consents; nothing brings them back.");
            Ok(Report::new(text, json!({ "deleted": id })))
        }
        ClientCommand::RotateSecret(args) => rotate_secret(&context, &op, &args.id).await,
        ClientCommand::Lint(args) => client_lint::run(&context, &op, args).await,
    }
}

async fn create(context: &Context, op: &Provider, args: &ClientCreate) -> Outcome {
    let mut metadata = from_file(&args.fields)?;
    let set = |metadata: &mut Map<String, Value>, name: &str, value: Value| {
        metadata.insert(name.to_owned(), value);
    };
    metadata.extend(changes(&args.fields));
    if args.public {
        set(&mut metadata, "token_endpoint_auth_method", json!("none"));
    }
    if args.cookie {
        cookie_mode(&mut metadata, &op.policy.browser.hosts);
    }
    if args.introspect {
        set(&mut metadata, "introspect", json!(true));
    }
    if args.first_party {
        set(&mut metadata, "first_party", json!(true));
    }
    if args.forward_auth {
        behind_a_proxy(op, &mut metadata, &args.fields.origins)?;
    }
    complete(&mut metadata);
    // `--set` takes a member away with null, as a change does; here there is nothing to take away.
    metadata.retain(|_, value| !value.is_null());
    let metadata = ClientMetadata::from_json(&Value::Object(metadata))?;
    let new = apis::unregistered(op, &metadata.audience).await?;
    let request = CreateClient { id: args.id.clone(), metadata };
    let created = clients::create(op, &context.by(), request).await?;
    let mut json = view::client(&created.client, context.now());
    let mut text =
        format!("Registered the client {}.\n\nclient_id      {}", name(&created.client), created.client.id);
    if let Some(secret) = &created.secret {
        text.push_str(&format!(
            "\nclient_secret  {}\n\nThis is the only time the secret is shown.",
            secret.reveal()
        ));
        if let Some(members) = json.as_object_mut() {
            members.insert("client_secret".to_owned(), json!(secret.reveal()));
        }
    }
    say_registered(&new, &mut text, &mut json);
    Ok(Report::new(text, json))
}

/// An audience that was no API's yet is one now.
fn say_registered(new: &[String], text: &mut String, json: &mut Value) {
    if new.is_empty() {
        return;
    }
    text.push_str(&format!(
        "\n\nRegistered with it, with defaults: the API {}. Change it with `signet api update`.",
        new.join(", the API ")
    ));
    if let Some(members) = json.as_object_mut() {
        members.insert("registered_apis".to_owned(), json!(new));
    }
}

async fn list(context: &Context, op: &Provider) -> Outcome {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = clients::list(op, after.as_ref(), LONGEST_PAGE).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let rows: Vec<_> = all
        .iter()
        .map(|client| {
            let kind = if client.metadata.is_public() { "public" } else { "confidential" };
            let grants: Vec<_> = client.metadata.grant_types.iter().map(|grant| grant.as_str()).collect();
            [
                client.id.to_string(),
                name(client),
                kind.to_owned(),
                grants.join(" "),
                if client.is_active() { "active" } else { "disabled" }.to_owned(),
            ]
        })
        .collect();
    let now = context.now();
    let json = json!({ "clients": all.iter().map(|one| view::client(one, now)).collect::<Vec<_>>() });
    Ok(Report::new(table(["CLIENT", "NAME", "KIND", "GRANTS", "STATE"], &rows), json))
}

async fn update(context: &Context, op: &Provider, args: &ClientUpdate) -> Outcome {
    let mut patch = from_file(&args.fields)?;
    patch.extend(changes(&args.fields));
    if let Some(introspect) = args.introspect {
        patch.insert("introspect".to_owned(), json!(introspect));
    }
    if let Some(first_party) = args.first_party {
        patch.insert("first_party".to_owned(), json!(first_party));
    }
    if patch.is_empty() {
        return Err(Failure::usage("nothing to change: give at least one flag"));
    }
    let changed: Vec<_> = patch.keys().cloned().collect();
    let id = ClientId::from(args.id.as_str());
    let named = patch.get("audience").and_then(|all| serde_json::from_value(all.clone()).ok());
    let named: Vec<String> = named.unwrap_or_default();
    let new = apis::unregistered(op, &named).await?;
    let change = MetadataChange::Merge(Value::Object(patch));
    let client = clients::update(op, &context.by(), &id, &change, None).await?;
    let mut text = format!("Changed {} of {id}; every node goes by it within a second.", changed.join(", "));
    if client.metadata.token_endpoint_auth_method == AuthMethod::ClientSecretJwt
        && client.sealed_secret.is_none()
    {
        text.push_str(&format!(
            "\nIts present secret is kept as a hash and cannot verify what it signs: signet client rotate-secret {id}"
        ));
    }
    let mut json = view::client(&client, context.now());
    say_registered(&new, &mut text, &mut json);
    Ok(Report::new(text, json))
}

async fn rotate_secret(context: &Context, op: &Provider, id: &str) -> Outcome {
    let done = clients::rotate_secret(op, &context.by(), &ClientId::from(id), DEFAULT_OVERLAP).await?;
    let until = done.previous_valid_until.map(crate::clock::Timestamp::rfc3339);
    let mut text =
        format!("{}\n\nThis is the only time the new secret of {id} is shown.", done.secret.reveal());
    if let Some(until) = &until {
        text.push_str(&format!(" The former one works until {until}."));
    }
    let mut json = view::client(&done.client, context.now());
    if let Some(members) = json.as_object_mut() {
        members.insert("client_secret".to_owned(), json!(done.secret.reveal()));
        members.insert("previous_client_secret_expires_at".to_owned(), json!(until));
    }
    Ok(Report::new(text, json))
}

/// The metadata of `--metadata` and the keys of `--jwks-file`. Flags override them.
fn from_file(fields: &ClientChanges) -> Result<Map<String, Value>, Failure> {
    let mut metadata = match &fields.metadata {
        Some(path) => json_object("--metadata", path)?,
        None => Map::new(),
    };
    // Keys are registered in one way, so the other ends.
    if let Some(path) = &fields.jwks_file {
        metadata.insert("jwks".to_owned(), Value::Object(json_object("--jwks-file", path)?));
        metadata.insert("jwks_uri".to_owned(), Value::Null);
    } else if fields.jwks_uri.is_some() {
        metadata.insert("jwks".to_owned(), Value::Null);
    }
    Ok(metadata)
}

fn json_object(flag: &str, path: &Path) -> Result<Map<String, Value>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{flag} {}: {error}", path.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("{flag} {}: not a JSON object: {error}", path.display())))
}

/// The flags under the names of RFC 7591 §2; only those that were given.
fn changes(fields: &ClientChanges) -> Map<String, Value> {
    let mut members = Map::new();
    let texts = [
        ("client_name", &fields.name),
        ("scope", &fields.scope),
        ("token_endpoint_auth_method", &fields.auth_method),
        ("jwks_uri", &fields.jwks_uri),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            members.insert(name.to_owned(), json!(value));
        }
    }
    let lists = [
        ("redirect_uris", &fields.redirect_uris),
        ("return_uris", &fields.return_uris),
        ("grant_types", &fields.grant_types),
        ("allowed_origins", &fields.origins),
        ("audience", &fields.audiences),
    ];
    for (name, values) in lists {
        if !values.is_empty() {
            members.insert(name.to_owned(), json!(values));
        }
    }
    members.extend(fields.members.iter().cloned());
    members
}

/// A classic web application: the server acts for it, at one of its own hosts. The operator's own, since the proxy in
/// front of it is: nobody is asked for consent unless the metadata says so.
fn behind_a_proxy(
    op: &Provider,
    metadata: &mut Map<String, Value>,
    origins: &[String],
) -> Result<(), Failure> {
    let callbacks = web_cookie::callbacks(&op.policy.browser, origins).map_err(|origin| {
        Failure::usage(format!(
            "no cookie of this server would reach {origin}: list it in browser.hosts, or a host beside it there and their \
             domain in browser.cookie_domains (docs/forward-auth.md)"
        ))
    })?;
    for (name, value) in [
        ("client_class", json!("cookie")),
        ("forward_auth", json!(true)),
        ("token_endpoint_auth_method", json!("none")),
        ("redirect_uris", json!(callbacks)),
        ("first_party", json!(true)),
    ] {
        metadata.entry(name.to_owned()).or_insert(value);
    }
    Ok(())
}

/// In cookie mode the server is the client: codes go to each of its hosts, and there is no secret.
fn cookie_mode(metadata: &mut Map<String, Value>, hosts: &[String]) {
    let callbacks: Vec<_> = hosts.iter().map(|host| format!("{host}{SESSION_CALLBACK}")).collect();
    metadata.insert("client_class".to_owned(), json!("cookie"));
    metadata.insert("token_endpoint_auth_method".to_owned(), json!("none"));
    metadata.entry("redirect_uris").or_insert(json!(callbacks));
}

/// What a new client is for follows from what was said: with a redirect URI it signs people in, without one it acts
/// for itself.
fn complete(metadata: &mut Map<String, Value>) {
    let signs_in = metadata.contains_key("redirect_uris");
    let mut default = |name: &str, value: Value| {
        metadata.entry(name.to_owned()).or_insert(value);
    };
    if signs_in {
        default("grant_types", json!(["authorization_code", "refresh_token"]));
        default("scope", json!(DEFAULT_SCOPE));
    } else {
        default("grant_types", json!(["client_credentials"]));
        default("response_types", json!([]));
    }
}

fn name(client: &Client) -> String {
    or_dash(client.metadata.client_name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command};
    use clap::Parser as _;

    fn metadata(line: &str) -> Result<ClientMetadata, crate::oauth::client_metadata::MetadataProblem> {
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Client(ClientCommand::Create(args)) = cli.command else { panic!("create") };
        let mut members = changes(&args.fields);
        if args.cookie {
            cookie_mode(&mut members, &["https://a.example".to_owned(), "https://b.example".to_owned()]);
        }
        complete(&mut members);
        ClientMetadata::from_json(&Value::Object(members))
    }

    #[test]
    fn a_client_with_a_redirect_uri_signs_people_in() {
        let client =
            metadata("signet client create --name Shop --redirect-uri https://shop.example.com/cb").unwrap();
        assert_eq!(client.scope.to_string(), DEFAULT_SCOPE);
        assert_eq!(client.grant_types.len(), 2);
    }

    #[test]
    fn a_page_in_cookie_mode_has_a_callback_at_every_host() {
        let line = "signet client create --name Board --cookie --return-to https://board.example.com/";
        let client = metadata(line).unwrap();
        assert!(client.is_cookie_mode() && client.is_public());
        let callbacks: Vec<_> =
            client.redirect_uris.iter().map(crate::oauth::redirect_uri::RedirectUri::as_str).collect();
        assert_eq!(callbacks, ["https://a.example/session/callback", "https://b.example/session/callback"]);
        assert_eq!(client.return_uris, ["https://board.example.com/"]);
        let aimless = metadata("signet client create --name Board --cookie").unwrap_err();
        assert_eq!(aimless.field, "return_uris");
    }

    #[test]
    fn a_client_without_one_acts_for_itself() {
        let client = metadata("signet client create --name Job --scope read").unwrap();
        assert_eq!(client.grant_types, [crate::oauth::grant_type::GrantType::ClientCredentials]);
        assert!(metadata("signet client create --name Job --redirect-uri javascript:alert(1)").is_err());
    }

    #[test]
    fn a_client_that_signs_needs_its_keys() {
        let line = "signet client create --name Job --scope read --auth-method private_key_jwt";
        assert_eq!(metadata(line).unwrap_err().field, "jwks_uri");
        let client = metadata(&format!("{line} --jwks-uri https://job.example.com/jwks.json")).unwrap();
        assert_eq!(client.token_endpoint_auth_method, AuthMethod::PrivateKeyJwt);

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        std::fs::write(&file, r#"{"keys":[]}"#).unwrap();
        let line = format!("signet client update job --jwks-file {}", file.display());
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Client(ClientCommand::Update(args)) = cli.command else { panic!("update") };
        let patch = Value::Object(from_file(&args.fields).unwrap());
        assert_eq!(patch, json!({ "jwks": { "keys": [] }, "jwks_uri": null }));
    }
}
