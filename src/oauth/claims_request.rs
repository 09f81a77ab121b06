//! The `claims` parameter (OpenID Connect Core §5.5): claims asked for by name, beside those that a scope opens.
//!
//! What is unknown is ignored, as the specification wants it; what cannot be read at all is refused.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use signet_verify::jose::strict_json;

use super::acr;
use super::standard_claims::scope_of;

/// Longest parameter in bytes.
pub const MAX_BYTES: usize = 8 * 1024;
/// Most claims asked for, the unknown ones among them.
pub const MAX_CLAIMS: usize = 100;
/// Most values asked for of one claim.
const MAX_VALUES: usize = 20;
/// Before a claim's name, what a consent to that claim alone is remembered by, in the manner of a scope.
pub const CONSENT_PREFIX: &str = "claim:";

/// Claims by name, with what is said of each.
pub type Wanted = BTreeMap<String, Wish>;

/// What is said of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `essential`.
    pub essential: bool,
    /// `value`, or `values`; any will do where empty.
    pub values: Vec<Value>,
}

/// A request for claims by name. Of the claims about the user only those of the standard are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    /// For the answer of the UserInfo endpoint.
    pub userinfo: Wanted,
    /// For the ID token.
    pub id_token: Wanted,
}

impl ClaimsRequest {
    /// Reads the parameter. The error is a sentence for `error_description`.
    ///
    /// # Errors
    /// Too long, too many, or no JSON object of objects.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > MAX_BYTES {
            return Err("The claims parameter is longer than 8192 bytes. Ask for less.");
        }
        Self::read(text)
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        let object = strict_json::object(text.as_bytes())
            .ok_or("The claims parameter is not a JSON object, or names a member twice.")?;
        let mut left = MAX_CLAIMS;
        let userinfo = wanted(object.get("userinfo"), &mut left)?;
        let id_token = wanted(object.get("id_token"), &mut left)?;
        Ok(Self { userinfo, id_token })
    }

    /// What was granted, as it is stored; nothing where nothing is, or where another version wrote it.
    pub fn stored(text: Option<&str>) -> Self {
        text.and_then(|text| Self::read(text).ok()).unwrap_or_default()
    }

    /// How it is stored; `None` where nothing is asked for.
    pub fn to_json(&self) -> Option<String> {
        let asked = [("userinfo", &self.userinfo), ("id_token", &self.id_token)];
        let members: Map<_, _> = asked
            .into_iter()
            .filter(|(_, wanted)| !wanted.is_empty())
            .map(|(name, wanted)| (name.to_owned(), json!(wanted)))
            .collect();
        (!members.is_empty()).then(|| Value::Object(members).to_string())
    }

    /// Leaves out the claims about the user that `may_have` does not allow.
    pub fn restrict(&mut self, may_have: impl Fn(&str) -> bool) {
        let keep = |name: &String| scope_of(name).is_none() || may_have(name);
        self.userinfo.retain(|name, _| keep(name));
        self.id_token.retain(|name, _| keep(name));
    }

    /// The claims about the user, each once.
    pub fn about_the_user(&self) -> impl Iterator<Item = &str> {
        let more = self.id_token.keys().filter(|name| !self.userinfo.contains_key(*name));
        self.userinfo.keys().chain(more).map(String::as_str).filter(|name| scope_of(name).is_some())
    }

    /// Whom the request is about, where it says so: it acts like `id_token_hint` (OpenID Connect Core §5.5.1).
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        [&self.id_token, &self.userinfo].into_iter().filter_map(|wanted| {
            match wanted.get("sub")?.values.as_slice() {
                [one] => one.as_str(),
                _ => None,
            }
        })
    }

    /// Whether an essential `acr` is asked for that no sign-in here reaches (OpenID Connect Core §5.5.1.1).
    pub fn wants_unreachable_acr(&self) -> bool {
        let wish = self.id_token.get("acr").filter(|wish| wish.essential && !wish.values.is_empty());
        wish.is_some_and(|wish| {
            !wish.values.iter().filter_map(Value::as_str).any(|value| acr::SUPPORTED.contains(&value))
        })
    }
}

