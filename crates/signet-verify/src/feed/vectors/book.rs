//! The signed messages of the vectors, by name.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::entry::{Entry, Kind};
use super::super::message::{Batch, GENESIS, Heartbeat, Message, Snapshot, digest};
use super::super::signer::FeedSigner;

pub(super) const ISSUER: &str = "https://auth.example.com";
pub(super) const KID: &str = "feed-2027-01";
const SEED: [u8; 32] = *b"test vectors: feed key, not kept";
/// Signs what has to be refused.
const FOREIGN_SEED: [u8; 32] = *b"test vectors: a key of strangers";

/// The first second, as Unix time, and the life of the entries.
pub(super) const START: i64 = 1_800_000_000;
pub(super) const LIFE: i64 = 960;

pub(super) fn entry(kind: Kind, id: &str, min: Option<i64>, dies_at: i64) -> Entry {
    Entry { kind, id: id.into(), min, dies_at }
}

pub(super) struct Signed {
    pub(super) name: String,
    pub(super) message: Message,
    pub(super) compact: String,
}

pub(super) struct Book {
    signer: FeedSigner,
    foreign: FeedSigner,
    signed: Vec<Signed>,
}

impl Book {
    /// The chain of batches that everything else goes back to.
    pub(super) fn new() -> Self {
        let mut book = Self {
            signer: FeedSigner::new(KID, &SEED).unwrap(),
            foreign: FeedSigner::new(KID, &FOREIGN_SEED).unwrap(),
            signed: Vec::new(),
        };
        book.snapshot("snapshot 0", (0, 0), GENESIS, Vec::new());
        let mut head = GENESIS.to_owned();
        for (n, entries) in (1..).zip(chain()) {
            head = book.batch(&format!("batch {n}"), (n, n * 1_000), &head, entries);
        }
        book.snapshot("snapshot 4", (4, 4_500), &book.digest("batch 4"), folded());
        book.snapshot("snapshot 6", (6, 20_000), &head, folded());
        book.snapshot("snapshot 2, later", (2, 30_000), &book.digest("batch 2"), Vec::new());
        book.snapshot("snapshot after a jump", ((1 << 32) + 6, 40_000), &digest("jumped"), Vec::new());
        let fork = vec![entry(Kind::Sid, "forked", None, START + LIFE)];
        let prev = book.digest("batch 3");
        let forked = book.batch("batch 4, forked", (4, 4_100), &prev, fork.clone());
        book.batch("batch 5, forked", (5, 5_100), &forked, fork);
        let issuer = ISSUER.into();
        let text = |id: &str| entry(Kind::Sub, id, Some(1), START + LIFE);
        let entries = vec![text("é\u{1f511}\"\\/\n"), text(&"x".repeat(255)), text("A B+c=")];
        book.add(
            "texts",
            Message::Batch(Batch { issuer, n: 1, at: START * 1_000, prev: GENESIS.into(), entries }),
        );
        book
    }

    fn add(&mut self, name: &str, message: Message) -> String {
        if let Some(found) = self.signed.iter().find(|signed| signed.name == name) {
            assert_eq!(found.message, message, "two messages of the name {name}");
            return digest(&found.compact);
        }
        let compact = self.signer.sign(&message).unwrap();
        let said = digest(&compact);
        self.signed.push(Signed { name: name.into(), message, compact });
        said
    }

    fn batch(&mut self, name: &str, (n, millis): (i64, i64), prev: &str, entries: Vec<Entry>) -> String {
        let (issuer, at, prev) = (ISSUER.into(), START * 1_000 + millis, prev.into());
        self.add(name, Message::Batch(Batch { issuer, n, at, prev, entries }))
    }

    fn snapshot(&mut self, name: &str, (n, millis): (i64, i64), head: &str, entries: Vec<Entry>) {
        let (issuer, at, head) = (ISSUER.into(), START * 1_000 + millis, head.into());
        self.add(name, Message::Snapshot(Snapshot { issuer, n, at, head, entries }));
    }

    /// The name of a heartbeat on batch `n`, said so many milliseconds after the start.
    pub(super) fn heartbeat(&mut self, n: i64, millis: i64) -> String {
        let head = if n == 0 { GENESIS.to_owned() } else { self.digest(&format!("batch {n}")) };
        let name = format!("heartbeat {n} at {millis}");
        let at = START * 1_000 + millis;
        self.add(&name, Message::Heartbeat(Heartbeat { issuer: ISSUER.into(), n, at, head }));
        name
    }

