//! Rules that concern more than one key, or hold for `serve` only: all in this file, in the order of the sections.

use super::refresh::RefreshClass;
use super::{Config, Error, Mode};
use crate::oauth::page;

/// What [`is_issuer`] accepts, for error messages.
pub(super) const ISSUER: &str =
    "an http:// or https:// URL without user, query, fragment and trailing slash, written in its normal form";

/// OWASP's minimum for argon2id, as pairs of memory in KiB and passes.
const ARGON2_MINIMUM: [(u32, u32); 2] = [(47_104, 1), (19_456, 2)];

type Check = fn(&Config) -> Option<(&'static str, String)>;

impl Config {
    /// Holds all rules that one key alone cannot break.
    ///
    /// # Errors
    /// [`Error::Conflict`] for the first broken rule.
    pub fn validate(&self, mode: Mode) -> Result<(), Error> {
        const ALWAYS: [Check; 12] = [
            listeners_differ,
            database_answers_within_the_deadline,
            new_keys_are_published_before_the_next,
            hold_outlasts_requests,
            refresh_classes_end,
            held_requests_end_within_the_deadline,
            sessions_end,
            remembered_sessions_end,
            argon2_has_memory_for_its_lanes,
            tls_has_both_files,
            hosts_speak_like_the_issuer,
            cookie_domains_have_a_host,
        ];
        const SERVE: [Check; 3] = [issuer_is_https, database_lasts, argon2_is_strong_enough];
        let serve: &[Check] = if mode == Mode::Serve { &SERVE } else { &[] };
        match ALWAYS.iter().chain(serve).find_map(|check| check(self)) {
            Some((key, rule)) => Err(Error::Conflict { key, rule, origin: None }),
            None => Ok(()),
        }
    }
}

/// Whether `text` can be an issuer identifier (RFC 8414 §2). It is compared byte for byte, so only the form that
/// URL parsers agree on is taken.
pub(super) fn is_issuer(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text) else { return false };
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let normal = url.as_str() == text || url.as_str().strip_suffix('/') == Some(text);
    matches!(url.scheme(), "http" | "https")
        && bare
        && normal
        && url.fragment().is_none()
        && url.host().is_some()
        && !text.ends_with('/')
}

fn listeners_differ(config: &Config) -> Option<(&'static str, String)> {
    let same = config.listen == config.admin_listen && config.listen.port() != 0;
    same.then(|| ("admin_listen", "must not be the address of listen".to_owned()))
}

/// A database that is gone has to become a 503 before the request's own deadline closes the connection.
fn database_answers_within_the_deadline(config: &Config) -> Option<(&'static str, String)> {
    let database = &config.database;
    let wait = u64::from(database.acquire_timeout_ms) + u64::from(database.statement_timeout_ms);
    let deadline = u64::from(config.refresh.request_deadline_seconds) * 1000;
    (wait >= deadline).then(|| {
        let rule = format!(
            "plus database.acquire_timeout_ms is {wait} ms, which must be less than refresh.request_deadline_seconds \
             ({deadline} ms)"
        );
        ("database.statement_timeout_ms", rule)
    })
}

fn new_keys_are_published_before_the_next(config: &Config) -> Option<(&'static str, String)> {
    let rotation = config.keys.rotate_every_days * 24 * 60;
    (config.keys.publish_ahead_minutes >= rotation)
        .then(|| ("keys.publish_ahead_minutes", "must be shorter than keys.rotate_every_days".to_owned()))
}

/// H − W has to outlast the longest delay of a request and of its reply, or an honest retry could
/// be taken for a late predecessor.
fn hold_outlasts_requests(config: &Config) -> Option<(&'static str, String)> {
    let refresh = &config.refresh;
    let gap = refresh.hold_horizon_seconds.saturating_sub(refresh.retry_window_seconds);
    (gap <= 2 * refresh.request_deadline_seconds).then(|| {
        let rule = format!(
            "minus refresh.retry_window_seconds is {gap} s, which must exceed twice \
             refresh.request_deadline_seconds ({} s)",
            refresh.request_deadline_seconds
        );
        ("refresh.hold_horizon_seconds", rule)
    })
}

