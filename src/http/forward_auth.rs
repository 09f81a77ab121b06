//! `/forward-auth`: what reverse proxies say of the request that they ask about, and what they are told.
//!
//! nginx (`auth_request`) names the original URL in `X-Original-URL`; Traefik (`forwardAuth`) and Caddy (`forward_auth`)
//! name its parts in `X-Forwarded-Proto`, `-Host` and `-Uri`; Envoy (`ext_authz`) appends its path to ours and keeps its
//! `Host`. All are believed from trusted proxies only, and not where they contradict each other.

use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::app::App;
use super::body::QUERY_LIMIT;
use super::cookie;
use super::error::{self, Challenge, no_store};
use super::request::{is_from_trusted_proxy, trace_id};
use crate::flow::forward_auth::{self, Answer, Question, SignedIn};
use crate::flow::rejection::{Outcome, Rejection};
use crate::oauth::error::ErrorCode;
use crate::oauth::page::Page;
use crate::oauth::params::Params;
use crate::secret::ClientId;

/// Where a proxy that redirects by itself sends a navigation.
const START: HeaderName = HeaderName::from_static("x-signet-start");
/// Most characters of a name that is told.
const LONGEST_NAME: usize = 256;

/// Answers a proxy.
pub async fn ask(request: HttpRequest, app: Data<App>) -> HttpResponse {
    if !is_from_trusted_proxy(&request, &app) {
        return untrusted(&request);
    }
    match answer(&request, &app).await {
        Ok(response) => response,
        Err(rejection) => refused(&request, &app, &rejection),
    }
}

async fn answer(request: &HttpRequest, app: &App) -> Outcome<HttpResponse> {
    let (params, target) = asked(request)?;
    let client = ClientId(one(&params, "client_id")?.ok_or(Rejection::invalid_request(
        "The client_id is missing. Name the application in the proxy's configuration.",
    ))?);
    let redirects = flag(&params, "answer", "401")?.is_none();
    let question = Question {
        page: original(request, target)?,
        navigation: is_navigation(request, target.is_some())?,
        roles: one(&params, "role")?.iter().flat_map(|roles| roles.split(',')).map(str::to_owned).collect(),
        with_token: flag(&params, "token", "1")?.is_some(),
        client,
    };
    let cookies = cookie::web_session(request, app, &question.client);
    let op = &app.provider;
    Ok(match forward_auth::decide(op, &question, cookies, op.clock.now()).await? {
        Answer::SignedIn(user) => pass(&user),
        Answer::SignIn(Some(start)) if redirects => found(&start),
        Answer::SignIn(start) => sign_in(request, start.as_deref()),
    })
}

/// The proxy's parameters, and the original path where it follows them (Envoy): `/forward-auth?…`, or
/// `/forward-auth/…/original/path?query`.
fn asked(request: &HttpRequest) -> Outcome<(Params, Option<&str>)> {
    const KNOWN: [&str; 4] = ["client_id", "role", "token", "answer"];
    let whole = request.uri().path_and_query().map_or("", |target| target.as_str());
    let (params, target) = match whole.strip_prefix("/forward-auth/") {
        Some(rest) => match rest.find(['/', '?']) {
            Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end..)),
            None => (rest, Some("/")),
        },
        None => (request.query_string(), None),
    };
    if params.len() > QUERY_LIMIT {
        return Err(Rejection::invalid_request("The parameters are too long."));
    }
    let params =
        Params::parse(params.as_bytes()).map_err(|error| Rejection::invalid_request(error.description()))?;
    // A role that is misspelled in a proxy's configuration must not let everybody in.
    if params.names().any(|name| !KNOWN.contains(&name)) {
        return Err(Rejection::invalid_request(
            "A parameter is unknown. The proxy may send client_id, role, token and answer.",
        ));
    }
    Ok((params, target))
}

/// A parameter; one that is there has to have a value.
fn one(params: &Params, name: &str) -> Outcome<Option<String>> {
    let value = params.get(name);
    if value.is_none() && params.names().any(|known| known == name) {
        return Err(Rejection::invalid_request("A parameter has no value. Leave it out, or give it one."));
    }
    Ok(value.map(str::to_owned))
}

/// A parameter that has one value or is not there.
fn flag(params: &Params, name: &str, value: &str) -> Outcome<Option<()>> {
    match one(params, name)? {
        None => Ok(None),
        Some(given) if given == value => Ok(Some(())),
        Some(_) => Err(Rejection::invalid_request("The only values are token=1 and answer=401.")),
    }
}

