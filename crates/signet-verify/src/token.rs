//! An access token that has been verified: its claims, typed, and the questions a handler asks of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::challenge::{Challenges, Refusal, Scheme};
use crate::clock::Clock;
use crate::jose::claims::Claims;

/// What a token needs in order to answer questions about time, and to refuse.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) challenges: Challenges,
}

/// A verified access token (RFC 9068 §2.2).
///
/// Its `Debug` form has no claim: those name people.
pub struct Token {
    claims: Claims,
    kid: Option<String>,
    context: Arc<Context>,
}

impl Token {
    pub(crate) const fn new(claims: Claims, kid: Option<String>, context: Arc<Context>) -> Self {
        Self { claims, kid, context }
    }

    /// `sub`: the user, or the client where it acts for itself. `None` only where introspection did not tell.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.claims.str("sub")
    }

    /// `client_id`, or `azp` where the issuer does not follow RFC 9068: the client the token was issued to.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.claims.str("client_id").or_else(|| self.claims.str("azp"))
    }

    /// `iss`, which is the issuer of the configuration. `None` only where introspection did not tell.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.claims.str("iss")
    }

    /// `aud`: all resources the token is for, this one among them.
    #[must_use]
    pub fn audience(&self) -> Vec<&str> {
        self.claims.list("aud")
    }

    /// The values of `scope`; some issuers call it `scp`.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let scp = if self.claims.get("scope").is_none() { self.claims.list("scp") } else { Vec::new() };
        self.claims
            .scope()
            .chain(scp.into_iter().flat_map(|list| list.split(' ').filter(|one| !one.is_empty())))
    }

    /// `sid`: the login session the token goes back to.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.claims.str("sid")
    }

    /// `jti`: the name of this one token.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.claims.str("jti")
    }

    /// `auth_time`: when the user signed in, in Unix seconds.
    #[must_use]
    pub fn auth_time(&self) -> Option<i64> {
        self.claims.millis("auth_time").map(|millis| millis.div_euclid(1000))
    }

    /// `iat`: when the token was issued, in Unix seconds.
    #[must_use]
    pub fn issued_at(&self) -> Option<i64> {
        self.claims.millis("iat").map(|millis| millis.div_euclid(1000))
    }

    /// `exp`: when the token ends, in Unix seconds.
    #[must_use]
    pub fn expires_at(&self) -> Option<i64> {
        self.claims.millis("exp").map(|millis| millis.div_euclid(1000))
    }

    /// `acr`: the class of the user's authentication.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.claims.str("acr")
    }

    /// `amr`: how the user authenticated (RFC 8176).
    #[must_use]
    pub fn amr(&self) -> Vec<&str> {
        self.claims.list("amr")
    }

    /// `roles` (RFC 9068 §2.2.3.1).
    #[must_use]
    pub fn roles(&self) -> Vec<&str> {
        self.claims.list("roles")
    }

    /// `cnf.jkt`: the thumbprint of the key whose holder alone may use the token (RFC 9449 §6.1).
    #[must_use]
    pub fn bound_to(&self) -> Option<&str> {
        self.claims.get("cnf")?.get("jkt")?.as_str()
    }

    /// `act`: who acts for the subject (RFC 8693 §4.1).
    #[must_use]
    pub fn actor(&self) -> Option<&Value> {
        self.claims.get("act")
    }

    /// Any claim.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// All claims.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        self.claims.as_map()
    }

    /// `kid` of the header. `None` for an opaque token.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the token has this scope.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|one| one == scope)
    }

    /// Whether the user, or the client, has this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().contains(&role)
    }

    /// Asks for a scope.
    ///
    /// # Errors
    /// 403 `insufficient_scope` (RFC 6750 §3.1).
    pub fn require_scope(&self, scope: &str) -> Result<(), Refusal> {
        self.require_scopes(&[scope])
    }

    /// Asks for all of these scopes.
    ///
    /// # Errors
    /// 403 `insufficient_scope`, naming all of them (RFC 6750 §3.1).
    pub fn require_scopes(&self, scopes: &[&str]) -> Result<(), Refusal> {
        if scopes.iter().all(|scope| self.has_scope(scope)) {
            return Ok(());
        }
        Err(self.context.challenges.insufficient_scope(self.scheme(), scopes))
    }

    /// Asks that the user signed in at most this long ago.
    ///
    /// # Errors
    /// 401 `insufficient_user_authentication` with `max_age` (RFC 9470 §3), also where the token does not say when.
    pub fn require_fresh(&self, max_age: Duration) -> Result<(), Refusal> {
        self.require_authentication(&[], Some(max_age))
    }

    /// Asks for one of these classes of authentication.
    ///
    /// # Errors
    /// 401 `insufficient_user_authentication` with `acr_values` (RFC 9470 §3), also where the token names no class.
    pub fn require_acr(&self, acr_values: &[&str]) -> Result<(), Refusal> {
        self.require_authentication(acr_values, None)
    }

    /// Asks for one of these classes of authentication, at most this long ago.
    ///
    /// # Errors
    /// 401 `insufficient_user_authentication` with both (RFC 9470 §3).
    pub fn require_authentication(
        &self,
        acr_values: &[&str],
        max_age: Option<Duration>,
    ) -> Result<(), Refusal> {
        let acr = acr_values.is_empty() || self.acr().is_some_and(|acr| acr_values.contains(&acr));
        let fresh = max_age.is_none_or(|age| {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            let now = self.context.clock.unix_millis();
            self.claims.millis("auth_time").is_some_and(|at| at.saturating_add(age) >= now)
        });
        if acr && fresh {
            return Ok(());
        }
        Err(self.context.challenges.step_up(self.scheme(), acr_values, max_age))
    }

    /// The scheme the token has to be presented with.
    pub(crate) fn scheme(&self) -> Scheme {
        if self.bound_to().is_some() { Scheme::Dpop } else { Scheme::Bearer }
    }

    pub(crate) fn expires_at_millis(&self) -> Option<i64> {
        self.claims.millis("exp")
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("kid", &self.kid).finish_non_exhaustive()
    }
}
