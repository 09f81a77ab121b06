//! Refusals: the answers of a resource server that does not let a request in (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3).

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::jose::algorithm::Algorithm;

/// What to answer instead of serving the request.
///
/// It says no more than the specifications ask for: which check failed is in [`Refusal::reason`], for the log alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status: 400, 401, 403 or 503.
    pub status: u16,
    /// The value of `WWW-Authenticate`; empty where none is due (503).
    pub www_authenticate: String,
    /// The body: an object with `error` and `error_description`, or an empty one where no credentials were presented.
    pub body: Box<Value>,
    /// The value of `Retry-After` in seconds, with status 503.
    pub retry_after: Option<u64>,
    /// The value of `DPoP-Nonce`, which the next proof must contain (RFC 9449 §9).
    pub dpop_nonce: Option<String>,
    reason: &'static str,
}

impl Refusal {
    /// The request has no token (RFC 6750 §3.1: no error code then).
    #[must_use]
    pub fn no_token() -> Self {
        Challenges::default().absent()
    }

    /// Why, for the log: static words, nothing of the token.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// The error code, such as `invalid_token`; `None` where no credentials were presented.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.body.get("error").and_then(Value::as_str)
    }

    /// The header lines of the answer, beside `Content-Type: application/json`.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("cache-control", "no-store".to_owned())];
        if !self.www_authenticate.is_empty() {
            lines.push(("www-authenticate", self.www_authenticate.clone()));
        }
        lines.extend(self.retry_after.map(|seconds| ("retry-after", seconds.to_string())));
        lines.extend(self.dpop_nonce.clone().map(|nonce| ("dpop-nonce", nonce)));
        lines
    }

    /// The same, with a nonce for the next proof.
    pub(crate) fn with_nonce(self, nonce: String) -> Self {
        Self { dpop_nonce: Some(nonce), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.reason)
    }
}

impl std::error::Error for Refusal {}

/// The scheme a token is presented with, or was to be presented with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Bearer` (RFC 6750 §2.1).
    Bearer,
    /// `DPoP` (RFC 9449 §7.1).
    Dpop,
}

impl Scheme {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// What a resource server says about itself in its challenges.
#[derive(Clone, Debug)]
pub(crate) struct Challenges {
    /// The schemes it takes.
    pub(crate) schemes: &'static [Scheme],
    /// Where its metadata document is (RFC 9728 §5.1).
    pub(crate) resource_metadata: Option<String>,
}

impl Default for Challenges {
    fn default() -> Self {
        Self { schemes: &[Scheme::Bearer], resource_metadata: None }
    }
}

impl Challenges {
    /// No credentials, or of a scheme that is none of ours (RFC 6750 §3.1: no error code).
    pub(crate) fn absent(&self) -> Refusal {
        let fault = Fault { status: 401, code: "", description: "", more: Vec::new() };
        self.refuse(Scheme::Bearer, &fault, "no access token was presented")
    }

    /// RFC 6750 §3.1: the request is malformed.
    pub(crate) fn invalid_request(&self, reason: &'static str) -> Refusal {
        let fault = Fault { status: 400, code: "invalid_request", description: reason, more: Vec::new() };
        self.refuse(Scheme::Bearer, &fault, reason)
    }

    /// RFC 6750 §3.1: one answer for every token that is not good, so that nobody learns why.
    pub(crate) fn invalid_token(&self, scheme: Scheme, reason: &'static str) -> Refusal {
        let description = "The access token is malformed, expired, revoked or not meant for this resource.";
        let fault = Fault { status: 401, code: "invalid_token", description, more: Vec::new() };
        self.refuse(scheme, &fault, reason)
    }

    /// RFC 9449 §7.1: the proof does not go with the request, the token or the time.
    pub(crate) fn invalid_proof(&self, reason: &'static str) -> Refusal {
        let description = "The DPoP proof is missing, malformed, or not one for this request and token.";
        let fault = Fault { status: 401, code: "invalid_dpop_proof", description, more: Vec::new() };
        self.refuse(Scheme::Dpop, &fault, reason)
    }

