//! `POST /token` (RFC 6749 §3.2).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::app::App;
use super::client_request::{self, ClientRequest};
use super::error::{self, Challenge, no_store};
use super::request::origin;
use crate::flow::grant::{self, TokenRequest};
use crate::flow::issue::TokenResponse;
use crate::flow::rejection::{Outcome, Rejection};
use crate::flow::target;
use crate::oauth::error::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::params::Params;
use crate::oauth::pkce::CodeVerifier;
use crate::oauth::scope::Scope;
use crate::secret::{AuthorizationCode, RefreshToken};

/// Answers a token request.
pub async fn post(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    // An unknown grant is the client's mistake whoever it is; naming it first tells more.
    let known = |params: &Params| grant_type(params).map(|_| ());
    let asked = match client_request::read(&request, &app, payload, known).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    match answer(&request, &app, asked).await {
        Ok((grant, response)) => {
            app.metrics.token_issued(grant);
            render(&response)
        }
        Err(rejection) => error::json(&request, &app, &rejection, Challenge::None),
    }
}

async fn answer(
    request: &HttpRequest,
    app: &App,
    mut asked: ClientRequest,
) -> Outcome<(GrantType, TokenResponse)> {
    let grant = grant_type(&asked.params)?;
    let wanted = parse(grant, &mut asked.params)?;
    let response =
        grant::token(&app.provider, &asked.client, wanted, &origin(request, app), asked.now).await?;
    Ok((grant, response))
}

fn grant_type(params: &Params) -> Outcome<GrantType> {
    let text = params.get("grant_type").ok_or(Rejection::invalid_request(
        "The grant_type is missing. Send authorization_code, refresh_token or client_credentials.",
    ))?;
    // Nothing is granted implicitly at this endpoint.
    text.parse().ok().filter(|grant| *grant != GrantType::Implicit).ok_or(UNSUPPORTED)
}

const UNSUPPORTED: Rejection = Rejection::new(
    ErrorCode::UnsupportedGrantType,
    "This grant_type is not supported. Send authorization_code, refresh_token or client_credentials.",
);

fn parse(grant: GrantType, params: &mut Params) -> Outcome<TokenRequest> {
    match grant {
        GrantType::AuthorizationCode => Ok(TokenRequest::AuthorizationCode {
            code: AuthorizationCode::new(required(
                params,
                "code",
                "The code is missing. Send the one from the redirect.",
            )?),
            redirect_uri: required(
                params,
                "redirect_uri",
                "The redirect_uri is missing. Repeat the one of the authorization request.",
            )?,
            code_verifier: match params.take("code_verifier") {
                Some(verifier) => Some(CodeVerifier::parse(&verifier).map_err(Rejection::invalid_request)?),
                None => None,
            },
            resources: target::parse(params.all("resource"))?,
        }),
        GrantType::RefreshToken => Ok(TokenRequest::RefreshToken {
            refresh_token: RefreshToken::new(required(
                params,
                "refresh_token",
                "The refresh_token is missing. Send the newest one received.",
            )?),
            scope: scope(params)?,
            resources: target::parse(params.all("resource"))?,
        }),
        GrantType::ClientCredentials => Ok(TokenRequest::ClientCredentials {
            scope: scope(params)?,
            resources: target::parse(params.all("resource"))?,
        }),
        GrantType::Implicit => Err(UNSUPPORTED),
    }
}

fn required(params: &mut Params, name: &str, missing: &'static str) -> Outcome<String> {
    params.take(name).ok_or(Rejection::invalid_request(missing))
}

fn scope(params: &Params) -> Outcome<Option<Scope>> {
    let parsed = params.get("scope").map(Scope::parse).transpose();
    parsed.map_err(|error| Rejection::new(ErrorCode::InvalidScope, error.description()))
}

/// RFC 6749 §5.1.
#[derive(Serialize)]
struct Success<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    scope: &'a Scope,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
}

fn render(response: &TokenResponse) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    no_store(&mut answer);
    answer.json(Success {
        access_token: response.access_token.token.reveal(),
        token_type: "Bearer",
        expires_in: response.access_token.expires_in,
        scope: &response.scope,
        refresh_token: response.refresh_token.as_ref().map(RefreshToken::reveal),
        id_token: response.id_token.as_deref(),
    })
}