/// One member of the parameter: `null` for a claim stands for no particular wish.
fn wanted(member: Option<&Value>, left: &mut usize) -> Result<Wanted, &'static str> {
    const MALFORMED: &str = "The members userinfo and id_token of the claims parameter must be objects.";
    let claims = match member {
        None | Some(Value::Null) => return Ok(Wanted::new()),
        Some(member) => member.as_object().ok_or(MALFORMED)?,
    };
    *left = left
        .checked_sub(claims.len())
        .ok_or("The claims parameter names more than 100 claims. Ask for fewer.")?;
    let known = claims.iter().filter(|(name, _)| is_known(name));
    known.map(|(name, said)| Ok((name.clone(), wish(said)?))).collect()
}

/// Claims of the standard, and those about the sign-in that a client may ask something of.
fn is_known(name: &str) -> bool {
    matches!(name, "sub" | "acr" | "auth_time") || scope_of(name).is_some()
}

fn wish(said: &Value) -> Result<Wish, &'static str> {
    const MALFORMED: &str = "What the claims parameter says of a claim must be null, or an object with essential, value or values.";
    let Some(members) = said.as_object() else {
        return if said.is_null() { Ok(Wish::default()) } else { Err(MALFORMED) };
    };
    let essential = members.get("essential").map_or(Some(false), Value::as_bool).ok_or(MALFORMED)?;
    let values = match (members.get("value"), members.get("values")) {
        (Some(value), None) => vec![value.clone()],
        (None, Some(values)) => values.as_array().ok_or(MALFORMED)?.clone(),
        (None, None) => Vec::new(),
        (Some(_), Some(_)) => return Err(MALFORMED),
    };
    let plain = values.iter().all(|value| !value.is_array() && !value.is_object());
    if values.len() > MAX_VALUES || !plain {
        return Err("A claim can be asked for with at most 20 values, none of them an array or object.");
    }
    Ok(Wish { essential, values })
}

