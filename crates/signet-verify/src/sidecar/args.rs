//! The command line, and the environment in its place.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use clap::Parser;

use super::Sidecar;
use super::check::Answers;
use crate::metadata::ResourceMetadata;
use crate::need::{DpopPolicy, StalePolicy};
use crate::verifier::Verifier;

/// A secret in a file is shorter than this.
const LONGEST_SECRET: u64 = 4096;
/// A file of certificates is shorter than this.
const LONGEST_CERTIFICATES: u64 = 1024 * 1024;

/// Verifies OAuth 2 access tokens for nginx (auth_request) and Envoy (ext_authz).
///
/// Each request is judged in this program's own memory. It follows the issuer's revocation feed, if there is one, so that
/// a revoked token is refused within a second.
#[derive(Debug, Parser)]
#[command(
    name = "signet-verify",
    version,
    arg_required_else_help = true,
    after_help = "Example:\n  signet-verify --issuer https://login.example.com --audience https://api.example.com\n\
                  \nThen ask as nginx does:\n  curl -i -H \"Authorization: Bearer $TOKEN\" 'http://127.0.0.1:9400/auth?scope=read'\n\
                  \n/auth?scope=read&max_age=300&acr=…&on_stale=closed  nginx auth_request\n\
                  /envoy/scope=read/…                                  Envoy ext_authz, as its path_prefix\n\
                  /healthz /readyz /metrics /.well-known/oauth-protected-resource\n\
                  \nRecipes: docs/recipes/"
)]
pub struct Args {
    /// Whose tokens are accepted: the issuer's address, to the letter
    #[arg(long, env = "SIGNET_VERIFY_ISSUER", value_name = "URL")]
    pub(super) issuer: String,
    /// Whom the tokens have to be for
    #[arg(long, env = "SIGNET_VERIFY_AUDIENCE", value_name = "AUDIENCE")]
    pub(super) audience: String,
    /// Where the proxy asks; who can reach it can say that a request was for something else
    #[arg(long, env = "SIGNET_VERIFY_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:9400")]
    pub(super) listen: SocketAddr,
    /// The client that introspects, for opaque tokens and while the feed is silent
    #[arg(
        long,
        env = "SIGNET_VERIFY_INTROSPECTION_CLIENT",
        value_name = "ID",
        requires = "introspection_secret_file"
    )]
    introspection_client: Option<String>,
    /// The file with its secret
    #[arg(
        long,
        env = "SIGNET_VERIFY_INTROSPECTION_SECRET_FILE",
        value_name = "FILE",
        requires = "introspection_client"
    )]
    introspection_secret_file: Option<PathBuf>,
    /// What to do when the feed was not heard for 30 s [default: introspect with a client, open without]
    #[arg(long, env = "SIGNET_VERIFY_ON_STALE", value_name = "introspect|open|closed", value_parser = stale_policy)]
    on_stale: Option<StalePolicy>,
    /// Tokens bound to a key: refuse them, accept them beside plain ones, or accept nothing else
    #[arg(
        long,
        env = "SIGNET_VERIFY_DPOP",
        value_name = "off|accept|require",
        default_value = "off",
        value_parser = dpop_policy
    )]
    dpop: DpopPolicy,
    /// The address under which clients reach the API, which DPoP proofs name [default: what the proxy says]
    #[arg(long, env = "SIGNET_VERIFY_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Where clients find this resource's metadata, for the challenges to name (RFC 9728)
    #[arg(long, env = "SIGNET_VERIFY_RESOURCE_METADATA", value_name = "URL")]
    resource_metadata: Option<String>,
    /// Scopes to name in the metadata of this resource, separated by spaces
    #[arg(long, env = "SIGNET_VERIFY_SCOPES", value_name = "SCOPES")]
    scopes: Option<String>,
    /// Certificates to trust beside the built-in roots, for the issuer's address (PEM)
    #[arg(long, env = "SIGNET_VERIFY_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Send all claims in X-Auth-Claims (base64url of JSON); the proxy needs room for headers that large
    #[arg(long, env = "SIGNET_VERIFY_CLAIMS_HEADER")]
    claims_header: bool,
    /// Threads that answer [default: one per core]
    #[arg(long, env = "SIGNET_VERIFY_WORKERS", value_name = "COUNT")]
    pub(super) workers: Option<NonZeroUsize>,
    /// Log lines as JSON
    #[arg(long, env = "SIGNET_VERIFY_JSON")]
    pub(super) json: bool,
    /// What to log: error, warn, info, debug
    #[arg(long, env = "SIGNET_VERIFY_LOG", value_name = "LEVEL", default_value = "info")]
    pub(super) log: String,
}

/// Arguments that cannot be followed: which, and why.
#[derive(Debug)]
pub struct BadArgs(String);

impl fmt::Display for BadArgs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Error for BadArgs {}

