//! What a deployment has decided: plain values that flows read. Made once from the configuration.

use std::time::Duration;

use crate::model::client::Client;
use crate::model::key_schedule::KeyPolicy;
use crate::model::password_policy::PasswordPolicy;
use crate::model::rotation::{ClassDefaults, RotationPolicy};
use crate::model::session_policy::{Change, SessionLimit};
use crate::oauth::algorithm::Algorithm;
use crate::oauth::client_metadata::{ClientClass, Profile, TheftResponse};
use crate::oauth::client_rules::SESSION_CALLBACK;
use crate::oauth::issuer::Issuer;
use crate::oauth::scope::Scope;

/// Everything a deployment may decide.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The issuer identifier (RFC 8414 §2).
    pub issuer: Issuer,
    /// Lifetimes and algorithms of tokens.
    pub tokens: TokenPolicy,
    /// Refresh tokens by class of client.
    pub refresh: RefreshPolicy,
    /// The revocation feed.
    pub revocation: RevocationPolicy,
    /// Login sessions.
    pub sessions: SessionPolicy,
    /// Hosts at which browsers hold sessions.
    pub browser: BrowserPolicy,
    /// Clients that register themselves.
    pub registration: RegistrationPolicy,
    /// Whether the implicit and hybrid response types exist, for clients whose profile has them.
    pub legacy_response_types: bool,
    /// Passwords.
    pub passwords: PasswordPolicy,
    /// Guessing.
    pub throttle: ThrottlePolicy,
    /// Signing keys.
    pub keys: KeyPolicy,
    /// Modulus length of new RSA keys, in bits.
    pub rsa_bits: u32,
}

/// Lifetimes and algorithms of tokens.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// Access tokens live so long, at most 15 minutes.
    pub access_token: Duration,
    /// ID tokens.
    pub id_token: Duration,
    /// Authorization codes, at most one minute.
    pub authorization_code: Duration,
    /// An access token lives up to so many percent shorter, so that refreshes spread out.
    pub jitter_percent: u32,
    /// Signs access tokens unless the client says otherwise.
    pub access_token_algorithm: Algorithm,
    /// Signs ID tokens unless the client says otherwise.
    pub id_token_algorithm: Algorithm,
}

/// Refresh tokens by class of client.
#[derive(Clone, Debug)]
pub struct RefreshPolicy {
    /// Single-page applications at `/token`.
    pub spa: ClassDefaults,
    /// Native applications.
    pub native: ClassDefaults,
    /// Browser cookies.
    pub cookie: ClassDefaults,
    /// Confidential clients.
    pub confidential: ClassDefaults,
    /// High assurance.
    pub high_assurance: ClassDefaults,
    /// The widest response to a theft; a client may narrow it.
    pub theft_response: TheftResponse,
}

impl RefreshPolicy {
    /// What holds for a client: its class's settings with its own wishes.
    pub fn of(&self, client: &Client) -> ClassDefaults {
        let metadata = &client.metadata;
        let class = match metadata.class() {
            ClientClass::Spa => self.spa,
            ClientClass::Native => self.native,
            ClientClass::Cookie => self.cookie,
            ClientClass::Confidential => self.confidential,
            ClientClass::HighAssurance => self.high_assurance,
        };
        let rotates = metadata.rotate_refresh_tokens.unwrap_or(class.policy.rotates);
        let absolute = metadata.refresh_token_lifetime.map_or(class.absolute, Duration::from_secs);
        let idle = metadata.refresh_token_idle_lifetime.map_or(class.idle, Duration::from_secs);
        ClassDefaults {
            policy: RotationPolicy { rotates, ..class.policy },
            // A token that does not rotate leaves no trace of its use: nobody could say that it lies idle, and
            // cleanup, which goes by the row alone, would delete the family of a client that is busy.
            idle: if rotates { idle } else { absolute },
            absolute,
        }
    }
}

/// The revocation feed.
#[derive(Clone, Copy, Debug)]
pub struct RevocationPolicy {
    /// Whether it is served. Entries are written and numbered in any case.
    pub enabled: bool,
    /// Time between heartbeats, and the longest hold of the next batch.
    pub heartbeat: Duration,
    /// Time between two looks into the outbox.
    pub sweep: Duration,
    /// So long an answer waits for its batch.
    pub patience: Duration,
    /// Streams and held requests at once.
    pub max_followers: usize,
}

