//! From what every command takes to a configuration, a store and a provider. The commands work on the configured
//! database itself, without logging in: whoever can read the configuration may.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{DEFAULT_DIR, Global};
use super::output::Failure;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::config::{self, Config, Loaded, Mode, Sources};
use crate::entropy::{Entropy, SystemEntropy};
use crate::flow::admin::By;
use crate::flow::{Provider, keys};
use crate::model::audit::Origin;
use crate::server::background;
use crate::server::provider::{self, World};
use crate::storage::Store;

/// The file in a development store that holds the configuration its server runs with.
pub(super) const DEV_FILE: &str = "signet.toml";
/// Who acts, in the audit log.
const ACTOR: &str = "cli";
/// A command at a terminal comes from nowhere on the network.
static ORIGIN: Origin = Origin { address: None, user_agent: None, place: None, trace_id: None };

/// What a command works on.
pub(super) struct Context {
    /// The configuration and where its values come from.
    pub(super) loaded: Loaded,
    /// The folder of the development store, where it is one.
    pub(super) dir: Option<PathBuf>,
    clock: Arc<SystemClock>,
    entropy: Arc<dyn Entropy>,
}

impl Context {
    /// Finds and reads the configuration.
    pub(super) fn new(global: &Global) -> Result<Self, Failure> {
        let (loaded, dir) = match select(global)? {
            Selected::Dir(dir) => (read_dir(&dir)?, Some(dir)),
            Selected::Sources(file) => (config::load(&sources(file), Mode::Dev)?, None),
        };
        Ok(Self::of(loaded, dir))
    }

    /// With a configuration that has been read.
    pub(super) fn of(loaded: Loaded, dir: Option<PathBuf>) -> Self {
        Self { loaded, dir, clock: Arc::new(SystemClock::default()), entropy: Arc::new(SystemEntropy::new()) }
    }

    /// The settings.
    pub(super) const fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// Time and randomness.
    pub(super) fn world(&self) -> World {
        World { clock: self.clock.clone(), entropy: Arc::clone(&self.entropy) }
    }

    /// The clock that commands go by.
    pub(super) fn clock(&self) -> Arc<SystemClock> {
        Arc::clone(&self.clock)
    }

    /// The time by that clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Who acts, when.
    pub(super) fn by(&self) -> By<'static> {
        By { actor: ACTOR, origin: &ORIGIN, now: self.now() }
    }

    /// Randomness.
    pub(super) fn entropy(&self) -> &dyn Entropy {
        self.entropy.as_ref()
    }

    /// Opens the database, whatever its schema.
    pub(super) async fn open(&self) -> Result<Store, Failure> {
        Ok(provider::open_store(self.config(), &self.world()).await?)
    }

    /// Opens a database that exists and has this program's schema.
    pub(super) async fn store(&self) -> Result<Store, Failure> {
        if let Some(path) = sqlite_file(self.config())
            && !path.exists()
        {
            return Err(Failure::new(format!(
                "there is no database {} yet: run `signet migrate`, or start the server",
                path.display()
            )));
        }
        let store = self.open().await?;
        let plan = store.migration_plan().await?;
        if !plan.pending.is_empty() {
            return Err(Failure::new("the database schema is older than this program: run `signet migrate`"));
        }
        self.follow(&store).await?;
        Ok(store)
    }

    /// The provider on that database, with its keys.
    pub(super) async fn provider(&self) -> Result<Provider, Failure> {
        let store = self.store().await?;
        let provider = provider::build(self.config(), store, &self.world()).await?;
        keys::reload(&provider, self.now()).await?;
        Ok(provider)
    }

    /// Goes by the database's clock from now on, so that what is written here agrees with the server.
    pub(super) async fn follow(&self, store: &Store) -> Result<(), Failure> {
        background::follow(store, &self.clock).await?;
        Ok(())
    }
}

/// Everything but flags: the named file, or the one that is read without being named, and the environment.
pub(super) fn sources(file: Option<PathBuf>) -> Sources {
    Sources { file, environment: std::env::vars_os().collect(), ..Sources::default() }
}

/// The file of a SQLite database; `None` for another database.
pub(super) fn sqlite_file(config: &Config) -> Option<PathBuf> {
    let path = config.database.url.reveal().strip_prefix("sqlite://")?;
    Some(PathBuf::from(path.split('?').next().unwrap_or(path)))
}

enum Selected {
    Dir(PathBuf),
    Sources(Option<PathBuf>),
}

/// `--config` before `--dir` before `SIGNET_DIR` before `config/signet.toml` before `data/dev`. A database named in
/// the environment is meant, so it also goes before `data/dev`, which nobody has named.
fn select(global: &Global) -> Result<Selected, Failure> {
    match (&global.config, &global.dir) {
        (Some(_), Some(dir)) if !is_from_environment(dir) => {
            Err(Failure::usage("give --config or --dir, not both"))
        }
        (Some(file), _) => Ok(Selected::Sources(Some(file.clone()))),
        (None, Some(dir)) => Ok(Selected::Dir(dir.clone())),
        (None, None) if is_default_dir() => Ok(Selected::Dir(PathBuf::from(DEFAULT_DIR))),
        (None, None) => Ok(Selected::Sources(None)),
    }
}

/// Whether a command without `--dir`, started here, works on `data/dev`.
pub(super) fn is_default_dir() -> bool {
    let named = |name: &str| std::env::var_os(name).is_some();
    !Path::new(config::DEFAULT_FILE).exists()
        && Path::new(DEFAULT_DIR).join(DEV_FILE).exists()
        && !named("SIGNET_DATABASE__URL")
        && !named("SIGNET_DATABASE__URL_FILE")
}

/// Whether `dir` is what `SIGNET_DIR` says rather than a flag.
pub(super) fn is_from_environment(dir: &Path) -> bool {
    std::env::var_os("SIGNET_DIR").is_some_and(|value| Path::new(&value) == dir)
}

/// The file alone: it holds what the server of this folder runs with, whatever this shell's environment says.
fn read_dir(dir: &Path) -> Result<Loaded, Failure> {
    let path = dir.join(DEV_FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(format!(
            "{}: {error}; `signet dev --dir {}` makes a development store",
            path.display(),
            dir.display()
        ))
    })?;
    Ok(config::from_toml(&path, &text, Mode::Dev)?)
}
