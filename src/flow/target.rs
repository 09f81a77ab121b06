//! What a token is for: the APIs that a client may ask for, those that a request names (RFC 8707), and what they ask of a
//! token that all of them are to take.

use std::sync::Arc;
use std::time::Duration;

use super::Provider;
use super::apis::ApiSet;
use super::rejection::{Outcome, Rejection};
use crate::model::api::Api;
use crate::model::client::Client;
use crate::oauth::algorithm::Algorithm;
use crate::oauth::api_metadata::AccessTokenFormat;
use crate::oauth::claims::ClaimRule;
use crate::oauth::error::ErrorCode;
use crate::oauth::registration::Registered;
use crate::oauth::resource;
use crate::oauth::scope::Scope;

/// The `resource` parameters of a request.
///
/// # Errors
/// `invalid_target` where one is no absolute URI or has a fragment (RFC 8707 §2).
pub fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Outcome<Vec<String>> {
    resource::parse(values).map_err(|why| Rejection::new(ErrorCode::InvalidTarget, why))
}

/// The audience of a grant: the APIs that the request names, or those that the client gets without naming any. APIs that
/// no one token can be for may stand in one grant: tokens are then asked for one by one (RFC 8707 §2.2).
///
/// # Errors
/// `invalid_target` where the client may not ask for what it names, or there is no such API.
pub fn granted(op: &Provider, client: &Client, resources: &[String]) -> Outcome<Vec<String>> {
    let reachable = reachable(&op.clients.apis(), client);
    if resources.is_empty() {
        // A client that registered itself gets what it asks for; nobody has said what it is for.
        let named = client.registered == Registered::Operator || !client.metadata.audience.is_empty();
        return Ok(if named { reachable } else { Vec::new() });
    }
    narrowed(&reachable, resources)
}

/// The audience of a token: what was granted, or that part of it which the request names (RFC 8707 §2.2).
///
/// # Errors
/// `invalid_target`.
pub fn narrowed(granted: &[String], resources: &[String]) -> Outcome<Vec<String>> {
    if resources.is_empty() {
        return Ok(granted.to_vec());
    }
    if resources.iter().all(|resource| granted.contains(resource)) {
        return Ok(resources.to_vec());
    }
    Err(foreign())
}

/// A resource that is unknown or not this client's; which of them, the answer does not tell.
const fn foreign() -> Rejection {
    Rejection::new(
        ErrorCode::InvalidTarget,
        "The resource is not one of this client's audiences. Send a registered one or none.",
    )
}

/// What is left of a grant: APIs that are still registered and that the client may still ask for (S-047).
///
/// # Errors
/// `invalid_target` where the grant was for APIs and none is left: a token for this server alone is not what was granted.
pub fn remaining(op: &Provider, client: &Client, granted: &[String]) -> Outcome<Vec<String>> {
    let reachable = reachable(&op.clients.apis(), client);
    let left: Vec<_> = granted.iter().filter(|audience| reachable.contains(audience)).cloned().collect();
    if left.is_empty() && !granted.is_empty() {
        return Err(Rejection::new(
            ErrorCode::InvalidTarget,
            "None of the APIs that were granted is open to this client any longer. Authorize again.",
        ));
    }
    Ok(left)
}

/// All audiences that the client may ask for today.
pub fn open_to(op: &Provider, client: &Client) -> Vec<String> {
    reachable(&op.clients.apis(), client)
}

/// The APIs with these audiences as people know them: each audience with the name of its API, or with itself.
pub fn named(op: &Provider, audience: &[String]) -> Vec<(String, String)> {
    let apis = op.clients.apis();
    let name = |audience: &String| apis.get(audience).and_then(|api| api.metadata.name.clone());
    audience
        .iter()
        .map(|audience| (audience.clone(), name(audience).unwrap_or_else(|| audience.clone())))
        .collect()
}

/// What an API says of a scope in plain words: one with these audiences, else any that lists it.
pub fn scope_words(apis: &ApiSet, audience: &[String], scope: &str) -> Option<String> {
    let described = apis.iter().filter_map(|api| Some((api, api.metadata.scope_descriptions.get(scope)?)));
    let first = described.min_by_key(|&(api, _)| (!audience.contains(&api.audience), &api.audience));
    first.map(|(_, words)| words.clone())
}

