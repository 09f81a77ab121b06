//! What a client may say about itself, and what becomes of it (RFC 7591 §2).
//!
//! An allow-list: every other member is ignored, as the specification wants of unknown ones. So whatever this server adds
//! to the metadata stays the operator's until somebody writes it down here.

use serde_json::{Map, Value, json};

use super::client_metadata::{ClientMetadata, MetadataProblem, Profile};
use super::client_rules::require;
use super::error::ErrorCode;
use super::grant_type::GrantType;
use super::page;
use super::response_type::ResponseType;
use super::scope::Scope;

/// The members that a client may set, and that its registration is shown with.
const MEMBERS: [&str; 34] = [
    "client_name",
    "redirect_uris",
    "post_logout_redirect_uris",
    "grant_types",
    "response_types",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "jwks",
    "jwks_uri",
    "scope",
    "client_uri",
    "logo_uri",
    "policy_uri",
    "tos_uri",
    "contacts",
    "application_type",
    "subject_type",
    "sector_identifier_uri",
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "request_object_signing_alg",
    "require_signed_request_object",
    "request_uris",
    "audience",
    "default_max_age",
    "default_acr_values",
    "require_auth_time",
    "initiate_login_uri",
    "backchannel_logout_uri",
    "backchannel_logout_session_required",
    "frontchannel_logout_uri",
    "frontchannel_logout_session_required",
    "software_id",
    "software_version",
];

/// Grants that need somebody to answer for the client.
const NEVER: [&str; 1] = ["client_credentials"];

/// What an operator allows clients that nobody registers by hand.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The widest scope.
    pub scope: &'a Scope,
    /// The rules they live by.
    pub profile: Profile,
}

/// Makes metadata of what a client has sent.
///
/// # Errors
/// What is wrong, and how to mend it.
pub fn read(sent: &Map<String, Value>, terms: &Terms<'_>) -> Result<ClientMetadata, MetadataProblem> {
    let mut members = said(sent, terms.scope)?;
    members.insert("profile".to_owned(), json!(terms.profile));
    let mut metadata = checked(members)?;
    // A client says nothing of PKCE when it registers; the certification's send none.
    if terms.profile.may_waive_pkce() && !metadata.is_public() {
        metadata.require_pkce = Some(false);
    }
    Ok(metadata)
}

/// Makes metadata of what a client has sent to replace those that are registered (RFC 7592 §2.2). What is the operator's
/// to say stays as it is, and the scope gets no wider than it has been left.
///
/// # Errors
/// What is wrong, and how to mend it.
pub fn replace(
    former: &ClientMetadata,
    sent: &Map<String, Value>,
    terms: &Terms<'_>,
) -> Result<ClientMetadata, MetadataProblem> {
    let Ok(Value::Object(mut members)) = serde_json::to_value(former) else {
        return Err(MetadataProblem::new(
            "client",
            "The registration cannot be changed. Register a new client.",
        ));
    };
    members.retain(|name, _| !MEMBERS.contains(&name.as_str()));
    members.extend(said(sent, &terms.scope.intersection(&former.scope))?);
    // A client that gives its secret up is a public one, which PKCE is never waived for.
    let is_public = members.get("token_endpoint_auth_method") == Some(&json!("none"));
    if is_public && former.require_pkce == Some(false) {
        members.remove("require_pkce");
    }
    checked(members)
}

/// The members of what was sent that count, as far as they can be had.
fn said(sent: &Map<String, Value>, widest: &Scope) -> Result<Map<String, Value>, MetadataProblem> {
    let mut members = Map::new();
    for name in MEMBERS {
        // RFC 7592 §2.2: null is like absent.
        if let Some(value) = sent.get(name).filter(|value| !value.is_null()) {
            members.insert(name.to_owned(), value.clone());
        }
    }
    keep_known::<GrantType>(&mut members, "grant_types", &NEVER)?;
    keep_known::<ResponseType>(&mut members, "response_types", &[])?;
    let scope = scope(&members, widest)?;
    members.insert("scope".to_owned(), json!(scope));
    Ok(members)
}

