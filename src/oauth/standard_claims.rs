//! The standard claims about a user (OpenID Connect Core §5.1): which scope opens which, and of what type each is.

use serde_json::Value;

use super::scope::{ADDRESS, EMAIL, PHONE, PROFILE};

/// The claims that the scope `profile` opens (OpenID Connect Core §5.4).
pub const OF_PROFILE: [&str; 14] = [
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "updated_at",
];
/// The claims that the scope `email` opens.
pub const OF_EMAIL: [&str; 2] = ["email", "email_verified"];
/// The claim that the scope `address` opens.
pub const OF_ADDRESS: [&str; 1] = ["address"];
/// The claims that the scope `phone` opens.
pub const OF_PHONE: [&str; 2] = ["phone_number", "phone_number_verified"];

/// The scopes that open claims, with the claims.
pub const BY_SCOPE: [(&str, &[&str]); 4] =
    [(PROFILE, &OF_PROFILE), (EMAIL, &OF_EMAIL), (ADDRESS, &OF_ADDRESS), (PHONE, &OF_PHONE)];

/// The scope that opens a claim; `None` for one that is not of the standard.
pub fn scope_of(claim: &str) -> Option<&'static str> {
    BY_SCOPE.iter().find(|(_, claims)| claims.contains(&claim)).map(|(scope, _)| *scope)
}

/// Whether a claim of the standard can have this value; any other claim can have any. The error is a sentence that
/// names the fix.
///
/// # Errors
/// The sentence.
pub fn check(claim: &str, value: &Value) -> Result<(), &'static str> {
    let holds = |sound: bool, problem| if sound { Ok(()) } else { Err(problem) };
    match claim {
        "address" => {
            holds(is_address(value), "An address is an object of texts, such as {\"country\": \"DE\"}.")
        }
        "phone_number_verified" | "email_verified" => {
            holds(value.is_boolean(), "This claim is true or false.")
        }
        "updated_at" => holds(value.is_number(), "This claim is a number of seconds since 1970."),
        "birthdate" => holds(
            value.as_str().is_some_and(is_birthdate),
            "A birthdate is YYYY-MM-DD, 0000-MM-DD without the year, or YYYY alone.",
        ),
        "profile" | "picture" | "website" => holds(
            value.as_str().is_some_and(is_web_address),
            "This claim is an address that begins with https:// or http://.",
        ),
        _ if scope_of(claim).is_some() => holds(value.is_string(), "This claim is a text."),
        _ => Ok(()),
    }
}

/// OpenID Connect Core §5.1.1.
fn is_address(value: &Value) -> bool {
    value.as_object().is_some_and(|members| !members.is_empty() && members.values().all(Value::is_string))
}

fn is_birthdate(text: &str) -> bool {
    let numbers: Vec<_> = text.split('-').collect();
    let digits = |part: &str, length: usize| {
        let plain = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        if plain { part.parse::<u16>().ok() } else { None }
    };
    match numbers.as_slice() {
        [year] => digits(year, 4).is_some(),
        [year, month, day] => {
            digits(year, 4).is_some()
                && digits(month, 2).is_some_and(|month| (1..=12).contains(&month))
                && digits(day, 2).is_some_and(|day| (1..=31).contains(&day))
        }
        _ => false,
    }
}

/// What a relying party may make a link of: nothing that a browser would run.
fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_claim_is_opened_by_one_scope() {
        assert_eq!(scope_of("birthdate"), Some("profile"));
        assert_eq!(scope_of("email_verified"), Some("email"));
        assert_eq!(scope_of("address"), Some("address"));
        assert_eq!(scope_of("phone_number"), Some("phone"));
        for other in ["sub", "roles", "Name", "name#de", ""] {
            assert_eq!(scope_of(other), None, "{other}");
        }
    }

    #[test]
    fn values_are_of_the_type_of_the_standard() {
        for (claim, good) in [
            ("name", json!("Ana")),
            ("address", json!({"formatted": "1 Main St\nSpringfield", "country": "US"})),
            ("phone_number_verified", json!(false)),
            ("birthdate", json!("1990-02-28")),
            ("birthdate", json!("0000-12-31")),
            ("birthdate", json!("1990")),
            ("website", json!("https://ana.example")),
            ("department", json!([1, {"x": null}])),
        ] {
            assert_eq!(check(claim, &good), Ok(()), "{claim} {good}");
        }
        for (claim, bad) in [
            ("name", json!(1)),
            ("locale", json!(["de"])),
            ("address", json!("1 Main St")),
            ("address", json!({})),
            ("address", json!({"country": 1})),
            ("phone_number_verified", json!("true")),
            ("birthdate", json!("1990-13-01")),
            ("birthdate", json!("90-1-1")),
            ("birthdate", json!("01.02.1990")),
            ("picture", json!("javascript:alert(1)")),
            ("website", json!("ana.example")),
        ] {
            assert!(check(claim, &bad).is_err(), "{claim} {bad}");
        }
    }
}
