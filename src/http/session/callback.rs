//! `GET /session/callback`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::navigation;
use crate::flow::rejection::{Outcome, Rejection};
use crate::flow::session::callback::{self, Answer, Arrival};
use crate::http::app::App;
use crate::http::headers::see_other;
use crate::http::request::origin;
use crate::http::{body, cookie, problem};
use crate::oauth::params::Params;
use crate::secret::AuthorizationCode;

/// Turns the answer of `/authorize` into a cookie.
pub async fn get(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let host = match navigation::arrived(&request, &app) {
        Ok(host) => host,
        Err(stray) => return stray.page(&request, &app),
    };
    let params = match body::query(&request) {
        Ok(params) => params,
        Err(broken) => return problem::unreadable(&request, &app, broken),
    };
    let arrival = match arrival(&request, &app, host, params) {
        Ok(arrival) => arrival,
        Err(rejection) => return problem::rejection(&request, &app, &rejection),
    };
    let op = &app.provider;
    match callback::arrive(op, &arrival, op.clock.now()).await {
        Ok(landing) => see_other(&app, &landing.location, &landing.cookies),
        Err(refusal) => problem::refusal(&request, &app, refusal, &[]),
    }
}

fn arrival(request: &HttpRequest, app: &App, host: String, mut params: Params) -> Outcome<Arrival> {
    let answer = match (params.take("code"), params.take("error")) {
        (Some(code), None) => Answer::Code(AuthorizationCode::new(code)),
        (None, Some(error)) => Answer::Error(error),
        _ => {
            return Err(Rejection::invalid_request(
                "There is neither a code nor an error, or both. Go back to the app and start again.",
            ));
        }
    };
    Ok(Arrival {
        host,
        state: params.take("state").unwrap_or_default(),
        issuer: params.take("iss").unwrap_or_default(),
        answer,
        cookies: cookie::transactions(request, app),
        origin: origin(request, app),
    })
}
