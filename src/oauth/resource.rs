//! Resource indicators: the `resource` parameter (RFC 8707 §2).

/// Most resources that one request may name.
const MOST: usize = 20;

/// Before an API's audience, what a consent to tokens for that API is remembered by, in the manner of a scope.
pub const CONSENT_PREFIX: &str = "resource:";

/// Why `resource` is refused; the sentence names the fix. Answered as `invalid_target`.
type Refusal = &'static str;

/// The resources of one request, each once, in the order they were first named.
///
/// # Errors
/// One that is no absolute URI or has a fragment, or too many.
pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, Refusal> {
    let mut resources: Vec<String> = Vec::new();
    for value in values {
        check(value)?;
        if resources.iter().any(|known| known == value) {
            continue;
        }
        if resources.len() == MOST {
            return Err("There are too many resources. Ask for at most 20.");
        }
        resources.push(value.to_owned());
    }
    Ok(resources)
}

/// RFC 8707 §2: an absolute URI (RFC 3986 §4.3), which has no fragment. It is compared byte for byte with what is
/// registered, so that the shape is all there is to check.
fn check(value: &str) -> Result<(), Refusal> {
    if value.contains('#') {
        return Err("A resource must not have a fragment. Remove the # and what follows.");
    }
    let absolute = value.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
            && !rest.is_empty()
    });
    if absolute && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err("A resource must be an absolute URI. Send the audience of a registered API.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn absolute_uris_without_a_fragment_are_taken_as_they_are() {
        let good =
            ["https://api.example.com", "https://api.example.com/app?x=1", "urn:example:api", "a+b-.1:x"];
        assert_eq!(parse(good).unwrap(), good);
        assert_eq!(parse(["urn:a:b", "urn:a:c", "urn:a:b"]).unwrap(), ["urn:a:b", "urn:a:c"]);
        assert_eq!(parse([]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn all_else_is_refused() {
        for bad in [
            "",
            "api",
            "/path",
            "//host/path",
            ":x",
            "1a:x",
            "urn:",
            "https://a b",
            "https://ä.example",
            "https://api.example.com#frag",
            "https://api.example.com/#",
        ] {
            assert!(parse([bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_count_is_bounded() {
        let many = |n: usize| (0..n).map(|i| format!("urn:api:{i}")).collect::<Vec<_>>();
        assert!(parse(many(MOST).iter().map(String::as_str)).is_ok());
        let refusal = parse(many(MOST + 1).iter().map(String::as_str)).unwrap_err();
        assert!(crate::oauth::text::is_description(refusal));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_whole_or_refused(text in ".*") {
            if let Ok(parsed) = parse([text.as_str()]) {
                prop_assert_eq!(parsed, vec![text]);
            }
        }
    }
}
