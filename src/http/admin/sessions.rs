//! `/admin/v1/sessions`.

use super::Reply;
use super::call::Call;
use super::page;
use super::users::ended;
use crate::flow::admin::{sessions, view};

pub(super) async fn list(call: Call) -> Reply {
    let query = call.query(&["limit", "cursor"])?;
    let limit = page::limit(&query)?;
    let found = sessions::list(call.op(), page::cursor(&query, "sessions")?, limit, call.now).await?;
    Ok(page::render(&call, &query, "sessions", (found, view::session_alone)))
}

pub(super) async fn end(call: Call) -> Reply {
    let id = call.id("id", "live session")?;
    Ok(ended(&sessions::end(call.op(), &call.by(), id).await?))
}
