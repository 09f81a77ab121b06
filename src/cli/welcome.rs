//! What `signet dev` prints once it is ready: addresses, demo users, and commands that work as they stand.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::authority::Authority;
use super::demo_data::{COOKIE, COOKIE_PAGE, SECRETS, SPA, USERS};
use super::output::{Report, pairs};
use crate::oauth::issuer::Issuer;
use crate::oauth::uri;

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
    /// Further origins at which browsers hold sessions.
    pub(super) hosts: &'a [String],
    /// Whose certificate the server shows, where it speaks https.
    pub(super) authority: Option<&'a Authority>,
    /// Whether commands have to be told the folder.
    pub(super) needs_dir: bool,
    /// How long it took.
    pub(super) ready_after: Duration,
}

impl Welcome<'_> {
    /// As text with commands to paste, and as JSON.
    pub(super) fn report(&self) -> Report {
        let users: Vec<_> = USERS.iter().map(|(name, password, _)| format!("{name} / {password}")).collect();
        let mut addresses = vec![
            ("Issuer", self.issuer.as_str().to_owned()),
            ("Discovery", self.issuer.url("/.well-known/openid-configuration")),
            ("Revocations", self.issuer.url("/revocation/stream")),
            ("Demo page", self.issuer.url("/demo")),
            ("Cookie demo", self.issuer.url(COOKIE_PAGE)),
            ("Operators", format!("http://{}/readyz, /metrics", self.admin)),
            ("Database", self.database.to_owned()),
            ("Users", users.join(", ")),
        ];
        if !self.hosts.is_empty() {
            addresses.insert(1, ("Further hosts", self.hosts.join(", ")));
        }
        let addresses = pairs(&addresses);
        let tries: String =
            self.commands().iter().map(|(what, command)| format!("\n# {what}\n{command}\n")).collect();
        let prepare = self.preparation();
        let text = format!(
            "Signet is ready after {} ms. Everybody knows these passwords: for development only.\n\n{addresses}{prepare}{tries}",
            self.ready_after.as_millis()
        );
        Report::new(text, self.json())
    }

    fn json(&self) -> Value {
        let users: Vec<_> = USERS
            .iter()
            .map(|(name, password, _)| json!({ "username": name, "password": password }))
            .collect();
        let mut clients = vec![json!({ "client_id": SPA }), json!({ "client_id": COOKIE })];
        clients
            .extend(SECRETS.iter().map(|(id, secret)| json!({ "client_id": id, "client_secret": secret })));
        json!({
            "issuer": self.issuer.as_str(),
            "discovery": self.issuer.url("/.well-known/openid-configuration"),
            "revocation_configuration": self.issuer.url("/.well-known/revocation-configuration"),
            "demo": self.issuer.url("/demo"),
            "demo_app": self.issuer.url(COOKIE_PAGE),
            "admin": format!("http://{}", self.admin),
            "database": self.database,
            "dir": self.dir,
            "hosts": self.hosts,
            "ca": self.authority.map(|authority| &authority.ca),
            "users": users,
            "clients": clients,
            "ready_after_ms": u64::try_from(self.ready_after.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn commands(&self) -> Vec<(&'static str, String)> {
        let signet = self.program();
        let token = format!("{signet} token --client demo-service --secret demo-service-secret --scope read");
        let [(user, password, _), _] = USERS;
        let curl = self.curl();
        vec![
            (
                "A service gets a token",
                format!(
                    "{curl} -u demo-service:demo-service-secret -d grant_type=client_credentials -d scope=read {}",
                    self.issuer.url("/token")
                ),
            ),
            (
                "An API asks about it",
                format!(
                    "{curl} -u demo-api:demo-api-secret -d token=\"$({token})\" {}",
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

    /// What browsers need before any of this works: to trust the authority, and to find names that are not this
    /// machine's by themselves.
    fn preparation(&self) -> String {
        let Some(authority) = self.authority else { return String::new() };
        let ca = quoted(&authority.ca.display().to_string());
        let new =
            if authority.is_new { "This authority is new" } else { "The authority is the one you know" };
        let mut text = format!(
            "\n# {new}; it can vouch for the names above and no others. Trust it in browsers by one of:\n\
             #   Firefox: Settings, Certificates, View Certificates, Authorities, Import {ca}\n\
             certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n signet-dev -i {ca}   # Chrome on Linux\n\
             security add-trusted-cert -k ~/Library/Keychains/login.keychain-db {ca}   # macOS\n"
        );
        let names: Vec<&str> = self.names().filter(|name| !is_here(name)).collect();
        if !names.is_empty() {
            text.push_str(&format!(
                "\n# Let browsers find these names here\necho '127.0.0.1 {}' | sudo tee -a /etc/hosts\n",
                names.join(" ")
            ));
        }
        text
    }

    /// The issuer's name and the further ones.
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.issuer.origin()).chain(self.hosts.iter().map(String::as_str)).map(|origin| {
            let authority = authority_of(origin);
            authority.split_once(':').map_or(authority, |(name, _)| name)
        })
    }

    /// `curl` for addresses of the issuer: it trusts the authority, and finds the name without asking anybody.
    fn curl(&self) -> String {
        let mut curl = "curl -s".to_owned();
        if let Some(authority) = self.authority {
            curl.push_str(&format!(" --cacert {}", quoted(&authority.ca.display().to_string())));
        }
        let authority = authority_of(self.issuer.origin());
        if authority != "localhost" && !authority.starts_with("localhost:") {
            let port = if authority.contains(':') {
                ""
            } else if self.issuer.is_https() {
                ":443"
            } else {
                ":80"
            };
            curl.push_str(&format!(" --resolve {authority}{port}:127.0.0.1"));
        }
        curl
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

/// What stands behind the scheme of an origin.
fn authority_of(origin: &str) -> &str {
    origin.split_once("://").map_or("", |(_, authority)| authority)
}

fn is_here(name: &str) -> bool {
    name == "localhost" || uri::is_below_localhost(name)
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
            hosts: &[],
            authority: None,
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
        assert!(welcome.report().text().contains("http://localhost:8081/demo\n"));
        assert!(welcome.report().text().contains("http://localhost:8081/demo/app\n"));
    }
}
