//! `/account/password`: changing the password.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::{Answer, Call, either};
use crate::digest::ct_eq;
use crate::flow::account::password::{self, Changed};
use crate::http::app::App;
use crate::http::pages::account::{Done, PasswordForm, Problem};
use crate::http::pages::words;
use crate::http::revocation;
use crate::model::account::AccountPage;
use crate::secret::Password;

/// The ids of the fields.
const CURRENT: &str = "current-password";
const NEW: &str = "new-password";
const AGAIN: &str = "again-password";

/// Shows or takes the form.
pub async fn password(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    either(answer(&request, &app, payload).await)
}

async fn answer(request: &HttpRequest, app: &Data<App>, payload: Payload) -> Answer {
    let mut call = Call::begin(request, app, payload, AccountPage::Password).await?;
    if !call.is_post() {
        return Ok(show(&call, StatusCode::OK, None));
    }
    let typed = |call: &mut Call<'_>, name| call.params.take(name).map(Password::new);
    let (current, new) = (typed(&mut call, "current"), typed(&mut call, "new"));
    // Asked for where no script shows what was typed.
    let asked_again = call.params.names().any(|name| name == "again");
    let again = typed(&mut call, "again");
    let Some(current) = current else {
        return Ok(wrong(&call, CURRENT, "Enter your current password."));
    };
    let Some(new) = new else { return Ok(wrong(&call, NEW, "Enter a new password.")) };
    let same = |again: &Password| ct_eq(again.reveal().as_bytes(), new.reveal().as_bytes());
    if asked_again && !again.as_ref().is_some_and(same) {
        return Ok(wrong(&call, AGAIN, "The two new passwords are not the same. Type the new one twice."));
    }
    let changed = password::change(&app.provider, &call.visitor, (&current, new), &call.browser, call.now);
    match changed.await.map_err(|rejection| call.broken(rejection))? {
        Changed::Done(cookie) => {
            let mut response = call.done(Done::Password, &[cookie]);
            revocation::announce(app, &mut response).await;
            Ok(response)
        }
        Changed::Wrong => {
            let problem = Problem::of(CURRENT, "The current password is wrong. Check it and try again.");
            Ok(show(&call, StatusCode::UNAUTHORIZED, Some(problem)))
        }
        Changed::Refused(problem) => Ok(wrong(&call, NEW, &format!("{problem} Choose another."))),
        Changed::Same => Ok(wrong(&call, NEW, "The new password is the current one. Choose another.")),
        Changed::Throttled(wait) => {
            let seconds = wait.as_secs().max(1);
            let text = format!("Too many attempts. Wait {} and try again.", words::span(seconds));
            let mut response = show(&call, StatusCode::TOO_MANY_REQUESTS, Some(Problem::general(text)));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            Ok(response)
        }
        Changed::MovedOn => {
            let text = "Your account has been changed at the same time. Reload the page and try again.";
            Ok(show(&call, StatusCode::CONFLICT, Some(Problem::general(text))))
        }
    }
}

fn wrong(call: &Call<'_>, field: &'static str, text: &str) -> HttpResponse {
    show(call, StatusCode::BAD_REQUEST, Some(Problem::of(field, text)))
}

fn show(call: &Call<'_>, status: StatusCode, wrong: Option<Problem>) -> HttpResponse {
    let shortest = call.app.provider.policy.passwords.min;
    let html = call.app.pages.account_password(&PasswordForm { frame: call.frame(wrong), shortest });
    call.show(status, html)
}
