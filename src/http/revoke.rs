//! `POST /revoke` (RFC 7009).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::{self, PROTOCOL_LIMIT};
use super::error::{self, Challenge, no_store};
use super::request::origin;
use super::{cors, credentials, token};
use crate::flow::rejection::Rejection;
use crate::flow::{client_auth, revoke};
use crate::oauth::params::Params;

/// Revokes a token: 200 whether or not there was one (RFC 7009 §2.2).
pub async fn post(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let params = match body::form(&request, &app, payload, PROTOCOL_LIMIT).await {
        Ok(params) => params,
        Err(error) => return error::body(&request, error),
    };
    match answer(&request, &app, params).await {
        Ok(()) => {
            let mut response = HttpResponse::Ok();
            no_store(&mut response);
            response.finish()
        }
        Err((rejection, challenge)) => error::json(&request, &app, &rejection, challenge),
    }
}

async fn answer(request: &HttpRequest, app: &App, mut params: Params) -> Result<(), (Rejection, Challenge)> {
    let plain = |rejection| (rejection, Challenge::None);
    token::no_query(request).map_err(plain)?;
    let op = &app.provider;
    let now = op.clock.now();
    let challenge = credentials::challenge(request);
    let credentials = credentials::read(request, &mut params).map_err(|rejection| (rejection, challenge))?;
    let client = client_auth::authenticate(op, &credentials, now).await;
    let client = client.map_err(|rejection| (rejection, challenge))?;
    cors::client_is(request, &client);
    let token = params.take("token");
    let token = token
        .ok_or(Rejection::invalid_request("The token is missing. Send the one to revoke."))
        .map_err(plain)?;
    revoke::revoke(op, &client, &token, &origin(request, app), now).await.map_err(plain)
}
