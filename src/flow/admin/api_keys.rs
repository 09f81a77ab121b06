//! API keys: bearer keys for scripts, each with a name and perhaps an end.

use super::access::API_KEY_PREFIX;
use super::{AdminError, Answer, By};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::rejection::Outcome;
use crate::model::audit::Event;
use crate::secret::{ApiKey, ApiKeyHash, ApiKeyId};
use crate::storage::ApiKeyRecord;

/// An API key without the key itself.
#[derive(Clone, Debug)]
pub struct ApiKeyEntry {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working; `None` for never.
    pub expires_at: Option<Timestamp>,
}

impl From<ApiKeyRecord> for ApiKeyEntry {
    fn from(record: ApiKeyRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            created_at: record.created_at,
            expires_at: record.expires_at,
        }
    }
}

/// A new API key; the only time the key itself is shown.
#[derive(Debug)]
pub struct Created {
    /// What lists show.
    pub entry: ApiKeyEntry,
    /// The key.
    pub key: ApiKey,
}

/// Makes an API key of 32 random bytes. `expires_at` `None` is a key without end.
///
/// # Errors
/// A name that is empty or too long, an end that has passed, or a fault.
pub async fn create(
    op: &Provider,
    by: &By<'_>,
    name: &str,
    expires_at: Option<Timestamp>,
) -> Answer<Created> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(AdminError::invalid("name", "Say in 1 to 100 characters what the key is for."));
    }
    if expires_at.is_some_and(|at| at <= by.now) {
        return Err(AdminError::invalid(
            "expires_at",
            "The key would have expired already. Give a later time.",
        ));
    }
    let key = ApiKey::new(op.entropy.secret(API_KEY_PREFIX)?);
    let record = ApiKeyRecord {
        id: ApiKeyId(op.entropy.uuid_v7(by.now)?),
        name: name.to_owned(),
        created_at: by.now,
        expires_at,
    };
    let details = serde_json::json!({ "api_key": record.id, "name": record.name }).to_string();
    let entry = by.audit(op, Event::ApiKeyCreated)?.details(details);
    op.store.create_api_key(&record, &ApiKeyHash::from(&key), &entry).await?;
    Ok(Created { entry: record.into(), key })
}

/// All API keys, at most 1000, oldest first.
///
/// # Errors
/// A fault.
pub async fn list(op: &Provider) -> Answer<Vec<ApiKeyEntry>> {
    Ok(op.store.api_keys().await?.into_iter().map(ApiKeyEntry::from).collect())
}

/// Deletes an API key; it stops working at once.
///
/// # Errors
/// No such key, or a fault.
pub async fn delete(op: &Provider, by: &By<'_>, id: ApiKeyId) -> Answer<()> {
    let details = serde_json::json!({ "api_key": id }).to_string();
    let entry = by.audit(op, Event::ApiKeyDeleted)?.details(details);
    if op.store.delete_api_key(id, &entry).await? { Ok(()) } else { Err(AdminError::NotFound("API key")) }
}

/// The live API key that was presented, if it is one.
pub(super) async fn find(op: &Provider, key: &ApiKey, now: Timestamp) -> Outcome<Option<ApiKeyEntry>> {
    Ok(op.store.api_key(&ApiKeyHash::from(key), now).await?.map(ApiKeyEntry::from))
}
