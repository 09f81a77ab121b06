//! How every authorization response reaches the client, be it a yes or a no: in a redirect, or in a form that the
//! browser posts (OAuth 2.0 Multiple Response Type Encoding Practices, OAuth 2.0 Form Post Response Mode).

use crate::flow::Provider;
use crate::flow::rejection::{Outcome, Rejection};
use crate::oauth::redirect_uri::ProvenRedirectUri;
use crate::oauth::registration::Registered;
use crate::oauth::response_mode::ResponseMode;
use crate::oauth::response_type::ResponseType;

/// Whom to answer and how, once that is proven.
#[derive(Clone, Debug)]
pub struct ReturnPath {
    /// The redirect URI.
    pub redirect_uri: ProvenRedirectUri,
    /// `state` as sent.
    pub state: Option<String>,
    /// How the parameters travel.
    pub mode: ResponseMode,
    /// Who registered the client.
    pub registered: Registered,
}

/// A response on its way. It may hold a code or a token, so that `Debug` shows neither.
#[derive(Clone)]
pub enum Delivery {
    /// A redirect.
    Redirect(String),
    /// A form to post.
    Form(FormPost),
}

/// A form with the parameters of a response.
#[derive(Clone)]
pub struct FormPost {
    /// Where it goes.
    pub redirect_uri: ProvenRedirectUri,
    /// Who registered that.
    pub registered: Registered,
    /// Names and values, in order.
    pub params: Vec<(String, String)>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Redirect(_) => "Redirect([redacted])",
            Self::Form(_) => "Form([redacted])",
        })
    }
}

impl ReturnPath {
    /// The response that carries a rejection (RFC 6749 §4.1.2.1, RFC 9207 §2).
    pub fn error(&self, op: &Provider, rejection: &Rejection) -> Delivery {
        self.deliver(op, &[("error", rejection.code.as_str()), ("error_description", rejection.description)])
    }

    /// The response with these parameters, `state` and `iss`.
    pub fn deliver(&self, op: &Provider, params: &[(&str, &str)]) -> Delivery {
        let mut all = params.to_vec();
        if let Some(state) = &self.state {
            all.push(("state", state));
        }
        all.push(("iss", op.policy.issuer.as_str()));
        match self.mode {
            ResponseMode::Query => Delivery::Redirect(self.redirect_uri.with_params(&all)),
            ResponseMode::Fragment => Delivery::Redirect(self.redirect_uri.with_fragment(&all)),
            ResponseMode::FormPost => Delivery::Form(FormPost {
                redirect_uri: self.redirect_uri.clone(),
                registered: self.registered,
                params: all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            }),
        }
    }
}

/// How responses travel where the request does not say: a legacy one never in a query, where servers log it.
pub(super) const fn default_mode(kind: Option<ResponseType>) -> ResponseMode {
    match kind {
        Some(kind) if kind.is_legacy() => ResponseMode::Fragment,
        _ => ResponseMode::Query,
    }
}

/// How the response to a request of this type travels.
///
/// # Errors
/// `invalid_request`.
pub(super) fn mode(
    asked: Option<&str>,
    kind: Option<ResponseType>,
    redirect_uri: &ProvenRedirectUri,
) -> Outcome<ResponseMode> {
    let Some(asked) = asked else { return Ok(default_mode(kind)) };
    let mode = asked.parse().map_err(|_| {
        Rejection::invalid_request(
            "This response_mode is not supported. Send query or form_post, or leave it out.",
        )
    })?;
    match mode {
        ResponseMode::Fragment if default_mode(kind) == ResponseMode::Query => {
            Err(Rejection::invalid_request(
                "A code does not travel in a fragment. Send response_mode query or form_post.",
            ))
        }
        ResponseMode::Query if default_mode(kind) == ResponseMode::Fragment => {
            Err(Rejection::invalid_request(
                "Tokens do not travel in a query. Send response_mode fragment or form_post.",
            ))
        }
        ResponseMode::FormPost if redirect_uri.origin().is_none() => Err(Rejection::invalid_request(
            "A form can only be posted to an http or https redirect_uri. Send response_mode=query.",
        )),
        mode => Ok(mode),
    }
}

/// A form changes line breaks in its values on the way (HTML, form submission): such a `state` would not come back as it
/// was.
///
/// # Errors
/// `invalid_request`.
pub(super) fn check_state(state: Option<&str>, mode: ResponseMode) -> Outcome<()> {
    match state {
        Some(state) if mode == ResponseMode::FormPost && state.contains(['\r', '\n']) => {
            Err(Rejection::invalid_request("A state with line breaks cannot travel in a form. Send another."))
        }
        _ => Ok(()),
    }
}
