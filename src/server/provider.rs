//! From a configuration to a [`Provider`]: the one place where settings become policy.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::config::registration::Mode;
use crate::config::{self, Config};
use crate::entropy::Entropy;
use crate::fetch::{FetchPolicy, Fetcher};
use crate::flow::policy::{
    BrowserPolicy, Policy, RefreshPolicy, RegistrationMode, RegistrationPolicy, RevocationPolicy,
    SessionPolicy, ThrottlePolicy, TokenPolicy,
};
use crate::flow::{Provider, Secrets, authorize, client_keys, clients, keys, limiter, revocation};
use crate::jose::master_key_file;
use crate::jose::seal::MasterKey;
use crate::model::key_schedule::KeyPolicy;
use crate::model::password_policy::PasswordPolicy;
use crate::model::rotation::{ClassDefaults, Late, RotationPolicy};
use crate::model::session_policy::{Change, OverLimit, SessionLimit};
use crate::oauth::issuer::Issuer;
use crate::oauth::scope::Scope;
use crate::password::{PasswordParams, Passwords};
use crate::storage::{self, Store};

/// Why a provider cannot be made. The text is one line that names the fix.
#[derive(Debug)]
pub struct SetupError(pub String);

impl std::fmt::Display for SetupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}

/// The sources of time and randomness.
#[derive(Clone)]
pub struct World {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// JWKS responses may be served from a cache for so long; no key signs before it has been published longer.
pub const JWKS_MAX_AGE: Duration = Duration::from_secs(300);
/// Clocks of nodes and verifiers may differ by so much.
const SKEW: Duration = Duration::from_secs(60);
/// A revoking call waits so long for the batch that it names.
const FEED_PATIENCE: Duration = Duration::from_millis(500);
/// A browser stays known to an account for so long after its last sign-in.
const KNOWN_DEVICE: Duration = Duration::from_secs(180 * 24 * 3600);

/// An address may begin so many sign-ins that nobody finishes, and one more per period. Each costs a row.
const UNFINISHED_BURST: u32 = 1000;
const UNFINISHED_PERIOD: Duration = Duration::from_millis(500);
/// A client that registered itself may use so many assertions at once, and one more per period. Each costs a row.
const ASSERTION_BURST: u32 = 60;
const ASSERTION_PERIOD: Duration = Duration::from_secs(1);

/// Opens the store without touching its schema.
///
/// # Errors
/// An address that cannot be used.
pub async fn open_store(config: &Config, world: &World) -> Result<Store, SetupError> {
    let options = storage::Options {
        url: config.database.url.reveal().to_owned(),
        max_connections: config.database.max_connections,
        acquire_timeout: millis(config.database.acquire_timeout_ms),
        statement_timeout: millis(config.database.statement_timeout_ms),
        access_token_life: longest_access_token(config),
    };
    if let Some(path) = options.url.strip_prefix("sqlite://")
        && let Some(folder) = Path::new(path.split('?').next().unwrap_or(path)).parent()
    {
        std::fs::create_dir_all(folder).map_err(|error| {
            SetupError(format!("the folder {} cannot be made: {error}", folder.display()))
        })?;
    }
    Store::open(&options, Arc::clone(&world.clock), Arc::clone(&world.entropy)).await.map_err(setup)
}

/// Makes a provider on a migrated store. The signing keys are still to be loaded: [`keys::tick`].
///
/// # Errors
/// A master key that is missing, unreadable or not this database's; a hashing thread that cannot be started; a
/// storage fault.
pub async fn build(config: &Config, store: Store, world: &World) -> Result<Provider, SetupError> {
    let now = world.clock.now();
    let policy = policy(config)?;
    let master = master_key(config, &store, world, now).await?;
    let secrets = Secrets::derive(&master, policy.issuer.as_str())
        .ok_or_else(|| SetupError("the refresh-token keys cannot be derived".to_owned()))?;
    let params = PasswordParams {
        memory_kib: config.passwords.memory_kib,
        iterations: config.passwords.iterations,
        parallelism: config.passwords.parallelism,
        ..PasswordParams::default()
    };
    let passwords = Passwords::new(
        params,
        hash_threads(config.passwords.hash_threads),
        config.passwords.queue as usize,
        Arc::clone(&world.entropy),
    );
    Ok(Provider {
        store,
        feed: revocation::Feed::new(&master).map_err(setup)?,
        keys: keys::Keys::new(master, now).map_err(setup)?,
        clients: clients::Clients::default(),
        client_keys: client_keys::ClientKeys::default(),
        fetch: fetcher(&config.fetch)?,
        notices: crate::flow::logout_notice::NoticeCounts::default(),
        unfinished: limiter::Limiter::new(UNFINISHED_PERIOD, UNFINISHED_BURST),
        request_uris: authorize::RequestUriLimits::default(),
        assertions: limiter::Limiter::new(ASSERTION_PERIOD, ASSERTION_BURST),
        passwords: passwords.map_err(setup)?,
        policy,
        secrets,
        clock: Arc::clone(&world.clock),
        entropy: Arc::clone(&world.entropy),
    })
}

/// The master key: from the configuration, else from its file, which a new installation gets. Where the database
/// knows another key's fingerprint, nothing is made or overwritten.
async fn master_key(
    config: &Config,
    store: &Store,
    world: &World,
    now: Timestamp,
) -> Result<MasterKey, SetupError> {
    let dir = Path::new(&config.keys.dir);
    let master = match &config.keys.master_key {
        Some(configured) => MasterKey::parse(configured.reveal()).map_err(setup)?,
        None => match master_key_file::read(dir).map_err(setup)? {
            Some(found) => found,
            None if has_keys(store).await? => {
                return Err(SetupError(format!(
                    "the database has signing keys, but there is no {}: restore it, or set keys.master_key",
                    dir.join("master.key").display()
                )));
            }
            None => {
                std::fs::create_dir_all(dir).map_err(|error| {
                    SetupError(format!("the folder {} cannot be made: {error}", dir.display()))
                })?;
                master_key_file::read_or_create(dir, world.entropy.as_ref()).map_err(setup)?
            }
        },
    };
    let check = master.check_value();
    let installation = store.installation(&check, now).await.map_err(setup)?;
    if installation.master_key_check != check {
        return Err(SetupError(
            "the master key is not the one this database's keys are sealed with: restore the right master.key".to_owned(),
        ));
    }
    Ok(master)
}

/// No access token of this deployment lives longer, whatever its client may have been granted before.
fn longest_access_token(config: &Config) -> Duration {
    crate::flow::logout::LONGEST_ACCESS_TOKEN.max(seconds(config.tokens.access_token_seconds))
}

async fn has_keys(store: &Store) -> Result<bool, SetupError> {
    Ok(!store.signing_keys().await.map_err(setup)?.1.is_empty())
}

/// One fewer than there are cores, at least one, unless configured: hashing must not starve the rest.
fn hash_threads(configured: u32) -> usize {
    if configured > 0 {
        return configured as usize;
    }
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1)).max(1)
}

