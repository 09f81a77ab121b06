//! `signet doctor`: what a server needs, checked one by one; every failure names its fix.

use std::path::Path;

use serde_json::json;

use super::args::Global;
use super::context::{self, Context};
use super::output::{Outcome, Report, clean};
use crate::clock::SystemClock;
use crate::config::{self, Config, Mode};
use crate::jose::keyring::Keyring;
use crate::jose::master_key_file;
use crate::jose::seal::MasterKey;
use crate::jose::verification_keys::VerificationKeys;
use crate::model::key::{KeyState, SigningKeyRecord};
use crate::oauth::issuer::Issuer;
use crate::server::tls::Certificate;
use crate::storage::Store;

/// Clocks may differ by so much before tokens are refused as not yet valid.
const MOST_SKEW_MILLIS: u64 = 2000;
/// The oldest PostgreSQL that is supported.
const OLDEST_POSTGRES: u32 = 15;

/// What one check found: a fact, or a problem with its fix.
type Finding = Result<String, Problem>;

struct Problem {
    what: String,
    fix: String,
}

fn problem(what: impl std::fmt::Display, fix: impl Into<String>) -> Problem {
    Problem { what: what.to_string(), fix: fix.into() }
}

/// Runs all checks that can be run; ends with 1 if one fails.
pub(super) async fn run(global: &Global) -> Outcome {
    let mut findings: Vec<(&str, Finding)> = Vec::new();
    match Context::new(global) {
        Ok(context) => {
            findings.push(("configuration", configuration(&context, global)));
            findings.push(("issuer", issuer(context.config())));
            if let Some(found) = certificate(&context) {
                findings.push(("certificate", found));
            }
            findings.push(("revocation feed", Ok(feed(context.config()))));
            findings.push(("folders", folders(context.config())));
            let master = master_key(context.config());
            let records = database(&context, &mut findings).await;
            findings.push(("master key", described(&master, context.config())));
            if let (Some(records), Ok(master)) = (records, &master) {
                keys(&context, &records, master.as_ref(), &mut findings);
            }
        }
        Err(failure) => {
            findings
                .push(("configuration", Err(problem(failure, "correct it; `signet init` writes a new one"))));
        }
    }
    Ok(report(&findings))
}

fn report(findings: &[(&str, Finding)]) -> Report {
    let width = findings.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut checks = Vec::new();
    for (name, finding) in findings {
        let (word, said) = match finding {
            Ok(fact) => ("ok  ", fact.clone()),
            Err(Problem { what, fix }) => ("FAIL", format!("{what}. Fix: {fix}")),
        };
        text.push_str(&format!("{word}  {name:<width$}  {}\n", clean(&said)));
        checks.push(match finding {
            Ok(fact) => json!({ "check": name, "ok": true, "found": fact }),
            Err(Problem { what, fix }) => json!({ "check": name, "ok": false, "found": what, "fix": fix }),
        });
    }
    let failed = findings.iter().filter(|(_, finding)| finding.is_err()).count();
    let json = json!({ "ok": failed == 0, "checks": checks });
    if failed == 0 { Report::new(text, json) } else { Report::bad_news(text, json) }
}

fn configuration(context: &Context, global: &Global) -> Finding {
    let file =
        context.loaded.file.as_ref().map_or_else(|| "defaults".to_owned(), |file| file.display().to_string());
    if let Some(dir) = &context.dir {
        return Ok(format!("{file}, a development store in {}", dir.display()));
    }
    config::load(&context::sources(global.config.clone()), Mode::Serve)
        .map(|_| format!("{file} and the environment are valid"))
        .map_err(|error| problem(error, "change that setting; `signet config check` shows what is in effect"))
}

fn issuer(config: &Config) -> Finding {
    let issuer = Issuer::parse(&config.public_url)
        .map_err(|error| problem(error, "set public_url to the URL that browsers use"))?;
    let host = url::Url::parse(issuer.as_str()).ok().and_then(|url| url.host_str().map(str::to_owned));
    let nowhere = matches!(host.as_deref(), Some("0.0.0.0" | "[::]"));
    if nowhere {
        return Err(problem(
            format!("no browser reaches {}", issuer.as_str()),
            "set public_url to a host name; the address to listen on is `listen`",
        ));
    }
    let proxy = match (&config.tls.certificate, issuer.is_https()) {
        (Some(_), _) => "https on",
        (None, true) => "https by a proxy in front of",
        (None, false) => "plain http on",
    };
    Ok(format!("{}, {proxy} {}", issuer.as_str(), config.listen))
}

