//! Discovery, the key set and static files: prepared bytes, answered while the database is down.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::prepared::{METADATA_CACHING, respond};
use super::{headers, start};

/// RFC 8414 §3, OpenID Connect Discovery §4.
pub async fn discovery(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let document = &app.prepared.discovery;
    respond(&request, document.body.clone(), &document.etag, "application/json", METADATA_CACHING)
}

/// RFC 7517 §5.
pub async fn jwks(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let ring = app.provider.keys.current();
    let jwks = ring.jwks_at(app.provider.clock.now());
    let body = Bytes::from_owner(std::sync::Arc::clone(&jwks.body));
    respond(&request, body, &jwks.etag, "application/json", METADATA_CACHING)
}

/// Static files of the pages.
pub async fn asset(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let Some(asset) = app.prepared.assets.iter().find(|asset| asset.path == request.path()) else {
        return start::not_found(request, app).await;
    };
    let body = Bytes::from_static(asset.body);
    let mut response = respond(&request, body, &asset.etag, asset.content_type, "public, max-age=300");
    let mut protection = HttpResponse::Ok();
    headers::protect(&app, &mut protection, &headers::PageSources::default());
    for (name, value) in protection.finish().headers() {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}
