//! `/admin/v1/api-keys`.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::Reply;
use super::call::Call;
use super::problem::{Kind, Problem};
use crate::clock::Timestamp;
use crate::flow::admin::{api_keys, view};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    expires_at: Option<String>,
}

pub(super) async fn list(call: Call) -> Reply {
    call.query(&[])?;
    let entries = api_keys::list(call.op()).await?;
    let items: Vec<Value> = entries.iter().map(view::api_key).collect();
    Ok(super::json(HttpResponse::Ok(), &json!({ "items": items, "next_cursor": null })))
}

pub(super) async fn create(call: Call) -> Reply {
    let body: Create = call.json()?;
    let wrong = || Problem::of_field(Kind::Invalid, "expires_at", "Write a time as in 2027-01-31T12:00:00Z.");
    let expires_at =
        body.expires_at.map(|text| Timestamp::parse_rfc3339(&text).ok_or_else(wrong)).transpose()?;
    let created = api_keys::create(call.op(), &call.by(), &body.name, expires_at).await?;
    let mut body = view::api_key(&created.entry);
    if let Some(members) = body.as_object_mut() {
        members.insert("key".to_owned(), json!(created.key.reveal()));
    }
    Ok(super::json(HttpResponse::Created(), &body))
}

pub(super) async fn delete(call: Call) -> Reply {
    api_keys::delete(call.op(), &call.by(), call.id("id", "API key")?).await?;
    Ok(super::no_store(HttpResponse::NoContent().finish()))
}
