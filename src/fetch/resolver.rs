//! Names to addresses, of which only those that may be asked are left. The connection goes to one of them: nobody
//! resolves the name a second time, so it cannot lead elsewhere by then (DNS rebinding).

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::places::Place;
use super::target::{is_allowed, is_localhost};

/// What knows the addresses of a name, blocking.
pub(super) type Ask = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// What the operating system asks.
pub(super) fn system(name: &str) -> io::Result<Vec<SocketAddr>> {
    (name, 0_u16).to_socket_addrs().map(Iterator::collect)
}

tokio::task_local! {
    /// The place of the exchange that this task is about to begin.
    static PLACE: Place;
}

/// An exchange that has a place: its lookups have it, too.
pub(super) fn within<F: Future>(place: Place, exchange: F) -> impl Future<Output = F::Output> {
    PLACE.scope(place, exchange)
}

/// Resolves for those who have a place.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) may_be_private: bool,
    pub(super) ask: Ask,
}

/// A name leads only to addresses that may not be asked.
#[derive(Debug)]
pub(super) struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name leads to no public address")
    }
}

impl std::error::Error for NotPublic {}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (may_be_private, ask) = (self.may_be_private, self.ask);
        // Now, in the task of the exchange, and not when it is first waited for.
        let place = PLACE.try_with(Arc::clone).map_err(io::Error::other);
        Box::pin(async move {
            let name = name.as_str();
            let found = if is_localhost(name) {
                this_machine()
            } else {
                look_up(name.to_owned(), ask, place?).await?
            };
            let allowed = allowed(found, may_be_private)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn allowed(found: Vec<SocketAddr>, may_be_private: bool) -> Result<Vec<SocketAddr>, NotPublic> {
    let some = !found.is_empty();
    let allowed: Vec<_> =
        found.into_iter().filter(|address| is_allowed(address.ip(), may_be_private)).collect();
    if some && allowed.is_empty() { Err(NotPublic) } else { Ok(allowed) }
}

/// With port 0, which stands for the one of the URL.
fn this_machine() -> Vec<SocketAddr> {
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    loopback.map(|address| SocketAddr::new(address, 0)).to_vec()
}

/// A lookup cannot be called off, and may outlive whoever asked for it: it keeps the place until it ends, so that the
/// places bound the threads that lookups take, too.
async fn look_up(name: String, ask: Ask, place: Place) -> io::Result<Vec<SocketAddr>> {
    let asking = tokio::task::spawn_blocking(move || {
        let _place = place;
        ask(&name)
    });
    asking.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn what_may_not_be_asked_is_left_out() {
        let found = addresses(&["10.0.0.1", "8.8.8.8", "169.254.169.254", "::1", "2606:4700::1"]);
        assert_eq!(allowed(found.clone(), false).unwrap(), addresses(&["8.8.8.8", "2606:4700::1"]));
        assert_eq!(allowed(found, true).unwrap(), addresses(&["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1"]));
    }

    #[test]
    fn a_name_that_leads_nowhere_public_is_refused() {
        assert!(allowed(addresses(&["127.0.0.1", "::1"]), false).is_err());
        assert!(allowed(addresses(&["169.254.169.254", "fe80::1"]), true).is_err());
        assert!(allowed(Vec::new(), false).unwrap().is_empty());
    }

    #[tokio::test]
    async fn this_machines_names_are_known_without_a_resolver() {
        let resolver = |may_be_private| Checked { may_be_private, ask: system };
        for name in ["localhost", "rp.localhost"] {
            assert!(resolver(false).resolve(name.parse().unwrap()).await.is_err(), "{name}");
            let found: Vec<_> = resolver(true).resolve(name.parse().unwrap()).await.unwrap().collect();
            assert_eq!(found, addresses(&["127.0.0.1", "::1"]), "{name}");
        }
    }
}
