//! Reads client credentials off a request; it never verifies them. Exactly one method per request (RFC 6749 §2.3).

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;

use super::error::Challenge;
use crate::flow::client_assertion::{ASSERTION_TYPE, Assertion};
use crate::flow::client_auth::Credentials;
use crate::flow::rejection::Rejection;
use crate::oauth::basic;
use crate::oauth::params::Params;
use crate::secret::{ClientAssertion, ClientId, ClientSecret};

/// Which challenge a failed authentication answers with.
pub fn challenge(request: &HttpRequest) -> Challenge {
    if request.headers().contains_key(AUTHORIZATION) { Challenge::Basic } else { Challenge::None }
}

/// The credentials of a request.
///
/// # Errors
/// `invalid_client` for a header or an assertion that cannot be read or no credentials at all, `invalid_request` for two
/// methods.
pub fn read(request: &HttpRequest, params: &mut Params) -> Result<Credentials, Rejection> {
    let basic = basic_header(request)?;
    let id = params.get("client_id").map(ClientId::from);
    let secret = params.take("client_secret").map(ClientSecret::new);
    let assertion = assertion(params)?;
    if [basic.is_some(), secret.is_some(), assertion.is_some()].iter().filter(|used| **used).count() > 1 {
        return Err(Rejection::invalid_request(
            "The request authenticates the client in two ways. Use one: the Authorization header, client_secret or \
             client_assertion.",
        ));
    }
    if let Some(jwt) = assertion {
        return Assertion::read(jwt, id).map(Credentials::Assertion);
    }
    match (basic, id, secret) {
        (Some((header_id, _)), Some(id), _) if header_id != id => Err(Rejection::invalid_request(
            "The client_id differs from the one in the Authorization header. Send one of them.",
        )),
        (Some((id, secret)), _, _) => Ok(Credentials::Basic(id, secret)),
        (None, Some(id), Some(secret)) => Ok(Credentials::Post(id, secret)),
        (None, Some(id), None) => Ok(Credentials::Public(id)),
        (None, None, _) => Err(Rejection::invalid_client("no client credentials")),
    }
}

/// `client_assertion`, whose type must be the one there is (RFC 7521 §4.2).
fn assertion(params: &mut Params) -> Result<Option<ClientAssertion>, Rejection> {
    let jwt = params.take("client_assertion").map(ClientAssertion::new);
    match (jwt, params.take("client_assertion_type")) {
        (None, None) => Ok(None),
        (Some(jwt), Some(kind)) if kind == ASSERTION_TYPE => Ok(Some(jwt)),
        (Some(_), Some(_)) => Err(Rejection::invalid_client("another client_assertion_type")),
        (Some(_), None) | (None, Some(_)) => Err(Rejection::invalid_request(
            "client_assertion and client_assertion_type belong together. Send both or none.",
        )),
    }
}

fn basic_header(request: &HttpRequest) -> Result<Option<(ClientId, ClientSecret)>, Rejection> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Rejection::invalid_request("The Authorization header is repeated. Send it once."));
    }
    let malformed = || Rejection::invalid_client("malformed Authorization header");
    let text = value.to_str().map_err(|_| malformed())?;
    // Another scheme is no way for a client to authenticate here; ignoring it would hide the mistake.
    basic::parse(text).map_err(|_| malformed())?.map(Some).ok_or_else(malformed)
}
