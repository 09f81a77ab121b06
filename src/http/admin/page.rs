//! Paging: a size, an opaque place, and a link to what follows (RFC 8288).

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, LINK};
use serde_json::{Value, json};

use super::call::{Call, Query};
use super::problem::Problem;
use crate::digest::{base64url, base64url_decode};
use crate::flow::admin::{LONGEST_PAGE, Page};

const DEFAULT_SIZE: u32 = 50;

/// `limit`: 1 to 200, 50 unless given.
pub(super) fn limit(query: &Query<'_>) -> Result<u32, Problem> {
    let read = |text: &str| text.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
    Ok(query.parse("limit", "A page has 1 to 200 items.", read)?.unwrap_or(DEFAULT_SIZE))
}

/// `cursor`: the place where the page before ended. `list` is the name of the list it must be of.
pub(super) fn cursor<T: std::str::FromStr>(query: &Query<'_>, list: &str) -> Result<Option<T>, Problem> {
    let read = |text: &str| decode(list, text)?.parse().ok();
    query.parse("cursor", "This is no cursor of this list. Take next_cursor as it is.", read)
}

/// A page as JSON, with a link to the next one.
pub(super) fn render<T, C: std::fmt::Display>(
    call: &Call,
    query: &Query<'_>,
    list: &str,
    (page, view): (Page<T, C>, impl Fn(&T) -> Value),
) -> HttpResponse {
    let items: Vec<_> = page.items.iter().map(view).collect();
    let next = page.next.map(|place| encode(list, &place.to_string()));
    let mut response =
        super::json(HttpResponse::Ok(), &json!({ "items": items, "next_cursor": next.as_deref() }));
    if let Some(next) = next {
        let query = query.without("cursor").append_pair("cursor", &next).finish();
        let link = format!("<{}?{query}>; rel=\"next\"", call.request.path());
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    response
}

fn encode(list: &str, place: &str) -> String {
    base64url(format!("{list}:{place}").as_bytes())
}

fn decode(list: &str, cursor: &str) -> Option<String> {
    let text = String::from_utf8(base64url_decode(cursor)?).ok()?;
    let place = text.strip_prefix(list)?.strip_prefix(':')?;
    (!place.contains(char::is_control)).then(|| place.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursor = encode("clients", "demo:spa");
        assert_eq!(decode("clients", &cursor).as_deref(), Some("demo:spa"));
        assert_eq!(decode("users", &cursor), None);
        assert_eq!(decode("clients", &encode("clients", "a\0")), None);
        for bad in ["", "!", "clients:demo", &base64url(b"clients"), &base64url(&[0xff, 0xfe])] {
            assert_eq!(decode("clients", bad), None, "{bad}");
        }
    }
}