/// The certificate of the public listener, where it speaks TLS itself; the first problem is the one to mend first.
fn certificate(context: &Context) -> Option<Finding> {
    let certificate = match Certificate::of(context.config()) {
        Ok(certificate) => certificate?,
        Err(error) => return Some(Err(problem(error, "put the right files there; `serve` does not start"))),
    };
    Some(match certificate.problems(context.now()).into_iter().next() {
        Some((what, fix)) => Err(problem(what, fix)),
        None => Ok(format!("for every name, until {}", certificate.current().validity.not_after.rfc3339())),
    })
}

fn feed(config: &Config) -> String {
    let feed = &config.revocation;
    if !feed.enabled {
        return "switched off: a service that verifies tokens on its own accepts them until they expire"
            .to_owned();
    }
    format!(
        "{}/revocation/stream for up to {} followers a node, a heartbeat every {} ms",
        config.public_url, feed.max_followers, feed.heartbeat_ms
    )
}

/// The folder of the master key is its owner's alone; the folder of a SQLite database can be written to.
fn folders(config: &Config) -> Finding {
    let mut seen = Vec::new();
    if config.keys.master_key.is_none() {
        seen.push(private(&config.keys.dir)?);
    }
    if let Some(folder) = context::sqlite_file(config).as_deref().and_then(Path::parent) {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        seen.push(writable(folder)?);
    }
    Ok(if seen.is_empty() { "none are needed".to_owned() } else { seen.join(", ") })
}

