//! An API in actix-web. `cargo run -p signet-verify --features actix --example actix`, beside `signet dev`.

use std::time::Duration;

use actix_web::{App, HttpServer, web};
use signet_verify::actix::{Authorized, Protect};
use signet_verify::challenge::Refusal;
use signet_verify::verifier::Verifier;

async fn orders(token: Authorized) -> String {
    format!("the orders of {}", token.subject().unwrap_or("nobody"))
}

async fn cancel(token: Authorized) -> Result<String, Refusal> {
    token.require_scope("write")?;
    Ok(format!("{} cancelled an order", token.subject().unwrap_or("somebody")))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let verifier = Verifier::builder("http://localhost:8080", "https://api.example.com").build()?;
    let server = HttpServer::new(move || {
        let read = Protect::new(verifier.clone()).scope("read");
        let recent = Protect::new(verifier.clone()).scope("write").max_age(Duration::from_secs(300));
        App::new()
            .route("/", web::get().to(|| async { "hello, whoever you are" }))
            .service(web::resource("/account").wrap(recent).get(orders))
            .service(
                web::scope("/orders")
                    .wrap(read)
                    .route("", web::get().to(orders))
                    .route("", web::delete().to(cancel)),
            )
    });
    Ok(server.bind(("127.0.0.1", 8000))?.run().await?)
}