/// Login sessions.
#[derive(Clone, Copy, Debug)]
pub struct SessionPolicy {
    /// An ordinary session may stay unseen so long.
    pub idle: Duration,
    /// An ordinary session ends after so long.
    pub absolute: Duration,
    /// A remembered session may stay unseen so long.
    pub remember_idle: Duration,
    /// A remembered session ends after so long.
    pub remember_absolute: Duration,
    /// Whether "stay signed in" is offered.
    pub remember_me: bool,
    /// A person has so long to finish an interaction.
    pub interaction: Duration,
    /// A browser is known as one of the user's for so long after a sign-in.
    pub known_device: Duration,
    /// How recent a sign-in has to be for what is sensitive.
    pub fresh: Duration,
    /// Sessions that a user may have at once; `None` for any number.
    pub limit: Option<SessionLimit>,
    /// What follows when a session comes back from another browser or operating system.
    pub on_new_browser: Change,
    /// What follows when a session comes back from another network.
    pub on_new_network: Change,
    /// Whether a role that is taken away ends what its user has open.
    pub end_on_role_loss: bool,
}

/// Hosts at which browsers hold sessions.
#[derive(Clone, Debug)]
pub struct BrowserPolicy {
    /// Their origins; the issuer's first.
    pub hosts: Vec<String>,
    /// Domains whose sub-domains share the cookie of a classic web application.
    pub cookie_domains: Vec<String>,
}

impl BrowserPolicy {
    /// Whether a redirect URI is this server's own, where it redeems codes itself.
    pub fn is_callback(&self, redirect_uri: &str) -> bool {
        let host = redirect_uri.strip_suffix(SESSION_CALLBACK);
        host.is_some_and(|host| self.hosts.iter().any(|one| one == host))
    }
}

/// Clients that register themselves.
#[derive(Clone, Debug)]
pub struct RegistrationPolicy {
    /// Who may.
    pub mode: RegistrationMode,
    /// The widest scope of such clients.
    pub scope: Scope,
    /// The profile they get.
    pub profile: Profile,
    /// One that has never signed anybody in goes after so long.
    pub unused: Duration,
    /// Registrations, changes and new metadata documents from one address at once.
    pub address_burst: u32,
    /// One more per so long.
    pub address_period: Duration,
    /// Whether a `client_id` may be the address of a metadata document.
    pub metadata_documents: bool,
    /// The hosts whose documents are taken; empty for any.
    pub metadata_document_hosts: Vec<String>,
}

/// Who may register a client (RFC 7591 §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Nobody.
    Off,
    /// Whoever has an initial access token.
    Token,
    /// Anybody.
    Open,
}

/// How many guesses may be made.
#[derive(Clone, Copy, Debug)]
pub struct ThrottlePolicy {
    /// Guesses at one account at once.
    pub account_burst: u32,
    /// One more per so long.
    pub account_period: Duration,
    /// Guesses from one address at once.
    pub address_burst: u32,
    /// One more per so long.
    pub address_period: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::oauth::client_metadata::ClientMetadata;
    use crate::oauth::registration::Registered;
    use crate::secret::ClientId;

    #[test]
    fn only_what_rotates_can_lie_idle() {
        let policy = RefreshPolicy {
            spa: ClassDefaults::of(ClientClass::Spa),
            native: ClassDefaults::of(ClientClass::Native),
            cookie: ClassDefaults::of(ClientClass::Cookie),
            confidential: ClassDefaults::of(ClientClass::Confidential),
            high_assurance: ClassDefaults::of(ClientClass::HighAssurance),
            theft_response: TheftResponse::User,
        };
        let mut client = Client {
            id: ClientId::from("app"),
            metadata: ClientMetadata {
                rotate_refresh_tokens: Some(false),
                refresh_token_idle_lifetime: Some(60),
                refresh_token_lifetime: Some(3600),
                ..ClientMetadata::default()
            },
            secret: None,
            previous_secret: None,
            sealed_secret: None,
            registered: Registered::Operator,
            registration_token: None,
            fetched_until: None,
            disabled_at: None,
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        };
        assert_eq!(policy.of(&client).idle, Duration::from_secs(3600));
        client.metadata.rotate_refresh_tokens = Some(true);
        assert_eq!(policy.of(&client).idle, Duration::from_secs(60));
    }
}
