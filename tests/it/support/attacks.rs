//! Attacks on whoever takes a JWT: one list, made for a kind of token from a genuine one and the key that signs it. Every
//! token in it is to be refused wherever that kind goes in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use signet::digest::{base64url, base64url_decode};
use signet::oauth::algorithm::Algorithm;

use super::jwt::{Signer, laid_over, under_secret};

/// A kind of token, at a place that takes it.
pub(crate) struct Kind<'a> {
    /// Signs the genuine ones. Where it helps, attacks are signed by it, too.
    pub(crate) signer: &'a Signer,
    /// The genuine header.
    pub(crate) header: Value,
    /// The genuine claims.
    pub(crate) claims: Value,
    /// The claims that it cannot go without.
    pub(crate) required: &'a [&'a str],
    /// `typ` values of other kinds.
    pub(crate) foreign_types: &'a [&'a str],
    /// Whether the place asks for whom the token is.
    pub(crate) audience: bool,
    /// Whether the place refuses what has expired.
    pub(crate) expiry: bool,
    /// Whether this server makes it: then it names its key and its kind.
    pub(crate) ours: bool,
    /// The time, in seconds.
    pub(crate) now: i64,
}

/// A name for failures, the token, and whether it names a key that does not exist, which a hint may.
pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) unknown_key: bool,
}

/// The list.
pub(crate) fn on(kind: &Kind<'_>) -> Vec<Attack> {
    let mut list = List { kind, attacks: Vec::new() };
    list.algorithms();
    list.keys_of_the_attacker();
    list.header_members();
    list.names_of_keys();
    list.types();
    list.repeated_members();
    list.claims();
    list.times_and_parties();
    list.signatures();
    list.forms();
    list.sizes();
    list.attacks
}

struct List<'a> {
    kind: &'a Kind<'a>,
    attacks: Vec<Attack>,
}

