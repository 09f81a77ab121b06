//! `/login`: the sign-in page. GET shows it, POST takes it; a GET changes nothing.

use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::{self, FORM_LIMIT};
use super::headers::{PageSources, page};
use super::pages::view::{self, Login, LoginProblem};
use super::{authorize as edge, cookie, csrf, form_action, problem};
use crate::flow::authorize::OpenInteraction;
use crate::flow::authorize::problem::{PageProblem, Refusal};
use crate::flow::browser::Browser;
use crate::flow::interaction::{self, Opened};
use crate::flow::login::{self, LoginOutcome, LoginRequest};
use crate::flow::login_session::{self, Presence};
use crate::flow::rejection::{Outcome, RETRY_AFTER_SECONDS};
use crate::model::client::Client;
use crate::oauth::client_metadata::Profile;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;
use crate::oauth::prompt::Prompt;
use crate::oauth::registration::Registered;
use crate::oauth::{return_to, uri};
use crate::secret::Password;

const FORM: &str = "login";

/// Shows or takes the sign-in form.
pub async fn login(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let browser = match cookie::browser(&request, &app) {
        Ok(browser) => browser,
        Err(rejection) => return problem::rejection(&request, &app, &rejection),
    };
    let params = if request.method() == Method::POST {
        body::form(&request, &app, payload, FORM_LIMIT).await
    } else {
        body::query(&request)
    };
    let params = match params {
        Ok(params) => params,
        Err(broken) => return problem::unreadable(&request, &app, broken),
    };
    let interaction = match open(&app, &params, &browser).await {
        Ok(interaction) => interaction,
        Err(refusal) => return problem::refusal(&request, &app, refusal, &[]),
    };
    let call = Call { request: &request, app: &app, browser: &browser, interaction: &interaction };
    if request.method() == Method::POST {
        take(&call, params).await
    } else {
        let shown =
            Shown { username: interaction.login_hint().unwrap_or_default().to_owned(), ..Shown::default() };
        show(&call, shown, StatusCode::OK).await
    }
}

/// A request of a browser for its interaction.
struct Call<'a> {
    request: &'a HttpRequest,
    app: &'a App,
    browser: &'a Browser,
    interaction: &'a Opened,
}

impl Call<'_> {
    fn csrf(&self) -> Option<String> {
        let binding = self.browser.binding.as_ref()?;
        Some(csrf::interaction_token(self.app, FORM, binding, self.interaction.handle().reveal()))
    }
}

/// The interaction that a page's `interaction` parameter names.
async fn open(app: &App, params: &Params, browser: &Browser) -> Result<Opened, Refusal> {
    let op = &app.provider;
    let handle = params.get("interaction").ok_or(Refusal::Page(Box::new(PageProblem::Interaction)))?;
    interaction::open(op, handle, browser, op.clock.now()).await
}

/// The same where only a client's request will do: there is nothing to consent to on the way to a page of ours.
///
/// # Errors
/// A page.
pub async fn open_request(app: &App, params: &Params, browser: &Browser) -> Result<OpenInteraction, Refusal> {
    match open(app, params, browser).await? {
        Opened::Authorization(interaction) => Ok(*interaction),
        Opened::Account(_) => Err(Refusal::Page(Box::new(PageProblem::Interaction))),
    }
}

/// What the page's client section shows. Nothing of it is trusted.
pub fn shown_client(client: &Client) -> view::Client {
    let metadata = &client.metadata;
    view::Client {
        name: metadata.client_name.clone().unwrap_or_else(|| client.id.to_string()),
        host: None,
        logo_uri: metadata.logo_uri.clone(),
        policy_uri: metadata.policy_uri.clone(),
        tos_uri: metadata.tos_uri.clone(),
    }
}

/// What the sign-in page shows of the client. Who registered themselves are strangers: where they are is said, and what they
/// call their logo is not fetched for somebody who has not signed in yet. The certification of a provider looks for it there.
fn before_sign_in(interaction: &OpenInteraction) -> view::Client {
    let client = &interaction.client;
    let shown = shown_client(client);
    if client.registered == Registered::Operator {
        return shown;
    }
    let logo_uri = shown.logo_uri.filter(|_| client.metadata.profile == Profile::OidcCertification);
    view::Client {
        host: Some(interaction.request.return_path().redirect_uri.csp_source()),
        logo_uri,
        ..shown
    }
}

/// Who a client is that no operator knows: the host that serves its metadata, else the one that its answer goes to.
pub fn unverified(interaction: &OpenInteraction) -> Option<String> {
    let client = &interaction.client;
    let returns_to = || interaction.request.return_path().redirect_uri.csp_source();
    match client.registered {
        Registered::Operator => None,
        Registered::Dynamic => Some(returns_to()),
        Registered::Document => Some(uri::origin_of(client.id.as_str()).unwrap_or_else(returns_to)),
    }
}

/// What the page may load and where its form may lead.
pub fn sources(interaction: &OpenInteraction, client: &view::Client) -> PageSources {
    // In cookie mode the redirect leads to a host of ours, and from there on to the application's page.
    let mut targets = vec![interaction.request.return_path().redirect_uri.csp_source()];
    if interaction.client.metadata.is_cookie_mode() {
        targets.extend(return_to::origins(&interaction.client.metadata));
    }
    PageSources {
        form_target: Some(form_action::sources(interaction.client.registered, targets)),
        image: client.logo_origin(),
        ..PageSources::default()
    }
}

#[derive(Default)]
struct Shown {
    username: String,
    problem: Option<LoginProblem>,
    remember: bool,
}

