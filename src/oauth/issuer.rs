//! The issuer identifier (RFC 8414 §2, OpenID Connect Discovery §3): one string, compared byte for byte.

use super::uri;

/// A checked issuer: `https`, or `http` on a loopback host; no query, no fragment, no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    origin: String,
}

impl Issuer {
    /// Checks an issuer. The error is a sentence that names the fix.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = uri::check_web(text)?;
        if text.contains('?') {
            return Err("The issuer must not have a query. Remove the ? and what follows.");
        }
        if text.ends_with('/') {
            return Err("The issuer must not end with a slash. Remove it.");
        }
        let origin = url.origin().ascii_serialization();
        // Browsers leave the default port out, and so must what they are compared with.
        if !text.starts_with(&origin) || text.get(origin.len()..).is_some_and(|path| path.starts_with(':')) {
            return Err("The issuer must not name the default port of its scheme. Remove it.");
        }
        Ok(Self { text: text.to_owned(), origin })
    }

    /// The issuer as it stands in `iss`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port as browsers send them in `Origin`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The path of the issuer, empty for most.
    pub fn path(&self) -> &str {
        self.text.get(self.origin.len()..).unwrap_or_default()
    }

    /// The address of an endpoint below the issuer; `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Whether cookies can be `Secure` and `__Host-`.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }
}

impl std::fmt::Display for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl serde::Serialize for Issuer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for Issuer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_issuer() {
        let issuer = Issuer::parse("https://id.example.com:8443/tenant").unwrap();
        assert_eq!(issuer.origin(), "https://id.example.com:8443");
        assert_eq!(issuer.path(), "/tenant");
        assert_eq!(issuer.url("/token"), "https://id.example.com:8443/tenant/token");
        assert!(issuer.is_https());
        let local = Issuer::parse("http://localhost:8080").unwrap();
        assert_eq!((local.origin(), local.path()), ("http://localhost:8080", ""));
        assert!(!local.is_https());
    }

    #[test]
    fn what_is_no_issuer() {
        for bad in [
            "",
            "id.example.com",
            "https://id.example.com/",
            "https://id.example.com/a/",
            "https://id.example.com?x",
            "https://id.example.com#x",
            "https://u@id.example.com",
            "http://id.example.com",
            "https://ID.example.com",
            "https://id.example.com:443",
            "http://localhost:80",
            "https://id.example.com/a/../b",
            "ftp://localhost",
            "https://id.example.com ",
            "http://localhost.evil.example",
        ] {
            assert!(Issuer::parse(bad).is_err(), "{bad}");
        }
    }
}
