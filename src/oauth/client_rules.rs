//! The checks behind [`ClientMetadata::validate`], one function per group of fields, in the order of the struct.

use serde_json::Value;

use super::client_metadata::{ApplicationType, ClientClass, ClientMetadata, MetadataProblem};
use super::grant_type::GrantType;
use super::oidc_rules;
use super::redirect_uri::RedirectUri;
use super::uri;

/// Longest access-token lifetime in seconds: how long a verifier without the revocation feed may lag behind.
pub(super) const MAX_ACCESS_TOKEN_SECONDS: u64 = 900;
/// Longest refresh-token lifetime in seconds: 400 days.
pub(super) const MAX_REFRESH_TOKEN_SECONDS: u64 = 400 * 24 * 3600;
/// Shortest lifetime of any token in seconds; below it, clients refresh without pause.
pub(super) const MIN_TOKEN_SECONDS: u64 = 30;
pub(super) const MAX_URIS: usize = 50;
const MAX_CONTACTS: usize = 10;
pub(super) const MAX_CLAIM_RULES: usize = 50;
const MAX_NAME_CHARS: usize = 100;
pub(super) const MAX_AUDIENCE_BYTES: usize = 255;
/// The algorithms that this server and its clients may sign with.
pub const SIGNING_ALGORITHMS: [&str; 4] = ["RS256", "ES256", "PS256", "EdDSA"];

/// The path at which this server takes codes in cookie mode, on each of its hosts.
pub const SESSION_CALLBACK: &str = "/session/callback";

pub(super) type Checked = Result<(), MetadataProblem>;

pub(super) fn check(client: &ClientMetadata) -> Checked {
    check_texts(client)?;
    check_names(client)?;
    check_redirect_uris(client)?;
    check_grants(client)?;
    check_web_uris(client)?;
    check_algorithms(client)?;
    oidc_rules::check(client)?;
    check_origins(client)?;
    check_cookie_mode(client)?;
    check_audience(client)?;
    check_class(client)?;
    check_lifetimes(client)?;
    check_claims(client)
}

