//! `/authorize` (RFC 6749 §3.1): GET, or POST with the parameters in the body (OpenID Connect Core §3.1.2.1). And how its
//! answers go out.

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::{self, PROTOCOL_LIMIT};
use super::headers::{PageSources, page, see_other};
use super::pages::form_post::FormPost;
use super::{cookie, form_action, problem};
use crate::flow::authorize::response::Delivery;
use crate::flow::authorize::{self, Step};
use crate::flow::browser::{Browser, SetCookie};
use crate::oauth::params::Params;

/// Answers an authorization request.
pub async fn authorize(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let (params, browser) = match read(&request, &app, payload, PROTOCOL_LIMIT).await {
        Ok(read) => read,
        Err(response) => return response,
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

/// What a browser asks by GET, or by POST with the parameters in the body, and the browser.
///
/// # Errors
/// The page to answer with instead.
pub(super) async fn read(
    request: &HttpRequest,
    app: &App,
    payload: Payload,
    limit: usize,
) -> Result<(Params, Browser), HttpResponse> {
    let params = if request.method() == Method::POST {
        body::form(request, app, payload, limit).await
    } else {
        body::query(request)
    };
    let params = params.map_err(|broken| problem::unreadable(request, app, broken))?;
    let browser =
        cookie::browser(request, app).map_err(|rejection| problem::rejection(request, app, &rejection))?;
    Ok((params, browser))
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
        Step::Return(delivery) => deliver(app, delivery, cookies),
        Step::Login(handle) => see_other(app, &format!("/login?interaction={}", handle.reveal()), cookies),
        Step::Consent(handle) => {
            see_other(app, &format!("/consent?interaction={}", handle.reveal()), cookies)
        }
    }
}

/// Sends an authorization response on its way.
pub fn deliver(app: &App, delivery: &Delivery, cookies: &[SetCookie]) -> HttpResponse {
    match delivery {
        Delivery::Redirect(location) => see_other(app, location, cookies),
        Delivery::Form(form) => {
            let html = app.pages.form_post(&FormPost {
                action: form.redirect_uri.as_str().to_owned(),
                fields: form.params.clone(),
            });
            let form_target =
                Some(form_action::sources(form.registered, vec![form.redirect_uri.csp_source()]));
            let sources = PageSources { form_target, ..PageSources::default() };
            page(app, StatusCode::OK, html, &sources, cookies)
        }
    }
}
