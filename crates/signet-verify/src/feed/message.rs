//! Batch, snapshot and heartbeat, and their signatures: `docs/revocation-feed.md` §2.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest as hash};
use aws_lc_rs::signature::{ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;

use super::entry::Entry;
use super::json::{Body, Header};

/// The `typ` of a batch.
pub const TYP_BATCH: &str = "revocation-batch+jwt";
/// The `typ` of a snapshot.
pub const TYP_SNAPSHOT: &str = "revocation-snapshot+jwt";
/// The `typ` of a heartbeat.
pub const TYP_HEARTBEAT: &str = "revocation-heartbeat+jwt";

/// The digest of batch 0, which does not exist: SHA-256 of the empty string.
pub const GENESIS: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

/// The longest compact serialisation of a batch, in bytes.
pub const LONGEST_BATCH: usize = 4 << 20;
/// The longest compact serialisation of a heartbeat, in bytes.
pub const LONGEST_HEARTBEAT: usize = 8 << 10;
/// The longest compact serialisation of a snapshot, in bytes, unless told otherwise.
pub const LONGEST_SNAPSHOT: usize = 256 << 20;
/// How many entries a batch can hold.
pub const MOST_IN_BATCH: usize = 10_000;

const LONGEST_HEADER: usize = 1 << 10;
const LONGEST_KID: usize = 255;
const LONGEST_KEY_SET: usize = 64 << 10;
const MOST_KEYS: usize = 16;
/// 64 bytes in unpadded base64url.
const SIGNATURE_LENGTH: usize = 86;
/// 32 bytes in unpadded base64url.
const DIGEST_LENGTH: usize = 43;

/// What batch `n` adds to the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// The issuer that states it.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// Its number, from 1 on.
    pub n: i64,
    /// When it was stated, in Unix milliseconds.
    pub at: i64,
    /// The digest of batch n−1.
    pub prev: String,
    /// One to [`MOST_IN_BATCH`].
    pub entries: Vec<Entry>,
}

/// All that lives after batch `n`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The issuer that states it.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// The number of the newest batch, 0 before the first.
    pub n: i64,
    /// When it was stated, in Unix milliseconds.
    pub at: i64,
    /// The digest of batch n.
    pub head: String,
    /// All that live, by kind and id.
    pub entries: Vec<Entry>,
}

/// Says that all that was committed before `at` is in the batches up to `n`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    /// The issuer that states it.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// The number of the newest batch, 0 before the first.
    pub n: i64,
    /// When it was stated, in Unix milliseconds.
    pub at: i64,
    /// The digest of batch n.
    pub head: String,
}

/// A message of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// What was added.
    Batch(Batch),
    /// All that lives.
    Snapshot(Snapshot),
    /// That nothing else was added.
    Heartbeat(Heartbeat),
}

impl Message {
    /// The `typ` of its header.
    pub const fn typ(&self) -> &'static str {
        match self {
            Self::Batch(_) => TYP_BATCH,
            Self::Snapshot(_) => TYP_SNAPSHOT,
            Self::Heartbeat(_) => TYP_HEARTBEAT,
        }
    }

    /// The number of the newest batch it speaks of.
    pub const fn n(&self) -> i64 {
        match self {
            Self::Batch(batch) => batch.n,
            Self::Snapshot(snapshot) => snapshot.n,
            Self::Heartbeat(heartbeat) => heartbeat.n,
        }
    }

    /// When it was stated, in Unix milliseconds.
    pub const fn at(&self) -> i64 {
        match self {
            Self::Batch(batch) => batch.at,
            Self::Snapshot(snapshot) => snapshot.at,
            Self::Heartbeat(heartbeat) => heartbeat.at,
        }
    }

    /// The entries it names; none in a heartbeat.
    pub fn entries(&self) -> &[Entry] {
        match self {
            Self::Batch(batch) => &batch.entries,
            Self::Snapshot(snapshot) => &snapshot.entries,
            Self::Heartbeat(_) => &[],
        }
    }

    /// The payload in the members' order of the specification, for who signs it.
    ///
    /// # Errors
    ///
    /// Only when memory cannot be had, as serde_json would say it.
    pub fn payload(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Self::Batch(batch) => serde_json::to_vec(batch),
            Self::Snapshot(snapshot) => serde_json::to_vec(snapshot),
            Self::Heartbeat(heartbeat) => serde_json::to_vec(heartbeat),
        }
    }
}

