//! Refusals as pages: shown at the address where they arose, 4xx, with words that say what to do (RFC 6749 §4.1.2.1).

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::BodyError;
use super::headers::{PageSources, page};
use super::pages::view::{ErrorPage, Message, RedirectMismatch};
use super::request::trace_id;
use super::{authorize, error};
use crate::flow::authorize::problem::{PageProblem, Refusal};
use crate::flow::browser::SetCookie;
use crate::flow::rejection::{RETRY_AFTER_SECONDS, Rejection};
use crate::oauth::error::ErrorCode;
use crate::oauth::text;

/// Most characters of an address in the log.
const LONGEST_LOGGED: usize = 300;

/// Renders a refusal of the authorization endpoint.
pub fn refusal(request: &HttpRequest, app: &App, refusal: Refusal, cookies: &[SetCookie]) -> HttpResponse {
    match refusal {
        Refusal::Redirect { delivery, rejection } => {
            error::log(request, &rejection);
            authorize::deliver(app, &delivery, cookies)
        }
        Refusal::Page(problem) => problem_page(request, app, *problem),
    }
}

/// Renders a rejection as a page.
pub fn rejection(request: &HttpRequest, app: &App, rejection: &Rejection) -> HttpResponse {
    error::log(request, rejection);
    let unavailable = rejection.code == ErrorCode::TemporarilyUnavailable;
    // A page has no client to authenticate: what would be 401 at the token endpoint is 400 here.
    let status = match rejection.code {
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let html = app.pages.error(&ErrorPage {
        code: rejection.code.as_str().to_owned(),
        description: Some(rejection.description.to_owned()),
        trace_id: trace_id(request),
        ..ErrorPage::default()
    });
    let mut response = page(app, status, html, &PageSources::default(), &[]);
    if unavailable {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

/// Renders a body or query that could not be read.
pub fn unreadable(request: &HttpRequest, app: &App, broken: BodyError) -> HttpResponse {
    let (status, description) = error::describe(broken);
    let html = app.pages.error(&ErrorPage {
        code: ErrorCode::InvalidRequest.as_str().to_owned(),
        description: Some(description.to_owned()),
        trace_id: trace_id(request),
        ..ErrorPage::default()
    });
    let mut response = page(app, status, html, &PageSources::default(), &[]);
    if error::leaves_a_rest(broken) {
        response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    response
}

/// A page that says one thing, with its status.
pub fn message(request: &HttpRequest, app: &App, status: StatusCode, message: Message) -> HttpResponse {
    let html = app.pages.message(&message.with_trace(trace_id(request)));
    page(app, status, html, &PageSources::default(), &[])
}

/// The command that registers one more redirect URI: the list is replaced as a whole. `received` is anybody's text, and
/// the command is meant for a shell, so that none is shown for what a URI cannot hold or quotes would not contain.
fn registering(client: &str, registered: &[String], received: &str) -> Option<String> {
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"'\"\\`<>".contains(&byte))
    };
    let all: Vec<&str> = registered.iter().map(String::as_str).chain([received]).collect();
    (plain(client) && all.iter().all(|uri| plain(uri))).then(|| {
        let flags: String = all.iter().map(|uri| format!(" --redirect-uri '{uri}'")).collect();
        format!("signet client update '{client}'{flags}")
    })
}

fn problem_page(request: &HttpRequest, app: &App, problem: PageProblem) -> HttpResponse {
    match problem {
        PageProblem::Rejected(rejected) => rejection(request, app, &rejected),
        PageProblem::Interaction => {
            message(request, app, StatusCode::BAD_REQUEST, Message::interaction_expired())
        }
        PageProblem::Form => message(request, app, StatusCode::FORBIDDEN, Message::form_expired()),
        PageProblem::RedirectUri { client, received, registered, nearest } => {
            // Both are anybody's where clients register themselves, and there may be a hundred kilobytes of them.
            tracing::info!(
                client = client.as_str(),
                received = text::shortened(received.as_deref().unwrap_or("none"), LONGEST_LOGGED),
                registered = registered.len(),
                nearest = text::shortened(nearest.as_deref().unwrap_or("none"), LONGEST_LOGGED),
                trace_id = trace_id(request),
                "redirect_uri is not registered"
            );
            let received = received.unwrap_or_default();
            let command = registering(client.as_str(), &registered, &received);
            // What is registered is shown to developers only: in production it is the log's business.
            let mismatch = app.settings.development.then_some(RedirectMismatch {
                received,
                registered,
                nearest,
                command,
            });
            let html = app.pages.error(&ErrorPage {
                code: ErrorCode::InvalidRequest.as_str().to_owned(),
                description: Some(
                    "The redirect_uri is missing or not registered for this client. Register it, exactly as sent.".to_owned(),
                ),
                trace_id: trace_id(request),
                mismatch,
            });
            page(app, StatusCode::BAD_REQUEST, html, &PageSources::default(), &[])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::registering;

    #[test]
    fn the_command_keeps_what_is_registered() {
        let registered = ["https://a.example/cb".to_owned()];
        assert_eq!(
            registering("shop", &registered, "https://b.example/cb?x=1&y=2").unwrap(),
            "signet client update 'shop' --redirect-uri 'https://a.example/cb' --redirect-uri 'https://b.example/cb?x=1&y=2'"
        );
    }

    #[test]
    fn what_a_shell_could_run_is_never_offered() {
        for received in
            ["", "https://b.example/'; rm -rf ~; '", "https://b.example/ x", "https://b.example/\n", "é"]
        {
            assert_eq!(registering("shop", &[], received), None, "{received}");
        }
        assert_eq!(registering("sh'op", &[], "https://b.example/cb"), None);
    }
}
