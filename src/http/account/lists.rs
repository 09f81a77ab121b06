//! `/account/sessions`, `/account/applications`, `/account/activity`: what there is, and ending it.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::{Answer, Call, either};
use crate::digest::{base64url, base64url_decode};
use crate::flow::account::activity as events;
use crate::flow::account::applications::{self as apps, Application};
use crate::flow::account::devices::{self, Device};
use crate::flow::end_session;
use crate::http::app::App;
use crate::http::logout;
use crate::http::pages::account::{
    Activity, ActivityLine, ApplicationLine, Applications, DeviceLine, Done, Sessions,
};
use crate::http::pages::words::ScopeLine;
use crate::http::revocation;
use crate::model::account::AccountPage;
use crate::model::audit::AuditEntry;
use crate::model::history::{self, Reader};
use crate::model::user_agent::recognise;
use crate::secret::{AuditId, ClientId, SessionId};

/// Shows the devices, or signs some out.
pub async fn sessions(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let answer = async {
        let call = Call::begin(&request, &app, payload, AccountPage::Sessions).await?;
        if call.is_post() { sign_out(&call).await } else { show_devices(&call).await }
    };
    either(answer.await)
}

/// Shows the applications, or takes back what one may do.
pub async fn applications(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let answer = async {
        let call = Call::begin(&request, &app, payload, AccountPage::Applications).await?;
        if call.is_post() { revoke(&call).await } else { show_applications(&call).await }
    };
    either(answer.await)
}

/// Shows what happened.
pub async fn activity(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let answer = async {
        let call = Call::begin(&request, &app, payload, AccountPage::Activity).await?;
        show_activity(&call).await
    };
    either(answer.await)
}

async fn show_devices(call: &Call<'_>) -> Answer {
    let found = devices::list(&call.app.provider, &call.visitor, call.now).await;
    let found = found.map_err(|rejection| call.broken(rejection))?;
    let html = call.app.pages.account_sessions(&Sessions {
        frame: call.frame(None),
        devices: found.devices.into_iter().map(device_line).collect(),
        more: found.more,
    });
    Ok(call.show(StatusCode::OK, html))
}

fn device_line(device: Device) -> DeviceLine {
    DeviceLine {
        session: device.session.to_string(),
        name: capitalised(&name_of(device.user_agent.as_deref())),
        current: device.current,
        signed_in: device.signed_in,
        place: device.place.or(device.address),
        since: device.since.into(),
        seen: device.seen_at.into(),
        apps: device.apps,
    }
}

async fn sign_out(call: &Call<'_>) -> Answer {
    let (op, visitor, browser, now) = (&call.app.provider, &call.visitor, &call.browser, call.now);
    let broken = |rejection| call.broken(rejection);
    let session: Option<SessionId> = call.params.get("session").and_then(|id| id.parse().ok());
    // Leaving is never made hard: this browser is signed out without any more questions.
    if call.action() == Some("one") && session == Some(visitor.session.id) {
        let frames = end_session::frames(op, visitor.session.id, now).await.map_err(broken)?;
        devices::end(op, visitor, visitor.session.id, browser, now).await.map_err(broken)?;
        return Ok(logout::ended(call.app, &frames, false).await);
    }
    call.fresh().await?;
    let mut response = match (call.action(), session) {
        (Some("one"), Some(session)) => {
            let ended = devices::end(op, visitor, session, browser, now).await.map_err(broken)?;
            call.done(if ended { Done::Device } else { Done::Nothing }, &[])
        }
        (Some("others"), _) => {
            let ended = devices::end_others(op, visitor, browser, now).await.map_err(broken)?;
            call.done(if ended { Done::Others } else { Done::Nothing }, &[])
        }
        (Some("all"), _) => {
            let frames = end_session::frames(op, visitor.session.id, now).await.map_err(broken)?;
            devices::end_all(op, visitor, browser, now).await.map_err(broken)?;
            return Ok(logout::ended(call.app, &frames, true).await);
        }
        _ => return Err(call.unknown()),
    };
    revocation::announce(call.app, &mut response).await;
    Ok(response)
}

async fn show_applications(call: &Call<'_>) -> Answer {
    let found = apps::list(&call.app.provider, &call.visitor, call.now).await;
    let found = found.map_err(|rejection| call.broken(rejection))?;
    let html = call.app.pages.account_applications(&Applications {
        frame: call.frame(None),
        applications: found.applications.into_iter().map(application_line).collect(),
        more: found.more,
    });
    Ok(call.show(StatusCode::OK, html))
}

fn application_line(application: Application) -> ApplicationLine {
    ApplicationLine {
        client: application.client.to_string(),
        name: application.name,
        first_party: application.first_party,
        scopes: application
            .scopes
            .iter()
            .map(|(scope, words)| ScopeLine::new(scope, words.as_deref()))
            .collect(),
        since: application.since.into(),
        used: application.used_at.map(Into::into),
        open: application.open,
    }
}

async fn revoke(call: &Call<'_>) -> Answer {
    call.fresh().await?;
    let client = match (call.action(), call.params.get("client")) {
        (Some("revoke"), Some(client)) => ClientId::from(client),
        _ => return Err(call.unknown()),
    };
    let ended = apps::revoke(&call.app.provider, &call.visitor, &client, &call.browser, call.now).await;
    let ended = ended.map_err(|rejection| call.broken(rejection))?;
    let mut response = call.done(if ended { Done::Revoked } else { Done::Nothing }, &[]);
    revocation::announce(call.app, &mut response).await;
    Ok(response)
}

async fn show_activity(call: &Call<'_>) -> Answer {
    // A cursor of ours or none: anything else begins at the newest entry.
    let before = call.params.get("before").and_then(cursor);
    let found = events::list(&call.app.provider, &call.visitor, before).await;
    let found = found.map_err(|rejection| call.broken(rejection))?;
    let html = call.app.pages.account_activity(&Activity {
        frame: call.frame(None),
        entries: found.entries.into_iter().map(|(entry, client)| activity_line(entry, client)).collect(),
        next: found.next.map(|id| base64url(id.0.as_bytes())),
    });
    Ok(call.show(StatusCode::OK, html))
}

fn cursor(text: &str) -> Option<AuditId> {
    let bytes = base64url_decode(text)?;
    uuid::Uuid::from_slice(&bytes).ok().map(AuditId)
}

fn activity_line(entry: AuditEntry, client: Option<String>) -> ActivityLine {
    let client = client.map_or_else(|| "an app".to_owned(), |name| format!("“{name}”"));
    let device = history::ended_device(&entry);
    ActivityLine {
        at: entry.at.into(),
        what: capitalised(&history::sentence(&entry, &client, Reader::Owner)),
        who: history::actor(&entry, Reader::Owner),
        from: whence(entry.origin.user_agent.as_deref(), None, entry.origin.address.as_deref()),
        device: device.and_then(|[agent, place, address]| {
            whence(agent.as_deref(), place.as_deref(), address.as_deref())
        }),
        marked: history::concerns_security(&entry),
        reference: entry.origin.trace_id,
    }
}

/// A device and where it is; `None` where neither is known.
fn whence(agent: Option<&str>, place: Option<&str>, address: Option<&str>) -> Option<String> {
    match (agent, place.or(address)) {
        (None, None) => None,
        (Some(_), None) => Some(name_of(agent)),
        (None, Some(place)) => Some(place.to_owned()),
        (Some(_), Some(place)) => Some(format!("{}, {place}", name_of(agent))),
    }
}

fn name_of(user_agent: Option<&str>) -> String {
    recognise(user_agent.unwrap_or_default()).to_string()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
