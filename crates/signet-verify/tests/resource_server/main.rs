//! Resource servers from outside: apps behind the middlewares, and the program that proxies ask.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends where this fails"
)]

mod actix;
mod sidecar;
mod support;
mod tower;
