//! The HTTP ceiling: actix-web as Signet uses it, and nothing behind it. Runs as a process of its own, like the server
//! it stands in for.

use std::io::Write;

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::failure::{Result, failure};

/// Serves `/{size}`: that many bytes of JSON type. Prints its port as the first line.
pub(crate) fn serve() -> Result<()> {
    let bodies: Vec<u8> = vec![b'x'; 256 * 1024];
    let bodies = web::Bytes::from(bodies);
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(bodies.clone())).route("/{size}", web::route().to(reply))
        })
        .bind(("127.0.0.1", 0))?;
        let port =
            server.addrs().first().map(std::net::SocketAddr::port).ok_or_else(|| failure("no address"))?;
        writeln!(std::io::stdout(), "{port}")?;
        Ok(server.run().await?)
    })
}

/// Reads the request's body as any endpoint must, then answers.
async fn reply(size: web::Path<usize>, bodies: web::Data<web::Bytes>, _body: web::Bytes) -> HttpResponse {
    let size = size.into_inner().min(bodies.len());
    HttpResponse::Ok()
        .insert_header(("content-type", "application/json"))
        .insert_header(("cache-control", "no-store"))
        .body(bodies.slice(..size))
}
