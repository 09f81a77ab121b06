//! Security events: who did what to whom, from where, and why.

use super::session_policy::Seen;
use crate::clock::Timestamp;
use crate::secret::{AuditId, ClientId, SessionId, UserId};

/// Declares the events with their wire names.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        /// What happened. The names are the same in the audit log, in `--history` and in metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Event { $($(#[$doc])* $name,)+ }

        impl Event {
            /// The wire name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Reads a wire name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

events! {
    /// A user signed in.
    LoginSucceeded = "login.succeeded";
    /// A sign-in failed: wrong, unknown, disabled or throttled; the cause says which.
    LoginFailed = "login.failed";
    /// One login session ended.
    SessionEnded = "session.ended";
    /// A login session came back from another browser, operating system or network; the details say which.
    SessionMoved = "session.moved";
    /// Everything of a user ended: "log out all devices".
    LogoutAll = "user.logout_all";
    /// A user account was made.
    UserCreated = "user.created";
    /// A user account changed.
    UserUpdated = "user.updated";
    /// A user account was disabled.
    UserDisabled = "user.disabled";
    /// A user account was enabled again.
    UserEnabled = "user.enabled";
    /// A password was set.
    PasswordChanged = "user.password_changed";
    /// A user agreed to a client's scope.
    ConsentGranted = "consent.granted";
    /// A user withdrew what a client was allowed.
    ConsentWithdrawn = "consent.withdrawn";
    /// A client was given tokens for a user.
    GrantIssued = "grant.issued";
    /// A family ended: revoked by its client, by a replayed code, or too old a token.
    FamilyEnded = "family.ended";
    /// A late retry displaced an unconfirmed successor (rotation.md rule 6).
    RefreshForked = "refresh.forked";
    /// A superseded refresh token was presented: theft (rotation.md rule 8).
    RefreshTheft = "refresh.theft";
    /// A refresh token was newer than the database: a commit was lost (rotation.md rule 1).
    RefreshRolledForward = "refresh.rolled_forward";
    /// A redeemed authorization code came again (RFC 6749 §4.1.2).
    CodeReplayed = "code.replayed";
    /// An access token was revoked (RFC 7009).
    TokenRevoked = "token.revoked";
    /// A client was registered.
    ClientCreated = "client.created";
    /// A client changed.
    ClientUpdated = "client.updated";
    /// A client was disabled.
    ClientDisabled = "client.disabled";
    /// A client was enabled again.
    ClientEnabled = "client.enabled";
    /// A client was deleted.
    ClientDeleted = "client.deleted";
    /// A client registered itself (RFC 7591).
    ClientRegistered = "client.registered";
    /// A client's secret was replaced.
    ClientSecretRotated = "client.secret_rotated";
    /// A resource server was registered.
    ApiCreated = "api.created";
    /// A resource server changed.
    ApiUpdated = "api.updated";
    /// A resource server was deleted.
    ApiDeleted = "api.deleted";
    /// An initial access token was made (RFC 7591 §1.2).
    InitialAccessTokenCreated = "initial_access_token.created";
    /// An initial access token was deleted.
    InitialAccessTokenDeleted = "initial_access_token.deleted";
    /// A signing key was made.
    KeyCreated = "key.created";
    /// A signing key will retire.
    KeyRetired = "key.retired";
    /// A signing key was taken out of the JWKS.
    KeyRemoved = "key.removed";
    /// An API key was made.
    ApiKeyCreated = "api_key.created";
    /// An API key was deleted.
    ApiKeyDeleted = "api_key.deleted";
    /// Everything was voided because the database had been restored.
    EpochRestored = "installation.epoch_restored";
}

/// Where a request came from, for the audit log and the device list.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The client's address.
    pub address: Option<String>,
    /// Its `User-Agent`, cut to 256 characters.
    pub user_agent: Option<String>,
    /// Where the address is, in words, as a trusted proxy says it; for the device list, not for the audit log.
    pub place: Option<String>,
    /// The id of the request, also in the log and in error bodies.
    pub trace_id: Option<String>,
}

impl Origin {
    /// What is seen of the browser.
    pub fn seen(&self) -> Seen<'_> {
        Seen { user_agent: self.user_agent.as_deref(), address: self.address.as_deref() }
    }
}

/// One entry of the audit log.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// Its id; ordered by time.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
    /// `success` or `failure`.
    pub outcome: &'static str,
    /// Who did it: `user:…`, `client:…`, `admin:…`, `cli`, `system`.
    pub actor: String,
    /// Whom it concerns.
    pub user: Option<UserId>,
    /// Which client.
    pub client: Option<ClientId>,
    /// Which login session.
    pub session: Option<SessionId>,
    /// From where.
    pub origin: Origin,
    /// Why.
    pub cause: Option<String>,
    /// Anything else, without secrets.
    pub details: Option<String>,
}

impl AuditEntry {
    /// An entry with the parts that every event has.
    pub fn new(id: AuditId, at: Timestamp, event: Event, actor: impl Into<String>) -> Self {
        Self {
            id,
            at,
            event,
            outcome: if matches!(event, Event::LoginFailed) { "failure" } else { "success" },
            actor: actor.into(),
            user: None,
            client: None,
            session: None,
            origin: Origin::default(),
            cause: None,
            details: None,
        }
    }

    /// Concerning `user`.
    #[must_use]
    pub const fn user(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// Through `client`.
    #[must_use]
    pub fn client(mut self, client: &ClientId) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// In `session`.
    #[must_use]
    pub const fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// From `origin`.
    #[must_use]
    pub fn origin(mut self, origin: &Origin) -> Self {
        self.origin = origin.clone();
        self
    }

    /// Because of `cause`.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// With `details`.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }
}
