//! `/admin/v1/keys`.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::Reply;
use super::call::Call;
use super::problem::{Kind, Problem};
use crate::flow::admin::keys::{self, KeysChanged, Which};
use crate::flow::admin::view;
use crate::oauth::algorithm::Algorithm;
use crate::secret::KeyId;

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Selection {
    kid: Option<KeyId>,
    algorithm: Option<Algorithm>,
}

pub(super) async fn list(call: Call) -> Reply {
    call.query(&[])?;
    let keys = keys::list(call.op(), call.now).await?;
    let items: Vec<Value> = keys.iter().map(view::key).collect();
    Ok(super::json(HttpResponse::Ok(), &json!({ "items": items, "next_cursor": null })))
}

pub(super) async fn rotate(call: Call) -> Reply {
    let which = selection(&call)?;
    Ok(answer(&keys::rotate(call.op(), &call.by(), &which).await?))
}

pub(super) async fn rotate_emergency(call: Call) -> Reply {
    let which = selection(&call)?;
    Ok(answer(&keys::rotate_emergency(call.op(), &call.by(), &which).await?))
}

pub(super) async fn remove(call: Call) -> Reply {
    let kid = KeyId(call.id("kid", "key")?);
    Ok(answer(&keys::remove(call.op(), &call.by(), &kid).await?))
}

fn selection(call: &Call) -> Result<Which, Problem> {
    match call.json_or_default()? {
        Selection { kid: Some(_), algorithm: Some(_) } => {
            Err(Problem::of_field(Kind::Invalid, "kid", "Give kid or algorithm, not both."))
        }
        Selection { kid: Some(kid), .. } => Ok(Which::Key(kid)),
        Selection { algorithm: Some(algorithm), .. } => Ok(Which::Algorithm(algorithm)),
        Selection { .. } => Ok(Which::All),
    }
}

fn answer(changed: &KeysChanged) -> HttpResponse {
    super::json(HttpResponse::Ok(), &view::keys_changed(changed))
}
