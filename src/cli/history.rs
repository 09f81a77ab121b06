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
    history::sentence(entry, &client, Reader::Operator)
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
