//! A refresh-token family: everything one authorization may still be refreshed with, in one row.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::entropy::{Entropy, EntropyError};
use crate::model::rotation::Counters;
use crate::oauth::client_metadata::ClientClass;
use crate::secret::{ClientId, FamilyHandle, SessionId, UserId};

/// The secret id of a family, inside its tokens and nowhere else. People and logs see the [`FamilyHandle`].
///
/// It can be compared and ordered because it finds a row: only a token whose MAC held yields one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilySecretId([u8; 16]);

impl FamilySecretId {
    /// Wraps 16 bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Draws a new id. Fails only where the operating system gives no random bytes.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = [0u8; 16];
        entropy.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads 16 bytes from storage; `None` if the length differs.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 16 bytes. Never log them.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl std::fmt::Debug for FamilySecretId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FamilySecretId([redacted])")
    }
}

/// One row of `refresh_family`. It stays one row however often it is refreshed.
#[derive(Clone, Debug)]
pub struct Family {
    /// The primary key; part of every token of the family.
    pub id: FamilySecretId,
    /// The id that people, tokens and logs may see.
    pub handle: FamilyHandle,
    /// Whose authorization it is.
    pub user: UserId,
    /// To whom it was given; nobody else may use it (RFC 6749 §6).
    pub client: ClientId,
    /// The login session it began in, if that is still known.
    pub session: Option<SessionId>,
    /// The granted scope; an access token may ask for less, never for more (RFC 6749 §6).
    pub scope: String,
    /// The granted resources (RFC 8707 §2.2).
    pub audience: Vec<String>,
    /// Granted `offline_access`: outlives the login session (OpenID Connect Core §11).
    pub offline: bool,
    /// What a refresh changes, and all it changes.
    pub counters: Counters,
    /// The user's epoch when the family began; "log out all devices" raises the user's.
    pub epoch: i64,
    /// Whether it may still be used.
    pub status: FamilyStatus,
    /// When it began.
    pub created_at: Timestamp,
    /// Absolute expiry. It never slides.
    pub expires_at: Timestamp,
    /// How long it may lie unused, from the last rotation (or the beginning, if that is later).
    pub idle: Duration,
    /// The class of its client when it began.
    pub class: ClientClass,
    /// Sender constraint: a `jkt` (RFC 9449 §6.1) or `x5t#S256` (RFC 8705 §3.1) thumbprint.
    pub binding: Option<String>,
}

/// Whether a family may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyStatus {
    /// In use.
    Active,
    /// Over, without any suspicion.
    Ended(EndCause),
    /// A superseded token was used after its successor: somebody has a copy (RFC 9700 §4.14.2).
    Compromised,
}

impl FamilyStatus {
    /// The word of the `status` column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended(_) => "ended",
            Self::Compromised => "compromised",
        }
    }

    /// The cause, for the column beside it.
    pub const fn cause(self) -> Option<EndCause> {
        match self {
            Self::Ended(cause) => Some(cause),
            Self::Active | Self::Compromised => None,
        }
    }

    /// Reads both columns back; `None` for a pair that [`as_str`](Self::as_str) and [`cause`](Self::cause)
    /// never write.
    pub fn from_columns(status: &str, cause: Option<&str>) -> Option<Self> {
        match (status, cause) {
            ("active", None) => Some(Self::Active),
            ("ended", Some(cause)) => EndCause::parse(cause).map(Self::Ended),
            ("compromised", None) => Some(Self::Compromised),
            _ => None,
        }
    }
}

/// Declares an enum that is stored as a word.
macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {$(
            $(#[$variant_doc])*
            $variant,
        )+}

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored word.
            pub const fn as_str(self) -> &'static str {
                match self {$( Self::$variant => $word, )+}
            }

            /// Reads the stored word; `None` for any other.
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $( $word => Some(Self::$variant), )+
                    _ => None,
                }
            }
        }
    };
}

word_enum! {
    /// Why a family ended. It answers "why was I logged out?".
    EndCause {
        /// The user logged out of the session.
        Logout = "logout",
        /// The user, or an operator, logged out all devices.
        LogoutAll = "logout_all",
        /// The login session ended some other way.
        SessionEnded = "session_ended",
        /// Another user signed in in the same browser.
        Superseded = "superseded",
        /// Its lifetime ran out.
        Expired = "expired",
        /// The client, the user or an operator revoked it (RFC 7009).
        Revoked = "revoked",
        /// The authorization code it came from was used twice (RFC 6749 §4.1.2).
        CodeReuse = "code_reuse",
        /// The user was disabled.
        UserDisabled = "user_disabled",
        /// The password was changed.
        PasswordChanged = "password_changed",
        /// A role was taken away from the user.
        RoleLost = "role_lost",
        /// The user signed in elsewhere and had as many sessions as allowed.
        SessionLimit = "session_limit",
        /// It came back from another browser or network, and the policy ends such sessions.
        SessionMoved = "session_moved",
        /// The client was disabled or deleted.
        ClientDisabled = "client_disabled",
        /// A retry came so late that nobody can say who sent it.
        LateRetry = "late_retry",
        /// The user withdrew the consent.
        ConsentWithdrawn = "consent_withdrawn",
        /// Another family of the user was found compromised.
        Theft = "theft",
        /// The generation counter is used up.
        GenerationsExhausted = "generations_exhausted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_id_does_not_print_itself() {
        assert_eq!(format!("{:?}", FamilySecretId::new([1; 16])), "FamilySecretId([redacted])");
    }

    #[test]
    fn every_status_survives_its_columns() {
        let ended = EndCause::ALL.iter().map(|cause| FamilyStatus::Ended(*cause));
        for status in ended.chain([FamilyStatus::Active, FamilyStatus::Compromised]) {
            let back = FamilyStatus::from_columns(status.as_str(), status.cause().map(EndCause::as_str));
            assert_eq!(back, Some(status));
        }
    }

    #[test]
    fn columns_that_do_not_belong_together_are_refused() {
        for (status, cause) in [
            ("active", Some("logout")),
            ("ended", None),
            ("ended", Some("bored")),
            ("Active", None),
            ("", None),
        ] {
            assert_eq!(FamilyStatus::from_columns(status, cause), None, "{status} {cause:?}");
        }
    }
}