/// The policy that a configuration states.
///
/// # Errors
/// An issuer that is none.
pub fn policy(config: &Config) -> Result<Policy, SetupError> {
    let issuer = Issuer::parse(&config.public_url).map_err(|why| SetupError(format!("public_url: {why}")))?;
    let mut algorithms = vec![config.keys.access_token_algorithm, config.keys.id_token_algorithm];
    algorithms.extend(&config.keys.further_algorithms);
    algorithms.sort_unstable();
    algorithms.dedup();
    let longest_token =
        crate::flow::logout::LONGEST_ACCESS_TOKEN.max(seconds(config.tokens.id_token_seconds));
    let issuer_origin = issuer.origin().to_owned();
    Ok(Policy {
        issuer,
        tokens: TokenPolicy {
            access_token: seconds(config.tokens.access_token_seconds),
            id_token: seconds(config.tokens.id_token_seconds),
            authorization_code: seconds(config.tokens.authorization_code_seconds),
            jitter_percent: config.tokens.lifetime_jitter_percent,
            access_token_algorithm: config.keys.access_token_algorithm,
            id_token_algorithm: config.keys.id_token_algorithm,
        },
        refresh: refresh(&config.refresh),
        revocation: RevocationPolicy {
            enabled: config.revocation.enabled,
            heartbeat: millis(config.revocation.heartbeat_ms),
            sweep: millis(config.revocation.sweep_ms),
            patience: FEED_PATIENCE,
            max_followers: config.revocation.max_followers as usize,
        },
        sessions: SessionPolicy {
            idle: minutes(config.sessions.idle_minutes),
            absolute: minutes(config.sessions.absolute_hours.saturating_mul(60)),
            remember_idle: days(config.sessions.remember_idle_days),
            remember_absolute: days(config.sessions.remember_absolute_days),
            remember_me: config.sessions.remember_me,
            interaction: minutes(config.sessions.interaction_minutes),
            known_device: KNOWN_DEVICE,
            fresh: minutes(config.sessions.fresh_minutes),
            limit: (config.sessions.max_per_user > 0).then_some(SessionLimit {
                most: config.sessions.max_per_user,
                over: over_limit(config.sessions.over_limit),
            }),
            on_new_browser: change(config.sessions.on_new_browser),
            on_new_network: change(config.sessions.on_new_network),
            end_on_role_loss: config.sessions.end_on_role_loss,
        },
        registration: registration(&config.registration),
        legacy_response_types: config.protocol.legacy_response_types,
        browser: BrowserPolicy {
            hosts: hosts(config, issuer_origin),
            cookie_domains: config.browser.cookie_domains.clone(),
        },
        passwords: PasswordPolicy {
            min: config.passwords.min_length as usize,
            max: config.passwords.max_length as usize,
        },
        throttle: ThrottlePolicy {
            account_burst: config.throttle.account_burst,
            account_period: seconds(config.throttle.account_period_seconds),
            address_burst: config.throttle.address_burst,
            address_period: seconds(config.throttle.address_period_seconds),
        },
        keys: KeyPolicy {
            algorithms,
            rotate_every: days(config.keys.rotate_every_days),
            publish_ahead: minutes(config.keys.publish_ahead_minutes).max(JWKS_MAX_AGE + SKEW),
            keep_after: longest_token + SKEW,
        },
        rsa_bits: config.keys.rsa_bits.bits(),
    })
}

