//! Types for secrets and identifiers: a secret cannot be printed, compared with `==` or bound to SQL.

/// Declares a secret string: no `Display`, a redacted `Debug`, zeroised on drop, and [`reveal`] as the only
/// way to the plain text, so that every use can be found by name.
///
/// [`reveal`]: crate::secret::Password::reveal
macro_rules! secret_type {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(String);

        impl $name {
            /// Takes ownership of the plain text.
            pub fn new(plain: impl Into<String>) -> Self {
                Self(plain.into())
            }

            /// The plain text. Never log, store or compare what this returns.
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                zeroize::Zeroize::zeroize(&mut self.0);
            }
        }
    )+};
}

secret_type! {
    /// An access token as presented or issued (RFC 6750, RFC 9068).
    AccessToken;
    /// A refresh token as presented or issued (RFC 6749 §1.5).
    RefreshToken;
    /// An authorization code as presented or issued (RFC 6749 §1.3.1).
    AuthorizationCode;
    /// A client secret (RFC 6749 §2.3.1).
    ClientSecret;
    /// A JWT by which a client proves who it is (RFC 7523 §2.2).
    ClientAssertion;
    /// What opens a client's configuration endpoint (RFC 7592 §1.2).
    RegistrationToken;
    /// What allows to register a client (RFC 7591 §1.2).
    InitialAccessToken;
    /// The value of the login-session cookie.
    SessionCookie;
    /// The value of the cookie that binds interactions to the browser that began them.
    BrowserCookie;
    /// The value of the cookie by which an account recognises a browser that has signed in before.
    DeviceCookie;
    /// The value of the cookie that binds `/session/start` to `/session/callback`.
    TransactionCookie;
    /// The value of the cookie of a classic web application's session.
    WebSessionCookie;
    /// The handle of one interaction (one `/authorize` request on its way to a decision).
    InteractionHandle;
    /// A password as typed.
    Password;
    /// A bearer key of the administration API.
    ApiKey;
    /// A database URL, which may carry a password.
    DatabaseUrl;
    /// The key that seals the signing keys at rest, as text (base64url or hex of 32 bytes).
    MasterKey;
}

/// Declares a hash twin: the SHA-256 of a secret, which is what storage keeps.
macro_rules! hash_type {
    ($($(#[$doc:meta])* $name:ident of $secret:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub(crate) crate::digest::Digest32);

        impl From<&$secret> for $name {
            fn from(secret: &$secret) -> Self {
                Self(crate::digest::sha256(secret.reveal().as_bytes()))
            }
        }

        impl From<crate::digest::Digest32> for $name {
            fn from(digest: crate::digest::Digest32) -> Self {
                Self(digest)
            }
        }

        impl $name {
            /// Constant-time: whether `secret` is the one this hash was made of.
            pub fn matches(&self, secret: &$secret) -> bool {
                self.0.ct_eq(&Self::from(secret).0)
            }

            /// The 32 bytes to store.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
    )+};
}

hash_type! {
    /// Hash of an [`AuthorizationCode`].
    CodeHash of AuthorizationCode;
    /// Hash of a [`ClientSecret`].
    ClientSecretHash of ClientSecret;
    /// Hash of a [`RegistrationToken`].
    RegistrationTokenHash of RegistrationToken;
    /// Hash of an [`InitialAccessToken`].
    InitialAccessTokenHash of InitialAccessToken;
    /// Hash of a [`SessionCookie`].
    SessionHash of SessionCookie;
    /// Hash of a [`BrowserCookie`].
    BrowserHash of BrowserCookie;
    /// Hash of a [`DeviceCookie`].
    DeviceHash of DeviceCookie;
    /// Hash of a [`WebSessionCookie`].
    WebSessionHash of WebSessionCookie;
    /// Hash of an [`InteractionHandle`].
    InteractionHash of InteractionHandle;
    /// Hash of an [`ApiKey`].
    ApiKeyHash of ApiKey;
}

/// Declares an identifier that may be shown and logged, so that no bare `Uuid` stands in a signature.
macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

uuid_id! {
    /// A user; the `sub` of that user's tokens.
    UserId;
    /// The public id of a login session; the `sid` claim. Not the cookie.
    SessionId;
    /// The public id of a refresh-token family; not the secret id inside its tokens.
    FamilyHandle;
    /// An audit event.
    AuditId;
    /// An API key of the administration API (its name in lists, not its secret).
    ApiKeyId;
    /// A notice to a relying party that a session has ended.
    NoticeId;
    /// An initial access token (its name in lists, not the token).
    InitialAccessTokenId;
}

/// Declares an identifier held as text.
macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    )+};
}

text_id! {
    /// A client identifier (RFC 6749 §2.2).
    ClientId;
    /// A key id (`kid`, RFC 7515 §4.1.4).
    KeyId;
}

impl ClientId {
    /// The longest there is, in bytes: the address of a metadata document. What ends a client is named in the revocation
    /// feed, which takes no longer one.
    pub const LONGEST: usize = signet_verify::feed::entry::LONGEST_ID;

    /// Whether a client can have this id. What none can have need not be looked for; PostgreSQL would fail at a NUL.
    pub fn can_be(&self) -> bool {
        (1..=Self::LONGEST).contains(&self.0.len()) && !self.0.contains(char::is_control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        let password = Password::new("correct-horse");
        assert_eq!(format!("{password:?}"), "Password([redacted])");
    }

    #[test]
    fn what_no_client_can_have_for_its_id() {
        for good in ["a", "https://app.example.com/client.json", &"x".repeat(ClientId::LONGEST)] {
            assert!(ClientId::from(good).can_be(), "{good}");
        }
        for bad in ["", "a\0", "\n", "a\u{85}", &"x".repeat(ClientId::LONGEST + 1)] {
            assert!(!ClientId::from(bad).can_be(), "{bad:?}");
        }
    }

    #[test]
    fn a_hash_matches_only_its_secret() {
        let hash = CodeHash::from(&AuthorizationCode::new("sac_a"));
        assert!(hash.matches(&AuthorizationCode::new("sac_a")));
        assert!(!hash.matches(&AuthorizationCode::new("sac_b")));
    }
}
