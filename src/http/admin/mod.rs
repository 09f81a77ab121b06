//! The administration API, `/admin/v1` on the admin listener.
//!
//! One table names every route, and one function, `serve`, stands before all of them: a route that is not in the
//! table is not reachable, and one that is in it cannot forget to check who asks (S-100).

mod api_keys;
mod apis;
mod audit;
mod auth;
mod body;
mod call;
mod clients;
mod initial_access_tokens;
mod keys;
mod logout_notices;
mod page;
mod problem;
mod sessions;
mod users;

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::app::App;
use super::edge;
use super::{request, revocation};
use crate::flow::admin::access::SCOPE;
use call::Call;
use problem::{Kind, Problem};

/// Below this path lies the API.
pub const BASE: &str = "/admin/v1";
/// The OpenAPI 3.1 document. It holds no secrets and needs no credentials.
pub const OPENAPI: &str = include_str!("openapi.json");

type Reply = Result<HttpResponse, Problem>;
type Run = fn(Call) -> LocalBoxFuture<'static, Reply>;

/// One route of the API.
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path below [`BASE`], with parameters in braces.
    pub path: &'static str,
    /// The scope it needs; `None` is open to everybody.
    pub scope: Option<&'static str>,
    /// Whether it may revoke something: the answer then names the batch of the revocation feed.
    pub revokes: bool,
    run: Run,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {BASE}{}", self.method, self.path)
    }
}

macro_rules! route {
    ($method:ident $path:literal $run:path) => {
        Route {
            method: Method::$method,
            path: $path,
            scope: Some(SCOPE),
            revokes: false,
            run: |call| Box::pin($run(call)),
        }
    };
    ($method:ident $path:literal $run:path, revokes) => {
        Route { revokes: true, ..route!($method $path $run) }
    };
}

static ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        path: "/openapi.json",
        scope: None,
        revokes: false,
        run: |_| Box::pin(document()),
    },
    route!(GET "/clients" clients::list),
    route!(POST "/clients" clients::create),
    route!(GET "/clients/{client_id}" clients::show),
    route!(PUT "/clients/{client_id}" clients::replace),
    route!(PATCH "/clients/{client_id}" clients::merge),
    route!(DELETE "/clients/{client_id}" clients::delete, revokes),
    route!(POST "/clients/{client_id}/disable" clients::disable, revokes),
    route!(POST "/clients/{client_id}/enable" clients::enable),
    route!(POST "/clients/{client_id}/rotate_secret" clients::rotate_secret),
    route!(GET "/clients/{client_id}/lint" clients::lint),
    route!(GET "/apis" apis::list),
    route!(POST "/apis" apis::create),
    route!(GET "/apis/{audience}" apis::show),
    route!(PUT "/apis/{audience}" apis::replace),
    route!(PATCH "/apis/{audience}" apis::merge),
    route!(DELETE "/apis/{audience}" apis::delete),
    route!(GET "/users" users::list),
    route!(POST "/users" users::create),
    route!(GET "/users/{id}" users::show),
    route!(PATCH "/users/{id}" users::update),
    route!(POST "/users/{id}/disable" users::disable, revokes),
    route!(POST "/users/{id}/enable" users::enable),
    route!(PUT "/users/{id}/password" users::set_password, revokes),
    route!(POST "/users/{id}/logout_all" users::logout_all, revokes),
    route!(GET "/users/{id}/sessions" users::sessions),
    route!(GET "/users/{id}/history" users::history),
    route!(GET "/sessions" sessions::list),
    route!(DELETE "/sessions/{id}" sessions::end, revokes),
    route!(GET "/logout_notices" logout_notices::list),
    route!(GET "/keys" keys::list),
    route!(POST "/keys/rotate" keys::rotate),
    route!(POST "/keys/rotate_emergency" keys::rotate_emergency, revokes),
    route!(DELETE "/keys/{kid}" keys::remove, revokes),
    route!(GET "/api-keys" api_keys::list),
    route!(POST "/api-keys" api_keys::create),
    route!(DELETE "/api-keys/{id}" api_keys::delete),
    route!(GET "/initial_access_tokens" initial_access_tokens::list),
    route!(POST "/initial_access_tokens" initial_access_tokens::create),
    route!(DELETE "/initial_access_tokens/{id}" initial_access_tokens::delete),
    route!(GET "/audit" audit::list),
];

