//! Discovery (RFC 8414, OpenID Connect Discovery): everything advertised works, everything else refuses (S-115).

use serde_json::{Value, json};

use super::policy::Policy;
use crate::oauth::algorithm::Algorithm;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::grant_type::GrantType;
use crate::oauth::response_type::ResponseType;
use crate::oauth::scope::{ADDRESS, EMAIL, OFFLINE_ACCESS, OPENID, PHONE, PROFILE};

/// The claims a client may meet beside those of its own rules.
const CLAIMS: [&str; 26] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "amr",
    "azp",
    "sid",
    "at_hash",
    "name",
    "family_name",
    "given_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "picture",
    "locale",
    "zoneinfo",
    "email",
    "email_verified",
    "address",
    "phone_number",
    "phone_number_verified",
    "updated_at",
];

/// Where the configuration of the revocation feed is (docs/revocation-feed.md §4).
const FEED: &str = "/.well-known/revocation-configuration";

/// The discovery document. `signing` lists the algorithms that keys exist for.
pub fn document(policy: &Policy, signing: &[Algorithm]) -> Value {
    let issuer = &policy.issuer;
    let mut algorithms: Vec<&str> = signing.iter().map(|algorithm| algorithm.as_str()).collect();
    algorithms.sort_unstable();
    let mut document = members(policy, &algorithms);
    if policy.revocation.enabled
        && let Some(members) = document.as_object_mut()
    {
        // A member of our own: clients ignore what they do not know (RFC 8414 §2).
        members.insert("revocation_configuration_endpoint".to_owned(), json!(issuer.url(FEED)));
    }
    document
}

fn members(policy: &Policy, algorithms: &[&str]) -> Value {
    let issuer = &policy.issuer;
    let secret_methods: Vec<_> = AuthMethod::ALL.iter().filter(|method| !method.is_public()).collect();
    json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.url("/authorize"),
        "token_endpoint": issuer.url("/token"),
        "jwks_uri": issuer.url("/.well-known/jwks.json"),
        "userinfo_endpoint": issuer.url("/userinfo"),
        "revocation_endpoint": issuer.url("/revoke"),
        "introspection_endpoint": issuer.url("/introspect"),
        "response_types_supported": ResponseType::ALL,
        "response_modes_supported": ["query"],
        "grant_types_supported": GrantType::ALL,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "scopes_supported": [OPENID, PROFILE, EMAIL, ADDRESS, PHONE, OFFLINE_ACCESS],
        "claims_supported": CLAIMS,
        "claim_types_supported": ["normal"],
        "token_endpoint_auth_methods_supported": AuthMethod::ALL,
        "revocation_endpoint_auth_methods_supported": AuthMethod::ALL,
        "introspection_endpoint_auth_methods_supported": secret_methods,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "require_request_uri_registration": false,
        "ui_locales_supported": ["en"],
    })
}
