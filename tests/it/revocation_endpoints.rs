//! docs/revocation-feed.md §4: configuration, snapshot and numbered batches over HTTP.

use std::collections::BTreeSet;

use signet::clock::monotonic_now;
use signet_verify::feed::entry::Kind;
use signet_verify::feed::message::{GENESIS, Message, digest};

use super::*;
use crate::support::feed::{named_batch, quick};

const CONFIGURATION: &str = "/.well-known/revocation-configuration";
const SNAPSHOT: &str = "/revocation/snapshot";

/// A server that looks into its outbox as a process does.
fn with_feed(test: impl AsyncFnOnce(&Server)) {
    with_config(quick, async |s| {
        let _sweeping = s.sweeping();
        s.sweep().await;
        test(s).await;
    });
}

/// Revokes an access token; the number of its batch.
async fn revoked(s: &Server) -> i64 {
    let grant = [("grant_type", "client_credentials")];
    let token = Tokens::of(&s.token("service", &grant).await).access;
    named_batch(s.revoke("service", &token).await.ok())
}

async fn batch(s: &Server, n: i64) -> Response {
    s.get(&format!("/revocation/batches/{n}")).send().await
}

/// Neither kept by caches nor without a sentence.
#[track_caller]
fn said(response: &Response, status: u16, error: &str) {
    response.refused(status, error);
    assert_eq!(header(response, "cache-control"), "no-store");
    assert_eq!(header(response, "content-type"), "application/json");
    assert!(response.json()["error_description"].as_str().unwrap().ends_with('.'));
    assert_eq!(header(response, "access-control-allow-origin"), "*");
}

mod configuration {
    use super::*;

    #[test]
    fn it_names_the_endpoints_the_keys_and_the_times() {
        with_feed(async |s| {
            let response = s.get(CONFIGURATION).send().await;
            assert_eq!(header(response.ok(), "content-type"), "application/json");
            assert_eq!(header(&response, "cache-control"), "public, max-age=30");
            assert_eq!(header(&response, "access-control-allow-origin"), "*");
            let document = response.json();
            let members: BTreeSet<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
            let expected = [
                "issuer",
                "revocation_feed_version",
                "snapshot_endpoint",
                "batch_endpoint",
                "stream_endpoint",
                "jwks",
                "access_token_max_seconds",
                "heartbeat_seconds",
                "kinds",
            ];
            assert_eq!(members, expected.into_iter().collect());
            let issuer = s.issuer();
            assert_eq!(document["issuer"], issuer);
            assert_eq!(document["revocation_feed_version"], 1);
            assert_eq!(document["snapshot_endpoint"], format!("{issuer}/revocation/snapshot"));
            assert_eq!(document["batch_endpoint"], format!("{issuer}/revocation/batches/{{n}}"));
            assert_eq!(document["stream_endpoint"], format!("{issuer}/revocation/stream"));
            assert_eq!(document["access_token_max_seconds"], 900);
            // 200 ms, rounded up: nobody is promised more than is kept.
            assert_eq!(document["heartbeat_seconds"], 1);
            assert_eq!(document["kinds"], json!(["iss", "kid", "client", "sub", "sid", "fam", "jti"]));
        });
    }

    #[test]
    fn its_keys_are_public_and_sign_nothing_else() {
        with_feed(async |s| {
            let document = s.get(CONFIGURATION).send().await.json();
            let keys = document["jwks"]["keys"].as_array().unwrap();
            assert_eq!(keys.len(), 1);
            let key = &keys[0];
            let known = json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA" });
            for (name, value) in known.as_object().unwrap() {
                assert_eq!(&key[name], value, "{name}");
            }
            assert_eq!(key.as_object().unwrap().len(), 6, "{key}");
            assert!(key["x"].is_string() && key["kid"].is_string());
            let jwks = s.get("/.well-known/jwks.json").send().await.json();
            assert!(jwks["keys"].as_array().unwrap().iter().all(|other| other["kid"] != key["kid"]));
        });
    }

    #[test]
    fn who_has_it_is_told_so() {
        with_feed(async |s| {
            let first = s.get(CONFIGURATION).send().await;
            let again = s.get(CONFIGURATION).header("If-None-Match", header(&first, "etag")).send().await;
            assert_eq!((again.status, again.body.len()), (304, 0));
            let other = s.get(CONFIGURATION).header("If-None-Match", "\"other\"").send().await;
            assert_eq!(other.ok().body, first.body);
        });
    }

