//! Where an issuer has what (OpenID Connect Discovery 1.0, RFC 8414).

use serde_json::{Map, Value};

use crate::fetch::{FetchError, Fetcher};
use crate::jose::strict_json;

/// The longest metadata document, in bytes.
const LONGEST: usize = 256 * 1024;

/// The endpoints of an issuer that a resource server uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provider {
    pub(crate) jwks_uri: Option<String>,
    pub(crate) introspection_endpoint: Option<String>,
    /// Whether the secret goes into the body, because the header is not among the methods (RFC 8414 §2).
    pub(crate) secret_in_body: bool,
}

/// Reads the metadata of an issuer: of OpenID Connect first, which most have, then of RFC 8414.
pub(crate) async fn discover(fetcher: &Fetcher, issuer: &str) -> Result<Provider, FetchError> {
    let mut failure = FetchError::Unreachable;
    for url in addresses(issuer) {
        match fetcher.get(&url, "application/json", LONGEST).await {
            Ok(answer) if (400..500).contains(&answer.status) => failure = FetchError::Status(answer.status),
            Ok(answer) => return read(answer.json()?, issuer),
            Err(error) => return Err(error),
        }
    }
    Err(failure)
}

fn addresses(issuer: &str) -> [String; 2] {
    // OpenID Connect Discovery §4, RFC 8414 §3.1: a slash at the end goes before anything is put in or appended.
    let base = issuer.trim_end_matches('/');
    let host_ends = base.find("://").and_then(|at| {
        let host = at.saturating_add(3);
        base.get(host..)?.find('/').map(|slash| host.saturating_add(slash))
    });
    let (origin, path) = base.split_at_checked(host_ends.unwrap_or(base.len())).unwrap_or((base, ""));
    [
        format!("{base}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
}

fn read(document: &[u8], issuer: &str) -> Result<Provider, FetchError> {
    let document =
        strict_json::object(document).ok_or(FetchError::Content("the metadata is no JSON object"))?;
    // RFC 8414 §3.3: another issuer could otherwise put its own keys in place of those meant.
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(FetchError::Content("the metadata is of another issuer"));
    }
    let methods = document.get("introspection_endpoint_auth_methods_supported").and_then(Value::as_array);
    let secret_in_body = methods.is_some_and(|methods| {
        let has = |name: &str| methods.iter().any(|method| method == name);
        has("client_secret_post") && !has("client_secret_basic")
    });
    Ok(Provider {
        jwks_uri: text(&document, "jwks_uri")?,
        introspection_endpoint: text(&document, "introspection_endpoint")?,
        secret_in_body,
    })
}

fn text(document: &Map<String, Value>, name: &str) -> Result<Option<String>, FetchError> {
    match document.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(FetchError::Content("an endpoint of the metadata is no string")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_well_known_part_is_appended_by_openid_and_put_in_by_rfc_8414() {
        for (issuer, openid, oauth) in [
            ("https://a", "https://a/.well-known/openid-configuration", ""),
            ("https://a/", "https://a/.well-known/openid-configuration", ""),
            ("https://a/t/1", "https://a/t/1/.well-known/openid-configuration", "/t/1"),
            ("https://a:8/t/", "https://a:8/t/.well-known/openid-configuration", "/t"),
        ] {
            let origin = if issuer.contains(":8") { "https://a:8" } else { "https://a" };
            let oauth = format!("{origin}/.well-known/oauth-authorization-server{oauth}");
            assert_eq!(addresses(issuer), [openid.to_owned(), oauth]);
        }
    }

    #[test]
    fn the_document_must_name_exactly_the_issuer() {
        let document = |issuer: &str| json!({"issuer": issuer, "jwks_uri": "https://a/k"}).to_string();
        assert!(read(document("https://a").as_bytes(), "https://a").is_ok());
        for other in ["https://a/", "https://A", "https://b", ""] {
            let refused = read(document(other).as_bytes(), "https://a");
            assert_eq!(refused, Err(FetchError::Content("the metadata is of another issuer")), "{other}");
        }
        assert!(read(br#"{"issuer":"https://b","issuer":"https://a"}"#, "https://a").is_err());
    }
}
