//! Who may ask how much at once. What no operator has let in shares a part of all places, and one stranger a part of
//! that; so nobody whom anybody may become keeps the others waiting, whatever hosts he names.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::hosts::Hosts;

/// One host may have this part of all places; what strangers cause together has it, too, and of that again one host.
const SHARE: usize = 4;
/// One stranger may have this part of what is the strangers'.
const STRANGERS_SHARE: usize = 2;

/// On whose behalf another host is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behalf {
    /// An operator's, or that of a client that one has registered.
    Operator,
    /// Anybody's: of a client that no operator has registered. By the network that the request is from.
    Stranger(String),
    /// Nobody's who asks now: such a client is told of a logout. By the client.
    Told(String),
}

/// The places of all.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    operators: Budget,
    strangers: Budget,
    told: Budget,
}

/// A part of the places; and what is known of the hosts that are asked on it, so that nobody's failures are held against
/// a host where somebody else needs it.
#[derive(Debug)]
struct Budget {
    places: Arc<Semaphore>,
    hosts: Hosts,
    /// Those on whose behalf it is. They never rest.
    askers: Hosts,
}

/// A place of an exchange, which is free again once the exchange and every lookup that it has begun have ended.
pub(super) type Place = Arc<Vec<OwnedSemaphorePermit>>;

impl Places {
    /// So many at once.
    pub(super) fn new(most: usize) -> Self {
        let part = |of: usize, share: usize| (of / share).max(1);
        let budget = |places: usize| Budget {
            places: Arc::new(Semaphore::new(places)),
            hosts: Hosts::new(part(places, SHARE)),
            askers: Hosts::new(part(places, STRANGERS_SHARE)),
        };
        let most = most.max(1);
        Self {
            all: Arc::new(Semaphore::new(most)),
            operators: budget(most),
            strangers: budget(part(most, SHARE)),
            told: budget(part(most, SHARE)),
        }
    }

    /// A place to ask a host, once there is one: first with the host, then one of all, so that who waits for a slow host
    /// keeps nobody else waiting. `None` where the host rests, or a stranger has all that he may have: he does not wait.
    pub(super) async fn take(&self, behalf: &Behalf, host: &str, now: Instant) -> Option<Place> {
        let (budget, asker) = self.budget(behalf);
        let mut place = Vec::new();
        if let Some(asker) = asker {
            place.push(budget.askers.admit(asker, now)?.try_acquire_owned().ok()?);
        }
        let of_host = budget.hosts.admit(host, now)?;
        for places in [of_host, Arc::clone(&budget.places), Arc::clone(&self.all)] {
            place.push(places.acquire_owned().await.ok()?);
        }
        Some(Arc::new(place))
    }

    /// Remembers whether a host was there, for those of the same kind.
    pub(super) fn note(&self, behalf: &Behalf, host: &str, answered: bool, now: Instant) {
        self.budget(behalf).0.hosts.note(host, answered, now);
    }

    const fn budget<'a>(&'a self, behalf: &'a Behalf) -> (&'a Budget, Option<&'a str>) {
        match behalf {
            Behalf::Operator => (&self.operators, None),
            Behalf::Stranger(network) => (&self.strangers, Some(network.as_str())),
            Behalf::Told(client) => (&self.told, Some(client.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic_now;

    /// How many places there are before somebody would have to wait, each with a host of its own.
    async fn free(places: &Places, behalf: &Behalf) -> usize {
        let mut held = Vec::new();
        for number in 0..100 {
            let host = format!("{number}:443");
            let take = places.take(behalf, &host, monotonic_now());
            match futures_util::FutureExt::now_or_never(tokio::task::unconstrained(take)) {
                Some(Some(place)) => held.push(place),
                _ => break,
            }
        }
        held.len()
    }

    #[tokio::test]
    async fn strangers_have_a_quarter_and_one_network_half_of_it() {
        let places = Places::new(32);
        let (a, b) = (Behalf::Stranger("a".to_owned()), Behalf::Stranger("b".to_owned()));
        assert_eq!(free(&places, &a).await, 4);
        assert_eq!(free(&places, &Behalf::Told("a".to_owned())).await, 4);
        let mut held = Vec::new();
        for (behalf, number) in [(&a, 4), (&b, 4), (&a, 0)] {
            for host in 0..number {
                held.push(places.take(behalf, &format!("{host}:443"), monotonic_now()).await.unwrap());
            }
        }
        assert_eq!(free(&places, &Behalf::Stranger("c".to_owned())).await, 0);
        assert_eq!(free(&places, &Behalf::Told("a".to_owned())).await, 4);
        assert_eq!(free(&places, &Behalf::Operator).await, 24);
        drop(held);
        assert_eq!(free(&places, &Behalf::Operator).await, 32);
    }

    #[tokio::test]
    async fn what_strangers_meet_is_not_held_against_a_host() {
        let places = Places::new(32);
        let stranger = Behalf::Stranger("a".to_owned());
        let now = monotonic_now();
        assert!(places.take(&stranger, "a:443", now).await.is_some());
        for _ in 0..5 {
            places.note(&stranger, "a:443", false, now);
        }
        assert!(places.take(&stranger, "a:443", now).await.is_none());
        assert!(places.take(&Behalf::Stranger("b".to_owned()), "a:443", now).await.is_none());
        assert!(places.take(&Behalf::Operator, "a:443", now).await.is_some());
        assert!(places.take(&Behalf::Told("a".to_owned()), "a:443", now).await.is_some());
    }

    #[tokio::test]
    async fn few_places_are_at_least_one_for_each() {
        let places = Places::new(1);
        for behalf in [Behalf::Operator, Behalf::Stranger("a".to_owned()), Behalf::Told("a".to_owned())] {
            assert_eq!(free(&places, &behalf).await, 1);
        }
    }
}
