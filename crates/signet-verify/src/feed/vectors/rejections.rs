//! Messages that a verifier refuses, and the word for why.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::super::message::{GENESIS, TYP_BATCH, TYP_HEARTBEAT, TYP_SNAPSHOT};
use super::book::{Book, ISSUER, KID, START};

struct List<'a> {
    book: &'a Book,
    refused: Vec<Value>,
}

impl List<'_> {
    fn refuse(&mut self, name: &str, reason: &str, compact: &str) {
        self.refused.push(json!({"name": name, "reason": reason, "compact": compact}));
    }

    /// A well-signed message with a header of its own, over the payload of a heartbeat.
    fn header(&mut self, name: &str, reason: &str, header: &str) {
        let compact = self.book.signer().sign_raw(header, heartbeat().as_bytes());
        self.refuse(name, reason, &compact);
    }

    /// A well-signed message of a type, with a payload of its own.
    fn payload(&mut self, name: &str, reason: &str, typ: &str, payload: &str) {
        let compact = self.book.signer().sign_raw(&header(typ), payload.as_bytes());
        self.refuse(name, reason, &compact);
    }

    fn entry(&mut self, name: &str, entry: &str) {
        let snapshot = snapshot(&format!("[{entry}]"));
        self.payload(&format!("an entry: {name}"), "form", TYP_SNAPSHOT, &snapshot);
    }
}

fn header(typ: &str) -> String {
    json!({"alg": "EdDSA", "kid": KID, "typ": typ}).to_string()
}

fn heartbeat() -> String {
    format!(r#"{{"iss":"{ISSUER}","n":0,"at":{START}000,"head":"{GENESIS}"}}"#)
}

fn batch(entries: &str) -> String {
    format!(r#"{{"iss":"{ISSUER}","n":1,"at":{START}000,"prev":"{GENESIS}","entries":{entries}}}"#)
}

fn snapshot(entries: &str) -> String {
    format!(r#"{{"iss":"{ISSUER}","n":1,"at":{START}000,"head":"{GENESIS}","entries":{entries}}}"#)
}

const ENTRY: &str = r#"["sid","s",null,1800000960]"#;

pub(super) fn all(book: &Book) -> Value {
    let mut list = List { book, refused: Vec::new() };
    headers(&mut list);
    signatures(&mut list);
    encodings(&mut list);
    payloads(&mut list);
    entries(&mut list);
    Value::Array(list.refused)
}

fn headers(list: &mut List<'_>) {
    let typ = TYP_HEARTBEAT;
    for alg in ["none", "None", "nOnE", "", "HS256", "ES256", "Ed25519", "eddsa", "EdDSA "] {
        let header = json!({"alg": alg, "kid": KID, "typ": typ}).to_string();
        list.header(&format!("alg {alg:?}"), "alg", &header);
    }
    for other in [
        "revocation-batch",
        "application/revocation-heartbeat+jwt",
        "Revocation-Heartbeat+jwt",
        "at+jwt",
        "JWT",
        "",
    ] {
        list.header(&format!("typ {other:?}"), "typ", &header(other));
    }
    for kid in ["feed-2027-02", "", "../feed-2027-01"] {
        list.header(
            &format!("kid {kid:?}"),
            "kid",
            &json!({"alg": "EdDSA", "kid": kid, "typ": typ}).to_string(),
        );
    }
    let jwk = list.book.foreign().jwk();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("jwk", jwk),
        ("jku", json!("https://attacker.example/jwks")),
        ("cty", json!("JWT")),
    ] {
        let mut header = json!({"alg": "EdDSA", "kid": KID, "typ": typ});
        header[name] = value;
        list.header(&format!("a header with {name}"), "header", &header.to_string());
    }
    for (name, header) in [
        ("a header without kid", json!({"alg": "EdDSA", "typ": typ}).to_string()),
        ("a header without typ", json!({"alg": "EdDSA", "kid": KID}).to_string()),
        ("a header without alg", json!({"kid": KID, "typ": typ}).to_string()),
        ("a kid that is a number", json!({"alg": "EdDSA", "kid": 1, "typ": typ}).to_string()),
        ("a typ of null", json!({"alg": "EdDSA", "kid": KID, "typ": null}).to_string()),
        ("a header that is an array", json!(["EdDSA", KID, typ]).to_string()),
        (
            "a repeated header member",
            format!(r#"{{"alg":"none","alg":"EdDSA","kid":"{KID}","typ":"{typ}"}}"#),
        ),
        (
            "a header member repeated by an escape",
            format!(r#"{{"alg":"EdDSA","\u0061lg":"EdDSA","kid":"{KID}","typ":"{typ}"}}"#),
        ),
        ("something after the header's object", format!("{}{{}}", self::header(typ))),
        ("an empty header", String::new()),
    ] {
        list.header(name, "header", &header);
    }
}

fn signatures(list: &mut List<'_>) {
    let good = list.book.signer().sign_raw(&header(TYP_HEARTBEAT), heartbeat().as_bytes());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (signed, bytes) = (signed.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap());
    let mut with = |name: &str, reason: &str, bytes: &[u8]| {
        list.refuse(name, reason, &format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes)));
    };
    with("no signature", "form", &[]);
    with("a truncated signature", "form", &bytes[..63]);
    with("a signature with a byte more", "form", &[&bytes[..], &[0]].concat());
    with("a signature of zeros", "signature", &[0; 64]);
    with("the halves of the signature swapped", "signature", &[&bytes[32..], &bytes[..32]].concat());
    let mut bent = bytes.clone();
    bent[0] ^= 1;
    with("one bit of the signature", "signature", &bent);
    with("S not reduced (RFC 8032 §5.1.7)", "signature", &unreduced(&bytes));

    let foreign = list.book.foreign().sign_raw(&header(TYP_HEARTBEAT), heartbeat().as_bytes());
    list.refuse("another key of the same kid", "signature", &foreign);
    let other = heartbeat().replace(r#""n":0"#, r#""n":1"#);
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    list.refuse(
        "another payload",
        "signature",
        &format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(other)),
    );

    let jwk = list.book.signer().jwk();
    let public = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let head = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "kid": KID, "typ": TYP_HEARTBEAT}).to_string());
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(heartbeat()));
    for (name, secret) in [("bytes", public), ("JWK", jwk.to_string().into_bytes())] {
        // Doubled to the length of an Ed25519 signature, so that the length is not what gives it away.
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        let twice = URL_SAFE_NO_PAD.encode([tag.as_ref(), tag.as_ref()].concat());
        list.refuse(&format!("HS256 over the public key's {name}"), "alg", &format!("{signed}.{twice}"));
    }
    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "kid": KID, "typ": TYP_HEARTBEAT}).to_string());
    let none = format!("{none}.{}.", URL_SAFE_NO_PAD.encode(heartbeat()));
    list.refuse("alg none without a signature", "form", &none);
}

