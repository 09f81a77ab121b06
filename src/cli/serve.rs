//! `signet serve`

use std::sync::Arc;
use std::time::Duration;

use super::args::Global;
use super::context::{self, Context};
use super::output::{Failure, Outcome, Report};
use super::{demo_data, logging};
use crate::config::{self, Config, Mode};
use crate::flow::keys;
use crate::server::provider;
use crate::server::run::run as serve;
use crate::server::tls::Certificate;
use crate::server::waiting::Waiting;
use crate::storage::{Error, Store};

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Waits for the database, brings its schema up to date, and serves until told to stop. Pending migrations are applied
/// on both databases: nodes that start together wait for one another, and a rolled-out version needs no step by hand.
pub(super) async fn run(global: &Global) -> Outcome {
    if let Some(dir) = &global.dir
        && !context::is_from_environment(dir)
    {
        return Err(Failure::usage(
            "`serve` runs no development store; start that with `signet dev --dir …`",
        ));
    }
    let loaded = config::load(&context::sources(global.config.clone()), Mode::Serve)?;
    logging::start(&loaded.config.log);
    // Before anything listens: whoever waits for the database would otherwise learn of it much later.
    Certificate::of(&loaded.config)?;
    let context = Context::of(loaded, None);
    let store = context.open().await?;
    let waiting = Waiting::begin(context.config().admin_listen)?;
    wait_and_migrate(&store, context.config()).await?;
    context.follow(&store).await?;
    refuse_demo(&store, &context).await?;
    let provider = Arc::new(provider::build(context.config(), store, &context.world()).await?);
    keys::tick(&provider, context.now()).await?;
    waiting.end().await;
    serve(context.config().clone(), provider, context.clock(), false, |addresses| {
        tracing::info!(public = %addresses.public, admin = %addresses.admin, "ready");
    })
    .await?;
    Ok(Report::silent())
}

/// A database that is down is waited for: a process that ends and is started again helps nobody. Anything that waiting
/// cannot mend (a wrong password, a newer schema) ends the program with one line.
async fn wait_and_migrate(store: &Store, config: &Config) -> Result<(), Failure> {
    let database = config::database::shown(&config.database.url);
    let mut wait = FIRST_WAIT;
    loop {
        match migrate(store).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_transient() => {
                tracing::warn!(%database, %error, retry_in_ms = wait.as_millis(), "waiting for the database");
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            }
            Err(error) => return Err(Failure::new(format!("{database}: {error}"))),
        }
    }
}

async fn migrate(store: &Store) -> Result<(), Error> {
    let plan = store.migration_plan().await?;
    if plan.pending.is_empty() {
        return Ok(());
    }
    let versions: Vec<i64> = plan.pending.iter().map(|(version, _)| *version).collect();
    tracing::info!(?versions, "applying migrations");
    store.migrate().await
}

async fn refuse_demo(store: &Store, context: &Context) -> Result<(), Failure> {
    let found = demo_data::find_credentials(store, context.now()).await?;
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the database holds demo credentials that everybody knows ({}): `signet user set-password`, `signet user \
         disable` and `signet client delete` put an end to them; or give `serve` a database of its own",
        found.join(", ")
    )))
}
