//! The keys of an issuer: read when they are first needed, again when they are old or one is missing, and kept while
//! they cannot be read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};

use crate::clock::Clock;
use crate::discovery::{Provider, discover};
use crate::fetch::{FetchError, Fetcher};
use crate::flight::{Flights, Landing, landed};
use crate::jose::jwk::{KeySet, PublicKey};
use crate::jose::jws::{Keys, Rejected};
use crate::rejection::Rejection;
use crate::stats::Count;

/// The longest key set, in bytes: what [`KeySet::from_jwks`] takes.
const LONGEST: usize = 512 * 1024;
/// Tokens can name any `kid`: this is the most often that they make us read the keys.
const UNKNOWN_EVERY: Duration = Duration::from_secs(30);
/// The most often that the revocation feed makes us read the keys.
const WANTED_EVERY: Duration = Duration::from_secs(5);
/// How long keys are used before they are read again in the background, whatever `Cache-Control` says.
const FRESH: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(5 * 60)..=Duration::from_secs(24 * 3600);
/// How long they are used where it says nothing.
const FRESH_BY_DEFAULT: Duration = Duration::from_secs(3600);
/// How long the metadata is used.
const METADATA: Duration = Duration::from_secs(3600);
/// The longest time between two attempts while they fail; the first is 1 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) struct KeySource {
    pub(crate) fetcher: Fetcher,
    issuer: String,
    clock: Arc<dyn Clock>,
    known: ArcSwap<Known>,
    plan: Mutex<Plan>,
    /// [`Plan::next`] in milliseconds, to be seen without the lock.
    next: AtomicU64,
    flights: Flights<(), Result<(), FetchError>>,
    /// Reads begun.
    pub(crate) fetches: Count,
    /// Reads failed.
    pub(crate) failures: Count,
}

/// What has been read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// `None` until they have been read once.
    pub(crate) keys: Option<Arc<KeySet>>,
    /// Another number after each change: what was verified with other keys must be verified again.
    pub(crate) generation: u64,
    pub(crate) provider: Option<Arc<Provider>>,
    /// `None` where the next read begins with the metadata.
    provider_read: Option<Duration>,
    hash: Vec<u8>,
    /// The names of keys that the feed took out of use. They outlive the entries: who has stolen a key can date its
    /// tokens as far ahead as they like, and a key set may come from a cache, or not at all.
    withdrawn: BTreeSet<String>,
}

impl Known {
    fn has(&self, name: &str) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.has(name))
    }
}

/// By name, [`Rejected::KeyRemoved`] for one that was taken out of use, whatever a key set says.
impl Keys for Known {
    type Key = PublicKey;

    fn find(&self, kid: Option<&str>, now_millis: i64) -> Result<(Option<&str>, &PublicKey), Rejected> {
        let removed = |name: Option<&str>| name.is_some_and(|name| self.withdrawn.contains(name));
        if removed(kid) {
            return Err(Rejected::KeyRemoved);
        }
        let keys = self.keys.as_ref().ok_or(Rejected::KidUnknown)?;
        // A token may leave the name out where there is one key.
        let (name, key) = keys.find(kid, now_millis)?;
        if removed(name) { Err(Rejected::KeyRemoved) } else { Ok((name, key)) }
    }
}

/// When the next read may begin, in monotonic time.
#[derive(Debug, Default)]
struct Plan {
    /// After a failure, for whatever reason it is wanted.
    not_before: Duration,
    failures: u32,
    /// For an unknown `kid`.
    unknown: Duration,
    /// Because the feed said so.
    wanted: Option<Duration>,
    wanted_next: Duration,
    /// Because the keys are old.
    refresh: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    First,
    Unknown,
    Age,
}

