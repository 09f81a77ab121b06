//! The checks of client metadata that OpenID Connect and the client's profile add, called by [`super::client_rules`].

use signet_verify::jose::jwk::{self, Origin};

use super::auth_method::AuthMethod;
use super::client_metadata::{ClientMetadata, MetadataProblem, SubjectType};
use super::client_rules::{Checked, MAX_URIS, SIGNING_ALGORITHMS, are_distinct, require};
use super::grant_type::GrantType;
use super::page;
use super::profile;
use super::redirect_uri::RedirectUri;
use super::uri;

/// Longest JWKS by value, in bytes.
const MAX_JWKS_BYTES: usize = 16 * 1024;
const MAX_SOFTWARE_BYTES: usize = 255;
/// The signature and MAC algorithms that are registered for JWS (RFC 7518 §3.1, RFC 8037).
const REGISTERED_ALGORITHMS: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384",
    "PS512", "EdDSA",
];

pub(super) fn check(client: &ClientMetadata) -> Checked {
    check_keys(client)?;
    check_assertion_algorithm(client)?;
    profile::check(client)?;
    check_response_types(client)?;
    check_sector(client)?;
    check_request_objects(client)?;
    check_front_channel(client)?;
    check_software(client)
}

fn check_keys(client: &ClientMetadata) -> Checked {
    let by_value = client.jwks.is_some();
    require(
        !(by_value && client.jwks_uri.is_some()),
        "jwks_uri",
        "Register the keys by value or by reference, not both: remove jwks or jwks_uri.",
    )?;
    let with_keys = by_value || client.jwks_uri.is_some();
    require(
        client.token_endpoint_auth_method != AuthMethod::PrivateKeyJwt || with_keys,
        "jwks_uri",
        "private_key_jwt needs the client's public keys. Register jwks_uri or jwks.",
    )?;
    let Some(jwks) = &client.jwks else { return Ok(()) };
    let text = jwks.to_string();
    require(text.len() <= MAX_JWKS_BYTES, "jwks", "The key set is longer than 16384 bytes. Use jwks_uri.")?;
    match jwk::read_set(text.as_bytes(), Origin::Client) {
        Ok(keys) if !keys.is_empty() => Ok(()),
        Ok(_) => Err(MetadataProblem::new("jwks", "The key set has no key to verify with.")),
        Err(problem) => Err(MetadataProblem::new("jwks", format!("The key set cannot be used: {problem}."))),
    }
}

fn check_assertion_algorithm(client: &ClientMetadata) -> Checked {
    const FIELD: &str = "token_endpoint_auth_signing_alg";
    let Some(algorithm) = client.token_endpoint_auth_signing_alg.as_deref() else { return Ok(()) };
    match client.token_endpoint_auth_method {
        AuthMethod::PrivateKeyJwt => require(
            SIGNING_ALGORITHMS.contains(&algorithm),
            FIELD,
            "Use one of RS256, ES256, PS256 and EdDSA for private_key_jwt.",
        ),
        AuthMethod::ClientSecretJwt => {
            require(algorithm == "HS256", FIELD, "Use HS256 for client_secret_jwt.")
        }
        // Nothing is signed there; the name of an algorithm that a client registers all the same is no harm.
        _ => require(
            REGISTERED_ALGORITHMS.contains(&algorithm),
            FIELD,
            "This is not the name of a signature algorithm of JWS. Correct it or leave the field out.",
        ),
    }
}

/// RFC 7591 §2.1: response types and grant types go together.
fn check_response_types(client: &ClientMetadata) -> Checked {
    let implicit = client.allows(GrantType::Implicit);
    let tokens = client.response_types.iter().any(|one| one.is_legacy());
    require(
        tokens == implicit,
        "grant_types",
        "Response types with id_token or token, and they alone, go with the grant type implicit.",
    )?;
    require(
        !implicit || !client.redirect_uris.is_empty(),
        "redirect_uris",
        "The implicit flow needs a redirect URI. Register at least one.",
    )
}

/// OpenID Connect Core §8.1: without a document that names them all, one host is the sector.
fn check_sector(client: &ClientMetadata) -> Checked {
    if client.subject_type == SubjectType::Public || client.sector_identifier_uri.is_some() {
        return Ok(());
    }
    let host = |uri: &RedirectUri| uri.origin().and_then(|origin| page::host_of(&origin));
    let mut hosts: Vec<_> = client.redirect_uris.iter().map(host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    require(
        hosts.len() <= 1 && !hosts.contains(&None),
        "sector_identifier_uri",
        "Pairwise subjects with redirect URIs at several hosts need a sector_identifier_uri. Register it.",
    )
}

fn check_request_objects(client: &ClientMetadata) -> Checked {
    for (field, algorithm) in [
        ("request_object_signing_alg", &client.request_object_signing_alg),
        ("userinfo_signed_response_alg", &client.userinfo_signed_response_alg),
    ] {
        let known = algorithm.as_deref().is_none_or(|name| SIGNING_ALGORITHMS.contains(&name));
        require(known, field, "Use one of RS256, ES256, PS256 and EdDSA.")?;
    }
    const FIELD: &str = "request_uris";
    require(client.request_uris.len() <= MAX_URIS, FIELD, "List at most 50 request URIs.")?;
    require(are_distinct(&client.request_uris), FIELD, "A URI is listed twice. List each once.")?;
    for uri in &client.request_uris {
        // OpenID Connect Core §6.2: the fragment is the hash of the content.
        let (document, fragment) = uri.split_once('#').unwrap_or((uri, ""));
        uri::check_web(document)
            .and_then(|_| if fragment.is_empty() { Ok(()) } else { uri::check_characters(fragment) })
            .map_err(|problem| MetadataProblem::quoting(FIELD, uri, problem))?;
    }
    let with_keys = client.jwks.is_some() || client.jwks_uri.is_some();
    require(
        with_keys || !client.require_signed_request_object,
        "require_signed_request_object",
        "Signed requests need the client's public keys. Register jwks_uri or jwks.",
    )
}

/// OpenID Connect Front-Channel Logout §2: the page is at the origin of a redirect URI; in cookie mode, where those are this
/// server's own, of the client's pages.
fn check_front_channel(client: &ClientMetadata) -> Checked {
    let Some(page) = &client.frontchannel_logout_uri else { return Ok(()) };
    let origin = uri::origin_of(page);
    let known = if client.is_cookie_mode() {
        origin.is_some_and(|origin| client.origins().contains(&origin))
    } else {
        client.redirect_uris.iter().any(|uri| uri.origin() == origin)
    };
    require(
        known,
        "frontchannel_logout_uri",
        "The front-channel logout page must be at the origin of a redirect URI.",
    )
}

fn check_software(client: &ClientMetadata) -> Checked {
    for (field, text) in
        [("software_id", &client.software_id), ("software_version", &client.software_version)]
    {
        let sound = text.as_ref().is_none_or(|text| {
            (1..=MAX_SOFTWARE_BYTES).contains(&text.len()) && !text.contains(char::is_control)
        });
        require(sound, field, "Give 1 to 255 bytes without control characters.")?;
    }
    let sound = client.default_acr_values.len() <= 10
        && client.default_acr_values.iter().all(|acr| {
            (1..=MAX_SOFTWARE_BYTES).contains(&acr.len()) && acr.bytes().all(|byte| byte.is_ascii_graphic())
        });
    require(sound, "default_acr_values", "Give at most 10 values of 1 to 255 printable characters.")
}
