//! `/authorize` (RFC 6749 §3.1): GET, or POST with the parameters in the body (OpenID Connect Core §3.1.2.1).

use actix_web::http::Method;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::{self, PROTOCOL_LIMIT};
use super::headers::see_other;
use super::{cookie, problem};
use crate::flow::authorize::{self, Step};
use crate::flow::browser::{Browser, SetCookie};

/// Answers an authorization request.
pub async fn authorize(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let params = if request.method() == Method::POST {
        body::form(&request, &app, payload, PROTOCOL_LIMIT).await
    } else {
        body::query(&request)
    };
    let params = match params {
        Ok(params) => params,
        Err(broken) => return problem::unreadable(&request, &app, broken),
    };
    let browser = match cookie::browser(&request, &app) {
        Ok(browser) => browser,
        Err(rejection) => return problem::rejection(&request, &app, &rejection),
    };
    if is_cookieless_post(&request, &browser) {
        return see_other(&app, &format!("/authorize?{}", params.encoded()), &[]);
    }
    let op = &app.provider;
    match authorize::begin(op, &params, &browser, op.clock.now()).await {
        Ok(answer) => next(&app, &answer.step, answer.cookie.as_slice()),
        Err(refusal) => problem::refusal(&request, &app, refusal, &[]),
    }
}

/// A browser keeps SameSite=Lax cookies from a POST that another site began. Sent on as GET, the same request comes
/// with them: a signed-in user is not asked again, and no other sign-in under way loses its binding.
fn is_cookieless_post(request: &HttpRequest, browser: &Browser) -> bool {
    let cross_site = request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    request.method() == Method::POST && cross_site && browser.session.is_none() && browser.binding.is_none()
}

/// Goes to the next step.
pub fn next(app: &App, step: &Step, cookies: &[SetCookie]) -> HttpResponse {
    match step {
        Step::Return(location) => see_other(app, location, cookies),
        Step::Login(handle) => see_other(app, &format!("/login?interaction={}", handle.reveal()), cookies),
        Step::Consent(handle) => {
            see_other(app, &format!("/consent?interaction={}", handle.reveal()), cookies)
        }
    }
}
