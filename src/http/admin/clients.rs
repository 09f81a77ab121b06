//! `/admin/v1/clients`. Bodies are client metadata under the names of RFC 7591.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, LOCATION};
use serde_json::{Map, Value, json};

use super::call::{Call, with_etag};
use super::problem::{Kind, Problem};
use super::{Reply, page};
use crate::flow::admin::clients::{self, CreateClient, DEFAULT_OVERLAP, MetadataChange};
use crate::flow::admin::{lint as linting, view};
use crate::model::client::Client;
use crate::oauth::client_metadata::{ClientMetadata, Profile};
use crate::secret::ClientId;

/// What an answer shows and a body cannot set (S-102), with what to do instead.
const READ_ONLY: [(&str, &str); 7] = [
    ("client_secret", "The server makes secrets. Use POST …/rotate_secret."),
    ("client_secret_expires_at", "The server makes secrets. Use POST …/rotate_secret."),
    ("previous_client_secret_expires_at", "The server makes secrets. Use POST …/rotate_secret."),
    ("registered", "This member cannot be set. Leave it out."),
    ("disabled", "Use POST …/disable and POST …/enable."),
    ("created_at", "This member cannot be set. Leave it out."),
    ("updated_at", "This member cannot be set. Leave it out."),
];

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateSecret {
    overlap_seconds: Option<u64>,
}

pub(super) async fn list(call: Call) -> Reply {
    let query = call.query(&["limit", "cursor"])?;
    let after = page::cursor::<String>(&query, "clients")?.map(ClientId);
    let found = clients::list(call.op(), after.as_ref(), page::limit(&query)?).await?;
    Ok(page::render(&call, &query, "clients", (found, |client: &Client| view::client(client, call.now))))
}

pub(super) async fn create(call: Call) -> Reply {
    let mut members: Map<String, Value> = call.json()?;
    let id = match members.shift_remove("client_id") {
        None => None,
        Some(Value::String(id)) => Some(id),
        Some(_) => return Err(Problem::of_field(Kind::Invalid, "client_id", "A client id is a string.")),
    };
    let created =
        clients::create(call.op(), &call.by(), CreateClient { id, metadata: metadata(members)? }).await?;
    let mut body = view::client(&created.client, call.now);
    if let (Some(secret), Some(members)) = (&created.secret, body.as_object_mut()) {
        members.insert("client_secret".to_owned(), json!(secret.reveal()));
        // RFC 7591 §3.2.1: 0 is "does not expire".
        members.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    let mut response = super::json(HttpResponse::Created(), &body);
    let location = format!("{}/clients/{}", super::BASE, created.client.id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(with_etag(response, created.client.updated_at))
}

pub(super) async fn show(call: Call) -> Reply {
    let client = clients::show(call.op(), &id(&call)?).await?;
    Ok(answer(&call, &client))
}

pub(super) async fn replace(call: Call) -> Reply {
    let change = MetadataChange::Replace(Box::new(metadata(editable(&call)?)?));
    update(&call, &change).await
}

pub(super) async fn merge(call: Call) -> Reply {
    let members = editable(&call)?;
    refuse_read_only(&members)?;
    update(&call, &MetadataChange::Merge(Value::Object(members))).await
}

async fn update(call: &Call, change: &MetadataChange) -> Reply {
    let client = clients::update(call.op(), &call.by(), &id(call)?, change, call.if_match()?).await?;
    Ok(answer(call, &client))
}

pub(super) async fn delete(call: Call) -> Reply {
    clients::delete(call.op(), &call.by(), &id(&call)?).await?;
    Ok(super::no_store(HttpResponse::NoContent().finish()))
}

pub(super) async fn disable(call: Call) -> Reply {
    call.no_body()?;
    let client = clients::disable(call.op(), &call.by(), &id(&call)?).await?;
    Ok(answer(&call, &client))
}

pub(super) async fn enable(call: Call) -> Reply {
    call.no_body()?;
    let client = clients::enable(call.op(), &call.by(), &id(&call)?).await?;
    Ok(answer(&call, &client))
}

pub(super) async fn rotate_secret(call: Call) -> Reply {
    let request: RotateSecret = call.json_or_default()?;
    let overlap = request.overlap_seconds.map_or(DEFAULT_OVERLAP, Duration::from_secs);
    let rotated = clients::rotate_secret(call.op(), &call.by(), &id(&call)?, overlap).await?;
    let body = json!({
        "client_id": rotated.client.id,
        "client_secret": rotated.secret.reveal(),
        "client_secret_expires_at": 0,
        "previous_client_secret_expires_at": rotated.previous_valid_until.map(crate::clock::Timestamp::rfc3339),
    });
    Ok(with_etag(super::json(HttpResponse::Ok(), &body), rotated.client.updated_at))
}

pub(super) async fn lint(call: Call) -> Reply {
    let query = call.query(&["profile"])?;
    let message = "A profile is default, oauth21 or oidc-certification.";
    let profile = query.parse("profile", message, |text| text.parse::<Profile>().ok())?;
    let linted = linting::one(call.op(), &id(&call)?, profile, call.now).await?;
    Ok(super::json(HttpResponse::Ok(), &view::linted(&linted)))
}

fn id(call: &Call) -> Result<ClientId, Problem> {
    let id: String = call.id("client_id", "client")?;
    // The address of a metadata document has slashes, which stay encoded in a path.
    let id = percent_encoding::percent_decode_str(&id).decode_utf8_lossy();
    Ok(ClientId::from(id.as_ref()))
}

fn answer(call: &Call, client: &Client) -> HttpResponse {
    with_etag(super::json(HttpResponse::Ok(), &view::client(client, call.now)), client.updated_at)
}

fn editable(call: &Call) -> Result<Map<String, Value>, Problem> {
    let members: Map<String, Value> = call.json()?;
    if members.contains_key("client_id") {
        return Err(Problem::of_field(
            Kind::Invalid,
            "client_id",
            "A client's id never changes. Leave it out.",
        ));
    }
    Ok(members)
}

fn metadata(members: Map<String, Value>) -> Result<ClientMetadata, Problem> {
    refuse_read_only(&members)?;
    ClientMetadata::from_json(&Value::Object(members))
        .map_err(|problem| Problem::of_field(Kind::Invalid, problem.field, problem.message))
}

fn refuse_read_only(members: &Map<String, Value>) -> Result<(), Problem> {
    match READ_ONLY.iter().find(|(name, _)| members.contains_key(*name)) {
        Some((name, message)) => Err(Problem::of_field(Kind::Invalid, *name, *message)),
        None => Ok(()),
    }
}
