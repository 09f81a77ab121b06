//! What client metadata may and may not say.

use serde_json::{Value, json};

use super::*;

/// Reads a sound client with `changes` on top.
fn read(changes: &Value) -> Result<ClientMetadata, MetadataProblem> {
    let mut client = json!({ "redirect_uris": ["https://app.example.com/cb"] });
    for (name, value) in changes.as_object().unwrap() {
        client[name] = value.clone();
    }
    ClientMetadata::from_json(&client)
}

fn refused_at(field: &str, changes: &Value) {
    let problem = read(changes).expect_err(&changes.to_string());
    assert_eq!(problem.field, field, "{problem}");
    assert!(problem.message.ends_with('.'), "{problem}");
}

#[test]
fn defaults_are_those_of_rfc_7591() {
    let client = read(&json!({})).unwrap();
    assert_eq!(client.grant_types, [GrantType::AuthorizationCode]);
    assert_eq!(client.response_types, [ResponseType::Code]);
    assert_eq!(client.token_endpoint_auth_method, AuthMethod::ClientSecretBasic);
    assert_eq!(client.theft_response, TheftResponse::User);
    assert_eq!(client.origins(), ["https://app.example.com"]);
}

#[test]
fn metadata_reads_back_what_it_writes() {
    let client = read(&json!({
        "client_name": "Démo", "scope": "openid read", "client_class": "high_assurance",
        "grant_types": ["authorization_code", "refresh_token"], "access_token_lifetime": 300,
        "claims": [{ "claim": "tier", "value": "gold", "into": ["id_token"] }],
    }))
    .unwrap();
    assert_eq!(ClientMetadata::from_json(&serde_json::to_value(&client).unwrap()), Ok(client));
}

#[test]
fn unknown_fields_and_wrong_types_are_refused() {
    refused_at("client", &json!({ "redirect_uri": "https://app.example.com/cb" }));
    refused_at("client", &json!({ "scope": ["openid"] }));
    refused_at("client", &json!({ "scope": "a  b" }));
    refused_at("client", &json!({ "redirect_uris": "https://app.example.com/cb" }));
    refused_at("client", &json!({ "response_types": ["token"] }));
    refused_at("client", &json!({ "grant_types": ["password"] }));
    refused_at("client", &json!({ "claims": [{ "claim": "sub", "value": "x" }] }));
    assert!(ClientMetadata::from_json(&json!([])).is_err());
}

#[test]
fn every_uri_passes_the_same_filter() {
    for bad in
        ["javascript:alert(1)", "https://u@h.example/", "http://app.example.com/", "https://a.example/#x"]
    {
        refused_at("redirect_uris", &json!({ "redirect_uris": [bad] }));
        refused_at("post_logout_redirect_uris", &json!({ "post_logout_redirect_uris": [bad] }));
        for field in ["client_uri", "logo_uri", "policy_uri", "tos_uri"] {
            refused_at(field, &json!({ field: bad }));
        }
        refused_at("allowed_origins", &json!({ "allowed_origins": [bad] }));
    }
    refused_at("redirect_uris", &json!({ "redirect_uris": ["com.example.app:/cb"] }));
    assert!(read(&json!({ "redirect_uris": ["com.example.app:/cb"], "application_type": "native" })).is_ok());
}

#[test]
fn a_client_without_a_secret_cannot_act_alone() {
    for (field, changes) in [
        ("grant_types", json!({ "grant_types": ["authorization_code", "client_credentials"] })),
        ("introspect", json!({ "introspect": true })),
        ("client_class", json!({ "client_class": "confidential" })),
        ("client_class", json!({ "client_class": "high_assurance" })),
        ("rotate_refresh_tokens", json!({ "rotate_refresh_tokens": false })),
    ] {
        assert!(read(&changes).is_ok(), "{changes}");
        let mut public = changes;
        public["token_endpoint_auth_method"] = json!("none");
        refused_at(field, &public);
    }
}

#[test]
fn grants_fit_together() {
    refused_at("grant_types", &json!({ "grant_types": [] }));
    refused_at("grant_types", &json!({ "grant_types": ["refresh_token"] }));
    refused_at("grant_types", &json!({ "grant_types": ["authorization_code", "authorization_code"] }));
    refused_at("response_types", &json!({ "response_types": [] }));
    refused_at("redirect_uris", &json!({ "redirect_uris": [] }));
    assert!(read(&json!({ "grant_types": ["client_credentials"], "redirect_uris": [] })).is_ok());
}

