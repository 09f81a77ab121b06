//! Who follows the revocation feed at this node: streams and held requests, all against one limit. They end when the
//! server stops, so that nobody's stream holds up the others.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The followers of one node.
#[derive(Debug)]
pub struct Followers {
    places: Arc<Semaphore>,
    limit: usize,
    dismissed: watch::Sender<bool>,
}

/// A place among the followers, given back when dropped.
#[derive(Debug)]
pub struct Follower {
    _place: OwnedSemaphorePermit,
    dismissed: watch::Receiver<bool>,
}

impl Followers {
    /// Room for so many.
    pub fn new(limit: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(limit)), limit, dismissed: watch::Sender::new(false) }
    }

    /// A place; `None` where all are taken, or the server is going down.
    pub fn admit(&self) -> Option<Follower> {
        let dismissed = self.dismissed.subscribe();
        if *dismissed.borrow() {
            return None;
        }
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Follower { _place: place, dismissed })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.limit.saturating_sub(self.places.available_permits())
    }

    /// Ends all, and admits nobody any more.
    pub fn dismiss(&self) {
        self.dismissed.send_replace(true);
    }
}

impl Follower {
    /// Whether it is to end.
    pub fn is_dismissed(&self) -> bool {
        *self.dismissed.borrow()
    }

    /// Waits until it is to end.
    pub async fn dismissed(&mut self) {
        // An error means that the server itself is gone.
        let _ = self.dismissed.wait_for(|dismissed| *dismissed).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_limited_come_back_and_end_with_the_server() {
        let followers = Followers::new(2);
        let first = followers.admit().unwrap();
        let mut second = followers.admit().unwrap();
        assert!(followers.admit().is_none());
        assert_eq!(followers.count(), 2);
        drop(first);
        assert_eq!(followers.count(), 1);
        assert!(!second.is_dismissed());
        followers.dismiss();
        second.dismissed().await;
        assert!(second.is_dismissed());
        assert!(followers.admit().is_none());
    }
}
