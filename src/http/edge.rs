//! What every request and answer passes: an id, the method check, cross-origin sharing, a deadline, and the last
//! resort for a panic; what goes wrong is a page where people see it. Fail closed: whatever goes wrong here answers 5xx
//! and grants nothing (S-109).

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use futures_util::FutureExt as _;
use signet_verify::actix::Protect;

use super::app::App;
use super::cors;
use super::error::{self, Challenge};
use super::host;
use super::hosts;
use super::pages::view::Message;
use super::problem;
use super::request::identify;
use super::routes::Row;
use super::start;
use crate::clock::monotonic_now;
use crate::flow::rejection::Rejection;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Mounts one row of the route table behind the edge.
pub fn mount(config: &mut web::ServiceConfig, row: &'static Row) {
    let middleware = move |request: ServiceRequest, next: Next<BoxBody>| pass(row, request, next);
    config.service(web::resource(row.path).wrap(from_fn(middleware)).route((row.handler)()));
}

/// Mounts one row that a verifier of access tokens stands in front of, as it does in a resource server.
pub fn mount_behind(config: &mut web::ServiceConfig, row: &'static Row, protect: &Protect) {
    let middleware = move |request: ServiceRequest, next: Next<EitherBody<BoxBody>>| pass(row, request, next);
    let resource = web::resource(row.path).wrap(protect.clone()).wrap(from_fn(middleware));
    config.service(resource.route((row.handler)()));
}

/// Mounts one row for operators: a loopback listener answers under loopback names only.
pub fn mount_for_operators(config: &mut web::ServiceConfig, row: &'static Row) {
    let middleware = move |request: ServiceRequest, next: Next<BoxBody>| async move {
        let app = request.app_data::<web::Data<App>>().cloned();
        let issuer = app.as_ref().map_or("", |app| app.provider.policy.issuer.origin());
        if host::is_ours(request.request(), issuer) {
            return pass(row, request, next).await;
        }
        Ok(request.into_response(HttpResponse::Forbidden().body("This address answers to localhost only.")))
    };
    config.service(web::resource(row.path).wrap(from_fn(middleware)).route((row.handler)()));
}

/// A request on its way through the edge.
struct Passage {
    app: web::Data<App>,
    http: HttpRequest,
    started: std::time::Instant,
}

impl Passage {
    /// `None` where the application's state is missing, which a mounted server rules out.
    fn begin(request: &ServiceRequest) -> Option<Self> {
        let http = request.request().clone();
        let app = http.app_data::<web::Data<App>>()?.clone();
        identify(&http, &app);
        Some(Self { app, http, started: monotonic_now() })
    }

    fn end(self, route: &'static str, mut response: HttpResponse) -> ServiceResponse<BoxBody> {
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(id) = HeaderValue::from_str(&super::request::trace_id(&self.http)) {
            headers.insert(REQUEST_ID, id);
        }
        let status = response.status().as_u16();
        self.app.metrics.request(route, self.http.method(), status, self.started.elapsed());
        ServiceResponse::new(self.http, response)
    }
}

async fn pass(
    row: &'static Row,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(passage) = Passage::begin(&request) else { return Ok(lost(request)) };
    let (app, http) = (&passage.app, &passage.http);
    let mut response = if !hosts::serves(http, app, row.path) {
        start::elsewhere(app)
    } else if row.sharing.is_asked_for() && cors::is_preflight(http) {
        cors::preflight(row.methods, row.sharing)
    } else if !row.takes(http.method().as_str()) {
        not_taken(app, http, row)
    } else {
        guarded(app, http, refused_by(row.page), (request, next)).await
    };
    cors::apply(app, http, row.sharing, &mut response).await;
    Ok(passage.end(row.path, response))
}

/// The administration API has a door of its own; deadline, panic and measurement are the same.
pub async fn admin(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(passage) = Passage::begin(&request) else { return Ok(lost(request)) };
    let (app, http) = (&passage.app, &passage.http);
    let response = if hosts::serves(http, app, http.path()) {
        guarded(app, http, refused_by(false), (request, next)).await
    } else {
        start::elsewhere(app)
    };
    Ok(passage.end("/admin/v1", response))
}

fn lost(request: ServiceRequest) -> ServiceResponse<BoxBody> {
    request.into_response(HttpResponse::InternalServerError().finish())
}

/// Static files: the same edge, without a row.
pub async fn asset(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let http = request.request().clone();
    if !matches!(*http.method(), Method::GET | Method::HEAD) {
        return Ok(ServiceResponse::new(http.clone(), error::method_not_allowed(&http, "GET, HEAD")));
    }
    if let Some(app) = http.app_data::<web::Data<App>>()
        && !hosts::serves(&http, app, http.path())
    {
        return Ok(ServiceResponse::new(http.clone(), start::elsewhere(app)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// How a refusal looks.
type Refused = fn(&HttpRequest, &App, &Rejection) -> HttpResponse;

/// A page where people see it, else JSON.
fn refused_by(page: bool) -> Refused {
    if page {
        problem::rejection
    } else {
        |http, app, rejection| error::json(http, app, rejection, Challenge::None)
    }
}

/// 405 with the methods that are allowed (RFC 9110 §15.5.6).
fn not_taken(app: &App, http: &HttpRequest, row: &Row) -> HttpResponse {
    if !row.page {
        return error::method_not_allowed(http, row.methods);
    }
    let mut response = problem::message(http, app, StatusCode::METHOD_NOT_ALLOWED, Message::not_asked_so());
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(row.methods));
    response
}

/// Calls the handler within the deadline: retries of a refresh rest on an answer within it, or none (rotation.md).
async fn guarded(
    app: &App,
    http: &HttpRequest,
    refused: Refused,
    (request, next): (ServiceRequest, Next<impl MessageBody + 'static>),
) -> HttpResponse {
    let call = AssertUnwindSafe(next.call(request)).catch_unwind();
    match tokio::time::timeout(app.settings.request_deadline, call).await {
        Ok(Ok(Ok(response))) => response.map_into_boxed_body().into_parts().1,
        Ok(Ok(Err(failure))) => failure.error_response(),
        Ok(Err(_panic)) => refused(http, app, &Rejection::fault(&"the handler panicked")),
        Err(_elapsed) => {
            refused(http, app, &Rejection::unavailable(&"no answer within the request deadline"))
        }
    }
}