/// What the browser asked the proxy for.
fn original(request: &HttpRequest, target: Option<&str>) -> Outcome<Page> {
    const CONTRADICTION: Rejection = Rejection::invalid_request(
        "The proxy's headers name two different original URLs. Clear those that browsers can send.",
    );
    const MISSING: Rejection = Rejection::invalid_request(
        "The proxy names no original URL. Send X-Original-URL, or X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-Uri.",
    );
    let headers = request.headers();
    let page = |text: String| Page::parse(&text).map_err(Rejection::invalid_request);
    let proto = said(headers, "x-forwarded-proto", true)?.map(|proto| match proto.as_str() {
        // Traefik's words for a WebSocket that is being opened.
        "ws" => "http".to_owned(),
        "wss" => "https".to_owned(),
        _ => proto,
    });
    let host = said(headers, "x-forwarded-host", true)?;
    let uri = said(headers, "x-forwarded-uri", false)?;
    if target.is_some() && uri.is_some() {
        return Err(CONTRADICTION);
    }
    let stated = said(headers, "x-original-url", false)?.map(page).transpose()?;
    // Of what nginx states, the parts may be told once more, but not differently.
    let (stated_proto, stated_host) =
        stated.as_ref().and_then(|page| page.origin().split_once("://")).unzip();
    let proto = proto.or_else(|| stated_proto.map(str::to_owned));
    let host = match (host, target) {
        (Some(host), _) => Some(host),
        (None, Some(_)) => said(headers, HOST.as_str(), false)?,
        (None, None) => stated_host.map(str::to_owned),
    };
    let Some(target) = target.map(str::to_owned).or(uri) else {
        let Some(stated) = stated else { return Err(MISSING) };
        let same = page(format!("{}://{}/", proto.unwrap_or_default(), host.unwrap_or_default()))?;
        return if same.origin() == stated.origin() { Ok(stated) } else { Err(CONTRADICTION) };
    };
    let (Some(proto), Some(host)) = (proto, host) else { return Err(MISSING) };
    if host.contains(['/', '?', '#', '\\', '@']) || !matches!(proto.as_str(), "http" | "https") {
        return Err(Rejection::invalid_request(
            "X-Forwarded-Proto and X-Forwarded-Host must be a scheme and a host.",
        ));
    }
    // `OPTIONS *` is about no page.
    let target = if target.starts_with(['/', '?']) { target } else { "/".to_owned() };
    let told = page(format!("{proto}://{host}{target}"))?;
    match stated {
        Some(stated) if stated != told => Err(CONTRADICTION),
        _ => Ok(told),
    }
}

/// Whether a person is waiting for a page: only then is there somebody to send to the sign-in, and only a GET can be sent
/// on without losing what it carried. `own`: the proxy passes the original method on as the request's own.
fn is_navigation(request: &HttpRequest, own: bool) -> Outcome<bool> {
    let headers = request.headers();
    let methods = [said(headers, "x-original-method", true)?, said(headers, "x-forwarded-method", true)?];
    let method = match methods {
        [Some(one), Some(other)] if one != other => {
            return Err(Rejection::invalid_request("The proxy's headers name two different methods."));
        }
        [Some(method), _] | [None, Some(method)] => method,
        [None, None] if own => request.method().as_str().to_owned(),
        [None, None] => "GET".to_owned(),
    };
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
    let is_absent = |name: &str| !headers.contains_key(name);
    let page = if is_absent("sec-fetch-mode") {
        let accepted = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok());
        accepted.flat_map(|value| value.split(',')).any(|one| one.trim().starts_with("text/html"))
    } else {
        // A frame cannot sign in: no page of the sign-in lets itself be framed.
        is("sec-fetch-mode", "navigate") && (is_absent("sec-fetch-dest") || is("sec-fetch-dest", "document"))
    };
    let ahead =
        is("sec-purpose", "prefetch") || is("purpose", "prefetch") || is("sec-purpose", "prefetch;prerender");
    Ok(method == "GET" && page && !ahead)
}

