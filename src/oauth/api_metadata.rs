//! What an operator says about an API: a resource server, known by the audience of its access tokens (RFC 8707 §2,
//! RFC 9068 §2.2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::claims::{self, ClaimRule, ClaimTarget};
use super::client_metadata::MetadataProblem;
use super::client_rules::{
    MAX_ACCESS_TOKEN_SECONDS, MAX_AUDIENCE_BYTES, MAX_CLAIM_RULES, MIN_TOKEN_SECONDS, SIGNING_ALGORITHMS,
    are_distinct, require,
};
use super::scope::{self, Scope};

/// Most scope values of one API.
const MAX_SCOPES: usize = 100;
/// Longest name in characters.
const MAX_NAME: usize = 100;
/// Longest description of a scope in characters.
const MAX_DESCRIPTION: usize = 200;
/// Scope values that begin so are this server's own.
const OWN_PREFIX: &str = "signet:";
/// Scope values that mean something at this server, whichever API a token is for.
const OWN_SCOPES: [&str; 6] =
    [scope::OPENID, scope::PROFILE, scope::EMAIL, scope::ADDRESS, scope::PHONE, scope::OFFLINE_ACCESS];

words! {
    /// What access tokens look like.
    AccessTokenFormat ("access token format") {
        /// A JWT, which everybody can read and the API verifies by itself (RFC 9068).
        Jwt = "jwt",
        /// A text that nobody but this server can read; the API asks about it (RFC 7662).
        Opaque = "opaque",
    }
}

/// Everything an operator says about an API, besides its audience. Absent fields take their defaults, unknown ones are
/// refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiMetadata {
    /// The name that operators and users see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The scope values that are this API's: tokens for other APIs do not carry them, unless those list them too.
    pub scopes: Vec<String>,
    /// What a scope of these allows, in plain words for the person who is asked.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub scope_descriptions: BTreeMap<String, String>,
    /// What its access tokens look like. Default: `jwt`.
    pub access_token_format: AccessTokenFormat,
    /// The algorithm of its JWTs. Default: the client's, else the deployment's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_alg: Option<String>,
    /// The longest lifetime of its access tokens in seconds; the client's or the server's own may be shorter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<u64>,
    /// Extra claims of its access tokens, beside those of the client.
    pub claims: Vec<ClaimRule>,
    /// Whether clients that registered themselves may ask for it (RFC 7591, Client ID Metadata Documents).
    pub dynamic: bool,
}

impl Default for ApiMetadata {
    fn default() -> Self {
        Self {
            name: None,
            scopes: Vec::new(),
            scope_descriptions: BTreeMap::new(),
            access_token_format: AccessTokenFormat::Jwt,
            signing_alg: None,
            access_token_lifetime: None,
            claims: Vec::new(),
            dynamic: false,
        }
    }
}

impl ApiMetadata {
    /// Reads and validates metadata from JSON.
    ///
    /// # Errors
    /// The first member that cannot be; the message names the fix.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, MetadataProblem> {
        let metadata: Self = Deserialize::deserialize(json).map_err(|error: serde_json::Error| {
            MetadataProblem::new("api", format!("The API's metadata cannot be read: {error}."))
        })?;
        metadata.validate()?;
        Ok(metadata)
    }

    /// Checks bounds and how the fields fit together.
    ///
    /// # Errors
    /// The first member that cannot be; the message names the fix.
    pub fn validate(&self) -> Result<(), MetadataProblem> {
        let named = self.name.as_ref().is_none_or(|name| is_plain(name, MAX_NAME));
        require(named, "name", "A name has 1 to 100 characters and no control characters.")?;
        self.check_scopes()?;
        let known = self.signing_alg.as_deref().is_none_or(|name| SIGNING_ALGORITHMS.contains(&name));
        require(known, "signing_alg", "Use one of RS256, ES256, PS256 and EdDSA.")?;
        let unsigned = self.access_token_format == AccessTokenFormat::Opaque && self.signing_alg.is_some();
        require(!unsigned, "signing_alg", "Opaque tokens are not signed. Remove signing_alg, or use jwt.")?;
        let within = |seconds| (MIN_TOKEN_SECONDS..=MAX_ACCESS_TOKEN_SECONDS).contains(&seconds);
        require(
            self.access_token_lifetime.is_none_or(within),
            "access_token_lifetime",
            "Access tokens live 30 to 900 seconds.",
        )?;
        self.check_claims()
    }

    fn check_scopes(&self) -> Result<(), MetadataProblem> {
        const FIELD: &str = "scopes";
        require(self.scopes.len() <= MAX_SCOPES, FIELD, "List at most 100 scopes.")?;
        require(are_distinct(&self.scopes), FIELD, "A scope is listed twice. List each once.")?;
        let sound = |value: &String| Scope::parse(value).is_ok_and(|scope| scope.len() == 1);
        require(
            self.scopes.iter().all(sound),
            FIELD,
            "A scope is one word of printable ASCII. List each by itself.",
        )?;
        let own = |value: &String| OWN_SCOPES.contains(&value.as_str()) || value.starts_with(OWN_PREFIX);
        require(
            !self.scopes.iter().any(own),
            FIELD,
            "The scopes of OpenID Connect and those that begin with signet: are this server's. Choose others.",
        )?;
        self.check_descriptions()
    }

    fn check_descriptions(&self) -> Result<(), MetadataProblem> {
        const FIELD: &str = "scope_descriptions";
        require(
            self.scope_descriptions.keys().all(|scope| self.scopes.contains(scope)),
            FIELD,
            "Describe only what scopes lists. Remove the others, or list them.",
        )?;
        require(
            self.scope_descriptions.values().all(|words| is_plain(words, MAX_DESCRIPTION)),
            FIELD,
            "A description has 1 to 200 characters and no control characters.",
        )
    }

    fn check_claims(&self) -> Result<(), MetadataProblem> {
        const FIELD: &str = "claims";
        require(self.claims.len() <= MAX_CLAIM_RULES, FIELD, "Give at most 50 claim rules.")?;
        for rule in &self.claims {
            claims::check_name(&rule.claim)
                .map_err(|problem| MetadataProblem::quoting(FIELD, &rule.claim, problem))?;
        }
        let names: Vec<_> = self.claims.iter().map(|rule| rule.claim.as_str()).collect();
        require(are_distinct(&names), FIELD, "Two rules set the same claim. Remove one.")?;
        require(
            self.claims.iter().all(|rule| rule.into == [ClaimTarget::AccessToken]),
            FIELD,
            "An API's claims go into access tokens. Leave into out.",
        )
    }
}

