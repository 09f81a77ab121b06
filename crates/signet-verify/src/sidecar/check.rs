//! The answer to a proxy: pass the request on, or do not.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{Sidecar, identity, need};
use crate::challenge::Refusal;
use crate::need::{Need, RequestParts};
use crate::protect::{at, path_of, presented};

/// How requests were answered, by status.
#[derive(Debug, Default)]
pub(super) struct Answers {
    passed: AtomicU64,
    malformed: AtomicU64,
    unauthorized: AtomicU64,
    forbidden: AtomicU64,
    unavailable: AtomicU64,
    misconfigured: AtomicU64,
}

impl Answers {
    /// Each outcome's name and how often it came.
    pub(super) fn counts(&self) -> [(&'static str, u64); 6] {
        [
            ("passed", &self.passed),
            ("malformed", &self.malformed),
            ("unauthorized", &self.unauthorized),
            ("forbidden", &self.forbidden),
            ("unavailable", &self.unavailable),
            ("misconfigured", &self.misconfigured),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }

    fn count(&self, status: u16) {
        let counter = match status {
            200 => &self.passed,
            400 => &self.malformed,
            401 => &self.unauthorized,
            403 => &self.forbidden,
            503 => &self.unavailable,
            _ => &self.misconfigured,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Which proxy asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proxy {
    Nginx,
    Envoy,
}

/// `auth_request`: the need is in this request's query, and of the client's request the proxy tells in headers.
pub(super) async fn nginx(request: HttpRequest, sidecar: Data<Sidecar>) -> HttpResponse {
    let need = match need::parse(request.query_string()) {
        Ok(need) => need,
        Err(why) => return misconfigured(&sidecar, &why),
    };
    // The subrequest is always a GET, so its own method tells nothing.
    let method = said(request.headers(), "x-original-method").unwrap_or_default();
    let target = match ["x-original-url", "x-original-uri"].map(|name| said(request.headers(), name)) {
        [Some(target), None] | [None, Some(target)] => target,
        // The proxy sets one of them. Of two, one is what the client sent, and nobody can tell which.
        _ => "",
    };
    let uri = match &sidecar.public_url {
        Some(base) if !target.is_empty() => at(base, path_of(target)),
        // Without a target there is nothing that a proof could be compared with.
        _ => target.to_owned(),
    };
    judge(Proxy::Nginx, &request, &sidecar, (method, &uri, &need)).await
}

/// `ext_authz`: the client's method and path come as they were, behind the prefix `/envoy/NEED`.
pub(super) async fn envoy(request: HttpRequest, sidecar: Data<Sidecar>) -> HttpResponse {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let behind = target.strip_prefix("/envoy/").unwrap_or_default();
    let cut = behind.find(['/', '?']).unwrap_or(behind.len());
    let (wanted, rest) = behind.split_at_checked(cut).unwrap_or_default();
    let need = match wanted {
        "" => Err("the need is missing; `-` asks for none".into()),
        "-" => Ok(Need::any()),
        wanted => need::parse(wanted),
    };
    let need = match need {
        Ok(need) => need,
        Err(why) => return misconfigured(&sidecar, &why),
    };
    // Envoy forwards the client's Host, which is no proof of an address.
    let uri = format!("{}{rest}", sidecar.public_url.as_deref().unwrap_or_default());
    judge(Proxy::Envoy, &request, &sidecar, (request.method().as_str(), &uri, &need)).await
}

async fn judge(
    proxy: Proxy,
    request: &HttpRequest,
    sidecar: &Sidecar,
    (method, uri, need): (&str, &str, &Need),
) -> HttpResponse {
    let (authorization, dpop) =
        (presented(request.headers(), "authorization"), presented(request.headers(), "dpop"));
    let authorization: Vec<&str> = authorization.iter().map(AsRef::as_ref).collect();
    let dpop: Vec<&str> = dpop.iter().map(AsRef::as_ref).collect();
    let parts = RequestParts { method, uri, authorization: &authorization, dpop: &dpop };
    match sidecar.verifier.authorize(&parts, need).await {
        Ok(token) => {
            sidecar.answers.count(200);
            let mut response = HttpResponse::Ok();
            response.insert_header(("cache-control", "no-store"));
            for line in identity::lines(&token, sidecar.claims_header) {
                response.insert_header(line);
            }
            response.finish()
        }
        Err(refusal) => {
            sidecar.answers.count(refusal.status);
            refused(proxy, &refusal)
        }
    }
}

fn refused(proxy: Proxy, refusal: &Refusal) -> HttpResponse {
    let status = match refusal.status {
        // nginx makes 500 of it. The challenge still says `invalid_request`.
        400 if proxy == Proxy::Nginx => StatusCode::UNAUTHORIZED,
        status => StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
    };
    let mut response = HttpResponse::build(status);
    for line in refusal.headers() {
        response.insert_header(line);
    }
    response.json(&refusal.body)
}

/// Every proxy takes 500 for a fault and lets nobody in.
fn misconfigured(sidecar: &Sidecar, why: &str) -> HttpResponse {
    sidecar.answers.count(500);
    tracing::error!(why, "the proxy's configuration asks for something that is not understood");
    HttpResponse::InternalServerError()
        .insert_header(("cache-control", "no-store"))
        .json(serde_json::json!({ "error": "server_error", "error_description": why }))
}

/// A line that the proxy sets once.
fn said<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut lines = headers.get_all(name);
    let line = lines.next()?.to_str().ok()?;
    lines.next().is_none().then_some(line)
}