/// The same S plus the order of the group.
fn unreduced(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = signature.to_vec();
    let mut carry = 0_u16;
    for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    bytes
}

fn encodings(list: &mut List<'_>) {
    // A length that leaves room for padding, and for bits that an encoder leaves zero.
    let payload = format!("{} ", heartbeat());
    let payload = if payload.len() % 3 == 0 { format!("{payload} ") } else { payload };
    let good = list.book.signer().sign_raw(&header(TYP_HEARTBEAT), payload.as_bytes());
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("three parts") };
    let padding = "=".repeat((4 - body.len() % 4) % 4);
    let signed_body = |encoded: &str| {
        let signer = list.book.signer();
        // Only the parts' encoding is wrong; the signature is over the very text that is sent.
        signer.sign_text(&format!("{head}.{encoded}"))
    };
    let padded = signed_body(&format!("{body}{padding}"));
    let standard = signed_body(&STANDARD.encode(format!("{payload}???>>>")).replace('=', ""));
    let spaced = signed_body(&format!("{}\n{}", &body[..8], &body[8..]));
    let stray = signed_body(&with_stray_bits(body));
    for (name, compact) in [
        ("a padded payload", padded),
        ("the other base64 alphabet", standard),
        ("a line break in the payload", spaced),
        ("stray bits behind the payload", stray),
        ("a padded signature", format!("{good}==")),
        ("stray bits behind the signature", format!("{head}.{body}.{}", with_stray_bits(signature))),
        ("a line break after the message", format!("{good}\n")),
        ("a space before the message", format!(" {good}")),
        ("four parts", format!("{good}.")),
        ("five parts", format!("{head}.{body}.{body}.{body}.{signature}")),
        ("two parts", format!("{head}.{body}")),
        ("only dots", "..".into()),
        ("nothing", String::new()),
        (
            "the JSON serialisation",
            json!({"payload": body, "protected": head, "signature": signature}).to_string(),
        ),
    ] {
        list.refuse(name, "form", &compact);
    }
}

/// The same bytes to a lenient decoder: the last letter with its unused bits set.
fn with_stray_bits(encoded: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = encoded.split_at(encoded.len() - 1);
    let value = ALPHABET.find(last).unwrap();
    format!("{rest}{}", &ALPHABET[value + 1..value + 2])
}

