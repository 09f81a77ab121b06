//! Entities and their rules as types: no HTTP, no SQL, no clock of their own.

pub mod account;
pub mod api;
pub mod audit;
pub mod client;
pub mod client_lint;
pub mod family;
pub mod grant;
pub mod history;
pub mod key;
pub mod key_schedule;
pub mod password_policy;
pub mod refresh_token;
pub mod rotation;
pub mod session;
pub mod session_policy;
pub mod user;
pub mod user_agent;
