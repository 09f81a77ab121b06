//! The audit log in words: who did what, and why somebody had to sign in again. One place for both readers, the
//! operator at the command line and the user on the account's pages.

use serde_json::Value;

use super::audit::{AuditEntry, Event};
use super::family::EndCause;

/// Whom the words are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Who runs the server.
    Operator,
    /// The user whom the entry concerns.
    Owner,
}

/// The cause of a change of password that was refused.
pub const WRONG_CURRENT_PASSWORD: &str = "wrong current password";

/// What happened, in one line without a full stop. `client` is the words for the entry's client.
pub fn sentence(entry: &AuditEntry, client: &str, reader: Reader) -> String {
    let cause = entry.cause.as_deref().unwrap_or("no cause recorded");
    let why = || why(entry, cause, reader);
    match entry.event {
        Event::LoginSucceeded => "signed in".to_owned(),
        Event::LoginFailed if cause == WRONG_CURRENT_PASSWORD => {
            "a change of the password was refused: the current one was wrong".to_owned()
        }
        Event::LoginFailed => format!("a sign-in failed: {cause}"),
        Event::SessionEnded => format!("signed out of {}: {}", one_session(reader), why()),
        Event::SessionMoved => format!("a session came back from elsewhere: {cause}"),
        Event::LogoutAll if cause == EndCause::SessionEnded.as_str() => {
            format!("signed out everywhere else{}", ended(entry, reader))
        }
        Event::LogoutAll => format!("signed out everywhere{}", ended(entry, reader)),
        Event::UserDisabled => format!("account disabled, signed out everywhere{}", ended(entry, reader)),
        Event::PasswordChanged => format!("password changed, signed out elsewhere{}", ended(entry, reader)),
        Event::FamilyEnded => format!("signed out of {client}: {}", why()),
        Event::RefreshTheft => theft(client, reader),
        Event::RefreshForked => format!("{client} retried a refresh late and goes on"),
        Event::RefreshRolledForward => {
            format!("{client} holds a newer refresh token than the database and goes on")
        }
        Event::CodeReplayed => format!("signed out of {client}: its authorization code came twice"),
        Event::TokenRevoked => format!("{client} revoked an access token"),
        Event::ConsentGranted => format!("allowed access by {client}"),
        Event::ConsentWithdrawn => format!("took back what {client} was allowed"),
        Event::GrantIssued => match reader {
            Reader::Operator => format!("{client} was given tokens"),
            Reader::Owner => format!("{client} was given access"),
        },
        Event::UserCreated => "account created".to_owned(),
        Event::UserUpdated if cause == EndCause::RoleLost.as_str() => {
            format!("a role was taken away, signed out everywhere{}", ended(entry, reader))
        }
        Event::UserUpdated => "account changed".to_owned(),
        Event::UserEnabled => "account enabled again".to_owned(),
        Event::ClientCreated => format!("{client} registered"),
        Event::ClientRegistered => format!("{client} registered itself"),
        Event::ClientUpdated => format!("{client} changed"),
        Event::ClientDisabled => format!("{client} disabled"),
        Event::ClientEnabled => format!("{client} enabled again"),
        Event::ClientDeleted => format!("{client} deleted"),
        Event::ClientSecretRotated => format!("{client} got a new secret"),
        Event::ApiCreated => format!("API {} registered", detail(entry, "audience")),
        Event::ApiUpdated => format!("API {} changed", detail(entry, "audience")),
        Event::ApiDeleted => format!("API {} deleted", detail(entry, "audience")),
        Event::InitialAccessTokenCreated => {
            format!("initial access token {} made", detail(entry, "name"))
        }
        Event::InitialAccessTokenDeleted => {
            format!("initial access token {} deleted", detail(entry, "initial_access_token"))
        }
        Event::KeyCreated => format!("signing key {} made", detail(entry, "kid")),
        Event::KeyRetired => format!("signing key {} got an end", detail(entry, "kid")),
        Event::KeyRemoved => format!("signing key {} taken out of use", detail(entry, "kid")),
        Event::ApiKeyCreated => format!("API key {} made", detail(entry, "name")),
        Event::ApiKeyDeleted => format!("API key {} deleted", detail(entry, "api_key")),
        Event::EpochRestored => "everything voided after the database was restored".to_owned(),
    }
}

