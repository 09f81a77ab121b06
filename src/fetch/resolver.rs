//! Names to addresses, of which only those that may be asked are left. The connection goes to one of them: nobody
//! resolves the name a second time, so it cannot lead elsewhere by then (DNS rebinding).

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::target::{is_allowed, is_localhost};

/// Resolves with what the operating system asks.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) may_be_private: bool,
    /// A lookup cannot be called off: it may outlive whoever asked for it, so these bound the threads it takes.
    pub(super) lookups: Arc<Semaphore>,
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
        let (may_be_private, lookups) = (self.may_be_private, Arc::clone(&self.lookups));
        Box::pin(async move {
            let name = name.as_str();
            let found =
                if is_localhost(name) { this_machine() } else { look_up(name.to_owned(), lookups).await? };
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

async fn look_up(name: String, lookups: Arc<Semaphore>) -> io::Result<Vec<SocketAddr>> {
    let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
    let asking = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        (name.as_str(), 0_u16).to_socket_addrs().map(Iterator::collect)
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
        let resolver = |may_be_private| Checked { may_be_private, lookups: Arc::new(Semaphore::new(1)) };
        for name in ["localhost", "rp.localhost"] {
            assert!(resolver(false).resolve(name.parse().unwrap()).await.is_err(), "{name}");
            let found: Vec<_> = resolver(true).resolve(name.parse().unwrap()).await.unwrap().collect();
            assert_eq!(found, addresses(&["127.0.0.1", "::1"]), "{name}");
        }
    }
}
