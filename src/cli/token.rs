//! `signet token`, and what it shares with `login`: asking the token endpoint of the running server.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::args::{Global, Token};
use super::context::Context;
use super::http_client::{self, Request};
use super::output::{Failure, Outcome, Report};
use super::reach::Reach;
use super::{ask, demo_data};
use crate::oauth::issuer::Issuer;
use crate::secret::ClientSecret;

const LIMIT: Duration = Duration::from_secs(10);

/// Gets an access token for a client (RFC 6749 §4.4). As text the token alone is printed, for `$(…)`.
pub(super) async fn run(args: &Token, global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let issuer = issuer(&context)?;
    let secret = secret(args, context.dir.is_some()).await?;
    let mut form = vec![("grant_type".to_owned(), "client_credentials".to_owned())];
    form.extend(args.scope.iter().map(|scope| ("scope".to_owned(), scope.clone())));
    form.extend(args.resources.iter().map(|resource| ("resource".to_owned(), resource.clone())));
    let reach = Reach::new(Some(&context), args.cacert.as_deref())?;
    let answer = ask_token_endpoint(&reach, &issuer, form, Some(&basic(&args.client, &secret))).await?;
    let token = answer.get("access_token").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Report::new(token, answer))
}

/// The configured issuer.
pub(super) fn issuer(context: &Context) -> Result<Issuer, Failure> {
    Issuer::parse(&context.config().public_url).map_err(Failure::new)
}

/// Posts to `/token`; the answer's JSON.
pub(super) async fn ask_token_endpoint(
    reach: &Reach,
    issuer: &Issuer,
    form: Vec<(String, String)>,
    authorization: Option<&str>,
) -> Result<Value, Failure> {
    let url = Url::parse(&issuer.url("/token")).map_err(|error| Failure::new(error.to_string()))?;
    let mut request = Request::post(&url, form).header("accept", "application/json");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let response = http_client::send(reach, &request, LIMIT).await.map_err(Failure::new)?;
    let answer = response.json();
    if response.status == 200 && answer.is_object() {
        return Ok(answer);
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    Err(Failure::new(match (text("error"), text("error_description")) {
        (Some(code), Some(description)) => format!("{code}: {description}"),
        (Some(code), None) => code,
        _ => format!("{url} answers {} without an OAuth error; is this Signet?", response.status),
    }))
}

async fn secret(args: &Token, development: bool) -> Result<ClientSecret, Failure> {
    if args.secret_stdin {
        return Ok(ClientSecret::new(ask::secret("Client secret").await?.as_str()));
    }
    let known = || if development { demo_data::secret_of(&args.client) } else { None };
    args.secret.clone().or_else(known).ok_or_else(|| Failure::usage("give --secret or --secret-stdin"))
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined, so that a colon in them does no harm.
pub(super) fn basic(client: &str, secret: &ClientSecret) -> String {
    use base64::Engine as _;
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = zeroize::Zeroizing::new(format!("{}:{}", encode(client), encode(secret.reveal())));
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_encoded_first() {
        // "a%3Ab" and "c+d%26" joined by a colon.
        assert_eq!(basic("a:b", &ClientSecret::new("c d&")), "Basic YSUzQWI6YytkJTI2");
    }
}
