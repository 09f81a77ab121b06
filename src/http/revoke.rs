//! `POST /revoke` (RFC 7009).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::client_request::{self, ClientRequest};
use super::error::{self, Challenge, no_store};
use super::request::origin;
use super::revocation;
use crate::flow::rejection::{Outcome, Rejection};
use crate::flow::revoke;

/// Revokes a token: 200 whether or not there was one (RFC 7009 §2.2).
pub async fn post(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let asked = match client_request::read(&request, &app, payload, |_| Ok(())).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    match answer(&request, &app, asked).await {
        Ok(()) => {
            let mut response = HttpResponse::Ok();
            no_store(&mut response);
            let mut response = response.finish();
            revocation::announce(&app, &mut response).await;
            response
        }
        Err(rejection) => error::json(&request, &app, &rejection, Challenge::None),
    }
}

async fn answer(request: &HttpRequest, app: &App, mut asked: ClientRequest) -> Outcome<()> {
    let token = asked.params.take("token");
    let token = token.ok_or(Rejection::invalid_request("The token is missing. Send the one to revoke."))?;
    revoke::revoke(&app.provider, &asked.client, &token, &origin(request, app), asked.now).await
}
