//! Proofs of possession (RFC 9449 §4.3, §7 and §9).

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use reqwest::Url;
use serde_json::{Map, Value};

use crate::jose::jws::{Proof, verify_proof};
use crate::jose::{base64url, thumbprint::thumbprint};

/// How far `iat` of a proof may lie from our time, either way, in milliseconds (RFC 9449 §11.1).
const WINDOW_MILLIS: f64 = 60_000.0;
/// For how long at least a proof is remembered: one made a minute ahead is good for two minutes.
const REMEMBERED: Duration = Duration::from_secs(125);
/// For how long a nonce is handed out; it is taken for twice as long.
const NONCE_SECONDS: i64 = 120;
/// The longest `jti`, in bytes.
const LONGEST_ID: usize = 255;

/// What a proof must be for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) token: &'a str,
    /// The thumbprint of the key that the token is bound to.
    pub(crate) key: &'a str,
}

/// The time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) unix_millis: i64,
    pub(crate) monotonic: Duration,
}

/// Why a proof is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Invalid(&'static str),
    /// It has not a nonce of ours; here is one.
    Nonce(String),
    /// More proofs than can be remembered: this one could not be told from its replay.
    Full,
}

/// Checks proofs, and remembers them.
pub(crate) struct Proofs {
    seen: Mutex<Seen>,
    nonces: Option<hmac::Key>,
}

impl Proofs {
    pub(crate) fn new(most: usize, nonce_key: Option<&[u8; 32]>) -> Self {
        Self {
            seen: Mutex::new(Seen::new(most)),
            nonces: nonce_key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)),
        }
    }

    /// Checks the one proof among `lines`, in the order of RFC 9449 §4.3.
    pub(crate) fn check(&self, lines: &[&str], subject: &Subject<'_>, now: Now) -> Result<(), Fault> {
        let [line] = lines else {
            return Err(Fault::Invalid("there is not exactly one DPoP header"));
        };
        let proof = verify_proof(line, "dpop+jwt").map_err(|rejected| Fault::Invalid(rejected.reason()))?;
        if thumbprint(&proof.jwk).as_deref() != Some(subject.key) {
            return Err(Fault::Invalid("the proof is of another key than the token"));
        }
        let id = check_claims(&proof.claims, subject, now.unix_millis)?;
        self.check_nonce(&proof, now.unix_millis)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remember(mark(subject.key, id), now.monotonic)
    }

    /// The nonce that proofs should contain now, where they have to contain one.
    pub(crate) fn nonce(&self, unix_millis: i64) -> Option<String> {
        self.nonces.as_ref().map(|key| nonce(key, step(unix_millis)))
    }

    fn check_nonce(&self, proof: &Proof, unix_millis: i64) -> Result<(), Fault> {
        let Some(key) = &self.nonces else { return Ok(()) };
        let step = step(unix_millis);
        let given = proof.claims.get("nonce").and_then(Value::as_str).unwrap_or_default();
        let is = |step: i64| {
            bool::from(subtle::ConstantTimeEq::ct_eq(nonce(key, step).as_bytes(), given.as_bytes()))
        };
        if is(step) || is(step.saturating_sub(1)) { Ok(()) } else { Err(Fault::Nonce(nonce(key, step))) }
    }
}

/// All claims but the nonce; returns `jti`.
fn check_claims<'a>(
    claims: &'a Map<String, Value>,
    subject: &Subject<'_>,
    now_millis: i64,
) -> Result<&'a str, Fault> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let id = text("jti").filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
    let id = id.ok_or(Fault::Invalid("jti of the proof is missing, empty or too long"))?;
    if subject.method.is_empty() {
        return Err(Fault::Invalid("the method of this request is not known"));
    }
    if text("htm") != Some(subject.method) {
        return Err(Fault::Invalid("htm of the proof is another method"));
    }
    let target = normal(subject.uri).ok_or(Fault::Invalid("the address of this resource is not known"))?;
    if text("htu").and_then(normal) != Some(target) {
        return Err(Fault::Invalid("htu of the proof is another address"));
    }
    let made = claims.get("iat").and_then(Value::as_f64).map(|seconds| seconds * 1000.0);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit into 53 bits")]
    let now = now_millis as f64;
    if !made.is_some_and(|made| (made - now).abs() <= WINDOW_MILLIS) {
        return Err(Fault::Invalid("iat of the proof is not within a minute"));
    }
    let hash = base64url::encode(digest(&SHA256, subject.token.as_bytes()).as_ref());
    if text("ath") != Some(hash.as_str()) {
        return Err(Fault::Invalid("ath of the proof is of another token"));
    }
    Ok(id)
}

/// An address to compare: without query and fragment, scheme, host, port and path normalised (RFC 3986 §6.2.2 and
/// §6.2.3, as RFC 9449 §4.3 asks for).
fn normal(address: &str) -> Option<String> {
    let mut url = Url::parse(address).ok()?;
    if !matches!(url.scheme(), "https" | "http") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = normal_escapes(url.path())?;
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{}://{}{port}{path}", url.scheme(), url.host_str()?))
}

/// RFC 3986 §6.2.2: escapes in upper case, and none for what needs none. `None` for an escape that is none.
fn normal_escapes(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut normal = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            normal.push_str(&format!("%{byte:02X}"));
        }
        normal.push_str(rest);
    }
    Some(normal)
}

type Mark = [u8; 16];

/// A proof by its key and its name: others may name theirs alike.
fn mark(key: &str, id: &str) -> Mark {
    let hash = digest(&SHA256, format!("{key}.{id}").as_bytes());
    let mut mark = [0; 16];
    mark.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
    mark
}

/// The proofs of the last minutes, in two sets of which the older is dropped as a whole.
struct Seen {
    most: usize,
    since: Duration,
    newer: HashSet<Mark>,
    older: HashSet<Mark>,
}

impl Seen {
    fn new(most: usize) -> Self {
        Self { most, since: Duration::ZERO, newer: HashSet::new(), older: HashSet::new() }
    }

    fn remember(&mut self, mark: Mark, now: Duration) -> Result<(), Fault> {
        let age = now.saturating_sub(self.since);
        if age >= REMEMBERED {
            let newer = std::mem::take(&mut self.newer);
            self.older = if age < REMEMBERED.saturating_mul(2) { newer } else { HashSet::new() };
            self.since = now;
        }
        if self.newer.contains(&mark) || self.older.contains(&mark) {
            return Err(Fault::Invalid("the proof has been used before"));
        }
        if self.newer.len().saturating_add(self.older.len()) >= self.most {
            return Err(Fault::Full);
        }
        self.newer.insert(mark);
        Ok(())
    }
}

const fn step(unix_millis: i64) -> i64 {
    unix_millis.div_euclid(1000 * NONCE_SECONDS)
}

fn nonce(key: &hmac::Key, step: i64) -> String {
    let tag = hmac::sign(key, &step.to_be_bytes());
    base64url::encode(tag.as_ref().get(..16).unwrap_or_default())
}

#[cfg(test)]
#[path = "dpop_tests.rs"]
mod tests;
