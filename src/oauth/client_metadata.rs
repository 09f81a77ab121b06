//! Client metadata (RFC 7591 §2, OpenID Connect Dynamic Client Registration §2) and what Signet adds to it.

use serde::{Deserialize, Serialize};

use super::auth_method::AuthMethod;
use super::claims::ClaimRule;
use super::client_rules;
use super::grant_type::GrantType;
use super::redirect_uri::{self, RedirectUri};
use super::response_type::ResponseType;
use super::scope::Scope;
use super::{text, uri};

/// Everything an operator says about a client, besides its id and its secret.
///
/// Fields that are types of their own have been checked alone; [`ClientMetadata::validate`] checks the rest
/// and how they fit together. [`ClientMetadata::from_json`] does both. Absent fields take their defaults,
/// unknown ones are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientMetadata {
    /// The name shown to users (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// Where authorization responses may go (RFC 7591 §2).
    pub redirect_uris: Vec<RedirectUri>,
    /// Where a browser may go after logout (OpenID Connect RP-Initiated Logout §3.1).
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Which rules the client lives by. Default: `default`.
    #[serde(skip_serializing_if = "Profile::is_default")]
    pub profile: Profile,
    /// Grants the client may use (RFC 7591 §2). Default: `authorization_code`.
    pub grant_types: Vec<GrantType>,
    /// Response types the client may use (RFC 7591 §2). Default: `code`.
    pub response_types: Vec<ResponseType>,
    /// How the client proves itself (RFC 7591 §2). Default: `client_secret_basic`.
    pub token_endpoint_auth_method: AuthMethod,
    /// The algorithm of the client's assertions; if absent, any that fits the method (OpenID Connect Dynamic Client
    /// Registration §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<String>,
    /// The client's public keys, by value (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
    /// Where the client publishes its public keys (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The widest scope the client can ask for (RFC 7591 §2).
    pub scope: Scope,
    /// The client's home page (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// The client's logo (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// The client's privacy policy (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// The client's terms of service (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Whom to ask about the client (RFC 7591 §2).
    pub contacts: Vec<String>,
    /// Web or native (OpenID Connect Dynamic Client Registration §2). Default: `web`.
    pub application_type: ApplicationType,
    /// Whether all clients know a user by the same `sub`, or each sector by its own (OpenID Connect Core §8). Default:
    /// `public`.
    #[serde(skip_serializing_if = "SubjectType::is_public")]
    pub subject_type: SubjectType,
    /// Names the redirect URIs of all clients of one sector (OpenID Connect Core §8.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    /// The algorithm of signed answers of the UserInfo endpoint; if absent, they are plain JSON (OpenID Connect Dynamic
    /// Client Registration §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<String>,
    /// The algorithm of request objects; if absent, any (RFC 9101 §10.5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<String>,
    /// Whether authorization requests have to be signed (RFC 9101 §10.5).
    #[serde(skip_serializing_if = "is_false")]
    pub require_signed_request_object: bool,
    /// Where request objects may be fetched (OpenID Connect Dynamic Client Registration §2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    /// Whether authorization requests need PKCE; if absent, they do (RFC 9700 §2.1.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_pkce: Option<bool>,
    /// The algorithm of ID tokens (OpenID Connect Dynamic Client Registration §2). Default: the deployment's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<String>,
    /// The algorithm of access tokens. Default: the deployment's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_signed_response_alg: Option<String>,
    /// Origins whose pages may read this client's answers (CORS). Empty: those of the redirect URIs.
    pub allowed_origins: Vec<String>,
    /// Pages that a browser may be sent to by `/session/callback` after a sign-in in cookie mode; exact.
    pub return_uris: Vec<String>,
    /// A classic web application behind a reverse proxy that asks `/forward-auth`. After a sign-in, browsers return to
    /// any page of its `allowed_origins`.
    pub forward_auth: bool,
    /// The `aud` of access tokens when the request names no `resource` (RFC 8707 §2, RFC 9068 §3).
    pub audience: Vec<String>,
    /// Of the operator's own: users are not asked for consent.
    pub first_party: bool,
    /// Which refresh-token policy fits. Derived if absent: see [`ClientMetadata::class`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_class: Option<ClientClass>,
    /// Whether refresh tokens rotate; if absent, the class decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_refresh_tokens: Option<bool>,
    /// What ends when a stolen refresh token is noticed. Default: everything of the user.
    pub theft_response: TheftResponse,
    /// Lifetime of access tokens in seconds; if absent, the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<u64>,
    /// After how many seconds without use refresh tokens die; if absent, the class decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_idle_lifetime: Option<u64>,
    /// After how many seconds refresh tokens die although used; if absent, the class decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_lifetime: Option<u64>,
    /// A resource server: it may introspect tokens meant for it (RFC 7662 §4).
    pub introspect: bool,
    /// Extra claims of this client's tokens.
    pub claims: Vec<ClaimRule>,
    /// The `max_age` of requests that name none, in seconds (OpenID Connect Dynamic Client Registration §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u64>,
    /// The `acr_values` of requests that name none (OpenID Connect Dynamic Client Registration §2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    /// Where a sign-in can be begun by others than the client (OpenID Connect Core §4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// Whom this server tells that a session has ended (OpenID Connect Back-Channel Logout §2.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether logout tokens need `sid` (OpenID Connect Back-Channel Logout §2.2). They always carry it.
    #[serde(skip_serializing_if = "is_false")]
    pub backchannel_logout_session_required: bool,
    /// The page that the browser loads in a frame at logout (OpenID Connect Front-Channel Logout §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// Whether that page gets `iss` and `sid` (OpenID Connect Front-Channel Logout §2).
    #[serde(skip_serializing_if = "is_false")]
    pub frontchannel_logout_session_required: bool,
    /// The software that the client is an instance of (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// Its version (RFC 7591 §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// Whether ID tokens always carry `auth_time` (OpenID Connect Dynamic Client Registration §2).
    pub require_auth_time: bool,
    /// Whether a refresh answers with a new ID token too (OpenID Connect Core §12.2). Default: no, since an RSA
    /// signature costs more than the rest of a refresh.
    pub id_token_on_refresh: bool,
}

