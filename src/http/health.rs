//! Liveness and readiness.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::app::App;
use super::error::no_store;

/// Longest wait for the database's answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The process answers. Says nothing of the database: restarting this process would not mend that.
pub async fn live() -> HttpResponse {
    let mut response = HttpResponse::Ok();
    no_store(&mut response);
    response.json(json!({ "status": "ok" }))
}

/// Requests can be served: keys are loaded, the database answers, and the server is not going down.
pub async fn ready(app: Data<App>) -> HttpResponse {
    let op = &app.provider;
    let now = op.clock.now();
    let ring = op.keys.current();
    let keys = op.policy.keys.algorithms.iter().all(|algorithm| ring.signing_key(*algorithm, now).is_some());
    let database = matches!(tokio::time::timeout(PATIENCE, op.store.ping()).await, Ok(Ok(())));
    let serving = !app.stopping.load(Ordering::Acquire);
    let ready = keys && database && serving;
    let mut response = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    no_store(&mut response);
    let check =
        |name: &str, good: bool| json!({ "name": name, "status": if good { "ok" } else { "failed" } });
    response.json(json!({
        "status": if ready { "ok" } else { "failed" },
        "checks": [check("signing_keys", keys), check("database", database), check("serving", serving)],
    }))
}
