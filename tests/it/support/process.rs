//! The program itself, as an operator starts it: `signet dev` in a folder of its own. It can be killed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::browser::{Page, Redirect};
use super::client::{Asked, VERIFIER, request};
use super::http::{Request, Response};
use super::ports::Port;

/// The demo user that signs in.
pub(crate) const USER: (&str, &str) = ("alice", "correct-horse-battery-staple");

/// Where a program listens, also before it is started and after it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    _held: Arc<[Port; 2]>,
}

impl Address {
    /// Two ports that nobody uses, nor will while this lives.
    pub(crate) fn free() -> Self {
        let held = [Port::free(), Port::free()];
        let [public, admin] =
            [&held[0], &held[1]].map(|port| SocketAddr::from(([127, 0, 0, 1], port.number)));
        Self { public, admin, _held: Arc::new(held) }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://localhost:{}", self.public.port())
    }

    /// The redirect URI of the demo's single-page app.
    pub(crate) fn callback(&self) -> String {
        format!("{}/demo/callback", self.origin())
    }

    pub(crate) fn get(&self, target: &str) -> Request {
        Request::new(self.public, "GET", target)
    }

    pub(crate) fn post(&self, target: &str) -> Request {
        Request::new(self.public, "POST", target)
    }

    pub(crate) fn refreshing(&self, token: &str) -> Request {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "demo-spa")];
        self.post("/token").form(&fields)
    }

    pub(crate) fn redeeming(&self, code: &str) -> Request {
        self.post("/token").form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.callback()),
            ("code_verifier", VERIFIER),
            ("client_id", "demo-spa"),
        ])
    }

    pub(crate) fn revoking(&self, token: &str) -> Request {
        self.post("/revoke").form(&[("token", token), ("client_id", "demo-spa")])
    }

    /// What the demo's single-page app asks for.
    pub(crate) fn asked(&self) -> Asked {
        request("demo-spa")
            .with("redirect_uri", &self.callback())
            .with("scope", "openid profile email offline_access read")
    }
}

/// So patient that no machine is too slow: with the database, still below the deadline of a request, which stays below
/// half of what a refresh token is held for; with clients; and with what is under way at the end.
const PATIENT: [(&str, &str); 6] = [
    ("SIGNET_DATABASE__ACQUIRE_TIMEOUT_MS", "6000"),
    ("SIGNET_DATABASE__STATEMENT_TIMEOUT_MS", "7000"),
    ("SIGNET_REFRESH__REQUEST_DEADLINE_SECONDS", "14"),
    ("SIGNET_HTTP__CLIENT_REQUEST_TIMEOUT_SECONDS", "60"),
    ("SIGNET_HTTP__BODY_TIMEOUT_SECONDS", "60"),
    ("SIGNET_HTTP__SHUTDOWN_SECONDS", "300"),
];

/// A running program; killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// All it wrote to its standard error so far.
    pub(crate) log: std::path::PathBuf,
}

impl Process {
    /// Starts it and waits until it says that it is ready.
    pub(crate) fn start(folder: &Path, address: &Address, database: Option<&str>, level: &str) -> Self {
        let log = folder.join("stderr.log");
        let mut command = Self::program();
        command
            .args(["dev", "--port", &address.public.port().to_string()])
            .args(["--admin-port", &address.admin.port().to_string()])
            .arg("--dir")
            .arg(folder.join("store"))
            .env("SIGNET_LOG__LEVEL", level)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap());
        if let Some(url) = database {
            command.args(["--database", url]);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let process = Self { child, log };
        assert!(line.contains("is ready"), "{line}{}", process.log());
        // Whatever else it says: nobody is to wait for a full pipe.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        process
    }

    /// The program with patience, and nothing of this environment's settings.
    fn program() -> Command {
        let mut command = super::tls::command(&[]);
        command.envs(PATIENT);
        command
    }

    /// Runs a command of the program on the same store; what it prints.
    pub(crate) fn command(folder: &Path, arguments: &[&str]) -> String {
        let output = Self::try_command(folder, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that may fail, with nobody at its standard input.
    pub(crate) fn try_command(folder: &Path, arguments: &[&str]) -> std::process::Output {
        let mut command = Self::program();
        command.args(arguments).arg("--dir").arg(folder.join("store")).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for its end: the exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser at a program that may be killed at any moment.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) address: Address,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Visitor {
    pub(crate) fn new(address: &Address) -> Self {
        Self { address: address.clone(), cookies: BTreeMap::new() }
    }

    pub(crate) async fn send(&mut self, request: Request) -> Option<Response> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header("Cookie", &cookies.join("; ")).try_send().await?;
        for cookie in response.all("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Some(response)
    }

    /// Fills the form at a location with these fields.
    async fn fill(&mut self, location: &str, fields: &[(&str, &str)]) -> Option<Response> {
        let page = self.send(self.address.get(location)).await?;
        let page = Page::of(location, &page);
        let post = self.address.post(&page.path).header("Origin", &self.address.origin());
        self.send(post.raw_form(&page.encoded(fields))).await
    }

    /// A code for the demo's single-page app; signs in and consents where asked.
    pub(crate) async fn code(&mut self) -> Option<String> {
        let mut response = self.send(self.address.get(&self.address.asked().target())).await?;
        for _ in 0..3 {
            let location = response.location().to_owned();
            response = if location.starts_with("/login") {
                let fields = [("username", USER.0), ("password", USER.1), ("action", "login")];
                self.fill(&location, &fields).await?
            } else if location.starts_with("/consent") {
                self.fill(&location, &[("action", "approve")]).await?
            } else {
                return Some(Redirect::parse(&location).code());
            };
        }
        Some(Redirect::parse(response.location()).code())
    }
}