impl List<'_> {
    fn add(&mut self, name: impl Into<String>, token: String) {
        self.attacks.push(Attack { name: name.into(), token, unknown_key: false });
    }

    fn genuine(&self) -> String {
        self.kind.signer.token(&self.kind.header, &self.kind.claims)
    }

    fn with_header(&self, changes: &Value) -> String {
        self.kind.signer.token(&laid_over(&self.kind.header, changes), &self.kind.claims)
    }

    fn with_claims(&self, changes: &Value) -> String {
        self.kind.signer.token(&self.kind.header, &laid_over(&self.kind.claims, changes))
    }

    /// A claim with this very value, also `null`.
    fn with_claim(&self, name: &str, value: &Value) -> String {
        let mut claims = self.kind.claims.clone();
        claims[name] = value.clone();
        self.kind.signer.token(&self.kind.header, &claims)
    }

    /// The algorithm is the key's, whatever the header says.
    fn algorithms(&mut self) {
        for alg in ["none", "None", "NONE", "nOnE", "", "HS256", "es256", "RS1", "ES384", "A128KW", "dir"] {
            let token = self.with_header(&json!({ "alg": alg }));
            let (content, _) = token.rsplit_once('.').unwrap();
            self.add(format!("alg {alg:?} without a signature"), format!("{content}."));
            self.add(format!("alg {alg:?} with a byte of signature"), format!("{content}.AA"));
            self.add(format!("alg {alg:?} over a genuine signature"), token);
        }
        for alg in Algorithm::ALL.into_iter().filter(|alg| *alg != self.kind.signer.algorithm()) {
            self.add(format!("alg {alg}"), self.with_header(&json!({ "alg": alg.as_str() })));
        }
        for alg in [json!(1), json!(["ES256"]), json!({}), json!(true)] {
            self.add(format!("alg {alg}"), self.with_header(&json!({ "alg": alg })));
        }
        self.add("no alg", self.with_header(&json!({ "alg": null })));
        // The public key, which everybody has, taken for a secret.
        let spki = self.kind.signer.spki();
        let lines: Vec<String> = STANDARD
            .encode(&spki)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
        let header = laid_over(&self.kind.header, &json!({ "alg": "HS256" }));
        for (form, secret) in [
            ("PEM", pem.clone().into_bytes()),
            ("PEM without its last newline", pem.trim_end().as_bytes().to_vec()),
            ("PEM after a space", format!(" {pem}").into_bytes()),
            ("PEM after a newline", format!("\n{pem}").into_bytes()),
            ("DER", spki.clone()),
            ("base64", STANDARD.encode(&spki).into_bytes()),
            ("a JWK", self.kind.signer.jwk().to_string().into_bytes()),
            ("a JWKS", self.kind.signer.jwks().to_string().into_bytes()),
            ("nothing", Vec::new()),
        ] {
            let token = under_secret(&header, &self.kind.claims, &secret);
            self.add(format!("HS256 under the public key as {form}"), token);
        }
    }

    /// Keys that the token brings along, or that have a genuine key's name.
    fn keys_of_the_attacker(&mut self) {
        let evil = Signer::new(self.kind.signer.algorithm(), &self.kind.signer.kid);
        let (header, claims) = (self.kind.header.clone(), self.kind.claims.clone());
        self.add("another key of the same name", evil.token(&header, &claims));
        for (name, value) in [
            ("jwk", evil.jwk()),
            ("jku", json!("https://evil.example/jwks.json")),
            ("x5u", json!("https://evil.example/chain.pem")),
            ("x5c", json!([STANDARD.encode(evil.spki())])),
        ] {
            let with = laid_over(&header, &json!({ name: value }));
            self.add(format!("{name} of another key, signed by it"), evil.token(&with, &claims));
            let without_kid = laid_over(&with, &json!({ "kid": null }));
            self.add(format!("{name} and no kid"), evil.token(&without_kid, &claims));
            self.add(format!("{name} beside a genuine signature"), self.kind.signer.token(&with, &claims));
        }
    }

    fn header_members(&mut self) {
        for (name, value) in [
            ("crit", json!(["exp"])),
            ("crit", json!(["b64"])),
            ("crit", json!([])),
            ("crit", json!("exp")),
            ("b64", json!(false)),
            ("b64", json!(true)),
            ("zip", json!("DEF")),
            ("enc", json!("A256GCM")),
        ] {
            self.add(format!("{name} {value}"), self.with_header(&json!({ name: value })));
        }
    }

    fn names_of_keys(&mut self) {
        let own = self.kind.signer.kid.clone();
        for kid in [
            String::new(),
            "unknown".to_owned(),
            "' OR '1'='1".to_owned(),
            "x' UNION SELECT 'AAAA' --".to_owned(),
            "../../../../dev/null".to_owned(),
            "/proc/self/environ".to_owned(),
            "|/bin/id".to_owned(),
            "https://evil.example/key".to_owned(),
            format!("{own} "),
            format!("{own}\u{0}"),
            own.to_uppercase() + "X",
            "k".repeat(3000),
        ] {
            let token = self.with_header(&json!({ "kid": kid }));
            self.attacks.push(Attack { name: format!("kid {kid:?}"), token, unknown_key: true });
        }
        for kid in [json!(1), json!([own]), json!({ "kid": own }), json!(true)] {
            self.add(format!("kid {kid}"), self.with_header(&json!({ "kid": kid })));
        }
        if self.kind.ours {
            self.add("no kid", self.with_header(&json!({ "kid": null })));
        }
    }

    /// What another kind is called, and what nothing is.
    fn types(&mut self) {
        if self.kind.ours {
            self.add("no typ", self.with_header(&json!({ "typ": null })));
        }
        for typ in self.kind.foreign_types {
            self.add(format!("typ {typ}"), self.with_header(&json!({ "typ": typ })));
            let long = format!("application/{typ}");
            self.add(format!("typ {long}"), self.with_header(&json!({ "typ": long })));
        }
        for typ in [json!(""), json!("JOSE"), json!(1), json!(["JWT"]), json!({}), json!("JWT ")] {
            self.add(format!("typ {typ}"), self.with_header(&json!({ "typ": typ })));
        }
    }

    fn repeated_members(&mut self) {
        let (header, claims) = (self.kind.header.to_string(), self.kind.claims.to_string());
        let signer = self.kind.signer;
        let open = header.strip_suffix('}').unwrap();
        for more in [r#""alg":"none""#, r#""kid":"x""#, r#""k\u0069d":"x""#, r#""typ":"JWT""#] {
            let token = signer.token_of(format!("{open},{more}}}").as_bytes(), claims.as_bytes());
            self.add(format!("header with {more} once more"), token);
        }
        let open = claims.strip_suffix('}').unwrap();
        let claims_has_sub = self.kind.claims.get("sub").is_some();
        for more in
            [r#""sub":"admin""#, r#""s\u0075b":"admin""#, r#""exp":9999999999"#, r#""x":{"a":1,"a":2}"#]
        {
            // A first `sub` is no repetition.
            if more.contains("admin") && !claims_has_sub {
                continue;
            }
            let token = signer.token_of(header.as_bytes(), format!("{open},{more}}}").as_bytes());
            self.add(format!("claims with {more} once more"), token);
        }
        for payload in [
            "null".to_owned(),
            "[]".to_owned(),
            format!("[{claims}]"),
            format!("{claims}{claims}"),
            format!("\u{feff}{claims}"),
            "{".to_owned(),
            format!("{open},\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500)),
            format!("{open},\"x\":1e999}}"),
        ] {
            let token = signer.token_of(header.as_bytes(), payload.as_bytes());
            self.add(format!("payload {payload:.40}"), token);
            let token = signer.token_of(payload.as_bytes(), claims.as_bytes());
            self.add(format!("header {payload:.40}"), token);
        }
        let latin = [open.as_bytes(), b",\"name\":\"\xe9\"}"].concat();
        self.add("payload that is not UTF-8", signer.token_of(header.as_bytes(), &latin));
    }

    /// Every claim of a wrong type, or missing.
    fn claims(&mut self) {
        for name in self.kind.required {
            self.add(format!("no {name}"), self.with_claims(&json!({ *name: null })));
        }
        for name in ["iss", "sub", "jti", "client_id", "scope", "sid", "nonce", "azp"] {
            let own = self.kind.claims.get(name).cloned().unwrap_or(json!("x"));
            for value in [json!(true), json!(0), json!(1.5), json!([]), json!([own]), json!({}), Value::Null]
            {
                self.add(format!("{name} {value}"), self.with_claim(name, &value));
            }
        }
        for name in ["exp", "iat", "nbf"] {
            let later = self.kind.now + 60;
            for value in [
                json!(true),
                json!(later.to_string()),
                json!(-1),
                json!(1e300),
                json!([later]),
                json!({}),
                Value::Null,
            ] {
                self.add(format!("{name} {value}"), self.with_claim(name, &value));
            }
        }
        let own = self.kind.claims.get("aud").cloned().unwrap_or(json!("x"));
        for value in
            [json!(true), json!(0), json!([own, 1]), json!([[own]]), json!({ "a": own }), Value::Null]
        {
            self.add(format!("aud {value}"), self.with_claim("aud", &value));
        }
    }

    fn times_and_parties(&mut self) {
        let now = self.kind.now;
        if self.kind.expiry {
            for exp in [now - 3600, now - 60, now, 0] {
                self.add(format!("exp at {}", exp - now), self.with_claims(&json!({ "exp": exp })));
            }
        }
        for ahead in [61, 3600, 1 << 32] {
            for name in ["nbf", "iat"] {
                self.add(format!("{name} {ahead} s ahead"), self.with_claims(&json!({ name: now + ahead })));
            }
        }
        let own = self.kind.claims["iss"].as_str().unwrap_or("x").to_owned();
        for iss in [
            String::new(),
            format!("{own}/"),
            format!(" {own}"),
            format!("{own}.evil.example"),
            own.to_uppercase() + "X",
            "https://another.example".to_owned(),
            "nobody\u{0}".to_owned(),
            "x".repeat(3000),
        ] {
            self.add(format!("iss {iss:.60}"), self.with_claims(&json!({ "iss": iss })));
        }
        if self.kind.audience {
            for aud in [
                json!(""),
                json!([]),
                json!("https://another.example"),
                json!(["https://another.example"]),
                json!("https://another.example/token"),
            ] {
                self.add(format!("aud {aud}"), self.with_claims(&json!({ "aud": aud })));
            }
        }
    }

    fn signatures(&mut self) {
        let good = self.genuine();
        let (content, encoded) = good.rsplit_once('.').unwrap();
        let raw = base64url_decode(encoded).unwrap();
        let mut altered = raw.clone();
        altered[0] ^= 1;
        let integer = |half: &[u8]| [&[2, 33, 0], half].concat();
        let (r, s) = raw.split_at(raw.len() / 2);
        let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
        for (name, signature) in [
            ("zero", vec![0; raw.len()]),
            ("one byte", vec![0]),
            ("all ones", vec![0xff; raw.len()]),
            ("cut short", raw[1..].to_vec()),
            ("cut at its end", raw[..raw.len() - 1].to_vec()),
            ("with a byte more", [&raw[..], &[0]].concat()),
            ("altered", altered),
            ("as DER", der),
            ("with its halves swapped", [s, r].concat()),
        ] {
            self.add(format!("a signature that is {name}"), format!("{content}.{}", base64url(&signature)));
        }
        let claims = laid_over(&self.kind.claims, &json!({ "x": 1 })).to_string();
        let (header, rest) = good.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        self.add(
            "another payload under a genuine signature",
            format!("{header}.{}.{signature}", base64url(claims.as_bytes())),
        );
    }

    /// Serialisations, part counts and encodings of a genuine token that are not its own.
    fn forms(&mut self) {
        let good = self.genuine();
        let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
            panic!("three parts")
        };
        let flat = json!({ "protected": header, "payload": payload, "signature": signature });
        let general = json!({ "payload": payload,
            "signatures": [{ "protected": header, "signature": signature }] });
        for token in [
            ".".to_owned(),
            "..".to_owned(),
            "...".to_owned(),
            "null".to_owned(),
            "undefined".to_owned(),
            flat.to_string(),
            general.to_string(),
            format!("{good}.{payload}.{signature}"),
            format!("{good}."),
            format!(".{good}"),
            format!("{header}..{signature}"),
            format!("{header}.{payload}"),
            format!("{header}.{payload}."),
            format!(".{payload}.{signature}"),
            format!("Bearer {good}"),
            format!(" {good}"),
            format!("{good} "),
            format!("{good}\n"),
            format!("{header}=.{payload}.{signature}"),
            format!("{header}.{payload}=.{signature}"),
            format!("{header}.{payload}.{signature}="),
            format!("{header}.{payload}.{signature}=="),
            format!("{header}.{payload}.{signature}A"),
            format!("{header}. {payload}.{signature}"),
            format!("{header}.{payload}\n.{signature}"),
            format!("{}+.{payload}.{signature}", &header[..header.len() - 1]),
            good.replace('.', "\u{ff0e}"),
            good.to_uppercase(),
        ] {
            self.add(format!("the form {token:.60}"), token);
        }
        // Bits that the last character does not use: another spelling of the same bytes.
        for other in non_canonical(signature) {
            self.add("a signature in another spelling", format!("{header}.{payload}.{other}"));
        }
    }

    fn sizes(&mut self) {
        self.add("8 KiB of dots", ".".repeat(8 * 1024));
        self.add("1 MiB of dots", ".".repeat(1 << 20));
        self.add("1 MiB of letters", "A".repeat(1 << 20));
        self.add("a genuine token of 9 KiB", self.with_claims(&json!({ "x": "x".repeat(7000) })));
    }
}

/// Other spellings of the last character that decode to the same bytes where unused bits are let pass.
fn non_canonical(encoded: &str) -> Vec<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let unused = match encoded.len() % 4 {
        2 => 4,
        3 => 2,
        _ => return Vec::new(),
    };
    let (head, last) = encoded.split_at(encoded.len() - 1);
    let value = ALPHABET.iter().position(|one| *one == last.as_bytes()[0]).unwrap();
    (1..1 << unused).map(|bits| format!("{head}{}", char::from(ALPHABET[value ^ bits]))).collect()
}