fn refresh_classes_end(config: &Config) -> Option<(&'static str, String)> {
    let refresh = &config.refresh;
    let classes: [(&str, &RefreshClass); 5] = [
        ("refresh.spa.idle_seconds", &refresh.spa),
        ("refresh.native.idle_seconds", &refresh.native),
        ("refresh.cookie.idle_seconds", &refresh.cookie),
        ("refresh.confidential.idle_seconds", &refresh.confidential),
        ("refresh.high_assurance.idle_seconds", &refresh.high_assurance),
    ];
    let (key, _) = classes.into_iter().find(|(_, class)| class.idle_seconds > class.absolute_seconds)?;
    Some((key, "must not exceed absolute_seconds of the same class".to_owned()))
}

/// A request for the next batch is held for one heartbeat; the database may then be slow to answer, too.
fn held_requests_end_within_the_deadline(config: &Config) -> Option<(&'static str, String)> {
    let deadline = config.refresh.request_deadline_seconds * 1000;
    (2 * config.revocation.heartbeat_ms > deadline).then(|| {
        let rule = format!("must be at most half of refresh.request_deadline_seconds ({deadline} ms)");
        ("revocation.heartbeat_ms", rule)
    })
}

fn sessions_end(config: &Config) -> Option<(&'static str, String)> {
    let sessions = &config.sessions;
    (sessions.idle_minutes > sessions.absolute_hours * 60)
        .then(|| ("sessions.idle_minutes", "must not exceed sessions.absolute_hours".to_owned()))
}

fn remembered_sessions_end(config: &Config) -> Option<(&'static str, String)> {
    let sessions = &config.sessions;
    (sessions.remember_idle_days > sessions.remember_absolute_days).then(|| {
        ("sessions.remember_idle_days", "must not exceed sessions.remember_absolute_days".to_owned())
    })
}

/// RFC 9106 §3.1: at least eight blocks of 1 KiB per lane.
fn argon2_has_memory_for_its_lanes(config: &Config) -> Option<(&'static str, String)> {
    let passwords = &config.passwords;
    (passwords.memory_kib < 8 * passwords.parallelism)
        .then(|| ("passwords.memory_kib", "must be at least 8 times passwords.parallelism".to_owned()))
}

fn tls_has_both_files(config: &Config) -> Option<(&'static str, String)> {
    match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => Some(("tls.key", "must be set when tls.certificate is".to_owned())),
        (None, Some(_)) => Some(("tls.certificate", "must be set when tls.key is".to_owned())),
        (Some(_), Some(_)) if !config.public_url.starts_with("https://") => {
            Some(("public_url", "must begin with https:// when tls.certificate is set".to_owned()))
        }
        _ => None,
    }
}

/// Cookies have the same names and attributes at all hosts.
fn hosts_speak_like_the_issuer(config: &Config) -> Option<(&'static str, String)> {
    let scheme = |url: &str| url.split_once("://").map(|(scheme, _)| scheme.to_owned());
    let other = config.browser.hosts.iter().any(|host| scheme(host) != scheme(&config.public_url));
    other.then(|| ("browser.hosts", "must have the scheme of public_url".to_owned()))
}

/// A cookie for a domain can be set by a host of that domain alone.
fn cookie_domains_have_a_host(config: &Config) -> Option<(&'static str, String)> {
    let hosts = config.browser.hosts.iter().chain([&config.public_url]);
    let names: Vec<String> = hosts.filter_map(|host| page::host_of(host)).collect();
    let domains = &config.browser.cookie_domains;
    let lonely = domains.iter().find(|domain| !names.iter().any(|name| page::is_within(name, domain)))?;
    Some((
        "browser.cookie_domains",
        format!("names {lonely}, but neither public_url nor browser.hosts is a host of it"),
    ))
}

fn issuer_is_https(config: &Config) -> Option<(&'static str, String)> {
    let url = url::Url::parse(&config.public_url).ok()?;
    let loopback = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() != "https" && !loopback)
        .then(|| ("public_url", "must begin with https://, unless its host is loopback".to_owned()))
}

fn database_lasts(config: &Config) -> Option<(&'static str, String)> {
    let url = config.database.url.reveal();
    let volatile = url.contains(":memory:") || url.contains("mode=memory");
    volatile.then(|| {
        ("database.url", "must not be a database in memory: all would be lost at the end".to_owned())
    })
}

fn argon2_is_strong_enough(config: &Config) -> Option<(&'static str, String)> {
    let passwords = &config.passwords;
    let enough = ARGON2_MINIMUM
        .iter()
        .any(|(memory, passes)| passwords.memory_kib >= *memory && passwords.iterations >= *passes);
    (!enough).then(|| {
        let rule =
            "must be at least 47104, or 19456 with passwords.iterations of at least 2 (OWASP's minimum)";
        ("passwords.memory_kib", rule.to_owned())
    })
}
