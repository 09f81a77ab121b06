//! Verifies OAuth 2 access tokens in a resource server: strictly, without a call per request, and dead within a
//! second of their revocation.

pub mod feed;
