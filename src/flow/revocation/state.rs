//! What this node has folded, and the batches it remembers.

use std::collections::VecDeque;
use std::sync::Arc;

use signet_verify::feed::entry::Entry;
use signet_verify::feed::live::Live;

use super::View;
use crate::clock::Timestamp;

/// So many batches are remembered, and no more than so many bytes; older ones are read from the database.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 16 << 20;

/// The folded state and what it is the state of.
#[derive(Debug)]
pub(super) struct State {
    /// Shared with a snapshot while that is made: a fold meanwhile works on a copy.
    pub(super) live: Arc<Live>,
    pub(super) view: View,
    pub(super) recent: Recent,
    /// Batches below it are not kept: cleanup deletes from the oldest on.
    pub(super) oldest: i64,
    expired_at: i64,
}

impl State {
    pub(super) fn new(view: View) -> Self {
        Self { live: Arc::default(), view, recent: Recent::default(), oldest: i64::MAX, expired_at: i64::MIN }
    }

    pub(super) fn fold(&mut self, entries: &[Entry]) {
        let live = Arc::make_mut(&mut self.live);
        for entry in entries {
            live.fold(entry);
        }
    }

    /// Drops what can void no token any more; once a second is enough.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if now.seconds() > self.expired_at {
            self.expired_at = now.seconds();
            Arc::make_mut(&mut self.live).expire(self.expired_at);
        }
    }

    /// Remembers batch `n`.
    pub(super) fn remember(&mut self, n: i64, body: Arc<str>) {
        self.oldest = self.oldest.min(n);
        self.recent.push(n, body);
    }
}

/// The newest batches: numbers without gaps.
#[derive(Debug, Default)]
pub(super) struct Recent {
    first: i64,
    bodies: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Recent {
    pub(super) fn get(&self, n: i64) -> Option<Arc<str>> {
        let place = usize::try_from(n.checked_sub(self.first)?).ok()?;
        self.bodies.get(place).map(Arc::clone)
    }

    fn push(&mut self, n: i64, body: Arc<str>) {
        if self.bodies.is_empty() || usize::try_from(n - self.first) != Ok(self.bodies.len()) {
            self.clear();
            self.first = n;
        }
        self.bytes += body.len();
        self.bodies.push_back(body);
        while self.bodies.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.bodies.pop_front() else { return };
            self.bytes -= oldest.len();
            self.first += 1;
        }
    }

    pub(super) fn clear(&mut self) {
        self.bodies.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_batches_are_remembered_up_to_a_number_and_a_size() {
        let mut recent = Recent::default();
        assert_eq!(recent.get(0), None);
        let most = i64::try_from(MOST).unwrap();
        for n in 5..5 + most + 10 {
            recent.push(n, Arc::from(n.to_string()));
        }
        assert_eq!(recent.get(14), None);
        assert_eq!(recent.get(15).as_deref(), Some("15"));
        assert_eq!(recent.get(most + 14).as_deref(), Some((most + 14).to_string().as_str()));
        assert_eq!(recent.get(most + 15), None);
        assert_eq!(recent.get(i64::MIN), None);
        let large = "x".repeat(MOST_BYTES - 1);
        recent.push(most + 15, Arc::from(large.as_str()));
        recent.push(most + 16, Arc::from("y"));
        assert_eq!(recent.bodies.len(), 2);
        recent.push(most + 17, Arc::from("z"));
        assert_eq!((recent.get(most + 15), recent.bodies.len()), (None, 2));
    }

    #[test]
    fn a_jump_of_the_number_forgets_what_was_before() {
        let mut recent = Recent::default();
        recent.push(1, Arc::from("a"));
        recent.push(2, Arc::from("b"));
        recent.push(1 << 32, Arc::from("c"));
        assert_eq!((recent.get(1), recent.get(2), recent.get(3)), (None, None, None));
        assert_eq!(recent.get(1 << 32).as_deref(), Some("c"));
        assert_eq!(recent.bytes, 1);
    }
}
