//! One question at a time: who asks what is being asked already waits for that answer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// The most questions at a time: anybody can send tokens that nobody has seen, and each question holds one.
const MOST: usize = 1_024;

/// Questions under way. Each runs as a task of its own, so that it is not given up when the first of those who wait for
/// it is.
#[derive(Debug)]
pub(crate) struct Flights<K, V>(Arc<Mutex<HashMap<K, Landing<V>>>>);

/// Where an answer arrives.
pub(crate) type Landing<V> = watch::Receiver<Option<V>>;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The question under way about `key`; where there is none, and not too many others, `ask` decides whether to begin
    /// one.
    pub(crate) fn join<F>(&self, key: K, ask: impl FnOnce() -> Option<F>) -> Option<Landing<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flights = lock(&self.0);
        if let Some(landing) = flights.get(&key) {
            return Some(landing.clone());
        }
        if flights.len() >= MOST {
            return None;
        }
        let question = ask()?;
        let (sender, landing) = watch::channel(None);
        flights.insert(key.clone(), landing.clone());
        let entry = Entry { flights: Arc::clone(&self.0), key };
        drop(flights);
        tokio::spawn(async move {
            let answer = question.await;
            drop(entry);
            sender.send_replace(Some(answer));
        });
        Some(landing)
    }

    /// The question under way about `key`.
    pub(crate) fn under_way(&self, key: &K) -> Option<Landing<V>> {
        lock(&self.0).get(key).cloned()
    }
}

/// Waits for the answer; `None` where the question was given up, as when the runtime ends.
pub(crate) async fn landed<V: Clone>(mut landing: Landing<V>) -> Option<V> {
    landing.wait_for(Option::is_some).await.ok()?.clone()
}

/// Removes a question when it has been answered or given up.
struct Entry<K: Eq + Hash, V> {
    flights: Arc<Mutex<HashMap<K, Landing<V>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Entry<K, V> {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
    }
}

/// Nothing panics while it holds the lock, and a map is whole between two operations.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_so_many_questions_are_asked_at_a_time_and_those_under_way_can_still_be_joined() {
        let flights = Flights::<usize, ()>::default();
        for key in 0..MOST {
            assert!(flights.join(key, || Some(std::future::pending())).is_some());
        }
        assert!(flights.join(MOST, || Some(std::future::pending())).is_none());
        assert!(flights.join(0, || None::<std::future::Pending<()>>).is_some());
    }
}