/// The digest of a compact serialisation: unpadded base64url of its SHA-256.
pub fn digest(compact: &str) -> String {
    URL_SAFE_NO_PAD.encode(hash(&SHA256, compact.as_bytes()))
}

/// Why a message is refused. [`Refused::word`] is the word of the test vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Longer than its type may be.
    Length,
    /// Not three parts of unpadded base64url, or a payload that is not of its type.
    Form,
    /// A header that is not an object of exactly the strings `alg`, `kid` and `typ`.
    Header,
    /// Another algorithm than EdDSA.
    Alg,
    /// A `typ` that is none of the three.
    Typ,
    /// A key that the issuer's configuration does not name; it may have changed since it was read.
    Kid,
    /// The signature is not the key's over this message.
    Signature,
    /// Signed by the key, but for another issuer.
    Issuer,
}

impl Refused {
    /// One word: length, form, header, alg, typ, kid, signature or issuer.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Form => "form",
            Self::Header => "header",
            Self::Alg => "alg",
            Self::Typ => "typ",
            Self::Kid => "kid",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a feed message was refused: {}", self.word())
    }
}

impl std::error::Error for Refused {}

/// The keys that an issuer signs its feed with, and nothing else. Parsed once.
pub struct FeedKeys {
    keys: Vec<(String, ParsedPublicKey)>,
    longest_snapshot: usize,
}

/// A key set that cannot be the one of a feed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadKeys(&'static str);

impl fmt::Display for BadKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadKeys {}

impl FeedKeys {
    /// Reads a JSON Web Key Set (RFC 7517 §5) of Ed25519 keys (RFC 8037 §2). Keys of other kinds are passed over,
    /// as §5 there asks.
    ///
    /// # Errors
    ///
    /// [`BadKeys`] for what is no key set, for no usable key at all, and for two keys of one `kid`.
    pub fn from_jwks(document: &[u8]) -> Result<Self, BadKeys> {
        if document.len() > LONGEST_KEY_SET {
            return Err(BadKeys("the key set is too long"));
        }
        let document = serde_json::from_slice(document).map_err(|_| BadKeys("the key set is not JSON"))?;
        Self::from_value(&document)
    }

    /// The same from a document that has been read: the member `jwks` of a configuration.
    ///
    /// # Errors
    ///
    /// As [`FeedKeys::from_jwks`].
    pub fn from_value(document: &Value) -> Result<Self, BadKeys> {
        let listed = document.get("keys").and_then(Value::as_array).ok_or(BadKeys("no member keys"))?;
        if listed.len() > MOST_KEYS {
            return Err(BadKeys("too many keys"));
        }
        let mut keys: Vec<(String, ParsedPublicKey)> = Vec::new();
        for (kid, key) in listed.iter().filter_map(feed_key) {
            if keys.iter().any(|(other, _)| *other == kid) {
                return Err(BadKeys("two keys of one kid"));
            }
            keys.push((kid, key));
        }
        if keys.is_empty() {
            return Err(BadKeys("no Ed25519 key"));
        }
        Ok(Self { keys, longest_snapshot: LONGEST_SNAPSHOT })
    }

    /// Refuses snapshots longer than `bytes`, as compact serialisation.
    #[must_use]
    pub const fn with_longest_snapshot(mut self, bytes: usize) -> Self {
        self.longest_snapshot = bytes;
        self
    }