    /// RFC 9449 §9: the proof lacks a nonce of ours.
    pub(crate) fn use_nonce(&self, nonce: String) -> Refusal {
        let description = "The DPoP proof must contain the nonce of this answer.";
        let fault = Fault { status: 401, code: "use_dpop_nonce", description, more: Vec::new() };
        self.refuse(Scheme::Dpop, &fault, "the proof has no valid nonce").with_nonce(nonce)
    }

    /// RFC 6750 §3.1: the token is good and does not go far enough.
    pub(crate) fn insufficient_scope(&self, scheme: Scheme, scopes: &[&str]) -> Refusal {
        let more = vec![("scope", scopes.join(" "))];
        let description = "The request needs a scope that the access token does not have.";
        let fault = Fault { status: 403, code: "insufficient_scope", description, more };
        self.refuse(scheme, &fault, "a scope is missing")
    }

    /// RFC 9470 §3: the user has to authenticate again, or otherwise.
    pub(crate) fn step_up(&self, scheme: Scheme, acr: &[&str], max_age: Option<Duration>) -> Refusal {
        let mut more = Vec::new();
        if !acr.is_empty() {
            more.push(("acr_values", acr.join(" ")));
        }
        more.extend(max_age.map(|age| ("max_age", age.as_secs().to_string())));
        let description = "The request needs a more recent or a different authentication of the user.";
        let fault = Fault { status: 401, code: "insufficient_user_authentication", description, more };
        self.refuse(scheme, &fault, "the authentication of the user is too old or of another class")
    }

    /// It cannot be said now whether the token is good. Not 401: the client would throw a good token away.
    pub(crate) fn unavailable(reason: &'static str, retry_after: u64) -> Refusal {
        Refusal {
            status: 503,
            www_authenticate: String::new(),
            body: Box::new(json!({
                "error": "temporarily_unavailable",
                "error_description": "The access token cannot be checked at the moment.",
            })),
            retry_after: Some(retry_after),
            dpop_nonce: None,
            reason,
        }
    }

    /// One challenge for each scheme (RFC 9449 §7.1); the error stands in that of the scheme that was used.
    fn refuse(&self, used: Scheme, fault: &Fault, reason: &'static str) -> Refusal {
        let used = if self.schemes.contains(&used) { Some(used) } else { self.schemes.first().copied() };
        let challenges: Vec<String> = self
            .schemes
            .iter()
            .map(|scheme| {
                let parameters = self.parameters(*scheme, (Some(*scheme) == used).then_some(fault));
                format!("{} {parameters}", scheme.as_str()).trim_end().to_owned()
            })
            .collect();
        let body = match fault.code {
            "" => json!({}),
            code => json!({ "error": code, "error_description": fault.description }),
        };
        Refusal {
            status: fault.status,
            www_authenticate: challenges.join(", "),
            body: Box::new(body),
            retry_after: None,
            dpop_nonce: None,
            reason,
        }
    }

