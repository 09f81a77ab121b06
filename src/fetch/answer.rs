//! An answer, read no further than it may be long.

use reqwest::Response;
use signet_verify::fetch::described;

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
    let (media_type, max_age) = described(response.headers());
    Ok(Fetched { body, media_type: (!media_type.is_empty()).then_some(media_type), max_age })
}
