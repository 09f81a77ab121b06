//! A tower layer, for axum, tonic and hyper.
//!
//! [`Protect`] goes around a router, a route or any service of HTTP requests. What stands below finds an
//! `Arc<`[`Token`]`>` among the request's extensions; in axum a handler takes `Extension<Arc<Token>>`, which refuses
//! where no [`Protect`] stands in front.
//!
//! CORS belongs outside of [`Protect`]: a preflight carries no token (Fetch §3.3.2) and has to be answered before, and
//! a refusal needs the CORS headers to be readable.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_types::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http_types::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::challenge::Refusal;
pub use crate::protect::Protect;
use crate::protect::{Admitted, Lines};
use crate::token::Token;

impl<S> Layer<S> for Protect {
    type Service = Protected<S>;

    fn layer(&self, service: S) -> Protected<S> {
        Protected { service, protect: Arc::new(self.clone()) }
    }
}

/// A service with [`Protect`] in front.
#[derive(Clone, Debug)]
pub struct Protected<S> {
    service: S,
    protect: Arc<Protect>,
}

impl<S, Asked, Answered> Service<Request<Asked>> for Protected<S>
where
    S: Service<Request<Asked>, Response = Response<Answered>> + Clone + Send + 'static,
    S::Future: Send,
    Asked: Send + 'static,
    Answered: From<String>,
{
    type Response = Response<Answered>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Asked>) -> Self::Future {
        // The service that was found ready is the one to call; its copy takes its place and is asked anew.
        let copy = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, copy);
        let protect = Arc::clone(&self.protect);
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let before = head.extensions.get::<Admitted>().cloned();
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            match protect.admit(head.method.as_str(), target, &head.headers, before).await {
                Ok(admitted) => {
                    head.extensions.insert::<Arc<Token>>(Arc::clone(&admitted.token));
                    head.extensions.insert(admitted);
                    service.call(Request::from_parts(head, body)).await
                }
                Err(refusal) => Ok(response(&refusal)),
            }
        })
    }
}

impl Lines for HeaderMap {
    fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }
}

/// The refusal as a response, for a handler that asks for more than the layer in front of it did.
impl<Body: From<String>> From<Refusal> for Response<Body> {
    fn from(refusal: Refusal) -> Self {
        response(&refusal)
    }
}

fn response<Body: From<String>>(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::from(refusal.body.to_string()));
    *response.status_mut() = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in refusal.headers() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