#[test]
fn lifetimes_are_bounded() {
    for (seconds, good) in [(29, false), (30, true), (900, true), (901, false)] {
        assert_eq!(read(&json!({ "access_token_lifetime": seconds })).is_ok(), good, "{seconds}");
    }
    refused_at("refresh_token_lifetime", &json!({ "refresh_token_lifetime": 400 * 24 * 3600 + 1 }));
    refused_at("refresh_token_idle_lifetime", &json!({ "refresh_token_idle_lifetime": 0 }));
    refused_at(
        "refresh_token_idle_lifetime",
        &json!({ "refresh_token_idle_lifetime": 3601, "refresh_token_lifetime": 3600 }),
    );
}

#[test]
fn origins_are_written_as_browsers_write_them() {
    for bad in [
        "https://a.example/",
        "https://a.example:443",
        "https://a.example/x",
        "null",
        "*",
        "com.example.app:",
    ] {
        refused_at("allowed_origins", &json!({ "allowed_origins": [bad] }));
    }
    let client = read(&json!({ "allowed_origins": ["https://b.example:8443"] })).unwrap();
    assert_eq!(client.origins(), ["https://b.example:8443"]);
}

#[test]
fn names_cannot_deceive_and_claims_cannot_collide() {
    for bad in ["", "  ", "a\nb", "a\u{202e}b", &"x".repeat(101)] {
        refused_at("client_name", &json!({ "client_name": bad }));
    }
    let rule = json!({ "claim": "tier", "value": 1 });
    refused_at("claims", &json!({ "claims": [rule, rule] }));
    refused_at("audience", &json!({ "audience": ["a b"] }));
    refused_at("id_token_signed_response_alg", &json!({ "id_token_signed_response_alg": "none" }));
    refused_at("access_token_signed_response_alg", &json!({ "access_token_signed_response_alg": "HS256" }));
}

#[test]
fn the_class_follows_from_the_rest() {
    assert_eq!(read(&json!({})).unwrap().class(), ClientClass::Confidential);
    assert_eq!(read(&json!({ "token_endpoint_auth_method": "none" })).unwrap().class(), ClientClass::Spa);
    assert_eq!(read(&json!({ "application_type": "native" })).unwrap().class(), ClientClass::Native);
    assert_eq!(read(&cookie_mode(json!({}))).unwrap().class(), ClientClass::Cookie);
}

/// A client in cookie mode, with these changes.
fn cookie_mode(changes: serde_json::Value) -> serde_json::Value {
    let mut client = json!({
        "client_class": "cookie",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["https://auth.example.com/session/callback"],
        "return_uris": ["https://app.example.com/"],
    });
    for (field, value) in changes.as_object().unwrap() {
        client[field] = value.clone();
    }
    client
}

#[test]
fn in_cookie_mode_codes_go_to_this_server_and_browsers_to_pages_of_the_client() {
    let client = read(&cookie_mode(json!({}))).unwrap();
    assert_eq!(client.origins(), ["https://app.example.com"]);
    for (field, changes) in [
        ("return_uris", json!({ "return_uris": [] })),
        ("return_uris", json!({ "return_uris": ["https://app.example.com/#here"] })),
        ("return_uris", json!({ "return_uris": ["//app.example.com/"] })),
        ("return_uris", json!({ "return_uris": ["javascript:alert(1)"] })),
        ("return_uris", json!({ "client_class": "spa" })),
        ("redirect_uris", json!({ "redirect_uris": ["https://app.example.com/callback"] })),
        ("client_class", json!({ "token_endpoint_auth_method": "client_secret_basic" })),
        ("allowed_origins", json!({ "forward_auth": true, "return_uris": [] })),
        ("allowed_origins", json!({ "forward_auth": true, "allowed_origins": ["https://app.example.com"] })),
    ] {
        refused_at(field, &cookie_mode(changes));
    }
    let wiki =
        json!({ "forward_auth": true, "return_uris": [], "allowed_origins": ["https://wiki.example.com"] });
    assert!(read(&cookie_mode(wiki)).unwrap().forward_auth);
    refused_at("forward_auth", &json!({ "forward_auth": true }));
}

#[test]
fn a_front_channel_page_is_at_the_clients_own_origin() {
    let page = |uri: &str| json!({ "frontchannel_logout_uri": uri });
    assert!(read(&page("https://app.example.com/bye")).is_ok());
    refused_at("frontchannel_logout_uri", &page("https://other.example.com/bye"));
    // In cookie mode the redirect URIs are this server's.
    assert!(read(&cookie_mode(page("https://app.example.com/bye"))).is_ok());
    refused_at("frontchannel_logout_uri", &cookie_mode(page("https://auth.example.com/bye")));
}