/// Every route of the API.
pub fn routes() -> &'static [Route] {
    ROUTES
}

/// Mounts the API. The application's state must be there as `web::Data<App>`.
pub fn configure(config: &mut web::ServiceConfig) {
    let mut scope = web::scope(BASE);
    for (at, first) in ROUTES.iter().enumerate() {
        if ROUTES.iter().take(at).any(|earlier| earlier.path == first.path) {
            continue;
        }
        let mut resource = web::resource(first.path).default_service(web::to(unrouted));
        for route in ROUTES.iter().filter(|route| route.path == first.path) {
            let handler = move |request, payload, app| serve(route, request, payload, app);
            resource = resource.route(web::method(route.method.clone()).to(handler));
        }
        scope = scope.service(resource.wrap(from_fn(edge::admin)));
    }
    config.service(scope.default_service(web::to(unrouted)));
}

/// The one way into a route.
async fn serve(
    route: &'static Route,
    request: HttpRequest,
    payload: web::Payload,
    app: web::Data<App>,
) -> HttpResponse {
    let origin = request::origin(&request, &app);
    let trace_id = origin.trace_id.clone();
    let reply = async {
        auth::check_host(&request, app.provider.policy.issuer.origin())?;
        let now = app.provider.clock.now();
        let administrator = match route.scope {
            Some(_) => Some(auth::administrator(&request, &app, now).await?),
            None => None,
        };
        // Whoever may not ask does not make us read.
        let body = if route.method == Method::GET || route.method == Method::DELETE {
            web::Bytes::new()
        } else {
            body::read(payload, app.settings.body_timeout).await?
        };
        let call = Call { app: app.clone(), request: request.clone(), body, administrator, origin, now };
        let mut response = (route.run)(call).await?;
        if route.revokes {
            revocation::announce(&app, &mut response).await;
        }
        Ok(response)
    };
    reply.await.unwrap_or_else(|problem: Problem| problem.render(trace_id.as_deref()))
}

/// Paths and methods that are not in the table.
async fn unrouted(request: HttpRequest, app: web::Data<App>) -> HttpResponse {
    let trace_id = request::origin(&request, &app).trace_id;
    let trace_id = trace_id.as_deref();
    let allowed = async {
        auth::check_host(&request, app.provider.policy.issuer.origin())?;
        auth::administrator(&request, &app, app.provider.clock.now()).await?;
        let pattern = request.match_pattern().unwrap_or_default();
        let path = pattern.strip_prefix(BASE).unwrap_or_default();
        let methods = ROUTES.iter().filter(|route| route.path == path).map(|route| route.method.as_str());
        Ok::<_, Problem>(methods.collect::<Vec<_>>().join(", "))
    };
    match allowed.await {
        Err(problem) => problem.render(trace_id),
        Ok(methods) if methods.is_empty() => {
            Problem::new(Kind::NotFound, "There is no such path.").render(trace_id)
        }
        Ok(methods) => {
            let detail = format!("This path knows {methods}.");
            let mut response = Problem::new(Kind::MethodNotAllowed, detail).render(trace_id);
            if let Ok(value) = methods.parse() {
                response.headers_mut().insert(ALLOW, value);
            }
            response
        }
    }
}

async fn document() -> Reply {
    Ok(no_store(HttpResponse::Ok().content_type("application/json").body(OPENAPI)))
}

/// A JSON answer. None of this API's answers may be kept by caches.
fn json(mut builder: actix_web::HttpResponseBuilder, value: &Value) -> HttpResponse {
    no_store(builder.content_type("application/json").body(value.to_string()))
}

fn no_store(mut response: HttpResponse) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, actix_web::http::header::HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, actix_web::http::header::HeaderValue::from_static("nosniff"));
    response
}
#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod tests;
