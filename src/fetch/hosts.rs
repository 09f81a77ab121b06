//! What is known of each host that is asked: how many exchanges with it are under way, and whether it has failed so
//! often that it is left alone for a while. One slow host takes neither everybody's places nor everybody's time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// After so many failures in a row a host rests; one more after that, and it rests again.
const FAILURES: u32 = 5;
/// For so long.
const REST: Duration = Duration::from_secs(10);
/// At most so many hosts are remembered; those beyond are forgotten, and their failures with them.
const MOST: usize = 10_000;

/// The hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    known: Mutex<HashMap<String, Host>>,
    /// Exchanges at once with one of them.
    each: usize,
}

#[derive(Debug)]
struct Host {
    failures: u32,
    rests_until: Option<Instant>,
    places: Arc<Semaphore>,
}

impl Hosts {
    pub(super) fn new(each: usize) -> Self {
        Self { known: Mutex::default(), each }
    }

    /// The places of a host; `None` while it rests.
    pub(super) fn admit(&self, name: &str, now: Instant) -> Option<Arc<Semaphore>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = known.get(name) {
            let rests = host.rests_until.is_some_and(|until| now < until);
            return (!rests).then(|| Arc::clone(&host.places));
        }
        if known.len() >= MOST {
            known.retain(|_, host| Arc::strong_count(&host.places) > 1);
        }
        let places = Arc::new(Semaphore::new(self.each));
        let host = Host { failures: 0, rests_until: None, places: Arc::clone(&places) };
        known.insert(name.to_owned(), host);
        Some(places)
    }

    /// Remembers how an exchange ended: whether the host was there and answered.
    pub(super) fn note(&self, name: &str, answered: bool, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(host) = known.get_mut(name) else { return };
        if answered {
            host.failures = 0;
            host.rests_until = None;
        } else {
            host.failures = host.failures.saturating_add(1);
            if host.failures >= FAILURES {
                host.rests_until = Some(now + REST);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic_now;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_host_that_fails_five_times_in_a_row_rests_for_ten_seconds() {
        let (hosts, now) = (Hosts::new(1), monotonic_now());
        for _ in 0..4 {
            assert!(hosts.admit("a:443", now).is_some());
            hosts.note("a:443", false, now);
        }
        assert!(hosts.admit("a:443", now).is_some());
        hosts.note("a:443", false, now);
        assert!(hosts.admit("a:443", now).is_none());
        assert!(hosts.admit("b:443", now).is_some(), "another host");
        assert!(hosts.admit("a:443", now + 9 * SECOND).is_none());
        assert!(hosts.admit("a:443", now + 10 * SECOND).is_some());
    }

    #[test]
    fn after_its_rest_one_failure_is_enough_and_one_answer_forgives_all() {
        let (hosts, now) = (Hosts::new(1), monotonic_now());
        assert!(hosts.admit("a:443", now).is_some());
        for _ in 0..5 {
            hosts.note("a:443", false, now);
        }
        let later = now + 10 * SECOND;
        hosts.note("a:443", false, later);
        assert!(hosts.admit("a:443", later).is_none());
        hosts.note("a:443", true, later);
        for _ in 0..4 {
            hosts.note("a:443", false, later);
        }
        assert!(hosts.admit("a:443", later).is_some());
    }

    #[test]
    fn strangers_cannot_fill_the_memory_with_names() {
        let (hosts, now) = (Hosts::new(1), monotonic_now());
        let held = hosts.admit("held:443", now);
        for number in 0..=MOST {
            assert!(hosts.admit(&format!("{number}:443"), now).is_some());
        }
        let known = hosts.known.lock().unwrap();
        assert!(known.len() <= MOST && known.contains_key("held:443") && held.is_some());
    }
}
