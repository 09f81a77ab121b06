//! Each rule once where it applies; a client that has all it needs gets no advice; the document says what the rules say.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::oauth::registration::Registered;
use crate::secret::ClientId;

const DAY: Duration = Duration::from_secs(24 * 3600);
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A client that has all it needs, with `members` on top; `null` takes one away.
fn client(members: &Value) -> Client {
    let mut metadata = json!({
        "client_name": "Shop",
        "redirect_uris": ["https://shop.example.com/callback"],
        "post_logout_redirect_uris": ["https://shop.example.com/signed-out"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://shop.example.com/jwks.json",
        "scope": "openid profile offline_access read",
        "audience": ["https://api.example.com"],
        "logo_uri": "https://shop.example.com/logo.png",
        "policy_uri": "https://shop.example.com/privacy",
        "contacts": ["team@shop.example.com"],
        "backchannel_logout_uri": "https://shop.example.com/backchannel-logout",
    });
    for (name, value) in members.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    metadata.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    Client {
        id: ClientId::from("shop"),
        metadata: ClientMetadata::from_json(&metadata).unwrap(),
        secret: None,
        previous_secret: None,
        sealed_secret: None,
        registered: Registered::Operator,
        registration_token: None,
        fetched_until: None,
        disabled_at: None,
        created_at: START,
        updated_at: START,
    }
}

fn found(client: &Client, profile: Profile, granted: &[Scope], now: Timestamp) -> Vec<&'static str> {
    lint(&Known { client, profile, granted, divided: false, now })
        .iter()
        .map(|finding| finding.rule)
        .collect()
}

/// The findings at a client of its own profile that is in use.
fn advice(members: &Value) -> Vec<&'static str> {
    let client = client(members);
    found(&client, client.metadata.profile, std::slice::from_ref(&client.metadata.scope), START)
}

#[test]
fn a_client_that_has_all_it_needs_gets_no_advice() {
    assert_eq!(advice(&json!({})), Vec::<&str>::new());
    assert_eq!(advice(&json!({ "profile": "oauth21" })), Vec::<&str>::new());
    // One of ours asks nobody for consent.
    let ours = json!({ "first_party": true, "logo_uri": null, "policy_uri": null });
    assert_eq!(advice(&ours), Vec::<&str>::new());
    // A service signs nobody in.
    let service = json!({ "redirect_uris": null, "post_logout_redirect_uris": null, "response_types": [],
        "grant_types": ["client_credentials"], "scope": "read", "client_name": null, "logo_uri": null,
        "policy_uri": null, "backchannel_logout_uri": null });
    assert_eq!(advice(&service), Vec::<&str>::new());
    let other_algorithms = json!({ "id_token_signed_response_alg": "RS256" });
    assert_eq!(advice(&other_algorithms), Vec::<&str>::new());
}

#[test]
fn each_rule_applies_where_it_should() {
    let jwk = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "alg": "EdDSA", "use": "sig",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] });
    let secret = json!({ "token_endpoint_auth_method": "client_secret_basic", "jwks_uri": null });
    let cases = [
        (json!({ "profile": "oidc-certification" }), vec!["certification-profile"]),
        (secret, vec!["shared-secret"]),
        (json!({ "jwks": jwk, "jwks_uri": null }), vec!["keys-by-value"]),
        (json!({ "token_endpoint_auth_method": "none", "jwks_uri": null }), vec!["tokens-in-scripts"]),
        (json!({ "redirect_uris": ["http://localhost:3000/cb"] }), vec!["localhost"]),
        (json!({ "redirect_uris": ["http://127.0.0.1/cb"] }), vec!["plain-http"]),
        (json!({ "backchannel_logout_uri": "http://localhost/out" }), vec!["plain-http"]),
        (json!({ "rotate_refresh_tokens": false }), vec!["no-rotation"]),
        (json!({ "refresh_token_lifetime": 180 * 86400 + 1 }), vec!["long-lifetime"]),
        (json!({ "refresh_token_lifetime": 180 * 86400, "refresh_token_idle_lifetime": 31 * 86400 }), vec![]),
        (json!({ "refresh_token_idle_lifetime": 31 * 86400 + 1 }), vec!["long-lifetime"]),
        (json!({ "grant_types": ["authorization_code"] }), vec!["offline-without-refresh"]),
        (json!({ "audience": null }), vec!["no-audience"]),
        (json!({ "audience": null, "scope": "openid email" }), vec![]),
        (json!({ "post_logout_redirect_uris": null }), vec!["no-post-logout-uri"]),
        (json!({ "backchannel_logout_uri": null }), vec!["no-backchannel-logout"]),
        (
            json!({ "backchannel_logout_uri": null, "frontchannel_logout_uri": "https://shop.example.com/out" }),
            vec!["frontchannel-only"],
        ),
        (json!({ "require_signed_request_object": true }), vec!["any-request-object"]),
        (json!({ "require_signed_request_object": true, "request_object_signing_alg": "ES256" }), vec![]),
        (json!({ "client_name": null }), vec!["no-name"]),
        (json!({ "logo_uri": null }), vec!["no-logo"]),
        (json!({ "policy_uri": null }), vec!["no-policy"]),
        (json!({ "contacts": null }), vec!["no-contacts"]),
    ];
    let mut seen: BTreeSet<&str> = ["disabled", "unused", "wide-scope", "apis-apart"].into();
    for (members, expected) in cases {
        assert_eq!(advice(&members), expected, "{members}");
        seen.extend(expected);
    }
    let all: BTreeSet<&str> = ADVICE.iter().map(|rule| rule.id).collect();
    assert_eq!(seen, all, "a rule without a case");
}

