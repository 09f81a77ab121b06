//! `signet dev`: a server with keys and demo data, in a folder of its own.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{DEFAULT_DIR, Dev, Global};
use super::authority::Authority;
use super::context::{self, Context, DEV_FILE};
use super::output::{Failure, Outcome, Report};
use super::{authority, demo_data, logging, welcome};
use crate::clock::{SystemClock, monotonic_now};
use crate::config::{self, Config, Flag, Loaded, Mode, Sources};
use crate::flow::{Provider, keys};
use crate::oauth::uri;
use crate::server::provider;
use crate::server::run::run as serve;

/// The names of this machine, where a development server may fetch from.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Makes what is missing, then serves until told to stop.
pub(super) async fn run(args: &Dev, global: &Global) -> Outcome {
    let started = monotonic_now();
    let dir = folder(global.dir.as_deref().unwrap_or(Path::new(DEFAULT_DIR)))?;
    names_fit(args)?;
    let ports = (free_port(args.port, "--port")?, free_port(args.admin_port, "--admin-port")?);
    let authority = args.tls.then(|| authority(args, &dir)).transpose()?;
    let loaded = load(args, global, &dir, ports)?;
    logging::start(&loaded.config.log);
    write_private(&dir.join(DEV_FILE), &file_text(&loaded.config))?;
    let context = Context::of(loaded, Some(dir.clone()));
    let provider = prepare(&context).await?;
    let (issuer, json) = (provider.policy.issuer.clone(), global.json);
    let config = context.config().clone();
    let database = config::database::shown(&config.database.url);
    let hosts = config.browser.hosts.clone();
    let named = global.dir.as_deref().unwrap_or(Path::new(DEFAULT_DIR)).to_owned();
    serve(config, provider, context.clock(), true, move |addresses| {
        let welcome = welcome::Welcome {
            issuer: &issuer,
            admin: addresses.admin,
            database: &database,
            dir: &dir,
            hosts: &hosts,
            authority: authority.as_ref(),
            needs_dir: named != Path::new(DEFAULT_DIR) || !context::is_default_dir(),
            ready_after: monotonic_now().duration_since(started),
        };
        welcome.report().print(json);
    })
    .await?;
    Ok(Report::silent())
}

/// Browsers and resolvers take a name below `localhost` for this machine; any other may lead anywhere, and needs https.
fn names_fit(args: &Dev) -> Result<(), Failure> {
    let is_local = |name: &&String| *name == "localhost" || uri::is_below_localhost(name);
    match std::iter::once(&args.name).chain(&args.hosts).find(|name| !args.tls && !is_local(name)) {
        Some(name) => Err(Failure::usage(format!(
            "{name} needs --tls; without it a name must be localhost or below it, such as {name}.localhost"
        ))),
        None => Ok(()),
    }
}

fn authority(args: &Dev, dir: &Path) -> Result<Authority, Failure> {
    let folder = dir.join("tls");
    private_folder(&folder)?;
    let names: Vec<String> = std::iter::once(&args.name).chain(&args.hosts).cloned().collect();
    Authority::ensure(&folder, &names, SystemClock::machine_now())
}

/// Keys and users take most of the time that a first start needs, so they are made at the same time.
async fn prepare(context: &Context) -> Result<Arc<Provider>, Failure> {
    let store = context.open().await?;
    store.migrate().await?;
    context.follow(&store).await?;
    let provider = Arc::new(provider::build(context.config(), store, &context.world()).await?);
    let now = context.now();
    let (keys, users) = {
        let (for_keys, for_users) = (Arc::clone(&provider), Arc::clone(&provider));
        tokio::join!(async move { keys::tick(&for_keys, now).await.map_err(Failure::from) }, async move {
            demo_data::ensure(&for_users, now).await
        })
    };
    keys?;
    users?;
    Ok(provider)
}

/// The folder, made for its owner alone, as an absolute path: what is written there holds from anywhere.
fn folder(dir: &Path) -> Result<PathBuf, Failure> {
    private_folder(dir)?;
    private_folder(&dir.join("keys"))?;
    dir.canonicalize().map_err(|error| Failure::new(format!("{}: {error}", dir.display())))
}

fn private_folder(dir: &Path) -> Result<(), Failure> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|error| Failure::new(format!("the folder {}: {error}", dir.display())))
}

/// Writes a file that only its owner may read; it may hold a database password.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    // Replaced as a whole: a command that reads it at this moment sees the old one or the new one.
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let _ = std::fs::remove_file(&temporary);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&temporary).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
    std::fs::rename(&temporary, path).map_err(failed)
}

fn file_text(config: &Config) -> String {
    format!(
        "# What the development server in this folder runs with. `signet dev` writes it anew at each start.\n\n{}",
        config.changes_toml_revealed()
    )
}

