//! How much may be asked for that costs a row or a fetch before anybody has proved anything: by one address, or in the
//! name of one client. Kept in memory, by each node for itself: a flood that is turned away costs the database nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;

/// At most so many networks are known at once.
const MOST: usize = 100_000;

/// A limit per network: `burst` at once, and one more per `period` (the generic cell rate algorithm).
#[derive(Debug)]
pub struct Limiter {
    period: Duration,
    burst: u32,
    /// When each network's bucket is empty again.
    empty_at: Mutex<HashMap<String, Timestamp>>,
}

impl Limiter {
    /// A limiter that knows nobody yet.
    pub fn new(period: Duration, burst: u32) -> Self {
        Self { period, burst, empty_at: Mutex::default() }
    }

    /// Counts one for the network of `address`, or whatever other name is counted by; `false` where it has had its share.
    pub fn admit(&self, address: Option<&str>, now: Timestamp) -> bool {
        let mut known = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, empty_at| *empty_at > now);
            if known.len() >= MOST {
                // So many networks at once are beyond what a limit per network can help against.
                known.clear();
            }
        }
        let empty_at = known.entry(network(address)).or_insert(now);
        let next = (*empty_at).max(now).plus(self.period);
        let admitted = next <= now.plus(self.period.saturating_mul(self.burst));
        if admitted {
            *empty_at = next;
        }
        admitted
    }

    /// Gives one back: what was counted has come to its end.
    pub fn release(&self, address: Option<&str>) {
        let mut known = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(empty_at) = known.get_mut(&network(address)) {
            *empty_at = empty_at.minus(self.period);
        }
    }
}

/// The unit that one subscriber has: an IPv4 address, an IPv6 /64.
pub fn network(address: Option<&str>) -> String {
    let text = address.unwrap_or("none");
    match text.parse() {
        Ok(std::net::IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_gets_its_burst_then_one_per_period_and_back_what_ended() {
        let limiter = Limiter::new(Duration::from_secs(1), 3);
        let now = Timestamp::from_seconds(1_000);
        let (one, same, other) = (Some("2001:db8::1"), Some("2001:db8::2"), Some("2001:db8:0:1::1"));
        assert!(limiter.admit(one, now) && limiter.admit(same, now) && limiter.admit(one, now));
        assert!(!limiter.admit(same, now));
        assert!(limiter.admit(other, now));
        limiter.release(one);
        assert!(limiter.admit(one, now));
        assert!(!limiter.admit(one, now));
        let later = now.plus(Duration::from_secs(1));
        assert!(limiter.admit(one, later));
        assert!(!limiter.admit(one, later));
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = Limiter::new(Duration::from_secs(1), 1);
        for number in 0..=MOST {
            limiter.admit(Some(&number.to_string()), Timestamp::from_seconds(1));
        }
        assert!(limiter.empty_at.lock().unwrap().len() <= MOST);
    }
}
