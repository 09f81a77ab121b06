//! A real server for every test: its own database, real listeners, a clock that only the test moves, randomness that
//! repeats. Nothing runs in the background.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use futures_util::FutureExt as _;
use signet::clock::{Clock as _, ManualClock, Timestamp};
use signet::config::Config;
use signet::entropy::SeededEntropy;
use signet::flow::{Provider, keys};
use signet::secret::{DatabaseUrl, MasterKey};
use signet::server::listen::{Listening, listen};
use signet::server::provider::{self, World};

use super::database::{Backend, Database};
use super::http::Request;
use super::people::{self, Secrets};
use super::ports::Port;
use super::surfer;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// 2026-01-01T00:00:00Z, when the template is made; tests begin an hour later.
const START: Timestamp = Timestamp::from_seconds(1_767_225_600);
const MASTER_KEY: &str = "dGVzdHMgb25seTogMzIgYnl0ZXMgb2YgYSBrZXkgISE";

/// One node.
pub(crate) struct Server {
    pub(crate) backend: Backend,
    pub(crate) config: Config,
    pub(crate) op: Arc<Provider>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) secrets: Secrets,
    handles: [ServerHandle; 2],
    _port: Port,
}

/// Runs a test against a server of its own, and ends both.
pub(crate) fn run(backend: Backend, change: impl Fn(&mut Config), test: impl AsyncFnOnce(&Server)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(database) = Database::fresh(backend).await else { return };
        let clock = Arc::new(ManualClock::new(START.plus(HOUR)));
        let server = start(backend, &database.url, database.secrets.clone(), &clock, &change).await;
        let outcome = AssertUnwindSafe(test(&server)).catch_unwind().await;
        server.stop().await;
        database.delete().await;
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    runtime.shutdown_background();
}

/// Three hosts of three root domains, the first the issuer's.
pub(crate) fn three_hosts(config: &mut Config) {
    config.public_url = surfer::MAIN.to_owned();
    config.browser.hosts = vec![surfer::OTHER.to_owned(), surfer::THIRD.to_owned()];
}

/// Makes the schema, the keys, the users and the clients of a new database.
pub(crate) async fn fill(url: &str) -> Secrets {
    let clock = Arc::new(ManualClock::new(START));
    let (config, world) = (config(url, 1), world(&clock));
    let store = provider::open_store(&config, &world).await.unwrap();
    store.migrate().await.unwrap();
    let op = provider::build(&config, store, &world).await.unwrap();
    keys::tick(&op, clock.now()).await.unwrap();
    let secrets = people::make(&op).await;
    op.store.close().await;
    secrets
}

/// Starts a node without listeners on whatever the database is, as a process does: schema, master key (from the
/// file of that folder, which the first one makes), signing keys.
pub(crate) async fn boot(url: &str, key_folder: &std::path::Path) -> Provider {
    let clock = Arc::new(ManualClock::new(START));
    let (mut config, world) = (config(url, 1), world(&clock));
    config.keys.master_key = None;
    config.keys.dir = key_folder.to_owned();
    let store = provider::open_store(&config, &world).await.unwrap();
    store.migrate().await.unwrap();
    let op = provider::build(&config, store, &world).await.unwrap();
    keys::tick(&op, clock.now()).await.unwrap();
    op
}

impl Server {
    /// Another node on the same database, with the same clock.
    pub(crate) async fn second_node(&self) -> Self {
        self.node_at(self.config.database.url.reveal()).await
    }

    /// Another node that reaches the same database by another address.
    pub(crate) async fn node_at(&self, url: &str) -> Self {
        let public_url = self.config.public_url.clone();
        let change = |config: &mut Config| config.public_url.clone_from(&public_url);
        start(self.backend, url, self.secrets.clone(), &self.clock, &change).await
    }

    /// The same, of a node that waits for the database no longer than a deployment.
    pub(crate) async fn impatient_node_at(&self, url: &str) -> Self {
        let public_url = self.config.public_url.clone();
        let change = |config: &mut Config| {
            impatient(config);
            config.public_url.clone_from(&public_url);
        };
        start(self.backend, url, self.secrets.clone(), &self.clock, &change).await
    }

