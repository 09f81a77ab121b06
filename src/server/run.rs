//! Running until told to stop: SIGTERM or SIGINT ends gracefully, a second one at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::AbortHandle;

use super::background::{self, Cleanup};
use super::listen::{Addresses, Listening, listen};
use super::provider::SetupError;
use super::tls::watch;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::flow::Provider;

/// How long open statements may take to end once nothing is served any more.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves until a signal. `ready` is called once both listeners accept. `clock`, the provider's, follows the
/// database's from then on.
///
/// # Errors
/// A certificate that cannot be used, an address that cannot be bound, or a signal handler that cannot be set.
pub async fn run(
    config: Config,
    provider: Arc<Provider>,
    clock: Arc<SystemClock>,
    development: bool,
    ready: impl FnOnce(&Addresses),
) -> Result<(), SetupError> {
    let failed = |error: std::io::Error| SetupError(format!("signals cannot be handled: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    // A terminal that closes is to end a development server.
    let hangup = (config.tls.certificate.is_some() && !development).then(|| signal(SignalKind::hangup()));
    let hangup = hangup.transpose().map_err(failed)?;
    let Listening { addresses, public, admin, app, certificate } =
        listen(&config, Arc::clone(&provider), development)?;
    let handles = [public.handle(), admin.handle()];
    let mut tasks = background_tasks(&config, &provider, &clock);
    if let Some(certificate) = certificate {
        tasks.push(tokio::spawn(watch::files(certificate, clock, hangup)).abort_handle());
    }
    ready(&addresses);
    let servers = async { tokio::join!(public, admin) };
    tokio::pin!(servers);
    tokio::select! {
        _ = &mut servers => {}
        () = either(&mut terminate, &mut interrupt) => {
            tracing::info!("stopping: readiness says no, requests in flight are answered");
            app.stopping.store(true, Ordering::Release);
            let drain = Duration::from_secs(u64::from(config.http.drain_seconds));
            let stop = async {
                tokio::time::sleep(drain).await;
                app.followers.dismiss();
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
    // Statements end within their own timeout; a connection that does not is left to the operating system.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, provider.store.close()).await;
    tracing::info!("stopped");
    Ok(())
}

fn background_tasks(config: &Config, op: &Arc<Provider>, clock: &Arc<SystemClock>) -> Vec<AbortHandle> {
    let cleanup = Cleanup {
        interval: Duration::from_secs(u64::from(config.cleanup.interval_seconds)),
        batch: config.cleanup.batch,
        audit_retention: Duration::from_secs(u64::from(config.cleanup.audit_retention_days) * 24 * 3600),
    };
    vec![
        tokio::spawn(background::rotate_keys(Arc::clone(op))).abort_handle(),
        tokio::spawn(background::publish_revocations(Arc::clone(op))).abort_handle(),
        tokio::spawn(background::tell_relying_parties(Arc::clone(op))).abort_handle(),
        tokio::spawn(background::listen_to_feed(Arc::clone(op))).abort_handle(),
        tokio::spawn(background::sweep(Arc::clone(op), cleanup)).abort_handle(),
        tokio::spawn(background::follow_database_clock(Arc::clone(op), Arc::clone(clock))).abort_handle(),
    ]
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
