//! Resource servers from outside: apps behind the middlewares, and the program that proxies ask.

mod actix;
mod sidecar;
mod support;
mod tower;
