//! The only layer that knows keys and makes signatures: JWS (RFC 7515), JWK (RFC 7517), JWT (RFC 7519). What a token must
//! be is decided by [`signet_verify::jose`], the verifier that resource servers use too.
//!
//! - [`keyring`]: the snapshot of all signing keys; signs, verifies, and holds the prepared JWKS.
//! - [`verification_keys`]: public keys to verify with, ours or those of a client's JWKS.
//! - [`private_key`]: a private key parsed once; making, importing, exporting, signing.
//! - [`client_secret`]: the secrets that clients sign with, sealed and as keys of HS256.
//! - [`feed_key`]: the key of the revocation feed.
//! - [`seal`] and [`master_key_file`]: the master key and what is encrypted under it.
//! - [`token_seal`]: what makes opaque access tokens opaque.
//! - [`error`]: what can go wrong with keys. What can be wrong with a token is
//!   [`signet_verify::jose::jws::Rejected`].

pub mod client_secret;
pub mod error;
pub mod feed_key;
pub mod keyring;
pub mod master_key_file;
pub mod private_key;
pub mod seal;
pub mod token_seal;
pub mod verification_keys;

#[cfg(test)]
mod attack_tests;
#[cfg(test)]
mod vector_tests;