words! {
    /// An `application_type` value (OpenID Connect Dynamic Client Registration §2).
    ApplicationType ("application type") {
        /// Runs on a server or in a browser.
        Web = "web",
        /// Runs on the user's device; may use a scheme of its own (RFC 8252 §7.1).
        Native = "native",
    }
}

words! {
    /// Sets of rules that a client lives by. Each is one place in `flow`: a profile only ever decides what is required.
    Profile ("profile") {
        /// What is good for every client, with room for what existing ones send.
        Default = "default",
        /// OAuth 2.1 to the letter, and nothing that it leaves open to habit.
        OAuth21 = "oauth21",
        /// What the OpenID Foundation's certification asks of a provider, where that is less strict.
        OidcCertification = "oidc-certification",
    }
}

impl Profile {
    /// Whether it is the one of clients that name none.
    pub const fn is_default(&self) -> bool {
        matches!(self, Self::Default)
    }
}

words! {
    /// A `subject_type` value (OpenID Connect Core §8).
    SubjectType ("subject type") {
        /// The same for all clients.
        Public = "public",
        /// Another for each sector.
        Pairwise = "pairwise",
    }
}

impl SubjectType {
    /// Whether all clients know a user by the same `sub`.
    pub const fn is_public(&self) -> bool {
        matches!(self, Self::Public)
    }
}

words! {
    /// Classes of clients by how they keep refresh tokens.
    ClientClass ("client class") {
        /// A single-page app that calls the token endpoint itself.
        Spa = "spa",
        /// An app on the user's device.
        Native = "native",
        /// A page whose refresh token lives in a cookie of this server.
        Cookie = "cookie",
        /// A server with a secret.
        Confidential = "confidential",
        /// A server that must never lose certainty about who holds a token.
        HighAssurance = "high_assurance",
    }
}

words! {
    /// What ends when a stolen refresh token is noticed (RFC 9700 §4.14.2).
    TheftResponse ("theft response") {
        /// Every session and refresh token of the user.
        User = "user",
        /// The login session and its refresh tokens.
        Session = "session",
        /// The one family of refresh tokens.
        Family = "family",
    }
}

/// A problem's message has at most so many characters, and quotes at most so many: what is wrong may be anybody's and as
/// long as a whole document, and ends in answers and logs.
const LONGEST_MESSAGE: usize = 400;
const LONGEST_QUOTE: usize = 100;

/// What is wrong with metadata, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataProblem {
    /// The name of the field in JSON; `client` if the text as a whole cannot be read.
    pub field: &'static str,
    /// A sentence that names the fix.
    pub message: String,
}

