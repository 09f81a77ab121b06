//! What an issuer says of its feed: `docs/revocation-feed.md` §4.

use std::time::Duration;

use reqwest::Url;
use serde_json::Value;

use crate::feed::message::FeedKeys;

/// The path of the document, below the issuer.
pub(super) const WELL_KNOWN: &str = "/.well-known/revocation-configuration";
/// The longest document, in bytes.
pub(super) const LONGEST: usize = 128 << 10;
/// The version of the format that this follower reads.
const VERSION: u64 = 1;
/// How long heartbeats may lie apart: above it a state would look stale between any two.
const HEARTBEATS: std::ops::RangeInclusive<u64> = 1..=3;

/// Where the feed is, and the keys it is signed with.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) keys: FeedKeys,
    pub(super) snapshot: String,
    pub(super) stream: String,
    batch: String,
    pub(super) heartbeat: Duration,
}

/// Why a document is not this issuer's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadConfiguration(pub(super) &'static str);

impl Configuration {
    pub(super) fn read(
        document: &[u8],
        issuer: &str,
        longest_snapshot: usize,
    ) -> Result<Self, BadConfiguration> {
        let document: Value = serde_json::from_slice(document)
            .map_err(|_| BadConfiguration("the configuration is not JSON"))?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        // RFC 8414 §3.3: a document of another issuer, served by mistake or on purpose, is not read.
        if text("issuer") != Some(issuer) {
            return Err(BadConfiguration("the configuration is another issuer's"));
        }
        if document.get("revocation_feed_version").and_then(Value::as_u64) != Some(VERSION) {
            return Err(BadConfiguration("the feed is of another version"));
        }
        let endpoint = |name: &str| {
            text(name)
                .filter(|url| same_origin(url, issuer))
                .map(str::to_owned)
                .ok_or(BadConfiguration("an endpoint is missing or of another origin"))
        };
        let batch = endpoint("batch_endpoint")?;
        if !batch.contains("{n}") {
            return Err(BadConfiguration("the batch endpoint does not say where its number is"));
        }
        let heartbeat = document.get("heartbeat_seconds").and_then(Value::as_u64);
        let heartbeat = heartbeat
            .filter(|seconds| HEARTBEATS.contains(seconds))
            .ok_or(BadConfiguration("no heartbeat_seconds from 1 to 3"))?;
        let jwks = document.get("jwks").ok_or(BadConfiguration("no jwks"))?;
        Ok(Self {
            keys: FeedKeys::from_value(jwks)
                .map_err(|_| BadConfiguration("jwks holds no feed key"))?
                .with_longest_snapshot(longest_snapshot),
            snapshot: endpoint("snapshot_endpoint")?,
            stream: endpoint("stream_endpoint")?,
            batch,
            heartbeat: Duration::from_secs(heartbeat),
        })
    }

    /// Where batch `n` is.
    pub(super) fn batch(&self, n: i64) -> String {
        self.batch.replace("{n}", &n.to_string())
    }

    /// Where the stream is that goes on after batch `from`, or begins with a snapshot.
    pub(super) fn stream(&self, from: Option<i64>) -> String {
        let Some(from) = from else { return self.stream.clone() };
        let joint = if self.stream.contains('?') { '&' } else { '?' };
        format!("{}{joint}from={from}", self.stream)
    }
}

/// The address of the issuer's document.
pub(super) fn address(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    Some(format!("{}{}{WELL_KNOWN}", url.origin().ascii_serialization(), url.path().trim_end_matches('/')))
}

/// RFC 6454 §4: scheme, host and port. What stands before an `@` is none of them.
fn same_origin(url: &str, issuer: &str) -> bool {
    let origin = |url: &str| {
        let url = Url::parse(url).ok()?;
        Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default()?))
    };
    origin(url).is_some_and(|found| origin(issuer) == Some(found))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feed::signer::FeedSigner;

    const ISSUER: &str = "https://auth.example.com";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "revocation_feed_version": 1,
            "snapshot_endpoint": "https://auth.example.com/revocation/snapshot",
            "batch_endpoint": "https://auth.example.com/revocation/batches/{n}",
            "stream_endpoint": "https://auth.example.com/revocation/stream",
            "jwks": {"keys": [FeedSigner::new("f", &[1; 32]).unwrap().jwk()]},
            "access_token_max_seconds": 900,
            "heartbeat_seconds": 1,
            "kinds": ["sid"],
        })
    }

    #[test]
    fn a_configuration_names_its_endpoints() {
        let configuration = Configuration::read(document().to_string().as_bytes(), ISSUER, 1_000).unwrap();
        assert_eq!(configuration.batch(17), "https://auth.example.com/revocation/batches/17");
        assert_eq!(configuration.stream(None), "https://auth.example.com/revocation/stream");
        assert_eq!(configuration.stream(Some(3)), "https://auth.example.com/revocation/stream?from=3");
        assert_eq!(configuration.heartbeat, Duration::from_secs(1));
    }

    #[test]
    fn a_configuration_of_another_issuer_version_or_origin_is_refused() {
        for (member, value) in [
            ("issuer", json!("https://auth.example.com/")),
            ("issuer", json!(null)),
            ("revocation_feed_version", json!(2)),
            ("revocation_feed_version", json!("1")),
            ("snapshot_endpoint", json!("https://evil.example/revocation/snapshot")),
            ("snapshot_endpoint", json!("http://auth.example.com/revocation/snapshot")),
            ("stream_endpoint", json!("https://auth.example.com:8443/revocation/stream")),
            ("stream_endpoint", json!("/revocation/stream")),
            ("batch_endpoint", json!("https://auth.example.com@evil.example/{n}")),
            ("batch_endpoint", json!("https://auth.example.com/revocation/batches/1")),
            ("heartbeat_seconds", json!(0)),
            ("heartbeat_seconds", json!(4)),
            ("jwks", json!({"keys": []})),
        ] {
            let mut document = document();
            document[member] = value.clone();
            let read = Configuration::read(document.to_string().as_bytes(), ISSUER, 1_000);
            assert!(read.is_err(), "{member} {value}");
        }
        assert!(Configuration::read(b"[]", ISSUER, 1_000).is_err());
    }

    #[test]
    fn the_document_is_below_the_issuer_as_its_endpoints_are() {
        for (issuer, expected) in [
            ("https://a.example", "https://a.example/.well-known/revocation-configuration"),
            ("https://a.example/", "https://a.example/.well-known/revocation-configuration"),
            ("https://a.example:8443/t/1", "https://a.example:8443/t/1/.well-known/revocation-configuration"),
        ] {
            assert_eq!(address(issuer).as_deref(), Some(expected));
        }
    }
}
