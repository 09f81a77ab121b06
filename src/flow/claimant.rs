//! Who is said to have signed something, and why it has not been verified.

use signet_verify::jose::jws::Rejected;

use super::rejection::Rejection;
use crate::fetch::Behalf;
use crate::model::client::Client;

/// Who is said to have signed something, under which key, and on whose behalf it is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The client.
    pub client: &'a Client,
    /// The key, as the header names it.
    pub kid: Option<&'a str>,
    /// Who asks.
    pub behalf: &'a Behalf,
}

/// Why nothing has verified, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// It was not signed by such a key.
    Refused(&'static str),
    /// The client's keys are not known, and could not be asked for.
    Unasked(&'static str),
}

impl Unverified {
    /// The answer, where `refused` is the one to what is not verified.
    pub fn rejection(self, refused: impl FnOnce(&'static str) -> Rejection) -> Rejection {
        match self {
            Self::Refused(reason) => refused(reason),
            Self::Unasked(reason) => Rejection::unasked(reason),
        }
    }
}

impl From<Rejected> for Unverified {
    fn from(rejected: Rejected) -> Self {
        Self::Refused(rejected.reason())
    }
}
