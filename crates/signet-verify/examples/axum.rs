//! An API in axum. `cargo run -p signet-verify --features tower --example axum`, beside `signet dev`.

use std::sync::Arc;

use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use signet_verify::token::Token;
use signet_verify::tower::Protect;
use signet_verify::verifier::Verifier;

async fn orders(Extension(token): Extension<Arc<Token>>) -> String {
    format!("the orders of {}", token.subject().unwrap_or("nobody"))
}

async fn cancel(Extension(token): Extension<Arc<Token>>) -> Result<String, Response> {
    token.require_scope("write")?;
    Ok(format!("{} cancelled an order", token.subject().unwrap_or("somebody")))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let verifier = Verifier::builder("http://localhost:8080", "https://api.example.com").build()?;
    let app = Router::new()
        .route("/orders", get(orders).delete(cancel))
        .layer(Protect::new(verifier).scope("read"))
        // Below the layer, and so in front of no guard.
        .route("/", get(|| async { "hello, whoever you are" }));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 8000)).await?;
    Ok(axum::serve(listener, app).await?)
}
