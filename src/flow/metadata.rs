//! Discovery (RFC 8414, OpenID Connect Discovery): everything advertised works, everything else refuses (S-115).

use serde_json::{Map, Value, json};

use super::policy::{Policy, RegistrationMode};
use crate::oauth::acr;
use crate::oauth::algorithm::Algorithm;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::client_rules::SIGNING_ALGORITHMS;
use crate::oauth::grant_type::GrantType;
use crate::oauth::response_type::ResponseType;
use crate::oauth::scope::{ADDRESS, EMAIL, OFFLINE_ACCESS, OPENID, PHONE, PROFILE};
use crate::oauth::standard_claims::BY_SCOPE;

/// The claims about a sign-in and its token that a client may meet; beside them those about the user, and those of the
/// client's own rules.
const CLAIMS: [&str; 13] = [
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "sid",
    "at_hash",
    "c_hash",
];

/// Where the configuration of the revocation feed is (docs/revocation-feed.md §4).
const FEED: &str = "/.well-known/revocation-configuration";

/// The discovery document. `signing` lists the algorithms that keys exist for.
pub fn document(policy: &Policy, signing: &[Algorithm]) -> Value {
    let mut algorithms: Vec<&str> = signing.iter().map(|algorithm| algorithm.as_str()).collect();
    algorithms.sort_unstable();
    let mut document = Map::new();
    for part in [
        endpoints(policy),
        requests(policy),
        client_authentication(),
        tokens_and_claims(&algorithms),
        logout(),
    ] {
        if let Value::Object(members) = part {
            document.extend(members);
        }
    }
    document.extend(optional(policy));
    Value::Object(document)
}

fn endpoints(policy: &Policy) -> Value {
    let issuer = &policy.issuer;
    json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.url("/authorize"),
        "token_endpoint": issuer.url("/token"),
        "jwks_uri": issuer.url("/.well-known/jwks.json"),
        "userinfo_endpoint": issuer.url("/userinfo"),
        "revocation_endpoint": issuer.url("/revoke"),
        "introspection_endpoint": issuer.url("/introspect"),
        "end_session_endpoint": issuer.url("/end_session"),
    })
}

/// What the authorization endpoint takes. Request objects are never unsigned, so `none` is not listed.
fn requests(policy: &Policy) -> Value {
    let legacy = policy.legacy_response_types;
    let modes = if legacy { &["query", "form_post", "fragment"][..] } else { &["query", "form_post"] };
    json!({
        "response_types_supported": ResponseType::offered(legacy),
        "response_modes_supported": modes,
        "grant_types_supported": GrantType::offered(legacy).collect::<Vec<_>>(),
        "scopes_supported": [OPENID, PROFILE, EMAIL, ADDRESS, PHONE, OFFLINE_ACCESS],
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "display_values_supported": ["page", "popup", "touch", "wap"],
        "ui_locales_supported": ["en"],
        "acr_values_supported": acr::SUPPORTED,
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": true,
        "request_object_signing_alg_values_supported": SIGNING_ALGORITHMS,
    })
}

fn client_authentication() -> Value {
    let with_proof: Vec<_> = AuthMethod::ALL.iter().filter(|method| !method.is_public()).collect();
    // HS256 for client_secret_jwt; the rest for private_key_jwt.
    let algorithms: Vec<_> = SIGNING_ALGORITHMS.into_iter().chain(["HS256"]).collect();
    json!({
        "token_endpoint_auth_methods_supported": AuthMethod::ALL,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": AuthMethod::ALL,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": with_proof,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
    })
}

fn tokens_and_claims(algorithms: &[&str]) -> Value {
    let about_the_user = BY_SCOPE.into_iter().flat_map(|(_, claims)| claims.iter().copied());
    let claims: Vec<_> = CLAIMS.into_iter().chain(about_the_user).collect();
    json!({
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": algorithms,
        "userinfo_signing_alg_values_supported": algorithms,
        "claims_supported": claims,
        "claim_types_supported": ["normal"],
    })
}

/// OpenID Connect Back-Channel Logout §2.1 and Front-Channel Logout §3.
fn logout() -> Value {
    json!({
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
    })
}

/// What is there in some deployments only.
fn optional(policy: &Policy) -> impl Iterator<Item = (String, Value)> {
    let issuer = &policy.issuer;
    let registers = policy.registration.mode != RegistrationMode::Off;
    let documents = policy.registration.metadata_documents;
    [
        ("registration_endpoint", registers.then(|| json!(issuer.url("/register")))),
        ("client_id_metadata_document_supported", documents.then_some(Value::Bool(true))),
        // A member of our own: clients ignore what they do not know (RFC 8414 §2).
        ("revocation_configuration_endpoint", policy.revocation.enabled.then(|| json!(issuer.url(FEED)))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
}