/// Whether no one token can be for all APIs that the client may ask for, so that a request that names none has to be
/// looked at before it uses anything up.
pub fn is_divided(op: &Provider, client: &Client) -> bool {
    let apis = op.clients.apis();
    demands(&apis, &reachable(&apis, client)).is_err()
}

/// The audiences that a client may ask for. An operator's client has been given them; one that registered itself may
/// have what is open to such clients, within what it named.
fn reachable(apis: &ApiSet, client: &Client) -> Vec<String> {
    let named = &client.metadata.audience;
    if client.registered == Registered::Operator {
        return named.iter().filter(|audience| apis.get(audience).is_some()).cloned().collect();
    }
    let open = |audience: &String| apis.get(audience).is_some_and(|api| api.metadata.dynamic);
    if named.is_empty() {
        return apis.iter().map(|api| &api.audience).filter(|audience| open(audience)).cloned().collect();
    }
    named.iter().filter(|audience| open(audience)).cloned().collect()
}

/// What the APIs of one token ask of it.
#[derive(Debug)]
pub struct Target {
    apis: Vec<Arc<Api>>,
    all: Arc<ApiSet>,
    /// What it looks like.
    pub format: AccessTokenFormat,
    /// What it is signed with, where an API says so.
    pub algorithm: Option<Algorithm>,
}

impl Target {
    /// What the APIs with these audiences ask of a token.
    ///
    /// # Errors
    /// `invalid_target` where they ask for different things.
    pub fn of(op: &Provider, audience: &[String]) -> Outcome<Self> {
        let all = op.clients.apis();
        let (format, algorithm) = demands(&all, audience)?;
        let apis = audience.iter().filter_map(|audience| all.get(audience)).cloned().collect();
        Ok(Self { apis, all, format, algorithm })
    }

    /// The shortest of the APIs' lifetimes and `own`, the client's or the server's.
    pub fn lifetime(&self, own: Duration) -> Duration {
        let theirs = self.apis.iter().filter_map(|api| api.metadata.access_token_lifetime);
        theirs.map(Duration::from_secs).fold(own, Duration::min)
    }

    /// The scope without what belongs to other APIs alone.
    pub fn scope(&self, scope: &Scope) -> Scope {
        let lists = |api: &Arc<Api>, value: &str| api.metadata.scopes.iter().any(|own| own == value);
        scope.filtered(|value| !self.all.is_owned(value) || self.apis.iter().any(|api| lists(api, value)))
    }

    /// The APIs' claim rules.
    pub fn rules(&self) -> impl Iterator<Item = &ClaimRule> {
        self.apis.iter().flat_map(|api| &api.metadata.claims)
    }
}

/// The one format and algorithm of the APIs with these audiences. Nor may two of them say different things of one claim:
/// each would read the other's.
fn demands(apis: &ApiSet, audience: &[String]) -> Outcome<(AccessTokenFormat, Option<Algorithm>)> {
    let mut format = None;
    let mut algorithm = None;
    let mut rules: Vec<&ClaimRule> = Vec::new();
    for api in audience.iter().filter_map(|audience| apis.get(audience)) {
        let wanted = api.metadata.access_token_format;
        if *format.get_or_insert(wanted) != wanted {
            return Err(mixed());
        }
        let own = &api.metadata.claims;
        let differs = |rule: &ClaimRule| {
            rules.iter().any(|other| other.claim == rule.claim && other.source != rule.source)
        };
        if own.iter().any(differs) {
            return Err(mixed());
        }
        rules.extend(own);
        // Registration holds it to algorithms that keys exist for.
        let Some(wanted) = api.metadata.signing_alg.as_deref().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if *algorithm.get_or_insert(wanted) != wanted {
            return Err(mixed());
        }
    }
    Ok((format.unwrap_or(AccessTokenFormat::Jwt), algorithm))
}

const fn mixed() -> Rejection {
    Rejection::new(
        ErrorCode::InvalidTarget,
        "No one access token suits all of these APIs. Ask for one resource at a time.",
    )
}
