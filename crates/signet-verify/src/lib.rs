//! Verifies OAuth 2 access tokens in a resource server: strictly, without a call per request, and dead within a
//! second of their revocation.

pub mod clock;
pub mod feed;
pub mod jose;

#[cfg(feature = "http")]
mod bearer;
#[cfg(feature = "http")]
mod cache;
#[cfg(feature = "http")]
pub mod challenge;
#[cfg(feature = "http")]
mod config;
#[cfg(feature = "http")]
mod discovery;
#[cfg(feature = "http")]
mod dpop;
#[cfg(feature = "http")]
pub mod feed_client;
#[cfg(feature = "http")]
pub mod fetch;
#[cfg(feature = "http")]
mod flight;
#[cfg(feature = "http")]
mod gate;
#[cfg(feature = "http")]
mod introspection;
#[cfg(feature = "http")]
mod judge;
#[cfg(feature = "http")]
mod key_source;
#[cfg(feature = "http")]
pub mod metadata;
#[cfg(feature = "http")]
mod need;
#[cfg(feature = "http")]
mod rejection;
#[cfg(feature = "http")]
mod stats;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(feature = "http")]
pub mod token;
#[cfg(feature = "http")]
pub mod verifier;

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(any(feature = "actix", feature = "tower"))]
mod protect;
#[cfg(feature = "sidecar")]
pub mod sidecar;
#[cfg(feature = "tower")]
pub mod tower;
