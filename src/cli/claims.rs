//! Claims of a user as the command line gives them.

use serde_json::{Map, Value};

use super::args::ClaimArgs;
use super::output::Failure;

/// The claims of a file, then those named one by one; what is named later counts.
///
/// # Errors
/// A file that cannot be read, or something that is no claim.
pub(super) fn read(args: &ClaimArgs, name: Option<&str>) -> Result<Map<String, Value>, Failure> {
    let mut claims = match &args.claims_file {
        None => Map::new(),
        Some(path) => {
            let unread = |error| Failure::usage(format!("--claims-file {}: {error}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| unread(error.to_string()))?;
            serde_json::from_str(&text).map_err(|error| unread(format!("this is no JSON object: {error}")))?
        }
    };
    for claim in &args.claims {
        let (name, value) = claim.split_once('=').ok_or_else(|| {
            Failure::usage(format!(
                "--claim {claim}: write NAME=VALUE, such as website=https://carol.example"
            ))
        })?;
        let value = value_of(value).map_err(|error| Failure::usage(format!("--claim {name}: {error}")))?;
        claims.insert(name.to_owned(), value);
    }
    if let Some(name) = name {
        claims.insert("name".to_owned(), Value::from(name));
    }
    Ok(claims)
}

/// Text, unless it looks like what no text would be: a number stays a text, since phone numbers and years are.
fn value_of(text: &str) -> Result<Value, serde_json::Error> {
    let json = text.starts_with(['{', '[']) || matches!(text, "true" | "false" | "null");
    if json { serde_json::from_str(text) } else { Ok(Value::from(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(claims: &[&str]) -> ClaimArgs {
        let claims = claims.iter().map(|claim| (*claim).to_owned()).collect();
        ClaimArgs { email_verified: false, claims, claims_file: None }
    }

    #[test]
    fn a_value_is_text_unless_it_is_clearly_json() {
        let given = args(&[
            "birthdate=1990",
            "phone_number_verified=true",
            "address={\"country\":\"DE\"}",
            "a=b=c",
            "x=null",
        ]);
        assert_eq!(
            Value::Object(read(&given, Some("Carol")).unwrap()),
            json!({
                "birthdate": "1990",
                "phone_number_verified": true,
                "address": { "country": "DE" },
                "a": "b=c",
                "x": null,
                "name": "Carol",
            })
        );
    }

    #[test]
    fn what_is_no_claim_is_refused() {
        for bad in ["birthdate", "address={country}"] {
            assert!(read(&args(&[bad]), None).is_err(), "{bad}");
        }
    }
}
