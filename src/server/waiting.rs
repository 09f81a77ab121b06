//! Liveness while the database is waited for: the process is well, restarting it would mend nothing.

use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::json;

use super::provider::SetupError;
use crate::http::health;

/// Answers `/livez` with yes and `/readyz` with no on the listener for operators, until stopped.
#[derive(Debug)]
pub struct Waiting(ServerHandle);

impl Waiting {
    /// Begins to answer.
    ///
    /// # Errors
    /// An address that cannot be bound.
    pub fn begin(admin: SocketAddr) -> Result<Self, SetupError> {
        let server = HttpServer::new(|| {
            App::new().route("/livez", web::get().to(health::live)).route("/readyz", web::get().to(starting))
        });
        let server = server.disable_signals().workers(1).bind(admin).map_err(|error| {
            SetupError(format!("admin_listen = {admin} cannot be used: {error}. Choose another port"))
        })?;
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self(handle))
    }

    /// Makes room for the server itself.
    pub async fn end(self) {
        self.0.stop(false).await;
    }
}

async fn starting() -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(json!({
        "status": "failed",
        "checks": [{ "name": "database", "status": "failed" }],
    }))
}
