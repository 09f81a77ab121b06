//! `/account`: who the user is, and what apps may call them.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::{Answer, Call, either};
use crate::flow::account::profile::{self, Saved};
use crate::http::app::App;
use crate::http::pages::account::{Done, Problem, Profile};
use crate::model::account::{AccountPage, OWN_CLAIMS};

/// Shows or takes the profile.
pub async fn profile(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    either(answer(&request, &app, payload).await)
}

async fn answer(request: &HttpRequest, app: &Data<App>, payload: Payload) -> Answer {
    let call = Call::begin(request, app, payload, AccountPage::Profile).await?;
    if !call.is_post() {
        return Ok(show(&call, None));
    }
    call.fresh().await?;
    if call.action() != Some("save") {
        return Err(call.unknown());
    }
    // A field that is empty is one to empty; only one that was not sent is left alone.
    let sent = |claim: &str| sent(&call, claim).map(str::to_owned);
    let saved = profile::save(&app.provider, &call.visitor, sent, &call.browser, call.now).await;
    match saved.map_err(|rejection| call.broken(rejection))? {
        Saved::Done => Ok(call.done(Done::Saved, &[])),
        Saved::Refused(field, text) => Ok(show(&call, Some(Problem::of(field, text)))),
        Saved::Changed => {
            let text = "Your account has been changed at the same time. Look at it and try again.";
            Ok(show(&call, Some(Problem::general(text))))
        }
    }
}

/// What was typed into a field of the form; empty where it was emptied, `None` where it was not sent.
fn sent<'a>(call: &'a Call<'_>, claim: &str) -> Option<&'a str> {
    let known = call.is_post() && call.params.names().any(|name| name == claim);
    known.then(|| call.params.get(claim).unwrap_or_default())
}

fn show(call: &Call<'_>, wrong: Option<Problem>) -> HttpResponse {
    let user = &call.visitor.user;
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    // What was typed stays, so that it can be mended.
    let value = |claim: &str| sent(call, claim).unwrap_or_else(|| profile::shown(user, claim)).to_owned();
    let html = call.app.pages.account_profile(&Profile {
        frame: call.frame(wrong),
        email: user.email.clone(),
        email_verified: user.email_verified,
        roles: user.roles.clone(),
        claims: OWN_CLAIMS.into_iter().map(|claim| (claim, value(claim))).collect(),
    });
    call.show(status, html)
}
