//! A verifier and an issuer on this machine, seen from outside.

mod dpop;
mod feed;
mod keys;
mod opaque;
mod requests;
mod support;
mod tokens;
