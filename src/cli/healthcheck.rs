//! `signet healthcheck`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use url::Url;

use super::args::{Global, Healthcheck};
use super::context::Context;
use super::http_client::{self, Request};
use super::output::{Failure, Outcome, Report};
use super::reach::Reach;

const LIMIT: Duration = Duration::from_secs(2);

/// Asks whether the server is alive. A container's health check runs it, so it needs nothing but the configuration.
pub(super) async fn run(args: &Healthcheck, global: &Global) -> Outcome {
    let context = Context::new(global);
    // Whoever says where to ask needs no configuration.
    let reach = Reach::new(context.as_ref().ok(), args.cacert.as_deref())?;
    let url = match &args.url {
        Some(url) => url.clone(),
        None => format!("http://{}/livez", reachable(context?.config().admin_listen)),
    };
    let url = Url::parse(&url).map_err(|error| Failure::usage(format!("--url: {error}")))?;
    let response = http_client::send(&reach, &Request::get(&url), LIMIT).await.map_err(Failure::new)?;
    if response.status == 200 {
        return Ok(Report::new(format!("{url} answers 200."), json!({ "url": url.as_str(), "status": 200 })));
    }
    Err(Failure::new(format!("{url} answers {}", response.status)))
}

/// A listener on every address is asked by loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let address = match listen.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    SocketAddr::new(address, listen.port())
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn every_address_means_loopback() {
        let of = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(of("0.0.0.0:9000"), "127.0.0.1:9000");
        assert_eq!(of("[::]:9000"), "[::1]:9000");
        assert_eq!(of("10.0.0.7:9000"), "10.0.0.7:9000");
    }
}
