//! Measures every path of Signet beside the ceiling this machine allows, in one run. `scripts/bench` starts it.

mod bare;
mod browser;
mod child;
mod client;
mod cpu;
mod failure;
mod feed;
mod form;
mod histogram;
mod http;
mod load;
mod report;
mod seed;
mod statement;
mod suite;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde_json::json;

use crate::child::{BareServer, Launch, Server};
use crate::failure::{Result, failure};
use crate::report::Report;
use crate::statement::Target;
use crate::suite::{Extent, Suite};

/// Load generator for Signet.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts Signet with demo data and measures every path beside its ceiling.
    Run(Options),
    /// Measures refreshes among few families and among many, and memory over many refreshes.
    Growth(Options),
    /// Measures the ceilings alone, without Signet.
    Ceilings(Options),
    /// Measures the revocation feed: how soon a revoked token is refused, and what that costs.
    Feed(feed::Options),
    /// The bare HTTP server; the other commands start it.
    #[command(hide = true)]
    Bare,
    /// Holds revocations; `feed` asks it what they take up.
    #[command(hide = true)]
    Held {
        /// How many.
        #[arg(long)]
        entries: usize,
    },
    /// A resource server; `feed` starts it.
    #[command(hide = true)]
    Resource {
        /// Whose tokens.
        #[arg(long)]
        issuer: String,
        /// For whom.
        #[arg(long)]
        audience: String,
    },
}

#[derive(Args)]
struct Options {
    /// The binary to measure.
    #[arg(long, default_value = "target/release/signet")]
    server: PathBuf,
    /// A PostgreSQL server to make a database in; without, SQLite.
    #[arg(long)]
    postgres: Option<String>,
    /// A folder for the server's state; must be empty or absent, and is left for inspection.
    #[arg(long)]
    dir: PathBuf,
    /// Where the figures go, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Measured seconds of one round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds of each path and its ceilings, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these paths.
    #[arg(long)]
    only: Vec<String>,
    /// Environment for the server, NAME=value.
    #[arg(long = "env")]
    environment: Vec<String>,
    /// Families that the refreshes go round.
    #[arg(long, default_value_t = 100_000)]
    families: u64,
    /// Families for `growth`.
    #[arg(long, default_value_t = 1_000_000)]
    many: u64,
    /// Threads of the server that hash passwords; by default one less than the cores, at least one.
    #[arg(long)]
    hash_threads: Option<usize>,
    /// argon2id memory in KiB, as the server has it.
    #[arg(long, default_value_t = 19_456)]
    argon2_memory: u32,
    /// argon2id passes, as the server has them.
    #[arg(long, default_value_t = 2)]
    argon2_passes: u32,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Bare => bare::serve().map(|()| true),
        Command::Held { entries } => feed::memory::hold(entries).map(|()| true),
        Command::Resource { issuer, audience } => feed::resource::serve(&issuer, &audience).map(|()| true),
        Command::Run(options) => on_runtime(run(&options, What::Paths)),
        Command::Growth(options) => on_runtime(run(&options, What::Growth)),
        Command::Ceilings(options) => on_runtime(run(&options, What::Ceilings)),
        Command::Feed(options) => on_runtime(feed::run(&options)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("signet-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What to measure.
#[derive(Clone, Copy)]
enum What {
    Paths,
    Growth,
    Ceilings,
}

fn on_runtime(work: impl Future<Output = Result<bool>>) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Ctrl-C drops the run, and with it the servers it started.
        tokio::select! {
            done = work => done,
            _ = tokio::signal::ctrl_c() => Err(failure("interrupted")),
        }
    })
}

/// True if everything could be measured.
async fn run(options: &Options, what: What) -> Result<bool> {
    let cores = std::thread::available_parallelism()?.get();
    let extent = Extent {
        clients: options.clients.max(1),
        span: Duration::from_secs_f64(options.seconds),
        rounds: options.rounds.max(1),
        cores,
        hash_threads: options.hash_threads.unwrap_or(cores.saturating_sub(1).max(1)),
        argon2: (options.argon2_memory, options.argon2_passes),
        families: options.families.max(1),
    };
    std::fs::create_dir_all(&options.dir)?;
    let (target, database) = match &options.postgres {
        Some(url) => {
            let rows = statement::fresh_postgres(url, "signet_bench_rows").await?;
            (Target::Postgres(rows), Some(statement::fresh_postgres(url, "signet_bench").await?))
        }
        None => (Target::Sqlite(options.dir.join("rows.sqlite")), None),
    };
    statement::create(&target).await?;
    let backend = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    let setting = json!({
        "cores": cores, "clients": extent.clients, "seconds": options.seconds, "rounds": extent.rounds,
        "hash_threads": extent.hash_threads, "argon2_memory_kib": extent.argon2.0, "argon2_passes": extent.argon2.1,
    });
    let report = Report::new(backend.to_owned(), setting);
    let mut suite = Suite { extent, target, bare: BareServer::start()?, report, process: None };
    match what {
        What::Ceilings => suite.ceilings().await?,
        What::Paths | What::Growth => {
            let launch = Launch {
                binary: options.server.clone(),
                dir: options.dir.join("signet"),
                database,
                environment: options.environment.clone(),
            };
            let first = Server::start(&launch).await?;
            suite.report.add_start(first.ready_after);
            drop(first);
            let server = Server::start(&launch).await?;
            suite.report.add_start(server.ready_after);
            suite.report.add_usage("start", server.usage().await?);
            suite.process = Some(server.process_id());
            match what {
                What::Growth => suite.growth(&server, options.many).await?,
                _ => suite.paths(&server, &options.only).await?,
            }
        }
    }
    writeln!(std::io::stdout(), "{}", suite.report.table())?;
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&suite.report.json())?)?;
    }
    Ok(!suite.report.failed())
}
