//! Request objects: authorization requests that the client has signed, by value or by reference (RFC 9101, OpenID
//! Connect Core §6).
//!
//! What `request_uri` leads to is not kept: a client asks with one about as often as a person signs in, an older copy
//! would be an older request, and the fetcher bounds how often others can make this server ask.

use std::borrow::Cow;

use serde_json::{Map, Value};
use signet_verify::jose::claims::{self, Expect};
use signet_verify::jose::jws::{self, NO_TYP, Terms};
use signet_verify::jose::strict_json;

use crate::clock::Timestamp;
use crate::digest::{base64url, base64url_decode, sha256};
use crate::flow::Provider;
use crate::flow::rejection::{Outcome, Rejection};
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

/// The parameters that count: as sent, or with those of the request object, which win. The plain ones beside an object
/// count where the client may leave some outside (OpenID Connect Core §6.1).
///
/// # Errors
/// `invalid_request_object`, `invalid_request_uri`, `invalid_request`.
pub(super) async fn effective<'p>(
    op: &Provider,
    client: &Client,
    params: &'p Params,
    now: Timestamp,
) -> Outcome<Cow<'p, Params>> {
    let object = match (params.get("request"), params.get("request_uri")) {
        (None, None) if client.metadata.require_signed_request_object => {
            return Err(Rejection::invalid_request(
                "This client's requests have to be signed. Send a request object.",
            ));
        }
        (None, None) => return Ok(Cow::Borrowed(params)),
        (Some(_), Some(_)) => {
            return Err(Rejection::invalid_request("Send either request or request_uri, not both."));
        }
        (Some(object), None) => Cow::Borrowed(object),
        (None, Some(uri)) => Cow::Owned(fetched(op, client, uri).await?),
    };
    let signed = parameters(client, verified(op, client, &object, now).await?)?;
    for name in ["client_id", "response_type"] {
        if let (Some(inside), Some(outside)) = (signed.get(name), params.get(name))
            && inside != outside
        {
            return Err(refused("The client_id and response_type inside and outside must be the same."));
        }
    }
    let outside = if counts_alone(client) {
        Params::of_pairs([("client_id".to_owned(), client.id.0.clone())])
    } else {
        Ok(CARRIERS.iter().fold(params.clone(), |outside, name| outside.without(name)))
    };
    let merged = outside.and_then(|outside| signed.over(&outside));
    merged.map(Cow::Owned).map_err(|error| Rejection::invalid_request(error.description()))
}

/// Whether nothing but the signed parameters counts (RFC 9101 §6.3).
pub(super) fn counts_alone(client: &Client) -> bool {
    client.metadata.profile.strict_request_objects() || client.metadata.require_signed_request_object
}

/// The object at a registered `request_uri`.
async fn fetched(op: &Provider, client: &Client, uri: &str) -> Outcome<String> {
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
    let (document, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    let fetched = op.fetch.get(document, ACCEPT).await.map_err(|error| Rejection {
        reason: crate::flow::rejection::Reason::HiddenDetail(format!("{error:?}")),
        ..refused("not fetched")
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
    client: &Client,
    object: &str,
    now: Timestamp,
) -> Outcome<Map<String, Value>> {
    let strict = client.metadata.profile.strict_request_objects();
    let keys = op.client_keys.of(op, client, kid(object).as_deref(), now).await.map_err(unverified)?;
    let terms = Terms { longest: LONGEST, typ: &TYPES, now_millis: now.millis() };
    let opened = jws::open(object, keys.as_ref(), &terms).map_err(|why| unverified(why.reason()))?;
    let algorithm = opened.header.get("alg").and_then(Value::as_str);
    if client.metadata.request_object_signing_alg.as_deref().is_some_and(|name| algorithm != Some(name)) {
        return Err(unverified("alg is not the registered one"));
    }
    let mut object =
        strict_json::object(&opened.payload).ok_or(unverified("the payload is no JSON object"))?;
    let required: &[&str] = if strict { &["iss", "aud", "client_id"] } else { &[] };
    if required.iter().any(|name| !object.contains_key(*name)) {
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

/// The members as parameters: texts as they are, everything else as its JSON; a list of texts is a parameter that may
/// be repeated.
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
            Value::String(text) => pairs.push((name, text)),
            Value::Array(list) if name == "resource" => {
                let texts = list.into_iter().filter_map(|one| one.as_str().map(str::to_owned));
                pairs.extend(texts.map(|text| (name.clone(), text)));
            }
            other => pairs.push((name, other.to_string())),
        }
    }
    Params::of_pairs(pairs).map_err(|error| Rejection::invalid_request(error.description()))
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