async fn show(call: &Call<'_>, shown: Shown, status: StatusCode) -> HttpResponse {
    let app = call.app;
    let confirmed = match confirming(call, &shown.username).await {
        Ok(confirmed) => confirmed,
        Err(rejection) => return problem::rejection(call.request, app, &rejection),
    };
    let (client, sources, unverified) = match call.interaction {
        Opened::Authorization(interaction) => {
            let client = before_sign_in(interaction);
            let sources = sources(interaction, &client);
            (Some(client), sources, unverified(interaction))
        }
        Opened::Account(_) => (None, PageSources::default(), None),
    };
    let html = app.pages.login(&Login {
        csrf: call.csrf().unwrap_or_default(),
        interaction: call.interaction.handle().reveal().to_owned(),
        again: confirmed.is_some(),
        username: confirmed.unwrap_or(shown.username),
        problem: shown.problem,
        client,
        unverified,
        offer_remember: app.provider.policy.sessions.remember_me,
        remember: shown.remember,
    });
    page(app, status, html, &sources, &[])
}

/// The name to begin the form with, where somebody is there who is to confirm that it is them; `None` where anybody may sign
/// in. A session that comes from elsewhere tells no name.
async fn confirming(call: &Call<'_>, typed: &str) -> Outcome<Option<String>> {
    let op = &call.app.provider;
    let current = match login_session::presence(op, call.browser, op.clock.now()).await? {
        Presence::Nobody => return Ok(None),
        Presence::Unconfirmed(_) => return Ok(Some(typed.to_owned())),
        Presence::SignedIn(current) => current,
    };
    let another = match call.interaction {
        Opened::Authorization(interaction) => {
            let (request, client) = (&interaction.request, &interaction.client);
            request.prompts(Prompt::SelectAccount)
                || request.is_about_another(op, client, current.session.user)
        }
        Opened::Account(_) => false,
    };
    let same = typed.is_empty() || typed == current.username;
    Ok((same && !another).then_some(current.username))
}

async fn take(call: &Call<'_>, mut params: Params) -> HttpResponse {
    let Call { request, app, browser, interaction } = *call;
    let genuine = call.csrf().is_some_and(|expected| csrf::matches(&expected, params.get("csrf")));
    if !genuine || csrf::is_foreign(request, app) {
        return problem::refusal(request, app, Refusal::Page(Box::new(PageProblem::Form)), &[]);
    }
    if params.get("action") == Some("cancel") {
        let op = &app.provider;
        return match interaction::cancel(op, interaction, browser, op.clock.now()).await {
            Ok(step) => edge::next(app, &step, &[]),
            Err(refusal) => problem::refusal(request, app, refusal, &[]),
        };
    }
    let remember = params.get("remember") == Some("1");
    let username = params.take("username").unwrap_or_default();
    let password = params.take("password").map(Password::new);
    let missing = match (&password, username.is_empty()) {
        (_, true) => Some(LoginProblem::UsernameMissing),
        (None, _) => Some(LoginProblem::PasswordMissing),
        _ => None,
    };
    let (None, Some(password)) = (missing, password) else {
        let shown = Shown { username, problem: missing, remember };
        return show(call, shown, StatusCode::BAD_REQUEST).await;
    };
    sign_in(call, LoginRequest { username, password, remember, interaction: Some(interaction.hash()) }).await
}

async fn sign_in(call: &Call<'_>, attempt: LoginRequest) -> HttpResponse {
    let Call { request, app, browser, interaction } = *call;
    let op = &app.provider;
    let now = op.clock.now();
    let outcome = login::sign_in(op, &attempt, browser, now).await;
    app.metrics.login(&outcome);
    let again = |problem| Shown {
        username: attempt.username.clone(),
        problem: Some(problem),
        remember: attempt.remember,
    };
    match outcome {
        Ok(LoginOutcome::SignedIn(signed_in)) => {
            let signed_in = *signed_in;
            // The interaction is read anew: it now knows who signed in within it.
            let handle = interaction.handle().reveal();
            let next = match interaction::open(op, handle, browser, now).await {
                Ok(interaction) => interaction::resume(op, interaction, signed_in.session, now).await,
                Err(refusal) => Err(refusal),
            };
            match next {
                Ok(step) => edge::next(app, &step, &signed_in.cookies),
                Err(refusal) => problem::refusal(request, app, refusal, &signed_in.cookies),
            }
        }
        Ok(LoginOutcome::Refused) => show(call, again(LoginProblem::Refused), StatusCode::UNAUTHORIZED).await,
        Ok(LoginOutcome::Full(most)) => {
            show(call, again(LoginProblem::Full(most)), StatusCode::CONFLICT).await
        }
        Ok(LoginOutcome::Throttled(wait)) => {
            let seconds = wait.as_secs().max(1);
            let shown = again(LoginProblem::Throttled(seconds));
            retry_after(show(call, shown, StatusCode::TOO_MANY_REQUESTS).await, seconds)
        }
        Err(rejection) if rejection.code == ErrorCode::TemporarilyUnavailable => {
            super::error::log(request, &rejection);
            let shown = again(LoginProblem::Busy);
            let response = show(call, shown, StatusCode::SERVICE_UNAVAILABLE).await;
            retry_after(response, u64::from(RETRY_AFTER_SECONDS))
        }
        Err(rejection) => problem::rejection(request, app, &rejection),
    }
}

fn retry_after(mut response: HttpResponse, seconds: u64) -> HttpResponse {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
