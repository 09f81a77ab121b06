//! Request bodies: JSON, bounded in size and depth, without unknown members.

use std::time::Duration;

use actix_web::web;
use serde::de::DeserializeOwned;

use super::problem::{Kind, Problem};
use crate::oauth::text;

/// Longest body in bytes (S-108).
pub(super) const LONGEST: usize = 256 * 1024;
/// Deepest nesting (S-108).
const DEEPEST: usize = 32;

/// Reads the whole body, within `timeout`.
pub(super) async fn read(payload: web::Payload, timeout: Duration) -> Result<web::Bytes, Problem> {
    let read = tokio::time::timeout(timeout, payload.to_bytes_limited(LONGEST)).await;
    let late = |_| Problem::new(Kind::BadRequest, "The body took too long. Send it again.");
    match read.map_err(late)? {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            Err(Problem::new(Kind::BadRequest, "The body ended early or is badly framed. Send it again."))
        }
        Err(_) => Err(Problem::new(Kind::TooLarge, "A body has at most 256 KiB.")),
    }
}

/// Parses a body. What serde says about unknown, missing and repeated members is passed on; values are not repeated,
/// since one of them may be a password.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if depth(body) > DEEPEST {
        return Err(Problem::new(Kind::BadRequest, "The JSON is nested more than 32 deep."));
    }
    serde_json::from_slice(body).map_err(|error| problem(&error))
}

fn problem(error: &serde_json::Error) -> Problem {
    let said = error.to_string();
    if !error.is_data() {
        return Problem::new(Kind::BadRequest, format!("The body is not JSON: {said}."));
    }
    for prefix in ["unknown field `", "missing field `", "duplicate field `"] {
        if let Some((field, _)) = said.strip_prefix(prefix).and_then(|rest| rest.split_once('`')) {
            let (field, said) = (text::shortened(field, 100), text::shortened(&said, 400));
            return Problem::of_field(Kind::Invalid, field, format!("{said}."));
        }
    }
    // `invalid type: string "hunter2", expected a list at line 1 column 9`
    let expected = said.rfind("expected ").and_then(|at| said.get(at..)).unwrap_or("a value of another kind");
    Problem::new(Kind::Invalid, format!("A value has the wrong form: {expected}."))
}

/// How deep objects and lists are nested, without parsing them.
fn depth(text: &[u8]) -> usize {
    let (mut now, mut most, mut in_string, mut escaped) = (0usize, 0usize, false, false);
    for byte in text {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                now += 1;
                most = most.max(now);
            }
            (false, b']' | b'}') => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its type matters")]
        password: String,
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        for (text, expected) in
            [("{}", 1), (r#"{"a":[1,{"b":"[[["}]}"#, 3), (r#"["\"[[",[]]"#, 2), ("1", 0), ("]]][", 1)]
        {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
        assert!(parse::<serde_json::Value>(deep.as_bytes()).is_err());
        let deep = format!("{}{}", "[".repeat(32), "]".repeat(32));
        assert!(parse::<serde_json::Value>(deep.as_bytes()).is_ok());
    }

    #[test]
    fn unknown_members_are_named_and_values_are_not_repeated() {
        let text = |body: &str| format!("{:?}", parse::<Sample>(body.as_bytes()).unwrap_err());
        assert!(text(r#"{"password":"x","epoch":7}"#).contains("(\"epoch\""));
        assert!(text("{}").contains("(\"password\""));
        assert!(text(r#"{"password":"x","password":"y"}"#).contains("(\"password\""));
        let wrong = text(r#"{"password":[123456789]}"#);
        assert!(wrong.contains("expected a string") && !wrong.contains("123456789"), "{wrong}");
        let wrong = text(r#"{"password":123456789}"#);
        assert!(wrong.contains("expected a string") && !wrong.contains("123456789"), "{wrong}");
        assert!(text("{").contains("BadRequest"));
    }
}