const fn over_limit(configured: config::sessions::OverLimit) -> OverLimit {
    match configured {
        config::sessions::OverLimit::EndOldest => OverLimit::EndOldest,
        config::sessions::OverLimit::Refuse => OverLimit::Refuse,
    }
}

const fn change(configured: config::sessions::Change) -> Change {
    match configured {
        config::sessions::Change::Ignore => Change::Ignore,
        config::sessions::Change::Note => Change::Note,
        config::sessions::Change::Reauthenticate => Change::Reauthenticate,
        config::sessions::Change::End => Change::End,
    }
}

/// The issuer's origin, then the others.
fn hosts(config: &Config, issuer: String) -> Vec<String> {
    let others = config.browser.hosts.iter().filter(|host| **host != issuer).cloned();
    std::iter::once(issuer.clone()).chain(others).collect()
}

fn refresh(config: &config::refresh::Refresh) -> RefreshPolicy {
    let class = |class: &config::refresh::RefreshClass| ClassDefaults {
        policy: RotationPolicy {
            rotates: class.rotate,
            retry_window: seconds(config.retry_window_seconds),
            hold_horizon: seconds(config.hold_horizon_seconds),
            burst: class.burst,
            late: match class.late {
                config::refresh::Late::Displace => {
                    Late::Displace { horizon: seconds(class.late_horizon_seconds) }
                }
                config::refresh::Late::Strict => Late::Strict,
            },
        },
        idle: seconds(class.idle_seconds),
        absolute: seconds(class.absolute_seconds),
    };
    RefreshPolicy {
        spa: class(&config.spa),
        native: class(&config.native),
        cookie: class(&config.cookie),
        confidential: class(&config.confidential),
        high_assurance: class(&config.high_assurance),
        theft_response: config.theft_response,
    }
}

fn setup(error: impl std::fmt::Display) -> SetupError {
    SetupError(error.to_string())
}

fn millis(value: u32) -> Duration {
    Duration::from_millis(u64::from(value))
}

fn seconds(value: u32) -> Duration {
    Duration::from_secs(u64::from(value))
}

fn minutes(value: u32) -> Duration {
    Duration::from_secs(u64::from(value) * 60)
}

fn days(value: u32) -> Duration {
    Duration::from_secs(u64::from(value) * 24 * 3600)
}

fn registration(config: &crate::config::registration::Registration) -> RegistrationPolicy {
    RegistrationPolicy {
        mode: match config.mode {
            Mode::Off => RegistrationMode::Off,
            Mode::Token => RegistrationMode::Token,
            Mode::Open => RegistrationMode::Open,
        },
        // The configuration was checked when it was read.
        scope: Scope::parse(&config.scope).unwrap_or_default(),
        profile: config.profile,
        unused: Duration::from_secs(u64::from(config.unused_hours) * 3600),
        address_burst: config.address_burst,
        address_period: seconds(config.address_period_seconds),
        metadata_documents: config.metadata_documents,
        metadata_document_hosts: config.metadata_document_hosts.clone(),
    }
}

/// A configured authority that cannot be read is found before anything listens.
fn fetcher(config: &config::fetch::Fetch) -> Result<Fetcher, SetupError> {
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|error| {
            SetupError(format!("fetch.trusted_authorities: {} cannot be read: {error}", path.display()))
        })
    };
    let policy = FetchPolicy {
        timeout: Duration::from_millis(u64::from(config.timeout_ms)),
        max_concurrent: config.max_concurrent as usize,
        trusted_authorities: config.trusted_authorities.iter().map(read).collect::<Result<_, _>>()?,
        private_hosts: config.private_hosts.clone(),
    };
    Fetcher::new(policy).map_err(|problem| SetupError(format!("fetch.trusted_authorities: {problem}")))
}
