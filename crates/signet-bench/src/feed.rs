//! The revocation feed: how soon a revoked token is refused everywhere, what the check costs, what the state takes up,
//! and how many revocations a second the batcher carries.

mod burst;
mod cluster;
mod cost;
mod follow;
pub(crate) mod memory;
mod propagation;
pub(crate) mod resource;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::failure::{Result, failure};
use crate::histogram::Histogram;
use crate::statement;
use cluster::{AUDIENCE, Cluster};
use resource::ResourceServer;

/// What to measure, and on what.
#[derive(Args)]
pub(crate) struct Options {
    /// The binary to measure.
    #[arg(long, default_value = "target/release/signet")]
    server: PathBuf,
    /// A PostgreSQL server to make a database in.
    #[arg(long)]
    postgres: Option<String>,
    /// A folder for the nodes' state; must be empty or absent, and is left for inspection.
    #[arg(long)]
    dir: PathBuf,
    /// Where the figures go, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// How often everybody is logged out.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Resource servers.
    #[arg(long, default_value_t = 3)]
    resource_servers: usize,
    /// Entries a second for the batcher.
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Seconds of that.
    #[arg(long, default_value_t = 10)]
    burst_seconds: u32,
    /// Live entries to hold.
    #[arg(long, default_values_t = [10_000, 1_000_000])]
    entries: Vec<usize>,
    /// Measured seconds of each cost.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Only these: propagation, burst, cost, memory.
    #[arg(long)]
    only: Vec<String>,
}

impl Options {
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|one| one == part)
    }
}

/// Measures all of it. True if everything could be measured.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    let mut text = String::from("## Revocation feed\n");
    let mut figures = serde_json::Map::new();
    let mut note = |name: &str, part: (String, Value)| {
        text.push_str(&part.0);
        figures.insert(name.to_owned(), part.1);
    };
    if options.wants("cost") {
        let rows = cost::measure(Duration::from_secs_f64(options.seconds), &options.entries).await?;
        note("cost", cost::report(&rows));
    }
    if options.wants("memory") {
        let rows = options.entries.iter().map(|count| memory::measure(*count)).collect::<Result<Vec<_>>>()?;
        note("memory", memory::report(&rows));
    }
    if options.wants("propagation") || options.wants("burst") {
        let url = options.postgres.as_deref().ok_or_else(|| failure("--postgres is missing"))?;
        let database = statement::fresh_postgres(url, "signet_feed").await?;
        let cluster = Cluster::start(&options.server, &options.dir.join("cluster"), &database).await?;
        if options.wants("propagation") {
            let issuer = format!("http://{}", cluster.site.authority);
            let servers = (0..options.resource_servers)
                .map(|_| ResourceServer::start(&issuer, AUDIENCE))
                .collect::<Result<Vec<_>>>()?;
            let seen = propagation::measure(&cluster, &servers, options.rounds).await?;
            note("propagation", propagated(&seen, options));
        }
        if options.wants("burst") {
            let burst = burst::measure(&cluster, &database, options.rate, options.burst_seconds).await?;
            note("burst", carried(&burst));
        }
    }
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&Value::Object(figures))?)?;
    }
    Ok(true)
}

fn propagated(seen: &propagation::Propagation, options: &Options) -> (String, Value) {
    let mut text = format!(
        "\nLog out all devices, {} times, 2 nodes on one PostgreSQL, {} resource servers under {:.0} requests/s \
         (p99 {:.1} ms, {} failed)\n\n| first refusal | p50 ms | p90 ms | p99 ms | target p99 |\n|---|--:|--:|--:|--:|\n",
        options.rounds,
        options.resource_servers,
        seen.load.rate(),
        millis(&seen.load.latency, 0.99),
        seen.load.failures
    );
    for (name, histogram) in
        [("after the reply", &seen.from_reply), ("after the call was sent", &seen.from_call)]
    {
        let at = |quantile| millis(histogram, quantile);
        let _ = writeln!(text, "| {name} | {:.1} | {:.1} | {:.1} | < 1000 |", at(0.5), at(0.9), at(0.99));
    }
    let quantiles = |histogram: &Histogram| json!({ "p50_ms": millis(histogram, 0.5), "p90_ms": millis(histogram, 0.9), "p99_ms": millis(histogram, 0.99) });
    let figures = json!({
        "rounds": options.rounds, "resource_servers": options.resource_servers,
        "after_reply": quantiles(&seen.from_reply), "after_call": quantiles(&seen.from_call),
        "load_per_second": seen.load.rate(), "load_failures": seen.load.failures,
    });
    (text, figures)
}

fn carried(burst: &burst::Burst) -> (String, Value) {
    let rate = burst.inserted as f64 / burst.elapsed.as_secs_f64();
    let each = burst.processor.as_secs_f64() * 1e6 / burst.inserted as f64;
    let at = |quantile| millis(&burst.lag, quantile);
    let text = format!(
        "\nBatcher: {} entries at {}/s: carried {rate:.0}/s to a verifier, from commit to arrival p50 {:.1} ms, p99 {:.1} ms, \
         {each:.1} µs of the nodes' processor time each\n",
        burst.inserted,
        burst.wanted,
        at(0.5),
        at(0.99)
    );
    let figures = json!({
        "entries": burst.inserted, "wanted_per_second": burst.wanted, "carried_per_second": rate,
        "p50_ms": at(0.5), "p99_ms": at(0.99), "cpu_micros_per_entry": each,
    });
    (text, figures)
}

fn millis(histogram: &Histogram, quantile: f64) -> f64 {
    histogram.quantile(quantile).as_secs_f64() * 1000.0
}
