//! What each profile requires and allows, in one table: whoever has to decide asks a [`Profile`], and nobody compares
//! profiles by name. `docs/client-lint.md` says the same in words.
//!
//! What every profile has is not in the table, because nothing can switch it off: redirect URIs are compared byte for
//! byte, access tokens are never taken from a query, the refresh tokens of public clients rotate, private-use schemes
//! have a dot, request objects are never unsigned.

use super::auth_method::AuthMethod;
use super::client_metadata::{ClientMetadata, MetadataProblem, Profile};
use super::grant_type::GrantType;
use super::redirect_uri::RedirectUri;
use super::uri;

/// What the `aud` of a client assertion may be (RFC 7523 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionAudience {
    /// A string, the issuer.
    Issuer,
    /// A string, the issuer or the token endpoint.
    IssuerOrTokenEndpoint,
    /// A string or a list that names the issuer, the token endpoint or the endpoint that is called.
    AnyOfOurs,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// A confidential client may register that it goes without PKCE.
    may_waive_pkce: bool,
    /// Response types beside `code`, where the deployment has them at all.
    legacy_response_types: bool,
    /// Request objects must name issuer and audience, and nothing beside them counts.
    strict_request_objects: bool,
    assertion_audience: AssertionAudience,
    /// The longest time in seconds that a client assertion may be good for.
    longest_assertion: u64,
    /// A fragment of a `request_uri` is the digest of what is there (OpenID Connect Core §6.2).
    request_digests: bool,
    /// Redirect URIs at `http://localhost` (RFC 8252 §8.3).
    localhost_redirects: bool,
    /// `client_secret_jwt`: a secret that this server has to be able to read.
    readable_secrets: bool,
}

const fn rules(profile: Profile) -> Rules {
    match profile {
        Profile::Default => Rules {
            may_waive_pkce: false,
            legacy_response_types: false,
            strict_request_objects: false,
            assertion_audience: AssertionAudience::IssuerOrTokenEndpoint,
            // What Authlib signs.
            longest_assertion: 3600,
            request_digests: true,
            localhost_redirects: true,
            readable_secrets: true,
        },
        Profile::OAuth21 => Rules {
            may_waive_pkce: false,
            legacy_response_types: false,
            strict_request_objects: true,
            assertion_audience: AssertionAudience::Issuer,
            longest_assertion: 300,
            request_digests: true,
            localhost_redirects: false,
            readable_secrets: false,
        },
        Profile::OidcCertification => Rules {
            may_waive_pkce: true,
            legacy_response_types: true,
            strict_request_objects: false,
            assertion_audience: AssertionAudience::AnyOfOurs,
            longest_assertion: 3600,
            request_digests: false,
            localhost_redirects: true,
            readable_secrets: true,
        },
    }
}

impl Profile {
    /// Whether a confidential client may register that it goes without PKCE.
    pub const fn may_waive_pkce(self) -> bool {
        rules(self).may_waive_pkce
    }

    /// Whether there are response types beside `code`, provided that the deployment has them.
    pub const fn has_legacy_response_types(self) -> bool {
        rules(self).legacy_response_types
    }

    /// Whether request objects must have `iss` and `aud`, and parameters outside of them count for nothing.
    pub const fn strict_request_objects(self) -> bool {
        rules(self).strict_request_objects
    }

    /// What the `aud` of a client assertion may be.
    pub const fn assertion_audience(self) -> AssertionAudience {
        rules(self).assertion_audience
    }

    /// How far ahead the `exp` of a client assertion may be, in seconds.
    pub const fn longest_assertion(self) -> u64 {
        rules(self).longest_assertion
    }

    /// Whether the fragment of a `request_uri` has to be the digest of its content. The certification registers the digest
    /// of something else, to make each address its own; what the object says is signed either way.
    pub const fn checks_request_digests(self) -> bool {
        rules(self).request_digests
    }

