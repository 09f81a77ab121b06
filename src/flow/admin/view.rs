//! What operators see, as JSON: the same from the command line and from the administration API. The one place where
//! things become JSON for operators, so that no secret and no hash can slip in with a new column (S-103).

use serde_json::{Value, json};

use super::api_keys::ApiKeyEntry;
use super::initial_access_tokens::InitialAccessTokenEntry;
use super::keys::{Key, KeysChanged};
use super::lint::Linted;
use super::users::{FamilyEntry, UserSessions};
use crate::clock::Timestamp;
use crate::flow::logout::LoggedOut;
use crate::model::api::Api;
use crate::model::audit::AuditEntry;
use crate::model::client::Client;
use crate::model::session::LoginSession;
use crate::model::user::User;
use crate::storage::Notice;

/// A client: its metadata under the names of RFC 7591, and `client_id`, `disabled`, `created_at`, `updated_at`;
/// and when the former secret dies, as long as it lives.
pub fn client(client: &Client, now: Timestamp) -> Value {
    let mut members = serde_json::Map::new();
    members.insert("client_id".to_owned(), json!(client.id));
    if let Ok(Value::Object(metadata)) = serde_json::to_value(&client.metadata) {
        members.extend(metadata);
    }
    members.insert("registered".to_owned(), json!(client.registered));
    members.insert("disabled".to_owned(), json!(!client.is_active()));
    let previous = client.previous_secret.as_ref().map(|(_, until)| *until).filter(|until| now < *until);
    if let Some(until) = previous {
        members.insert("previous_client_secret_expires_at".to_owned(), json!(until.rfc3339()));
    }
    members.insert("created_at".to_owned(), json!(client.created_at.rfc3339()));
    members.insert("updated_at".to_owned(), json!(client.updated_at.rfc3339()));
    Value::Object(members)
}

/// An API: its metadata, and `audience`, `created_at`, `updated_at`.
pub fn api(api: &Api) -> Value {
    let mut members = serde_json::Map::new();
    members.insert("audience".to_owned(), json!(api.audience));
    if let Ok(Value::Object(metadata)) = serde_json::to_value(&api.metadata) {
        members.extend(metadata);
    }
    members.insert("created_at".to_owned(), json!(api.created_at.rfc3339()));
    members.insert("updated_at".to_owned(), json!(api.updated_at.rfc3339()));
    Value::Object(members)
}

/// What there is to say about a client.
pub fn linted(linted: &Linted) -> Value {
    let findings: Vec<_> = linted
        .findings
        .iter()
        .map(|finding| {
            json!({
                "rule": finding.rule,
                "severity": finding.severity.as_str(),
                "field": finding.field,
                "message": finding.message,
                "command": finding.command,
            })
        })
        .collect();
    json!({
        "client_id": linted.client,
        "profile": linted.profile,
        "errors": linted.errors(),
        "findings": findings,
    })
}

/// A user.
pub fn user(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "email_verified": user.email_verified,
        "roles": user.roles,
        "claims": user.claims,
        "has_password": user.password_phc.is_some(),
        "password_changed_at": user.password_changed_at.rfc3339(),
        "disabled": !user.is_active(),
        "created_at": user.created_at.rfc3339(),
        "updated_at": user.updated_at.rfc3339(),
    })
}

/// What is open under an account.
pub fn sessions(open: &UserSessions) -> Value {
    let sessions: Vec<_> =
        open.sessions.iter().map(|(session, families)| self::session(session, families)).collect();
    let detached: Vec<_> = open.detached.iter().map(family).collect();
    json!({ "sessions": sessions, "detached_refresh_tokens": detached })
}

/// One login session with the refresh-token families that began in it.
pub fn session(session: &LoginSession, families: &[FamilyEntry]) -> Value {
    let mut shown = session_alone(session);
    if let Value::Object(members) = &mut shown {
        members.insert("refresh_tokens".to_owned(), families.iter().map(family).collect());
    }
    shown
}

