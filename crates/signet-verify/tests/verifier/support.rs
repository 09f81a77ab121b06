//! An issuer, a verifier of it, and a clock that both go by.

use std::sync::Arc;
use std::time::Duration;

use signet_verify::challenge::Refusal;
use signet_verify::clock::ManualClock;
use signet_verify::testing::{CLIENT_ID, CLIENT_SECRET, TestIssuer};
use signet_verify::token::Token;
use signet_verify::verifier::{Need, RequestParts, Verifier, VerifierBuilder};

pub(crate) const API: &str = "https://api.example";
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const JWKS: &str = "/jwks.json";
pub(crate) const DISCOVERY: &str = "/.well-known/openid-configuration";
/// What is awaited comes within this, or never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const INTROSPECTION: &str = "/introspect";
pub(crate) const STREAM: &str = "/revocation/stream";

pub(crate) struct Bench {
    pub(crate) issuer: TestIssuer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) verifier: Verifier,
}

impl Bench {
    /// Without a feed.
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// Without a feed, with other settings.
    pub(crate) fn with(settings: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Self {
        Self::of(true, settings)
    }

    pub(crate) fn with_feed(settings: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Self {
        Self::of(false, |builder| settings(builder.first_contact(PATIENCE)))
    }

    fn of(without_feed: bool, settings: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Self {
        let clock = Arc::new(ManualClock::new(NOW * 1000));
        let issuer = TestIssuer::start_with(clock.clone());
        let issuer = if without_feed { issuer.without_feed() } else { issuer };
        let builder = Verifier::builder(issuer.issuer(), API).clock(clock.clone());
        let verifier = settings(builder).build().unwrap();
        Self { issuer, clock, verifier }
    }

    /// Waits for something that another task does.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !is(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}: it never came");
    }

    /// With credentials for introspection.
    pub(crate) fn introspecting() -> Self {
        Self::with(|builder| builder.introspection(CLIENT_ID, CLIENT_SECRET))
    }

    pub(crate) async fn bearer(&self, token: &str) -> Result<Arc<Token>, Refusal> {
        self.needing(token, &Need::any()).await
    }

    pub(crate) async fn needing(&self, token: &str, need: &Need) -> Result<Arc<Token>, Refusal> {
        self.lines(&[&format!("Bearer {token}")], need).await
    }

    pub(crate) async fn lines(&self, authorization: &[&str], need: &Need) -> Result<Arc<Token>, Refusal> {
        let request = RequestParts { method: "GET", uri: "https://api.example/x", authorization, dpop: &[] };
        self.verifier.authorize(&request, need).await
    }

    pub(crate) async fn status(&self, token: &str) -> u16 {
        status(&self.bearer(token).await)
    }
}

/// 200 for an accepted request.
pub(crate) fn status(outcome: &Result<Arc<Token>, Refusal>) -> u16 {
    outcome.as_ref().map_or_else(|refusal| refusal.status, |_| 200)
}
