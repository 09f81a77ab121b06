//! What a registered client lacks or has too much of: what its profile forbids, and advice. Pure rules over what is
//! known about it; `docs/client-lint.md` lists them, and a test holds the two equal.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::model::client::Client;
use crate::oauth::client_metadata::{ApplicationType, ClientClass, ClientMetadata, Profile};
use crate::oauth::grant_type::GrantType;
use crate::oauth::profile::{self, ProfileRule};
use crate::oauth::redirect_uri::RedirectUri;
use crate::oauth::scope::{ADDRESS, EMAIL, OFFLINE_ACCESS, OPENID, PHONE, PROFILE, Scope};

/// A client in which nobody is signed in for so long is perhaps not used.
const UNUSED_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);
/// Refresh tokens that live longer, in seconds: half a year.
const LONG_LIFE: u64 = 180 * 24 * 3600;
/// Refresh tokens that may lie unused for longer, in seconds: a month.
const LONG_IDLE: u64 = 31 * 24 * 3600;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The profile forbids it.
    Error,
    /// It could be better.
    Advice,
}

impl Severity {
    /// Its word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Advice => "advice",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The member of the metadata that it is about.
    pub field: &'static str,
    /// A sentence.
    pub message: &'static str,
    /// A command that mends it; values in it are examples.
    pub command: String,
}

/// What is known about a client.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The client.
    pub client: &'a Client,
    /// The profile to measure it by; its own unless the operator names another.
    pub profile: Profile,
    /// The scopes of what users have granted it and is still open.
    pub granted: &'a [Scope],
    /// Whether no one token suits all of its APIs (docs/apis.md).
    pub divided: bool,
    /// When this is asked.
    pub now: Timestamp,
}