fn checked(members: Map<String, Value>) -> Result<ClientMetadata, MetadataProblem> {
    let metadata = ClientMetadata::from_json(&Value::Object(members))?;
    check_types(&metadata)?;
    check_initiate_login(&metadata)?;
    check_sector(&metadata)?;
    Ok(metadata)
}

/// The registration as a client is shown it (RFC 7591 §3.2.1): what it may set, as it is.
pub fn shown(metadata: &ClientMetadata) -> Map<String, Value> {
    let Ok(Value::Object(mut all)) = serde_json::to_value(metadata) else { return Map::new() };
    let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty) || *value == json!(false);
    all.retain(|name, value| MEMBERS.contains(&name.as_str()) && !is_empty(value));
    // Not written where it is the default.
    all.insert("subject_type".to_owned(), json!(metadata.subject_type));
    all
}

/// The error code of a problem (RFC 7591 §3.2.2).
pub fn code_of(problem: &MetadataProblem) -> ErrorCode {
    if problem.field == "redirect_uris" {
        ErrorCode::InvalidRedirectUri
    } else {
        ErrorCode::InvalidClientMetadata
    }
}

/// Clients list what they could do at any server. What this one does not know, or has not for them, is left out (RFC 7591
/// §3.2.1: the server may replace what was asked for, and says so in its answer).
fn keep_known<T: std::str::FromStr>(
    members: &mut Map<String, Value>,
    field: &'static str,
    never: &[&str],
) -> Result<(), MetadataProblem> {
    let Some(Value::Array(words)) = members.get_mut(field) else { return Ok(()) };
    let some = !words.is_empty();
    words.retain(|word| word.as_str().is_none_or(|word| word.parse::<T>().is_ok() && !never.contains(&word)));
    require(
        !(some && words.is_empty()),
        field,
        "None of these can be had here by registration. Ask for authorization_code with code, and refresh_token.",
    )
}

/// What is asked for, as far as it can be had; without a wish, all of it.
fn scope(members: &Map<String, Value>, widest: &Scope) -> Result<Scope, MetadataProblem> {
    let Some(asked) = members.get("scope") else { return Ok(widest.clone()) };
    let asked = asked.as_str().ok_or_else(|| {
        MetadataProblem::new("scope", "Write the scope as one text, its values separated by spaces.")
    })?;
    let asked =
        Scope::parse(asked).map_err(|problem| MetadataProblem::new("scope", problem.description()))?;
    let granted = asked.intersection(widest);
    require(
        asked.is_empty() || !granted.is_empty(),
        "scope",
        "None of these scopes can be had by registration. Leave scope out, and the answer says which can.",
    )?;
    Ok(granted)
}

/// RFC 7591 §2.1: grant types and response types that belong together.
fn check_types(metadata: &ClientMetadata) -> Result<(), MetadataProblem> {
    let grants = |word: &str| metadata.grant_types.iter().any(|grant| grant.as_str() == word);
    let mut parts = metadata.response_types.iter().flat_map(|one| one.as_str().split(' '));
    let code = parts.clone().any(|part| part == "code");
    let front = parts.any(|part| part != "code");
    require(
        code == grants("authorization_code"),
        "response_types",
        "The response type code and the grant type authorization_code go together. Register both or neither.",
    )?;
    require(
        front == grants("implicit"),
        "response_types",
        "The response types id_token and token and the grant type implicit go together. Register both or neither.",
    )
}

/// OpenID Connect Dynamic Client Registration §2: https, on this machine too.
fn check_initiate_login(metadata: &ClientMetadata) -> Result<(), MetadataProblem> {
    let sound = metadata.initiate_login_uri.as_ref().is_none_or(|uri| uri.starts_with("https://"));
    require(sound, "initiate_login_uri", "The page where a sign-in begins must be https. Change the address.")
}

