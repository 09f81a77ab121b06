//! `signet client …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::oauth::UnknownWord;
use crate::oauth::client_metadata::Profile;

/// Manage clients.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Register a client; a confidential one's secret is shown once
    #[command(
        after_help = "Example:\n  signet client create --name Shop --redirect-uri https://shop.example.com/callback \
                      --scope 'openid profile'\n  signet client create --name Board --cookie --return-to https://board.example.com/\n  \
                      signet client create --name Job --auth-method private_key_jwt --jwks-file job.jwks.json --scope read"
    )]
    Create(ClientCreate),
    /// List clients
    #[command(after_help = "Example:\n  signet client list --json")]
    List,
    /// Show one client
    #[command(after_help = "Example:\n  signet client show demo-spa")]
    Show(ClientRef),
    /// Change a client; what is not given stays, a list that is given replaces the old one
    #[command(
        after_help = "Example:\n  signet client update shop --redirect-uri https://shop.example.com/callback \
                      --redirect-uri https://staging.example.com/callback"
    )]
    Update(ClientUpdate),
    /// Refuse every request of a client until it is enabled again
    #[command(after_help = "Example:\n  signet client disable shop")]
    Disable(ClientRef),
    /// Let a disabled client work again
    #[command(after_help = "Example:\n  signet client enable shop")]
    Enable(ClientRef),
    /// Remove a client with its grants and refresh tokens
    #[command(after_help = "Example:\n  signet client delete shop")]
    Delete(ClientRef),
    /// Replace a client's secret; the new one is shown once
    #[command(after_help = "Example:\n  signet client rotate-secret shop")]
    RotateSecret(ClientRef),
    /// Say what a client lacks or has too much of; exit with 1 where its profile forbids something
    #[command(
        after_help = "Examples:\n  signet client lint shop\n  signet client lint --all --profile oauth21 --json"
    )]
    Lint(ClientLint),
}

/// `signet client lint`
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["id", "all"])))]
pub struct ClientLint {
    /// The client's id
    pub id: Option<String>,
    /// Every client
    #[arg(long)]
    pub all: bool,
    /// Measure by this profile instead of each client's own: default, oauth21 or oidc-certification
    #[arg(long, value_parser = profile)]
    pub profile: Option<Profile>,
}

fn profile(text: &str) -> Result<Profile, UnknownWord> {
    text.parse()
}

/// `MEMBER=VALUE`: the value is JSON, or else text.
fn member(text: &str) -> Result<(String, Value), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected MEMBER=VALUE")?;
    if name.is_empty() {
        return Err("expected the name of a member before the =");
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

/// One client.
#[derive(Debug, Args)]
pub struct ClientRef {
    /// The client's id
    pub id: String,
}

/// `signet client create`
#[derive(Debug, Args)]
pub struct ClientCreate {
    /// The id [default: a random one]
    #[arg(long)]
    pub id: Option<String>,
    /// A client that cannot keep a secret: a single-page or native application (RFC 6749 §2.1)
    #[arg(long, conflicts_with = "auth_method")]
    pub public: bool,
    /// A page whose refresh token lives in a cookie of this server (docs/sessions.md); implies --public and the redirect
    /// URIs
    #[arg(long, conflicts_with_all = ["introspect", "auth_method"])]
    pub cookie: bool,
    /// Let it ask about tokens at /introspect (RFC 7662)
    #[arg(long, conflicts_with = "public")]
    pub introspect: bool,
    /// Ours: no consent page
    #[arg(long)]
    pub first_party: bool,
    /// A classic web application behind a reverse proxy, at the given origins (docs/forward-auth.md)
    #[arg(long, requires = "origins", conflicts_with_all = ["introspect", "auth_method"])]
    pub forward_auth: bool,
    /// The rest.
    #[command(flatten)]
    pub fields: ClientChanges,
}

/// `signet client update`
#[derive(Debug, Args)]
pub struct ClientUpdate {
    /// The client's id
    pub id: String,
    /// Whether it may ask about tokens at /introspect (RFC 7662)
    #[arg(long, value_name = "BOOL")]
    pub introspect: Option<bool>,
    /// Whether it is ours and needs no consent page
    #[arg(long, value_name = "BOOL")]
    pub first_party: Option<bool>,
    /// The rest.
    #[command(flatten)]
    pub fields: ClientChanges,
}

/// What can be set at creation and changed later. An empty list means "not given".
#[derive(Debug, Args)]
pub struct ClientChanges {
    /// The name people see
    #[arg(long)]
    pub name: Option<String>,
    /// Where answers may go; may be given several times
    #[arg(long = "redirect-uri", value_name = "URI")]
    pub redirect_uris: Vec<String>,
    /// A page that the browser returns to after a sign-in in cookie mode; may be given several times
    #[arg(long = "return-to", value_name = "URL")]
    pub return_uris: Vec<String>,
    /// The scopes it may ask for, separated by spaces
    #[arg(long)]
    pub scope: Option<String>,
    /// A grant type it may use; may be given several times
    #[arg(long = "grant-type", value_name = "TYPE")]
    pub grant_types: Vec<String>,
    /// An origin whose scripts may call the token endpoint (CORS), or with --forward-auth where the application is; may
    /// be given several times
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub origins: Vec<String>,
    /// The audience of its access tokens when it names none; may be given several times
    #[arg(long = "audience", value_name = "URI")]
    pub audiences: Vec<String>,
    /// How it proves itself: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none
    /// (docs/operations.md)
    #[arg(long, value_name = "METHOD")]
    pub auth_method: Option<String>,
    /// Where it publishes the public keys it signs with
    #[arg(long, value_name = "URL", conflicts_with = "jwks_file")]
    pub jwks_uri: Option<String>,
    /// The public keys it signs with, as a JWK set (RFC 7517 §5)
    #[arg(long, value_name = "FILE")]
    pub jwks_file: Option<PathBuf>,
    /// Any other member of the metadata (RFC 7591 §2), its value as JSON or plain text, null to take it away; may be given
    /// several times
    #[arg(long = "set", value_name = "MEMBER=VALUE", value_parser = member)]
    pub members: Vec<(String, Value)>,
    /// Client metadata (RFC 7591 §2) as JSON; flags go before it
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
}
