//! Opaque access tokens (RFC 6749 §1.4): a sealed copy of what a JWT would say (docs/decisions/0025-opaque-tokens.md). Whether one still
//! stands is asked of the database as it is for a JWT, by the same coordinates.

use serde::Serialize;
use serde_json::{Map, Value};
use signet_verify::jose::claims::{self, Claims, Expect};
use signet_verify::jose::jws::{LONGEST_TOKEN, Rejected};

use super::Provider;
use super::rejection::Outcome;
use crate::digest::{base64url, base64url_decode};
use crate::jose::error::Error;

/// Opaque access tokens begin so.
const PREFIX: &str = "sat_";

/// Whether a text claims to be an opaque access token.
pub fn is_one(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Makes a token of its claims.
///
/// # Errors
/// No randomness, or claims that would make it longer than is read back.
pub fn seal(op: &Provider, claims: &impl Serialize) -> Outcome<String> {
    let plain = serde_json::to_vec(claims).map_err(|_| Error::Claims)?;
    let sealed = op.secrets.opaque_tokens.seal(&plain, op.entropy.as_ref())?;
    let token = format!("{PREFIX}{}", base64url(&sealed));
    if token.len() > LONGEST_TOKEN { Err(Error::TooLong.into()) } else { Ok(token) }
}

/// The claims of a token of our own making that is what is expected; its seal stands for the signature and the `typ` of a
/// JWT.
///
/// # Errors
/// Why it is none, for the log.
pub fn open(op: &Provider, token: &str, expect: &Expect<'_>) -> Result<Claims, &'static str> {
    if token.len() > LONGEST_TOKEN {
        return Err("an opaque token of no length of ours");
    }
    let sealed = token.strip_prefix(PREFIX).and_then(base64url_decode).ok_or("not base64url")?;
    let plain = op.secrets.opaque_tokens.open(&sealed).map_err(|_| "the seal does not open")?;
    let found: Map<String, Value> = serde_json::from_slice(&plain).map_err(|_| "sealed, but no claims")?;
    claims::check(found, expect).map_err(Rejected::reason)
}
