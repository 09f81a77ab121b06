//! `signet user …`

use clap::{Args, Subcommand};

/// Manage users. A user is named by user name, e-mail address or id.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user
    #[command(
        after_help = "Examples:\n  signet user create --username carol --email carol@example.com --password-stdin\n  \
        signet user create --username carol --claim birthdate=1990-04-01 --claim 'address={\"country\":\"DE\"}'"
    )]
    Create(UserCreate),
    /// List users
    #[command(after_help = "Example:\n  signet user list --json")]
    List,
    /// Show one user
    #[command(after_help = "Example:\n  signet user show alice")]
    Show(UserRef),
    /// Change a user; what is not given stays
    #[command(after_help = "Example:\n  signet user update alice --role admin --role auditor")]
    Update(UserUpdate),
    /// End everything of a user and refuse sign-in until enabled again
    #[command(after_help = "Example:\n  signet user disable bob")]
    Disable(UserRef),
    /// Let a disabled user sign in again
    #[command(after_help = "Example:\n  signet user enable bob")]
    Enable(UserRef),
    /// Set a password, read from standard input; the user's sessions end
    #[command(after_help = "Example:\n  signet user set-password alice")]
    SetPassword(UserRef),
    /// List a user's sessions
    #[command(after_help = "Example:\n  signet user sessions alice --history")]
    Sessions(UserSessions),
    /// Log a user out on all devices; says how many sessions ended and until when tokens may still be accepted
    #[command(after_help = "Example:\n  signet user logout-all alice")]
    LogoutAll(UserRef),
}

/// One user.
#[derive(Debug, Args)]
pub struct UserRef {
    /// User name, e-mail address or id
    pub name: String,
}

/// `signet user create`
#[derive(Debug, Args)]
pub struct UserCreate {
    /// What the user signs in with
    #[arg(long)]
    pub username: String,
    /// The e-mail address
    #[arg(long)]
    pub email: Option<String>,
    /// The full name
    #[arg(long)]
    pub name: Option<String>,
    /// A role; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<String>,
    /// What else is known of the user
    #[command(flatten)]
    pub claims: ClaimArgs,
    /// Read the password from standard input without asking
    #[arg(long)]
    pub password_stdin: bool,
}

/// `signet user update`
#[derive(Debug, Args)]
pub struct UserUpdate {
    /// User name, e-mail address or id
    pub user: String,
    /// What the user signs in with
    #[arg(long)]
    pub username: Option<String>,
    /// The e-mail address
    #[arg(long)]
    pub email: Option<String>,
    /// The full name
    #[arg(long)]
    pub name: Option<String>,
    /// A role; may be given several times and replaces all
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<String>,
    /// Take all roles away
    #[arg(long, conflicts_with = "roles")]
    pub no_roles: bool,
    /// What else is known of the user
    #[command(flatten)]
    pub claims: ClaimArgs,
}

/// What else is known of a user.
#[derive(Debug, Args)]
pub struct ClaimArgs {
    /// The e-mail address is known to be the user's
    #[arg(long)]
    pub email_verified: bool,
    /// A claim, such as zoneinfo=Europe/Oslo; a value that begins with { or [, and true, false and null, is
    /// JSON, and null takes the claim away. May be given several times
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    pub claims: Vec<String>,
    /// A file with claims as one JSON object; --claim comes after it
    #[arg(long, value_name = "FILE")]
    pub claims_file: Option<std::path::PathBuf>,
}

/// `signet user sessions`
#[derive(Debug, Args)]
pub struct UserSessions {
    /// User name, e-mail address or id
    pub name: String,
    /// Also those that ended, with the cause
    #[arg(long)]
    pub history: bool,
}
