//! What a verifier accepts as a message of the feed, and what it refuses.

use serde_json::json;

use super::super::entry::Kind;
use super::super::signer::FeedSigner;
use super::*;

const ISSUER: &str = "https://auth.example.com";

fn signer() -> FeedSigner {
    FeedSigner::new("feed-1", &[7; 32]).unwrap()
}

fn keys() -> FeedKeys {
    FeedKeys::from_value(&json!({"keys": [signer().jwk()]})).unwrap()
}

fn sid(id: &str) -> Entry {
    Entry { kind: Kind::Sid, id: id.into(), min: None, dies_at: 2_000 }
}

fn batch(entries: Vec<Entry>) -> Message {
    Message::Batch(Batch { issuer: ISSUER.into(), n: 1, at: 1_000_000, prev: GENESIS.into(), entries })
}

fn heartbeat(n: i64) -> Message {
    Message::Heartbeat(Heartbeat { issuer: ISSUER.into(), n, at: 1_000_000, head: GENESIS.into() })
}

fn open(compact: &str) -> Result<Message, Refused> {
    keys().open(compact, ISSUER)
}

/// Signs a payload that no [`Message`] can be.
fn raw(typ: &str, payload: &str) -> Result<Message, Refused> {
    open(
        &signer().sign_raw(&format!(r#"{{"alg":"EdDSA","kid":"feed-1","typ":"{typ}"}}"#), payload.as_bytes()),
    )
}

#[test]
fn each_type_of_message_reads_as_it_was_signed() {
    let snapshot = Message::Snapshot(Snapshot {
        issuer: ISSUER.into(),
        n: 0,
        at: 0,
        head: GENESIS.into(),
        entries: Vec::new(),
    });
    for message in [batch(vec![sid("a"), sid("b")]), snapshot, heartbeat(9_007_199_254_740_991)] {
        assert_eq!(open(&signer().sign(&message).unwrap()), Ok(message));
    }
}

#[test]
fn the_payload_has_the_members_in_the_order_of_the_specification() {
    let text = |message: &Message| String::from_utf8(message.payload().unwrap()).unwrap();
    assert_eq!(
        text(&batch(vec![sid("a")])),
        format!(
            r#"{{"iss":"{ISSUER}","n":1,"at":1000000,"prev":"{GENESIS}","entries":[["sid","a",null,2000]]}}"#
        )
    );
    assert_eq!(text(&heartbeat(2)), format!(r#"{{"iss":"{ISSUER}","n":2,"at":1000000,"head":"{GENESIS}"}}"#));
}

#[test]
fn the_digest_of_nothing_is_the_genesis() {
    assert_eq!(digest(""), GENESIS);
    assert_ne!(digest("a"), GENESIS);
}

#[test]
fn unknown_payload_members_are_ignored_and_repeated_ones_refused() {
    let start = format!(r#"{{"iss":"{ISSUER}","n":1,"at":1,"head":"{GENESIS}""#);
    let read = |rest: &str| raw(TYP_HEARTBEAT, &format!("{start}{rest}}}"));
    assert!(read("").is_ok());
    assert!(read(r#","x":{"a":[1,{"a":null,"b":1.5e9}],"b":"c"},"y":true"#).is_ok());
    for rest in [
        r#","n":1"#,
        r#","\u006e":1"#,
        r#","x":1,"x":1"#,
        r#","x":{"a":1,"a":1}"#,
        r#","x":[[{"a":1,"a":1}]]"#,
        r#","x":[[[[[[[[1]]]]]]]]"#,
        ",",
        r#"},"x":{"#,
    ] {
        assert_eq!(read(rest), Err(Refused::Form), "{rest}");
    }
    assert_eq!(raw(TYP_HEARTBEAT, &format!("{start}}} ")).err(), None);
    assert_eq!(raw(TYP_HEARTBEAT, &format!("{start}}}{{}}")), Err(Refused::Form));
}

#[test]
fn a_batch_holds_one_to_ten_thousand_entries() {
    let many = |count: usize| open(&signer().sign(&batch(vec![sid("a"); count])).unwrap());
    assert_eq!(many(0), Err(Refused::Form));
    assert!(many(1).is_ok());
    assert!(many(MOST_IN_BATCH).is_ok());
    assert_eq!(many(MOST_IN_BATCH + 1), Err(Refused::Form));
}

#[test]
fn each_type_has_its_longest() {
    let padded = |typ: &str, member: &str, length: usize| {
        let start = format!(
            r#"{{"iss":"{ISSUER}","n":1,"at":1,"{member}":"{GENESIS}","entries":[["sid","a",null,1]],"x":""#
        );
        raw(typ, &format!("{start}{}\"}}", "x".repeat(length)))
    };
    assert!(padded(TYP_HEARTBEAT, "head", 5_000).is_ok());
    assert_eq!(padded(TYP_HEARTBEAT, "head", 7_000), Err(Refused::Length));
    assert!(padded(TYP_BATCH, "prev", 3 << 20).is_err_and(|why| why == Refused::Length));
    assert!(padded(TYP_BATCH, "prev", 2 << 20).is_ok());
    assert!(padded(TYP_SNAPSHOT, "head", 5 << 20).is_ok());

    let small = keys().with_longest_snapshot(100);
    let snapshot = Snapshot { issuer: ISSUER.into(), n: 0, at: 0, head: GENESIS.into(), entries: Vec::new() };
    let snapshot = signer().sign(&Message::Snapshot(snapshot)).unwrap();
    assert_eq!(small.open(&snapshot, ISSUER), Err(Refused::Length));
    assert!(small.open(&signer().sign(&heartbeat(1)).unwrap(), ISSUER).is_ok());
    assert_eq!(open(&"a".repeat(LONGEST_SNAPSHOT + 1)), Err(Refused::Length));
}

#[test]
fn a_message_of_another_key_issuer_or_type_is_refused() {
    let good = signer().sign(&heartbeat(1)).unwrap();
    assert!(open(&good).is_ok());
    assert_eq!(keys().open(&good, "https://auth.example.com/"), Err(Refused::Issuer));
    let same_name = FeedSigner::new("feed-1", &[8; 32]).unwrap();
    assert_eq!(open(&same_name.sign(&heartbeat(1)).unwrap()), Err(Refused::Signature));
    let other_name = FeedSigner::new("feed-2", &[7; 32]).unwrap();
    assert_eq!(open(&other_name.sign(&heartbeat(1)).unwrap()), Err(Refused::Kid));
    let payload = batch(vec![sid("a")]).payload().unwrap();
    let payload = String::from_utf8(payload).unwrap();
    assert!(raw(TYP_BATCH, &payload).is_ok());
    assert_eq!(raw(TYP_SNAPSHOT, &payload), Err(Refused::Form));
    assert_eq!(raw(TYP_HEARTBEAT, &payload), Err(Refused::Form));
    assert_eq!(raw("revocation-Batch+jwt", &payload), Err(Refused::Typ));
    assert_eq!(raw("at+jwt", &payload), Err(Refused::Typ));
}

#[test]
fn no_byte_of_a_message_can_be_changed() {
    let good = signer().sign(&batch(vec![sid("a")])).unwrap();
    assert!(open(&good).is_ok());
    for place in 0..good.len() {
        for letter in ["A", "B", ".", "=", "é"] {
            if good[place..].starts_with(letter) {
                continue;
            }
            let bent = format!("{}{letter}{}", &good[..place], &good[place + 1..]);
            assert!(open(&bent).is_err(), "{place} {letter}");
        }
        assert!(open(&good[..place]).is_err(), "cut at {place}");
    }
}

#[test]
fn a_key_set_names_ed25519_keys_each_once() {
    let jwk = signer().jwk();
    let with = |member: &str, value: serde_json::Value| {
        let mut jwk = jwk.clone();
        jwk[member] = value;
        FeedKeys::from_value(&json!({"keys": [jwk]})).is_ok()
    };
    assert!(with("extra", json!(1)));
    for (member, value) in [
        ("kty", json!("EC")),
        ("crv", json!("X25519")),
        ("use", json!("enc")),
        ("alg", json!("ES256")),
        ("kid", json!("")),
        ("kid", json!(1)),
        ("x", json!("AAAA")),
        ("x", json!(null)),
    ] {
        assert!(!with(member, value.clone()), "{member} {value}");
    }
    assert!(FeedKeys::from_value(&json!({"keys": [jwk, jwk]})).is_err());
    assert!(FeedKeys::from_value(&json!({"keys": [{"kty": "RSA"}, jwk]})).is_ok());
    assert!(FeedKeys::from_value(&json!({"keys": vec![jwk.clone(); 17]})).is_err());
    for text in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[]}"#] {
        assert!(FeedKeys::from_jwks(text.as_bytes()).is_err(), "{text}");
    }
}