    /// Another node on the same database, configured differently.
    pub(crate) async fn node_with(&self, change: &impl Fn(&mut Config)) -> Self {
        let url = self.config.database.url.reveal().to_owned();
        start(self.backend, &url, self.secrets.clone(), &self.clock, change).await
    }

    /// Stops listening and closes the database's connections.
    pub(crate) async fn stop(&self) {
        for handle in &self.handles {
            handle.stop(false).await;
        }
        self.op.store.close().await;
    }

    /// The issuer.
    pub(crate) fn issuer(&self) -> &str {
        &self.config.public_url
    }

    /// The origin of the server's own pages.
    pub(crate) fn origin(&self) -> &str {
        self.op.policy.issuer.origin()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock.
    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    pub(crate) fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    pub(crate) fn post(&self, target: &str) -> Request {
        self.request("POST", target)
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.public, method, target)
    }

    pub(crate) fn admin_get(&self, target: &str) -> Request {
        Request::new(self.admin, "GET", target)
    }
}

async fn start(
    backend: Backend,
    url: &str,
    secrets: Secrets,
    clock: &Arc<ManualClock>,
    change: &impl Fn(&mut Config),
) -> Server {
    // Somebody who knows nothing of these tests may still take the port before it is bound.
    for _ in 0..20 {
        let port = Port::free();
        let mut config = config(url, port.number);
        change(&mut config);
        let op = Arc::new(node(&config, clock).await);
        keys::tick(&op, clock.now()).await.unwrap();
        let Ok(listening) = listen(&config, Arc::clone(&op), true) else { continue };
        let Listening { addresses, public, admin, .. } = listening;
        let handles = [public.handle(), admin.handle()];
        tokio::spawn(public);
        tokio::spawn(admin);
        let clock = Arc::clone(clock);
        let (public, admin) = (addresses.public, addresses.admin);
        return Server { backend, config, op, clock, public, admin, secrets, handles, _port: port };
    }
    panic!("no free port");
}

fn world(clock: &Arc<ManualClock>) -> World {
    static SEED: AtomicU64 = AtomicU64::new(0);
    // Every node its own: two nodes that drew the same bytes would be no two nodes.
    let entropy = SeededEntropy::new(SEED.fetch_add(1, Ordering::SeqCst));
    World { clock: Arc::clone(clock) as _, entropy: Arc::new(entropy) }
}

async fn node(config: &Config, clock: &Arc<ManualClock>) -> Provider {
    let world = world(clock);
    let store = provider::open_store(config, &world).await.unwrap();
    let mut op = provider::build(config, store, &world).await.unwrap();
    // Nor is a batch left out of an answer where the database is only slow.
    op.policy.revocation.patience = Duration::from_millis(config.database.statement_timeout_ms.into());
    op
}

/// Waits for the database however slow the machine is.
pub(crate) fn patient(config: &mut Config) {
    config.database.acquire_timeout_ms = 30_000;
    config.database.statement_timeout_ms = 30_000;
    config.refresh.request_deadline_seconds = 90;
}

/// As a deployment has it: whoever waits for the database gives up in time. For tests of what then happens; where they
/// ask for anything else, a machine that stands still for a second is an outage too.
pub(crate) fn impatient(config: &mut Config) {
    let (database, refresh) = (Config::default().database, Config::default().refresh);
    config.database.acquire_timeout_ms = database.acquire_timeout_ms;
    config.database.statement_timeout_ms = database.statement_timeout_ms;
    config.refresh.request_deadline_seconds = refresh.request_deadline_seconds;
}

fn config(url: &str, port: u16) -> Config {
    let mut config = Config {
        public_url: format!("http://localhost:{port}"),
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        admin_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..Config::default()
    };
    config.database.url = DatabaseUrl::new(url);
    // Many tests share one PostgreSQL.
    config.database.max_connections = 3;
    patient(&mut config);
    config.fetch.timeout_ms = 30_000;
    config.http.client_request_timeout_seconds = 60;
    config.http.body_timeout_seconds = 60;
    config.keys.master_key = Some(MasterKey::new(MASTER_KEY));
    config.tokens.lifetime_jitter_percent = 0;
    config.passwords.memory_kib = 8;
    config.passwords.hash_threads = 1;
    // Where neighbours are.
    config.fetch.private_hosts = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    config.http.workers = 1;
    config.http.shutdown_seconds = 0;
    config
}
