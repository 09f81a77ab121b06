//! The only layer that knows keys and signatures: JWS (RFC 7515), JWK (RFC 7517), JWT (RFC 7519).
//!
//! - [`keyring`]: the snapshot of all signing keys; signs, verifies, and holds the prepared JWKS.
//! - [`verify`]: the verifier. `jsonwebtoken` checks the signature; every other check is spelled out there.
//! - [`claims`]: the rules for the claims of a verified token, and their typed view.
//! - [`verification_keys`]: public keys with the algorithm each is bound to, ours or those of a client's JWKS.
//! - [`strict_json`]: a JSON reader that refuses duplicate members and deep nesting.
//! - [`private_key`]: a private key parsed once; making, importing, exporting, signing.
//! - [`feed_key`]: the key of the revocation feed.
//! - [`thumbprint`]: RFC 7638, which gives keys their names.
//! - [`seal`] and [`master_key_file`]: the master key and what is encrypted under it.
//! - [`error`]: what can go wrong with keys. What can be wrong with a token is [`verify::Rejected`].

pub mod claims;
pub mod error;
pub mod feed_key;
pub mod keyring;
pub mod master_key_file;
pub mod private_key;
pub mod seal;
pub mod strict_json;
pub mod thumbprint;
pub mod verification_keys;
pub mod verify;

#[cfg(test)]
mod attack_tests;
#[cfg(test)]
mod vector_tests;
