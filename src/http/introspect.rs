//! `POST /introspect` (RFC 7662).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use super::app::App;
use super::body::{self, PROTOCOL_LIMIT};
use super::error::{self, Challenge, no_store};
use super::{credentials, token};
use crate::flow::rejection::Rejection;
use crate::flow::{client_auth, introspect};
use crate::oauth::params::Params;

/// Says whether a token is active, to those it concerns.
pub async fn post(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let params = match body::form(&request, &app, payload, PROTOCOL_LIMIT).await {
        Ok(params) => params,
        Err(error) => return error::body(&request, error),
    };
    match answer(&request, &app, params).await {
        Ok(claims) => {
            let mut response = HttpResponse::Ok();
            no_store(&mut response);
            response.json(claims)
        }
        Err((rejection, challenge)) => error::json(&request, &app, &rejection, challenge),
    }
}

async fn answer(
    request: &HttpRequest,
    app: &App,
    mut params: Params,
) -> Result<Map<String, Value>, (Rejection, Challenge)> {
    let plain = |rejection| (rejection, Challenge::None);
    token::no_query(request).map_err(plain)?;
    let op = &app.provider;
    let now = op.clock.now();
    let challenge = credentials::challenge(request);
    let credentials = credentials::read(request, &mut params).map_err(|rejection| (rejection, challenge))?;
    let client = client_auth::authenticate(op, &credentials, now).await;
    let client = client.map_err(|rejection| (rejection, challenge))?;
    let token = params.take("token");
    let token = token
        .ok_or(Rejection::invalid_request("The token is missing. Send the one to look at."))
        .map_err(plain)?;
    introspect::introspect(op, &client, &token, now).await.map_err(plain)
}
