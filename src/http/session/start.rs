//! `GET /session/start`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::navigation;
use crate::flow::session::start::{self, StartRequest};
use crate::flow::session::transaction::Asked;
use crate::http::app::App;
use crate::http::headers::see_other;
use crate::http::{body, cookie, problem};
use crate::oauth::params::Params;
use crate::secret::{ClientId, TransactionCookie};

/// Sends the browser to `/authorize`.
pub async fn get(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let host = match navigation::arrived(&request, &app) {
        Ok(host) => host,
        Err(stray) => return stray.page(&request, &app),
    };
    let params = match body::query(&request) {
        Ok(params) => params,
        Err(broken) => return problem::unreadable(&request, &app, broken),
    };
    let cookie = cookie::transactions(&request, &app).into_iter().next();
    let op = &app.provider;
    match start::start(op, wanted(host, params, cookie), op.clock.now()).await {
        Ok(departure) => see_other(&app, &departure.location, &[departure.cookie]),
        Err(refusal) => problem::refusal(&request, &app, refusal, &[]),
    }
}

fn wanted(host: String, mut params: Params, cookie: Option<TransactionCookie>) -> StartRequest {
    StartRequest {
        host,
        client: ClientId(params.take("client_id").unwrap_or_default()),
        return_to: params.take("return_to").unwrap_or_default(),
        asked: Asked {
            scope: params.take("scope"),
            resources: params.all("resource").map(ToOwned::to_owned).collect(),
            prompt: params.take("prompt"),
            login_hint: params.take("login_hint"),
            max_age: params.take("max_age"),
            acr_values: params.take("acr_values"),
        },
        cookie,
    }
}
