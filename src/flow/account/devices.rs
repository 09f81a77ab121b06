//! Devices: where a user is signed in, and where apps go on without that; ending one, all others, all (S-081).

use std::collections::HashMap;

use super::{Visitor, clients, name_of};
use crate::clock::Timestamp;
use crate::flow::browser::Browser;
use crate::flow::rejection::Outcome;
use crate::flow::{Provider, logout};
use crate::model::audit::Event;
use crate::model::family::EndCause;
use crate::secret::SessionId;
use crate::storage::DeviceTrace;

/// Most devices shown.
pub const MOST: usize = 200;

/// A device.
#[derive(Clone, Debug)]
pub struct Device {
    /// The login session.
    pub session: SessionId,
    /// Whether it is the browser that asks.
    pub current: bool,
    /// Whether the browser is signed in; where it is not, only apps go on there.
    pub signed_in: bool,
    /// Since when.
    pub since: Timestamp,
    /// When the browser or one of its apps was last seen.
    pub seen_at: Timestamp,
    /// Its `User-Agent`.
    pub user_agent: Option<String>,
    /// Where it is, in words.
    pub place: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// The names of the apps that were begun there.
    pub apps: Vec<String>,
}

/// What is shown of a user's devices.
#[derive(Clone, Debug)]
pub struct Devices {
    /// The devices: this one first, then the most recently seen.
    pub devices: Vec<Device>,
    /// Whether there are more than are shown.
    pub more: bool,
}

/// The devices of who visits, at most [`MOST`].
///
/// # Errors
/// A fault.
pub async fn list(op: &Provider, visitor: &Visitor, now: Timestamp) -> Outcome<Devices> {
    let limit = u32::try_from(MOST).unwrap_or(u32::MAX).saturating_add(1);
    let traces = op.store.devices_of(visitor.user.id, limit, now).await?;
    let named = clients(op, traces.iter().filter_map(|trace| trace.client.clone())).await?;
    let mut devices: HashMap<SessionId, Device> = HashMap::new();
    for trace in traces {
        let app = trace.client.as_ref().map(|client| name_of(&named, client));
        let device = devices.entry(trace.session).or_insert_with(|| first(visitor, &trace));
        device.since = device.since.min(trace.since);
        device.seen_at = device.seen_at.max(trace.seen_at);
        if let Some(app) = app
            && !device.apps.contains(&app)
        {
            device.apps.push(app);
        }
    }
    let mut devices: Vec<_> = devices.into_values().collect();
    devices.sort_by_key(|device| (!device.current, std::cmp::Reverse(device.seen_at), device.session));
    let more = devices.len() > MOST;
    devices.truncate(MOST);
    for device in &mut devices {
        device.apps.sort_unstable();
    }
    Ok(Devices { devices, more })
}

/// A device as its first trace shows it; a browser that is signed in comes before its apps.
fn first(visitor: &Visitor, trace: &DeviceTrace) -> Device {
    Device {
        session: trace.session,
        current: trace.session == visitor.session.id,
        signed_in: trace.client.is_none(),
        since: trace.since,
        seen_at: trace.seen_at,
        user_agent: trace.user_agent.clone(),
        place: trace.place.clone(),
        address: trace.address.clone(),
        apps: Vec::new(),
    }
}

/// Ends one device of who visits, offline access too. It is no error where it has ended before or is not theirs: then
/// nothing happens.
///
/// # Errors
/// A fault; then nothing has ended.
pub async fn end(
    op: &Provider,
    visitor: &Visitor,
    session: SessionId,
    browser: &Browser,
    now: Timestamp,
) -> Outcome<bool> {
    let entry = visitor.audit(op, Event::SessionEnded, browser, now)?.session(session);
    let entry = entry.cause(EndCause::SessionEnded.as_str());
    Ok(op.store.end_own_session(visitor.user.id, session, entry).await?.is_some())
}

/// Ends everything of who visits but the session of this browser; `false` where that session has ended meanwhile.
///
/// # Errors
/// A fault; then nothing has ended.
pub async fn end_others(
    op: &Provider,
    visitor: &Visitor,
    browser: &Browser,
    now: Timestamp,
) -> Outcome<bool> {
    let session = &visitor.session;
    let entry = visitor.audit(op, Event::LogoutAll, browser, now)?.session(session.id);
    let entry = entry.cause(EndCause::SessionEnded.as_str());
    let user = (visitor.user.id, session.epoch);
    Ok(op.store.end_other_sessions(user, session.id, entry).await?.is_some())
}

/// Ends everything of who visits.
///
/// # Errors
/// A fault; then nothing has ended.
pub async fn end_all(op: &Provider, visitor: &Visitor, browser: &Browser, now: Timestamp) -> Outcome<()> {
    logout::all_devices(op, visitor.user.id, &visitor.actor(), &browser.origin, now).await?;
    Ok(())
}
