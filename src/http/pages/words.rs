//! Plain words for scopes, error codes and lengths of time, as shown to people.

use serde::Serialize;

use crate::oauth::claims_request::CONSENT_PREFIX;
use crate::oauth::resource;

/// One line of the consent page.
#[derive(Clone, Debug, Serialize)]
pub struct ScopeLine {
    /// The scope as requested.
    pub name: String,
    /// What it allows, in plain words.
    pub text: String,
}

impl ScopeLine {
    /// A scope in plain words: its `description` when it has one, else the words for the scopes of OpenID Connect Core
    /// §5.4 and §11, for the claims of §5.1 where one is asked for by itself, and for APIs, else a sentence around its name.
    pub fn new(name: &str, description: Option<&str>) -> Self {
        let standard = match name {
            "openid" => "Know that you signed in here",
            "profile" => "See your name and profile",
            "email" => "See your e-mail address",
            "address" => "See your postal address",
            "phone" => "See your phone number",
            "offline_access" => "Stay connected when you are not there",
            _ => name.strip_prefix(CONSENT_PREFIX).map_or("", claim_words),
        };
        let api = name.strip_prefix(resource::CONSENT_PREFIX);
        let text = match (description, api) {
            (Some(words), _) => words.to_owned(),
            (None, Some(api)) => format!("Reach the service “{api}”"),
            (None, None) if standard.is_empty() => format!("Use the permission “{name}”"),
            (None, None) => standard.to_owned(),
        };
        Self { name: name.to_owned(), text }
    }
}

/// A standard claim that is asked for by itself, in plain words; empty for any other.
fn claim_words(claim: &str) -> &'static str {
    match claim {
        "name" => "See your full name",
        "family_name" => "See your family name",
        "given_name" => "See your given name",
        "middle_name" => "See your middle name",
        "nickname" => "See your nickname",
        "preferred_username" => "See your user name",
        "profile" => "See the address of your profile page",
        "picture" => "See your picture",
        "website" => "See the address of your website",
        "gender" => "See your gender",
        "birthdate" => "See your date of birth",
        "zoneinfo" => "See your time zone",
        "locale" => "See your language",
        "updated_at" => "See when your profile last changed",
        "email" => "See your e-mail address",
        "email_verified" => "See whether your e-mail address is confirmed",
        "address" => "See your postal address",
        "phone_number" => "See your phone number",
        "phone_number_verified" => "See whether your phone number is confirmed",
        _ => "",
    }
}

/// What an error page says about an error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorWords {
    /// The heading and title.
    pub heading: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What the reader can do.
    pub remedy: &'static str,
}

/// Plain words for an error code of RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6; other codes get general words.
pub fn error_words(code: &str) -> ErrorWords {
    const BACK: &str = "Go back to the app and start again. If this page comes back, send the reference below to the people who run the app.";
    const WAIT: &str = "Wait a minute and try again. If this page comes back, send the reference below to the people who run this server.";
    let (heading, meaning, remedy) = match code {
        "invalid_request" => (
            "This link does not work",
            "The app sent a request that is incomplete or not allowed, so you were not sent on.",
            BACK,
        ),
        "invalid_client" | "unauthorized_client" => (
            "This app is not allowed here",
            "The app that sent you is not known to this server, or may not sign people in this way.",
            BACK,
        ),
        "access_denied" => {
            ("Access was not given", "You said no, or a rule of this server did. Nothing was shared.", BACK)
        }
        "invalid_scope" => (
            "The app asked for too much",
            "The app asked for a permission that it cannot have. Nothing was shared.",
            BACK,
        ),
        "unmet_authentication_requirements" => (
            "This sign-in is not strong enough",
            "The app asked for a stronger way of signing in than this server has. Nothing was shared.",
            BACK,
        ),
        "unsupported_response_type" => (
            "The app asked in a way that we do not support",
            "The app asked for an answer of a kind that this server does not give.",
            BACK,
        ),
        "server_error" => {
            ("Something broke on our side", "This is not your fault. Nothing was shared.", WAIT)
        }
        "temporarily_unavailable" => {
            ("We are busy", "The server cannot answer just now. Nothing was lost.", WAIT)
        }
        _ => ("That did not work", "The request could not be completed.", BACK),
    };
    ErrorWords { heading, meaning, remedy }
}

/// A length of time in the largest unit that says it without much rounding: `600` is “10 minutes”.
pub fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(31_536_000, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (size, unit) = UNITS
        .into_iter()
        .find(|(size, _)| seconds >= *size && seconds.is_multiple_of(*size) || seconds >= 2 * size)
        .unwrap_or((1, "second"));
    let count = seconds.saturating_add(size / 2) / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// What a client's refresh tokens live by, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// So long without use.
    pub idle: u64,
    /// So long in all.
    pub absolute: u64,
    /// They outlive a sign-out in this browser (`offline_access`).
    pub offline: bool,
}

/// The consent page's answer to “for how long”: `access` is the lifetime of an access token in seconds, `connection` what
/// comes after it where the client can refresh.
pub fn duration(access: u64, connection: Option<Connection>) -> String {
    let Some(Connection { idle, absolute, offline }) = connection else {
        return format!("For {} after each sign-in.", span(access));
    };
    let out = if offline { "if you sign out on all devices" } else { "if you sign out" };
    if idle < absolute {
        let (absolute, idle) = (span(absolute), span(idle));
        format!("For at most {absolute}. It ends sooner if the app is not used for {idle}, or {out}.")
    } else {
        format!("For at most {}. It ends sooner {out}.", span(absolute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (60, "1 minute"),
            (90, "90 seconds"),
            (600, "10 minutes"),
            (3_600, "1 hour"),
            (5_400, "90 minutes"),
            (86_400, "1 day"),
            (604_800, "7 days"),
            (31_536_000, "1 year"),
            (u64::MAX, "584942417355 years"),
        ] {
            assert_eq!(span(seconds), words);
        }
    }

    #[test]
    fn a_scope_has_words() {
        assert_eq!(ScopeLine::new("email", None).text, "See your e-mail address");
        assert_eq!(ScopeLine::new("read", Some("Read your files")).text, "Read your files");
        assert_eq!(ScopeLine::new("resource:urn:a", None).text, "Reach the service “urn:a”");
        assert_eq!(ScopeLine::new("write", None).text, "Use the permission “write”");
    }

    #[test]
    fn each_standard_claim_has_words() {
        for (_, claims) in crate::oauth::standard_claims::BY_SCOPE {
            for claim in claims {
                let line = ScopeLine::new(&format!("{CONSENT_PREFIX}{claim}"), None);
                assert!(line.text.starts_with("See "), "{claim}: {}", line.text);
            }
        }
    }

    #[test]
    fn how_long_names_both_limits() {
        let of = |idle, offline| duration(600, Some(Connection { idle, absolute: 604_800, offline }));
        let words = of(86_400, true);
        assert!(words.contains("7 days") && words.contains("1 day"), "{words}");
        assert!(words.ends_with("or if you sign out on all devices."), "{words}");
        assert!(of(86_400, false).ends_with("or if you sign out."));
        assert_eq!(of(604_800, false), "For at most 7 days. It ends sooner if you sign out.");
        assert_eq!(duration(600, None), "For 10 minutes after each sign-in.");
    }
}
