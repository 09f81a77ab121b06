//! The bounded queue and the loop of a hashing thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::hasher::Hasher;
use super::{Error, Stats, Verified};
use crate::secret::Password;

/// One request and where its answer goes.
pub(super) enum Job {
    /// Hash a new password.
    Hash { password: Password, reply: oneshot::Sender<Result<String, Error>> },
    /// Verify a password against a stored PHC string.
    Verify { password: Password, stored: Option<String>, reply: oneshot::Sender<Result<Verified, Error>> },
}

impl Job {
    /// Nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { reply, .. } => reply.is_closed(),
            Self::Verify { reply, .. } => reply.is_closed(),
        }
    }

    /// Does the work. That the requester has gone meanwhile is no error.
    fn run(self, hasher: &mut Hasher) {
        match self {
            Self::Hash { password, reply } => drop(reply.send(hasher.hash(&password))),
            Self::Verify { password, stored, reply } => {
                drop(reply.send(hasher.verify(&password, stored.as_deref())));
            }
        }
    }
}

/// Jobs on their way to the threads.
pub(super) struct Queue {
    capacity: usize,
    threads: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    running: usize,
    closed: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("capacity", &self.capacity).field("stats", &self.stats()).finish()
    }
}

impl Queue {
    /// A queue for `threads` threads in which `capacity` jobs may wait, besides those for which one is free.
    pub(super) fn new(threads: usize, capacity: usize) -> Self {
        Self { threads, capacity, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Queues a job, or [`Error::Busy`]. Jobs whose requester has gone make room.
    pub(super) fn push(&self, job: Job) -> Result<(), Error> {
        let mut state = self.lock();
        let room = self.capacity.saturating_add(self.threads.saturating_sub(state.running));
        if state.waiting.len() >= room {
            state.waiting.retain(|job| !job.is_abandoned());
        }
        if state.waiting.len() >= room {
            return Err(Error::Busy);
        }
        state.waiting.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The loop of one thread; returns when the queue is closed.
    pub(super) fn serve(&self, hasher: &mut Hasher) {
        while let Some(job) = self.next() {
            // A panic would take a thread out of service for good; its requester gets `Error::Internal`,
            // because the reply is dropped with the job.
            let _ = catch_unwind(AssertUnwindSafe(|| job.run(hasher)));
            self.lock().running -= 1;
        }
    }

    /// Lets the threads end after what they are doing.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// How many jobs wait and run.
    pub(super) fn stats(&self) -> Stats {
        let state = self.lock();
        Stats { queued: state.waiting.len(), running: state.running }
    }

    /// Waits for a job that somebody still waits for, and counts it as running.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            while let Some(job) = state.waiting.pop_front() {
                if !job.is_abandoned() {
                    state.running += 1;
                    return Some(job);
                }
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The state is consistent between any two statements that can panic, so poison means nothing here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
