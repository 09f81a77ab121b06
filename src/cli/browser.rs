//! A browser as far as `login --headless` needs one: cookies, redirects, and the forms of sign-in and consent.

use std::time::Duration;

use url::Url;

use super::form;
use super::http_client::{self, Request, Response};
use super::output::Failure;
use super::reach::Reach;
use crate::secret::Password;

const LIMIT: Duration = Duration::from_secs(10);
const MOST_STEPS: usize = 12;

/// A browser with its cookies.
#[derive(Debug)]
pub(super) struct Browser {
    reach: Reach,
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// Without cookies.
    pub(super) const fn new(reach: Reach) -> Self {
        Self { reach, cookies: Vec::new() }
    }

    /// Goes from `start` through the forms until the answer goes to `redirect_uri`; that address with its query.
    /// Nothing is sent to it.
    pub(super) async fn sign_in(
        &mut self,
        start: Url,
        redirect_uri: &str,
        username: &str,
        password: &Password,
    ) -> Result<Url, Failure> {
        let issuer = start.origin();
        let mut at = start;
        let mut form: Option<Vec<(String, String)>> = None;
        let mut signed_in = false;
        for _ in 0..MOST_STEPS {
            let response = self.load(&at, form.take()).await?;
            if let Some(next) = next(&at, &response)? {
                if next.as_str().starts_with(redirect_uri) {
                    return Ok(next);
                }
                if next.origin() != issuer {
                    return Err(Failure::new(format!(
                        "a redirect to another place: {}",
                        next.origin().ascii_serialization()
                    )));
                }
                at = next;
                continue;
            }
            let page = response.text();
            let filled = if let Some(mut found) = form::find(&page, "login-form", "login-submit") {
                if std::mem::replace(&mut signed_in, true) {
                    return Err(refused(&page, response.status));
                }
                found.fields.push(("username".to_owned(), username.to_owned()));
                found.fields.push(("password".to_owned(), password.reveal().to_owned()));
                found
            } else {
                form::find(&page, "consent-form", "consent-approve")
                    .ok_or_else(|| refused(&page, response.status))?
            };
            at = at
                .join(&filled.action)
                .map_err(|error| Failure::new(format!("the form's action: {error}")))?;
            form = Some(filled.fields);
        }
        Err(Failure::new("sign-in went round in circles"))
    }

    async fn load(&mut self, url: &Url, form: Option<Vec<(String, String)>>) -> Result<Response, Failure> {
        let mut request = match form {
            // A browser says where a form was on; a server may insist on it.
            Some(fields) => Request::post(url, fields).header("origin", url.origin().ascii_serialization()),
            None => Request::get(url),
        }
        .header("accept", "text/html");
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        let response = http_client::send(&self.reach, &request, LIMIT).await.map_err(Failure::new)?;
        for cookie in response.headers("set-cookie") {
            keep(&mut self.cookies, cookie);
        }
        Ok(response)
    }
}

/// Where a redirect goes; `None` for a page.
fn next(at: &Url, response: &Response) -> Result<Option<Url>, Failure> {
    let location = response.headers("location").next();
    match (response.status, location) {
        (301..=308, Some(location)) => at
            .join(location)
            .map(Some)
            .map_err(|error| Failure::new(format!("a redirect that cannot be followed: {error}"))),
        _ => Ok(None),
    }
}

/// What a page that is no form says: the server's own words, as a person would read them.
fn refused(page: &str, status: u16) -> Failure {
    let said: Vec<_> = ["login-error", "oauth-error", "oauth-error-description"]
        .iter()
        .filter_map(|id| form::text_of(page, id))
        .collect();
    Failure::new(match said.is_empty() {
        false => format!("the server answered {status}: {}", said.join(": ")),
        true => format!("the server answered {status} and no form"),
    })
}

/// Takes a `Set-Cookie` value into the jar; an emptied or expired one leaves it.
fn keep(jar: &mut Vec<(String, String)>, header: &str) {
    let mut parts = header.split(';').map(str::trim);
    let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
    let expired = parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
    jar.retain(|(kept, _)| kept != name);
    if !expired && !value.is_empty() {
        jar.push((name.to_owned(), value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_replaced_and_removed() {
        let mut jar = Vec::new();
        keep(&mut jar, "a=1; Path=/; HttpOnly");
        keep(&mut jar, "b=2");
        keep(&mut jar, "a=3; Secure");
        assert_eq!(jar, [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "3".to_owned())]);
        keep(&mut jar, "a=x; Max-Age=0");
        keep(&mut jar, "b=");
        assert!(jar.is_empty());
    }
}
