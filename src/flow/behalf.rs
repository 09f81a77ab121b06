//! On whose behalf another host is asked: who registered the client decides, and for the rest the network of the request.

use super::limiter::network;
use crate::fetch::Behalf;
use crate::model::client::Client;
use crate::oauth::registration::Registered;

/// For what a request needs of a client; `address` is whose request it is.
pub fn of(client: &Client, address: Option<&str>) -> Behalf {
    match client.registered {
        Registered::Operator => Behalf::Operator,
        Registered::Dynamic | Registered::Document => stranger(address),
    }
}

/// For what somebody says of himself.
pub fn stranger(address: Option<&str>) -> Behalf {
    Behalf::Stranger(network(address))
}

/// To tell a client of a logout.
pub fn telling(client: &Client) -> Behalf {
    match client.registered {
        Registered::Operator => Behalf::Operator,
        Registered::Dynamic | Registered::Document => Behalf::Told(client.id.0.clone()),
    }
}