    #[test]
    fn discovery_leads_to_it() {
        with_feed(async |s| {
            let discovery = s.get("/.well-known/openid-configuration").send().await.json();
            let address = format!("{}{CONFIGURATION}", s.issuer());
            assert_eq!(discovery["revocation_configuration_endpoint"], address);
        });
    }

    #[test]
    fn every_node_has_the_same_keys() {
        with_feed(async |s| {
            let other = s.second_node().await;
            let (here, there) = (s.get(CONFIGURATION).send().await, other.get(CONFIGURATION).send().await);
            assert_eq!(here.json()["jwks"], there.json()["jwks"]);
            other.stop().await;
        });
    }
}

mod snapshot {
    use super::*;

    #[test]
    fn before_the_first_batch_it_is_empty_and_has_the_number_0() {
        with_feed(async |s| {
            let response = s.get(SNAPSHOT).send().await;
            assert_eq!(header(response.ok(), "content-type"), "application/revocation-snapshot+jwt");
            assert_eq!(header(&response, "cache-control"), "public, max-age=2");
            assert_eq!(header(&response, "access-control-allow-origin"), "*");
            let Message::Snapshot(snapshot) = s.open_message(&response).await else { panic!("another message") };
            assert_eq!((snapshot.n, snapshot.head.as_str(), snapshot.entries.len()), (0, GENESIS, 0));
            assert_eq!(snapshot.at, s.now().millis());
        });
    }

    #[test]
    fn it_holds_what_lives_and_changes_its_tag_with_it() {
        with_feed(async |s| {
            let empty = s.get(SNAPSHOT).send().await;
            let asked = || s.get(SNAPSHOT).header("If-None-Match", header(&empty, "etag"));
            assert_eq!((asked().send().await.status, asked().send().await.body.len()), (304, 0));
            let n = revoked(s).await;
            let response = asked().send().await;
            assert_ne!(header(response.ok(), "etag"), header(&empty, "etag"));
            let Message::Snapshot(snapshot) = s.open_message(&response).await else { panic!("another message") };
            assert_eq!((snapshot.n, snapshot.entries.len()), (n, 1));
            assert_eq!(snapshot.entries[0].kind, Kind::Jti);
            assert_eq!(snapshot.head, digest(&batch(s, n).await.text()));
            // What has died is left out, and the number stays.
            s.advance(17 * MINUTE);
            s.sweep().await;
            let response = s.get(SNAPSHOT).send().await;
            let Message::Snapshot(snapshot) = s.open_message(response.ok()).await else { panic!("another") };
            assert_eq!((snapshot.n, snapshot.entries.len()), (n, 0));
        });
    }
}

mod batches {
    use super::*;

    #[test]
    fn a_kept_one_is_answered_for_ever_and_continues_the_chain() {
        with_feed(async |s| {
            let mut head = GENESIS.to_owned();
            for expected in 1..=3 {
                let n = revoked(s).await;
                assert_eq!(n, expected);
                let response = batch(s, n).await;
                assert_eq!(header(response.ok(), "content-type"), "application/revocation-batch+jwt");
                assert_eq!(header(&response, "cache-control"), "public, max-age=1200, immutable");
                assert_eq!(header(&response, "access-control-allow-origin"), "*");
                assert_eq!(response.body, batch(s, n).await.body);
                let Message::Batch(found) = s.open_message(&response).await else { panic!("another message") };
                assert_eq!((found.n, found.prev.as_str(), found.entries.len()), (n, head.as_str(), 1));
                head = digest(&response.text());
            }
        });
    }

    /// The answer to a request for the next batch, which is held for two seconds. The outbox is looked into meanwhile, and
    /// by nobody else.
    async fn held(s: &Server, n: i64) -> Response {
        let began = monotonic_now();
        let asking = tokio::spawn(in_parallel(vec![s.get(&format!("/revocation/batches/{n}"))]));
        let counted = "\nsignet_revocation_followers 1\n";
        while !asking.is_finished() && !s.admin_get("/metrics").send().await.text().contains(counted) {}
        s.sweep().await;
        let response = asking.await.unwrap().remove(0);
        assert!(began.elapsed() >= 2 * SECOND, "{:?}", began.elapsed());
        response
    }

