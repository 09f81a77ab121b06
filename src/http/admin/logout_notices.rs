//! `/admin/v1/logout_notices`.

use super::Reply;
use super::call::Call;
use super::page;
use crate::flow::admin::logout_notices::{self, NoticeQuery};
use crate::flow::admin::view;
use crate::secret::ClientId;

pub(super) async fn list(call: Call) -> Reply {
    let query = call.query(&["limit", "cursor", "user_id", "session_id", "client_id"])?;
    let limit = page::limit(&query)?;
    let filter = NoticeQuery {
        user: query.parse("user_id", "A user's id is a UUID.", |text| text.parse().ok())?,
        session: query.parse("session_id", "A session's id is a UUID.", |text| text.parse().ok())?,
        client: query.get("client_id").map(ClientId::from),
        before: page::cursor(&query, "logout_notices")?,
        limit,
    };
    let found = logout_notices::page(call.op(), &filter, limit).await?;
    Ok(page::render(&call, &query, "logout_notices", (found, view::notice)))
}
