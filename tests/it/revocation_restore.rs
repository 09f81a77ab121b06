//! A database that was restored from a backup: `signet restore-epoch` keeps dead what had died since.

use std::path::Path;

use signet_verify::feed::entry::Kind;

use super::crash::with_program;
use super::*;
use crate::support::feed::{PATIENCE, Stream, Watcher};
use crate::support::process::{Address, Process, Visitor};

/// Copies a database that nobody uses, and puts the copy in its place again.
struct Backup<'a> {
    folder: &'a Path,
    url: Option<&'a str>,
}

impl Backup<'_> {
    async fn take(&self) {
        match self.url {
            Some(url) => {
                let name = database_name(url);
                on_server(&format!("CREATE DATABASE {name}_backup TEMPLATE {name}")).await;
            }
            None => copy(&self.folder.join("store"), &self.folder.join("backup")),
        }
    }

    async fn restore(&self) {
        match self.url {
            Some(url) => {
                let name = database_name(url);
                on_server(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
                on_server(&format!("ALTER DATABASE {name}_backup RENAME TO {name}")).await;
            }
            None => copy(&self.folder.join("backup"), &self.folder.join("store")),
        }
    }
}

/// The SQLite files of one folder, with their journal, in the place of those of another.
fn copy(from: &Path, to: &Path) {
    let is_database = |path: &Path| path.file_name().unwrap().to_string_lossy().contains(".sqlite");
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path()) {
        if is_database(&file) {
            std::fs::remove_file(file).unwrap();
        }
    }
    let mut copied = 0;
    for file in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        if is_database(&file) {
            std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
            copied += 1;
        }
    }
    assert!(copied > 0);
}

fn database_name(url: &str) -> String {
    url::Url::parse(url).unwrap().path().trim_start_matches('/').to_owned()
}

async fn on_server(statement: &str) {
    let server = std::env::var("SIGNET_TEST_POSTGRES").unwrap();
    crate::support::database::run(&server, statement).await;
}

async fn signed_in(visitor: &mut Visitor) -> Tokens {
    let code = visitor.code().await.unwrap();
    Tokens::of(&visitor.address.redeeming(&code).send().await)
}

async fn refreshed(address: &Address, tokens: &Tokens) -> Tokens {
    Tokens::of(&address.refreshing(tokens.refresh()).send().await)
}

/// What an authorization request without interaction comes to in this browser.
async fn silently(visitor: &mut Visitor) -> Redirect {
    let asked = visitor.address.asked().with("prompt", "none");
    let response = visitor.send(visitor.address.get(&asked.target())).await.unwrap();
    Redirect::parse(response.location())
}

async fn is_active(address: &Address, token: &str) -> bool {
    let auth = Auth::Basic("demo-api".to_owned(), "demo-api-secret".to_owned());
    let answer = auth.on(address.post("/introspect"), &[("token", token)]).send().await;
    answer.ok().json()["active"].as_bool().unwrap()
}

/// Everything that anybody held when the database was lost.
struct Held {
    browsers: Vec<Visitor>,
    codes: Vec<String>,
    tokens: Vec<Tokens>,
}

/// Signs in, before the backup and after it, and revokes and uses up most of it in between.
async fn live_through(backup: &Backup<'_>, address: &Address, start: impl Fn() -> Process) -> Held {
    let mut process = start();
    let (mut one, mut two) = (Visitor::new(address), Visitor::new(address));
    let (first, second) = (signed_in(&mut one).await, signed_in(&mut two).await);
    let (unused, used) = (one.code().await.unwrap(), one.code().await.unwrap());
    process.kill();
    backup.take().await;
    process = start();
    let mut tokens = vec![first, second];
    tokens.push(refreshed(address, &tokens[0]).await);
    tokens.push(refreshed(address, &tokens[2]).await);
    tokens.push(Tokens::of(&address.redeeming(&used).send().await));
    address.revoking(tokens[1].refresh()).send().await.ok();
    address.revoking(&tokens[3].access).send().await.ok();
    Process::command(backup.folder, &["user", "logout-all", "alice"]);
    // Signed in after the backup: the restored database has never heard of it.
    let mut three = Visitor::new(address);
    tokens.push(signed_in(&mut three).await);
    process.kill();
    Held { browsers: vec![one, two, three], codes: vec![unused, used], tokens }
}

#[test]
fn after_the_command_nothing_that_was_held_before_is_accepted() {
    with_program(async |folder, address, url| {
        let backup = Backup { folder, url };
        let start = || Process::start(folder, address, url, "info");
        let mut held = live_through(&backup, address, start).await;
        backup.restore().await;
        // Without the command, what was logged out on all devices is signed in again.
        let process = start();
        assert!(silently(&mut held.browsers[0]).await.get("code").is_some());
        let old = Watcher::of_program(address).await.position();
        process.kill();

        let report = Process::command(folder, &["restore-epoch", "--yes", "--json"]);
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["restored"], true);
        assert!(report["users"].as_i64().unwrap() >= 2 && report["codes"].as_i64().unwrap() >= 1, "{report}");
        let process = start();
        for tokens in &held.tokens {
            address.refreshing(tokens.refresh()).send().await.refused(400, "invalid_grant");
            assert!(!is_active(address, &tokens.access).await);
            // A resource server that asks nobody learns it from the feed.
            let begin = signet::clock::monotonic_now();
            while address.get("/demo/api/me").bearer(&tokens.access).send().await.status != 401 {
                assert!(begin.elapsed() < PATIENCE);
            }
        }
        for code in &held.codes {
            address.redeeming(code).send().await.refused(400, "invalid_grant");
        }
        for browser in &mut held.browsers {
            assert_eq!(silently(browser).await.get("error"), Some("login_required"));
        }

        // Verifiers learn of it, and of no number twice.
        let mut w = Watcher::of_program(address).await;
        for tokens in &held.tokens {
            assert_eq!(w.refusal(&tokens.access).await, Kind::Iss);
        }
        let jumped = report["feed_number"].as_i64().unwrap();
        assert!(w.position() > jumped && jumped >= 1 << 32, "{} {report}", w.position());
        let resuming = address.get(&format!("/revocation/stream?from={old}"));
        Stream::open(&resuming).await.err().unwrap().refused(410, "gone");

        // Whoever signs in anew is as welcome as ever.
        let again = signed_in(&mut Visitor::new(address)).await;
        refreshed(address, &again).await;
        process.kill();
    });
}

#[test]
fn the_command_asks_first_and_says_what_it_did() {
    with_program(async |folder, address, url| {
        let process = Process::start(folder, address, url, "info");
        let mut visitor = Visitor::new(address);
        let tokens = signed_in(&mut visitor).await;
        let refused = Process::try_command(folder, &["restore-epoch"]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"), "{refused:?}");
        let tokens = refreshed(address, &tokens).await;
        let told = Process::command(folder, &["restore-epoch", "--yes"]);
        for word in [
            "is void",
            "has to sign in again",
            "Deleted: ",
            "goes on after number ",
            "Disabled users",
            "old passwords",
            "API keys",
            "signet keys rotate --emergency",
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
        // A server that runs nevertheless takes it over at once.
        address.refreshing(tokens.refresh()).send().await.refused(400, "invalid_grant");
        let audit = Process::command(folder, &["audit", "list", "--event", "installation.epoch_restored", "--json"]);
        let audit: Value = serde_json::from_str(&audit).unwrap();
        assert_eq!(audit["events"].as_array().unwrap().len(), 1, "{audit}");
        process.kill();
    });
}
