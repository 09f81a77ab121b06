//! What `signet dev` prints once it is ready: addresses, demo users, and commands that work as they stand.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::demo_data::{SECRETS, SPA, USERS};
use super::output::{Report, pairs};
use crate::oauth::issuer::Issuer;

/// A server that is ready.
pub(super) struct Welcome<'a> {
    /// Its issuer.
    pub(super) issuer: &'a Issuer,
    /// The listener for operators.
    pub(super) admin: SocketAddr,
    /// The database, without secrets.
    pub(super) database: &'a str,
    /// The folder of the store.
    pub(super) dir: &'a Path,
    /// Whether commands have to be told the folder.
    pub(super) needs_dir: bool,
    /// How long it took.
    pub(super) ready_after: Duration,
}

impl Welcome<'_> {
    /// As text with commands to paste, and as JSON.
    pub(super) fn report(&self) -> Report {
        let users: Vec<_> = USERS.iter().map(|(name, password, _)| format!("{name} / {password}")).collect();
        let addresses = pairs(&[
            ("Issuer", self.issuer.as_str().to_owned()),
            ("Discovery", self.issuer.url("/.well-known/openid-configuration")),
            ("Revocations", self.issuer.url("/revocation/stream")),
            ("Demo page", self.issuer.url("/demo")),
            ("Operators", format!("http://{}/readyz, /metrics", self.admin)),
            ("Database", self.database.to_owned()),
            ("Users", users.join(", ")),
        ]);
        let tries: String =
            self.commands().iter().map(|(what, command)| format!("\n# {what}\n{command}\n")).collect();
        let text = format!(
            "Signet is ready after {} ms. Everybody knows these passwords: for development only.\n\n{addresses}{tries}",
            self.ready_after.as_millis()
        );
        Report::new(text, self.json())
    }

    fn json(&self) -> Value {
        let users: Vec<_> = USERS
            .iter()
            .map(|(name, password, _)| json!({ "username": name, "password": password }))
            .collect();
        let mut clients = vec![json!({ "client_id": SPA })];
        clients
            .extend(SECRETS.iter().map(|(id, secret)| json!({ "client_id": id, "client_secret": secret })));
        json!({
            "issuer": self.issuer.as_str(),
            "discovery": self.issuer.url("/.well-known/openid-configuration"),
            "revocation_configuration": self.issuer.url("/.well-known/revocation-configuration"),
            "demo": self.issuer.url("/demo"),
            "admin": format!("http://{}", self.admin),
            "database": self.database,
            "dir": self.dir,
            "users": users,
            "clients": clients,
            "ready_after_ms": u64::try_from(self.ready_after.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn commands(&self) -> Vec<(&'static str, String)> {
        let signet = self.program();
        let token = format!("{signet} token --client demo-service --secret demo-service-secret --scope read");
        let [(user, password, _), _] = USERS;
        vec![
            (
                "A service gets a token",
                format!(
                    "curl -s -u demo-service:demo-service-secret -d grant_type=client_credentials -d scope=read {}",
                    self.issuer.url("/token")
                ),
            ),
            (
                "An API asks about it",
                format!(
                    "curl -s -u demo-api:demo-api-secret -d token=\"$({token})\" {}",
                    self.issuer.url("/introspect")
                ),
            ),
            (
                "A person signs in, without a browser here",
                format!("{signet} login --user {user} --password {password} --headless"),
            ),
            (
                "Where is she signed in, and why was she signed out?",
                format!("{signet} user sessions {user} --history"),
            ),
            ("Log out all devices", format!("{signet} user logout-all {user}")),
            ("Verify tokens in your stack", format!("{signet} snippet")),
        ]
    }

    /// How this program was called, so that the lines can be pasted into the same shell.
    fn program(&self) -> String {
        let called = std::env::args().next().unwrap_or_default();
        let program = if called.contains("target/") { quoted(&called) } else { "signet".to_owned() };
        if self.needs_dir {
            format!("SIGNET_DIR={} {program}", quoted(&self.dir.display().to_string()))
        } else {
            program
        }
    }
}

/// For a POSIX shell.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_to_paste_are_valid_commands() {
        use clap::Parser as _;
        let issuer = Issuer::parse("http://localhost:8081").unwrap();
        let welcome = Welcome {
            issuer: &issuer,
            admin: ([127, 0, 0, 1], 9000).into(),
            database: "sqlite://x",
            dir: Path::new("/tmp/a folder"),
            needs_dir: true,
            ready_after: Duration::from_millis(5),
        };
        let mut seen = 0;
        for (_, line) in welcome.commands() {
            let Some((folder, command)) = line.split_once(&format!("{} ", welcome.program())) else {
                continue;
            };
            assert!(folder.is_empty() || folder.starts_with("curl"), "{folder}");
            let words = command.split(")\"").next().unwrap_or_default().split_whitespace();
            let parsed = crate::cli::args::Cli::try_parse_from(std::iter::once("signet").chain(words));
            assert!(parsed.is_ok(), "{command}");
            seen += 1;
        }
        assert_eq!(seen, 5);
        assert!(welcome.program().starts_with("SIGNET_DIR='/tmp/a folder' "));
        assert!(welcome.report().text().contains("http://localhost:8081/demo"));
    }
}
