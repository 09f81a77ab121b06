//! A resource server (RFC 6749 §1.1), known by its audience.

use crate::clock::Timestamp;
use crate::oauth::api_metadata::ApiMetadata;

/// A registered API.
#[derive(Clone, Debug)]
pub struct Api {
    /// What stands in `aud` of its access tokens. No two APIs share one.
    pub audience: String,
    /// What the operator says about it.
    pub metadata: ApiMetadata,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
