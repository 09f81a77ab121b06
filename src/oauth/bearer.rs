//! `Authorization: Bearer` (RFC 6750 §2.1).

use super::text;
use crate::secret::AccessToken;

/// Longest accepted token in bytes: checked before anything looks inside.
pub const MAX_BYTES: usize = 8192;

/// The header names the scheme Bearer, but holds no token of the b64token form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedBearer;

impl MalformedBearer {
    /// An `error_description` for `invalid_request`.
    pub const fn description(self) -> &'static str {
        "The Authorization header is malformed. Send Bearer, one space and the access token."
    }
}

impl std::fmt::Display for MalformedBearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.description())
    }
}

impl std::error::Error for MalformedBearer {}

/// Reads an `Authorization` header. `Ok(None)` if it names another scheme.
pub fn parse(header: &str) -> Result<Option<AccessToken>, MalformedBearer> {
    match text::strip_scheme(header, "Bearer") {
        None => Ok(None),
        Some(token) if is_b64token(token) => Ok(Some(AccessToken::new(token))),
        Some(_) => Err(MalformedBearer),
    }
}

/// RFC 6750 §2.1: `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
pub fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty()
        && token.len() <= MAX_BYTES
        && body.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_is_read() {
        assert_eq!(parse("Bearer mF_9.B5f-4.1JqM").unwrap().unwrap().reveal(), "mF_9.B5f-4.1JqM");
        assert_eq!(parse("bEARER  a+/~==").unwrap().unwrap().reveal(), "a+/~==");
        assert!(parse("Basic YTpi").unwrap().is_none());
        assert!(parse("").unwrap().is_none());
    }

    #[test]
    fn malformed_tokens_are_refused() {
        let long = "a".repeat(MAX_BYTES + 1);
        for bad in ["", "=", "a b", "a,b", "a=b", "\"a\"", "é", "a\t", "a ", &long] {
            assert_eq!(parse(&format!("Bearer {bad}")).unwrap_err(), MalformedBearer, "{bad:?}");
        }
        assert!(parse("Bearer").is_err());
        assert!(crate::oauth::text::is_description(MalformedBearer.description()));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(text in ".*") {
            let _ = parse(&text);
            let _ = parse(&format!("Bearer {text}"));
        }
    }
}