    /// Whether redirect URIs may be at `http://localhost`.
    pub const fn has_localhost_redirects(self) -> bool {
        rules(self).localhost_redirects
    }

    /// Whether clients may prove themselves in this way.
    pub const fn has_method(self, method: AuthMethod) -> bool {
        rules(self).readable_secrets || !matches!(method, AuthMethod::ClientSecretJwt)
    }
}

/// A rule of the table that a client can break.
#[derive(Clone, Copy, Debug)]
pub struct ProfileRule {
    /// Its name in reports.
    pub id: &'static str,
    /// The member of the metadata that breaks it.
    pub field: &'static str,
    /// What is wrong and how to mend it.
    pub message: &'static str,
    /// The command that mends it, with `{id}` for the client.
    pub command: &'static str,
    holds: fn(&ClientMetadata, Profile) -> bool,
}

/// Every rule. Registration refuses at the first that is broken; `client lint` lists all of them.
pub const RULES: [ProfileRule; 5] = [
    ProfileRule {
        id: "pkce-waived",
        field: "require_pkce",
        message: "Only a confidential client of the profile oidc-certification may go without PKCE. Remove the field.",
        command: "signet client update {id} --set require_pkce=null",
        holds: |client, profile| {
            client.require_pkce != Some(false) || (profile.may_waive_pkce() && !client.is_public())
        },
    },
    ProfileRule {
        id: "legacy-response-type",
        field: "response_types",
        message: "Only the profile oidc-certification has response types beside code. Use code.",
        command: "signet client update {id} --set response_types='[\"code\"]'",
        holds: |client, profile| {
            profile.has_legacy_response_types() || client.response_types.iter().all(|one| !one.is_legacy())
        },
    },
    ProfileRule {
        id: "implicit-grant",
        field: "grant_types",
        message: "Only the profile oidc-certification has the implicit grant type. Use authorization_code.",
        command: "signet client update {id} --grant-type authorization_code",
        holds: |client, profile| profile.has_legacy_response_types() || !client.allows(GrantType::Implicit),
    },
    ProfileRule {
        id: "localhost-redirect",
        field: "redirect_uris",
        message: "The profile oauth21 has no redirect URIs at http://localhost. Use http://127.0.0.1, where any port will do, or https.",
        command: "signet client update {id} --redirect-uri http://127.0.0.1/callback",
        holds: |client, profile| {
            profile.has_localhost_redirects() || !client.redirect_uris.iter().any(is_localhost)
        },
    },
    ProfileRule {
        id: "readable-secret",
        field: "token_endpoint_auth_method",
        message: "The profile oauth21 has no client_secret_jwt, since the server would have to keep the secret readable. Use private_key_jwt.",
        command: "signet client update {id} --set token_endpoint_auth_method=private_key_jwt --set jwks_uri=https://app.example.com/jwks.json",
        holds: |client, profile| profile.has_method(client.token_endpoint_auth_method),
    },
];

/// The rules of `profile` that a client breaks.
pub fn broken(client: &ClientMetadata, profile: Profile) -> impl Iterator<Item = &'static ProfileRule> {
    RULES.iter().filter(move |rule| !(rule.holds)(client, profile))
}

/// Checks a client against its own profile.
pub(super) fn check(client: &ClientMetadata) -> Result<(), MetadataProblem> {
    match broken(client, client.profile).next() {
        Some(rule) => Err(MetadataProblem::new(rule.field, rule.message)),
        None => Ok(()),
    }
}

