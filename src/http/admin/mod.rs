//! The administration API.

use actix_web::web;

/// Mounts the administration API.
pub fn configure(_: &mut web::ServiceConfig) {}
