//! What the endpoints that clients call themselves have in common: a form, no query, client authentication.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::app::App;
use super::body::{self, PROTOCOL_LIMIT};
use super::error::{self, Challenge};
use super::request::address;
use super::{cors, credentials};
use crate::clock::Timestamp;
use crate::flow::client_auth::{self, AuthenticatedClient};
use crate::flow::rejection::{Outcome, Rejection};
use crate::oauth::params::Params;

/// A request of an authenticated client.
pub struct ClientRequest {
    /// Who asks.
    pub client: AuthenticatedClient,
    /// What for; the credentials are taken out.
    pub params: Params,
    /// When.
    pub now: Timestamp,
}

/// Reads a request and authenticates its client. `check` sees the parameters first: what is wrong whoever asks is
/// said before the client is asked for.
///
/// # Errors
/// The answer to send instead.
pub async fn read(
    request: &HttpRequest,
    app: &App,
    payload: Payload,
    check: impl FnOnce(&Params) -> Outcome<()>,
) -> Result<ClientRequest, HttpResponse> {
    let mut params = body::form(request, app, payload, PROTOCOL_LIMIT)
        .await
        .map_err(|broken| error::body(request, broken))?;
    let plain = |rejection: Rejection| error::json(request, app, &rejection, Challenge::None);
    no_query(request).map_err(plain)?;
    check(&params).map_err(plain)?;
    let challenge = credentials::challenge(request);
    let refused = |rejection: Rejection| error::json(request, app, &rejection, challenge);
    let op = &app.provider;
    let now = op.clock.now();
    let credentials = credentials::read(request, &mut params).map_err(refused)?;
    let address = address(request, app);
    let client =
        client_auth::authenticate(op, &credentials, address.as_deref(), now).await.map_err(refused)?;
    cors::client_is(request, &client);
    Ok(ClientRequest { client, params, now })
}

/// S-020: parameters in the query would end up in logs.
fn no_query(request: &HttpRequest) -> Outcome<()> {
    if request.query_string().is_empty() {
        return Ok(());
    }
    Err(Rejection::invalid_request("The parameters belong in the request's body, not in the query."))
}