impl MetadataProblem {
    /// A problem of `field`. A message that is too long is cut.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: text::shortened(&message.into(), LONGEST_MESSAGE) }
    }

    /// A problem of one of the values of `field`, by which the message begins, cut where it is long.
    pub fn quoting(field: &'static str, value: &str, problem: impl std::fmt::Display) -> Self {
        Self::new(field, format!("{:?}: {problem}", text::shortened(value, LONGEST_QUOTE)))
    }
}

impl std::fmt::Display for MetadataProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for MetadataProblem {}

impl ClientMetadata {
    /// Reads and validates metadata from JSON; problems of URIs name their field.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, MetadataProblem> {
        for field in ["redirect_uris", "post_logout_redirect_uris"] {
            let uris = json.get(field).and_then(serde_json::Value::as_array).into_iter().flatten();
            for uri in uris.filter_map(serde_json::Value::as_str) {
                redirect_uri::parse_registered(uri)
                    .map_err(|problem| MetadataProblem::quoting(field, uri, problem))?;
            }
        }
        let metadata: Self = serde::Deserialize::deserialize(json).map_err(|error: serde_json::Error| {
            MetadataProblem::new("client", format!("The client metadata cannot be read: {error}."))
        })?;
        metadata.validate()?;
        Ok(metadata)
    }

    /// Checks bounds and how the fields fit together.
    pub fn validate(&self) -> Result<(), MetadataProblem> {
        client_rules::check(self)
    }

    /// Whether the client has no secret (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method.is_public()
    }

    /// Whether the client may use `grant`.
    pub fn allows(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// Whether the client's refresh tokens live in cookies of this server (`/session/start`, `/refresh`).
    pub fn is_cookie_mode(&self) -> bool {
        self.class() == ClientClass::Cookie
    }

    /// The class as stated, or derived: native apps are native, others without a secret are single-page
    /// apps, the rest are confidential.
    pub fn class(&self) -> ClientClass {
        self.client_class.unwrap_or(match self.application_type {
            ApplicationType::Native => ClientClass::Native,
            ApplicationType::Web if self.is_public() => ClientClass::Spa,
            ApplicationType::Web => ClientClass::Confidential,
        })
    }

    /// The origins that CORS allows for this client: those stated, else those of its pages: return URIs in cookie mode,
    /// where the redirect URIs are this server's own, and redirect URIs otherwise.
    pub fn origins(&self) -> Vec<String> {
        if !self.allowed_origins.is_empty() {
            return self.allowed_origins.clone();
        }
        let mut origins: Vec<String> = if self.is_cookie_mode() {
            self.return_uris.iter().filter_map(|uri| uri::origin_of(uri)).collect()
        } else {
            self.redirect_uris.iter().filter_map(RedirectUri::origin).collect()
        };
        origins.sort_unstable();
        origins.dedup();
        origins
    }
}

impl Default for ClientMetadata {
    fn default() -> Self {
        Self {
            client_name: None,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            profile: Profile::Default,
            grant_types: vec![GrantType::AuthorizationCode],
            response_types: vec![ResponseType::Code],
            token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
            token_endpoint_auth_signing_alg: None,
            jwks: None,
            jwks_uri: None,
            scope: Scope::default(),
            client_uri: None,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
            contacts: Vec::new(),
            application_type: ApplicationType::Web,
            subject_type: SubjectType::Public,
            sector_identifier_uri: None,
            userinfo_signed_response_alg: None,
            request_object_signing_alg: None,
            require_signed_request_object: false,
            request_uris: Vec::new(),
            require_pkce: None,
            id_token_signed_response_alg: None,
            access_token_signed_response_alg: None,
            allowed_origins: Vec::new(),
            return_uris: Vec::new(),
            forward_auth: false,
            audience: Vec::new(),
            first_party: false,
            client_class: None,
            rotate_refresh_tokens: None,
            theft_response: TheftResponse::User,
            access_token_lifetime: None,
            refresh_token_idle_lifetime: None,
            refresh_token_lifetime: None,
            introspect: false,
            claims: Vec::new(),
            default_max_age: None,
            default_acr_values: Vec::new(),
            initiate_login_uri: None,
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            frontchannel_logout_uri: None,
            frontchannel_logout_session_required: false,
            software_id: None,
            software_version: None,
            require_auth_time: false,
            id_token_on_refresh: false,
        }
    }
}

/// For members that are left out while they are false.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
#[path = "client_metadata_tests.rs"]
mod tests;
