//! An answer, read no further than it may be long.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName};

use super::{FetchError, Fetched, LONGEST, failure};

/// Reads a document. The length is what arrives, whatever the header says.
pub(super) async fn document(mut response: Response) -> Result<Fetched, FetchError> {
    let status = response.status().as_u16();
    if status != 200 {
        return Err(FetchError::Status(status));
    }
    if response.content_length().is_some_and(|length| length > LONGEST as u64) {
        return Err(FetchError::TooLong);
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + piece.len() > LONGEST {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    let headers = response.headers();
    let media_type = text(headers, &CONTENT_TYPE);
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Ok(Fetched {
        body,
        media_type: (!media_type.is_empty()).then_some(media_type),
        max_age: max_age(&text(headers, &CACHE_CONTROL)),
    })
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    let all: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    all.join(",")
}

/// `max-age` of `Cache-Control`; zero for what must not be kept (RFC 9111 §5.2.2).
fn max_age(cache_control: &str) -> Option<Duration> {
    let mut found = None;
    for directive in cache_control.split(',').map(|one| one.trim().to_ascii_lowercase()) {
        match directive.split_once('=') {
            None if directive == "no-store" || directive == "no-cache" => return Some(Duration::ZERO),
            Some(("max-age", seconds)) => {
                found = seconds.trim_matches('"').parse().ok().map(Duration::from_secs);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_read_from_among_the_directives() {
        for (header, expected) in [
            ("public, max-age=60", Some(60)),
            ("MAX-AGE=\"7\"", Some(7)),
            ("max-age=60, no-store", Some(0)),
            ("no-cache", Some(0)),
            ("s-maxage=9", None),
            ("max-age=-1", None),
            ("", None),
        ] {
            assert_eq!(max_age(header), expected.map(Duration::from_secs), "{header}");
        }
    }
}
