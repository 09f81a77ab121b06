//! The metadata document of a protected resource (RFC 9728).

use serde_json::{Map, Value, json};

/// What a resource says about itself, so that clients find its authorization server.
#[derive(Clone, Debug)]
#[must_use]
pub struct ResourceMetadata(Map<String, Value>);

impl ResourceMetadata {
    /// A resource by its identifier, an `https` URL (RFC 9728 §1.2), and its authorization server. Tokens are taken
    /// from the `Authorization` header only (RFC 6750 §2.1).
    pub fn new(resource: &str, issuer: &str) -> Self {
        Self(Map::from_iter([
            ("resource".to_owned(), json!(resource)),
            ("authorization_servers".to_owned(), json!([issuer])),
            ("bearer_methods_supported".to_owned(), json!(["header"])),
        ]))
    }

    /// The scopes that routes of this resource ask for.
    pub fn scopes(self, scopes: &[&str]) -> Self {
        self.with("scopes_supported", json!(scopes))
    }

    /// A name for people.
    pub fn name(self, name: &str) -> Self {
        self.with("resource_name", json!(name))
    }

    /// A page for developers.
    pub fn documentation(self, url: &str) -> Self {
        self.with("resource_documentation", json!(url))
    }

    /// Any other member of RFC 9728 §2.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// The document, to be served as `application/json` (RFC 9728 §3.2) at [`path`].
    #[must_use]
    pub fn document(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// The path of the document for a resource: the well-known part stands between the host and the path of the resource
/// (RFC 9728 §3.1). `None` where the identifier is no absolute URL.
#[must_use]
pub fn path(resource: &str) -> Option<String> {
    let (_, rest) = resource.split_once("://")?;
    let rest = rest.split(['#', '?']).next().unwrap_or_default();
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
    Some(format!("/.well-known/oauth-protected-resource{}", path.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_part_stands_before_the_path() {
        for (resource, expected) in [
            ("https://api.example", "/.well-known/oauth-protected-resource"),
            ("https://api.example/", "/.well-known/oauth-protected-resource"),
            ("https://api.example/v1", "/.well-known/oauth-protected-resource/v1"),
            ("https://api.example/v1/?q=/x", "/.well-known/oauth-protected-resource/v1"),
        ] {
            assert_eq!(path(resource).as_deref(), Some(expected));
        }
        assert_eq!(path("api"), None);
    }

    #[test]
    fn the_document_names_the_resource_and_who_issues_for_it() {
        let document = ResourceMetadata::new("https://api.example", "https://as.example").scopes(&["read"]);
        assert_eq!(
            document.document(),
            json!({
                "resource": "https://api.example",
                "authorization_servers": ["https://as.example"],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["read"],
            })
        );
    }
}