impl Serialize for Wish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Map::new();
        if self.essential {
            members.insert("essential".to_owned(), Value::Bool(true));
        }
        match self.values.as_slice() {
            [] => {}
            [one] => members.extend([("value".to_owned(), one.clone())]),
            many => members.extend([("values".to_owned(), Value::from(many.to_vec()))]),
        }
        if members.is_empty() { serializer.serialize_unit() } else { members.serialize(serializer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of OpenID Connect Core §5.5.
    const EXAMPLE: &str = r#"{
        "userinfo": {
            "given_name": {"essential": true},
            "nickname": null,
            "email": {"essential": true},
            "email_verified": {"essential": true},
            "picture": null,
            "http://example.info/claims/groups": null
        },
        "id_token": {
            "auth_time": {"essential": true},
            "acr": {"values": ["urn:mace:incommon:iap:silver"]}
        }
    }"#;

    #[test]
    fn the_example_of_the_specification_is_read() {
        let request = ClaimsRequest::parse(EXAMPLE).unwrap();
        let names: Vec<_> = request.about_the_user().collect();
        assert_eq!(names, ["email", "email_verified", "given_name", "nickname", "picture"]);
        assert!(request.userinfo["given_name"].essential && !request.userinfo["nickname"].essential);
        assert!(request.id_token["auth_time"].essential);
        assert!(!request.wants_unreachable_acr(), "voluntary");
        assert_eq!(ClaimsRequest::parse(&request.to_json().unwrap()).unwrap(), request);
    }

    #[test]
    fn an_essential_acr_is_met_or_not() {
        let unreachable = |acr: &str| {
            ClaimsRequest::parse(&format!(r#"{{"id_token":{{"acr":{acr}}}}}"#))
                .unwrap()
                .wants_unreachable_acr()
        };
        for met in [
            "null",
            r#"{"essential":true}"#,
            r#"{"essential":true,"value":"1"}"#,
            r#"{"essential":true,"values":["2","1"]}"#,
            r#"{"value":"2"}"#,
            r#"{"essential":false,"value":"2"}"#,
        ] {
            assert!(!unreachable(met), "{met}");
        }
        for unmet in [r#"{"essential":true,"value":"2"}"#, r#"{"essential":true,"values":["2",1]}"#] {
            assert!(unreachable(unmet), "{unmet}");
        }
    }

    #[test]
    fn a_subject_is_named_by_one_value() {
        let subjects = |text: &str| -> Vec<String> {
            ClaimsRequest::parse(text).unwrap().subjects().map(str::to_owned).collect()
        };
        assert_eq!(
            subjects(r#"{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}"#),
            ["a", "b"]
        );
        assert!(subjects(r#"{"id_token":{"sub":null},"userinfo":{"sub":{"essential":true}}}"#).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_what_is_unknown_ignored() {
        for bad in [
            "",
            "null",
            "[]",
            "\"x\"",
            "{",
            r#"{"userinfo":[]}"#,
            r#"{"userinfo":{"name":true}}"#,
            r#"{"userinfo":{"name":{"essential":"yes"}}}"#,
            r#"{"userinfo":{"name":{"value":1,"values":[1]}}}"#,
            r#"{"userinfo":{"name":{"values":1}}}"#,
            r#"{"userinfo":{"name":{"value":{}}}}"#,
            r#"{"userinfo":{"name":null,"name":null}}"#,
        ] {
            assert!(ClaimsRequest::parse(bad).is_err(), "{bad}");
        }
        for empty in [
            "{}",
            r#"{"userinfo":null}"#,
            r#"{"saml":{"x":1}}"#,
            r#"{"userinfo":{"shoe_size":5,"name#de":null}}"#,
        ] {
            let request = ClaimsRequest::parse(empty).unwrap();
            assert_eq!((request.to_json(), request), (None, ClaimsRequest::default()), "{empty}");
        }
        let extra = r#"{"userinfo":{"name":{"essential":true,"purpose":"x"}}}"#;
        assert!(ClaimsRequest::parse(extra).unwrap().userinfo["name"].essential);
    }

    #[test]
    fn bounds_hold_at_the_edge() {
        let claims = |n: usize| {
            let names: Vec<_> = (0..n).map(|i| format!("\"c{i}\":null")).collect();
            format!("{{\"userinfo\":{{{}}}}}", names.join(","))
        };
        assert!(ClaimsRequest::parse(&claims(MAX_CLAIMS)).is_ok());
        assert!(ClaimsRequest::parse(&claims(MAX_CLAIMS + 1)).is_err());
        let padded = |n: usize| format!("{{}}{}", " ".repeat(n));
        assert!(ClaimsRequest::parse(&padded(MAX_BYTES - 2)).is_ok());
        assert!(ClaimsRequest::parse(&padded(MAX_BYTES - 1)).is_err());
        let deep = format!("{{\"userinfo\":{}1{}}}", "{\"a\":".repeat(1000), "}".repeat(1000));
        assert!(ClaimsRequest::parse(&deep).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_reads_back(text in ".*") {
            if let Ok(request) = ClaimsRequest::parse(&text) {
                prop_assert_eq!(ClaimsRequest::stored(request.to_json().as_deref()), request);
            }
        }

        #[test]
        fn what_is_asked_for_is_kept(
            names in proptest::collection::btree_set("name|email|acr|sub|address|unknown_[a-c]", 0..6),
            essential: bool,
            values in proptest::collection::vec("[a-z]{0,4}", 0..4),
        ) {
            let said = json!({ "essential": essential, "values": values });
            let members: Map<_, _> = names.iter().map(|name| (name.clone(), said.clone())).collect();
            let text = json!({ "id_token": members, "userinfo": members }).to_string();
            let request = ClaimsRequest::parse(&text).unwrap();
            let known = names.iter().filter(|name| !name.starts_with("unknown")).count();
            prop_assert_eq!(request.userinfo.len(), known);
            prop_assert_eq!(ClaimsRequest::stored(request.to_json().as_deref()), request);
        }
    }
}
