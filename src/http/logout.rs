//! `/logout`: asks before it ends the session of this browser, or all of the user's; `/logged-out` says it is done.

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::{self, FORM_LIMIT};
use super::headers::{PageSources, page, see_other};
use super::pages::logout::{LoggedOut, Logout};
use super::pages::view::Message;
use super::{cookie, csrf, end_session as edge, problem, revocation};
use crate::flow::authorize::problem::{PageProblem, Refusal};
use crate::flow::browser::{Browser, SetCookie};
use crate::flow::end_session::{self, Frame};
use crate::flow::login_session::{self, Presence};
use crate::flow::logout;
use crate::model::session::LoginSession;
use crate::oauth::params::Params;

const FORM: &str = "logout";

/// Shows or takes the sign-out form.
pub async fn logout(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let browser = match cookie::browser(&request, &app) {
        Ok(browser) => browser,
        Err(rejection) => return problem::rejection(&request, &app, &rejection),
    };
    let op = &app.provider;
    let (current, confirmed) = match login_session::presence(op, &browser, op.clock.now()).await {
        Ok(Presence::SignedIn(current)) => (current, true),
        // Signing out takes nothing that a password protects: it is open to whoever comes from elsewhere.
        Ok(Presence::Unconfirmed(current)) => (current, false),
        Ok(Presence::Nobody) => {
            return problem::message(&request, &app, StatusCode::OK, Message::not_signed_in());
        }
        Err(rejection) => return problem::rejection(&request, &app, &rejection),
    };
    if request.method() != Method::POST {
        return show(&app, &browser, confirmed.then_some(current.username));
    }
    match body::form(&request, &app, payload, FORM_LIMIT).await {
        Ok(params) => match take(&request, &app, &params, &browser, (&current.session, confirmed)).await {
            Ok(response) => response,
            Err(refusal) => problem::refusal(&request, &app, refusal, &[]),
        },
        Err(broken) => problem::unreadable(&request, &app, broken),
    }
}

/// The page after signing out.
pub async fn logged_out(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let browser = match cookie::browser(&request, &app) {
        Ok(browser) => browser,
        Err(rejection) => return problem::rejection(&request, &app, &rejection),
    };
    let op = &app.provider;
    // Anybody can link to this page: it must not say what is not so.
    match login_session::presence(op, &browser, op.clock.now()).await {
        Ok(Presence::Nobody) => {}
        Ok(_) => return problem::message(&request, &app, StatusCode::OK, Message::still_signed_in()),
        Err(rejection) => return problem::rejection(&request, &app, &rejection),
    }
    let everywhere = request.query_string() == "everywhere=1";
    let html = app.pages.logged_out(&LoggedOut { everywhere, ..LoggedOut::default() });
    page(&app, StatusCode::OK, html, &PageSources::default(), &[])
}

/// The question; without a name, and for this browser alone, where the user has not been confirmed.
fn show(app: &App, browser: &Browser, username: Option<String>) -> HttpResponse {
    let csrf = browser.session.as_ref().map(|session| csrf::session_token(app, FORM, session));
    let html = app.pages.logout(&Logout {
        action: "/logout",
        csrf: csrf.unwrap_or_default(),
        request: None,
        client: None,
        offer_everywhere: username.is_some(),
        account: username,
    });
    page(app, StatusCode::OK, html, &PageSources::default(), &[])
}

async fn take(
    request: &HttpRequest,
    app: &App,
    params: &Params,
    browser: &Browser,
    (session, confirmed): (&LoginSession, bool),
) -> Result<HttpResponse, Refusal> {
    let expected = browser.session.as_ref().map(|cookie| csrf::session_token(app, FORM, cookie));
    let genuine = expected.is_some_and(|expected| csrf::matches(&expected, params.get("csrf")));
    if !genuine || csrf::is_foreign(request, app) {
        return Err(Refusal::Page(Box::new(PageProblem::Form)));
    }
    if params.get("action") == Some("cancel") {
        return Ok(see_other(app, "/account", &[]));
    }
    let op = &app.provider;
    let now = op.clock.now();
    let frames = end_session::frames(op, session.id, now).await?;
    let everywhere = confirmed && params.get("everywhere") == Some("1");
    if everywhere {
        let actor = format!("user:{}", session.user);
        logout::all_devices(op, session.user, &actor, &browser.origin, now).await?;
    } else {
        logout::this_browser(op, session, &browser.origin, now).await?;
    }
    Ok(ended(app, &frames, everywhere).await)
}

/// The answer once the session of this browser has ended, and with `everywhere` all of the user's: the page that loads what
/// relying parties want loaded, or where there is nothing of that a redirect to the plain one.
pub(super) async fn ended(app: &App, frames: &[Frame], everywhere: bool) -> HttpResponse {
    let cookies = [SetCookie::ClearSession];
    let mut response = if frames.is_empty() {
        let location = if everywhere { "/logged-out?everywhere=1" } else { "/logged-out" };
        see_other(app, location, &cookies)
    } else {
        edge::signed_out(app, frames, LoggedOut { everywhere, ..LoggedOut::default() }, &cookies)
    };
    revocation::announce(app, &mut response).await;
    response
}