impl KeySource {
    pub(crate) fn new(fetcher: Fetcher, issuer: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            fetcher,
            issuer: issuer.to_owned(),
            clock,
            known: ArcSwap::default(),
            plan: Mutex::default(),
            next: AtomicU64::new(0),
            flights: Flights::default(),
            fetches: Count::default(),
            failures: Count::default(),
        }
    }

    /// What is known now. Begins to read the keys again, without waiting, where that is due.
    pub(crate) fn current(self: &Arc<Self>) -> Arc<Known> {
        let known = self.known.load_full();
        if known.keys.is_some() {
            // Who joins a read in the background does not wait for it.
            let _: Option<Landing<_>> = self.read_for(Cause::Age);
        }
        known
    }

    /// How many keys are known.
    pub(crate) fn keys(&self) -> u64 {
        self.known.load().keys.as_ref().map_or(0, |keys| keys.len() as u64)
    }

    /// What is known, after a first read where nothing is.
    pub(crate) async fn known(self: &Arc<Self>) -> Result<Arc<Known>, Rejection> {
        let known = self.current();
        if known.keys.is_some() {
            return Ok(known);
        }
        if let Some(landing) = self.read_for(Cause::First) {
            landed(landing).await;
        }
        let known = self.known.load_full();
        if known.keys.is_some() {
            return Ok(known);
        }
        Err(Rejection::Unavailable("the keys of the issuer have never been read"))
    }

    /// The endpoints, after a first read where nothing is known.
    pub(crate) async fn provider(self: &Arc<Self>) -> Option<Arc<Provider>> {
        let known = self.current();
        if known.provider.is_none()
            && let Some(landing) = self.read_for(Cause::First)
        {
            landed(landing).await;
        }
        self.known.load().provider.clone()
    }

    /// Reads the keys again because a token names one that is not among those of `seen`.
    ///
    /// # Errors
    /// [`Rejection::Unavailable`] where they cannot be read, so that nothing can be said of that key.
    pub(crate) async fn after(self: &Arc<Self>, seen: &Known) -> Result<Arc<Known>, Rejection> {
        // A read that is under way may have been answered before the key was published: what it brings may do, but that
        // it brings nothing new says nothing.
        if let Some(landing) = self.flights.under_way(&()) {
            landed(landing).await;
        }
        if self.known.load().generation == seen.generation {
            let outcome = match self.read_for(Cause::Unknown) {
                Some(landing) => landed(landing).await.is_some_and(|outcome| outcome.is_ok()),
                None => self.plan(|plan| plan.failures == 0),
            };
            if !outcome {
                return Err(Rejection::Unavailable("the key is unknown and the keys cannot be read"));
            }
        }
        Ok(self.known.load_full())
    }

    /// The feed has taken keys out of use: they verify nothing any more, and the next read is due.
    pub(crate) fn withdraw(self: &Arc<Self>, names: &[String]) {
        self.known.rcu(|old| Known {
            // What was verified with them and is kept must be verified again.
            generation: old.generation + u64::from(names.iter().any(|name| old.has(name))),
            withdrawn: old.withdrawn.iter().chain(names).cloned().collect(),
            ..Known::clone(old)
        });
        let now = self.clock.monotonic();
        self.plan(|plan| plan.wanted = Some(plan.wanted_next.max(now)));
        let _: Option<Landing<_>> = self.read_for(Cause::Age);
    }

    /// The read that is under way, or a new one where `cause` is one and time allows it.
    fn read_for(self: &Arc<Self>, cause: Cause) -> Option<Landing<Result<(), FetchError>>> {
        // The hot path: nothing is due, and nobody waits.
        let now = self.clock.monotonic();
        if cause == Cause::Age && now.as_millis() < u128::from(self.next.load(Ordering::Relaxed)) {
            return None;
        }
        self.flights.join((), || {
            // Whoever saw nothing a moment ago may come after the read that brought the keys.
            if cause == Cause::First && self.known.load().keys.is_some() {
                return None;
            }
            self.plan(|plan| plan.due(cause, now).then(|| plan.begin(cause, now)))?;
            self.fetches.up();
            Some(Arc::clone(self).read())
        })
    }

    async fn read(self: Arc<Self>) -> Result<(), FetchError> {
        let outcome = self.read_once().await;
        let now = self.clock.monotonic();
        match &outcome {
            Ok(fresh) => self.plan(|plan| plan.succeeded(now, *fresh)),
            Err(error) => {
                self.failures.up();
                tracing::warn!(issuer = self.issuer, %error, "the keys of the issuer cannot be read");
                self.plan(|plan| plan.failed(now));
                self.forget_metadata();
            }
        }
        outcome.map(|_| ())
    }

    /// Reads the metadata, where it is old, and the keys; returns how long they may be used.
    async fn read_once(&self) -> Result<Duration, FetchError> {
        let provider = self.read_provider().await?;
        let Some(jwks_uri) = &provider.jwks_uri else {
            // RFC 8414 §2: an issuer of opaque tokens needs no keys.
            self.store(&provider, KeySet::default(), Vec::new());
            return Ok(FRESH_BY_DEFAULT);
        };
        let accept = "application/json, application/jwk-set+json";
        let answer = self.fetcher.get(jwks_uri, accept, LONGEST).await?;
        let keys = KeySet::from_jwks(answer.json()?).map_err(|unusable| FetchError::Content(unusable.0))?;
        if keys.is_empty() {
            tracing::warn!(issuer = self.issuer, "the issuer has no key that can be used");
        }
        self.store(&provider, keys, digest(&SHA256, &answer.body).as_ref().to_vec());
        let fresh = answer.max_age.unwrap_or(FRESH_BY_DEFAULT);
        Ok(fresh.clamp(*FRESH.start(), *FRESH.end()))
    }

    async fn read_provider(&self) -> Result<Arc<Provider>, FetchError> {
        let (known, now) = (self.known.load_full(), self.clock.monotonic());
        if let Some(provider) = &known.provider
            && known.provider_read.is_some_and(|read| now.saturating_sub(read) < METADATA)
        {
            return Ok(Arc::clone(provider));
        }
        match discover(&self.fetcher, &self.issuer).await {
            Ok(provider) => {
                let provider = Arc::new(provider);
                self.known.rcu(|old| Known {
                    provider: Some(Arc::clone(&provider)),
                    provider_read: Some(now),
                    ..Known::clone(old)
                });
                Ok(provider)
            }
            // The keys may be in reach although the metadata is not.
            Err(error) => known.provider.clone().ok_or(error),
        }
    }

    fn store(&self, provider: &Arc<Provider>, keys: KeySet, hash: Vec<u8>) {
        let keys = Arc::new(keys);
        self.known.rcu(|old| {
            let changed = old.keys.is_none() || old.hash != hash;
            Known {
                keys: Some(Arc::clone(&keys)),
                generation: if changed { old.generation + 1 } else { old.generation },
                provider: Some(Arc::clone(provider)),
                hash: hash.clone(),
                ..Known::clone(old)
            }
        });
    }

    fn plan<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut plan);
        self.next.store(u64::try_from(plan.next().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        outcome
    }

    /// The keys may have moved: the next read begins with the metadata.
    fn forget_metadata(&self) {
        self.known.rcu(|old| Known { provider_read: None, ..Known::clone(old) });
    }
}

