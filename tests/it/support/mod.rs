//! What the specifications share: a server of its own for every test, a browser, a client, a database.

pub(crate) mod attacks;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod effort;
pub(crate) mod feed;
pub(crate) mod follower;
pub(crate) mod http;
pub(crate) mod inside;
pub(crate) mod jwt;
pub(crate) mod neighbour;
pub(crate) mod operator;
pub(crate) mod people;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redirects;
pub(crate) mod registrar;
pub(crate) mod server;
pub(crate) mod surfer;
pub(crate) mod tls;
pub(crate) mod web_application;

/// What every specification uses.
pub(crate) mod prelude {
    pub(crate) use super::browser::{Browser, Page, Redirect};
    pub(crate) use super::client::{
        Asked, Auth, Tokens, VERIFIER, basic, challenge, claims, header, in_parallel, jwt_header, redemption,
        request, tampered,
    };
    pub(crate) use super::database::Backend;
    pub(crate) use super::effort::effort;
    pub(crate) use super::http::{Request, Response, encode, exchange};
    pub(crate) use super::neighbour::Neighbour;
    pub(crate) use super::people::{ALICE, AUDIENCE, BOB, CALLBACK};
    pub(crate) use super::server::{DAY, HOUR, MINUTE, SECOND, Server};
    pub(crate) use super::surfer::Surfer;
    pub(crate) use serde_json::{Value, json};
    pub(crate) use signet::config::Config;
    pub(crate) use std::time::Duration;
}
