//! Randomness as an argument: the operating system's generator in production, a seeded one in tests.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::digest::{MacKey, base64url};

/// Where random bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes, or fails where the operating system cannot give any.
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system gave no random bytes. Nothing may be issued then.
#[derive(Clone, Copy, Debug)]
pub struct EntropyError;

impl std::fmt::Display for EntropyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the operating system's random generator failed")
    }
}

impl std::error::Error for EntropyError {}

impl dyn Entropy + '_ {
    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], EntropyError> {
        let mut out = [0u8; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// A secret of 32 random bytes behind `prefix`: 43 characters and the prefix.
    pub fn secret(&self, prefix: &str) -> Result<String, EntropyError> {
        Ok(format!("{prefix}{}", base64url(&self.bytes::<32>()?)))
    }

    /// A time-ordered identifier (UUID version 7, RFC 9562). Never a secret.
    pub fn uuid_v7(&self, now: Timestamp) -> Result<Uuid, EntropyError> {
        let millis = u64::try_from(now.millis()).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes::<10>()?).into_uuid())
    }
}

/// The operating system's generator, through `ring`.
#[derive(Debug)]
pub struct SystemEntropy(ring::rand::SystemRandom);

impl SystemEntropy {
    /// The one system generator.
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that opens the system generator")]
        Self(ring::rand::SystemRandom::new())
    }
}

impl Default for SystemEntropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        ring::rand::SecureRandom::fill(&self.0, out).map_err(|_| EntropyError)
    }
}

/// A repeatable generator for tests: HMAC of a counter.
#[derive(Debug)]
pub struct SeededEntropy {
    key: MacKey,
    counter: AtomicU64,
}

impl SeededEntropy {
    /// The same seed yields the same bytes.
    pub fn new(seed: u64) -> Self {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_be_bytes());
        Self { key: MacKey::new(&key), counter: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in out.chunks_mut(32) {
            let counter = self.counter.fetch_add(1, Ordering::SeqCst);
            let block = self.key.mac(&[&counter.to_be_bytes()]);
            chunk.copy_from_slice(block.as_bytes().get(..chunk.len()).unwrap_or_default());
        }
        Ok(())
    }
}
