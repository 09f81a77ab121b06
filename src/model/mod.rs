//! Entities and their rules as types: no HTTP, no SQL, no clock of their own.

pub mod family;
pub mod refresh_token;
pub mod rotation;
