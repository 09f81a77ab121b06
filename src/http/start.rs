//! The page at `/`, and the one for everything that is not there.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::headers::{self, PageSources};
use super::hosts;
use super::pages::view::{Index, Message};

/// What this server is.
pub async fn page(app: Data<App>) -> HttpResponse {
    let html = app.pages.index(&Index { demo: app.settings.development });
    headers::page(&app, StatusCode::OK, html, &PageSources::default(), &[])
}

/// There is nothing at this path, at a host that browsers hold sessions at and that has no pages: the page leads to the
/// one that has.
pub fn elsewhere(app: &App) -> HttpResponse {
    let html = app.pages.message(&Message::not_at_this_host(app.provider.policy.issuer.url("/")));
    headers::page(app, StatusCode::NOT_FOUND, html, &PageSources::default(), &[])
}

/// There is nothing at this path.
pub async fn not_found(request: HttpRequest, app: Data<App>) -> HttpResponse {
    if !hosts::serves(&request, &app, request.path()) {
        return elsewhere(&app);
    }
    let html = app.pages.message(&Message::not_found());
    headers::page(&app, StatusCode::NOT_FOUND, html, &PageSources::default(), &[])
}
