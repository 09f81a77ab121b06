//! Request objects: authorization requests that the client has signed, by value or by reference (RFC 9101, OpenID
//! Connect Core §6).
//!
//! What `request_uri` leads to is not kept: a client asks with one about as often as a person signs in, and an older copy
//! would be an older request. Anybody can send a client's `request_uri`, so how often one client's are asked for is
//! bounded: first for each network, so that nobody uses up what others sign in with, and then for all.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value};
use signet_verify::jose::claims::{self, Expect};
use signet_verify::jose::jws::{self, NO_TYP, Terms};
use signet_verify::jose::strict_json;

use crate::clock::Timestamp;
use crate::digest::{base64url, base64url_decode, sha256};
use crate::fetch::FetchError;
use crate::flow::claimant::Claimant;
use crate::flow::limiter::{Limiter, network};
use crate::flow::rejection::{Outcome, Reason, Rejection};
use crate::flow::{Provider, behalf};
use crate::jose::verification_keys::VerificationKeys;
use crate::model::client::Client;
use crate::oauth::error::ErrorCode;
use crate::oauth::params::Params;

/// Longest request object, in bytes: as long as a request with plain parameters may be.
const LONGEST: usize = 16 * 1024;
/// `typ` of request objects (RFC 9101 §10.8); older clients say `JWT` or nothing.
const TYPES: [&str; 3] = ["oauth-authz-req+jwt", "JWT", NO_TYP];
/// What is asked for at a `request_uri` (RFC 9101 §5.2.3).
const ACCEPT: &str = "application/oauth-authz-req+jwt, application/jwt";
/// The members that are about the object itself, and no parameters (RFC 9101 §4).
const ABOUT_ITSELF: [&str; 7] = ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"];
/// The parameters that carry the object.
const CARRIERS: [&str; 2] = ["request", "request_uri"];

/// So many of one client's are fetched at once for one network, and one more per period: people sign in more slowly.
const BURST: u32 = 30;
const PERIOD: Duration = Duration::from_secs(1);
/// And so many for all networks together.
const BURST_OF_ALL: u32 = 600;
const PERIOD_OF_ALL: Duration = Duration::from_millis(50);

/// The parameters that say where and how to answer.
const ABOUT_THE_ANSWER: [&str; 4] = ["redirect_uri", "response_type", "response_mode", "state"];

/// A request object that cannot be used.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Why.
    pub(super) rejection: Rejection,
    /// The parameters that say where to answer all the same.
    pub(super) told: Params,
}

/// How often request objects are asked for where clients keep them; by each node for itself.
#[derive(Debug)]
pub struct RequestUriLimits {
    by_network: Limiter,
    by_client: Limiter,
}

impl Default for RequestUriLimits {
    fn default() -> Self {
        Self { by_network: Limiter::new(PERIOD, BURST), by_client: Limiter::new(PERIOD_OF_ALL, BURST_OF_ALL) }
    }
}

impl RequestUriLimits {
    /// Counts one for a client and the network of an address; `false` where either has had its share.
    fn admit(&self, client: &Client, address: Option<&str>, now: Timestamp) -> bool {
        // No client id has a NUL.
        let both = format!("{}\0{}", client.id, network(address));
        self.by_network.admit(Some(&both), now) && self.by_client.admit(Some(client.id.as_str()), now)
    }
}

/// The parameters that count: as sent, or with those of the request object, which win. The plain ones beside an object
/// count where the client may leave some outside (OpenID Connect Core §6.1). `address` is whose request it is.
///
/// # Errors
/// `invalid_request_object`, `invalid_request_uri`, `invalid_request`, `temporarily_unavailable`.
pub(super) async fn effective<'p>(
    op: &Provider,
    (client, address): (&Client, Option<&str>),
    params: &'p Params,
    now: Timestamp,
) -> Result<Cow<'p, Params>, Unusable> {
    let claims = match signed(op, (client, address), params, now).await {
        Ok(Some(claims)) => claims,
        Ok(None) => return Ok(Cow::Borrowed(params)),
        // What could not be verified says nothing about where to answer.
        Err(rejection) => return Err(Unusable { rejection, told: outside(client, params) }),
    };
    let outside = outside(client, params);
    let told = told(&claims, &outside);
    let merged = parameters(client, claims).and_then(|inside| merged(inside, params, &outside));
    merged.map(Cow::Owned).map_err(|rejection| Unusable { rejection, told })
}