/// OpenID Connect Core §8.1: logout tokens carry the pairwise subject. Only the sector itself is told it, or anybody could
/// register another's pages with a logout address of his own.
fn check_sector(metadata: &ClientMetadata) -> Result<(), MetadataProblem> {
    let Some(logout) = &metadata.backchannel_logout_uri else { return Ok(()) };
    let proved = metadata.subject_type.is_public() || metadata.sector_identifier_uri.is_some();
    let at_home = || {
        let sector = metadata.redirect_uris.first().and_then(|uri| page::host_of(uri.as_str()));
        sector.is_some() && sector == page::host_of(logout)
    };
    require(
        proved || at_home(),
        "backchannel_logout_uri",
        "With pairwise subjects it must be at the host of the redirect URIs. Move it there, or register a \
         sector_identifier_uri.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(sent: Value) -> Result<ClientMetadata, MetadataProblem> {
        let widest = Scope::parse("openid profile offline_access").unwrap();
        let terms = Terms { scope: &widest, profile: Profile::OAuth21 };
        read(sent.as_object().unwrap(), &terms)
    }

    fn with(more: Value) -> Value {
        let mut sent = json!({ "redirect_uris": ["https://app.example.com/cb"] });
        sent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sent
    }

    #[test]
    fn what_is_the_operators_is_not_read() {
        let plain = read_json(with(json!({}))).unwrap();
        let greedy = read_json(with(json!({
            "first_party": true, "introspect": true, "claims": [{ "claim": "role", "value": "admin" }],
            "theft_response": "family", "profile": "oidc-certification", "forward_auth": true,
            "client_class": "cookie", "return_uris": ["https://app.example.com/"],
            "allowed_origins": ["https://evil.example.com"], "access_token_lifetime": 900,
            "refresh_token_lifetime": 34_560_000, "refresh_token_idle_lifetime": 34_560_000,
            "rotate_refresh_tokens": false, "require_pkce": false, "client_id": "admin", "client_secret": "mine",
            "client_name#de": "Laden", "nonsense": { "a": [1] }, "logo_uri": null,
        })))
        .unwrap();
        assert_eq!(plain, greedy);
        assert_eq!((greedy.profile, greedy.first_party), (Profile::OAuth21, false));
    }

    #[test]
    fn every_member_is_known_to_the_metadata_and_shown_again() {
        let known = serde_json::to_string(&ClientMetadata::default()).unwrap();
        for name in MEMBERS {
            // A member that is left out while it has its default is known if it does not stop the reading.
            let named = known.contains(&format!("\"{name}\""));
            let read = ClientMetadata::from_json(&with(json!({ name: Value::Null })));
            let unknown = read.is_err_and(|problem| problem.message.contains("unknown field"));
            assert!(named || !unknown, "{name}");
        }
        let metadata =
            read_json(with(json!({ "initiate_login_uri": "https://app.example.com/begin" }))).unwrap();
        let shown = shown(&metadata);
        assert_eq!(shown["initiate_login_uri"], "https://app.example.com/begin");
        assert_eq!(shown["scope"], "openid profile offline_access");
        assert_eq!(shown["grant_types"], json!(["authorization_code"]));
        assert_eq!(shown["token_endpoint_auth_method"], "client_secret_basic");
        for absent in ["first_party", "profile", "theft_response", "contacts", "introspect"] {
            assert!(!shown.contains_key(absent), "{absent}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_left_out_and_nothing_at_all_is_an_error() {
        let metadata = read_json(with(json!({
            "grant_types": ["authorization_code", "refresh_token", "client_credentials", "urn:x:device_code"],
            "response_types": ["code", "code quantum"], "scope": "openid admin",
        })))
        .unwrap();
        assert_eq!(metadata.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!(metadata.scope.to_string(), "openid");
        for (field, bad) in [
            ("grant_types", json!({ "grant_types": ["client_credentials"] })),
            ("response_types", json!({ "response_types": ["quantum"] })),
            ("response_types", json!({ "response_types": [] })),
            ("scope", json!({ "scope": "admin" })),
            ("scope", json!({ "scope": ["openid"] })),
            ("initiate_login_uri", json!({ "initiate_login_uri": "http://localhost/begin" })),
            ("redirect_uris", json!({ "redirect_uris": ["https://app.example.com/cb#x"] })),
            ("redirect_uris", json!({ "redirect_uris": ["javascript:alert(1)"] })),
            ("redirect_uris", json!({ "redirect_uris": [] })),
            (
                "backchannel_logout_uri",
                json!({ "subject_type": "pairwise", "backchannel_logout_uri": "https://evil.example.com/out" }),
            ),
        ] {
            assert_eq!(read_json(with(bad.clone())).unwrap_err().field, field, "{bad}");
        }
    }
}