/// Whether an entry says something about the account's safety, so that its owner should look twice.
pub fn concerns_security(entry: &AuditEntry) -> bool {
    matches!(
        entry.event,
        Event::LoginFailed
            | Event::SessionMoved
            | Event::RefreshTheft
            | Event::CodeReplayed
            | Event::PasswordChanged
            | Event::LogoutAll
            | Event::UserDisabled
            | Event::UserUpdated
    )
}

/// The device that an entry says was signed out: `User-Agent`, place, address.
pub fn ended_device(entry: &AuditEntry) -> Option<[Option<String>; 3]> {
    let details = details(entry)?;
    let device = details.get("device")?;
    let text = |name: &str| device.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    Some([text("user_agent"), text("place"), text("address")])
}

fn one_session(reader: Reader) -> &'static str {
    match reader {
        Reader::Operator => "one session",
        Reader::Owner => "one device",
    }
}

fn theft(client: &str, reader: Reader) -> String {
    match reader {
        Reader::Operator => {
            format!("signed out: a copy of a refresh token of {client} was used after its successor")
        }
        Reader::Owner => {
            format!("signed out: somebody used a copy of the access that {client} holds, so it was ended")
        }
    }
}

/// The words for a stored cause; free text stays as it is.
fn why(entry: &AuditEntry, cause: &str, reader: Reader) -> String {
    let they = match reader {
        _ if is_by_another_user(entry) => "another user",
        Reader::Operator => "the user",
        Reader::Owner => "you",
    };
    let words = match EndCause::parse(cause) {
        Some(EndCause::Logout) => return format!("{they} signed out"),
        Some(EndCause::SessionEnded) if entry.actor.starts_with("user:") => {
            return format!("{they} ended it on the account's pages");
        }
        Some(EndCause::SessionEnded) => "an operator ended the session",
        Some(EndCause::SessionLimit) => {
            return format!("{they} signed in elsewhere and had as many sessions as allowed");
        }
        Some(EndCause::LogoutAll) => "all devices were logged out",
        Some(EndCause::Superseded) => "another user signed in in the same browser",
        Some(EndCause::Expired) => "its lifetime ran out",
        Some(EndCause::Revoked) => "the app revoked its refresh token",
        Some(EndCause::CodeReuse) => "its authorization code came twice",
        Some(EndCause::UserDisabled) => "the account was disabled",
        Some(EndCause::PasswordChanged) => "the password was changed",
        Some(EndCause::RoleLost) => "a role was taken away",
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

/// Who did it.
pub fn actor(entry: &AuditEntry, reader: Reader) -> String {
    let actor = entry.actor.as_str();
    match (actor.split_once(':'), reader) {
        (None, Reader::Operator) if actor == "cli" => "operator, command line".to_owned(),
        (None, Reader::Owner) if actor == "cli" => "an operator".to_owned(),
        (None, Reader::Owner) if actor == "anonymous" => "somebody who was not signed in".to_owned(),
        (None, Reader::Owner) => "this server".to_owned(),
        (Some(("user", _)), _) if is_by_another_user(entry) => "another user".to_owned(),
        (Some(("user", _)), Reader::Operator) => "the user".to_owned(),
        (Some(("user", _)), Reader::Owner) => "you".to_owned(),
        (Some(("client", id)), Reader::Operator) => format!("app {id}"),
        (Some(("client", _)), Reader::Owner) => "the app".to_owned(),
        (Some(("admin", id)), Reader::Operator) => format!("operator, {id}"),
        (Some(("admin", _)), Reader::Owner) => "an operator".to_owned(),
        (_, Reader::Operator) => actor.to_owned(),
        (_, Reader::Owner) => "this server".to_owned(),
    }
}

/// Whether the user who acted is not the one whom the entry concerns.
fn is_by_another_user(entry: &AuditEntry) -> bool {
    let id = entry.actor.strip_prefix("user:");
    id.is_some_and(|id| entry.user.is_none_or(|user| user.to_string() != id))
}

fn details(entry: &AuditEntry) -> Option<Value> {
    entry.details.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

fn detail(entry: &AuditEntry, name: &str) -> String {
    let details = details(entry);
    let text = details.as_ref().and_then(|details| details.get(name)).and_then(Value::as_str);
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

/// What ended, as the entry's details count it.
fn ended(entry: &AuditEntry, reader: Reader) -> String {
    let details = details(entry);
    let count = |name: &str| details.as_ref().and_then(|details| details.get(name)).and_then(Value::as_u64);
    match (reader, count("sessions"), count("families")) {
        (Reader::Operator, Some(sessions), Some(families)) => {
            format!(" (sessions: {sessions}, refresh tokens: {families})")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::secret::{AuditId, UserId};

    fn entry(event: Event, actor: &str) -> AuditEntry {
        AuditEntry::new(AuditId(uuid::Uuid::nil()), Timestamp::from_seconds(0), event, actor)
    }

    #[test]
    fn every_cause_has_words_for_both_readers() {
        for cause in EndCause::ALL {
            for reader in [Reader::Operator, Reader::Owner] {
                let entry = entry(Event::SessionEnded, "cli");
                assert_ne!(why(&entry, cause.as_str(), reader), cause.as_str());
            }
        }
    }

    #[test]
    fn who_ended_a_session_is_told_by_who_acted() {
        let owner = UserId(uuid::Uuid::from_u128(1));
        let (own, other) = (format!("user:{owner}"), format!("user:{}", uuid::Uuid::from_u128(2)));
        for (who, reader, words) in [
            ("cli", Reader::Operator, "an operator ended the session"),
            ("admin:api-key:1", Reader::Owner, "an operator ended the session"),
            (&own, Reader::Operator, "the user ended it on the account's pages"),
            (&own, Reader::Owner, "you ended it on the account's pages"),
            (&other, Reader::Owner, "another user ended it on the account's pages"),
        ] {
            let entry = entry(Event::SessionEnded, who).user(owner);
            assert_eq!(why(&entry, "session_ended", reader), words);
        }
    }

    #[test]
    fn you_are_only_the_user_whom_the_entry_concerns() {
        let owner = UserId(uuid::Uuid::from_u128(1));
        for (who, operator, told) in [
            (format!("user:{owner}"), "the user", "you"),
            (format!("user:{}", uuid::Uuid::from_u128(2)), "another user", "another user"),
            ("client:shop".to_owned(), "app shop", "the app"),
        ] {
            let entry = entry(Event::SessionEnded, &who).user(owner);
            assert_eq!(actor(&entry, Reader::Operator), operator);
            assert_eq!(actor(&entry, Reader::Owner), told);
        }
    }

    #[test]
    fn the_owner_is_not_told_about_operators_by_name_nor_about_tokens() {
        let operator = entry(Event::SessionEnded, "admin:user:carol");
        assert_eq!(actor(&operator, Reader::Owner), "an operator");
        let theft = sentence(&entry(Event::RefreshTheft, "client:shop"), "Shop", Reader::Owner);
        assert!(!theft.contains("token"), "{theft}");
        let all = entry(Event::LogoutAll, "cli").details(r#"{"sessions":2,"families":3,"codes":0}"#);
        assert_eq!(sentence(&all, "", Reader::Owner), "signed out everywhere");
        let others = entry(Event::LogoutAll, "user:1").cause("session_ended");
        assert_eq!(sentence(&others, "", Reader::Owner), "signed out everywhere else");
    }

    #[test]
    fn the_device_that_was_signed_out_is_in_the_details() {
        let ended = entry(Event::SessionEnded, "user:1")
            .details(r#"{"sessions":1,"device":{"address":"192.0.2.1","user_agent":"curl/8","place":null}}"#);
        let [agent, place, address] = ended_device(&ended).unwrap();
        assert_eq!((agent.as_deref(), place, address.as_deref()), (Some("curl/8"), None, Some("192.0.2.1")));
        assert!(ended_device(&entry(Event::SessionEnded, "cli").details("{")).is_none());
    }
}