/// One login session, without what began in it.
pub fn session_alone(session: &LoginSession) -> Value {
    json!({
        "id": session.id,
        "user_id": session.user,
        "created_at": session.created_at.rfc3339(),
        "auth_time": session.auth_time.rfc3339(),
        "last_seen_at": session.last_seen_at.rfc3339(),
        "expires_at": session.expires_at.rfc3339(),
        "remember": session.remember,
        "amr": session.amr,
        "address": session.address,
        "user_agent": session.user_agent,
        "place": session.place,
    })
}

/// One refresh-token family.
pub fn family(family: &FamilyEntry) -> Value {
    json!({
        "id": family.id,
        "client_id": family.client,
        "session_id": family.session,
        "scope": family.scope,
        "offline": family.offline,
        "created_at": family.created_at.rfc3339(),
        "last_used_at": family.last_used_at.rfc3339(),
        "expires_at": family.expires_at.rfc3339(),
        "address": family.origin.address,
        "user_agent": family.origin.user_agent,
    })
}

/// What ended, and until when a service that verifies locally may still accept an access token.
pub fn logged_out(done: &LoggedOut) -> Value {
    json!({
        "ended": done.ended,
        "relying_parties": done.relying_parties,
        "tokens_accepted_until": done.tokens_accepted_until.rfc3339(),
    })
}

/// A notice to a relying party that a session has ended.
pub fn notice(notice: &Notice) -> Value {
    json!({
        "id": notice.id,
        "client_id": notice.client,
        "session_id": notice.session,
        "user_id": notice.user,
        "state": notice.state(),
        "result": notice.result,
        "attempts": notice.attempts,
        "created_at": notice.created_at.rfc3339(),
        "next_at": notice.next_at.map(Timestamp::rfc3339),
        "delivered_at": notice.delivered_at.map(Timestamp::rfc3339),
    })
}

/// A signing key.
pub fn key(key: &Key) -> Value {
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state.as_str(),
        "created_at": key.created_at.rfc3339(),
        "activates_at": key.activates_at.rfc3339(),
        "retires_at": key.retires_at.map(Timestamp::rfc3339),
        "removes_at": key.removes_at.map(Timestamp::rfc3339),
    })
}

/// What a change of the keys did.
pub fn keys_changed(changed: &KeysChanged) -> Value {
    let all = |keys: &[Key]| keys.iter().map(key).collect::<Vec<_>>();
    json!({
        "created": all(&changed.created),
        "retiring": all(&changed.retiring),
        "removed": all(&changed.removed),
        "under_way": all(&changed.under_way),
        "tokens_accepted_until": changed.tokens_accepted_until.map(Timestamp::rfc3339),
    })
}

/// An API key, without the key.
pub fn api_key(entry: &ApiKeyEntry) -> Value {
    json!({
        "id": entry.id,
        "name": entry.name,
        "created_at": entry.created_at.rfc3339(),
        "expires_at": entry.expires_at.map(Timestamp::rfc3339),
    })
}

/// An initial access token, without the token.
pub fn initial_access_token(entry: &InitialAccessTokenEntry) -> Value {
    json!({
        "id": entry.id,
        "name": entry.name,
        "uses_left": entry.uses_left,
        "created_at": entry.created_at.rfc3339(),
        "expires_at": entry.expires_at.rfc3339(),
    })
}

/// An audit entry. `details` is an object where it was written as one.
pub fn audit_entry(entry: &AuditEntry) -> Value {
    let details = entry
        .details
        .as_ref()
        .map(|text| serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::String(text.clone())));
    json!({
        "id": entry.id,
        "at": entry.at.rfc3339(),
        "event": entry.event.as_str(),
        "outcome": entry.outcome,
        "actor": entry.actor,
        "user_id": entry.user,
        "client_id": entry.client,
        "session_id": entry.session,
        "address": entry.origin.address,
        "user_agent": entry.origin.user_agent,
        "cause": entry.cause,
        "trace_id": entry.origin.trace_id,
        "details": details,
    })
}
