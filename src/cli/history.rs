//! The audit log as a table.

use std::collections::HashMap;

use super::device;
use super::output::{clean, or_dash, table};
use crate::model::audit::AuditEntry;
use crate::model::history::{self, Reader};
use crate::secret::UserId;

/// What happened to one user, newest first.
pub(super) fn of_one(entries: &[AuditEntry]) -> String {
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| [entry.at.rfc3339(), sentence(entry), actor(entry), from(entry)])
        .collect();
    table(["WHEN", "WHAT", "BY", "FROM"], &rows)
}

/// What happened to whom, newest first. A user without a name is shown by the id.
pub(super) fn of_all(entries: &[AuditEntry], names: &HashMap<UserId, String>) -> String {
    let name = |user: UserId| names.get(&user).cloned().unwrap_or_else(|| user.to_string());
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            let user = or_dash(entry.user.map(name));
            [entry.at.rfc3339(), user, sentence(entry), actor(entry), from(entry)]
        })
        .collect();
    table(["WHEN", "USER", "WHAT", "BY", "FROM"], &rows)
}

/// What happened, in one line.
pub(super) fn sentence(entry: &AuditEntry) -> String {
    let client = entry.client.as_ref().map_or_else(|| "an app".to_owned(), |client| format!("app {client}"));
    let cause = entry.cause.as_deref().unwrap_or("no cause recorded");
    match entry.event {
        Event::LoginSucceeded => "signed in".to_owned(),
        Event::LoginFailed => format!("a sign-in failed: {cause}"),
        Event::SessionEnded => format!("signed out of one session: {}", why(cause)),
        Event::SessionMoved => format!("a session came back from elsewhere: {cause}"),
        Event::LogoutAll => format!("signed out everywhere{}", ended(entry)),
        Event::UserDisabled => format!("account disabled, signed out everywhere{}", ended(entry)),
        Event::PasswordChanged => format!("password changed, signed out elsewhere{}", ended(entry)),
        Event::FamilyEnded => format!("signed out of {client}: {}", why(cause)),
        Event::RefreshTheft => {
            format!("signed out: a copy of a refresh token of {client} was used after its successor")
        }
        Event::RefreshForked => format!("{client} retried a refresh late and goes on"),
        Event::RefreshRolledForward => {
            format!("{client} holds a newer refresh token than the database and goes on")
        }
        Event::CodeReplayed => format!("signed out of {client}: its authorization code came twice"),
        Event::TokenRevoked => format!("{client} revoked an access token"),
        Event::ConsentGranted => format!("allowed access by {client}"),
        Event::ConsentWithdrawn => format!("took back what {client} was allowed"),
        Event::GrantIssued => format!("{client} was given tokens"),
        Event::UserCreated => "account created".to_owned(),
        Event::UserUpdated if cause == EndCause::RoleLost.as_str() => {
            format!("a role was taken away, all devices logged out{}", ended(entry))
        }
        Event::UserUpdated => "account changed".to_owned(),
        Event::UserEnabled => "account enabled again".to_owned(),
        Event::ClientCreated => format!("{client} registered"),
        Event::ClientUpdated => format!("{client} changed"),
        Event::ClientDisabled => format!("{client} disabled"),
        Event::ClientEnabled => format!("{client} enabled again"),
        Event::ClientDeleted => format!("{client} deleted"),
        Event::ClientSecretRotated => format!("{client} got a new secret"),
        Event::KeyCreated => format!("signing key {} made", detail(entry, "kid")),
        Event::KeyRetired => format!("signing key {} got an end", detail(entry, "kid")),
        Event::KeyRemoved => format!("signing key {} taken out of use", detail(entry, "kid")),
        Event::ApiKeyCreated => format!("API key {} made", detail(entry, "name")),
        Event::ApiKeyDeleted => format!("API key {} deleted", detail(entry, "api_key")),
        Event::EpochRestored => "everything voided after the database was restored".to_owned(),
    }
}

