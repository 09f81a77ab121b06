//! What the wire may see of a refusal, and why it happened, for the log.

use crate::entropy::EntropyError;
use crate::oauth::error::ErrorCode;

/// A refusal. `description` is static, so that it cannot carry a secret, an SQL error or user input.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The registered error code; it decides the status.
    pub code: ErrorCode,
    /// A sentence that names the fix.
    pub description: &'static str,
    /// For the log only.
    pub reason: Reason,
}

/// Why a request was refused.
#[derive(Clone, Debug)]
pub enum Reason {
    /// The client's doing; the description says it all.
    Request,
    /// The client's doing; the wire must not tell which of several it was.
    Hidden(&'static str),
    /// The client's doing, with a detail that is no secret.
    HiddenDetail(String),
    /// Our own fault: logged once, at the edge.
    Fault(String),
}

/// Seconds after which a refused client may try again, where the fault is ours.
pub const RETRY_AFTER_SECONDS: u32 = 2;

impl Rejection {
    /// The client's doing.
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description, reason: Reason::Request }
    }

    /// The client's doing, with a reason that only the log sees.
    pub const fn hidden(code: ErrorCode, description: &'static str, reason: &'static str) -> Self {
        Self { code, description, reason: Reason::Hidden(reason) }
    }

    /// `invalid_request`.
    pub const fn invalid_request(description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// `invalid_grant` with the one text for unknown, expired, reused and foreign codes and tokens, so that the
    /// answer is no oracle.
    pub const fn invalid_grant(reason: &'static str) -> Self {
        Self::hidden(
            ErrorCode::InvalidGrant,
            "The code or refresh token is unknown, expired, revoked or not this client's. Send the user to the authorization endpoint again.",
            reason,
        )
    }

    /// `invalid_client` with the one text for unknown clients, wrong secrets and wrong assertions.
    pub const fn invalid_client(reason: &'static str) -> Self {
        Self::hidden(
            ErrorCode::InvalidClient,
            "Client authentication failed. Check client_id, the secret or assertion, and the registered authentication method.",
            reason,
        )
    }

    /// `invalid_token` with the one text for everything that can be wrong with an access token.
    pub const fn invalid_token(reason: &'static str) -> Self {
        Self::hidden(
            ErrorCode::InvalidToken,
            "The access token is malformed, expired, revoked or not for this server. Refresh it.",
            reason,
        )
    }

    /// Our own fault, not to be blamed on the client: `server_error`.
    pub fn fault(error: &impl std::fmt::Display) -> Self {
        Self {
            code: ErrorCode::ServerError,
            description: "The server failed. The fault is logged under this trace_id.",
            reason: Reason::Fault(error.to_string()),
        }
    }

    /// The server cannot answer now; nothing has changed for the client: 503 with Retry-After.
    pub fn unavailable(error: &impl std::fmt::Display) -> Self {
        Self {
            code: ErrorCode::TemporarilyUnavailable,
            description: "The server cannot answer now. Send the same request again in a moment.",
            reason: Reason::Fault(error.to_string()),
        }
    }

    /// Another host would have to be asked, and could not be: it says nothing of the client. 503 with Retry-After, too,
    /// but strangers can bring it about, so it is no fault of ours to alarm anybody.
    pub const fn unasked(reason: &'static str) -> Self {
        Self::hidden(
            ErrorCode::TemporarilyUnavailable,
            "What this depends on cannot be fetched now. Send the same request again in a moment.",
            reason,
        )
    }

    /// Whether the fault is ours.
    pub const fn is_fault(&self) -> bool {
        matches!(self.reason, Reason::Fault(_))
    }
}

impl From<crate::storage::Error> for Rejection {
    /// A database fault is 503: `invalid_grant` would log the user out, a 500 would not be retried.
    fn from(error: crate::storage::Error) -> Self {
        match error {
            crate::storage::Error::Corrupt { .. } => Self::fault(&error),
            _ => Self::unavailable(&error),
        }
    }
}

impl From<crate::jose::error::Error> for Rejection {
    fn from(error: crate::jose::error::Error) -> Self {
        Self::fault(&error)
    }
}

impl From<EntropyError> for Rejection {
    fn from(error: EntropyError) -> Self {
        Self::unavailable(&error)
    }
}

impl From<crate::password::Error> for Rejection {
    fn from(error: crate::password::Error) -> Self {
        match error {
            crate::password::Error::Internal => Self::fault(&error),
            _ => Self::unavailable(&error),
        }
    }
}

/// What a flow returns.
pub type Outcome<T> = Result<T, Rejection>;
