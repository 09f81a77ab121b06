//! The vocabulary of OAuth 2.x and OpenID Connect as values: parsed once at the edge, pure, without I/O.

#[macro_use]
mod words;

pub mod acr;
pub mod algorithm;
pub mod api_metadata;
pub mod auth_method;
pub mod basic;
pub mod bearer;
pub mod claims;
pub mod claims_request;
pub mod client_metadata;
pub mod client_rules;
pub mod error;
pub mod grant_type;
pub mod issuer;
mod oidc_rules;
pub mod page;
pub mod params;
pub mod pkce;
pub mod profile;
pub mod prompt;
pub mod proven;
pub mod redirect_uri;
pub mod registration;
pub mod registration_rules;
pub mod resource;
pub mod response_mode;
pub mod response_type;
pub mod return_to;
pub mod scope;
pub mod standard_claims;
pub mod text;
pub mod uri;

pub use words::UnknownWord;
