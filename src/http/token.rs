//! `POST /token` (RFC 6749 §3.2).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::app::App;
use super::body::{self, PROTOCOL_LIMIT};
use super::error::{self, Challenge, no_store};
use super::request::origin;
use super::{cors, credentials};
use crate::flow::client_auth;
use crate::flow::grant::{self, TokenRequest};
use crate::flow::issue::TokenResponse;
use crate::flow::rejection::{Outcome, Rejection};
use crate::oauth::error::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::params::Params;
use crate::oauth::pkce::CodeVerifier;
use crate::oauth::scope::Scope;
use crate::secret::{AuthorizationCode, RefreshToken};

/// Answers a token request.
pub async fn post(request: HttpRequest, app: Data<App>, payload: Payload) -> HttpResponse {
    let params = match body::form(&request, &app, payload, PROTOCOL_LIMIT).await {
        Ok(params) => params,
        Err(error) => return error::body(&request, error),
    };
    match answer(&request, &app, params).await {
        Ok((grant, response)) => {
            app.metrics.token_issued(grant);
            render(&response)
        }
        Err((rejection, challenge)) => error::json(&request, &app, &rejection, challenge),
    }
}

async fn answer(
    request: &HttpRequest,
    app: &App,
    mut params: Params,
) -> Result<(GrantType, TokenResponse), (Rejection, Challenge)> {
    let plain = |rejection| (rejection, Challenge::None);
    no_query(request).map_err(plain)?;
    let op = &app.provider;
    let now = op.clock.now();
    // An unknown grant is the client's mistake whoever it is; naming it first tells more.
    let grant = grant_type(&params).map_err(plain)?;
    let challenge = credentials::challenge(request);
    let credentials = credentials::read(request, &mut params).map_err(|rejection| (rejection, challenge))?;
    let client = client_auth::authenticate(op, &credentials, now).await;
    let client = client.map_err(|rejection| (rejection, challenge))?;
    cors::client_is(request, &client);
    let wanted = parse(grant, &mut params).map_err(plain)?;
    let response = grant::token(op, &client, wanted, &origin(request, app), now).await.map_err(plain)?;
    Ok((grant, response))
}

/// S-020: parameters in the query would end up in logs.
pub fn no_query(request: &HttpRequest) -> Outcome<()> {
    if request.query_string().is_empty() {
        return Ok(());
    }
    Err(Rejection::invalid_request("The parameters belong in the request's body, not in the query."))
}

fn grant_type(params: &Params) -> Outcome<GrantType> {
    let text = params.get("grant_type").ok_or(Rejection::invalid_request(
        "The grant_type is missing. Send authorization_code, refresh_token or client_credentials.",
    ))?;
    text.parse().map_err(|_| {
        Rejection::new(
            ErrorCode::UnsupportedGrantType,
            "This grant_type is not supported. Send authorization_code, refresh_token or client_credentials.",
        )
    })
}

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
        }),
        GrantType::RefreshToken => Ok(TokenRequest::RefreshToken {
            refresh_token: RefreshToken::new(required(
                params,
                "refresh_token",
                "The refresh_token is missing. Send the newest one received.",
            )?),
            scope: scope(params)?,
            resource: params.take("resource"),
        }),
        GrantType::ClientCredentials => {
            Ok(TokenRequest::ClientCredentials { scope: scope(params)?, resource: params.take("resource") })
        }
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
fn render(response: &TokenResponse) -> HttpResponse {
    let mut body = json!({
        "access_token": response.access_token.token.reveal(),
        "token_type": "Bearer",
        "expires_in": response.access_token.expires_in,
        "scope": response.scope.to_string(),
    });
    if let Value::Object(fields) = &mut body {
        if let Some(token) = &response.refresh_token {
            fields.insert("refresh_token".to_owned(), Value::from(token.reveal()));
        }
        if let Some(token) = &response.id_token {
            fields.insert("id_token".to_owned(), Value::from(token.as_str()));
        }
    }
    let mut answer = HttpResponse::Ok();
    no_store(&mut answer);
    answer.json(body)
}
