//! The grammar of the command line: noun verb, `--json` everywhere, an example in every help text.
//!
//! Secrets that are typed go into secret types at once; their `Debug` shows nothing.

mod api;
mod client;
mod operate;
mod user;

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use api::{ApiCommand, ApiCreate, ApiFields, ApiRef, ApiUpdate};
pub use client::{ClientChanges, ClientCommand, ClientCreate, ClientLint, ClientRef, ClientUpdate};
pub use operate::{
    ApiKeyCommand, ApiKeyCreate, ApiKeyRef, AuditCommand, AuditList, ConfigCommand,
    InitialAccessTokenCommand, InitialAccessTokenCreate, InitialAccessTokenRef, KeyRef, KeysCommand,
    KeysRotate, Login, LogoutCommand, LogoutReport, RestoreEpoch, SessionCommand, SessionRef, Token,
};
pub use user::{ClaimArgs, UserCommand, UserCreate, UserRef, UserSessions, UserUpdate};

use crate::oauth::algorithm::Algorithm;
use crate::secret::{ClientSecret, DatabaseUrl, Password};

/// The development store when neither `--dir` nor `SIGNET_DIR` names one.
pub const DEFAULT_DIR: &str = "data/dev";

/// Signet: an OAuth 2.x and OpenID Connect authorization server.
#[derive(Debug, Parser)]
#[command(name = "signet", version, arg_required_else_help = true, after_help = "Example:\n  signet dev")]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Work on the development store in this folder
    #[arg(long, global = true, env = "SIGNET_DIR", value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Read this configuration file [default: config/signet.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a development server with keys and demo data, on SQLite unless told otherwise
    #[command(after_help = "Example:\n  signet dev --port 8081 --admin-port 9001 --dir data/try")]
    Dev(Dev),
    /// Start the server
    #[command(after_help = "Example:\n  signet serve --config config/signet.toml")]
    Serve,
    /// Write a short configuration file to start from
    #[command(after_help = "Example:\n  signet init --public-url https://login.example.com")]
    Init(Init),
    /// Look at the configuration
    #[command(subcommand, after_help = "Example:\n  signet config check --json")]
    Config(ConfigCommand),
    /// Bring the database's schema up to date
    #[command(after_help = "Example:\n  signet migrate --dry-run")]
    Migrate(Migrate),
    /// Void everything issued so far, after a database was restored or promoted behind its commits
    ///
    /// A restored database has forgotten what happened since its backup: sessions that had ended, refresh tokens and
    /// codes that had been used, users that had been logged out are alive in it again. Run this once, before the first
    /// node serves from that database. Everybody signs in again, and nothing comes back to life.
    #[command(
        name = "restore-epoch",
        after_help = "Example:\n  signet restore-epoch --yes --config config/signet.toml"
    )]
    RestoreEpoch(RestoreEpoch),
    /// Manage clients
    #[command(subcommand, after_help = "Example:\n  signet client list")]
    Client(ClientCommand),
    /// Manage APIs: what access tokens are for
    #[command(subcommand, after_help = "Example:\n  signet api list")]
    Api(ApiCommand),
    /// Manage users
    #[command(subcommand, after_help = "Example:\n  signet user logout-all alice")]
    User(UserCommand),
    /// Manage login sessions
    #[command(subcommand, after_help = "Example:\n  signet session end 0197f3a2-6c1e-7d52-9a41-3f5f0b7f9c11")]
    Session(SessionCommand),
    /// See which relying parties were told of logouts
    #[command(subcommand, after_help = "Example:\n  signet logout report --user alice")]
    Logout(LogoutCommand),
    /// Manage signing keys
    #[command(subcommand, after_help = "Example:\n  signet keys list")]
    Keys(KeysCommand),
    /// Manage keys of the administration API
    #[command(name = "api-key", subcommand, after_help = "Example:\n  signet api-key list")]
    ApiKey(ApiKeyCommand),
    /// Manage tokens that allow clients to register themselves (RFC 7591)
    #[command(
        name = "initial-access-token",
        subcommand,
        after_help = "Example:\n  signet initial-access-token list"
    )]
    InitialAccessToken(InitialAccessTokenCommand),
    /// Read the audit log
    #[command(subcommand, after_help = "Example:\n  signet audit list --user alice")]
    Audit(AuditCommand),
    /// Get an access token with client credentials from the running server
    #[command(
        after_help = "Example:\n  signet token --client demo-service --secret demo-service-secret --scope read"
    )]
    Token(Token),
    /// Sign in through the running server and print the tokens
    #[command(
        after_help = "Example:\n  signet login --user alice --password correct-horse-battery-staple --headless"
    )]
    Login(Login),
    /// Print what a stack needs to verify tokens or sign people in; without a name, the list of stacks
    #[command(after_help = "Example:\n  signet snippet express")]
    Snippet(Snippet),
    /// Check issuer, database, keys, clock and permissions; every failure names its fix
    #[command(after_help = "Example:\n  signet doctor")]
    Doctor,
    /// Exit with 0 if the server answers as alive, for container health checks
    #[command(after_help = "Example:\n  signet healthcheck --url http://127.0.0.1:9000/livez")]
    Healthcheck(Healthcheck),
}