/// Whether a text for people is not empty, no longer than `most` characters, and shows all that it holds.
fn is_plain(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Whether a text can be an API's audience: what stands in `aud`, compared byte for byte. An absolute URI is what
/// `resource` can name (RFC 8707 §2); others can only be what a client gets without asking.
///
/// # Errors
/// A sentence that names the fix.
pub fn check_audience(audience: &str) -> Result<(), MetadataProblem> {
    let sound = (1..=MAX_AUDIENCE_BYTES).contains(&audience.len())
        && audience.bytes().all(|byte| byte.is_ascii_graphic());
    require(sound, "audience", "An audience must be 1 to 255 printable ASCII characters without spaces.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_said_is_a_jwt_that_only_operators_clients_get() {
        let api = ApiMetadata::from_json(&json!({})).unwrap();
        assert_eq!(api, ApiMetadata::default());
        assert!(api.access_token_format == AccessTokenFormat::Jwt && !api.dynamic);
    }

    #[test]
    fn what_was_said_reads_back() {
        let json = json!({
            "name": "Orders", "scopes": ["read", "orders:write"], "access_token_format": "opaque",
            "scope_descriptions": { "orders:write": "Change your orders" },
            "access_token_lifetime": 60, "claims": [{ "claim": "tenant", "value": "acme" }], "dynamic": true,
        });
        let api = ApiMetadata::from_json(&json).unwrap();
        assert_eq!(ApiMetadata::from_json(&serde_json::to_value(&api).unwrap()).unwrap(), api);
    }

    #[test]
    fn what_cannot_be_is_refused_by_field() {
        let long = "x".repeat(101);
        for (field, bad) in [
            ("name", json!({ "name": "" })),
            ("name", json!({ "name": long })),
            ("name", json!({ "name": "a\nb" })),
            ("scopes", json!({ "scopes": ["read", "read"] })),
            ("scopes", json!({ "scopes": ["read write"] })),
            ("scopes", json!({ "scopes": [""] })),
            ("scopes", json!({ "scopes": ["openid"] })),
            ("scopes", json!({ "scopes": ["signet:admin"] })),
            ("scope_descriptions", json!({ "scope_descriptions": { "read": "Read" } })),
            ("scope_descriptions", json!({ "scopes": ["read"], "scope_descriptions": { "read": "" } })),
            ("scope_descriptions", json!({ "scopes": ["read"], "scope_descriptions": { "read": "a\nb" } })),
            (
                "scope_descriptions",
                json!({ "scopes": ["read"], "scope_descriptions": { "read": "x".repeat(201) } }),
            ),
            ("signing_alg", json!({ "signing_alg": "HS256" })),
            ("signing_alg", json!({ "signing_alg": "none" })),
            ("signing_alg", json!({ "signing_alg": "ES256", "access_token_format": "opaque" })),
            ("access_token_lifetime", json!({ "access_token_lifetime": 29 })),
            ("access_token_lifetime", json!({ "access_token_lifetime": 901 })),
            ("claims", json!({ "claims": [{ "claim": "a", "value": 1 }, { "claim": "a", "value": 2 }] })),
            ("claims", json!({ "claims": [{ "claim": "a", "value": 1, "into": ["id_token"] }] })),
            ("api", json!({ "claims": [{ "claim": "sub", "value": 1 }] })),
            ("api", json!({ "format": "opaque" })),
            ("api", json!({ "access_token_format": "paseto" })),
        ] {
            assert_eq!(ApiMetadata::from_json(&bad).unwrap_err().field, field, "{bad}");
        }
    }

    #[test]
    fn an_audience_is_printable() {
        for good in ["https://api.example.com", "urn:example:api", "api", &"a".repeat(255)] {
            assert!(check_audience(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "ä", "a\0", &"a".repeat(256)] {
            assert!(check_audience(bad).is_err(), "{bad}");
        }
    }
}