/// Whether a port can be had, before anything is written; 0 is any free one.
fn free_port(port: u16, flag: &str) -> Result<u16, Failure> {
    let taken = |error: std::io::Error| {
        Failure::new(format!("port {port} cannot be used ({error}); choose another with {flag}"))
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(taken)?;
    listener.local_addr().map(|address| address.port()).map_err(taken)
}

fn load(args: &Dev, global: &Global, dir: &Path, (port, admin): (u16, u16)) -> Result<Loaded, Failure> {
    let listen = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
    let database = match &args.database {
        Some(url) => url.reveal().to_owned(),
        None => sqlite_in(dir)?,
    };
    let flag = |name, key, value| Flag { name, key, value };
    let origin = |name: &String| origin(args.tls, name, port);
    let mut flags = vec![
        flag("--name", "public_url", origin(&args.name)),
        flag("--port", "listen", listen(port)),
        flag("--admin-port", "admin_listen", listen(admin)),
        flag("--database", "database.url", database),
        flag("--dir", "keys.dir", dir.join("keys").display().to_string()),
    ];
    if !args.hosts.is_empty() {
        let hosts: Vec<String> = args.hosts.iter().map(origin).collect();
        flags.push(flag("--host", "browser.hosts", hosts.join(",")));
    }
    if args.tls {
        let file = |name: &str| dir.join("tls").join(name).display().to_string();
        flags.push(flag("--tls", "tls.certificate", file(authority::CERTIFICATE)));
        flags.push(flag("--tls", "tls.key", file(authority::KEY)));
        // It holds for a name on every port: whatever else runs on localhost would have to speak https, too.
        flags.push(flag("--tls", "http.hsts_seconds", "0".to_owned()));
    }
    let sources = Sources { flags, only_named_file: true, ..context::sources(global.config.clone()) };
    let mut loaded = config::load(&sources, Mode::Dev)?;
    // What is developed runs on this machine, its key sets and logout endpoints too.
    let hosts = &mut loaded.config.fetch.private_hosts;
    for host in LOOPBACK {
        if !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    Ok(loaded)
}

/// Where the server is under a name, as browsers write it.
fn origin(tls: bool, name: &str, port: u16) -> String {
    match (tls, port) {
        (true, 443) => format!("https://{name}"),
        (true, _) => format!("https://{name}:{port}"),
        (false, 80) => format!("http://{name}"),
        (false, _) => format!("http://{name}:{port}"),
    }
}

/// The database file, made before SQLite makes it: with the rights of its owner alone.
fn sqlite_in(dir: &Path) -> Result<String, Failure> {
    let path = dir.join("signet.sqlite");
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let text = path.to_str().ok_or_else(|| Failure::new("the path of --dir must be UTF-8"))?;
    if text.contains(['?', '%', '#']) {
        return Err(Failure::usage("the path of --dir must not contain ?, % or #"));
    }
    Ok(format!("sqlite://{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command};
    use clap::Parser as _;

    #[test]
    fn what_is_written_is_what_is_run_with() {
        let root = tempfile::tempdir().unwrap();
        let dir = folder(&root.path().join("store")).unwrap();
        let cli = Cli::try_parse_from(["signet", "dev", "--database", "postgres://u:p@h/d"]).unwrap();
        let Command::Dev(args) = &cli.command else { panic!("dev") };
        let loaded = load(args, &cli.global, &dir, (1, 2)).unwrap();
        let path = dir.join(DEV_FILE);
        write_private(&path, &file_text(&loaded.config)).unwrap();
        let again = config::from_toml(&path, &std::fs::read_to_string(&path).unwrap(), Mode::Dev).unwrap();
        assert_eq!(again.config.changes_toml_revealed(), loaded.config.changes_toml_revealed());
        assert_eq!(again.config.public_url, "http://localhost:1");
        assert_eq!(again.config.database.url.reveal(), "postgres://u:p@h/d");
        assert_eq!(again.config.keys.dir, dir.join("keys"));
        assert_eq!(again.config.fetch.private_hosts, LOOPBACK);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_a_development_store() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let dir = folder(&root.path().join("store")).unwrap();
        write_private(&dir.join(DEV_FILE), "").unwrap();
        sqlite_in(&dir).unwrap();
        let mode = |name: &str| std::fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            [mode(""), mode("keys"), mode(DEV_FILE), mode("signet.sqlite")],
            [0o700, 0o700, 0o600, 0o600]
        );
    }

    #[test]
    fn a_port_in_use_is_noticed_before_anything_is_written() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        assert!(free_port(port, "--port").unwrap_err().to_string().contains("--port"));
        assert_ne!(free_port(0, "--port").unwrap(), 0);
    }
}
