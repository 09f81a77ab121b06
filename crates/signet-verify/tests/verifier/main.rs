//! A verifier and an issuer on this machine, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test ends where this fails")]

mod cost;
mod dpop;
mod feed;
mod keys;
mod opaque;
mod requests;
mod support;
mod tokens;