/// The members of a request's object, verified; `None` where it has none and needs none.
async fn signed(
    op: &Provider,
    (client, address): (&Client, Option<&str>),
    params: &Params,
    now: Timestamp,
) -> Outcome<Option<Map<String, Value>>> {
    let object = match (params.get("request"), params.get("request_uri")) {
        (None, None) if client.metadata.require_signed_request_object => {
            return Err(Rejection::invalid_request(
                "This client's requests have to be signed. Send a request object.",
            ));
        }
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Rejection::invalid_request("Send either request or request_uri, not both."));
        }
        (Some(object), None) => Cow::Borrowed(object),
        (None, Some(uri)) => Cow::Owned(fetched(op, (client, address), uri, now).await?),
    };
    let claims = verified(op, (client, address), &object, now).await?;
    // A null says no more than a member that is not there.
    Ok(Some(claims.into_iter().filter(|(_, value)| !value.is_null()).collect()))
}

/// The parameters beside the object that count.
fn outside(client: &Client, params: &Params) -> Params {
    let alone = counts_alone(client);
    let counts = |name: &str| if alone { name == "client_id" } else { !CARRIERS.contains(&name) };
    let others = params.names().filter(|name| !counts(name));
    others.fold(params.clone(), Params::without)
}

/// Where to answer what is signed and cannot be used: what is signed wins here too. Where it cannot be read at all, nobody
/// knows.
fn told(claims: &Map<String, Value>, outside: &Params) -> Params {
    let inside = ABOUT_THE_ANSWER
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), text_of(claims.get(name)?.clone()))));
    Params::of_pairs(inside).and_then(|inside| inside.over(outside)).unwrap_or_default()
}

/// The parameters of the object with those beside it that count.
fn merged(inside: Params, params: &Params, outside: &Params) -> Outcome<Params> {
    for name in ["client_id", "response_type"] {
        if let (Some(inside), Some(outside)) = (inside.get(name), params.get(name))
            && inside != outside
        {
            return Err(refused("The client_id and response_type inside and outside must be the same."));
        }
    }
    inside.over(outside).map_err(|error| Rejection::invalid_request(error.description()))
}

/// Whether nothing but the signed parameters counts (RFC 9101 §6.3).
fn counts_alone(client: &Client) -> bool {
    client.metadata.profile.strict_request_objects() || client.metadata.require_signed_request_object
}

