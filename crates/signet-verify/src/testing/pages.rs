//! What the issuer answers.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::server::{Request, write};
use super::{CLIENT_ID, CLIENT_SECRET, Shared, State};
use crate::jose::{base64url, strict_json};

/// The time between two heartbeats, and for which a request for the next batch is held.
const HEARTBEAT: Duration = Duration::from_secs(1);
const BATCHES: &str = "/revocation/batches/";

pub(super) fn answer(connection: &TcpStream, shared: &Shared, request: &Request) -> io::Result<()> {
    if request.path.contains("/revocation") && shared.state().cut() {
        return write(connection, 503, &[], b"");
    }
    match request.path.as_str() {
        "/.well-known/openid-configuration" => json_page(connection, &metadata(&shared.issuer)),
        "/jwks.json" => {
            let jwks = shared.state().jwks();
            json_page(connection, &jwks)
        }
        "/introspect" => introspect(connection, shared, request),
        "/.well-known/revocation-configuration" if shared.state().chain.is_some() => {
            let configuration = configuration(shared);
            json_page(connection, &configuration)
        }
        "/revocation/snapshot" => match snapshot(shared) {
            Some(snapshot) => message(connection, "revocation-snapshot+jwt", &snapshot),
            None => not_found(connection),
        },
        "/revocation/stream" => stream(connection, shared, request),
        path => match path.strip_prefix(BATCHES).and_then(|n| n.parse().ok()) {
            Some(n) => batch(connection, shared, n),
            None => not_found(connection),
        },
    }
}

fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks.json"),
        "introspection_endpoint": format!("{issuer}/introspect"),
    })
}

/// `docs/revocation-feed.md` §4.
fn configuration(shared: &Shared) -> Value {
    let issuer = &shared.issuer;
    json!({
        "issuer": issuer,
        "revocation_feed_version": 1,
        "snapshot_endpoint": format!("{issuer}/revocation/snapshot"),
        "batch_endpoint": format!("{issuer}{BATCHES}{{n}}"),
        "stream_endpoint": format!("{issuer}/revocation/stream"),
        "jwks": { "keys": shared.state().chain.iter().map(|chain| chain.signer.jwk()).collect::<Vec<_>>() },
        "access_token_max_seconds": 900,
        "heartbeat_seconds": 1,
        "kinds": ["iss", "kid", "client", "sub", "sid", "fam", "jti"],
    })
}

/// RFC 7662.
fn introspect(connection: &TcpStream, shared: &Shared, request: &Request) -> io::Result<()> {
    let encoded = |text: &str| text.replace('&', "%26").replace(' ', "+");
    let own = STANDARD.encode(format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET)));
    if request.authorization != Some(format!("Basic {own}")) {
        return write(connection, 401, &[], b"");
    }
    // What is asked about here needs no escapes in a form.
    let token = request.body.split('&').find_map(|pair| pair.strip_prefix("token=")).unwrap_or_default();
    let answer = standing(&shared.state(), token).map_or_else(
        || json!({ "active": false }),
        |mut claims| {
            claims.insert("active".to_owned(), Value::Bool(true));
            Value::Object(claims)
        },
    );
    json_page(connection, &answer)
}

fn standing(state: &State, token: &str) -> Option<Map<String, Value>> {
    if state.inactive.contains(token) {
        return None;
    }
    let of_jwt = || strict_json::object(&base64url::decode(token.split('.').nth(1)?)?);
    state.opaque.get(token).cloned().or_else(of_jwt)
}

fn snapshot(shared: &Shared) -> Option<String> {
    let now = shared.clock.unix_millis();
    shared.state().chain.as_ref().map(|chain| chain.snapshot(now))
}

fn batch(connection: &TcpStream, shared: &Shared, n: i64) -> io::Result<()> {
    let newest = |state: &State| state.chain.as_ref().map_or(-1, super::chain::Chain::n);
    let held = newest(&shared.state()).saturating_add(1) == n;
    let state =
        if held { shared.wait(HEARTBEAT, |state| newest(state) >= n || state.cut()) } else { shared.state() };
    let now = shared.clock.unix_millis();
    let kept = usize::try_from(n.saturating_sub(1)).ok();
    let found = state.chain.as_ref().and_then(|chain| kept.and_then(|at| chain.batches.get(at)).cloned());
    let beat = state.chain.as_ref().filter(|_| held).map(|chain| chain.heartbeat(now));
    drop(state);
    match (found, beat) {
        (Some(batch), _) => message(connection, "revocation-batch+jwt", &batch),
        (None, Some(beat)) => message(connection, "revocation-heartbeat+jwt", &beat),
        (None, None) => not_found(connection),
    }
}

fn stream(mut connection: &TcpStream, shared: &Shared, request: &Request) -> io::Result<()> {
    let head = "HTTP/1.1 200 x\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n";
    connection.write_all(head.as_bytes())?;
    let mut next = match request.query.strip_prefix("from=").and_then(|n| n.parse::<usize>().ok()) {
        Some(from) => from,
        None => {
            let Some(snapshot) = snapshot(shared) else { return Ok(()) };
            let n = shared.state().chain.as_ref().map_or(0, |chain| chain.batches.len());
            event(connection, "snapshot", n, &snapshot)?;
            n
        }
    };
    loop {
        let state = shared.wait(HEARTBEAT, |state| {
            state.cut() || state.chain.as_ref().is_none_or(|chain| chain.batches.len() > next)
        });
        let (true, Some(chain)) = (!state.cut(), &state.chain) else { return Ok(()) };
        let fresh: Vec<String> = chain.batches.iter().skip(next).cloned().collect();
        let beat = chain.heartbeat(shared.clock.unix_millis());
        drop(state);
        for batch in fresh {
            next = next.saturating_add(1);
            event(connection, "batch", next, &batch)?;
        }
        event(connection, "heartbeat", next, &beat)?;
    }
}

fn event(mut connection: &TcpStream, name: &str, n: usize, data: &str) -> io::Result<()> {
    connection.write_all(format!("event: {name}\nid: {n}\ndata: {data}\n\n").as_bytes())
}

fn message(connection: &TcpStream, kind: &str, compact: &str) -> io::Result<()> {
    write(connection, 200, &[("Content-Type", &format!("application/{kind}"))], compact.as_bytes())
}

fn json_page(connection: &TcpStream, page: &Value) -> io::Result<()> {
    write(connection, 200, &[("Content-Type", "application/json")], page.to_string().as_bytes())
}

fn not_found(connection: &TcpStream) -> io::Result<()> {
    write(connection, 404, &[], b"")
}
