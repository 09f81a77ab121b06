//! An issuer for the tests of a resource server: it mints tokens of every shape, and serves metadata, keys,
//! introspection and a revocation feed on a port of this machine. No Signet is needed.
//!
//! It runs on threads of its own, so that it serves tests of any runtime. What fails here ends the test.
#![expect(clippy::expect_used, reason = "for tests, which end where this fails")]

mod chain;
mod mint;
mod pages;
mod server;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use self::chain::Chain;
pub use self::mint::{Mint, TestKey};
pub use self::server::{Canned, Gate};
use crate::clock::{Clock, SystemClock};
use crate::feed::entry::Entry;

/// The client id for introspection.
pub const CLIENT_ID: &str = "resource server";
/// The client secret for introspection.
pub const CLIENT_SECRET: &str = "its & secret";

/// An issuer on a port of this machine. It ends when it is dropped.
#[derive(Debug)]
pub struct TestIssuer {
    shared: Arc<Shared>,
}

/// What all connections see.
#[derive(Debug)]
struct Shared {
    issuer: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// The chain has grown, or something was switched.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    keys: Vec<Arc<TestKey>>,
    opaque: HashMap<String, Map<String, Value>>,
    inactive: HashSet<String>,
    canned: HashMap<String, Canned>,
    hits: HashMap<String, usize>,
    chain: Option<Chain>,
    down: bool,
    feed_cut: bool,
    ended: bool,
}

impl TestIssuer {
    /// An issuer by the machine's clock, with one ES256 key and a revocation feed.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Arc::new(SystemClock::new()))
    }

    /// An issuer by another clock, which the verifier should then have too.
    ///
    /// # Panics
    /// Where no port of this machine can be had.
    #[must_use]
    pub fn start_with(clock: Arc<dyn Clock>) -> Self {
        let (listener, issuer) = server::bind().expect("a port of this machine");
        let state = State {
            keys: vec![Arc::new(TestKey::generate())],
            opaque: HashMap::new(),
            inactive: HashSet::new(),
            canned: HashMap::new(),
            hits: HashMap::new(),
            chain: Some(Chain::new(&issuer)),
            down: false,
            feed_cut: false,
            ended: false,
        };
        let shared = Arc::new(Shared { issuer, clock, state: Mutex::new(state), changed: Condvar::new() });
        server::serve(listener, Arc::clone(&shared));
        Self { shared }
    }

    /// The same without a revocation feed, as most issuers are.
    #[must_use]
    pub fn without_feed(self) -> Self {
        self.shared.state().chain = None;
        self
    }

    /// The issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// Begins an access token for an audience, which is good for five minutes as it is.
    pub fn token(&self, audience: &str) -> Mint {
        let key = self.shared.state().keys.last().map(Arc::clone).expect("a key");
        Mint::new(key, &self.shared.issuer, audience, self.shared.clock.unix_millis().div_euclid(1000))
    }

    /// An opaque token, and what introspection says of it beside `active`.
    #[must_use]
    pub fn opaque_token(&self, answer: &Value) -> String {
        let mut state = self.shared.state();
        let token = format!("opaque_{}", state.opaque.len());
        state.opaque.insert(token.clone(), answer.as_object().cloned().expect("an object"));
        token
    }

    /// From now on introspection says that a token is not active. The feed says nothing.
    pub fn deactivate(&self, token: &str) {
        self.shared.state().inactive.insert(token.to_owned());
    }

    /// A new key signs from now on; the old ones stay published.
    pub fn add_key(&self) {
        self.shared.state().keys.push(Arc::new(TestKey::generate()));
    }

    /// Only the newest key stays published.
    pub fn remove_old_keys(&self) {
        let mut state = self.shared.state();
        let newest = state.keys.pop();
        state.keys.clear();
        state.keys.extend(newest);
    }

    /// The key that signs now.
    #[must_use]
    pub fn key(&self) -> Arc<TestKey> {
        self.shared.state().keys.last().map(Arc::clone).expect("a key")
    }

    /// Publishes revocations as the next batch, whose number is returned.
    ///
    /// # Panics
    /// Without a feed.
    pub fn revoke(&self, entries: &[Entry]) -> u64 {
        let now = self.shared.clock.unix_millis();
        let n = self.shared.state().chain.as_mut().expect("a feed").append(entries, now);
        self.shared.changed.notify_all();
        n
    }

    /// Answers requests for a path with something else; `None` for the ordinary answer again.
    pub fn answer(&self, path: &str, canned: Option<Canned>) {
        let mut state = self.shared.state();
        match canned {
            Some(canned) => state.canned.insert(path.to_owned(), canned),
            None => state.canned.remove(path),
        };
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Breaks off all connections, also those to come, or takes them again.
    pub fn set_down(&self, down: bool) {
        self.shared.state().down = down;
        self.shared.changed.notify_all();
    }

    /// Stops the revocation feed and nothing else, or lets it go on.
    pub fn set_feed_cut(&self, cut: bool) {
        self.shared.state().feed_cut = cut;
        self.shared.changed.notify_all();
    }

    /// How many requests there were for a path.
    #[must_use]
    pub fn hits(&self, path: &str) -> usize {
        self.shared.state().hits.get(path).copied().unwrap_or(0)
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
        server::knock(&self.shared.issuer);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `is` holds or the time is over.
    fn wait(&self, span: Duration, is: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.state(), span, |state| !is(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    /// Whether nothing of the feed is to be sent.
    const fn cut(&self) -> bool {
        self.feed_cut || self.down || self.ended
    }

    fn jwks(&self) -> Value {
        json!({ "keys": self.keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
    }
}