#[test]
fn what_has_become_of_it_counts_too() {
    let mut one = client(&json!({}));
    let open = [Scope::parse("openid profile").unwrap(), Scope::parse("openid read").unwrap()];
    let later = START.plus(31 * DAY);
    assert_eq!(found(&one, Profile::Default, &open, later), Vec::<&str>::new());
    assert_eq!(found(&one, Profile::Default, &open[..1], later), ["wide-scope"]);
    assert_eq!(found(&one, Profile::Default, &[], later), ["unused"]);
    assert_eq!(found(&one, Profile::Default, &[], START.plus(30 * DAY)), Vec::<&str>::new());
    one.disabled_at = Some(START);
    assert_eq!(found(&one, Profile::Default, &[], later), ["disabled"]);
}

#[test]
fn apis_that_do_not_go_together_are_found_where_nobody_can_ask_for_one_of_them() {
    let wiki = json!({ "token_endpoint_auth_method": "none", "jwks_uri": null, "client_class": "cookie",
        "forward_auth": true, "redirect_uris": ["https://wiki.example.com/session/callback"],
        "allowed_origins": ["https://wiki.example.com"], "post_logout_redirect_uris": null,
        "backchannel_logout_uri": null, "scope": "openid profile read" });
    let rules = |members: &Value, divided| {
        let client = client(members);
        let granted = std::slice::from_ref(&client.metadata.scope);
        let known = Known { client: &client, profile: Profile::Default, granted, divided, now: START };
        lint(&known).iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!((rules(&wiki, true), rules(&wiki, false)), (vec!["apis-apart"], vec![]));
    // This one may ask for one after another.
    assert_eq!(rules(&json!({}), true), Vec::<&str>::new());
}

#[test]
fn another_profile_shows_what_would_be_refused_in_it() {
    let waived = client(&json!({ "profile": "oidc-certification", "require_pkce": false,
        "token_endpoint_auth_method": "client_secret_jwt", "jwks_uri": null,
        "redirect_uris": ["http://localhost/cb"] }));
    let findings = lint(&Known {
        client: &waived,
        profile: Profile::OAuth21,
        granted: std::slice::from_ref(&waived.metadata.scope),
        divided: false,
        now: START,
    });
    let errors: Vec<_> = findings.iter().filter(|one| one.severity == Severity::Error).collect();
    let rules: Vec<_> = errors.iter().map(|one| one.rule).collect();
    assert_eq!(rules, ["pkce-waived", "localhost-redirect", "readable-secret"]);
    assert_eq!(errors[0].command, "signet client update shop --set require_pkce=null");
    // The same thing is not said twice.
    assert!(!findings.iter().any(|one| one.rule == "localhost"));
    let own = found(&waived, Profile::OidcCertification, std::slice::from_ref(&waived.metadata.scope), START);
    assert_eq!(own, ["certification-profile", "shared-secret", "localhost"]);
}

#[test]
fn the_document_lists_every_rule_with_its_sentence_and_its_remedy() {
    let document = include_str!("../../docs/client-lint.md");
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = rules()
        .map(|rule| {
            let command = rule.command.replace("{id}", "ID");
            format!("| `{}` | {} | {} | `{command}` |", rule.id, rule.severity.as_str(), rule.message)
        })
        .collect();
    assert_eq!(rows, expected, "docs/client-lint.md");
    let ids: BTreeSet<_> = rules().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), expected.len());
    for rule in rules() {
        assert!(rule.message.ends_with('.') && rule.command.starts_with("signet client "), "{}", rule.id);
    }
}
