//! Strict JWS (RFC 7515), JWK (RFC 7517) and JWT (RFC 7519): the one verifier of the server and of resource servers.
//!
//! - [`jws`]: the form of a token, its header and its signature.
//! - [`claims`]: the rules for the claims of a verified token, and their typed view.
//! - [`jwk`]: public keys, each bound to one algorithm, and sets of them.
//! - [`algorithm`]: the signature algorithms there are.
//! - [`strict_json`]: a JSON reader that refuses duplicate members and deep nesting.
//! - [`base64url`] and [`thumbprint`]: the encoding of all of these, and the names of keys.

pub mod algorithm;
pub mod base64url;
pub mod claims;
pub mod jwk;
pub mod jws;
pub mod strict_json;
pub mod thumbprint;

#[cfg(test)]
mod attack_tests;
#[cfg(test)]
mod jwk_tests;
#[cfg(test)]
mod proof_tests;
#[cfg(test)]
mod signer_tests;
#[cfg(test)]
mod vector_tests;
#[cfg(test)]
mod wycheproof_tests;
