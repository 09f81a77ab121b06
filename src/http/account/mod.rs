//! `/account…`: the account's pages, at the issuer's host. GET shows, POST changes and leads back to a GET with a word of
//! a fixed list. Whoever is not signed in is led through the sign-in page and back; what is sensitive asks for a fresh
//! sign-in (S-076, S-081).

mod lists;
mod password;
mod profile;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

pub use lists::{activity, applications, sessions};
pub use password::password;
pub use profile::profile;

use super::app::App;
use super::body::{self, FORM_LIMIT};
use super::headers::{PageSources, page, see_other};
use super::pages::account::{Done, Frame, Problem};
use super::{authorize as edge, cookie, csrf, problem};
use crate::clock::Timestamp;
use crate::flow::account::{self, Visitor};
use crate::flow::authorize::problem::{PageProblem, Refusal};
use crate::flow::browser::{Browser, SetCookie};
use crate::flow::interaction::{self, Visit};
use crate::flow::rejection::Rejection;
use crate::model::account::AccountPage;
use crate::oauth::params::Params;

/// A request of somebody who is signed in. A form that came with it has been shown to this session by this server.
struct Call<'a> {
    request: &'a HttpRequest,
    app: &'a App,
    page: AccountPage,
    browser: Browser,
    visitor: Visitor,
    params: Params,
    now: Timestamp,
}

/// What a request that goes no further is answered with.
type Answer = Result<HttpResponse, HttpResponse>;

impl<'a> Call<'a> {
    /// Reads a request up to where its page begins.
    async fn begin(
        request: &'a HttpRequest,
        app: &'a Data<App>,
        payload: Payload,
        page: AccountPage,
    ) -> Result<Self, HttpResponse> {
        let broken = |rejection: Rejection| problem::rejection(request, app, &rejection);
        let browser = cookie::browser(request, app).map_err(broken)?;
        let post = request.method() == Method::POST;
        let params =
            if post { body::form(request, app, payload, FORM_LIMIT).await } else { body::query(request) };
        let params = params.map_err(|broken| problem::unreadable(request, app, broken))?;
        let form = || problem::refusal(request, app, Refusal::Page(Box::new(PageProblem::Form)), &[]);
        if post && csrf::is_foreign(request, app) {
            return Err(form());
        }
        let now = app.provider.clock.now();
        let Some(visitor) = account::visitor(&app.provider, &browser, now).await.map_err(broken)? else {
            let visit = Visit { page, fresh: false, login_hint: None };
            return Err(sign_in(request, app, visit, &browser, now).await);
        };
        let call = Self { request, app, page, browser, visitor, params, now };
        if post && !csrf::matches(&call.csrf(), call.params.get("csrf")) {
            return Err(form());
        }
        Ok(call)
    }

    fn is_post(&self) -> bool {
        self.request.method() == Method::POST
    }

    fn action(&self) -> Option<&str> {
        self.params.get("action")
    }

    fn csrf(&self) -> String {
        let session = self.browser.session.as_ref();
        session.map(|cookie| csrf::session_token(self.app, self.page.path(), cookie)).unwrap_or_default()
    }

    /// Goes on only with a fresh sign-in; else by way of the sign-in page, and back to this page.
    async fn fresh(&self) -> Result<(), HttpResponse> {
        if self.action() != Some("confirm") && self.visitor.is_fresh(&self.app.provider, self.now) {
            return Ok(());
        }
        let login_hint = Some(self.visitor.user.username.clone());
        let visit = Visit { page: self.page, fresh: true, login_hint };
        Err(sign_in(self.request, self.app, visit, &self.browser, self.now).await)
    }

    fn frame(&self, wrong: Option<Problem>) -> Frame {
        let done = if self.is_post() { None } else { self.params.get("done") };
        // Reading asks for nothing, and the password's form asks for the password itself.
        let changes = !matches!(self.page, AccountPage::Activity | AccountPage::Password);
        Frame {
            page: self.page,
            account: self.visitor.user.username.clone(),
            csrf: self.csrf(),
            done: done.and_then(Done::parse),
            problem: wrong,
            stale: changes && !self.visitor.is_fresh(&self.app.provider, self.now),
        }
    }

    fn show(&self, status: StatusCode, html: String) -> HttpResponse {
        page(self.app, status, html, &PageSources::default(), &[])
    }

    /// Back to the page, which says what was done.
    fn done(&self, done: Done, cookies: &[SetCookie]) -> HttpResponse {
        see_other(self.app, &format!("{}?done={}", self.page.path(), done.word()), cookies)
    }

    fn broken(&self, rejection: Rejection) -> HttpResponse {
        problem::rejection(self.request, self.app, &rejection)
    }

    /// A form without a known wish in it.
    fn unknown(&self) -> HttpResponse {
        self.broken(Rejection::invalid_request(
            "The form says nothing that this page knows. Reload the page and try again.",
        ))
    }
}

async fn sign_in(
    request: &HttpRequest,
    app: &App,
    visit: Visit,
    browser: &Browser,
    now: Timestamp,
) -> HttpResponse {
    match interaction::visit(&app.provider, visit, browser, now).await {
        Ok(answer) => edge::next(app, &answer.step, answer.cookie.as_slice()),
        Err(refusal) => problem::refusal(request, app, refusal, &[]),
    }
}

/// Both halves of an answer are one.
fn either(answer: Answer) -> HttpResponse {
    answer.unwrap_or_else(|response| response)
}
