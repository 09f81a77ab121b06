//! An issuer, a verifier that knows it, and what a client of both does.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use signet_verify::clock::{Clock, ManualClock, SystemClock};
use signet_verify::feed::entry::{Entry, Kind};
use signet_verify::testing::{TestIssuer, TestKey};
use signet_verify::verifier::{Verifier, VerifierBuilder};

const AUDIENCE: &str = "https://api.example.com";
const SUBJECT: &str = "01900000-0000-7000-8000-0000000a11ce";
const CLIENT: &str = "shop";

const STREAM: &str = "/revocation/stream";
/// What is awaited comes within this, or never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that another task does.
async fn eventually(what: &str, is: impl Fn() -> bool) {
    let waiting = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}: it never came");
}

/// A port that nobody listens on. Below those that the kernel hands to outgoing connections and to listeners that take
/// any: between here and the program that binds it, nobody is given it. Processes that run at once begin far apart.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (0..RANGE)
        .map(|_| {
            let number =
                std::process::id().wrapping_mul(613).wrapping_add(NEXT.fetch_add(1, Ordering::SeqCst));
            FIRST_PORT + u16::try_from(number % RANGE).unwrap()
        })
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

const FIRST_PORT: u16 = 20_000;
const RANGE: u32 = 12_000;

pub(crate) struct World {
    issuer: TestIssuer,
    clock: Arc<ManualClock>,
    verifier: Verifier,
}

impl World {
    /// All clocks stand at the same moment until the test moves them.
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock::new().unix_millis()));
        let issuer = TestIssuer::start_with(clock.clone());
        let verifier = build(&issuer, &clock, |builder| builder);
        verifier.ready().await.expect("keys and feed");
        Self { issuer, clock, verifier }
    }

    pub(crate) fn issuer(&self) -> &str {
        self.issuer.issuer()
    }

    pub(crate) fn audience(&self) -> &'static str {
        AUDIENCE
    }

    pub(crate) fn subject(&self) -> &'static str {
        SUBJECT
    }

    pub(crate) fn client(&self) -> &'static str {
        CLIENT
    }

    /// Unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.unix_millis().div_euclid(1000)
    }

    /// The verifier of issuer and audience alone.
    pub(crate) fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    /// Another one, with more settings.
    pub(crate) fn verifier_with(&self, change: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Verifier {
        build(&self.issuer, &self.clock, change)
    }

    pub(crate) fn token(&self, scope: &str) -> String {
        self.token_with(json!({ "scope": scope }))
    }

    /// A token with these claims; null removes one.
    pub(crate) fn token_with(&self, claims: Value) -> String {
        let mut token = self.issuer.token(AUDIENCE).subject(SUBJECT).claim("client_id", json!(CLIENT));
        for (name, value) in claims.as_object().expect("an object") {
            token = token.claim(name, value.clone());
        }
        token.sign()
    }

    /// Revokes one token and waits until the verifier has heard of it.
    pub(crate) async fn revoke(&self, token: &str, verifier: &Verifier) {
        let payload = token.split('.').nth(1).expect("a JWT");
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let entry = Entry {
            kind: Kind::Jti,
            id: claims["jti"].as_str().expect("a jti").to_owned(),
            min: None,
            dies_at: self.now() + 900,
        };
        let n = self.issuer.revoke(&[entry]);
        eventually("the revocation arrives", || verifier.feed_position() >= Some(n)).await;
    }

    /// The issuer is gone, and so much time passes that nobody can tell what it has revoked since.
    pub(crate) async fn silence(&self) {
        // A heartbeat that is under way would be credited after the clock has moved: who asks for a stream again has
        // read the former one to its end.
        let asked = self.issuer.hits(STREAM);
        self.issuer.set_feed_cut(true);
        eventually("the stream ends", || self.issuer.hits(STREAM) > asked).await;
        self.issuer.set_down(true);
        self.clock.advance(Duration::from_secs(40));
    }
}

fn build(
    issuer: &TestIssuer,
    clock: &Arc<ManualClock>,
    change: impl FnOnce(VerifierBuilder) -> VerifierBuilder,
) -> Verifier {
    let builder = Verifier::builder(issuer.issuer(), AUDIENCE).clock(clock.clone());
    change(builder).build().expect("settings")
}

/// A client with a key (RFC 9449).
pub(crate) struct Holder(TestKey);

impl Holder {
    pub(crate) fn new() -> Self {
        Self(TestKey::generate())
    }

    pub(crate) fn thumbprint(&self) -> &str {
        self.0.kid()
    }

    pub(crate) fn proof(&self, method: &str, url: &str, token: &str, at: i64) -> String {
        self.0.proof(method, url, token, (at, &json!({})))
    }
}
