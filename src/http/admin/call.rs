//! One authorised request, as handlers read it.

use std::borrow::Cow;

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::de::DeserializeOwned;

use super::body;
use super::problem::{Kind, Problem};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::admin::By;
use crate::flow::admin::access::Administrator;
use crate::http::app::App;
use crate::model::audit::Origin;

/// A request that has passed the checks of [`super::serve`].
pub(super) struct Call {
    pub(super) app: web::Data<App>,
    pub(super) request: HttpRequest,
    pub(super) body: web::Bytes,
    /// `None` on open routes only.
    pub(super) administrator: Option<Administrator>,
    pub(super) origin: Origin,
    pub(super) now: Timestamp,
}

impl Call {
    /// What flows work with.
    pub(super) fn op(&self) -> &Provider {
        &self.app.provider
    }

    /// Who acts.
    pub(super) fn by(&self) -> By<'_> {
        let actor = self.administrator.as_ref().map_or("anonymous", Administrator::actor);
        By { actor, origin: &self.origin, now: self.now }
    }

    /// A path parameter. One that cannot be an id of its kind is the id of nothing.
    pub(super) fn id<T: std::str::FromStr>(&self, name: &str, what: &str) -> Result<T, Problem> {
        self.request
            .match_info()
            .get(name)
            .filter(|text| !text.contains(char::is_control))
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Problem::new(Kind::NotFound, format!("There is no such {what}.")))
    }

    /// The query parameters: each known, each once.
    pub(super) fn query(&self, known: &[&str]) -> Result<Query<'_>, Problem> {
        let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(self.request.query_string().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let message = format!("This parameter is not known. Known are: {}.", known.join(", "));
                return Err(Problem::of_field(Kind::BadRequest, name, message));
            }
            if pairs.iter().any(|(earlier, _)| *earlier == name) {
                return Err(Problem::of_field(Kind::BadRequest, name, "Give the parameter once."));
            }
            // No database text can hold it.
            if value.contains('\0') {
                return Err(Problem::of_field(Kind::BadRequest, name, "The value has a NUL. Remove it."));
            }
            pairs.push((name, value));
        }
        Ok(Query(pairs))
    }

    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let media_type = self.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let patch = self.request.method() == Method::PATCH;
        if !(media_type.eq_ignore_ascii_case("application/json")
            || patch && media_type.eq_ignore_ascii_case("application/merge-patch+json"))
        {
            let detail = "Send the body as application/json (a PATCH also as application/merge-patch+json).";
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
        body::parse(&self.body)
    }

    /// The body as JSON; an absent one has nothing but defaults.
    pub(super) fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        if self.body.is_empty() { Ok(T::default()) } else { self.json() }
    }

    /// Refuses bodies where none is expected.
    pub(super) fn no_body(&self) -> Result<(), Problem> {
        if self.body.is_empty() {
            return Ok(());
        }
        self.json::<Nothing>().map(|_| ())
    }

    /// `If-Match` (RFC 9110 §13.1.1): the version that is to be changed. `None` without the header and for `*`.
    pub(super) fn if_match(&self) -> Result<Option<Timestamp>, Problem> {
        let Some(value) = self.request.headers().get(IF_MATCH) else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        // Weak and foreign tags match nothing.
        read_etag(text).map(Some).ok_or_else(|| {
            Problem::new(Kind::PreconditionFailed, "If-Match is not the ETag of this. Read it again.")
        })
    }
}

/// `{}`.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Query parameters.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Query<'_> {
    /// A parameter's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// A parameter's value, parsed.
    pub(super) fn parse<T>(
        &self,
        name: &'static str,
        message: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| Problem::of_field(Kind::BadRequest, name, message))
    }

    /// All but the named parameter, as a query string.
    pub(super) fn without(&self, name: &str) -> form_urlencoded::Serializer<'static, String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.0.iter().filter(|(known, _)| known != name));
        query
    }
}

/// Names the version of what an answer shows.
pub(super) fn with_etag(mut response: HttpResponse, updated_at: Timestamp) -> HttpResponse {
    if let Ok(value) = HeaderValue::from_str(&etag(updated_at)) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

/// No two versions of one thing have the same time.
fn etag(updated_at: Timestamp) -> String {
    format!("\"{:x}\"", updated_at.millis())
}

fn read_etag(text: &str) -> Option<Timestamp> {
    let hex = text.strip_prefix('"')?.strip_suffix('"')?;
    i64::from_str_radix(hex, 16).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_read_back_and_others_match_nothing() {
        let time = Timestamp::from_millis(1_795_235_700_123);
        assert_eq!(read_etag(&etag(time)), Some(time));
        for other in ["", "\"\"", "abc", "W/\"1a1fc9f2a1b\"", "\"x\"", "\"1\", \"2\""] {
            assert_eq!(read_etag(other), None, "{other}");
        }
    }
}
