//! What the two navigations have in common: a person has followed a link, in a page of its own.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};

use crate::http::app::App;
use crate::http::hosts;
use crate::http::pages::view::Message;
use crate::http::problem;

/// Why a request is not one that a person made here.
#[derive(Clone, Copy, Debug)]
pub enum Stray {
    /// Prefetched, not a navigation, or inside another page.
    NotNavigated,
    /// Under a name that is not configured.
    UnknownHost,
}

impl Stray {
    /// The page that says so.
    pub fn page(self, request: &HttpRequest, app: &App) -> HttpResponse {
        let (status, message) = match self {
            Self::NotNavigated => (StatusCode::FORBIDDEN, Message::not_navigated()),
            Self::UnknownHost => (StatusCode::BAD_REQUEST, Message::unknown_host()),
        };
        problem::message(request, app, status, message)
    }
}

/// The origin, one of ours, that a navigation came to.
///
/// # Errors
/// [`Stray`].
pub fn arrived(request: &HttpRequest, app: &App) -> Result<String, Stray> {
    if is_prefetch(request) || !is_navigation(request) {
        return Err(Stray::NotNavigated);
    }
    hosts::at(request, app).origin().map(ToOwned::to_owned).ok_or(Stray::UnknownHost)
}

/// A browser that reads ahead says so in one of these, with or without parameters.
fn is_prefetch(request: &HttpRequest) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().any(|name| {
        let said = request.headers().get_all(*name).filter_map(|value| value.to_str().ok());
        said.into_iter().any(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("prefetch") || value.contains("prerender") || value.contains("preview")
        })
    })
}

fn is_navigation(request: &HttpRequest) -> bool {
    [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
        .iter()
        .all(|(name, expected)| request.headers().get_all(*name).all(|value| value == expected))
}
