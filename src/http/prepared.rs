//! Answers made ready at start: documents and static files with their strong entity tags.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};

use super::pages::assets::{self, Asset};
use crate::digest::{base64url, sha256};
use crate::flow::{Provider, metadata, revocation};

/// How caches may use the key set and the discovery document.
pub const METADATA_CACHING: &str = "public, max-age=300, stale-while-revalidate=60, stale-if-error=86400";

/// The prepared answers.
#[derive(Debug)]
pub struct Prepared {
    /// Discovery (RFC 8414, OpenID Connect Discovery).
    pub discovery: Document,
    /// Where the revocation feed is.
    pub revocation: Document,
    /// Static files.
    pub assets: Vec<Asset>,
}

/// A document with its strong entity tag.
#[derive(Clone, Debug)]
pub struct Document {
    /// The bytes.
    pub body: Bytes,
    /// The entity tag with its quotes.
    pub etag: String,
}

impl Prepared {
    /// Prepares everything that does not change while the server runs.
    pub fn new(op: &Provider, development: bool) -> Self {
        let policy = &op.policy;
        let document = metadata::document(policy, &policy.keys.algorithms).to_string();
        let assets = assets::all().into_iter().filter(|asset| development || !asset.dev_only).collect();
        let revocation = revocation::configuration(op).to_string();
        Self {
            discovery: Document::new(document.into_bytes()),
            revocation: Document::new(revocation.into_bytes()),
            assets,
        }
    }
}

impl Document {
    /// Computes the entity tag.
    pub fn new(body: Vec<u8>) -> Self {
        let etag = format!("\"{}\"", base64url(sha256(&body).as_bytes()));
        Self { body: body.into(), etag }
    }
}

/// Answers with prepared bytes, or 304 where the client has them (RFC 9110 §13.1.2).
pub fn respond(
    request: &HttpRequest,
    body: Bytes,
    etag: &str,
    content_type: &'static str,
    caching: &'static str,
) -> HttpResponse {
    let unchanged = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == etag);
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static(caching)));
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.insert_header((ETAG, value));
    }
    if unchanged {
        return response.finish();
    }
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static(content_type)));
    response.body(Sliced::new(body))
}

/// So much of a long body is handed to a connection at once.
pub const SLICE: usize = 16 * 1024;

/// A body that all its readers share: a connection copies one slice after another, never the whole.
#[derive(Debug)]
pub struct Sliced(Bytes);

impl Sliced {
    /// With all that is to be sent.
    pub const fn new(body: Bytes) -> Self {
        Self(body)
    }
}

impl MessageBody for Sliced {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(u64::try_from(self.0.len()).unwrap_or(u64::MAX))
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let length = self.0.len().min(SLICE);
        let slice = self.0.split_to(length);
        Poll::Ready((!slice.is_empty()).then_some(Ok(slice)))
    }
}
