//! Bodies from outside: bounded in size and time before anything is parsed.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt as _;

use super::app::App;
use crate::oauth::params::Params;

/// Largest body of a protocol endpoint, in bytes.
pub const PROTOCOL_LIMIT: usize = 16 * 1024;
/// Largest body of a form of ours, in bytes.
pub const FORM_LIMIT: usize = 8 * 1024;
/// Largest query string, in bytes.
pub const QUERY_LIMIT: usize = 16 * 1024;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than the endpoint takes: 413.
    TooLarge,
    /// The query string is longer than the server takes: 414.
    QueryTooLong,
    /// It did not arrive in time: 408.
    TooSlow,
    /// The connection or the transfer coding broke: 400.
    Broken,
    /// Its content type is not the endpoint's: 415.
    WrongType,
    /// The same, where the endpoint takes JSON.
    NotJson,
    /// It is not what its content type says: 400.
    Malformed(&'static str),
}

/// Reads a whole body.
///
/// # Errors
/// [`BodyError`]; the rest of the body is not read.
pub async fn read(app: &App, mut payload: Payload, limit: usize) -> Result<BytesMut, BodyError> {
    let collect = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| BodyError::Broken)?;
            if body.len().saturating_add(chunk.len()) > limit {
                return Err(BodyError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    tokio::time::timeout(app.settings.body_timeout, collect).await.unwrap_or(Err(BodyError::TooSlow))
}

/// Reads `application/x-www-form-urlencoded` parameters.
///
/// # Errors
/// [`BodyError`].
pub async fn form(
    request: &HttpRequest,
    app: &App,
    payload: Payload,
    limit: usize,
) -> Result<Params, BodyError> {
    if !is_form(request) {
        return Err(BodyError::WrongType);
    }
    let mut body = read(app, payload, limit).await?;
    let params = Params::parse(&body).map_err(|error| BodyError::Malformed(error.description()));
    // It may have held a password or a token.
    zeroize::Zeroize::zeroize(&mut body[..]);
    params
}

/// The query string's parameters.
///
/// # Errors
/// [`BodyError`].
pub fn query(request: &HttpRequest) -> Result<Params, BodyError> {
    let query = request.query_string();
    if query.len() > QUERY_LIMIT {
        return Err(BodyError::QueryTooLong);
    }
    Params::parse(query.as_bytes()).map_err(|error| BodyError::Malformed(error.description()))
}

/// The media type alone decides; a `charset` parameter says nothing (WHATWG URL §5).
fn is_form(request: &HttpRequest) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