    /// The name of a heartbeat that names another batch 4.
    pub(super) fn forked_heartbeat(&mut self, millis: i64) -> String {
        let (head, name) = (self.digest("batch 4, forked"), format!("heartbeat 4 at {millis}, forked"));
        let at = START * 1_000 + millis;
        self.add(&name, Message::Heartbeat(Heartbeat { issuer: ISSUER.into(), n: 4, at, head }));
        name
    }

    pub(super) fn find(&self, name: &str) -> &Signed {
        self.signed.iter().find(|signed| signed.name == name).unwrap_or_else(|| panic!("no message {name}"))
    }

    pub(super) fn digest(&self, name: &str) -> String {
        digest(&self.find(name).compact)
    }

    pub(super) const fn signer(&self) -> &FeedSigner {
        &self.signer
    }

    pub(super) const fn foreign(&self) -> &FeedSigner {
        &self.foreign
    }

    pub(super) fn keys(&self) -> Value {
        json!({
            "jwks": {"keys": [self.signer.jwk()]},
            "seed": URL_SAFE_NO_PAD.encode(SEED),
        })
    }

    pub(super) fn messages(&self) -> Value {
        self.signed.iter().map(described).collect()
    }
}

fn described(signed: &Signed) -> Value {
    let payload = String::from_utf8(signed.message.payload().unwrap()).unwrap();
    let header = json!({"alg": "EdDSA", "kid": KID, "typ": signed.message.typ()}).to_string();
    let (name, compact, said) = (&signed.name, &signed.compact, digest(&signed.compact));
    json!({"name": name, "header": header, "payload": payload, "compact": compact, "digest": said})
}

/// Ids as this server makes them: UUIDs, and 16 bytes in base64url.
pub(super) const SESSION: &str = "0199a5d0-0000-7000-8000-00000000005e";
pub(super) const FAMILY: &str = "0199a5d0-0000-7000-8000-0000000000fa";
pub(super) const USER: &str = "0199a5d0-0000-7000-8000-0000000000ab";
pub(super) const CLIENT: &str = "0199a5d0-0000-7000-8000-00000000c11e";
pub(super) const TOKEN: &str = "AAECAwQFBgcICQoLDA0ODw";

/// The entries of batches 1 to 6: each kind, a family that is raised and then ended, a session named twice.
fn chain() -> [Vec<Entry>; 6] {
    let dies_at = START + LIFE;
    [
        vec![entry(Kind::Sid, SESSION, None, dies_at + 1), entry(Kind::Fam, FAMILY, Some(3), dies_at + 1)],
        vec![
            entry(Kind::Sub, USER, Some(2), dies_at + 2),
            entry(Kind::Client, CLIENT, Some(START + 12), dies_at + 2),
            entry(Kind::Jti, TOKEN, None, dies_at + 2),
        ],
        vec![
            entry(Kind::Kid, "token-key-1", None, dies_at + 3),
            entry(Kind::Iss, "", Some(START - 86_400), dies_at + 3),
        ],
        vec![entry(Kind::Fam, FAMILY, None, dies_at + 4), entry(Kind::Sid, SESSION, None, dies_at + 4)],
        vec![entry(Kind::Sub, USER, Some(1), dies_at + 5)],
        vec![entry(Kind::Jti, "AAAAAAAAAAAAAAAAAAAAAA", None, dies_at + 6)],
    ]
}

/// What batches 1 to 4 fold to.
fn folded() -> Vec<Entry> {
    let dies_at = START + LIFE;
    vec![
        entry(Kind::Iss, "", Some(START - 86_400), dies_at + 3),
        entry(Kind::Kid, "token-key-1", None, dies_at + 3),
        entry(Kind::Client, CLIENT, Some(START + 12), dies_at + 2),
        entry(Kind::Sub, USER, Some(2), dies_at + 2),
        entry(Kind::Sid, SESSION, None, dies_at + 4),
        entry(Kind::Fam, FAMILY, None, dies_at + 4),
        entry(Kind::Jti, TOKEN, None, dies_at + 2),
    ]
}
