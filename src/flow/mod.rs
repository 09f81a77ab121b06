//! The decisions: every MUST of the specifications. No HTTP, no SQL, no clock of its own.
//!
//! A flow takes the [`Provider`] and what the edge has parsed, reads the clock once, and returns either what to
//! answer or a [`rejection::Rejection`].

pub mod access_token;
pub mod account;
pub mod admin;
pub mod apis;
pub mod authorize;
pub mod bearer;
pub mod behalf;
pub mod browser;
pub mod claimant;
pub mod client_assertion;
pub mod client_auth;
pub mod client_keys;
pub mod clients;
pub mod consent;
pub mod end_session;
pub mod forward_auth;
pub mod grant;
pub mod id_token;
pub mod interaction;
pub mod introspect;
pub mod issue;
pub mod keys;
pub mod limiter;
pub mod login;
pub mod login_session;
pub mod logout;
pub mod logout_notice;
pub mod metadata;
pub mod policy;
pub mod reference_token;
pub mod registration;
pub mod rejection;
pub mod revocation;
pub mod revoke;
pub mod sector;
pub mod session;
pub mod subject;
pub mod target;
pub mod user_claims;
pub mod userinfo;
pub mod web_cookie;

use std::sync::Arc;

use crate::clock::{Clock, Timestamp};
use crate::digest::{MacKey, derive_key};
use crate::entropy::{Entropy, EntropyError};
use crate::fetch::Fetcher;
use crate::jose::client_secret::ClientSecretSeal;
use crate::model::audit::{AuditEntry, Event};
use crate::model::refresh_token::RefreshTokenKeys;
use crate::secret::AuditId;
use crate::storage::Store;

/// Everything a flow works with.
pub struct Provider {
    /// The memory.
    pub store: Store,
    /// The signing keys as of now.
    pub keys: keys::Keys,
    /// The revocation feed.
    pub feed: revocation::Feed,
    /// Registered clients, from memory where that is fresh enough.
    pub clients: clients::Clients,
    /// Their public keys.
    pub client_keys: client_keys::ClientKeys,
    /// Asks other servers.
    pub fetch: Fetcher,
    /// What became of notices to relying parties.
    pub notices: logout_notice::NoticeCounts,
    /// Sign-ins begun and not finished, by address.
    pub unfinished: limiter::Limiter,
    /// Fetches of request objects.
    pub request_uris: authorize::RequestUriLimits,
    /// Assertions of clients that no operator has registered, by client.
    pub assertions: limiter::Limiter,
    /// The hashing threads.
    pub passwords: crate::password::Passwords,
    /// What this deployment has decided.
    pub policy: policy::Policy,
    /// Keys derived from the master key.
    pub secrets: Secrets,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Provider {
    /// An audit entry with a fresh id.
    ///
    /// # Errors
    /// Where the operating system gives no random bytes.
    pub fn audit(
        &self,
        event: Event,
        actor: impl Into<String>,
        now: Timestamp,
    ) -> Result<AuditEntry, EntropyError> {
        Ok(AuditEntry::new(AuditId(self.entropy.uuid_v7(now)?), now, event, actor))
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.policy.issuer).finish_non_exhaustive()
    }
}

/// Keys derived from the master key, each for one purpose.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Authenticates refresh tokens.
    pub refresh_tokens: RefreshTokenKeys,
    /// Authenticates form tokens.
    pub forms: MacKey,
    /// Hides account names in throttle buckets.
    pub buckets: MacKey,
    /// Seals the secrets that clients sign with.
    pub client_secrets: ClientSecretSeal,
    /// Makes pairwise subjects; another key would make every user another.
    pub subjects: MacKey,
    /// Seals opaque access tokens.
    pub opaque_tokens: crate::jose::token_seal::TokenSeal,
    /// Binds `/session/start` to `/session/callback`.
    pub transactions: session::transaction::TransactionKeys,
}

impl Secrets {
    /// Derives all of them. `None` only where the refresh-token keys' ids clash, which one key cannot.
    pub fn derive(master: &crate::jose::seal::MasterKey, issuer: &str) -> Option<Self> {
        let key = |purpose: &str| MacKey::new(&master.derive(purpose));
        Some(Self {
            refresh_tokens: RefreshTokenKeys::new(issuer, (1, key("refresh-token/1")), Vec::new())?,
            forms: key("form-token/1"),
            buckets: MacKey::new(&derive_key(&master.derive("throttle/1"), issuer)),
            client_secrets: ClientSecretSeal::derive(master),
            subjects: key("pairwise-subject/1"),
            opaque_tokens: crate::jose::token_seal::TokenSeal::new(master, issuer),
            transactions: session::transaction::TransactionKeys {
                state: key("session-state/1"),
                verifier: key("session-verifier/1"),
            },
        })
    }
}
