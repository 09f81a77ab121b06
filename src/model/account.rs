//! The pages of an account: a closed list, so that nothing from outside ever becomes an address to go to.

use serde::{Deserialize, Serialize};

/// A page of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountPage {
    /// Who the user is.
    Profile,
    /// Changing the password.
    Password,
    /// Devices.
    Sessions,
    /// What applications may do.
    Applications,
    /// What happened.
    Activity,
}

impl AccountPage {
    /// Every page, in the order of the navigation.
    pub const ALL: [Self; 5] =
        [Self::Profile, Self::Password, Self::Sessions, Self::Applications, Self::Activity];

    /// Its path on the issuer's host.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Profile => "/account",
            Self::Password => "/account/password",
            Self::Sessions => "/account/sessions",
            Self::Applications => "/account/applications",
            Self::Activity => "/account/activity",
        }
    }
}

/// The claims that users may set themselves: how they are shown and addressed, never what they may do (OpenID Connect
/// Core §5.1).
pub const OWN_CLAIMS: [&str; 6] = ["name", "given_name", "family_name", "nickname", "zoneinfo", "locale"];

/// Longest name in characters.
const LONGEST_NAME: usize = 200;

/// Whether a user may give this value to one of [`OWN_CLAIMS`]. The error is a sentence that names the fix.
pub fn check_own_claim(name: &str, value: &str) -> Result<(), &'static str> {
    match name {
        "zoneinfo" if !is_zone(value) => Err("Write the time zone as in Europe/Berlin."),
        "locale" if !is_locale(value) => Err("Write the language as in en or de-CH."),
        "zoneinfo" | "locale" => Ok(()),
        _ if value.chars().count() > LONGEST_NAME => Err("A name has at most 200 characters."),
        _ if value.chars().any(is_invisible) => {
            Err("A name has no line breaks, control or direction characters.")
        }
        _ => Ok(()),
    }
}

/// A name of the time zone database.
fn is_zone(value: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
    };
    value.len() <= 64 && value.split('/').all(part)
}

/// The shape of a language tag (BCP 47).
fn is_locale(value: &str) -> bool {
    let mut parts = value.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=8).contains(&language.len())
        && value.len() <= 35
        && language.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// Characters that change how the text around them looks.
fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_path_of_its_own() {
        for (i, a) in AccountPage::ALL.iter().enumerate() {
            assert!(a.path().starts_with("/account"));
            assert!(AccountPage::ALL.iter().skip(i + 1).all(|b| b.path() != a.path()));
        }
    }

    #[test]
    fn display_claims_have_bounds() {
        for (name, good) in [
            ("name", "Zoë O’Brien-Łuczak 山田"),
            ("nickname", "<b>"),
            ("zoneinfo", "America/Argentina/Buenos_Aires"),
            ("zoneinfo", "Etc/GMT+1"),
            ("locale", "zh-Hant-TW"),
            ("locale", "en"),
        ] {
            assert_eq!(check_own_claim(name, good), Ok(()), "{name} {good}");
        }
        let long = "x".repeat(201);
        for (name, bad) in [
            ("name", long.as_str()),
            ("given_name", "a\nb"),
            ("family_name", "\u{202e}evil"),
            ("nickname", "a\u{7}"),
            ("zoneinfo", "Europe//Berlin"),
            ("zoneinfo", "../etc/passwd"),
            ("zoneinfo", "<script>"),
            ("locale", "e"),
            ("locale", "en_GB"),
            ("locale", "en-"),
        ] {
            assert!(check_own_claim(name, bad).is_err(), "{name} {bad:?}");
        }
    }
}