/// Whatever the field, and whatever is in a JWKS that nobody looks at: PostgreSQL has no U+0000 in text, and fails on JSON
/// that speaks of one wherever somebody has it parsed there.
fn check_texts(client: &ClientMetadata) -> Checked {
    let written = serde_json::to_value(client).map_err(|error| {
        MetadataProblem::new("client", format!("The client metadata cannot be written: {error}."))
    })?;
    let mut members = written.as_object().into_iter().flatten();
    match members.find(|(_, value)| has_nul(value)) {
        None => Ok(()),
        Some((name, _)) => {
            Err(MetadataProblem::new("client", format!("{name} has the character U+0000 in it. Remove it.")))
        }
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn check_names(client: &ClientMetadata) -> Checked {
    if let Some(name) = &client.client_name {
        // Control and direction characters could make one client look like another on the consent page.
        let sound = !name.trim().is_empty()
            && name.chars().count() <= MAX_NAME_CHARS
            && !name.chars().any(|character| character.is_control() || is_format_character(character));
        require(
            sound,
            "client_name",
            "The name must have 1 to 100 visible characters. Shorten or rewrite it.",
        )?;
    }
    let sound = client.contacts.len() <= MAX_CONTACTS
        && client.contacts.iter().all(|contact| {
            !contact.is_empty() && contact.len() <= MAX_AUDIENCE_BYTES && !contact.contains(char::is_control)
        });
    require(sound, "contacts", "Give at most 10 contacts of 1 to 255 bytes each.")
}

fn check_redirect_uris(client: &ClientMetadata) -> Checked {
    for (field, uris) in [
        ("redirect_uris", &client.redirect_uris),
        ("post_logout_redirect_uris", &client.post_logout_redirect_uris),
    ] {
        require(uris.len() <= MAX_URIS, field, "Register at most 50 URIs.")?;
        require(are_distinct(uris), field, "A URI is listed twice. List each once.")?;
        let private =
            client.application_type == ApplicationType::Web && uris.iter().any(RedirectUri::is_private_use);
        require(
            !private,
            field,
            "Only native apps have schemes of their own. Set application_type to native.",
        )?;
    }
    Ok(())
}

fn check_grants(client: &ClientMetadata) -> Checked {
    let code = client.allows(GrantType::AuthorizationCode);
    require(!client.grant_types.is_empty(), "grant_types", "Name at least one grant type.")?;
    require(
        are_distinct(&client.grant_types),
        "grant_types",
        "A grant type is listed twice. List each once.",
    )?;
    // RFC 6749 §4.4: without a secret anybody could be the client.
    require(
        !(client.is_public() && client.allows(GrantType::ClientCredentials)),
        "grant_types",
        "A client without a secret cannot use client_credentials. Remove the grant or give the client a secret.",
    )?;
    require(
        code || !client.allows(GrantType::RefreshToken),
        "grant_types",
        "Refresh tokens come from the code flow. Add authorization_code or remove refresh_token.",
    )?;
    require(
        !code || !client.response_types.is_empty(),
        "response_types",
        "The code flow needs the response type code. Add it.",
    )?;
    require(
        !code || !client.redirect_uris.is_empty(),
        "redirect_uris",
        "The code flow needs a redirect URI. Register at least one.",
    )?;
    require(
        !(client.is_public() && client.introspect),
        "introspect",
        "A client without a secret cannot introspect. Give it a secret or remove introspect.",
    )
}

fn check_web_uris(client: &ClientMetadata) -> Checked {
    for (field, uri) in [
        ("client_uri", &client.client_uri),
        ("logo_uri", &client.logo_uri),
        ("policy_uri", &client.policy_uri),
        ("tos_uri", &client.tos_uri),
        ("jwks_uri", &client.jwks_uri),
        ("sector_identifier_uri", &client.sector_identifier_uri),
        ("initiate_login_uri", &client.initiate_login_uri),
        ("backchannel_logout_uri", &client.backchannel_logout_uri),
        ("frontchannel_logout_uri", &client.frontchannel_logout_uri),
    ] {
        if let Some(uri) = uri {
            uri::check_web(uri).map_err(|problem| MetadataProblem::quoting(field, uri, problem))?;
        }
    }
    Ok(())
}

fn check_algorithms(client: &ClientMetadata) -> Checked {
    for (field, algorithm) in [
        ("id_token_signed_response_alg", &client.id_token_signed_response_alg),
        ("access_token_signed_response_alg", &client.access_token_signed_response_alg),
    ] {
        let known = algorithm.as_deref().is_none_or(|name| SIGNING_ALGORITHMS.contains(&name));
        require(known, field, "Use one of RS256, ES256, PS256 and EdDSA.")?;
    }
    Ok(())
}

fn check_origins(client: &ClientMetadata) -> Checked {
    const FIELD: &str = "allowed_origins";
    require(client.allowed_origins.len() <= MAX_URIS, FIELD, "List at most 50 origins.")?;
    require(are_distinct(&client.allowed_origins), FIELD, "An origin is listed twice. List each once.")?;
    for origin in &client.allowed_origins {
        uri::check_web(origin).map_err(|problem| MetadataProblem::quoting(FIELD, origin, problem))?;
        let exact = uri::origin_of(origin).as_ref() == Some(origin);
        require(
            exact,
            FIELD,
            "Write an origin as browsers do: https://host or https://host:port, no path or slash.",
        )?;
    }
    Ok(())
}

/// Cookie mode (docs/sessions.md): the server itself is where codes go, and says where browsers go then.
fn check_cookie_mode(client: &ClientMetadata) -> Checked {
    const FIELD: &str = "return_uris";
    require(client.return_uris.len() <= MAX_URIS, FIELD, "List at most 50 return URIs.")?;
    require(are_distinct(&client.return_uris), FIELD, "A URI is listed twice. List each once.")?;
    for uri in &client.return_uris {
        uri::check_web(uri).map_err(|problem| MetadataProblem::quoting(FIELD, uri, problem))?;
    }
    if !client.is_cookie_mode() {
        require(
            client.return_uris.is_empty(),
            FIELD,
            "Only cookie mode has return URIs. Set client_class to cookie.",
        )?;
        return require(
            !client.forward_auth,
            "forward_auth",
            "Sign-ins by forward-auth are kept in cookies. Set client_class to cookie.",
        );
    }
    require(
        client.is_public(),
        "client_class",
        "In cookie mode the server acts for the client. Set token_endpoint_auth_method to none.",
    )?;
    let ours = client.redirect_uris.iter().all(|uri| uri.as_str().ends_with(SESSION_CALLBACK));
    require(
        ours,
        "redirect_uris",
        "In cookie mode codes go to this server: register https://<its host>/session/callback.",
    )?;
    if client.forward_auth {
        let sound = !client.allowed_origins.is_empty() && client.return_uris.is_empty();
        return require(
            sound,
            "allowed_origins",
            "Forward-auth needs the application's origins in allowed_origins, and no return_uris.",
        );
    }
    require(
        !client.return_uris.is_empty(),
        FIELD,
        "Cookie mode needs at least one page to return to. Register it.",
    )
}

fn check_audience(client: &ClientMetadata) -> Checked {
    const FIELD: &str = "audience";
    require(client.audience.len() <= MAX_URIS, FIELD, "List at most 50 audiences.")?;
    require(are_distinct(&client.audience), FIELD, "An audience is listed twice. List each once.")?;
    client.audience.iter().try_for_each(|audience| super::api_metadata::check_audience(audience))
}

fn check_class(client: &ClientMetadata) -> Checked {
    let needs_secret =
        matches!(client.client_class, Some(ClientClass::Confidential | ClientClass::HighAssurance));
    require(
        !(client.is_public() && needs_secret),
        "client_class",
        "This class is for clients with a secret. Use spa, native or cookie, or give the client a secret.",
    )?;
    // RFC 9700 §2.2.2: the refresh tokens of public clients rotate or are bound to a key.
    require(
        !(client.is_public() && client.rotate_refresh_tokens == Some(false)),
        "rotate_refresh_tokens",
        "The refresh tokens of a client without a secret must rotate. Remove the field or set it to true.",
    )
}

fn check_lifetimes(client: &ClientMetadata) -> Checked {
    let within =
        |value: Option<u64>, most: u64| value.is_none_or(|v| (MIN_TOKEN_SECONDS..=most).contains(&v));
    require(
        within(client.access_token_lifetime, MAX_ACCESS_TOKEN_SECONDS),
        "access_token_lifetime",
        "Access tokens live 30 to 900 seconds. Longer sessions are what refresh tokens are for.",
    )?;
    require(
        within(client.refresh_token_idle_lifetime, MAX_REFRESH_TOKEN_SECONDS),
        "refresh_token_idle_lifetime",
        "The idle lifetime must be 30 seconds to 400 days, in seconds.",
    )?;
    require(
        within(client.refresh_token_lifetime, MAX_REFRESH_TOKEN_SECONDS),
        "refresh_token_lifetime",
        "The lifetime must be 30 seconds to 400 days, in seconds.",
    )?;
    let ordered = match (client.refresh_token_idle_lifetime, client.refresh_token_lifetime) {
        (Some(idle), Some(absolute)) => idle <= absolute,
        _ => true,
    };
    require(
        ordered,
        "refresh_token_idle_lifetime",
        "The idle lifetime must not exceed refresh_token_lifetime. Lower it or raise the other.",
    )?;
    require(
        client.default_max_age.is_none_or(|seconds| seconds <= MAX_REFRESH_TOKEN_SECONDS),
        "default_max_age",
        "The maximum age must be at most 400 days, in seconds.",
    )
}

fn check_claims(client: &ClientMetadata) -> Checked {
    require(client.claims.len() <= MAX_CLAIM_RULES, "claims", "Give at most 50 claim rules.")?;
    let mut targets = Vec::new();
    for rule in &client.claims {
        super::claims::check_name(&rule.claim)
            .map_err(|problem| MetadataProblem::quoting("claims", &rule.claim, problem))?;
        targets.extend(rule.into.iter().map(|target| (rule.claim.as_str(), *target)));
    }
    require(are_distinct(&targets), "claims", "Two rules set the same claim in the same place. Remove one.")
}

pub(super) fn require(holds: bool, field: &'static str, message: &'static str) -> Checked {
    if holds { Ok(()) } else { Err(MetadataProblem::new(field, message)) }
}

pub(super) fn are_distinct<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().all(|(at, item)| !items.iter().skip(at + 1).any(|other| other == item))
}

/// Invisible characters that change the direction or the shape of the text around them.
fn is_format_character(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
