//! `POST /session/logout` and `POST /session/logout_all`.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::gate::{self, Admitted};
use super::{over, refused};
use crate::flow::browser::SetCookie;
use crate::flow::session::logout;
use crate::http::app::App;
use crate::http::cookie;
use crate::http::error::no_store;
use crate::http::headers::set_cookies;
use crate::http::request::origin;
use crate::http::revocation;
use crate::secret::{ClientId, RefreshToken};

/// Signs this browser out, at every host and in every application.
pub async fn this_browser(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let (Admitted { client, now, .. }, token) = match admitted(&request, &app, payload).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    let origin = origin(&request, &app);
    match logout::this_browser(&app.provider, &client, token.as_ref(), &origin, now).await {
        Ok(ended) => done(&app, &client.id, ended).await,
        Err(rejection) => refused(&request, &app, None, &rejection),
    }
}

/// Signs the user out on every device.
pub async fn all_devices(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let (Admitted { client, now, .. }, token) = match admitted(&request, &app, payload).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    let origin = origin(&request, &app);
    match logout::all_devices(&app.provider, &client, token.as_ref(), &origin, now).await {
        Ok(Some(ended)) => done(&app, &client.id, ended).await,
        Ok(None) => over(&request, &app, token.as_ref().map(|_| &client.id)),
        Err(rejection) => refused(&request, &app, None, &rejection),
    }
}

/// What has passed the gate, and the refresh token that came with it.
async fn admitted(
    request: &HttpRequest,
    app: &App,
    payload: Payload,
) -> Result<(Admitted, Option<RefreshToken>), HttpResponse> {
    let admitted = gate::admit(request, app, payload).await?;
    match cookie::refresh(request, app, &admitted.client.id) {
        Ok(held) => Ok((admitted, held.map(|held| held.token))),
        Err(rejection) => Err(refused(request, app, None, &rejection)),
    }
}

async fn done(app: &App, client: &ClientId, ended: impl Serialize) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    no_store(&mut response);
    set_cookies(app, &mut response, &[SetCookie::ClearRefresh(client.clone())]);
    let mut response = response.json(ended);
    revocation::announce(app, &mut response).await;
    response
}
