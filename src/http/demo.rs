//! The demo's protected API, in development only: it asks the database about each token, as a resource server with
//! introspection would, so that "log out all devices" is seen to bite at once.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::app::App;
use super::error::{self, Challenge, no_store};
use super::request::origin;
use super::revocation;
use super::userinfo::bearer_token;
use crate::flow::bearer::{self, LiveToken};
use crate::flow::logout;
use crate::flow::rejection::Rejection;

/// The audience of the demo API.
const AUDIENCE: [&str; 1] = ["https://api.example.com"];

/// Who is asking.
pub async fn me(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let token = match authorized(&request, &app).await {
        Ok(token) => token,
        Err(response) => return response,
    };
    let mut response = HttpResponse::Ok();
    no_store(&mut response);
    response.json(json!({
        "message": "The demo API accepts this access token.",
        "sub": token.subject.as_ref().map(|subject| subject.id),
        "username": token.subject.as_ref().map(|subject| subject.username.clone()),
        "scope": token.scope,
    }))
}

/// "Log out all devices", by the user's own token.
pub async fn logout_all(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let token = match authorized(&request, &app).await {
        Ok(token) => token,
        Err(response) => return response,
    };
    let op = &app.provider;
    let Some(subject) = &token.subject else { return error::no_token(&request, &app) };
    let actor = format!("user:{}", subject.id);
    match logout::all_devices(op, subject.id, &actor, &origin(&request, &app), op.clock.now()).await {
        Ok(ended) => {
            let mut response = HttpResponse::Ok();
            no_store(&mut response);
            let mut response = response.json(ended);
            revocation::announce(&app, &mut response).await;
            response
        }
        Err(rejection) => error::json(&request, &app, &rejection, Challenge::Bearer),
    }
}

async fn authorized(request: &HttpRequest, app: &App) -> Result<LiveToken, HttpResponse> {
    let refuse = |rejection: Rejection| error::json(request, app, &rejection, Challenge::Bearer);
    let Some(token) = bearer_token(request).map_err(refuse)? else {
        return Err(error::no_token(request, app));
    };
    let op = &app.provider;
    bearer::live(op, &token, Some(&AUDIENCE), op.clock.now()).await.map_err(refuse)
}