/// A piece of advice.
struct Advice {
    id: &'static str,
    field: &'static str,
    message: &'static str,
    command: &'static str,
    applies: fn(&Known<'_>) -> bool,
}

/// A rule as documents show it.
#[derive(Clone, Copy, Debug)]
pub struct RuleText {
    /// Its id.
    pub id: &'static str,
    /// How bad a finding of it is.
    pub severity: Severity,
    /// What it says.
    pub message: &'static str,
    /// How to mend it.
    pub command: &'static str,
}

/// Every rule, in the order in which findings come.
pub fn rules() -> impl Iterator<Item = RuleText> {
    let errors = profile::RULES.iter().map(|rule| RuleText {
        id: rule.id,
        severity: Severity::Error,
        message: rule.message,
        command: rule.command,
    });
    let advice = ADVICE.iter().map(|rule| RuleText {
        id: rule.id,
        severity: Severity::Advice,
        message: rule.message,
        command: rule.command,
    });
    errors.chain(advice)
}

/// What there is to say about a client, errors first.
pub fn lint(known: &Known<'_>) -> Vec<Finding> {
    let id = known.client.id.as_str();
    let error = |rule: &ProfileRule| Finding {
        rule: rule.id,
        severity: Severity::Error,
        field: rule.field,
        message: rule.message,
        command: rule.command.replace("{id}", id),
    };
    let mut found: Vec<Finding> = profile::broken(&known.client.metadata, known.profile).map(error).collect();
    found.extend(ADVICE.iter().filter(|rule| (rule.applies)(known)).map(|rule| Finding {
        rule: rule.id,
        severity: Severity::Advice,
        field: rule.field,
        message: rule.message,
        command: rule.command.replace("{id}", id),
    }));
    found
}

const ADVICE: [Advice; 22] = [
    Advice {
        id: "disabled",
        field: "disabled",
        message: "It is disabled: nothing serves it. If it is not to come back, delete it.",
        command: "signet client delete {id}",
        applies: |known| !known.client.is_active(),
    },
    Advice {
        id: "unused",
        field: "created_at",
        message: "It was registered more than 30 days ago and nobody is signed in with it. If it is not needed, disable it.",
        command: "signet client disable {id}",
        applies: |known| {
            let old = known.client.created_at.plus(UNUSED_AFTER) < known.now;
            signs_in(known) && known.client.is_active() && old && known.granted.is_empty()
        },
    },
    Advice {
        id: "wide-scope",
        field: "scope",
        message: "None of what is open has all of its scopes between them. Take away those that it does not need.",
        command: "signet client update {id} --scope 'openid profile'",
        applies: |known| {
            let needed = |value: &str| known.granted.iter().any(|scope| scope.contains(value));
            let asked = |value: &&str| ![OPENID, OFFLINE_ACCESS].contains(value);
            !known.granted.is_empty() && metadata(known).scope.iter().filter(asked).any(|one| !needed(one))
        },
    },
    Advice {
        id: "certification-profile",
        field: "profile",
        message: "The profile oidc-certification is for the OpenID Foundation's plans and less strict than others. Use default.",
        command: "signet client update {id} --set profile=default",
        applies: |known| metadata(known).profile == Profile::OidcCertification,
    },
    Advice {
        id: "shared-secret",
        field: "token_endpoint_auth_method",
        message: "It proves itself by a secret that both sides hold. With private_key_jwt nothing that leaks here or on the way could be used.",
        command: "signet client update {id} --set token_endpoint_auth_method=private_key_jwt --set jwks_uri=https://app.example.com/jwks.json",
        applies: |known| metadata(known).token_endpoint_auth_method.has_secret(),
    },
    Advice {
        id: "keys-by-value",
        field: "jwks",
        message: "Its keys are registered by value, so it cannot change them without an operator. Use jwks_uri.",
        command: "signet client update {id} --set jwks=null --set jwks_uri=https://app.example.com/jwks.json",
        applies: |known| metadata(known).jwks.is_some(),
    },
    Advice {
        id: "tokens-in-scripts",
        field: "client_class",
        message: "Its refresh tokens are in the reach of any script of its page. Cookie mode keeps them out of it (docs/sessions.md).",
        command: "signet client create --cookie --name 'Its name' --return-to https://app.example.com/",
        applies: |known| {
            let metadata = metadata(known);
            metadata.class() == ClientClass::Spa && metadata.allows(GrantType::RefreshToken)
        },
    },
    Advice {
        id: "localhost",
        field: "redirect_uris",
        message: "A redirect URI is at http://localhost, which may lead elsewhere on some machines and takes one port only. Use http://127.0.0.1.",
        command: "signet client update {id} --redirect-uri http://127.0.0.1/callback",
        applies: |known| {
            let named = metadata(known).redirect_uris.iter().any(profile::is_localhost);
            known.profile.has_localhost_redirects() && named
        },
    },
    Advice {
        id: "plain-http",
        field: "redirect_uris",
        message: "It has addresses without TLS, which are good for development only. Use https, or register the development client apart.",
        command: "signet client update {id} --redirect-uri https://app.example.com/callback",
        applies: |known| {
            metadata(known).application_type == ApplicationType::Web
                && !metadata(known).is_public()
                && has_plain(metadata(known))
        },
    },
    Advice {
        id: "no-rotation",
        field: "rotate_refresh_tokens",
        message: "Its refresh tokens do not rotate: nobody would notice that one was copied.",
        command: "signet client update {id} --set rotate_refresh_tokens=null",
        applies: |known| metadata(known).rotate_refresh_tokens == Some(false),
    },
    Advice {
        id: "long-lifetime",
        field: "refresh_token_lifetime",
        message: "Its refresh tokens live longer than 180 days, or 31 days unused. A forgotten device stays signed in for so long.",
        command: "signet client update {id} --set refresh_token_lifetime=7776000 --set refresh_token_idle_lifetime=1209600",
        applies: |known| {
            let longer = |value: Option<u64>, most| value.is_some_and(|seconds| seconds > most);
            longer(metadata(known).refresh_token_lifetime, LONG_LIFE)
                || longer(metadata(known).refresh_token_idle_lifetime, LONG_IDLE)
        },
    },
    Advice {
        id: "offline-without-refresh",
        field: "grant_types",
        message: "It may ask for offline_access and may not use refresh tokens, so that people consent to nothing. Give it the grant or take the scope.",
        command: "signet client update {id} --grant-type authorization_code --grant-type refresh_token",
        applies: |known| {
            metadata(known).scope.contains(OFFLINE_ACCESS) && !metadata(known).allows(GrantType::RefreshToken)
        },
    },
    Advice {
        id: "no-audience",
        field: "audience",
        message: "Its scopes are an API's, and it has no audience: its access tokens name no API, and none should take them.",
        command: "signet client update {id} --audience https://api.example.com",
        applies: |known| metadata(known).audience.is_empty() && has_api_scope(&metadata(known).scope),
    },
    Advice {
        id: "apis-apart",
        field: "audience",
        message: "No one token suits all of its APIs, and nothing behind /forward-auth asks for one of them. Leave those that go together.",
        command: "signet client update {id} --audience https://api.example.com",
        applies: |known| metadata(known).forward_auth && known.divided,
    },
    Advice {
        id: "no-post-logout-uri",
        field: "post_logout_redirect_uris",
        message: "It has no post-logout redirect URI: people who sign out stay on this server's page.",
        command: "signet client update {id} --set post_logout_redirect_uris='[\"https://app.example.com/signed-out\"]'",
        applies: |known| {
            signs_in(known)
                && !metadata(known).is_cookie_mode()
                && metadata(known).post_logout_redirect_uris.is_empty()
        },
    },
    Advice {
        id: "no-backchannel-logout",
        field: "backchannel_logout_uri",
        message: "It has a server and is not told when a session ends. Give it a back-channel logout URI.",
        command: "signet client update {id} --set backchannel_logout_uri=https://app.example.com/backchannel-logout",
        applies: |known| {
            signs_in(known)
                && !metadata(known).is_public()
                && metadata(known).backchannel_logout_uri.is_none()
                && metadata(known).frontchannel_logout_uri.is_none()
        },
    },
    Advice {
        id: "frontchannel-only",
        field: "frontchannel_logout_uri",
        message: "It is told of a logout by the browser only, which may keep its cookies back from a frame. Use back-channel logout, too.",
        command: "signet client update {id} --set backchannel_logout_uri=https://app.example.com/backchannel-logout",
        applies: |known| {
            let metadata = metadata(known);
            metadata.frontchannel_logout_uri.is_some() && metadata.backchannel_logout_uri.is_none()
        },
    },
    Advice {
        id: "any-request-object",
        field: "request_object_signing_alg",
        message: "It has to sign its requests and has not said how. Name the algorithm, so that no other is taken.",
        command: "signet client update {id} --set request_object_signing_alg=ES256",
        applies: |known| {
            metadata(known).require_signed_request_object
                && metadata(known).request_object_signing_alg.is_none()
        },
    },
    Advice {
        id: "no-name",
        field: "client_name",
        message: "It has no name: people see its id where they are asked to sign in or to consent.",
        command: "signet client update {id} --name 'Its name'",
        applies: |known| signs_in(known) && metadata(known).client_name.is_none(),
    },
    Advice {
        id: "no-logo",
        field: "logo_uri",
        message: "It has no logo to be known by on the pages of this server.",
        command: "signet client update {id} --set logo_uri=https://app.example.com/logo.png",
        applies: |known| asks_for_consent(known) && metadata(known).logo_uri.is_none(),
    },
    Advice {
        id: "no-policy",
        field: "policy_uri",
        message: "People are asked for consent and cannot read what becomes of their data.",
        command: "signet client update {id} --set policy_uri=https://app.example.com/privacy",
        applies: |known| asks_for_consent(known) && metadata(known).policy_uri.is_none(),
    },
    Advice {
        id: "no-contacts",
        field: "contacts",
        message: "Nobody is named whom to ask about it.",
        command: "signet client update {id} --set contacts='[\"team@example.com\"]'",
        applies: |known| metadata(known).contacts.is_empty(),
    },
];

const fn metadata<'a>(known: &Known<'a>) -> &'a ClientMetadata {
    &known.client.metadata
}

