//! `/admin/v1/sessions`.

use super::Reply;
use super::call::Call;
use super::users::ended;
use crate::flow::admin::sessions;

pub(super) async fn end(call: Call) -> Reply {
    let id = call.id("id", "live session")?;
    Ok(ended(&sessions::end(call.op(), &call.by(), id).await?))
}
