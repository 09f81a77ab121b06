//! `/admin/v1/initial_access_tokens`.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::Reply;
use super::call::Call;
use super::problem::{Kind, Problem};
use crate::clock::Timestamp;
use crate::flow::admin::{initial_access_tokens as tokens, view};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    uses: u32,
    expires_at: String,
}

pub(super) async fn list(call: Call) -> Reply {
    call.query(&[])?;
    let entries = tokens::list(call.op()).await?;
    let items: Vec<Value> = entries.iter().map(view::initial_access_token).collect();
    Ok(super::json(HttpResponse::Ok(), &json!({ "items": items, "next_cursor": null })))
}

pub(super) async fn create(call: Call) -> Reply {
    let body: Create = call.json()?;
    let expires_at = Timestamp::parse_rfc3339(&body.expires_at).ok_or_else(|| {
        Problem::of_field(Kind::Invalid, "expires_at", "Write a time as in 2027-01-31T12:00:00Z.")
    })?;
    let life = expires_at.since(call.now);
    let created = tokens::create(call.op(), &call.by(), &body.name, body.uses, life).await?;
    let mut body = view::initial_access_token(&created.entry);
    if let Some(members) = body.as_object_mut() {
        members.insert("token".to_owned(), json!(created.token.reveal()));
    }
    Ok(super::json(HttpResponse::Created(), &body))
}

pub(super) async fn delete(call: Call) -> Reply {
    let id = call.id("id", "initial access token")?;
    tokens::delete(call.op(), &call.by(), id).await?;
    Ok(super::no_store(HttpResponse::NoContent().finish()))
}
