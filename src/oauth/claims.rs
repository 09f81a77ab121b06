//! Claim rules: which extra claims a client's tokens carry. Plain data, no expressions (RFC 7519 §4.3).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One rule, for example
/// `{"claim": "department", "from": "user.claims.department", "into": ["access_token"]}` or
/// `{"claim": "tier", "value": "gold"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlainRule", into = "PlainRule")]
pub struct ClaimRule {
    /// The name of the claim to add.
    pub claim: String,
    /// Where its value comes from.
    pub source: ClaimSource,
    /// Where it goes to; never empty. Access tokens only, unless stated.
    pub into: Vec<ClaimTarget>,
}

/// Where a claim's value comes from. A source that the user has no value for adds no claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimSource {
    /// `user.claims.NAME`: a claim stored with the user.
    UserClaim(String),
    /// `user.roles`: the user's roles as a list of strings.
    UserRoles,
    /// `user.username`: the name the user signs in with.
    Username,
    /// `user.email`: the user's e-mail address.
    Email,
    /// The same value for everybody.
    Constant(Value),
}

words! {
    /// Where a claim goes to.
    ClaimTarget ("claim target") {
        /// Access tokens (RFC 9068 §2.2).
        AccessToken = "access_token",
        /// ID tokens (OpenID Connect Core §2).
        IdToken = "id_token",
        /// The answer of the UserInfo endpoint (OpenID Connect Core §5.3).
        Userinfo = "userinfo",
    }
}

/// Longest claim name in bytes.
pub const MAX_NAME_BYTES: usize = 100;
/// Longest constant as JSON, in bytes: it travels with every request.
pub const MAX_CONSTANT_BYTES: usize = 1024;

/// Claims that this server decides itself (RFC 7519 §4.1, RFC 9068 §2.2, RFC 7662 §2.2, RFC 7800 §3.1,
/// RFC 8693 §4, OpenID Connect Core §2): a rule must not overwrite them.
pub const RESERVED: [&str; 29] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "typ",
    "azp",
    "nonce",
    "auth_time",
    "acr",
    "amr",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "rv",
    "client_id",
    "scope",
    "cnf",
    "act",
    "may_act",
    "events",
    "active",
    "token_type",
    "username",
    "sub_jwk",
    "sub_id",
];

/// Whether `name` can be the name of an added claim. The error is a sentence that names the fix.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err("A claim name must have 1 to 100 bytes.");
    }
    if !name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')) {
        return Err("A claim name must consist of printable ASCII without spaces, quotes and backslashes.");
    }
    // A name that differs in case only would be read as the real one by lenient parsers.
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err("The server sets this claim itself. Choose another claim name.");
    }
    Ok(())
}

/// The rule as it stands in JSON and in files.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainRule {
    claim: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(default = "access_token_only")]
    into: Vec<ClaimTarget>,
}

impl TryFrom<PlainRule> for ClaimRule {
    type Error = &'static str;

    fn try_from(plain: PlainRule) -> Result<Self, Self::Error> {
        check_name(&plain.claim)?;
        let source = match (plain.from, plain.value) {
            (Some(from), None) => parse_source(&from)?,
            (None, Some(value)) => constant(value)?,
            _ => return Err("A claim rule needs either from or value. Give exactly one of them."),
        };
        if plain.into.is_empty() {
            return Err("A claim rule needs a target. Name access_token, id_token or userinfo in into.");
        }
        let mut into = plain.into;
        into.sort_unstable();
        into.dedup();
        Ok(Self { claim: plain.claim, source, into })
    }
}

impl From<ClaimRule> for PlainRule {
    fn from(rule: ClaimRule) -> Self {
        let (from, value) = match rule.source {
            ClaimSource::UserClaim(name) => (Some(format!("user.claims.{name}")), None),
            ClaimSource::UserRoles => (Some("user.roles".to_owned()), None),
            ClaimSource::Username => (Some("user.username".to_owned()), None),
            ClaimSource::Email => (Some("user.email".to_owned()), None),
            ClaimSource::Constant(value) => (None, Some(value)),
        };
        Self { claim: rule.claim, from, value, into: rule.into }
    }
}

fn access_token_only() -> Vec<ClaimTarget> {
    vec![ClaimTarget::AccessToken]
}

fn parse_source(from: &str) -> Result<ClaimSource, &'static str> {
    match from {
        "user.roles" => Ok(ClaimSource::UserRoles),
        "user.username" => Ok(ClaimSource::Username),
        "user.email" => Ok(ClaimSource::Email),
        _ => match from.strip_prefix("user.claims.") {
            Some(name) if !name.is_empty() && name.len() <= MAX_NAME_BYTES => {
                Ok(ClaimSource::UserClaim(name.to_owned()))
            }
            _ => Err(
                "This source is not known. Use user.claims.NAME, user.roles, user.username or user.email.",
            ),
        },
    }
}

fn constant(value: Value) -> Result<ClaimSource, &'static str> {
    if value.to_string().len() > MAX_CONSTANT_BYTES {
        return Err("The constant of a claim rule must be at most 1024 bytes of JSON.");
    }
    Ok(ClaimSource::Constant(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ClaimRule, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn rules_are_plain_data() {
        let rule =
            read(r#"{"claim":"department","from":"user.claims.department","into":["userinfo","id_token"]}"#);
        let rule = rule.unwrap();
        assert_eq!(rule.source, ClaimSource::UserClaim("department".to_owned()));
        assert_eq!(rule.into, [ClaimTarget::IdToken, ClaimTarget::Userinfo]);
        let constant = read(r#"{"claim":"https://example.com/tier","value":{"level":3}}"#).unwrap();
        assert_eq!(constant.into, [ClaimTarget::AccessToken]);
        for rule in [rule, constant] {
            assert_eq!(read(&serde_json::to_string(&rule).unwrap()).unwrap(), rule);
        }
    }

    #[test]
    fn no_rule_overwrites_what_the_server_decides() {
        for name in RESERVED.iter().map(|name| (*name).to_owned()).chain(["ISS".to_owned(), "Sub".to_owned()])
        {
            assert!(read(&format!(r#"{{"claim":"{name}","value":1}}"#)).is_err(), "{name}");
        }
    }

    #[test]
    fn broken_rules_are_refused() {
        let long = format!(r#"{{"claim":"a","value":"{}"}}"#, "x".repeat(MAX_CONSTANT_BYTES));
        for bad in [
            r#"{"claim":"a"}"#,
            r#"{"claim":"a","value":1,"from":"user.roles"}"#,
            r#"{"claim":"a","value":null}"#,
            r#"{"claim":"a","from":"user.password_hash"}"#,
            r#"{"claim":"a","from":"user.claims."}"#,
            r#"{"claim":"a","value":1,"into":[]}"#,
            r#"{"claim":"a","value":1,"into":["jwks"]}"#,
            r#"{"claim":"","value":1}"#,
            r#"{"claim":"a b","value":1}"#,
            r#"{"claim":"a","value":1,"when":"always"}"#,
            &long,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
