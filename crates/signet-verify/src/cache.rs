//! Tokens that have been verified, so that the next request with one costs a hash and not a signature.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;

use crate::introspection::TokenHash;
use crate::token::Token;

/// Verified tokens by their hash, the least used of which make way for new ones.
pub(crate) struct TokenCache(Option<Cache<TokenHash, Arc<Cached>>>);

/// A token, and what it was verified with.
pub(crate) struct Cached {
    pub(crate) token: Arc<Token>,
    /// When it ends, leeway included.
    ends_at_millis: i64,
    /// Of the keys.
    generation: u64,
    /// The state of the feed under which it was last judged.
    judged_at: AtomicU64,
}

/// No state of the feed has this number.
const UNJUDGED: u64 = u64::MAX;

impl Cached {
    pub(crate) const fn new(token: Arc<Token>, ends_at_millis: i64, generation: u64) -> Self {
        Self { token, ends_at_millis, generation, judged_at: AtomicU64::new(UNJUDGED) }
    }

    /// Whether it has been judged under this state of the feed.
    pub(crate) fn is_judged(&self, version: u64) -> bool {
        self.judged_at.load(Ordering::Acquire) == version
    }

    /// It has been judged under this state of the feed, and stands.
    pub(crate) fn judged(&self, version: u64) {
        self.judged_at.store(version, Ordering::Release);
    }
}

impl TokenCache {
    /// For so many tokens; none with 0.
    pub(crate) fn new(capacity: usize) -> Self {
        Self((capacity > 0).then(|| Cache::new(capacity)))
    }

    /// The token, unless it has ended or was verified with other keys.
    pub(crate) fn get(&self, hash: &TokenHash, now_millis: i64, generation: u64) -> Option<Arc<Cached>> {
        let cached = self.0.as_ref()?.get(hash)?;
        if cached.ends_at_millis > now_millis && cached.generation == generation {
            return Some(cached);
        }
        self.remove(hash);
        None
    }

    pub(crate) fn insert(&self, hash: TokenHash, cached: &Arc<Cached>) {
        if let Some(cache) = &self.0 {
            cache.insert(hash, Arc::clone(cached));
        }
    }

    pub(crate) fn remove(&self, hash: &TokenHash) {
        if let Some(cache) = &self.0 {
            cache.remove(hash);
        }
    }
}
