//! `/consent`: the page that asks whether a client may have what it asks for.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::{self, FORM_LIMIT};
use super::headers::page;
use super::pages::view::Consent;
use super::pages::words::{self, Connection, ScopeLine};
use super::{authorize as edge, cookie, csrf, login, problem};
use crate::flow::authorize::problem::{PageProblem, Refusal};
use crate::flow::authorize::{self, OpenInteraction, Step};
use crate::flow::browser::Browser;
use crate::flow::consent;
use crate::flow::login_session::{self, Current};
use crate::flow::target;
use crate::model::session::LoginSession;
use crate::oauth::grant_type::GrantType;
use crate::oauth::params::Params;
use crate::oauth::return_to;
use crate::oauth::scope::OFFLINE_ACCESS;

const FORM: &str = "consent";

/// Shows or takes the consent form.
pub async fn consent(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let post = request.method() == Method::POST;
    let params =
        if post { body::form(&request, &app, payload, FORM_LIMIT).await } else { body::query(&request) };
    let params = match params {
        Ok(params) => params,
        Err(broken) => return problem::unreadable(&request, &app, broken),
    };
    let browser = match cookie::browser(&request, &app) {
        Ok(browser) => browser,
        Err(rejection) => return problem::rejection(&request, &app, &rejection),
    };
    let answer = if post {
        take(&request, &app, &params, &browser).await
    } else {
        show(&app, &params, &browser).await
    };
    answer.unwrap_or_else(|refusal| problem::refusal(&request, &app, refusal, &[]))
}

async fn show(app: &App, params: &Params, browser: &Browser) -> Result<HttpResponse, Refusal> {
    let op = &app.provider;
    let interaction = login::open_request(app, params, browser).await?;
    let current = login_session::current(op, browser, op.clock.now()).await?;
    let Some(Current { session, username }) = current else { return Ok(sign_in_first(app, interaction)) };
    let client = login::shown_client(&interaction.client);
    let sources = login::sources(&interaction, &client);
    let handle = interaction.handle.reveal();
    let asked = consent::scope_and_claims(&interaction.request);
    let audience = &interaction.request.audience;
    let apis = target::named(op, audience);
    let html = app.pages.consent(&Consent {
        csrf: browser
            .binding
            .as_ref()
            .map(|binding| csrf::consent_token(app, FORM, (binding, session.id), handle))
            .unwrap_or_default(),
        interaction: handle.to_owned(),
        client,
        account: username,
        scopes: asked
            .iter()
            .map(|word| {
                ScopeLine::new(word, target::scope_words(&op.clients.apis(), audience, word).as_deref())
            })
            .collect(),
        apis: apis.iter().map(|(audience, name)| ScopeLine::new(audience, Some(name))).collect(),
        duration: duration(app, &interaction),
        unverified: login::unverified(&interaction),
        returns_to: returns_to(&interaction),
    });
    Ok(page(app, StatusCode::OK, html, &sources, &[]))
}

/// For how long the client gets what it asks for: one that cannot refresh until its access token expires.
fn duration(app: &App, interaction: &OpenInteraction) -> String {
    let (policy, client) = (&app.provider.policy, &interaction.client);
    let request = &interaction.request;
    let own = client.metadata.access_token_lifetime.map(Duration::from_secs);
    let access = own.unwrap_or(policy.tokens.access_token).as_secs();
    let may_refresh = client.metadata.allows(GrantType::RefreshToken) || client.metadata.is_cookie_mode();
    if !may_refresh || !request.response_type.has_code() {
        return words::duration(access, None);
    }
    let refresh = policy.refresh.of(client);
    words::duration(
        access,
        Some(Connection {
            idle: refresh.idle.as_secs(),
            absolute: refresh.absolute.as_secs(),
            offline: request.scope.contains(OFFLINE_ACCESS),
        }),
    )
}

/// Where the person is afterwards. In cookie mode the answer comes to a host of ours, and from there the way leads on to a
/// page of the application.
fn returns_to(interaction: &OpenInteraction) -> Vec<String> {
    let metadata = &interaction.client.metadata;
    if metadata.is_cookie_mode() {
        return return_to::origins(metadata);
    }
    vec![interaction.request.return_path().redirect_uri.csp_source()]
}

async fn take(
    request: &HttpRequest,
    app: &App,
    params: &Params,
    browser: &Browser,
) -> Result<HttpResponse, Refusal> {
    let op = &app.provider;
    let now = op.clock.now();
    let interaction = login::open_request(app, params, browser).await?;
    let session: Option<LoginSession> = authorize::session(op, browser, now).await?;
    let Some(session) = session else { return Ok(sign_in_first(app, interaction)) };
    // Whoever has signed in meanwhile did not see this page.
    let handle = interaction.handle.reveal();
    let expected =
        browser.binding.as_ref().map(|binding| csrf::consent_token(app, FORM, (binding, session.id), handle));
    let genuine = expected.is_some_and(|expected| csrf::matches(&expected, params.get("csrf")));
    if !genuine || csrf::is_foreign(request, app) {
        return Err(Refusal::Page(Box::new(PageProblem::Form)));
    }
    // Anything but a clear yes is a no.
    let step = if params.get("action") == Some("approve") {
        consent::approve(op, interaction, session, &browser.origin, now).await?
    } else {
        authorize::deny(op, &interaction, now).await?
    };
    Ok(edge::next(app, &step, &[]))
}

fn sign_in_first(app: &App, interaction: OpenInteraction) -> HttpResponse {
    edge::next(app, &Step::Login(interaction.handle), &[])
}