    fn parameters(&self, scheme: Scheme, fault: Option<&Fault>) -> String {
        let mut all: Vec<(&str, String)> = Vec::new();
        if let Some(fault) = fault.filter(|fault| !fault.code.is_empty()) {
            all.push(("error", fault.code.to_owned()));
            all.push(("error_description", fault.description.to_owned()));
            all.extend(fault.more.iter().cloned());
        }
        if scheme == Scheme::Dpop {
            all.push(("algs", Algorithm::ALL.map(Algorithm::as_str).join(" ")));
        }
        all.extend(self.resource_metadata.clone().map(|url| ("resource_metadata", url)));
        let quoted: Vec<String> =
            all.iter().map(|(name, value)| format!("{name}=\"{}\"", quotable(value))).collect();
        quoted.join(", ")
    }
}

struct Fault {
    status: u16,
    /// Empty: no credentials were presented.
    code: &'static str,
    description: &'static str,
    more: Vec<(&'static str, String)>,
}

/// RFC 6750 §3: printable ASCII without quotation mark and backslash; what else is configured is left out, since it
/// could end the parameter or the header line.
fn quotable(value: &str) -> String {
    value.chars().filter(|c| matches!(c, ' '..='~') && *c != '"' && *c != '\\').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> Challenges {
        Challenges {
            schemes: &[Scheme::Bearer, Scheme::Dpop],
            resource_metadata: Some("https://api/.well-known/oauth-protected-resource".into()),
        }
    }

    #[test]
    fn no_credentials_give_a_challenge_without_an_error_code() {
        let refusal = Refusal::no_token();
        assert_eq!((refusal.status, refusal.www_authenticate.as_str()), (401, "Bearer"));
        assert_eq!(refusal.error(), None);
        assert_eq!(*refusal.body, json!({}));
    }

    #[test]
    fn each_scheme_has_a_challenge_and_the_one_that_was_used_has_the_error() {
        let challenge = both().invalid_token(Scheme::Dpop, "test").www_authenticate;
        let (bearer, dpop) = challenge.split_once(", DPoP ").unwrap();
        assert_eq!(bearer, "Bearer resource_metadata=\"https://api/.well-known/oauth-protected-resource\"");
        assert!(dpop.starts_with("error=\"invalid_token\", "), "{dpop}");
        assert!(dpop.contains("algs=\"RS256 PS256 ES256 EdDSA\""), "{dpop}");
        let challenge = both().invalid_token(Scheme::Bearer, "test").www_authenticate;
        assert!(challenge.starts_with("Bearer error=\"invalid_token\", "), "{challenge}");
        assert_eq!(challenge.matches("error=").count(), 1);
    }

    #[test]
    fn the_reason_stays_out_of_the_answer() {
        let refusal = both().invalid_token(Scheme::Bearer, "a very secret reason");
        assert!(!format!("{} {}", refusal.www_authenticate, refusal.body).contains("secret"));
        assert_eq!(refusal.reason(), "a very secret reason");
    }

    #[test]
    fn insufficient_scope_names_the_scope_with_403() {
        let refusal = Challenges::default().insufficient_scope(Scheme::Bearer, &["read", "write"]);
        assert_eq!(refusal.status, 403);
        assert!(refusal.www_authenticate.contains("error=\"insufficient_scope\""));
        assert!(refusal.www_authenticate.ends_with("scope=\"read write\""));
    }

    #[test]
    fn step_up_names_what_is_asked_for_with_401() {
        let refusal =
            Challenges::default().step_up(Scheme::Bearer, &["gold", "silver"], Some(Duration::from_secs(60)));
        assert_eq!(refusal.status, 401);
        assert_eq!(refusal.error(), Some("insufficient_user_authentication"));
        assert!(refusal.www_authenticate.ends_with("acr_values=\"gold silver\", max_age=\"60\""));
    }

    #[test]
    fn what_is_quoted_cannot_leave_its_quotation_marks() {
        let evil = "x\" , Basic realm=\"\\\r\nSet-Cookie: a\u{e9}";
        let refusal = Challenges::default().insufficient_scope(Scheme::Bearer, &[evil]);
        assert!(refusal.www_authenticate.ends_with("scope=\"x , Basic realm=Set-Cookie: a\""));
    }

    #[test]
    fn unavailability_is_503_with_a_time_to_come_back_and_no_challenge() {
        let refusal = Challenges::unavailable("test", 3);
        let lines = refusal.headers();
        assert_eq!(refusal.status, 503);
        assert!(lines.contains(&("retry-after", "3".to_owned())));
        assert!(!lines.iter().any(|(name, _)| *name == "www-authenticate"));
    }
}