fn payloads(list: &mut List<'_>) {
    let one = format!("[{ENTRY}]");
    list.payload("a batch as a snapshot", "form", TYP_SNAPSHOT, &batch(&one));
    list.payload("a snapshot as a batch", "form", TYP_BATCH, &snapshot(&one));
    list.payload("a batch as a heartbeat", "form", TYP_HEARTBEAT, &batch(&one));
    list.payload("a heartbeat as a snapshot", "form", TYP_SNAPSHOT, &heartbeat());
    list.payload("another issuer", "issuer", TYP_HEARTBEAT, &heartbeat().replace("auth.", "evil."));
    list.payload(
        "an issuer with a slash more",
        "issuer",
        TYP_HEARTBEAT,
        &heartbeat().replace(".com", ".com/"),
    );
    let changes: [(&str, &str, &str); 13] = [
        ("no iss", r#""iss""#, r#""iss2""#),
        ("no n", r#""n":"#, r#""m":"#),
        ("no at", r#""at""#, r#""sat""#),
        ("no head", r#""head""#, r#""prev""#),
        ("an n too large", r#""n":0"#, r#""n":9007199254740992"#),
        ("an n of 1.5", r#""n":0"#, r#""n":1.5"#),
        ("an n below zero", r#""n":0"#, r#""n":-1"#),
        ("an n that is a string", r#""n":0"#, r#""n":"0""#),
        ("an at that is a string", r#""at":1800000000000"#, r#""at":"1800000000000""#),
        ("an iss of null", r#""iss":"https://auth.example.com""#, r#""iss":null"#),
        ("a head of null", &format!(r#""head":"{GENESIS}""#), r#""head":null"#),
        ("a head that is no digest", GENESIS, "47DEQpj8HBSa"),
        ("a repeated member", r#""n":0"#, r#""n":0,"n":0"#),
    ];
    for (name, from, to) in changes {
        assert!(heartbeat().contains(from), "{name}");
        list.payload(name, "form", TYP_HEARTBEAT, &heartbeat().replace(from, to));
    }
    let unknown = |rest: &str| heartbeat().replace(r#""n":0"#, &format!(r#""n":0,{rest}"#));
    list.payload("a member repeated by an escape", "form", TYP_HEARTBEAT, &unknown(r#""\u006e":0"#));
    list.payload("an unknown member repeated", "form", TYP_HEARTBEAT, &unknown(r#""x":1,"x":1"#));
    list.payload(
        "a repeated member inside an unknown one",
        "form",
        TYP_HEARTBEAT,
        &unknown(r#""x":{"a":1,"a":1}"#),
    );
    list.payload("something after the object", "form", TYP_HEARTBEAT, &format!("{}x", heartbeat()));
    list.payload("an array", "form", TYP_HEARTBEAT, &format!("[{}]", heartbeat()));
    list.payload("not JSON", "form", TYP_HEARTBEAT, "heartbeat");
    let long = unknown(&format!(r#""x":"{}""#, "x".repeat(6_200)));
    list.payload("a heartbeat longer than 8 KiB", "length", TYP_HEARTBEAT, &long);
    let compact = list.book.signer().sign_raw(&header(TYP_HEARTBEAT), b"{\"iss\":\"\xff\"}");
    list.refuse("not UTF-8", "form", &compact);
}

fn entries(list: &mut List<'_>) {
    list.payload(
        "a batch 0",
        "form",
        TYP_BATCH,
        &batch(&format!("[{ENTRY}]")).replace(r#""n":1"#, r#""n":0"#),
    );
    list.payload("a batch without entries", "form", TYP_BATCH, &batch("[]"));
    list.payload("entries that are an object", "form", TYP_BATCH, &batch("{}"));
    list.payload("entries of null", "form", TYP_BATCH, &batch("null"));
    let many = vec![r#"["sid","s",null,1]"#; 10_001].join(",");
    list.payload("a batch of 10,001 entries", "form", TYP_BATCH, &batch(&format!("[{many}]")));
    let second = format!("{ENTRY},[\"sid\",\"s\",0,1]");
    list.entry("a good one and a bad one", &second);
    let long = format!(r#"["sid","{}",null,1]"#, "x".repeat(256));
    for (name, entry) in [
        ("an unknown kind", r#"["device","d",null,1]"#),
        ("a kind in upper case", r#"["SID","s",null,1]"#),
        ("three members", r#"["sid","s",null]"#),
        ("five members", r#"["sid","s",null,1,null]"#),
        ("an object", r#"{"kind":"sid","id":"s","min":null,"dies_at":1}"#),
        ("an id that is a number", r#"["sid",7,null,1]"#),
        ("an id longer than 255 bytes", long.as_str()),
        ("an empty id", r#"["sid","",null,1]"#),
        ("iss with an id", r#"["iss","x",1,1]"#),
        ("iss without min", r#"["iss","",null,1]"#),
        ("client without min", r#"["client","c",null,1]"#),
        ("sub without min", r#"["sub","u",null,1]"#),
        ("kid with min", r#"["kid","k",1,1]"#),
        ("sid with min", r#"["sid","s",1,1]"#),
        ("jti with min", r#"["jti","j",1,1]"#),
        ("a min below zero", r#"["sub","u",-1,1]"#),
        ("a min of 1.5", r#"["sub","u",1.5,1]"#),
        ("a min that is a string", r#"["sub","u","1",1]"#),
        ("a min too large", r#"["fam","f",9007199254740992,1]"#),
        ("dies_at null", r#"["sid","s",null,null]"#),
        ("dies_at below zero", r#"["sid","s",null,-1]"#),
        ("dies_at a string", r#"["sid","s",null,"1"]"#),
        ("dies_at too large", r#"["sid","s",null,9007199254740992]"#),
    ] {
        list.entry(name, entry);
    }
}
