//! Middleware and an extractor for actix-web 4.
//!
//! [`Protect`] goes around an app, a scope or a resource. A handler below takes [`Authorized`], which is the token, and
//! does not compile its way around it: where no [`Protect`] stands in front, the extractor refuses.
//!
//! A refusal is an ordinary response, not an error of the service, so that middleware further out treats it like every
//! other answer. CORS belongs outside of [`Protect`], which in actix-web means `wrap`ped after it: a preflight carries
//! no token (Fetch §3.3.2) and has to be answered before, and a refusal needs the CORS headers to be readable.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::LocalBoxFuture;

use crate::challenge::Refusal;
pub use crate::protect::Protect;
use crate::protect::{Admitted, Lines};
use crate::token::Token;

impl<S, B> Transform<S, ServiceRequest> for Protect
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B, BoxBody>>;
    type Error = Error;
    type Transform = Protected<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Protected { service: Rc::new(service), protect: Rc::new(self.clone()) }))
    }
}

/// A service with [`Protect`] in front.
#[derive(Debug)]
pub struct Protected<S> {
    service: Rc<S>,
    protect: Rc<Protect>,
}

impl<S, B> Service<ServiceRequest> for Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B, BoxBody>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, protect) = (Rc::clone(&self.service), Rc::clone(&self.protect));
        Box::pin(async move {
            let before = request.extensions().get::<Admitted>().cloned();
            let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
            let judged = protect.admit(request.method().as_str(), target, request.headers(), before).await;
            match judged {
                Ok(admitted) => {
                    request.extensions_mut().insert(admitted);
                    Ok(service.call(request).await?.map_into_left_body())
                }
                Err(refusal) => Ok(request.into_response(response(&refusal)).map_into_right_body()),
            }
        })
    }
}

impl Lines for HeaderMap {
    fn all<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).map(HeaderValue::as_bytes)
    }
}

/// The token that [`Protect`] let in.
#[derive(Clone, Debug)]
pub struct Authorized(Arc<Token>);

impl Authorized {
    /// The token, to keep it beyond the request.
    #[must_use]
    pub fn into_inner(self) -> Arc<Token> {
        self.0
    }
}

impl Deref for Authorized {
    type Target = Token;

    fn deref(&self) -> &Token {
        &self.0
    }
}

impl FromRequest for Authorized {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let admitted = request.extensions().get::<Admitted>().map(|admitted| Arc::clone(&admitted.token));
        if admitted.is_none() {
            tracing::error!(
                path = request.path(),
                "a handler asks for a token where no Protect stands in front"
            );
        }
        ready(admitted.map(Self).ok_or_else(Refusal::no_token))
    }
}

/// So that a handler can ask for more with a question mark: `token.require_scope("write")?`.
impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    }

    fn error_response(&self) -> HttpResponse {
        response(self)
    }
}

fn response(refusal: &Refusal) -> HttpResponse {
    let mut response = HttpResponse::build(refusal.status_code());
    for line in refusal.headers() {
        response.insert_header(line);
    }
    response.json(&refusal.body)
}