/// Whether a redirect URI leads to whatever `localhost` is on the user's machine, without TLS. Names below it are it.
pub fn is_localhost(uri: &RedirectUri) -> bool {
    let Some(rest) = uri.as_str().strip_prefix("http://") else { return false };
    let host = uri::authority_of(rest).split(':').next().unwrap_or_default();
    host == "localhost" || uri::is_below_localhost(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(members: &Value) -> Result<ClientMetadata, MetadataProblem> {
        let mut client = json!({ "redirect_uris": ["https://app.example.com/cb"] });
        for (name, value) in members.as_object().unwrap() {
            client[name] = value.clone();
        }
        ClientMetadata::from_json(&client)
    }

    #[test]
    fn registration_refuses_what_the_profile_forbids() {
        let cases = [
            (json!({ "require_pkce": false }), "require_pkce", [false, false, true]),
            (
                json!({ "require_pkce": false, "token_endpoint_auth_method": "none" }),
                "require_pkce",
                [false, false, false],
            ),
            (json!({ "require_pkce": true }), "require_pkce", [true, true, true]),
            (json!({ "redirect_uris": ["http://localhost/cb"] }), "redirect_uris", [true, false, true]),
            (json!({ "redirect_uris": ["http://localhost:3000/cb"] }), "redirect_uris", [true, false, true]),
            (
                json!({ "redirect_uris": ["https://a.example/cb", "http://x.localhost/cb"] }),
                "redirect_uris",
                [true, false, true],
            ),
            (json!({ "redirect_uris": ["http://127.0.0.1/cb"] }), "redirect_uris", [true, true, true]),
            (json!({ "redirect_uris": ["http://[::1]:7/cb"] }), "redirect_uris", [true, true, true]),
            (json!({ "redirect_uris": ["https://localhost:8443/cb"] }), "redirect_uris", [true, true, true]),
            (
                json!({ "token_endpoint_auth_method": "client_secret_jwt" }),
                "token_endpoint_auth_method",
                [true, false, true],
            ),
            (
                json!({ "token_endpoint_auth_method": "client_secret_post" }),
                "token_endpoint_auth_method",
                [true, true, true],
            ),
        ];
        for (members, field, taken) in cases {
            for (profile, taken) in Profile::ALL.iter().zip(taken) {
                let mut members = members.clone();
                members["profile"] = json!(profile);
                match read(&members) {
                    Ok(_) => assert!(taken, "{members}"),
                    Err(problem) => {
                        assert_eq!((problem.field, taken), (field, false), "{members}: {problem}");
                    }
                }
            }
        }
    }

    #[test]
    fn private_schemes_need_a_dot_in_every_profile() {
        for profile in Profile::ALL {
            let native = |uri: &str| {
                read(&json!({ "profile": profile, "application_type": "native", "redirect_uris": [uri],
                    "token_endpoint_auth_method": "none" }))
            };
            assert!(native("com.example.app:/cb").is_ok());
            assert_eq!(native("myapp:/cb").unwrap_err().field, "redirect_uris");
        }
    }

    #[test]
    fn the_refresh_tokens_of_public_clients_rotate_in_every_profile() {
        for profile in Profile::ALL {
            let problem = read(&json!({ "profile": profile, "token_endpoint_auth_method": "none",
                "rotate_refresh_tokens": false }))
            .unwrap_err();
            assert_eq!(problem.field, "rotate_refresh_tokens");
        }
    }

    #[test]
    fn only_certification_is_less_strict_than_the_default() {
        use AssertionAudience::{AnyOfOurs, Issuer, IssuerOrTokenEndpoint};
        let audiences = Profile::ALL.iter().map(|profile| profile.assertion_audience());
        assert!(audiences.eq([IssuerOrTokenEndpoint, Issuer, AnyOfOurs]));
        let lives = Profile::ALL.iter().map(|profile| profile.longest_assertion());
        assert!(lives.eq([3600, 300, 3600]));
        let strict = Profile::ALL.iter().map(|profile| profile.strict_request_objects());
        assert!(strict.eq([false, true, false]));
    }

    #[test]
    fn each_rule_has_a_name_and_a_sentence_for_the_wire() {
        for (at, rule) in RULES.iter().enumerate() {
            assert!(RULES.iter().skip(at + 1).all(|other| other.id != rule.id), "{}", rule.id);
            assert!(rule.message.ends_with('.'), "{}", rule.message);
            assert!(super::super::text::is_description(rule.message), "{}", rule.message);
        }
    }
}
