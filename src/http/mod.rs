//! The edge: parse, call one flow, render. The only place (with `server`) that names actix-web.
//!
//! [`routes::PUBLIC`] is the table of everything the public listener answers; [`edge`] is what every answer passes.

pub mod account;
pub mod admin;
pub mod app;
pub mod authorize;
pub mod body;
pub mod client_request;
pub mod consent;
pub mod cookie;
pub mod cors;
pub mod credentials;
pub mod csrf;
pub mod demo;
pub mod edge;
pub mod end_session;
pub mod error;
pub mod followers;
pub mod form_action;
pub mod forward_auth;
pub mod headers;
pub mod health;
pub mod host;
pub mod hosts;
pub mod introspect;
pub mod login;
pub mod logout;
pub mod metadata;
pub mod metrics;
pub mod pages;
pub mod prepared;
pub mod problem;
pub mod register;
pub mod request;
pub mod revocation;
pub mod revoke;
pub mod routes;
pub mod session;
pub mod start;
pub mod token;
pub mod userinfo;
