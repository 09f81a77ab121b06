//! `/userinfo` (OpenID Connect Core §5.3): the token in the header, or in a POST body (RFC 6750 §2.1, §2.2).

use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::{self, PROTOCOL_LIMIT};
use super::cors;
use super::error::{self, Challenge, no_store};
use crate::flow::rejection::Rejection;
use crate::flow::userinfo::{self, Told};
use crate::oauth::bearer;
use crate::secret::AccessToken;

/// The claims of the token's user.
pub async fn userinfo(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let token = match bearer_token(&request) {
        Ok(token) => token,
        Err(rejection) => return error::json(&request, &app, &rejection, Challenge::Bearer),
    };
    let in_body = request.method() == Method::POST
        && request.headers().contains_key(actix_web::http::header::CONTENT_TYPE);
    let from_body = if in_body {
        match body::form(&request, &app, payload, PROTOCOL_LIMIT).await {
            Ok(mut params) => params.take("access_token").map(AccessToken::new),
            Err(error) => return error::body(&request, error),
        }
    } else {
        None
    };
    let token = match (token, from_body) {
        (Some(_), Some(_)) => {
            let twice = Rejection::invalid_request("The access token comes twice. Send it in one place.");
            return error::json(&request, &app, &twice, Challenge::Bearer);
        }
        (Some(token), None) | (None, Some(token)) => token,
        (None, None) => return error::no_token(&request, &app),
    };
    answer(&request, &app, &token).await
}

async fn answer(request: &HttpRequest, app: &App, token: &AccessToken) -> HttpResponse {
    let op = &app.provider;
    match userinfo::claims(op, token, op.clock.now()).await {
        Ok(answer) => {
            if let Some(client) = &answer.client {
                cors::client_is(request, client);
            }
            let mut response = HttpResponse::Ok();
            no_store(&mut response);
            match answer.claims {
                Told::Plain(claims) => response.json(claims),
                Told::Signed(token) => response.content_type("application/jwt").body(token),
            }
        }
        Err(rejection) => error::json(request, app, &rejection, Challenge::Bearer),
    }
}

/// The token of the `Authorization` header, if there is one.
///
/// # Errors
/// `invalid_request` for a header that cannot be read.
pub fn bearer_token(request: &HttpRequest) -> Result<Option<AccessToken>, Rejection> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Rejection::invalid_request("The Authorization header is repeated. Send it once."));
    }
    let malformed =
        Rejection::invalid_request("The Authorization header is malformed. Send Bearer and the token.");
    let Ok(text) = value.to_str() else { return Err(malformed) };
    bearer::parse(text).map_err(|_| malformed)
}
