//! The demo's protected API, in development only. `/demo/api/me` is a resource server like any other: the middleware of
//! [`signet_verify`] stands in front, reads this server's keys and follows its revocation feed over HTTP, and asks the
//! database nothing. So "log out all devices" is seen to bite as fast as it does elsewhere.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use signet_verify::actix::{Authorized, Protect};
use signet_verify::clock::Clock;
use signet_verify::verifier::{ConfigError, Verifier};

use super::app::App;
use super::error::{self, Challenge, no_store};
use super::request::origin;
use super::revocation;
use super::userinfo::bearer_token;
use crate::clock::{self, monotonic_now};
use crate::flow::Provider;
use crate::flow::bearer::{self, LiveToken};
use crate::flow::logout;
use crate::flow::rejection::Rejection;

/// The audience of the demo API.
const AUDIENCE: &str = "https://api.example.com";
/// What the demo API asks of a token.
const SCOPE: &str = "read";

/// How the demo API reaches the issuer, which is the server that it is part of.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Where the server listens, since its name may lead nowhere yet.
    pub address: Option<IpAddr>,
    /// A certificate to trust beside the system's, PEM: the one that vouches for the server's own.
    pub root: Option<String>,
}

/// What stands in front of the demo API. It fetches nothing before the first request, when the server listens.
///
/// # Errors
/// An issuer that no resource server could verify, such as one without https that is not on this machine.
pub fn protect(provider: &Provider, reach: &Reach) -> Result<Protect, ConfigError> {
    let clock = ServerClock { clock: Arc::clone(&provider.clock), start: monotonic_now() };
    let mut verifier = Verifier::builder(provider.policy.issuer.as_str(), AUDIENCE).clock(Arc::new(clock));
    if let Some(address) = reach.address {
        verifier = verifier.issuer_address(address);
    }
    if let Some(root) = &reach.root {
        verifier = verifier.root_certificate(root.as_str());
    }
    Ok(Protect::new(verifier.build()?).scope(SCOPE))
}

/// The server's own clock, so that a test that moves it moves its resource server's too.
struct ServerClock {
    clock: Arc<dyn clock::Clock>,
    start: Instant,
}

impl Clock for ServerClock {
    fn unix_millis(&self) -> i64 {
        self.clock.now().millis()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

impl fmt::Debug for ServerClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerClock").finish_non_exhaustive()
    }
}

/// Who is asking.
pub async fn me(token: Authorized) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    no_store(&mut response);
    response.json(json!({
        "message": "The demo API accepts this access token.",
        "sub": token.subject(),
        "client_id": token.client_id(),
        "scope": token.scopes().collect::<Vec<_>>().join(" "),
    }))
}

/// "Log out all devices", by the user's own token.
pub async fn logout_all(request: HttpRequest, app: Data<App>) -> HttpResponse {
    let token = match authorized(&request, &app).await {
        Ok(token) => token,
        Err(response) => return response,
    };
    let op = &app.provider;
    let Some(subject) = &token.subject else { return error::no_token(&request, &app) };
    let actor = format!("user:{}", subject.id);
    match logout::all_devices(op, subject.id, &actor, &origin(&request, &app), op.clock.now()).await {
        Ok(ended) => {
            let mut response = HttpResponse::Ok();
            no_store(&mut response);
            let mut response = response.json(ended);
            revocation::announce(&app, &mut response).await;
            response
        }
        Err(rejection) => error::json(&request, &app, &rejection, Challenge::Bearer),
    }
}

async fn authorized(request: &HttpRequest, app: &App) -> Result<LiveToken, HttpResponse> {
    let refuse = |rejection: Rejection| error::json(request, app, &rejection, Challenge::Bearer);
    let Some(token) = bearer_token(request).map_err(refuse)? else {
        return Err(error::no_token(request, app));
    };
    let op = &app.provider;
    bearer::live(op, &token, Some(&[AUDIENCE]), op.clock.now()).await.map_err(refuse)
}