#[cfg(unix)]
fn private(dir: &Path) -> Finding {
    use std::os::unix::fs::PermissionsExt as _;
    let shown = dir.display();
    let metadata = std::fs::metadata(dir).map_err(|error| {
        problem(format!("{shown}: {error}"), "start the server once: it makes the folder")
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(problem(
            format!("others may write to {shown} (mode {mode:o})"),
            format!("chmod 700 {shown}"),
        ));
    }
    Ok(format!("{shown} has mode {mode:o}"))
}

#[cfg(not(unix))]
fn private(dir: &Path) -> Finding {
    Ok(format!("{} (permissions are not checked here)", dir.display()))
}

fn writable(folder: &Path) -> Finding {
    let shown = folder.display();
    let probe = folder.join(format!(".signet-doctor.{}", std::process::id()));
    let written = std::fs::write(&probe, b"");
    let _ = std::fs::remove_file(&probe);
    written.map_err(|error| {
        problem(
            format!(
                "{shown} cannot be written to ({error}), and SQLite keeps its journal beside the database"
            ),
            format!("give {shown} to the user that runs the server"),
        )
    })?;
    Ok(format!("{shown} can be written to"))
}

type Master = Result<Option<MasterKey>, Problem>;

fn master_key(config: &Config) -> Master {
    let fix = "restore the right key; `openssl rand -hex 32` makes one for a new installation";
    match &config.keys.master_key {
        Some(configured) => {
            MasterKey::parse(configured.reveal()).map(Some).map_err(|error| problem(error, fix))
        }
        // The error names `chmod` where the file is open to others.
        None => master_key_file::read(&config.keys.dir).map_err(|error| problem(error, fix)),
    }
}

fn described(master: &Master, config: &Config) -> Finding {
    let file = config.keys.dir.join(master_key_file::FILE_NAME);
    match master {
        Ok(Some(_)) if config.keys.master_key.is_some() => Ok("set by keys.master_key".to_owned()),
        Ok(Some(_)) => Ok(format!("{} is its owner's alone", file.display())),
        Ok(None) => Err(problem(
            format!("there is no {}", file.display()),
            "start the server once on a new database, or restore the file from its backup",
        )),
        Err(Problem { what, fix }) => Err(problem(what, fix.clone())),
    }
}

/// The checks that need the database; the signing keys if they can be read.
async fn database(context: &Context, findings: &mut Vec<(&str, Finding)>) -> Option<Vec<SigningKeyRecord>> {
    let shown = config::database::shown(&context.config().database.url);
    let fix = "check database.url and whether the database runs and lets this user in";
    if context::sqlite_file(context.config()).is_some_and(|path| !path.exists()) {
        findings.push(("database", Err(problem(format!("{shown} does not exist"), "run `signet migrate`"))));
        return None;
    }
    let store = match context.open().await {
        Ok(store) => store,
        Err(failure) => {
            findings.push(("database", Err(problem(failure, fix))));
            return None;
        }
    };
    let version = match store.database_version().await {
        Ok(version) => version,
        Err(error) => {
            findings.push(("database", Err(problem(format!("{shown}: {error}"), fix))));
            return None;
        }
    };
    findings.push(("database", supported(&store, &shown, &version)));
    findings.push(("clock", clock(&store).await));
    let schema = schema(&store).await;
    let current = schema.is_ok();
    findings.push(("schema", schema));
    let records = if current { store.signing_keys().await.ok().map(|(_, records)| records) } else { None };
    store.close().await;
    records
}

fn supported(store: &Store, shown: &str, version: &str) -> Finding {
    let major = version.split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
    if store.backend() == "postgres" && major < OLDEST_POSTGRES {
        return Err(problem(
            format!("PostgreSQL {version} at {shown} is too old"),
            format!("use PostgreSQL {OLDEST_POSTGRES} or newer"),
        ));
    }
    let name = if store.backend() == "postgres" { "PostgreSQL" } else { "SQLite" };
    Ok(format!("{name} {version} at {shown} answers"))
}

async fn clock(store: &Store) -> Finding {
    let before = SystemClock::machine_now();
    let database = store.database_time().await;
    let after = SystemClock::machine_now();
    let database = database.map_err(|error| problem(error, "see the check of the database"))?;
    let middle = before.millis() + (after.millis() - before.millis()) / 2;
    let skew = (database.millis() - middle).unsigned_abs();
    if skew > MOST_SKEW_MILLIS {
        return Err(problem(
            format!("this machine and the database differ by {skew} ms"),
            "let both take their time from NTP (timedatectl set-ntp true)",
        ));
    }
    Ok(format!("within {skew} ms of the database"))
}

async fn schema(store: &Store) -> Finding {
    let plan = store
        .migration_plan()
        .await
        .map_err(|error| problem(error, "run the signet that made the schema"))?;
    if let Some((version, name)) = plan.pending.first() {
        return Err(problem(
            format!("{} pending, the first is {version:04} {name}", plan.pending.len()),
            "run `signet migrate`; `serve` does so at its start",
        ));
    }
    Ok(format!("up to date, {} applied", plan.applied.len()))
}

/// Whether the keys open, sign for every algorithm in use, and are published as a key set that can be read.
fn keys(
    context: &Context,
    records: &[SigningKeyRecord],
    master: Option<&MasterKey>,
    findings: &mut Vec<(&str, Finding)>,
) {
    let Some(master) = master else { return };
    let now = context.now();
    let ring = match Keyring::load(records, master, now) {
        Ok(ring) => ring,
        Err(error) => {
            let fix = "restore the master key that this database's keys were sealed with";
            findings.push(("signing keys", Err(problem(error, fix))));
            return;
        }
    };
    let wanted = crate::server::provider::policy(context.config()).map(|policy| policy.keys.algorithms);
    let missing: Vec<_> = wanted
        .unwrap_or_default()
        .into_iter()
        .filter(|algorithm| ring.signing_key(*algorithm, now).is_none())
        .map(crate::oauth::algorithm::Algorithm::as_str)
        .collect();
    let count = |state: KeyState| records.iter().filter(|record| record.state(now) == state).count();
    findings.push((
        "signing keys",
        if missing.is_empty() {
            Ok(format!(
                "{} active, {} pending, {} retiring; all open with the master key",
                count(KeyState::Active),
                count(KeyState::Pending),
                count(KeyState::Retiring)
            ))
        } else {
            Err(problem(
                format!("no active key for {}", missing.join(", ")),
                "start the server: it makes them; or `signet keys rotate`",
            ))
        },
    ));
    findings.push((
        "key set",
        VerificationKeys::from_jwks(&ring.jwks_at(now).body)
            .map(|keys| format!("{} keys that verifiers can read", keys.len()))
            .map_err(|error| problem(error, "remove the key: `signet keys remove KID`")),
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Exit;

    #[test]
    fn one_failure_fails_the_whole_and_names_its_fix() {
        let report = report(&[
            ("clock", Ok("within 3 ms".to_owned())),
            ("schema", Err(problem("1 pending", "run `signet migrate`"))),
        ]);
        assert_eq!(
            report.text(),
            "ok    clock   within 3 ms\nFAIL  schema  1 pending. Fix: run `signet migrate`\n"
        );
        assert_eq!(report.print(true), Exit::Failed);
    }

    #[test]
    fn an_issuer_nobody_reaches_is_a_failure() {
        let config = |url: &str| Config { public_url: url.to_owned(), ..Config::default() };
        assert!(issuer(&config("https://login.example.com")).is_ok());
        assert!(issuer(&config("http://0.0.0.0:8080")).is_err());
    }
}
