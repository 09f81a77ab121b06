//! Signing keys as stored: a row, and the state that the row and the clock give together.

use crate::clock::Timestamp;
use crate::oauth::algorithm::Algorithm;
use crate::secret::KeyId;

/// A signing key as the database keeps it. Its state is not a column: every node computes it from the four
/// times, so that no message between nodes is needed for all of them to change keys at the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// The key's name in headers and in the JWKS: its RFC 7638 thumbprint.
    pub kid: KeyId,
    /// The one algorithm the key is used with (RFC 8725 §3.1).
    pub algorithm: Algorithm,
    /// The private key as PKCS#8, sealed under the master key with the `kid` as associated data.
    pub sealed: Vec<u8>,
    /// The public key as a JWK (JSON), for people and other tools. The keyring derives its own from the sealed
    /// key, so that writing to this column publishes nothing.
    pub public_jwk: String,
    /// When the row was made, which is when the key was published.
    pub created_at: Timestamp,
    /// When the key begins to sign.
    pub activates_at: Timestamp,
    /// When the key ceases to sign.
    pub retires_at: Option<Timestamp>,
    /// When the key leaves the JWKS and nothing verifies under it any more.
    pub removes_at: Option<Timestamp>,
}

impl SigningKeyRecord {
    /// The key's state at `now`. At the very millisecond of a change the later state holds.
    pub fn state(&self, now: Timestamp) -> KeyState {
        if self.removes_at.is_some_and(|at| at <= now) {
            KeyState::Removed
        } else if self.retires_at.is_some_and(|at| at <= now) {
            KeyState::Retiring
        } else if self.activates_at <= now {
            KeyState::Active
        } else {
            KeyState::Pending
        }
    }
}

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, does not sign yet.
    Pending,
    /// Published and signs.
    Active,
    /// Published, signs no more: what it signed is still alive.
    Retiring,
    /// Not published; nothing verifies under it.
    Removed,
}

impl KeyState {
    /// The state's name, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Removed => "removed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_the_clock() {
        let at = Timestamp::from_seconds;
        let key = SigningKeyRecord {
            kid: KeyId::from("k"),
            algorithm: Algorithm::Es256,
            sealed: Vec::new(),
            public_jwk: String::new(),
            created_at: at(0),
            activates_at: at(10),
            retires_at: Some(at(20)),
            removes_at: Some(at(30)),
        };
        let states = [0, 9, 10, 19, 20, 29, 30, 99].map(|second| key.state(at(second)).as_str());
        assert_eq!(
            states,
            ["pending", "pending", "active", "active", "retiring", "retiring", "removed", "removed"]
        );
    }

    #[test]
    fn removal_outranks_every_other_time() {
        let now = Timestamp::from_seconds(5);
        let key = SigningKeyRecord {
            kid: KeyId::from("k"),
            algorithm: Algorithm::Es256,
            sealed: Vec::new(),
            public_jwk: String::new(),
            created_at: now,
            activates_at: Timestamp::from_seconds(9),
            retires_at: None,
            removes_at: Some(now),
        };
        assert_eq!(key.state(now), KeyState::Removed);
    }
}