impl Args {
    /// What the arguments describe. Nothing is asked of the issuer yet.
    pub(super) fn sidecar(&self) -> Result<Sidecar, BadArgs> {
        let mut builder = Verifier::builder(&self.issuer, &self.audience).dpop(self.dpop);
        if let (Some(client), Some(file)) = (&self.introspection_client, &self.introspection_secret_file) {
            builder = builder.introspection(client, secret(file)?);
        } else if self.on_stale == Some(StalePolicy::Introspect) {
            return Err(BadArgs("--on-stale introspect needs --introspection-client".into()));
        }
        if let Some(policy) = self.on_stale {
            builder = builder.on_stale(policy);
        }
        if let Some(url) = &self.resource_metadata {
            builder = builder.resource_metadata(url);
        }
        if let Some(file) = &self.ca_file {
            builder = builder.root_certificate(read("--ca-file", file, LONGEST_CERTIFICATES)?);
        }
        let verifier = builder.build().map_err(|why| BadArgs(why.to_string()))?;
        let mut metadata = ResourceMetadata::new(&self.audience, &self.issuer);
        if let Some(scopes) = &self.scopes {
            metadata = metadata.scopes(&scopes.split_ascii_whitespace().collect::<Vec<_>>());
        }
        Ok(Sidecar {
            verifier,
            public_url: self.public_url.as_deref().map(public_url).transpose()?,
            claims_header: self.claims_header,
            metadata: metadata.document(),
            answers: Answers::default(),
            ready: AtomicBool::new(false),
        })
    }
}

/// The address without a slash at its end, since the paths that follow begin with one.
fn public_url(text: &str) -> Result<String, BadArgs> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['?', '#', ' '])) {
        return Err(BadArgs(format!("--public-url is no address like https://api.example.com: {text}")));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn secret(file: &Path) -> Result<String, BadArgs> {
    let bytes = read("--introspection-secret-file", file, LONGEST_SECRET)?;
    let text = String::from_utf8(bytes).map_err(|_| BadArgs("the introspection secret is no text".into()))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(BadArgs("the file of the introspection secret is empty".into())),
        secret => Ok(secret.to_owned()),
    }
}

fn read(option: &str, path: &Path, most: u64) -> Result<Vec<u8>, BadArgs> {
    let wrong = |why: &dyn fmt::Display| BadArgs(format!("{option} {}: {why}", path.display()));
    let file = File::open(path).map_err(|why| wrong(&why))?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|why| wrong(&why))?;
    if bytes.len() as u64 > most { Err(wrong(&"too long")) } else { Ok(bytes) }
}

pub(super) fn stale_policy(text: &str) -> Result<StalePolicy, String> {
    match text {
        "introspect" => Ok(StalePolicy::Introspect),
        "open" => Ok(StalePolicy::Open),
        "closed" => Ok(StalePolicy::Closed),
        _ => Err("the policy is introspect, open or closed".into()),
    }
}

fn dpop_policy(text: &str) -> Result<DpopPolicy, String> {
    match text {
        "off" => Ok(DpopPolicy::Off),
        "accept" => Ok(DpopPolicy::Accept),
        "require" => Ok(DpopPolicy::Require),
        _ => Err("DPoP is off, accept or require".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use clap::Parser as _;

    use super::Args;

    const ISSUER: [&str; 5] =
        ["signet-verify", "--issuer", "https://login.example.com", "--audience", "https://api.example.com"];

    fn outcome(more: &[&str]) -> Result<(), String> {
        let args = Args::try_parse_from(ISSUER.iter().chain(more)).map_err(|why| why.to_string())?;
        args.sidecar().map(|_| ()).map_err(|why| why.to_string())
    }

    fn refused(more: &[&str], words: &str) {
        let why = outcome(more).expect_err("refused");
        assert!(why.contains(words), "{more:?}: {why}");
    }

    #[test]
    fn issuer_and_audience_are_all_it_takes_and_it_listens_on_loopback() {
        assert_eq!(outcome(&[]), Ok(()));
        let args = Args::try_parse_from(ISSUER).expect("arguments");
        assert!(args.listen.ip().is_loopback());
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        refused(&["--on-stale", "introspect"], "--introspection-client");
        refused(&["--on-stale", "ignore"], "introspect, open or closed");
        refused(&["--dpop", "maybe"], "off, accept or require");
        refused(&["--introspection-client", "api"], "--introspection-secret-file");
        refused(
            &["--introspection-client", "api", "--introspection-secret-file", "/no/such/file"],
            "--introspection-secret-file /no/such/file",
        );
        refused(&["--public-url", "api.example.com"], "--public-url");
        refused(&["--public-url", "https://"], "--public-url");
        refused(&["--public-url", "https://api.example.com?x"], "--public-url");
        refused(&["--ca-file", "/no/such/file"], "--ca-file");
        refused(&["--workers", "0"], "--workers");
    }

    #[test]
    fn a_secret_is_a_line_of_text_in_a_file() {
        let path = std::env::temp_dir().join(format!("signet-verify-secret-{}", std::process::id()));
        let name = path.to_str().expect("a path");
        let with = [
            "--introspection-client",
            "api",
            "--introspection-secret-file",
            name,
            "--on-stale",
            "introspect",
        ];
        let write = |bytes: &[u8]| {
            std::fs::File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("written");
        };
        write(b"very secret\n");
        assert_eq!(outcome(&with), Ok(()));
        write(b"\n");
        refused(&with, "empty");
        write(&[0xff, 0xfe]);
        refused(&with, "no text");
        write(&[b'x'; 5000]);
        refused(&with, "too long");
        std::fs::remove_file(&path).expect("removed");
    }
}