fn detail(entry: &AuditEntry, name: &str) -> String {
    let details: Option<Value> = entry.details.as_deref().and_then(|text| serde_json::from_str(text).ok());
    or_dash(details.as_ref().and_then(|details| details.get(name)).and_then(Value::as_str))
}

/// The words for a stored cause; free text stays as it is.
fn why(cause: &str) -> String {
    let words = match EndCause::parse(cause) {
        Some(EndCause::Logout) => "the user signed out",
        Some(EndCause::LogoutAll) => "all devices were logged out",
        Some(EndCause::SessionEnded) => "an operator ended the session",
        Some(EndCause::Superseded) => "another user signed in in the same browser",
        Some(EndCause::Expired) => "its lifetime ran out",
        Some(EndCause::Revoked) => "the app revoked its refresh token",
        Some(EndCause::CodeReuse) => "its authorization code came twice",
        Some(EndCause::UserDisabled) => "the account was disabled",
        Some(EndCause::PasswordChanged) => "the password was changed",
        Some(EndCause::RoleLost) => "a role was taken away",
        Some(EndCause::SessionLimit) => "the user signed in elsewhere and had as many sessions as allowed",
        Some(EndCause::SessionMoved) => "it came back from another browser or network",
        Some(EndCause::ClientDisabled) => "the app was disabled or deleted",
        Some(EndCause::LateRetry) => "a retry came so late that nobody can say who sent it",
        Some(EndCause::ConsentWithdrawn) => "the consent was withdrawn",
        Some(EndCause::Theft) => "a stolen refresh token was noticed",
        Some(EndCause::GenerationsExhausted) => "its refresh token was used up",
        None => cause,
    };
    words.to_owned()
}

/// What ended, as the entry's details count it.
fn ended(entry: &AuditEntry) -> String {
    let details: Option<Value> = entry.details.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let count = |name: &str| details.as_ref().and_then(|details| details.get(name)).and_then(Value::as_u64);
    match (count("sessions"), count("families")) {
        (Some(sessions), Some(families)) => format!(" (sessions: {sessions}, refresh tokens: {families})"),
        _ => String::new(),
    }
}

fn actor(entry: &AuditEntry) -> String {
    history::actor(entry, Reader::Operator)
}

fn from(entry: &AuditEntry) -> String {
    let agent = entry.origin.user_agent.as_deref();
    match (agent, entry.origin.address.as_deref()) {
        (None, address) => or_dash(address),
        (agent, None) => device::name(agent),
        (agent, Some(address)) => format!("{}, {}", device::name(agent), clean(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::model::audit::Event;
    use crate::secret::{AuditId, ClientId};

    fn entry(event: Event, actor: &str) -> AuditEntry {
        AuditEntry::new(AuditId(uuid::Uuid::nil()), Timestamp::from_seconds(0), event, actor)
    }

    #[test]
    fn why_was_i_logged_out() {
        let all = entry(Event::LogoutAll, "cli").details(r#"{"sessions":2,"families":3,"codes":0}"#);
        assert_eq!(sentence(&all), "signed out everywhere (sessions: 2, refresh tokens: 3)");
        let revoked =
            entry(Event::FamilyEnded, "client:shop").client(&ClientId::from("shop")).cause("revoked");
        assert_eq!(sentence(&revoked), "signed out of app shop: the app revoked its refresh token");
        let theft = entry(Event::RefreshTheft, "client:shop").client(&ClientId::from("shop"));
        assert!(sentence(&theft).contains("a copy of a refresh token of app shop"));
        let text = of_one(&[all]);
        assert!(text.contains("1970-01-01T00:00:00Z") && text.contains("operator, command line"), "{text}");
    }

    #[test]
    fn the_whole_log_names_users_and_keys() {
        let user = UserId(uuid::Uuid::from_u128(7));
        let names = HashMap::from([(user, "alice".to_owned())]);
        let made = entry(Event::KeyCreated, "system").details(r#"{"kid":"k1"}"#);
        let text = of_all(&[entry(Event::LoginSucceeded, "user:7").user(user), made], &names);
        assert!(text.contains("alice  signed in"), "{text}");
        assert!(text.contains("-      signing key k1 made"), "{text}");
    }
}
