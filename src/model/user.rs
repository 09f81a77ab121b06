//! A person who can sign in.

use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

use crate::clock::Timestamp;
use crate::secret::UserId;

/// A user account.
#[derive(Clone, Debug)]
pub struct User {
    /// The `sub` of this user's tokens; never reassigned.
    pub id: UserId,
    /// The name people sign in with, as written.
    pub username: String,
    /// The e-mail address as written.
    pub email: Option<String>,
    /// Whether the address is known to be the user's.
    pub email_verified: bool,
    /// The password's PHC string; `None` for an account that cannot sign in with a password.
    pub password_phc: Option<String>,
    /// When the password was last set.
    pub password_changed_at: Timestamp,
    /// Roles, the `roles` claim.
    pub roles: Vec<String>,
    /// Standard and further claims by name (OpenID Connect Core §5.1).
    pub claims: Map<String, Value>,
    /// Raised by "log out all devices"; everything issued under a lower epoch is void.
    pub epoch: i64,
    /// When the account was disabled; `None` while active.
    pub disabled_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// Whether the account may sign in and receive tokens.
    pub const fn is_active(&self) -> bool {
        self.disabled_at.is_none()
    }
}

/// The part of a user that goes into tokens, read with the statement that authorises their issue.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The user.
    pub id: UserId,
    /// What the client knows the user by, where that is not the id (OpenID Connect Core §8.1).
    pub pairwise: Option<String>,
    /// `preferred_username`.
    pub username: String,
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`.
    pub email_verified: bool,
    /// `roles`.
    pub roles: Vec<String>,
    /// Further claims by name.
    pub claims: Map<String, Value>,
    /// The user's epoch at that moment.
    pub epoch: i64,
    /// `updated_at`.
    pub updated_at: Timestamp,
}

impl Subject {
    /// `sub`.
    pub fn sub(&self) -> String {
        self.pairwise.clone().unwrap_or_else(|| self.id.to_string())
    }
}

impl From<&User> for Subject {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            pairwise: None,
            username: user.username.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            roles: user.roles.clone(),
            claims: user.claims.clone(),
            epoch: user.epoch,
            updated_at: user.updated_at,
        }
    }
}

/// What a new account starts with.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The new id.
    pub id: UserId,
    /// The name people sign in with; without `@`.
    pub username: String,
    /// The e-mail address, also good for signing in.
    pub email: Option<String>,
    /// Whether the address is known to be the user's.
    pub email_verified: bool,
    /// The password's PHC string.
    pub password_phc: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Claims by name.
    pub claims: Map<String, Value>,
}

/// The form under which a user name or address is compared: NFKC, lower case, trimmed. Variants of one name
/// are one account and one throttle bucket.
pub fn login_key(typed: &str) -> String {
    typed.trim().nfkc().flat_map(char::to_lowercase).nfkc().collect()
}

/// Whether `username` can be an account's name: 1 to 128 characters, no control characters, no `@` (an address
/// is told from a name by it), and no other white space than inner single spaces.
pub fn check_username(username: &str) -> Result<(), &'static str> {
    if username.is_empty() || username.chars().count() > 128 {
        return Err("A user name has 1 to 128 characters.");
    }
    if username.contains('@') {
        return Err("A user name has no @; give the address as e-mail.");
    }
    if username != username.trim() || username.chars().any(char::is_control) {
        return Err("A user name has no control characters and no space at its ends.");
    }
    Ok(())
}

/// Whether `email` looks like an address: one `@` with something on both sides, no space or control character,
/// at most 254 characters.
pub fn check_email(email: &str) -> Result<(), &'static str> {
    let parts = email.split_once('@');
    let sound = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && email.len() <= 254
    });
    if !sound || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("An e-mail address has the form name@domain, without spaces.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_a_name_are_one_account() {
        for typed in ["Alice", " alice ", "ALICE", "ａｌｉｃｅ"] {
            assert_eq!(login_key(typed), "alice");
        }
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        assert!(check_username("alice").is_ok());
        for bad in ["", "a@b", " alice", "a\u{7}b"] {
            assert!(check_username(bad).is_err(), "{bad:?}");
        }
        assert!(check_email("alice@example.com").is_ok());
        for bad in ["alice", "@b", "a@", "a@b@c", "a b@c"] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
    }
}
