//! What a user granted a client: the content of an authorization code and the seed of a family.

use crate::clock::Timestamp;
use crate::oauth::scope::Scope;
use crate::secret::{ClientId, FamilyHandle, SessionId, UserId};

/// A grant on its way from the authorization endpoint to the token endpoint.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The id that the family will be known by; fixed here, so that a replayed code can end it.
    pub handle: FamilyHandle,
    /// To whom.
    pub client: ClientId,
    /// By whom.
    pub user: UserId,
    /// What the client knows the user by, where that is not the id (OpenID Connect Core §8.1).
    pub subject: Option<String>,
    /// The `claims` parameter, as JSON (OpenID Connect Core §5.5).
    pub claims_request: Option<String>,
    /// In which login session.
    pub session: SessionId,
    /// The user's epoch at that moment.
    pub epoch: i64,
    /// Whether it rests on a consent that was remembered before, and has to be there still.
    pub by_consent: bool,
    /// The redirect URI of the request; the token request has to repeat it (RFC 6749 §4.1.3).
    pub redirect_uri: String,
    /// `code_challenge` (RFC 7636), S256.
    pub code_challenge: Option<String>,
    /// `nonce` (OpenID Connect Core §3.1.2.1).
    pub nonce: Option<String>,
    /// What was granted.
    pub scope: Scope,
    /// The audience of its access tokens.
    pub audience: Vec<String>,
    /// When the user proved who they are.
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    pub amr: Vec<String>,
    /// When the code dies.
    pub expires_at: Timestamp,
}