fn signs_in(known: &Known<'_>) -> bool {
    metadata(known).allows(GrantType::AuthorizationCode)
}

fn asks_for_consent(known: &Known<'_>) -> bool {
    signs_in(known) && !metadata(known).first_party
}

fn has_api_scope(scope: &Scope) -> bool {
    scope.iter().any(|value| ![OPENID, PROFILE, EMAIL, ADDRESS, PHONE, OFFLINE_ACCESS].contains(&value))
}

/// Whether an address of a client is plain http. `http://localhost` among the redirect URIs has a rule of its own.
fn has_plain(metadata: &ClientMetadata) -> bool {
    let plain = |uri: &str| uri.starts_with("http://");
    let redirects = metadata.redirect_uris.iter().chain(&metadata.post_logout_redirect_uris);
    let pages = [
        &metadata.client_uri,
        &metadata.logo_uri,
        &metadata.policy_uri,
        &metadata.tos_uri,
        &metadata.jwks_uri,
        &metadata.backchannel_logout_uri,
        &metadata.frontchannel_logout_uri,
    ];
    redirects.filter(|uri| !profile::is_localhost(uri)).map(RedirectUri::as_str).any(plain)
        || pages.into_iter().flatten().any(|uri| plain(uri))
        || metadata.allowed_origins.iter().any(|uri| plain(uri))
}

#[cfg(test)]
#[path = "client_lint_tests.rs"]
mod tests;
