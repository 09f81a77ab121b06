//! `/admin/v1/apis`. An API is named by its audience, percent-encoded in the path.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, LOCATION};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};

use super::call::{Call, with_etag};
use super::problem::{Kind, Problem};
use super::{Reply, page};
use crate::flow::admin::apis::{self, ApiChange, CreateApi};
use crate::flow::admin::view;
use crate::model::api::Api;
use crate::oauth::api_metadata::ApiMetadata;

/// What an answer shows and a body cannot set (S-102).
const READ_ONLY: [&str; 2] = ["created_at", "updated_at"];

pub(super) async fn list(call: Call) -> Reply {
    let query = call.query(&["limit", "cursor"])?;
    let after = page::cursor::<String>(&query, "apis")?;
    let found = apis::list(call.op(), after.as_deref(), page::limit(&query)?).await?;
    Ok(page::render(&call, &query, "apis", (found, view::api)))
}

pub(super) async fn create(call: Call) -> Reply {
    let mut members: Map<String, Value> = call.json()?;
    let Some(Value::String(audience)) = members.shift_remove("audience") else {
        return Err(Problem::of_field(
            Kind::Invalid,
            "audience",
            "An API needs an audience: the text that stands in aud.",
        ));
    };
    let request = CreateApi { audience, metadata: metadata(members)? };
    let api = apis::create(call.op(), &call.by(), request).await?;
    let mut response = super::json(HttpResponse::Created(), &view::api(&api));
    let location = format!("{}/apis/{}", super::BASE, utf8_percent_encode(&api.audience, NON_ALPHANUMERIC));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(with_etag(response, api.updated_at))
}

pub(super) async fn show(call: Call) -> Reply {
    Ok(answer(&apis::show(call.op(), &audience(&call)?).await?))
}

pub(super) async fn replace(call: Call) -> Reply {
    let change = ApiChange::Replace(Box::new(metadata(editable(&call)?)?));
    update(&call, &change).await
}

pub(super) async fn merge(call: Call) -> Reply {
    let members = editable(&call)?;
    refuse_read_only(&members)?;
    update(&call, &ApiChange::Merge(Value::Object(members))).await
}

pub(super) async fn delete(call: Call) -> Reply {
    apis::delete(call.op(), &call.by(), &audience(&call)?).await?;
    Ok(super::no_store(HttpResponse::NoContent().finish()))
}

async fn update(call: &Call, change: &ApiChange) -> Reply {
    let api = apis::update(call.op(), &call.by(), &audience(call)?, change, call.if_match()?).await?;
    Ok(answer(&api))
}

fn answer(api: &Api) -> HttpResponse {
    with_etag(super::json(HttpResponse::Ok(), &view::api(api)), api.updated_at)
}

/// The router has left slashes, percent and plus signs encoded, and nothing else.
fn audience(call: &Call) -> Result<String, Problem> {
    let text: String = call.id("audience", "API")?;
    let decoded = percent_decode_str(&text).decode_utf8();
    let sound = decoded.ok().filter(|audience| !audience.contains(char::is_control));
    let audience = sound.ok_or_else(|| Problem::new(Kind::NotFound, "There is no such API."))?;
    Ok(audience.into_owned())
}

fn editable(call: &Call) -> Result<Map<String, Value>, Problem> {
    let members: Map<String, Value> = call.json()?;
    if members.contains_key("audience") {
        return Err(Problem::of_field(
            Kind::Invalid,
            "audience",
            "An API's audience never changes. Register another API, or leave it out.",
        ));
    }
    Ok(members)
}

fn metadata(members: Map<String, Value>) -> Result<ApiMetadata, Problem> {
    refuse_read_only(&members)?;
    ApiMetadata::from_json(&Value::Object(members))
        .map_err(|problem| Problem::of_field(Kind::Invalid, problem.field, problem.message))
}

fn refuse_read_only(members: &Map<String, Value>) -> Result<(), Problem> {
    match READ_ONLY.iter().find(|name| members.contains_key(**name)) {
        Some(name) => {
            Err(Problem::of_field(Kind::Invalid, *name, "This member cannot be set. Leave it out."))
        }
        None => Ok(()),
    }
}
