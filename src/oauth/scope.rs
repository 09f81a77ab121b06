//! The `scope` parameter (RFC 6749 §3.3).

/// Asks for an ID token (OpenID Connect Core §3.1.2.1).
pub const OPENID: &str = "openid";
/// Asks for the profile claims (OpenID Connect Core §5.4).
pub const PROFILE: &str = "profile";
/// Asks for `email` and `email_verified` (OpenID Connect Core §5.4).
pub const EMAIL: &str = "email";
/// Asks for `address` (OpenID Connect Core §5.4).
pub const ADDRESS: &str = "address";
/// Asks for `phone_number` and `phone_number_verified` (OpenID Connect Core §5.4).
pub const PHONE: &str = "phone";
/// Asks for a refresh token that outlives the login session (OpenID Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Longest accepted scope in bytes.
pub const MAX_BYTES: usize = 4096;
/// Most values accepted in one scope.
pub const MAX_VALUES: usize = 100;

/// A set of scope values in the order they were first named. Equality ignores the order (RFC 6749 §3.3).
#[derive(Clone, Debug, Default)]
pub struct Scope(Vec<String>);

/// Why a text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeError {
    /// A character outside `%x21 / %x23-5B / %x5D-7E`, or values not separated by exactly one space.
    Malformed,
    /// More than [`MAX_BYTES`] or [`MAX_VALUES`].
    TooLong,
}

impl ScopeError {
    /// An `error_description` for `invalid_scope`.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Malformed => {
                "The scope is malformed. Separate its values with single spaces and use printable ASCII."
            }
            Self::TooLong => "The scope is too long. Ask for at most 100 values in at most 4096 bytes.",
        }
    }
}

impl std::fmt::Display for ScopeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.description())
    }
}

impl std::error::Error for ScopeError {}

impl Scope {
    /// Reads a space-separated list; the empty text is the empty scope. A value named twice counts once.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.len() > MAX_BYTES {
            return Err(ScopeError::TooLong);
        }
        let mut values: Vec<String> = Vec::new();
        if text.is_empty() {
            return Ok(Self(values));
        }
        for value in text.split(' ') {
            if !is_scope_token(value) {
                return Err(ScopeError::Malformed);
            }
            if values.iter().any(|known| known == value) {
                continue;
            }
            if values.len() == MAX_VALUES {
                return Err(ScopeError::TooLong);
            }
            values.push(value.to_owned());
        }
        Ok(Self(values))
    }

    /// Whether `value` is in the set; bytes are compared, case counts (RFC 6749 §3.3).
    pub fn contains(&self, value: &str) -> bool {
        self.0.iter().any(|known| known == value)
    }

    /// Whether every value of this scope is in `other`.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|value| other.contains(value))
    }

    /// The values in both, in this scope's order.
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|value| other.contains(value)).cloned().collect())
    }

    /// This scope without `value`.
    pub fn without(&self, value: &str) -> Self {
        Self(self.0.iter().filter(|known| *known != value).cloned().collect())
    }

    /// The values that are to be kept, in order.
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.iter().filter(|value| keep(value)).map(ToOwned::to_owned).collect())
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.is_subset_of(other)
    }
}

impl Eq for Scope {}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl std::str::FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl serde::Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// RFC 6749 §3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`.
fn is_scope_token(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_does_not_count_and_repeats_count_once() {
        let scope = Scope::parse("openid read openid").unwrap();
        assert_eq!(scope.to_string(), "openid read");
        assert_eq!(scope, Scope::parse("read openid").unwrap());
        assert_ne!(scope, Scope::parse("read").unwrap());
        assert_ne!(scope, Scope::parse("read Openid").unwrap());
    }

    #[test]
    fn malformed_scopes_are_refused() {
        for bad in
            [" openid", "openid ", "openid  read", "a\tb", "a\nb", "a\"b", "a\\b", "é", "a\u{a0}b", "a\0"]
        {
            assert_eq!(Scope::parse(bad), Err(ScopeError::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn bounds_hold_at_the_edge() {
        let values = |n: usize| (0..n).map(|i| format!("s{i}")).collect::<Vec<_>>().join(" ");
        assert_eq!(Scope::parse(&values(MAX_VALUES)).unwrap().len(), MAX_VALUES);
        assert_eq!(Scope::parse(&values(MAX_VALUES + 1)), Err(ScopeError::TooLong));
        assert!(Scope::parse(&"a".repeat(MAX_BYTES)).is_ok());
        assert_eq!(Scope::parse(&"a".repeat(MAX_BYTES + 1)), Err(ScopeError::TooLong));
    }

    #[test]
    fn sets_behave_as_sets() {
        let wide = Scope::parse("openid profile read").unwrap();
        let narrow = Scope::parse("read write").unwrap();
        assert_eq!(wide.intersection(&narrow).to_string(), "read");
        assert!(!narrow.is_subset_of(&wide));
        assert!(wide.intersection(&narrow).is_subset_of(&wide));
        assert!(Scope::default().is_subset_of(&narrow));
        assert_eq!(wide.without("profile").to_string(), "openid read");
    }

    #[test]
    fn serde_is_the_space_separated_text() {
        let scope: Scope = serde_json::from_str("\"openid read\"").unwrap();
        assert_eq!(serde_json::to_string(&scope).unwrap(), "\"openid read\"");
        assert!(serde_json::from_str::<Scope>("[\"openid\"]").is_err());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused_and_reads_back(text in ".*") {
            if let Ok(scope) = Scope::parse(&text) {
                prop_assert_eq!(Scope::parse(&scope.to_string()), Ok(scope));
            }
        }
    }
}
