//! Running until told to stop: SIGTERM or SIGINT ends gracefully, a second one at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::AbortHandle;

use super::background::{self, Cleanup};
use super::listen::{Addresses, Listening, listen};
use super::provider::SetupError;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::flow::Provider;

/// A provider ready to serve, and how.
pub struct Run {
    /// The configuration.
    pub config: Config,
    /// The provider, its keys loaded.
    pub provider: Arc<Provider>,
    /// The clock to keep in step with the database; `None` where time is injected or the database is embedded.
    pub clock: Option<Arc<SystemClock>>,
    /// `dev`: the demo is served.
    pub development: bool,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("development", &self.development).finish_non_exhaustive()
    }
}

/// Serves until a signal. `ready` is called once both listeners accept.
///
/// # Errors
/// An address that cannot be bound, or a signal handler that cannot be set.
pub async fn run(run: Run, ready: impl FnOnce(&Addresses)) -> Result<(), SetupError> {
    let failed = |error: std::io::Error| SetupError(format!("signals cannot be handled: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let Listening { addresses, public, admin, app } =
        listen(&run.config, Arc::clone(&run.provider), run.development)?;
    let handles = [public.handle(), admin.handle()];
    let tasks = background_tasks(&run);
    ready(&addresses);
    let servers = async { tokio::join!(public, admin) };
    tokio::pin!(servers);
    tokio::select! {
        _ = &mut servers => {}
        () = either(&mut terminate, &mut interrupt) => {
            tracing::info!("stopping: readiness says no, requests in flight are answered");
            app.stopping.store(true, Ordering::Release);
            let drain = Duration::from_secs(u64::from(run.config.http.drain_seconds));
            let stop = async {
                tokio::time::sleep(drain).await;
                let [public, admin] = &handles;
                tokio::join!(public.stop(true), admin.stop(true));
            };
            tokio::select! {
                _ = async { tokio::join!(stop, &mut servers) } => {}
                () = either(&mut terminate, &mut interrupt) => tracing::warn!("stopping at once"),
            }
        }
    }
    for task in tasks {
        task.abort();
    }
    run.provider.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

fn background_tasks(run: &Run) -> Vec<AbortHandle> {
    let op = &run.provider;
    let cleanup = Cleanup {
        interval: Duration::from_secs(u64::from(run.config.cleanup.interval_seconds)),
        batch: run.config.cleanup.batch,
        audit_retention: Duration::from_secs(u64::from(run.config.cleanup.audit_retention_days) * 24 * 3600),
    };
    let mut tasks = vec![
        tokio::spawn(background::rotate_keys(Arc::clone(op))).abort_handle(),
        tokio::spawn(background::sweep(Arc::clone(op), cleanup)).abort_handle(),
    ];
    if let Some(clock) = &run.clock {
        let follow = background::follow_database_clock(Arc::clone(op), Arc::clone(clock));
        tasks.push(tokio::spawn(follow).abort_handle());
    }
    tasks
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