/// `signet dev`
#[derive(Debug, Args)]
pub struct Dev {
    /// Port of the public listener
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Port of the listener for operators
    #[arg(long, default_value_t = 9000)]
    pub admin_port: u16,
    /// Speak https, by a certificate authority of this folder's own
    #[arg(long)]
    pub tls: bool,
    /// The host name of the issuer; without --tls one below localhost, such as auth.shop.localhost
    #[arg(long, value_name = "NAME", default_value = "localhost", value_parser = host_name)]
    pub name: String,
    /// A further host name at which browsers hold sessions; may be given several times
    #[arg(long = "host", value_name = "NAME", value_parser = host_name)]
    pub hosts: Vec<String>,
    /// Use this database instead of SQLite in the folder
    #[arg(long, value_name = "URL", value_parser = database_url)]
    pub database: Option<DatabaseUrl>,
}

/// `signet init`
#[derive(Debug, Args)]
pub struct Init {
    /// The issuer: what people and clients see
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    pub public_url: String,
    /// The database
    #[arg(long, value_name = "URL", default_value = "sqlite://data/signet.sqlite", value_parser = database_url)]
    pub database: DatabaseUrl,
    /// Where to write; - is standard output
    #[arg(long, value_name = "FILE", default_value = crate::config::DEFAULT_FILE)]
    pub output: PathBuf,
    /// Overwrite a file that exists
    #[arg(long)]
    pub force: bool,
}

/// `signet migrate`
#[derive(Debug, Args)]
pub struct Migrate {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

/// `signet snippet`
#[derive(Debug, Args)]
pub struct Snippet {
    /// The language, framework or product
    pub stack: Option<String>,
}

/// `signet healthcheck`
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// What to ask [default: /livez of the configured admin listener]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Trust the authorities in this file, too (PEM)
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
}

/// How a command ends. `clap` itself ends with 2 on a usage error and with 0 after `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done,
    /// It could not, and said why.
    Failed,
    /// What was asked makes no sense.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
        })
    }
}

/// A name as browsers write it, since origins are made of it.
fn host_name(text: &str) -> Result<String, &'static str> {
    let url = url::Url::parse(&format!("https://{text}"));
    let is_name = url.is_ok_and(|url| {
        matches!(url.host(), Some(url::Host::Domain(name)) if name == text) && url.port().is_none()
    });
    let is_name = is_name && text.len() <= 253 && !text.ends_with('.');
    is_name.then(|| text.to_owned()).ok_or("expected a host name in lower case, such as auth.example.test")
}

type Parsed<T> = Result<T, Infallible>;

fn database_url(text: &str) -> Parsed<DatabaseUrl> {
    Ok(DatabaseUrl::new(text))
}

fn client_secret(text: &str) -> Parsed<ClientSecret> {
    Ok(ClientSecret::new(text))
}

fn password(text: &str) -> Parsed<Password> {
    Ok(Password::new(text))
}

fn algorithm(text: &str) -> Result<Algorithm, &'static str> {
    const ALL: [Algorithm; 4] = [Algorithm::Es256, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa];
    ALL.into_iter().find(|known| known.as_str() == text).ok_or("expected ES256, RS256, PS256 or EdDSA")
}

#[cfg(test)]
mod tests;
