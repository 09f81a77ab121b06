//! The ceilings that are only arithmetic: signing and password hashing, on threads of their own.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
    RSA_PKCS1_SHA256, RsaKeyPair,
};

use crate::failure::{Failure, Result, failure};
use crate::histogram::Histogram;
use crate::load::Measure;

/// About what an access token's header and claims come to.
const MESSAGE: [u8; 400] = [b'm'; 400];

/// ES256 signatures (aws-lc-rs, key parsed once) on `threads` threads.
pub(crate) async fn es256(threads: usize, span: Duration) -> Result<Measure> {
    on_threads(threads, span, || {
        let key =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| failure("no P-256 key"))?;
        let rng = SystemRandom::new();
        Ok(move || key.sign(&rng, &MESSAGE).map(|_| ()).map_err(|_| failure("signing failed")))
    })
    .await
}

/// ES256 verifications (aws-lc-rs, key parsed once) on `threads` threads.
pub(crate) async fn es256_verify(threads: usize, span: Duration) -> Result<Measure> {
    on_threads(threads, span, || {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| failure("no P-256 key"))?;
        let signature = pair.sign(&SystemRandom::new(), &MESSAGE).map_err(|_| failure("signing failed"))?;
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key())
            .map_err(|_| failure("no P-256 key"))?;
        Ok(move || key.verify_sig(&MESSAGE, signature.as_ref()).map_err(|_| failure("verifying failed")))
    })
    .await
}

/// RS256 signatures with 2048 bits (aws-lc-rs, key parsed once) on `threads` threads.
pub(crate) async fn rs256(threads: usize, span: Duration) -> Result<Measure> {
    on_threads(threads, span, || {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failure("no RSA key"))?;
        let rng = SystemRandom::new();
        let mut signature = vec![0; key.public_modulus_len()];
        Ok(move || {
            key.sign(&RSA_PKCS1_SHA256, &rng, &MESSAGE, &mut signature).map_err(|_| failure("signing failed"))
        })
    })
    .await
}

/// argon2id with `memory` KiB and `passes` passes on `threads` threads, each reusing its block.
pub(crate) async fn argon2id(threads: usize, memory: u32, passes: u32, span: Duration) -> Result<Measure> {
    on_threads(threads, span, move || {
        let params =
            Params::new(memory, passes, 1, Some(32)).map_err(|_| failure("bad argon2 parameters"))?;
        let mut blocks = vec![Block::default(); params.block_count()];
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut out = [0; 32];
        Ok(move || {
            hasher
                .hash_password_into_with_memory(
                    b"correct-horse-battery-staple",
                    b"sixteen byte salt",
                    &mut out,
                    &mut blocks,
                )
                .map_err(|_| failure("hashing failed"))
        })
    })
    .await
}

async fn on_threads<Make, Work>(threads: usize, span: Duration, make: Make) -> Result<Measure>
where
    Make: Fn() -> Result<Work> + Clone + Send + 'static,
    Work: FnMut() -> Result<()>,
{
    tokio::task::spawn_blocking(move || {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let make = make.clone();
                std::thread::spawn(move || repeat(make()?, span))
            })
            .collect();
        let mut sum = Measure::new();
        for thread in running {
            let part = thread.join().map_err(|_| failure("a thread of the ceiling died"))??;
            sum.elapsed = sum.elapsed.max(part.elapsed);
            sum.latency.merge(&part.latency);
        }
        Ok::<_, Failure>(sum)
    })
    .await
    .map_err(|_| failure("the ceiling died"))?
}

fn repeat(mut work: impl FnMut() -> Result<()>, span: Duration) -> Result<Measure> {
    let mut latency = Histogram::new();
    let begin = Instant::now();
    while begin.elapsed() < span {
        let start = Instant::now();
        work()?;
        latency.record(start.elapsed());
    }
    Ok(Measure { latency, elapsed: begin.elapsed(), failures: 0, first_failure: None })
}
