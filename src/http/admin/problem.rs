//! Errors of the administration API (RFC 9457).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;

use crate::flow::admin::AdminError;
use crate::flow::admin::access::SCOPE;
use crate::flow::rejection::{RETRY_AFTER_SECONDS, Reason, Rejection};
use crate::oauth::error::ErrorCode;

/// Declares the kinds with status, name in the OpenAPI document, and title.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident, $title:literal;)+) => {
        /// What kind of problem it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($(#[$doc])* $kind,)+ }

        impl Kind {
            /// Every kind.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The status it is answered with.
            pub(super) const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)+ }
            }

            /// Its name under `components.responses` of the OpenAPI document.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)+ }
            }

            const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }
        }
    };
}

kinds! {
    /// The request cannot be read.
    BadRequest = BAD_REQUEST, "The request cannot be read";
    /// No credentials, or none that hold.
    Unauthorized = UNAUTHORIZED, "Credentials are missing or void";
    /// The credentials do not reach so far, or the request came under a foreign name.
    Forbidden = FORBIDDEN, "Not allowed";
    /// There is no such thing.
    NotFound = NOT_FOUND, "Not found";
    /// The path does not know the method.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "Method not allowed";
    /// It clashes with what is.
    Conflict = CONFLICT, "Conflict";
    /// It has changed since it was read.
    PreconditionFailed = PRECONDITION_FAILED, "Changed meanwhile";
    /// The body is too large.
    TooLarge = PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is not JSON.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// The request can be read, but a member of it cannot be.
    Invalid = UNPROCESSABLE_ENTITY, "A value cannot be";
    /// Our fault.
    ServerError = INTERNAL_SERVER_ERROR, "Server error";
    /// Our fault; the same request may work in a moment.
    Unavailable = SERVICE_UNAVAILABLE, "Unavailable";
}

/// An error on its way out.
#[derive(Debug)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<(String, String)>,
    challenge: Option<&'static str>,
    reason: Option<String>,
}

impl Problem {
    /// A problem with the request as a whole. `detail` names the fix.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), challenge: None, reason: None }
    }

    /// A problem with one member of the body or one parameter.
    pub(super) fn of_field(kind: Kind, field: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { errors: vec![(field.into(), message.clone())], ..Self::new(kind, message) }
    }

    /// With a `WWW-Authenticate` value (RFC 6750 §3).
    pub(super) fn challenge(self, challenge: &'static str) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    /// No credentials at all: the challenge names no error (RFC 6750 §3.1).
    pub(super) fn no_credentials() -> Self {
        Self::new(Kind::Unauthorized, "Send Authorization: Bearer with an API key or an access token.")
            .challenge("Bearer realm=\"signet-admin\"")
    }

    /// The answer; logs what only the log may know.
    pub(super) fn render(&self, trace_id: Option<&str>) -> HttpResponse {
        if let Some(reason) = &self.reason {
            let trace_id = trace_id.unwrap_or_default();
            if self.kind.status().is_server_error() {
                tracing::error!(trace_id, reason, "an administration request failed");
            } else {
                tracing::info!(trace_id, reason, "an administration request was refused");
            }
        }
        let status = self.kind.status();
        let mut body = json!({
            "type": format!("{}/openapi.json#/components/responses/{}", super::BASE, self.kind.name()),
            "title": self.kind.title(),
            "status": status.as_u16(),
            "detail": self.detail,
        });
        if let Some(members) = body.as_object_mut() {
            if !self.errors.is_empty() {
                let errors =
                    self.errors.iter().map(|(field, message)| json!({"field": field, "message": message}));
                members.insert("errors".to_owned(), errors.collect());
            }
            if let Some(trace_id) = trace_id {
                members.insert("trace_id".to_owned(), trace_id.into());
            }
        }
        let response =
            HttpResponse::build(status).content_type("application/problem+json").body(body.to_string());
        let mut response = super::no_store(response);
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.kind == Kind::Unavailable {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let (kind, challenge) = match rejection.code {
            ErrorCode::InvalidToken => {
                (Kind::Unauthorized, Some("Bearer realm=\"signet-admin\", error=\"invalid_token\""))
            }
            ErrorCode::InsufficientScope => (
                Kind::Forbidden,
                Some("Bearer realm=\"signet-admin\", error=\"insufficient_scope\", scope=\"signet:admin\""),
            ),
            ErrorCode::ServerError => (Kind::ServerError, None),
            ErrorCode::TemporarilyUnavailable => (Kind::Unavailable, None),
            _ => (Kind::BadRequest, None),
        };
        debug_assert_eq!(SCOPE, "signet:admin", "the challenge above names the scope");
        let reason = match rejection.reason {
            Reason::Request => None,
            Reason::Hidden(reason) => Some(reason.to_owned()),
            Reason::HiddenDetail(reason) | Reason::Fault(reason) => Some(reason),
        };
        Self { challenge, reason, ..Self::new(kind, rejection.description) }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound(_) => Self::new(Kind::NotFound, error.to_string()),
            AdminError::Conflict { field, message } => Self::of_field(Kind::Conflict, field, message),
            AdminError::Invalid { field, message } => Self::of_field(Kind::Invalid, field, message),
            AdminError::Changed => Self::new(Kind::PreconditionFailed, error.to_string()),
            AdminError::Fault(rejection) => Self::from(rejection),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody as _;
    use serde_json::Value;

    fn rendered(problem: &Problem) -> (HttpResponse, Value) {
        let (head, body) = problem.render(Some("t-1")).into_parts();
        let bytes = body.try_into_bytes().unwrap();
        (head.set_body(actix_web::body::BoxBody::new(())), serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn a_field_problem_names_the_field() {
        let (response, body) = rendered(&AdminError::invalid("email", "No.").into());
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
        assert_eq!(response.headers().get("cache-control").unwrap(), "no-store");
        assert_eq!(
            body,
            json!({
                "type": "/admin/v1/openapi.json#/components/responses/Invalid",
                "title": "A value cannot be",
                "status": 422,
                "detail": "No.",
                "errors": [{"field": "email", "message": "No."}],
                "trace_id": "t-1",
            })
        );
    }

    #[test]
    fn challenges_follow_rfc_6750() {
        let challenge = |problem: Problem| {
            let (response, _) = rendered(&problem);
            (
                response.status().as_u16(),
                response.headers().get("www-authenticate").unwrap().to_str().unwrap().to_owned(),
            )
        };
        assert_eq!(challenge(Problem::no_credentials()), (401, "Bearer realm=\"signet-admin\"".to_owned()));
        let void = Rejection::invalid_token("expired");
        assert!(challenge(void.into()).1.contains("error=\"invalid_token\""));
        let narrow = Rejection::new(ErrorCode::InsufficientScope, "No.");
        assert_eq!(challenge(narrow.into()).0, 403);
    }

    #[test]
    fn a_fault_tells_the_wire_nothing() {
        let fault = Rejection::unavailable(&"connection to 10.0.0.1 refused");
        let (response, body) = rendered(&AdminError::Fault(fault).into());
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers().get("retry-after").unwrap(), "2");
        assert!(!body.to_string().contains("10.0.0.1"), "{body}");
    }
}