/// The object at a registered `request_uri`.
async fn fetched(
    op: &Provider,
    (client, address): (&Client, Option<&str>),
    uri: &str,
    now: Timestamp,
) -> Outcome<String> {
    let refused = |reason| {
        Rejection::hidden(
            ErrorCode::InvalidRequestUri,
            "The request_uri is not registered for this client, or there is no request object. Register it exactly as sent.",
            reason,
        )
    };
    if !client.metadata.request_uris.iter().any(|registered| registered == uri) {
        return Err(refused("not registered"));
    }
    if !op.request_uris.admit(client, address, now) {
        return Err(Rejection::hidden(
            ErrorCode::TemporarilyUnavailable,
            "Too many requests of this client are to be fetched. Send the same request again in a moment.",
            "fetches of this client's request objects",
        ));
    }
    let (document, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    let fetched = op.fetch.get(document, ACCEPT, &behalf::of(client, address)).await;
    let fetched = fetched.map_err(|error: FetchError| Rejection {
        reason: Reason::HiddenDetail(format!("{error:?}")),
        ..if error.says_nothing() { Rejection::unasked("not fetched") } else { refused("not fetched") }
    })?;
    // OpenID Connect Core §6.2. The certification registers the digest of something else, to make each address its own;
    // what the object says is signed either way.
    let checked = !fragment.is_empty() && client.metadata.profile.checks_request_digests();
    if checked && fragment != base64url(sha256(&fetched.body).as_bytes()) {
        return Err(refused("the fragment is not the digest of the content"));
    }
    let text = String::from_utf8(fetched.body).map_err(|_| refused("not text"))?;
    Ok(text.trim_ascii().to_owned())
}

/// The claims of an object that this client has signed for this server.
async fn verified(
    op: &Provider,
    (client, address): (&Client, Option<&str>),
    object: &str,
    now: Timestamp,
) -> Outcome<Map<String, Value>> {
    let kid = kid(object);
    let terms = Terms { longest: LONGEST, typ: &TYPES, now_millis: now.millis() };
    let open = |keys: &VerificationKeys| jws::open(object, keys, &terms);
    let behalf = behalf::of(client, address);
    let claimant = Claimant { client, kid: kid.as_deref(), behalf: &behalf };
    let opened = op.client_keys.verify(op, claimant, now, open).await;
    let opened = opened.map_err(|why| why.rejection(unverified))?;
    let algorithm = opened.header.get("alg").and_then(Value::as_str);
    if client.metadata.request_object_signing_alg.as_deref().is_some_and(|name| algorithm != Some(name)) {
        return Err(unverified("alg is not the registered one"));
    }
    let mut object =
        strict_json::object(&opened.payload).ok_or(unverified("the payload is no JSON object"))?;
    let required: &[&str] = if counts_alone(client) { &["iss", "aud", "client_id"] } else { &[] };
    if required.iter().any(|name| object.get(*name).is_none_or(Value::is_null)) {
        return Err(unverified("iss, aud or client_id is missing"));
    }
    // Without iss, whoever has the client's key.
    object.entry("iss").or_insert_with(|| Value::from(client.id.as_str()));
    // An assertion that authenticates a client is signed with the same key (RFC 9101 §10.8).
    if object.get("sub").and_then(Value::as_str) == Some(client.id.as_str()) {
        return Err(unverified("sub is the client, as in a client assertion"));
    }
    let audience = [op.policy.issuer.as_str()];
    let mut expect = Expect::new(&TYPES, client.id.as_str(), now.millis());
    expect.audience = object.contains_key("aud").then_some(&audience[..]);
    expect.required = &[];
    let claims = claims::check(object, &expect).map_err(|why| unverified(why.reason()))?;
    Ok(claims.into_map())
}

/// The key that the header names, read before anything is verified: it only says where to look.
fn kid(object: &str) -> Option<String> {
    let header = object.get(..LONGEST.min(object.len()))?.split('.').next()?;
    let header = strict_json::object(&base64url_decode(header)?)?;
    header.get("kid")?.as_str().map(str::to_owned)
}

/// The members as parameters: texts as they are, everything else as its JSON; a list of texts where a parameter may be
/// repeated.
fn parameters(client: &Client, object: Map<String, Value>) -> Outcome<Params> {
    if CARRIERS.iter().any(|name| object.contains_key(*name)) {
        return Err(refused("A request object must not hold request or request_uri."));
    }
    if object.get("client_id").is_some_and(|id| id.as_str() != Some(client.id.as_str())) {
        return Err(refused("The client_id inside and outside must be the same."));
    }
    let mut pairs = Vec::new();
    for (name, value) in object {
        match value {
            _ if ABOUT_ITSELF.contains(&name.as_str()) => {}
            value if name == "resource" => pairs.extend(resources(value)?),
            value => pairs.push((name, text_of(value))),
        }
    }
    Params::of_pairs(pairs).map_err(|error| Rejection::invalid_request(error.description()))
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// `resource`: a text, or a list of texts. What it leaves out would widen the request, so nothing is skipped.
fn resources(value: Value) -> Outcome<Vec<(String, String)>> {
    let list = match value {
        Value::Array(list) if !list.is_empty() => list,
        one => vec![one],
    };
    let text = |value| match value {
        Value::String(text) => Ok(("resource".to_owned(), text)),
        _ => Err(refused("The resource of a request object is a text or a list of texts, not an empty one.")),
    };
    list.into_iter().map(text).collect()
}

fn refused(description: &'static str) -> Rejection {
    Rejection::new(ErrorCode::InvalidRequestObject, description)
}

/// The one answer to whatever is wrong with signature, type, issuer, audience or times.
fn unverified(reason: &'static str) -> Rejection {
    Rejection::hidden(
        ErrorCode::InvalidRequestObject,
        "The request object is not signed by a registered key of this client for this server, or has expired.",
        reason,
    )
}
