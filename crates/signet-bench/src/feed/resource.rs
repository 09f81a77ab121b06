//! A resource server: the middleware of `signet-verify` in front of an answer of two bytes, in a process of its own.

use std::io::Write;
use std::net::SocketAddr;

use actix_web::{App, HttpResponse, HttpServer, web};
use signet_verify::actix::Protect;
use signet_verify::verifier::Verifier;

use crate::child::{Process, this_program};
use crate::failure::{Result, failure};

/// A running resource server.
pub(crate) struct ResourceServer {
    _process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl ResourceServer {
    /// Starts one that trusts this issuer.
    pub(crate) fn start(issuer: &str, audience: &str) -> Result<Self> {
        let (process, address) = this_program(&["resource", "--issuer", issuer, "--audience", audience])?;
        Ok(Self { _process: process, address })
    }
}

/// Serves `/me` to who has a token with the scope `read`. Prints its port as the first line.
pub(crate) fn serve(issuer: &str, audience: &str) -> Result<()> {
    let verifier = Verifier::builder(issuer, audience).build().map_err(|error| failure(error.to_string()))?;
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            let protect = Protect::new(verifier.clone()).scope("read");
            App::new().service(web::resource("/me").wrap(protect).to(async || HttpResponse::Ok().body("ok")))
        })
        .workers(1)
        .bind(("127.0.0.1", 0))?;
        let port = server.addrs().first().map(SocketAddr::port).ok_or_else(|| failure("no address"))?;
        writeln!(std::io::stdout(), "{port}")?;
        Ok(server.run().await?)
    })
}