    /// Reads a message once its signature has been verified.
    ///
    /// # Errors
    ///
    /// [`Refused`] for everything that `docs/revocation-feed.md` §2 does not allow.
    pub fn open(&self, compact: &str, issuer: &str) -> Result<Message, Refused> {
        if compact.len() > self.longest_snapshot.max(LONGEST_BATCH) {
            return Err(Refused::Length);
        }
        let (signed, signature) = compact.rsplit_once('.').ok_or(Refused::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(Refused::Form)?;
        if payload.contains('.') || header.len() > LONGEST_HEADER || signature.len() != SIGNATURE_LENGTH {
            return Err(Refused::Form);
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| Refused::Form)?;
        let header = Header::read(&header).ok_or(Refused::Header)?;
        if header.alg != "EdDSA" {
            return Err(Refused::Alg);
        }
        let form = Form::of(&header.typ).ok_or(Refused::Typ)?;
        if compact.len() > form.longest(self.longest_snapshot) {
            return Err(Refused::Length);
        }
        let (_, key) = self.keys.iter().find(|(kid, _)| *kid == header.kid).ok_or(Refused::Kid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refused::Form)?;
        key.verify_sig(signed.as_bytes(), &signature).map_err(|_| Refused::Signature)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| Refused::Form)?;
        let message = Body::read(&payload).and_then(|body| form.message(body)).ok_or(Refused::Form)?;
        if issuer_of(&message) == issuer { Ok(message) } else { Err(Refused::Issuer) }
    }
}

impl fmt::Debug for FeedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(kid, _)| kid)).finish()
    }
}

fn issuer_of(message: &Message) -> &str {
    match message {
        Message::Batch(batch) => &batch.issuer,
        Message::Snapshot(snapshot) => &snapshot.issuer,
        Message::Heartbeat(heartbeat) => &heartbeat.issuer,
    }
}

/// The three types of message.
#[derive(Clone, Copy)]
enum Form {
    Batch,
    Snapshot,
    Heartbeat,
}

impl Form {
    fn of(typ: &str) -> Option<Self> {
        match typ {
            TYP_BATCH => Some(Self::Batch),
            TYP_SNAPSHOT => Some(Self::Snapshot),
            TYP_HEARTBEAT => Some(Self::Heartbeat),
            _ => None,
        }
    }

    const fn longest(self, snapshot: usize) -> usize {
        match self {
            Self::Batch => LONGEST_BATCH,
            Self::Snapshot => snapshot,
            Self::Heartbeat => LONGEST_HEARTBEAT,
        }
    }

    fn message(self, body: Body) -> Option<Message> {
        let (issuer, n, at) = (body.iss?, body.n?, body.at?);
        match self {
            Self::Batch => {
                let (prev, entries) = (body.prev.filter(|text| is_digest(text))?, body.entries?);
                let counts = n >= 1 && (1..=MOST_IN_BATCH).contains(&entries.len());
                counts.then_some(Message::Batch(Batch { issuer, n, at, prev, entries }))
            }
            Self::Snapshot => {
                let (head, entries) = (body.head.filter(|text| is_digest(text))?, body.entries?);
                Some(Message::Snapshot(Snapshot { issuer, n, at, head, entries }))
            }
            Self::Heartbeat => {
                let head = body.head.filter(|text| is_digest(text))?;
                Some(Message::Heartbeat(Heartbeat { issuer, n, at, head }))
            }
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGEST_LENGTH && URL_SAFE_NO_PAD.decode(text).is_ok()
}

/// An Ed25519 key for signatures, with a name; none for a key of any other kind, which another protocol may need.
fn feed_key(jwk: &Value) -> Option<(String, ParsedPublicKey)> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let is = |name: &str, value: &str| jwk.get(name).is_none_or(|found| found == value);
    if text("kty")? != "OKP" || text("crv")? != "Ed25519" || !is("use", "sig") || !is("alg", "EdDSA") {
        return None;
    }
    let kid = text("kid").filter(|kid| !kid.is_empty() && kid.len() <= LONGEST_KID)?;
    let point = URL_SAFE_NO_PAD.decode(text("x")?).ok().filter(|point| point.len() == 32)?;
    Some((kid.to_owned(), ParsedPublicKey::new(&ED25519, point).ok()?))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
