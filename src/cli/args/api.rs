//! `signet api …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::oauth::algorithm::Algorithm;
use crate::oauth::api_metadata::AccessTokenFormat;

/// Manage APIs: what access tokens are for (docs/apis.md).
#[derive(Debug, Subcommand)]
pub enum ApiCommand {
    /// Register an API under the audience of its access tokens
    #[command(
        after_help = "Examples:\n  signet api create https://api.example.com --scope read --scope write\n  \
                      signet api create https://payments.example.com --format opaque --lifetime 120"
    )]
    Create(ApiCreate),
    /// List APIs
    #[command(after_help = "Example:\n  signet api list --json")]
    List,
    /// Show one API
    #[command(after_help = "Example:\n  signet api show https://api.example.com")]
    Show(ApiRef),
    /// Change an API; what is not given stays, a list that is given replaces the old one
    #[command(after_help = "Example:\n  signet api update https://api.example.com --format opaque")]
    Update(ApiUpdate),
    /// Remove an API that no client has as an audience
    #[command(after_help = "Example:\n  signet api delete https://api.example.com")]
    Delete(ApiRef),
}

/// One API.
#[derive(Debug, Args)]
pub struct ApiRef {
    /// The API's audience
    pub audience: String,
}

/// `signet api create`
#[derive(Debug, Args)]
pub struct ApiCreate {
    /// The audience: what stands in `aud` of its tokens and what clients name as `resource`; an absolute URI
    pub audience: String,
    /// The rest.
    #[command(flatten)]
    pub fields: ApiFields,
}

/// `signet api update`
#[derive(Debug, Args)]
pub struct ApiUpdate {
    /// The API's audience
    pub audience: String,
    /// The rest.
    #[command(flatten)]
    pub fields: ApiFields,
}

/// What can be set at creation and changed later. An empty list means "not given".
#[derive(Debug, Args)]
pub struct ApiFields {
    /// The name that operators and users see
    #[arg(long)]
    pub name: Option<String>,
    /// A scope that is this API's alone; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
    /// What its access tokens look like: jwt, or opaque ones that it has to ask about
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub format: Option<AccessTokenFormat>,
    /// The algorithm of its JWTs [default: the client's, else the server's]
    #[arg(long = "alg", value_name = "ALG", value_parser = super::algorithm)]
    pub algorithm: Option<Algorithm>,
    /// The longest lifetime of its access tokens, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub lifetime: Option<u64>,
    /// Whether clients that registered themselves may ask for it
    #[arg(long, value_name = "BOOL")]
    pub dynamic: Option<bool>,
    /// The API's metadata as JSON (docs/apis.md); flags go before it
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
}

fn format(text: &str) -> Result<AccessTokenFormat, crate::oauth::UnknownWord> {
    text.parse()
}
