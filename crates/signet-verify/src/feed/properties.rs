//! What holds for every list of entries and every sequence of messages, beside a model that is too simple to be wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::entry::{Entry, Kind};
use super::follower::{Follower, Next};
use super::live::{Coordinates, Live, Rv};
use super::message::{Batch, Heartbeat, Message, Snapshot};

/// The ids that entries and tokens have in common: one of each form that a state holds apart.
const IDS: [&str; 3] = ["0199a5d0-0000-7000-8000-00000000005e", "AAECAwQFBgcICQoLDA0ODw", "plain"];

fn entry() -> impl Strategy<Value = Entry> {
    (select(&Kind::ALL[..]), select(&IDS[..]), prop::option::of(0_i64..6), 1_i64..60).prop_map(
        |(kind, id, min, dies_at)| {
            let id = if kind == Kind::Iss { String::new() } else { id.into() };
            let min = match kind {
                Kind::Fam => min,
                Kind::Iss | Kind::Client | Kind::Sub => Some(min.unwrap_or(0)),
                Kind::Kid | Kind::Sid | Kind::Jti => None,
            };
            Entry { kind, id, min, dies_at }
        },
    )
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(entry(), 0..40)
}

/// Null as a number above all others, for the model.
const NULL: i64 = i64::MAX;

/// The model: the larger of each, in a map.
fn folded<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Entry> {
    let mut state: BTreeMap<(Kind, String), (i64, i64)> = BTreeMap::new();
    for entry in entries {
        let min = entry.min.unwrap_or(NULL);
        let held = state.entry((entry.kind, entry.id.clone())).or_insert((min, entry.dies_at));
        *held = (held.0.max(min), held.1.max(entry.dies_at));
    }
    let entry = |((kind, id), (min, dies_at)): ((Kind, String), (i64, i64))| {
        let min =
            if min == NULL || matches!(kind, Kind::Kid | Kind::Sid | Kind::Jti) { None } else { Some(min) };
        Entry { kind, id, min, dies_at }
    };
    state.into_iter().map(entry).collect()
}

/// The model of one entry's verdict, straight from the table of the specification.
fn voids(entry: &Entry, token: &Coordinates<'_>) -> bool {
    let id = Some(entry.id.as_str());
    let below = |number: i64| entry.min.is_none_or(|min| number < min);
    match entry.kind {
        Kind::Iss => below(token.iat),
        Kind::Kid => token.kid == id,
        Kind::Client => token.client == id && below(token.iat),
        Kind::Sub => token.sub == id && token.rv.is_none_or(|rv| below(rv.epoch)),
        Kind::Sid => token.sid == id,
        Kind::Fam => token.rv.is_some_and(|rv| Some(rv.family) == id && below(rv.generation)),
        Kind::Jti => token.jti == id,
    }
}

fn live(entries: &[Entry]) -> Live {
    let mut live = Live::default();
    for entry in entries {
        live.fold(entry);
    }
    live
}

fn token() -> impl Strategy<Value = Coordinates<'static>> {
    let id = || prop::option::of(select(&IDS[..]));
    let rv = prop::option::of((0_i64..6, select(&IDS[..]), 0_i64..6));
    (id(), 0_i64..6, id(), id(), id(), id(), rv).prop_map(|(kid, iat, client, sub, sid, jti, rv)| {
        let rv = rv.map(|(epoch, family, generation)| Rv { epoch, family, generation });
        Coordinates { kid, iat, client, sub, sid, jti, rv }
    })
}

/// A genuine message of whatever chain and time, and the digest it would have.
#[derive(Clone, Debug)]
struct Heard {
    message: Message,
    digest: String,
    /// Local time since the message before it.
    later: u64,
}

