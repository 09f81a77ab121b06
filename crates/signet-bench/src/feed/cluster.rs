//! Two nodes of Signet on one PostgreSQL behind one address, set up as an operator would: with the command line.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::browser::REDIRECT_URI;
use crate::child::{Process, free_port, tail};
use crate::client::{DemoClient, Site, member};
use crate::failure::{Result, failure};
use crate::http::{Connection, FORM, request};

/// The client that signs in.
pub(crate) const CLIENT: DemoClient = DemoClient("bench-spa", "");
/// The audience of its access tokens.
pub(crate) const AUDIENCE: &str = "https://api.example.com";
/// Who signs in.
pub(crate) const USER: (&str, &str) = ("bench", "the lamp stays lit all winter long");

/// How many nodes.
const NODES: usize = 2;

/// The running nodes.
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    balancer: AbortHandle,
    /// Where browsers, clients and resource servers find the issuer.
    pub(crate) site: Site,
    /// The user's id.
    pub(crate) user: String,
    /// What the administration API asks for.
    pub(crate) api_key: String,
    /// A token that nobody revokes, for the load: of a service, ten minutes long.
    pub(crate) service_token: String,
}

/// What an operator has made.
struct Population {
    user: String,
    api_key: String,
    service_secret: String,
}

/// The client of the load.
const SERVICE: &str = "bench-service";

struct Node {
    process: Process,
    admin: SocketAddr,
}

impl Cluster {
    /// Makes the database ready and starts the nodes.
    pub(crate) async fn start(binary: &Path, dir: &Path, database: &str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let authority = format!("localhost:{}", address.port());
        std::fs::create_dir_all(dir)?;
        let operator = Operator { binary: binary.to_owned(), config: dir.join("signet.toml") };
        operator.configure(&authority, database, dir)?;
        let made = operator.populate()?;
        let mut nodes = Vec::with_capacity(NODES);
        let mut addresses = Vec::with_capacity(NODES);
        for place in 0..NODES {
            let (node, public) = operator.serve(dir, place)?;
            await_ready(public, &authority, &dir.join(format!("node-{place}.log"))).await?;
            nodes.push(node);
            addresses.push(public);
        }
        let balancer = tokio::spawn(balance(listener, addresses)).abort_handle();
        let site = Site { address, authority };
        let service_token = service_token(&site, &made.service_secret).await?;
        Ok(Self { nodes, balancer, site, user: made.user, api_key: made.api_key, service_token })
    }

    /// The administration API of the nodes in turn.
    pub(crate) fn admin(&self, round: usize) -> Result<SocketAddr> {
        let node = self.nodes.get(round % self.nodes.len().max(1));
        node.map(|node| node.admin).ok_or_else(|| failure("no node"))
    }

    /// Processor time that all nodes have used.
    pub(crate) fn processor_time(&self) -> Duration {
        self.nodes.iter().filter_map(|node| crate::child::processor_time(node.process.id())).sum()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.balancer.abort();
    }
}

/// Works on the host against the configured database.
struct Operator {
    binary: PathBuf,
    config: PathBuf,
}

impl Operator {
    fn configure(&self, authority: &str, database: &str, dir: &Path) -> Result<()> {
        // Everybody signs in from one address and as one user here.
        let text = format!(
            "public_url = \"http://{authority}\"\n[database]\nurl = \"{database}\"\n[keys]\ndir = \"{}\"\n\
             [throttle]\naccount_burst = 100\naddress_burst = 100000\n",
            dir.join("keys").display()
        );
        Ok(std::fs::write(&self.config, text)?)
    }

    /// The schema, two clients, a user and a key for the administration API.
    fn populate(&self) -> Result<Population> {
        self.run(&["migrate"], "")?;
        let client = [
            "client",
            "create",
            "--id",
            CLIENT.0,
            "--public",
            "--first-party",
            "--name",
            "Benchmark",
            "--redirect-uri",
            REDIRECT_URI,
            "--scope",
            "openid read offline_access",
            "--audience",
            AUDIENCE,
            "--grant-type",
            "authorization_code",
            "--grant-type",
            "refresh_token",
        ];
        self.run(&client, "")?;
        let service = [
            "client",
            "create",
            "--id",
            SERVICE,
            "--name",
            "Load",
            "--scope",
            "read",
            "--audience",
            AUDIENCE,
            "--grant-type",
            "client_credentials",
        ];
        let service = self.run(&service, "")?;
        let user = self.run(&["user", "create", "--username", USER.0, "--password-stdin"], USER.1)?;
        let key = self.run(&["api-key", "create", "--name", "bench"], "")?;
        let text = |value: &Value, name: &str| {
            let found = value.get(name).and_then(Value::as_str).map(str::to_owned);
            found.ok_or_else(|| failure(format!("no {name} in the command's answer")))
        };
        Ok(Population {
            user: text(&user, "id")?,
            api_key: text(&key, "key")?,
            service_secret: text(&service, "client_secret")?,
        })
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<Value> {
        let mut command = Command::new(&self.binary);
        command.args(arguments).arg("--json").arg("--config").arg(&self.config);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(failure(format!("signet {}: {}", arguments.join(" "), told.trim())));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn serve(&self, dir: &Path, place: usize) -> Result<(Node, SocketAddr)> {
        let (public, admin) = (free_port()?, free_port()?);
        let on = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let log = std::fs::File::create(dir.join(format!("node-{place}.log")))?;
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--config").arg(&self.config);
        command
            .env("SIGNET_LISTEN", on(public).to_string())
            .env("SIGNET_ADMIN_LISTEN", on(admin).to_string());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Process::spawn(&mut command)?;
        Ok((Node { process, admin: on(admin) }, on(public)))
    }
}

async fn service_token(site: &Site, secret: &str) -> Result<String> {
    let basic = base64::prelude::BASE64_STANDARD.encode(format!("{SERVICE}:{secret}"));
    let body = "grant_type=client_credentials&scope=read";
    let headers = [format!("authorization: Basic {basic}")];
    let sent = request("POST /token", &site.authority, &headers, Some((FORM, body)));
    let mut connection = Connection::new(site.address);
    let reply = connection.send(&sent).await?;
    let text = reply.text();
    member(&text, "access_token").map(str::to_owned).ok_or_else(|| reply.unexpected("client credentials"))
}

async fn await_ready(address: SocketAddr, authority: &str, log: &Path) -> Result<()> {
    let probe = request("GET /healthz", authority, &[], None);
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Ok(reply) = Connection::new(address).send(&probe).await
            && reply.status == 200
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(failure(format!("a node was not ready within 30 s: {}", tail(log))))
}

/// Connections go to the nodes in turn, as a balancer in front of them would send them.
async fn balance(listener: TcpListener, nodes: Vec<SocketAddr>) {
    for node in nodes.iter().cycle() {
        let Ok((mut incoming, _)) = listener.accept().await else { return };
        let node = *node;
        tokio::spawn(async move {
            let Ok(mut outgoing) = TcpStream::connect(node).await else { return };
            let _ = (incoming.set_nodelay(true), outgoing.set_nodelay(true));
            // How a connection ends is the business of its two ends.
            let _ = tokio::io::copy_bidirectional(&mut incoming, &mut outgoing).await;
        });
    }
}
