//! `POST /introspect` (RFC 7662).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use super::app::App;
use super::client_request::{self, ClientRequest};
use super::error::{self, Challenge, no_store};
use crate::flow::introspect;
use crate::flow::rejection::{Outcome, Rejection};

/// Says whether a token is active, to those it concerns.
pub async fn post(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let asked = match client_request::read(&request, &app, payload, |_| Ok(())).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    match answer(&app, asked).await {
        Ok(claims) => {
            let mut response = HttpResponse::Ok();
            no_store(&mut response);
            response.json(claims)
        }
        Err(rejection) => error::json(&request, &app, &rejection, Challenge::None),
    }
}

async fn answer(app: &App, mut asked: ClientRequest) -> Outcome<Map<String, Value>> {
    let token = asked.params.take("token");
    let token = token.ok_or(Rejection::invalid_request("The token is missing. Send the one to look at."))?;
    introspect::introspect(&app.provider, &asked.client, &token, asked.now).await
}
