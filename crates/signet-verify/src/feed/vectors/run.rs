//! Holds the implementation against the file, which another implementation reads just so.

use std::time::Duration;

use serde_json::Value;

use super::super::entry::{Entry, Kind};
use super::super::follower::{Follower, Next, Staleness};
use super::super::live::{Coordinates, Live, Rv};
use super::super::message::{FeedKeys, Refused, digest};

struct File(Value);

impl File {
    fn read() -> Self {
        Self(serde_json::from_slice(&std::fs::read(super::FILE).unwrap()).unwrap())
    }

    /// The vectors of one section, each with its name; at least so many.
    fn section(&self, name: &str, at_least: usize) -> impl Iterator<Item = (&str, &Value)> {
        let vectors = self.0[name].as_array().unwrap();
        assert!(vectors.len() >= at_least, "{name} holds {} vectors", vectors.len());
        vectors.iter().map(|vector| (vector["name"].as_str().unwrap(), vector))
    }

    fn keys(&self) -> FeedKeys {
        FeedKeys::from_value(&self.0["keys"]["jwks"]).unwrap()
    }

    fn issuer(&self) -> &str {
        self.0["issuer"].as_str().unwrap()
    }

    fn compact(&self, message: &str) -> &str {
        let (_, found) = self.section("messages", 1).find(|(name, _)| *name == message).unwrap();
        found["compact"].as_str().unwrap()
    }
}

fn entries(list: &Value) -> Vec<Entry> {
    serde_json::from_value(list.clone()).unwrap()
}

#[test]
fn messages_open_to_their_payload_and_digest() {
    let file = File::read();
    for (name, vector) in file.section("messages", 20) {
        let compact = vector["compact"].as_str().unwrap();
        let message = file.keys().open(compact, file.issuer()).unwrap_or_else(|why| panic!("{name}: {why}"));
        let payload = String::from_utf8(message.payload().unwrap()).unwrap();
        assert_eq!(vector["payload"], payload, "{name}");
        assert_eq!(vector["digest"], digest(compact), "{name}");
    }
    for vector in file.0["digests"].as_array().unwrap() {
        assert_eq!(vector["digest"], digest(vector["text"].as_str().unwrap()));
    }
}

#[test]
fn lists_of_entries_fold_to_the_state_in_any_order() {
    for (name, vector) in File::read().section("folds", 9) {
        let mut expected = entries(&vector["state"]);
        expected.sort();
        for order in vector["orders"].as_array().unwrap() {
            let mut live = Live::default();
            live.expire(vector["now"].as_i64().unwrap());
            for entry in entries(order) {
                live.fold(&entry);
            }
            assert_eq!(live.entries(), expected, "{name}: {order}");
            assert_eq!(live.len(), expected.len(), "{name}");
        }
    }
}

#[test]
fn tokens_are_judged_by_the_state() {
    for (name, vector) in File::read().section("judgements", 25) {
        let mut live = Live::default();
        for entry in entries(&vector["state"]) {
            live.fold(&entry);
        }
        live.expire(vector["now"].as_i64().unwrap());
        let (header, claims) = (&vector["token"]["header"], &vector["token"]["claims"]);
        let rv = claims["rv"].as_array().map(|rv| Rv {
            epoch: rv[0].as_i64().unwrap(),
            family: rv[1].as_str().unwrap(),
            generation: rv[2].as_i64().unwrap(),
        });
        let token = Coordinates {
            kid: header["kid"].as_str(),
            iat: claims["iat"].as_i64().unwrap(),
            client: claims["client_id"].as_str(),
            sub: claims["sub"].as_str(),
            sid: claims["sid"].as_str(),
            jti: claims["jti"].as_str(),
            rv,
        };
        let voided_by = live.voids(&token).map(Kind::as_str);
        assert_eq!(voided_by, vector["voided_by"].as_str(), "{name}");
    }
}

#[test]
fn followers_come_to_the_positions_and_the_staleness() {
    let file = File::read();
    for (name, vector) in file.section("followers", 15) {
        let mut follower = Follower::default();
        for step in vector["steps"].as_array().unwrap() {
            let local = step["local"].as_i64().unwrap();
            let mono = Duration::from_millis(step["mono"].as_u64().unwrap());
            let next = step["receive"].as_str().map(|message| {
                let compact = file.compact(message);
                let message = file.keys().open(compact, file.issuer()).unwrap();
                follower.receive(&message, &digest(compact), local, mono)
            });
            let next = next.map(|next| match next {
                Next::Continue => "continue",
                Next::TakeSnapshot => "take_snapshot",
                Next::RolledBack => "rolled_back",
            });
            assert_eq!(next, step["next"].as_str(), "{name}: {step}");
            let position = follower.position().map(|position| (position.n, position.digest.as_str()));
            let expected = &step["position"];
            let expected = expected["n"].as_i64().map(|n| (n, expected["digest"].as_str().unwrap()));
            assert_eq!(position, expected, "{name}: {step}");
            let staleness = follower.staleness(local, mono);
            let millis = staleness.map(|age| u64::try_from(age.as_millis()).unwrap());
            assert_eq!(millis, step["staleness"].as_u64(), "{name}: {step}");
            let class = match Staleness::of(staleness) {
                Staleness::Fresh => "fresh",
                Staleness::Soft => "soft",
                Staleness::Hard => "hard",
                Staleness::NoFeed => "no feed",
            };
            assert_eq!(step["class"], class, "{name}: {step}");
            assert_eq!(step["live"].as_u64(), u64::try_from(follower.live().len()).ok(), "{name}: {step}");
        }
    }
}

#[test]
fn what_is_no_message_is_refused_with_the_reason() {
    let file = File::read();
    let mut seen = std::collections::BTreeSet::new();
    for (name, vector) in file.section("rejections", 80) {
        let refused = file.keys().open(vector["compact"].as_str().unwrap(), file.issuer());
        let word = refused.err().map(Refused::word);
        assert_eq!(word, vector["reason"].as_str(), "{name}");
        assert!(seen.insert(name), "{name} is there twice");
    }
}
