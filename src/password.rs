//! Password hashing with argon2id (RFC 9106), on threads of its own behind a bounded queue.
//!
//! Each thread owns one block of memory and reuses it, so memory is threads × block whatever the load; a
//! flood of logins waits here or is turned away, and never holds up the threads that answer everything else.

mod hasher;
mod phc;
mod queue;

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::entropy::Entropy;
use crate::secret::Password;
use hasher::Hasher;
use queue::{Job, Queue};

/// What a new hash costs, and what a stored one may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordParams {
    /// Memory in KiB (RFC 9106 §3.1, `m`).
    pub memory_kib: u32,
    /// Passes over the memory (`t`).
    pub iterations: u32,
    /// Lanes (`p`). They are computed one after another.
    pub parallelism: u32,
    /// The most memory, in KiB, that a hash read from the database may ask for.
    pub ceiling_kib: u32,
}

impl Default for PasswordParams {
    fn default() -> Self {
        Self { memory_kib: 46 * 1024, iterations: 1, parallelism: 1, ceiling_kib: 1024 * 1024 }
    }
}

/// Hashes and verifies passwords. Cloning it is cheap; the threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Pool>);

/// Ends the threads when the last [`Passwords`] goes.
#[derive(Debug)]
struct Pool {
    queue: Arc<Queue>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// What became of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// The password is right.
    Match {
        /// A new hash to store, if the stored one is weaker than today's parameters.
        rehash: Option<String>,
    },
    /// The password is wrong, or the user is unknown or has no usable hash; the three take the same time.
    Mismatch,
}

/// Why nothing was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The queue is full: 503 with `Retry-After`.
    Busy,
    /// The operating system gave no random bytes.
    Entropy,
    /// No memory, or a thread failed.
    Internal,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Busy => "too many passwords are waiting to be hashed",
            Self::Entropy => "no random bytes for a salt",
            Self::Internal => "password hashing failed",
        })
    }
}

impl std::error::Error for Error {}

/// Why the threads could not be started.
#[derive(Debug)]
pub enum SetupError {
    /// A parameter is out of range; the text says which.
    Params(&'static str),
    /// The operating system gave no thread.
    Thread(std::io::Error),
}

impl std::fmt::Display for SetupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Params(problem) => f.write_str(problem),
            Self::Thread(error) => write!(f, "no thread for password hashing: {error}"),
        }
    }
}

impl std::error::Error for SetupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Params(_) => None,
            Self::Thread(error) => Some(error),
        }
    }
}

/// How busy the threads are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Requests waiting for a thread.
    pub queued: usize,
    /// Requests being hashed.
    pub running: usize,
}

impl Passwords {
    /// Starts `threads` threads (at least one) behind a queue of `queue` waiting requests.
    ///
    /// One thread hashes about thirty passwords a second at the default cost, so a queue of thirty a thread
    /// means a wait of a second at most.
    pub fn new(
        params: PasswordParams,
        threads: usize,
        queue: usize,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, SetupError> {
        phc::check(&params).map_err(SetupError::Params)?;
        let threads = threads.max(1);
        let queue = Arc::new(Queue::new(threads, queue));
        // Made before the first thread, so that the threads end if a later one cannot be started.
        let pool = Pool { queue: Arc::clone(&queue) };
        for number in 0..threads {
            let (queue, mut hasher) = (Arc::clone(&queue), Hasher::new(params, Arc::clone(&entropy)));
            std::thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || {
                    step_back();
                    queue.serve(&mut hasher);
                })
                .map_err(SetupError::Thread)?;
        }
        Ok(Self(Arc::new(pool)))
    }

    /// The PHC string to store for `password`, with a fresh salt and today's parameters. Check the password
    /// against the policy first.
    ///
    /// The request takes its place in the queue when it is first polled. Dropping it while it waits frees
    /// the place; a hash that has begun runs to its end and keeps its thread.
    pub async fn hash(&self, password: Password) -> Result<String, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.push(Job::Hash { password, reply })?;
        answer.await.unwrap_or(Err(Error::Internal))
    }

    /// Whether `password` is the one of `stored`, a PHC string from the database. `None` is an unknown user:
    /// then, and for a string that is not a usable hash, a hash of today's parameters is computed in vain, so
    /// that the time tells nothing.
    ///
    /// Queues like [`hash`](Self::hash).
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Verified, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.queue.push(Job::Verify { password, stored, reply })?;
        answer.await.unwrap_or(Err(Error::Internal))
    }

    /// How many requests wait and run now.
    pub fn stats(&self) -> Stats {
        self.0.queue.stats()
    }
}

/// Lets the threads that answer everything else go first: a hash takes milliseconds of a core whichever way, and
/// they need microseconds now and then. On Linux the nice value is the calling thread's own;
/// elsewhere it is the process's, so there nothing is done. Without the right to, hashing goes on as it was.
fn step_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(10);
}

#[cfg(test)]
mod tests;
