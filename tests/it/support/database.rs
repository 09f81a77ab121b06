//! A fresh database for every test: a copy of a template that each process makes once, with the schema, the signing
//! keys (an RSA key takes a while to make), and the people and clients of `people.rs`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::people::Secrets;

/// The kinds of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A database that ends with its test.
#[derive(Debug)]
pub(crate) struct Database {
    /// What the server's configuration names.
    pub(crate) url: String,
    /// The secrets of the template's clients.
    pub(crate) secrets: Secrets,
    /// The folder of a SQLite file; deleted when dropped.
    _folder: Option<TempDir>,
    postgres: Option<(String, String)>,
}

struct Template {
    /// A file, or a database's name.
    name: String,
    secrets: Secrets,
    folder: Option<TempDir>,
}

static SQLITE: OnceCell<Template> = OnceCell::const_new();
static POSTGRES: OnceCell<Template> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);

impl Database {
    /// A fresh one; `None` where there is no PostgreSQL to test on.
    pub(crate) async fn fresh(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Sqlite => Some(sqlite().await),
            Backend::Postgres => {
                let Ok(server) = std::env::var("SIGNET_TEST_POSTGRES") else {
                    assert!(std::env::var_os("CI").is_none(), "CI is set, but SIGNET_TEST_POSTGRES is not");
                    eprintln!("skipped: SIGNET_TEST_POSTGRES names no PostgreSQL (scripts/test starts one)");
                    return None;
                };
                Some(postgres(server).await)
            }
        }
    }

    /// One without a schema; `None` where there is no PostgreSQL to test on.
    pub(crate) async fn empty(backend: Backend) -> Option<Self> {
        let secrets = Secrets::new();
        if backend == Backend::Sqlite {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", folder.path().join("signet.sqlite").to_str().unwrap());
            return Some(Self { url, secrets, _folder: Some(folder), postgres: None });
        }
        let server = std::env::var("SIGNET_TEST_POSTGRES").ok()?;
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("signet_it_{}_{number}", std::process::id());
        run(&server, &format!("CREATE DATABASE {name}")).await;
        let url = with_name(&server, &name);
        Some(Self { url, secrets, _folder: None, postgres: Some((server, name)) })
    }

    /// Deletes a database of PostgreSQL; a file goes with its folder.
    pub(crate) async fn delete(self) {
        if let Some((server, name)) = self.postgres {
            run(&server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

async fn sqlite() -> Database {
    let template = SQLITE
        .get_or_init(|| async {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("template.sqlite").to_str().unwrap().to_owned();
            let secrets = super::server::fill(&format!("sqlite://{file}")).await;
            assert!(!PathBuf::from(format!("{file}-wal")).exists(), "the template is still open");
            Template { name: file, secrets, folder: Some(folder) }
        })
        .await;
    assert!(template.folder.is_some());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("signet.sqlite");
    std::fs::copy(&template.name, &file).unwrap();
    let url = format!("sqlite://{}", file.to_str().unwrap());
    Database { url, secrets: template.secrets.clone(), _folder: Some(folder), postgres: None }
}

async fn postgres(server: String) -> Database {
    let template = POSTGRES
        .get_or_init(|| async {
            remove_leftovers(&server).await;
            let name = format!("signet_it_{}_template", std::process::id());
            run(&server, &format!("CREATE DATABASE {name}")).await;
            let secrets = super::server::fill(&with_name(&server, &name)).await;
            Template { name, secrets, folder: None }
        })
        .await;
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let name = format!("signet_it_{}_{number}", std::process::id());
    run(&server, &format!("CREATE DATABASE {name} TEMPLATE {}", template.name)).await;
    let url = with_name(&server, &name);
    Database { url, secrets: template.secrets.clone(), _folder: None, postgres: Some((server, name)) }
}

/// Templates outlive their process, and so do the databases of tests that were killed.
async fn remove_leftovers(server: &str) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    let names: Vec<(String,)> =
        sqlx::query_as("SELECT datname FROM pg_database WHERE datname LIKE 'signet\\_it\\_%'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    for (name,) in names {
        let process = name.split('_').nth(2).unwrap_or_default();
        if !PathBuf::from(format!("/proc/{process}")).exists() {
            let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            connection.execute(AssertSqlSafe(drop)).await.unwrap();
        }
    }
}

/// Runs a statement about a whole database.
pub(crate) async fn run(server: &str, statement: &str) {
    let mut connection = PgConnection::connect(server).await.unwrap();
    // PostgreSQL may take a moment to notice that somebody has gone: a killed process, or a pool that was closed.
    for _ in 0..600 {
        match connection.execute(AssertSqlSafe(statement.to_owned())).await {
            Ok(_) => return connection.close().await.unwrap(),
            Err(error) => assert!(error.to_string().contains("being accessed"), "{statement}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{statement}: somebody uses the database");
}

fn with_name(server: &str, name: &str) -> String {
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(name);
    url.to_string()
}