fn heard() -> impl Strategy<Value = Heard> {
    let digest = || prop_oneof![4 => Just("main"), 1 => Just("fork")];
    let what = (0_u8..3, 1_i64..8, digest(), digest(), prop::collection::vec(entry(), 0..4));
    let when = prop_oneof![8 => 0_u64..2_000, 1 => 20_000_u64..130_000];
    (what, when, prop_oneof![6 => 0_i64..2_000, 1 => 2_000_i64..200_000]).prop_map(
        |((what, n, before, own, entries), later, age)| {
            let issuer = "i".to_owned();
            // Chains `main` and `fork`; the digest of a batch is its chain's name and its number.
            let head = format!("{own}{n}");
            let at = -age;
            let message = match what {
                0 => Message::Snapshot(Snapshot { issuer, n, at, head: head.clone(), entries }),
                1 => Message::Batch(Batch { issuer, n, at, prev: format!("{before}{}", n - 1), entries }),
                _ => Message::Heartbeat(Heartbeat { issuer, n, at, head: head.clone() }),
            };
            Heard { message, digest: head, later }
        },
    )
}

impl Heard {
    /// With its `at`, which was drawn as an age, as a date; it is genuine, so it lies in the past.
    fn said(&self, server_now: i64) -> Message {
        let mut message = self.message.clone();
        match &mut message {
            Message::Batch(batch) => batch.at += server_now,
            Message::Snapshot(snapshot) => snapshot.at += server_now,
            Message::Heartbeat(heartbeat) => heartbeat.at += server_now,
        }
        message
    }
}

/// Whether the message continues the position, or is it: the only ground for crediting it.
fn continues(message: &Message, digest: &str, position: Option<(i64, String)>) -> bool {
    match (message, position) {
        (Message::Snapshot(snapshot), position) => position.is_none_or(|(n, _)| snapshot.n >= n),
        (_, None) => false,
        (Message::Batch(batch), Some((n, held))) => {
            batch.n == n + 1 && batch.prev == held && digest.ends_with(&batch.n.to_string())
        }
        (Message::Heartbeat(heartbeat), Some((n, held))) => heartbeat.n == n && heartbeat.head == held,
    }
}