    #[test]
    fn the_next_one_is_held_for_a_heartbeat_and_then_answered_with_it() {
        let slow = |config: &mut Config| config.revocation.heartbeat_ms = 2000;
        with_config(slow, async |s| {
            let n = revoked(s).await;
            // 503 where nobody has looked into the outbox meanwhile: on a machine that stood still for so long.
            let mut response = held(s, n + 1).await;
            for _ in 0..4 {
                if response.status == 503 {
                    response = held(s, n + 1).await;
                }
            }
            assert_eq!(header(response.ok(), "content-type"), "application/revocation-heartbeat+jwt");
            assert_eq!(header(&response, "cache-control"), "public, max-age=0");
            let Message::Heartbeat(heartbeat) = s.open_message(&response).await else { panic!("another") };
            assert_eq!(heartbeat.n, n);
            assert_eq!(heartbeat.head, digest(&batch(s, n).await.text()));
            assert_eq!(heartbeat.at, s.now().millis());
        });
    }

    #[test]
    fn who_is_held_gets_the_next_one_as_soon_as_it_is_made() {
        let patient = |config: &mut Config| {
            quick(config);
            config.revocation.heartbeat_ms = 60_000;
        };
        with_config(patient, async |s| {
            let _sweeping = s.sweeping();
            s.sweep().await;
            let next = [1, 1, 1].map(|n| s.get(&format!("/revocation/batches/{n}")));
            let held = tokio::spawn(in_parallel(next.to_vec()));
            // However the requests and the revocation meet, the answer is the batch.
            assert_eq!(revoked(s).await, 1);
            for response in held.await.unwrap() {
                assert_eq!(header(response.ok(), "content-type"), "application/revocation-batch+jwt");
                assert_eq!(response.body, batch(s, 1).await.body);
            }
        });
    }

    #[test]
    fn one_beyond_is_not_there_and_nobody_keeps_that_answer() {
        with_feed(async |s| {
            let n = revoked(s).await;
            for beyond in [n + 2, n + 1000, (1 << 53) - 1] {
                said(&batch(s, beyond).await, 404, "not_found");
            }
        });
    }

    #[test]
    fn one_of_another_node_is_found_without_waiting_for_the_sweep() {
        with_feed(async |s| {
            let other = s.second_node().await;
            let n = revoked(s).await + 1;
            assert_eq!(revoked(s).await, n);
            // The other node has not looked yet: for it the number lies beyond the next.
            let response = batch(&other, n).await;
            assert_eq!(response.ok().body, batch(s, n).await.body);
            other.stop().await;
        });
    }

    #[test]
    fn one_that_is_no_longer_kept_is_gone() {
        with_feed(async |s| {
            let n = revoked(s).await;
            let by = s.op.audit(signet::model::audit::Event::EpochRestored, "cli", s.now()).unwrap();
            let restored = s.op.store.restore_epoch(by).await.unwrap();
            s.sweep().await;
            assert!(restored.feed_number >= 1 << 32);
            for gone in [n + 1, n + 2, restored.feed_number] {
                said(&batch(s, gone).await, 410, "gone");
            }
            batch(s, restored.feed_number + 1).await.ok();
        });
    }

    #[test]
    fn a_number_has_one_spelling() {
        with_feed(async |s| {
            let n = revoked(s).await;
            assert_eq!(n, 1);
            for bad in [
                "0", "01", "+1", "-1", "1.0", "1e0", "0x1", "%201", "1%20", "9007199254740992", "x", "1,2",
                "18446744073709551617", "%D9%A1",
            ] {
                said(&s.get(&format!("/revocation/batches/{bad}")).send().await, 404, "not_found");
            }
            for nowhere in ["/revocation/batches/", "/revocation/batches", "/revocation/batches/1/2", "/revocation"] {
                assert_eq!(s.get(nowhere).send().await.status, 404, "{nowhere}");
            }
        });
    }
}

mod switched_off {
    use super::*;

    #[test]
    fn nothing_is_served_and_nothing_is_lost() {
        let off = |config: &mut Config| {
            quick(config);
            config.revocation.enabled = false;
        };
        with_config(off, async |s| {
            for path in [CONFIGURATION, SNAPSHOT, "/revocation/batches/1", "/revocation/stream"] {
                said(&s.get(path).send().await, 404, "not_found");
            }
            let discovery = s.get("/.well-known/openid-configuration").send().await.json();
            assert_eq!(discovery["revocation_configuration_endpoint"], Value::Null);
            let token = s.tokens("app").await.access;
            let reply = s.revoke("app", &token).await;
            assert_eq!(reply.ok().header("revocation-batch"), None);
            // A node where it is on publishes what was revoked here.
            let public_url = s.issuer().to_owned();
            let on = s.node_with(&|config| config.public_url.clone_from(&public_url)).await;
            on.sweep().await;
            let snapshot = on.open_message(on.get(SNAPSHOT).send().await.ok()).await;
            assert_eq!(snapshot.entries().len(), 1);
            on.stop().await;
        });
    }
}
