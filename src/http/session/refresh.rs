//! `POST /refresh`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::gate::{self, Admitted, Several};
use super::{over, refused};
use crate::flow::grant::refresh_token::Exchange;
use crate::flow::rejection::{Outcome, Rejection};
use crate::flow::session::SessionView;
use crate::flow::session::refresh::{self, Refreshed};
use crate::flow::target;
use crate::http::app::App;
use crate::http::cookie;
use crate::http::error::no_store;
use crate::http::headers::set_cookies;
use crate::http::request::origin;
use crate::oauth::error::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::scope::Scope;
use crate::secret::RefreshToken;

/// Answers with a new access token; the refresh token stays in its cookie.
pub async fn post(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let Admitted { client, asked, now } = match gate::admit(&request, &app, payload).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    let refuse =
        |sent: bool, rejection: &Rejection| refused(&request, &app, sent.then_some(&client.id), rejection);
    let held = match cookie::refresh(&request, &app, &client.id) {
        Ok(Some(held)) => held,
        Ok(None) => return over(&request, &app, None),
        Err(rejection) => return refuse(false, &rejection),
    };
    let exchange = match exchange(held.token, asked.scope.as_deref(), &asked.resource) {
        Ok(exchange) => exchange,
        Err(rejection) => return refuse(true, &rejection),
    };
    let op = &app.provider;
    match refresh::refresh(op, &client, (&exchange, held.lasting), &origin(&request, &app), now).await {
        Ok(refreshed) => {
            app.metrics.token_issued(GrantType::RefreshToken);
            render(&app, &refreshed)
        }
        Err(rejection) => refuse(true, &rejection),
    }
}

fn exchange(refresh_token: RefreshToken, scope: Option<&str>, resource: &Several) -> Outcome<Exchange> {
    let scope = scope.map(Scope::parse).transpose();
    let scope = scope.map_err(|error| Rejection::new(ErrorCode::InvalidScope, error.description()))?;
    let resources = target::parse(resource.iter())?;
    Ok(Exchange { refresh_token, scope, resources })
}

/// RFC 6749 §5.1 without a refresh token, with the session.
#[derive(Serialize)]
struct Success<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    scope: &'a Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
    session: &'a SessionView,
}

fn render(app: &App, refreshed: &Refreshed) -> HttpResponse {
    let response = &refreshed.response;
    let mut answer = HttpResponse::Ok();
    no_store(&mut answer);
    set_cookies(app, &mut answer, refreshed.cookie.as_slice());
    answer.json(Success {
        access_token: response.access_token.token.reveal(),
        token_type: "Bearer",
        expires_in: response.access_token.expires_in,
        scope: &response.scope,
        id_token: response.id_token.as_deref(),
        session: &refreshed.session,
    })
}