const START: i64 = 1_000_000;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_order_with_duplicates_split_any_way_folds_to_the_same_state(
        (list, shuffled, again, cuts) in entries().prop_flat_map(|list| {
            let length = list.len();
            (
                Just(list.clone()),
                Just(list.clone()).prop_shuffle(),
                subsequence(list, 0..=length),
                prop::collection::vec(any::<bool>(), 2 * length),
            )
        })
    ) {
        let expected = folded(&list);
        prop_assert_eq!(live(&list).entries(), expected.clone());
        let all: Vec<Entry> = shuffled.into_iter().chain(again).collect();
        // Each cut ends a message: batches and snapshots in turn, of numbers that fit or not.
        let mut follower = Follower::default();
        let mut part = Vec::new();
        for (place, entry) in all.iter().enumerate() {
            part.push(entry.clone());
            if cuts[place] || place + 1 == all.len() {
                let entries = std::mem::take(&mut part);
                let n = i64::try_from(place).unwrap();
                let (issuer, digest) = (String::new(), n.to_string());
                let message = if place % 2 == 0 {
                    Message::Snapshot(Snapshot { issuer, n, at: 0, head: digest.clone(), entries })
                } else {
                    Message::Batch(Batch { issuer, n, at: 0, prev: (n - 1).to_string(), entries })
                };
                follower.receive(&message, &digest, 0, Duration::ZERO);
            }
        }
        prop_assert_eq!(follower.live().entries(), expected.clone());
        prop_assert_eq!(follower.live().len(), expected.len());
    }

    #[test]
    fn folding_is_associative_commutative_and_idempotent(a in entries(), b in entries(), c in entries()) {
        let of = |parts: &[&[Entry]]| live(&parts.concat()).entries();
        let (state_a, state_b, state_c) = (of(&[&a]), of(&[&b]), of(&[&c]));
        let left = of(&[&of(&[&state_a, &state_b]), &state_c]);
        prop_assert_eq!(&left, &of(&[&state_a, &of(&[&state_b, &state_c])]));
        prop_assert_eq!(of(&[&state_a, &state_b]), of(&[&state_b, &state_a]));
        prop_assert_eq!(of(&[&left, &left]), left.clone());
        prop_assert_eq!(left, folded(a.iter().chain(&b).chain(&c)));
    }

    #[test]
    fn a_token_is_voided_exactly_when_a_living_entry_voids_it(
        list in entries(), token in token(), now in 0_i64..60
    ) {
        // Folded only once the dead are gone: a dead min may otherwise live on in the model.
        let living: Vec<Entry> = list.iter().filter(|entry| entry.dies_at > now).cloned().collect();
        let mut state = Live::default();
        state.expire(now);
        for entry in &list {
            state.fold(entry);
        }
        prop_assert_eq!(state.entries(), folded(&living));
        let expected = living.iter().filter(|entry| voids(entry, &token)).map(|entry| entry.kind).min();
        prop_assert_eq!(state.voids(&token), expected);
    }

    #[test]
    fn whatever_comes_nothing_is_un_revoked_before_its_death(
        story in prop::collection::vec(heard(), 1..30), tokens in prop::collection::vec(token(), 8)
    ) {
        let mut follower = Follower::default();
        let mut received: Vec<Entry> = Vec::new();
        let mut now = 0_i64;
        for heard in story {
            // Slow enough that entries, which die within a minute, live through several messages.
            now += i64::try_from(heard.later / 4).unwrap();
            follower.receive(&heard.message, &heard.digest, now, Duration::ZERO);
            received.extend_from_slice(heard.message.entries());
            for token in &tokens {
                let voided = follower.live().voids(token);
                let lives = |entry: &&Entry| entry.dies_at > now / 1_000;
                if received.iter().filter(lives).any(|entry| voids(entry, token)) {
                    prop_assert!(voided.is_some(), "un-revoked: {:?}", token);
                }
                if let Some(kind) = voided {
                    prop_assert!(received.iter().any(|entry| entry.kind == kind && voids(entry, token)));
                }
            }
        }
    }

    #[test]
    fn only_what_continues_the_position_is_credited(
        story in prop::collection::vec(heard(), 1..60), skew in -30_000_i64..=30_000
    ) {
        let mut follower = Follower::default();
        let (mut mono, mut credited) = (0_u64, None::<(i64, u64)>);
        for heard in story {
            mono += heard.later;
            let server_now = START + i64::try_from(mono).unwrap();
            let local = server_now + skew;
            let message = heard.said(server_now);
            let before = follower.position().map(|position| (position.n, position.digest.clone()));
            let continuing = continues(&message, &heard.digest, before.clone());
            let next = follower.receive(&message, &heard.digest, local, Duration::from_millis(mono));
            prop_assert!(!continuing || next == Next::Continue);
            if continuing && credited.is_none_or(|(at, _)| message.at() > at) {
                credited = Some((message.at(), mono));
            }
            let after = follower.position().map(|position| (position.n, position.digest.clone()));
            if continuing {
                prop_assert_eq!(after, Some((message.n(), heard.digest.clone())));
            } else {
                prop_assert_eq!(after, before);
            }
            for wait in [0, 1_000, 40_000] {
                let clocks = (local + wait, Duration::from_millis(mono + wait.unsigned_abs()));
                let staleness = follower.staleness(clocks.0, clocks.1);
                prop_assert_eq!(staleness.is_some(), credited.is_some());
                let (Some(staleness), Some((at, came))) = (staleness, credited) else { continue };
                let staleness = i64::try_from(staleness.as_millis()).unwrap();
                let since = i64::try_from(mono - came).unwrap() + wait;
                prop_assert!(staleness >= since, "fresher than its last credited message");
                let age = server_now + wait - at;
                prop_assert!(staleness >= age - 30_000 + skew.min(0), "an old message passes for a new one");
                prop_assert!(staleness <= age.max(since) + 60_000);
            }
        }
    }
}
