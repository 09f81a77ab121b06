//! `/end_session` (OpenID Connect RP-Initiated Logout §2): GET, or POST with the parameters in the body. The form that
//! asks first posts here too.

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::{BodyError, FORM_LIMIT, QUERY_LIMIT};
use super::headers::{PageSources, page, see_other};
use super::pages::logout::{Destination, LoggedOut, Logout};
use super::{authorize, csrf, form_action, login, problem, revocation};
use crate::digest::{base64url, base64url_decode};
use crate::flow::authorize::problem::{PageProblem, Refusal};
use crate::flow::browser::{Browser, SetCookie};
use crate::flow::end_session::{self, Done, Frame, Question, Step};
use crate::model::client::Client;
use crate::oauth::params::Params;
use crate::oauth::proven::ProvenRedirectUri;
use crate::oauth::registration::Registered;

const FORM: &str = "end-session";
/// The form carries a whole request in base64url. None is longer than a GET may carry.
const LIMIT: usize = QUERY_LIMIT * 4 / 3 + FORM_LIMIT;

/// Answers a logout request.
pub async fn end_session(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let (params, browser) = match authorize::read(&request, &app, payload, LIMIT).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let is_post = request.method() == Method::POST;
    let answer = if is_post && params.get("csrf").is_some() {
        take(&request, &app, &params, &browser).await
    } else {
        // Asked in a form, and sent on, it must fit: better now than after the person has said yes.
        let encoded = params.encoded();
        if encoded.len() > QUERY_LIMIT {
            return problem::unreadable(&request, &app, BodyError::TooLarge);
        }
        // A browser keeps SameSite=Lax cookies from a POST that another site began, and not every one says that it did.
        // Sent on as GET, the same request comes with them.
        if is_post && browser.session.is_none() {
            return see_other(&app, &format!("/end_session?{encoded}"), &[]);
        }
        begin(&app, &params, &browser).await
    };
    answer.unwrap_or_else(|refusal| problem::refusal(&request, &app, refusal, &[]))
}

async fn begin(app: &App, params: &Params, browser: &Browser) -> Result<HttpResponse, Refusal> {
    let op = &app.provider;
    match end_session::begin(op, params, browser, op.clock.now()).await? {
        Step::Ask(question) => Ok(ask(app, *question, params, browser)),
        Step::Done(done) => Ok(finish(app, done).await),
    }
}

fn ask(app: &App, question: Question, params: &Params, browser: &Browser) -> HttpResponse {
    let csrf = browser.session.as_ref().map(|session| csrf::session_token(app, FORM, session));
    let client = question.client.as_deref().map(login::shown_client);
    let registered = question.client.as_deref().map(|client| client.registered);
    let target = registered.zip(question.target);
    let sources = PageSources {
        form_target: target.map(|(registered, target)| form_action::sources(registered, vec![target])),
        image: client.as_ref().and_then(super::pages::view::Client::logo_origin),
        ..PageSources::default()
    };
    let html = app.pages.logout(&Logout {
        action: "/end_session",
        csrf: csrf.unwrap_or_default(),
        request: Some(base64url(params.encoded().as_bytes())),
        client,
        account: question.account,
        offer_everywhere: false,
    });
    page(app, StatusCode::OK, html, &sources, &[])
}

/// Takes the answer to the question. Anything but a clear yes is a no.
async fn take(
    request: &HttpRequest,
    app: &App,
    params: &Params,
    browser: &Browser,
) -> Result<HttpResponse, Refusal> {
    let expected = browser.session.as_ref().map(|cookie| csrf::session_token(app, FORM, cookie));
    let genuine = expected.is_some_and(|expected| csrf::matches(&expected, params.get("csrf")));
    let asked = params.get("request").map_or_else(|| Some(Vec::new()), base64url_decode);
    let asked = asked.and_then(|asked| Params::parse(&asked).ok());
    let Some(asked) = asked.filter(|_| genuine && !csrf::is_foreign(request, app)) else {
        return Err(Refusal::Page(Box::new(PageProblem::Form)));
    };
    if params.get("action") != Some("logout") {
        return Ok(see_other(app, "/account", &[]));
    }
    let op = &app.provider;
    match end_session::confirmed(op, &asked, browser, op.clock.now()).await? {
        Step::Ask(question) => Ok(ask(app, *question, &asked, browser)),
        Step::Done(done) => Ok(finish(app, done).await),
    }
}

async fn finish(app: &App, done: Done) -> HttpResponse {
    let Done { frames, back, client, by_itself, ended } = done;
    // Where no session came there is none to forget: what another site makes a browser send comes without its cookies.
    let cookies = if ended { vec![SetCookie::ClearSession] } else { Vec::new() };
    let mut response = match (back, by_itself) {
        (Some(back), true) if frames.is_empty() => see_other(app, &back, &cookies),
        (None, _) if frames.is_empty() => see_other(app, "/logged-out", &cookies),
        (next, _) => {
            let leads_to = client.as_deref().zip(next.as_deref()).filter(|_| !by_itself);
            let leads_to = leads_to.map(|(client, uri)| destination(client, uri));
            signed_out(app, &frames, LoggedOut { next, leads_to, ..LoggedOut::default() }, &cookies)
        }
    };
    if ended {
        revocation::announce(app, &mut response).await;
    }
    response
}

/// Whose the way on is, for a person to judge by.
fn destination(client: &Client, uri: &str) -> Destination {
    Destination {
        name: login::shown_client(client).name,
        place: ProvenRedirectUri::restored(uri.to_owned()).csp_source(),
        unverified: client.registered != Registered::Operator,
    }
}

/// The page after signing out, which loads what relying parties want loaded.
pub(super) fn signed_out(
    app: &App,
    frames: &[Frame],
    shown: LoggedOut,
    cookies: &[SetCookie],
) -> HttpResponse {
    let mut origins: Vec<String> = frames.iter().map(|frame| frame.origin.clone()).collect();
    origins.sort_unstable();
    origins.dedup();
    let frames = frames.iter().map(|frame| frame.uri.clone()).collect();
    let html = app.pages.logged_out(&LoggedOut { frames, ..shown });
    let sources = PageSources { frames: origins, ..PageSources::default() };
    page(app, StatusCode::OK, html, &sources, cookies)
}
