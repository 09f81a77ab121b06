//! `/admin/v1/audit`, and the same for one user.

use super::Reply;
use super::call::Call;
use super::page;
use crate::clock::Timestamp;
use crate::flow::admin::audit::{self, Filter};
use crate::flow::admin::view;
use crate::model::audit::Event;
use crate::secret::{ClientId, UserId};

const TIME: &str = "Write a time as in 2027-01-31T12:00:00Z.";

pub(super) async fn list(call: Call) -> Reply {
    answer(&call, None).await
}

/// A page of the log, of one user where `user` is given.
pub(super) async fn answer(call: &Call, user: Option<UserId>) -> Reply {
    const OF_ONE: [&str; 6] = ["limit", "cursor", "client_id", "event", "since", "until"];
    const OF_ALL: [&str; 7] = ["limit", "cursor", "client_id", "event", "since", "until", "user_id"];
    let query = call.query(if user.is_some() { &OF_ONE } else { &OF_ALL })?;
    let named = query.parse("user_id", "A user's id is a UUID.", |text| text.parse().ok())?;
    let filter = Filter {
        user: user.or(named),
        client: query.get("client_id").map(ClientId::from),
        event: query.parse("event", "This event is not known.", Event::parse)?,
        since: query.parse("since", TIME, Timestamp::parse_rfc3339)?,
        until: query.parse("until", TIME, Timestamp::parse_rfc3339)?,
    };
    let found = audit::page(call.op(), &filter, page::cursor(&query, "audit")?, page::limit(&query)?).await?;
    Ok(page::render(call, &query, "audit", (found, view::audit_entry)))
}
