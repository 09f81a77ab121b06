//! Why a token was not accepted.

use std::fmt;

use crate::feed::entry::Kind;
use crate::jose::jws::Rejected;

/// Why a token was not accepted. For logs and metrics only: on the wire all but [`Rejection::Unavailable`] look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its form, signature or claims.
    Invalid(Rejected),
    /// The revocation feed voids it.
    Revoked(Kind),
    /// The issuer says that it is not active (RFC 7662 §2.2), or active for others.
    Inactive(&'static str),
    /// It is opaque, and there are no credentials to ask the issuer with.
    Opaque,
    /// It is, by its claims, an ID token or a logout token (RFC 8725 §3.11).
    OtherUse,
    /// It is bound to a key, by means that were not presented or that are not known here.
    Bound,
    /// It cannot be said now: keys, feed or introspection are out of reach. The token may be good.
    Unavailable(&'static str),
}

impl Rejection {
    /// In words, without anything from the token.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Invalid(rejected) => rejected.reason(),
            Self::Revoked(_) => "the token has been revoked",
            Self::Opaque => "the token is opaque and introspection is not configured",
            Self::OtherUse => "the token is an ID token or a logout token",
            Self::Bound => "the token is bound to a key that was not proven",
            Self::Inactive(reason) | Self::Unavailable(reason) => reason,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(rejected) => rejected.fmt(f),
            Self::Revoked(kind) => write!(f, "{} ({})", self.reason(), kind.as_str()),
            _ => f.write_str(self.reason()),
        }
    }
}

impl std::error::Error for Rejection {}