/// The one value of a header. A second line with another value is one that the proxy has not replaced; `list`: so is a
/// second element.
fn said(headers: &HeaderMap, name: &str, list: bool) -> Outcome<Option<String>> {
    let mut values =
        headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let Some(first) = values.next() else { return Ok(None) };
    let elements = |text: &str| -> Vec<String> {
        let parts = if list { text.split(',').collect() } else { vec![text] };
        parts.into_iter().map(|part| part.trim().to_owned()).collect()
    };
    let all: Vec<String> = std::iter::once(first).chain(values).flat_map(|text| elements(&text)).collect();
    let value = all.first().cloned().unwrap_or_default();
    if all.iter().any(|other| *other != value) {
        return Err(Rejection::invalid_request(
            "A header of the proxy has two values. It has to replace what the browser sent, not to add to it.",
        ));
    }
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// 200 with the identity. Each header is set, if need be empty, so that a proxy that copies them replaces those that came
/// from outside.
fn pass(user: &SignedIn) -> HttpResponse {
    let subject = &user.subject;
    let name = subject.claims.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
    let name: String = name.chars().take(LONGEST_NAME).collect();
    // The comma divides: a role that contains one would read as two.
    let roles: Vec<&str> =
        subject.roles.iter().map(String::as_str).filter(|role| !role.contains(',')).collect();
    let mut response = HttpResponse::Ok();
    no_store(&mut response);
    for (header, value) in [
        ("remote-user", subject.username.as_str()),
        ("remote-subject", &subject.sub()),
        ("remote-email", subject.email.as_deref().unwrap_or_default()),
        ("remote-name", &name),
        ("remote-groups", &roles.join(",")),
    ] {
        response.insert_header((HeaderName::from_static(header), clean(value)));
    }
    if let Some(token) = &user.token {
        response.insert_header((AUTHORIZATION, clean(&format!("Bearer {}", token.reveal()))));
    }
    response.finish()
}

/// A value without control characters, line breaks among them; other characters go as UTF-8.
fn clean(text: &str) -> HeaderValue {
    let visible: String = text.chars().filter(|character| !character.is_control()).collect();
    HeaderValue::from_bytes(visible.trim().as_bytes()).unwrap_or(HeaderValue::from_static(""))
}

/// 302: the proxy passes it on to the browser.
fn found(start: &str) -> HttpResponse {
    let mut response = HttpResponse::Found();
    no_store(&mut response);
    response.insert_header((LOCATION, clean(start))).finish()
}

/// 401; for a proxy that redirects by itself, where to.
fn sign_in(request: &HttpRequest, start: Option<&str>) -> HttpResponse {
    let mut response = HttpResponse::Unauthorized();
    no_store(&mut response);
    if let Some(start) = start {
        response.insert_header((START, clean(start)));
    }
    response.json(json!({
        "error": ErrorCode::LoginRequired.as_str(),
        "error_description": "Nobody is signed in. Open the application's page in the browser.",
        "trace_id": trace_id(request),
    }))
}

/// A refusal is 403 where it is about rights; nothing here is a redirect or lets anybody in.
fn refused(request: &HttpRequest, app: &App, rejection: &Rejection) -> HttpResponse {
    let mut response = error::json(request, app, rejection, Challenge::None);
    if rejection.code == ErrorCode::AccessDenied {
        response.head_mut().status = StatusCode::FORBIDDEN;
    }
    response
}

/// Whoever may ask decides which page is asked for, and learns whose cookie it is.
fn untrusted(request: &HttpRequest) -> HttpResponse {
    let peer = request.peer_addr().map(|address| IpAddr::to_string(&address.ip()));
    tracing::warn!(
        peer,
        trace_id = trace_id(request),
        "forward-auth was asked by a peer that is not in http.trusted_proxies"
    );
    let mut response = HttpResponse::Forbidden();
    no_store(&mut response);
    response.json(json!({
        "error": ErrorCode::AccessDenied.as_str(),
        "error_description":
            "Only reverse proxies may ask here: list the address of this one in http.trusted_proxies.",
        "trace_id": trace_id(request),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_ends_a_header_is_told() {
        assert_eq!(clean("a\r\nSet-Cookie: b=c\u{0}\u{7f}\u{85}"), "aSet-Cookie: b=c");
        assert_eq!(clean(" Zoë Ångström 中 ").as_bytes(), "Zoë Ångström 中".as_bytes());
        assert_eq!(clean(""), "");
    }

    #[test]
    fn a_second_value_is_refused_unless_it_is_the_same() {
        let headers = |values: &[&str]| {
            let mut map = HeaderMap::new();
            for value in values {
                map.append(HeaderName::from_static("x-forwarded-host"), value.parse().unwrap());
            }
            map
        };
        for (values, expected) in [
            (&[][..], Some(None)),
            (&[""], Some(None)),
            (&["a"], Some(Some("a"))),
            (&["a", "a"], Some(Some("a"))),
            (&["a, a"], Some(Some("a"))),
            (&["a, b"], None),
            (&["a", "b"], None),
            (&["", "b"], None),
        ] {
            let found = said(&headers(values), "x-forwarded-host", true).ok();
            assert_eq!(found.as_ref().map(Option::as_deref), expected, "{values:?}");
        }
    }
}
