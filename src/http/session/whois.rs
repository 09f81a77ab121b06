//! `GET /session`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::{forbidden, gate, over};
use crate::flow::session::whois;
use crate::http::app::App;
use crate::http::error::{self, Challenge, no_store};
use crate::http::request::origin;
use crate::http::{body, cookie};
use crate::oauth::error::ErrorCode;

/// Says who is signed in. Nothing is rotated, set or cleared.
pub async fn get(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let Ok(params) = body::query(&request) else {
        return forbidden(
            &request,
            ErrorCode::InvalidRequest,
            "The query cannot be read. Send client_id once.",
        );
    };
    let client_id = params.get("client_id").unwrap_or_default();
    let client = match gate::admit_reading(&request, &app, client_id).await {
        Ok(client) => client,
        Err(response) => return response,
    };
    let found = match cookie::refresh(&request, &app, &client.id) {
        Ok(held) => {
            let token = held.as_ref().map(|held| &held.token);
            whois::whois(&app.provider, &client, token, &origin(&request, &app)).await
        }
        Err(rejection) => Err(rejection),
    };
    match found {
        Ok(Some(session)) => {
            let mut response = HttpResponse::Ok();
            no_store(&mut response);
            response.json(json!({ "session": session }))
        }
        Ok(None) => over(&request, &app, None),
        Err(rejection) => error::json(&request, &app, &rejection, Challenge::None),
    }
}
