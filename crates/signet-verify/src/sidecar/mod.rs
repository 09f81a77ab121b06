//! A small program that verifies access tokens for a proxy: nginx `auth_request`, Envoy `ext_authz` over HTTP.
//!
//! The proxy asks about each request and passes it on, or does not. The sidecar trusts what the proxy says of the
//! request and nobody else, which is why it listens on loopback.

mod args;
mod check;
mod identity;
mod log;
mod need;
mod report;

use std::io::Write as _;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};

pub use args::{Args, BadArgs};

use crate::verifier::Verifier;

/// Seconds that requests under way are given once the program was told to stop.
const DRAIN_SECONDS: u64 = 10;
/// Longer than proxies keep an idle connection, so that they close it and never send into one that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// What passes before an issuer that does not answer is asked again.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

/// What the handlers share.
#[derive(Debug)]
struct Sidecar {
    verifier: Verifier,
    public_url: Option<String>,
    claims_header: bool,
    metadata: serde_json::Value,
    answers: check::Answers,
    ready: AtomicBool,
}

/// Runs until the program is told to stop. 2 where the configuration is no good, before anything listens; 1 where the
/// address cannot be had; 0 after SIGTERM or SIGINT.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    log::start(args);
    match actix_web::rt::System::new().block_on(serve(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Arguments(why)) => complain(2, &why.to_string()),
        Err(Failure::Listening(why)) => complain(1, &format!("cannot listen on {}: {why}", args.listen)),
    }
}

enum Failure {
    Arguments(BadArgs),
    Listening(std::io::Error),
}

fn complain(code: u8, why: &str) -> ExitCode {
    // Where standard error is closed, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "signet-verify: {why}");
    ExitCode::from(code)
}

async fn serve(args: &Args) -> Result<(), Failure> {
    let state = Data::new(args.sidecar().map_err(Failure::Arguments)?);
    actix_web::rt::spawn(get_ready(state.clone()));
    let listener = TcpListener::bind(args.listen).map_err(Failure::Listening)?;
    let address = listener.local_addr().map_err(Failure::Listening)?;
    let shared = state.clone();
    let mut server = HttpServer::new(move || App::new().app_data(shared.clone()).configure(routes))
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(DRAIN_SECONDS);
    if let Some(workers) = args.workers {
        server = server.workers(workers.get());
    }
    let running = server.listen(listener).map_err(Failure::Listening)?.run();
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "whoever reaches this address can say that a request was for something else");
    }
    tracing::info!(%address, issuer = args.issuer, audience = args.audience, "listening");
    running.await.map_err(Failure::Listening)
}

/// Reads keys and feed before the first request needs them, and tries until it has them.
async fn get_ready(sidecar: Data<Sidecar>) {
    while let Err(why) = sidecar.verifier.ready().await {
        tracing::warn!(%why, "not ready to judge tokens");
        actix_web::rt::time::sleep(BETWEEN_ATTEMPTS).await;
    }
    sidecar.ready.store(true, Ordering::Relaxed);
    tracing::info!(feed_position = sidecar.verifier.feed_position(), "ready to judge tokens");
}

fn routes(app: &mut ServiceConfig) {
    app.route("/auth", web::get().to(check::nginx))
        .route("/envoy/{rest:.*}", web::route().to(check::envoy))
        .route("/healthz", web::get().to(report::health))
        .route("/readyz", web::get().to(report::readiness))
        .route("/metrics", web::get().to(report::metrics))
        .route("/.well-known/oauth-protected-resource{resource:.*}", web::get().to(report::metadata));
}