impl Plan {
    fn due(&self, cause: Cause, now: Duration) -> bool {
        let by_cause = match cause {
            Cause::First => true,
            Cause::Unknown => now >= self.unknown,
            Cause::Age => now >= self.next(),
        };
        by_cause && now >= self.not_before
    }

    fn begin(&mut self, cause: Cause, now: Duration) {
        if cause == Cause::Unknown {
            self.unknown = now.saturating_add(UNKNOWN_EVERY);
        }
        if self.wanted.is_some_and(|at| now >= at) {
            self.wanted = None;
            self.wanted_next = now.saturating_add(WANTED_EVERY);
        }
    }

    fn succeeded(&mut self, now: Duration, fresh: Duration) {
        self.failures = 0;
        self.not_before = now;
        self.refresh = now.saturating_add(fresh);
    }

    fn failed(&mut self, now: Duration) {
        let pause = Duration::from_secs(1u64 << self.failures.min(5)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(pause);
        // An unknown key was not looked for: the pause is what holds back the next attempt.
        self.unknown = self.not_before;
        self.refresh = self.not_before;
    }

    /// When age or the feed make a read due.
    fn next(&self) -> Duration {
        self.wanted.unwrap_or(Duration::MAX).min(self.refresh).max(self.not_before)
    }
}
