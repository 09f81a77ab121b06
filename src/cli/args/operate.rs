//! Commands on the configuration, sessions, keys, the audit log, and the two that ask the running server.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{algorithm, client_secret, password};
use crate::oauth::algorithm::Algorithm;
use crate::secret::{ClientSecret, Password};

/// Look at the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Validate as `serve` would and print what is in effect, secrets redacted
    #[command(after_help = "Example:\n  signet config check --config config/signet.toml")]
    Check,
}

/// `signet restore-epoch`
#[derive(Debug, Args)]
pub struct RestoreEpoch {
    /// Do it without asking
    #[arg(long)]
    pub yes: bool,
}

/// Manage login sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// End one session with its refresh tokens
    #[command(after_help = "Example:\n  signet session end 0197f3a2-6c1e-7d52-9a41-3f5f0b7f9c11")]
    End(SessionRef),
}

/// One session.
#[derive(Debug, Args)]
pub struct SessionRef {
    /// The session's public id, as `user sessions` shows it
    pub id: String,
}

/// See which relying parties were told of logouts.
#[derive(Debug, Subcommand)]
pub enum LogoutCommand {
    /// List notices to relying parties, newest first, with what came of them
    #[command(after_help = "Example:\n  signet logout report --user alice --client shop")]
    Report(LogoutReport),
}

/// `signet logout report`
#[derive(Debug, Args)]
pub struct LogoutReport {
    /// Only notices of this user's sessions
    #[arg(long)]
    pub user: Option<String>,
    /// Only notices of this session
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// Only notices to this client
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
    /// How many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Continue where the previous page ended
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
}

/// Manage signing keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the keys with their states
    #[command(after_help = "Example:\n  signet keys list --json")]
    List,
    /// Publish successors that sign later; in an emergency replace and remove at once
    #[command(after_help = "Examples:\n  signet keys rotate\n  signet keys rotate --emergency --kid k7Qd")]
    Rotate(KeysRotate),
    /// Remove a key from the key set; tokens it signed are refused as soon as verifiers notice
    #[command(after_help = "Example:\n  signet keys remove k7Qd")]
    Remove(KeyRef),
}

/// One key.
#[derive(Debug, Args)]
pub struct KeyRef {
    /// The key id
    pub kid: String,
}

/// `signet keys rotate`
#[derive(Debug, Args)]
pub struct KeysRotate {
    /// A key is in the wrong hands: sign with a new one now and remove the old one
    #[arg(long)]
    pub emergency: bool,
    /// Only this key [default: all that sign]
    #[arg(long, conflicts_with = "algorithm")]
    pub kid: Option<String>,
    /// Only the keys of this algorithm: ES256, RS256, PS256 or EdDSA
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    pub algorithm: Option<Algorithm>,
}

/// Manage keys of the administration API.
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Create a key; it is shown once
    #[command(after_help = "Example:\n  signet api-key create --name deploy --expires-days 90")]
    Create(ApiKeyCreate),
    /// List keys, without their secrets
    #[command(after_help = "Example:\n  signet api-key list")]
    List,
    /// Delete a key; it stops working at once
    #[command(after_help = "Example:\n  signet api-key delete 0197f3a2-6c1e-7d52-9a41-3f5f0b7f9c11")]
    Delete(ApiKeyRef),
}

/// `signet api-key create`
#[derive(Debug, Args)]
pub struct ApiKeyCreate {
    /// What the key is for
    #[arg(long)]
    pub name: String,
    /// After how many days it stops working [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub expires_days: Option<u32>,
}

/// One key of the administration API.
#[derive(Debug, Args)]
pub struct ApiKeyRef {
    /// The key's id, as `api-key list` shows it
    pub id: String,
}

/// Manage tokens that allow clients to register themselves.
#[derive(Debug, Subcommand)]
pub enum InitialAccessTokenCommand {
    /// Create a token; it is shown once
    #[command(
        after_help = "Example:\n  signet initial-access-token create --name partners --uses 10 --expires-days 7"
    )]
    Create(InitialAccessTokenCreate),
    /// List tokens, without their secrets
    #[command(after_help = "Example:\n  signet initial-access-token list")]
    List,
    /// Delete a token; clients that it has registered stay
    #[command(
        after_help = "Example:\n  signet initial-access-token delete 0197f3a2-6c1e-7d52-9a41-3f5f0b7f9c11"
    )]
    Delete(InitialAccessTokenRef),
}

/// `signet initial-access-token create`
#[derive(Debug, Args)]
pub struct InitialAccessTokenCreate {
    /// What the token is for
    #[arg(long)]
    pub name: String,
    /// How many clients it may register
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub uses: u32,
    /// After how many days it stops working
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub expires_days: u32,
}

/// One initial access token.
#[derive(Debug, Args)]
pub struct InitialAccessTokenRef {
    /// The token's id, as `initial-access-token list` shows it
    pub id: String,
}

/// Read the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List events, newest first
    #[command(after_help = "Example:\n  signet audit list --user alice --limit 20")]
    List(AuditList),
}

/// `signet audit list`
#[derive(Debug, Args)]
pub struct AuditList {
    /// Only events about this user
    #[arg(long)]
    pub user: Option<String>,
    /// Only events of this client
    #[arg(long, value_name = "ID")]
    pub client: Option<String>,
    /// Only events of this kind
    #[arg(long, value_name = "KIND")]
    pub event: Option<String>,
    /// How many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Continue where the previous page ended
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
}

/// `signet token`
#[derive(Debug, Args)]
pub struct Token {
    /// The client's id
    #[arg(long, value_name = "ID")]
    pub client: String,
    /// Its secret; on a shared machine rather --secret-stdin, as others can read the process list
    #[arg(long, value_parser = client_secret)]
    pub secret: Option<ClientSecret>,
    /// Read the secret from standard input
    #[arg(long, conflicts_with = "secret")]
    pub secret_stdin: bool,
    /// The scopes to ask for, separated by spaces
    #[arg(long)]
    pub scope: Option<String>,
    /// The API the token is for (RFC 8707); may be given several times
    #[arg(long = "resource", value_name = "URI")]
    pub resources: Vec<String>,
    /// Trust the authorities in this file, too (PEM)
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
}

/// `signet login`
#[derive(Debug, Args)]
pub struct Login {
    /// The user name
    #[arg(long, default_value = "alice")]
    pub user: String,
    /// The password, meant for demo users; without it, it is read from standard input
    #[arg(long, value_parser = password)]
    pub password: Option<Password>,
    /// Sign in without a browser
    #[arg(long)]
    pub headless: bool,
    /// The client to sign in to
    #[arg(long, value_name = "ID", default_value = "demo-spa")]
    pub client: String,
    /// The scopes to ask for, separated by spaces
    #[arg(long, default_value = "openid profile email offline_access")]
    pub scope: String,
    /// Trust the authorities in this file, too (PEM)
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
}
