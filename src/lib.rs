//! Signet: a standalone OAuth 2.x and OpenID Connect authorization server.

pub mod cli;
pub mod clock;
pub mod config;
pub mod digest;
pub mod entropy;
pub mod fetch;
pub mod flow;
pub mod http;
pub mod jose;
pub mod model;
pub mod oauth;
pub mod password;
pub mod secret;
pub mod server;
pub mod storage;
