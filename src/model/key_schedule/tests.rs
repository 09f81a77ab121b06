//! Tests of the key schedule: named cases, and a walk of random ticks, rotations and emergencies.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

const PUBLISH: u64 = 400;
const KEEP: u64 = 1000;
const ROTATE: u64 = 10_000;

fn policy(algorithms: &[Algorithm]) -> KeyPolicy {
    KeyPolicy {
        algorithms: algorithms.to_vec(),
        rotate_every: Duration::from_secs(ROTATE),
        publish_ahead: Duration::from_secs(PUBLISH),
        keep_after: Duration::from_secs(KEEP),
    }
}

/// A database of keys: applies changes as storage would.
#[derive(Default)]
struct Rows {
    records: Vec<SigningKeyRecord>,
    made: usize,
}

impl Rows {
    fn apply(&mut self, changes: &[KeyChange], now: Timestamp) {
        for change in changes {
            match change.clone() {
                KeyChange::Create { algorithm, activates_at } => {
                    self.made += 1;
                    self.records.push(SigningKeyRecord {
                        kid: KeyId(format!("k{:04}", self.made)),
                        algorithm,
                        sealed: Vec::new(),
                        public_jwk: String::new(),
                        created_at: now,
                        activates_at,
                        retires_at: None,
                        removes_at: None,
                    });
                }
                KeyChange::Retire { kid, retires_at, removes_at } => {
                    let record = self.records.iter_mut().find(|r| r.kid == kid).expect("a known key");
                    record.retires_at = Some(retires_at);
                    record.removes_at = Some(removes_at);
                }
                KeyChange::Delete { kid } => {
                    let before = self.records.len();
                    self.records.retain(|r| r.kid != kid || r.state(now) != KeyState::Removed);
                    assert_eq!(self.records.len(), before - 1, "only removed keys are deleted");
                }
            }
        }
    }

    fn states(&self, now: Timestamp) -> Vec<&'static str> {
        self.records.iter().map(|record| record.state(now).as_str()).collect()
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(i64::try_from(seconds).unwrap())
}

fn booted() -> (Rows, KeyPolicy) {
    let policy = policy(&[Algorithm::Es256]);
    let mut rows = Rows::default();
    rows.apply(&due(&rows.records, at(0), &policy), at(0));
    (rows, policy)
}

#[test]
fn the_first_boot_makes_keys_that_sign_at_once() {
    let policy = policy(&[Algorithm::Rs256, Algorithm::Es256, Algorithm::Es256]);
    let expected = [Algorithm::Rs256, Algorithm::Es256]
        .map(|algorithm| KeyChange::Create { algorithm, activates_at: at(5) });
    assert_eq!(due(&[], at(5), &policy), expected);
}

#[test]
fn nothing_is_due_while_a_key_is_young() {
    let (rows, policy) = booted();
    assert_eq!(due(&rows.records, at(ROTATE - PUBLISH - 1), &policy), []);
}

#[test]
fn the_successor_is_published_ahead_and_takes_over_at_the_end() {
    let (mut rows, policy) = booted();
    let now = at(ROTATE - PUBLISH);
    let changes = due(&rows.records, now, &policy);
    let kid = KeyId::from("k0001");
    assert_eq!(
        changes,
        [
            KeyChange::Create { algorithm: Algorithm::Es256, activates_at: at(ROTATE) },
            KeyChange::Retire { kid: kid.clone(), retires_at: at(ROTATE), removes_at: at(ROTATE + KEEP) },
        ]
    );
    rows.apply(&changes, now);
    assert_eq!(due(&rows.records, now, &policy), [], "one successor is enough");
    assert_eq!(rows.states(at(ROTATE - 1)), ["active", "pending"]);
    assert_eq!(rows.states(at(ROTATE)), ["retiring", "active"]);
    assert_eq!(rows.states(at(ROTATE + KEEP)), ["removed", "active"]);
    assert_eq!(due(&rows.records, at(ROTATE + 2 * KEEP - 1), &policy), []);
    assert_eq!(due(&rows.records, at(ROTATE + 2 * KEEP), &policy), [KeyChange::Delete { kid }]);
}

#[test]
fn a_late_tick_still_publishes_ahead() {
    let (rows, policy) = booted();
    let now = at(3 * ROTATE);
    let activates_at = at(3 * ROTATE + PUBLISH);
    assert!(
        due(&rows.records, now, &policy)
            .contains(&KeyChange::Create { algorithm: Algorithm::Es256, activates_at })
    );
}

#[test]
fn a_rotation_by_hand_is_not_begun_twice() {
    let (mut rows, policy) = booted();
    let changes = rotate(&rows.records, None, at(10), &policy);
    assert_eq!(changes.len(), 2);
    rows.apply(&changes, at(10));
    assert_eq!(rotate(&rows.records, None, at(11), &policy), []);
    assert_eq!(rotate(&rows.records, Some(Algorithm::Rs256), at(11), &policy), [], "not listed");
    assert_eq!(rows.states(at(10 + PUBLISH)), ["retiring", "active"]);
}

#[test]
fn an_emergency_takes_the_active_key_and_its_successor() {
    let (mut rows, policy) = booted();
    rows.apply(&rotate(&rows.records, None, at(10), &policy), at(10));
    let bad = Compromised::Key(KeyId::from("k0001"));
    rows.apply(&rotate_emergency(&rows.records, &bad, at(20), &policy), at(20));
    assert_eq!(rows.states(at(20)), ["removed", "removed", "active"]);
    assert_eq!(rotate_emergency(&rows.records, &bad, at(21), &policy), [], "already removed");
}

#[test]
fn an_emergency_of_a_pending_key_lets_the_active_one_sign_on() {
    let (mut rows, policy) = booted();
    rows.apply(&rotate(&rows.records, None, at(10), &policy), at(10));
    let bad = Compromised::Key(KeyId::from("k0002"));
    rows.apply(&rotate_emergency(&rows.records, &bad, at(300), &policy), at(300));
    assert_eq!(rows.states(at(300)), ["active", "removed", "pending"]);
    assert_eq!(rows.states(at(300 + PUBLISH)), ["retiring", "removed", "active"]);
}

#[test]
fn an_emergency_of_an_algorithm_takes_all_its_keys_and_no_others() {
    let policy = policy(&[Algorithm::Rs256, Algorithm::Es256]);
    let mut rows = Rows::default();
    rows.apply(&due(&rows.records, at(0), &policy), at(0));
    rows.apply(&rotate(&rows.records, Some(Algorithm::Es256), at(1), &policy), at(1));
    let now = at(1 + PUBLISH);
    assert_eq!(rows.states(now), ["active", "retiring", "active"]);
    let bad = Compromised::Algorithm(Algorithm::Es256);
    rows.apply(&rotate_emergency(&rows.records, &bad, now, &policy), now);
    assert_eq!(rows.states(now), ["active", "removed", "removed", "active"]);
}

#[test]
fn two_keys_of_a_racing_first_boot_become_one() {
    let (mut rows, policy) = booted();
    rows.apply(&[KeyChange::Create { algorithm: Algorithm::Es256, activates_at: at(1) }], at(1));
    rows.apply(&due(&rows.records, at(2), &policy), at(2));
    assert_eq!(rows.states(at(2)), ["retiring", "active"]);
}

#[test]
fn an_unlisted_algorithm_ends_without_successor() {
    let (mut rows, _) = booted();
    let policy = policy(&[Algorithm::EdDsa]);
    rows.apply(&due(&rows.records, at(1), &policy), at(1));
    assert_eq!(rows.states(at(1)), ["active", "active"]);
    rows.apply(&due(&rows.records, at(ROTATE), &policy), at(ROTATE));
    assert_eq!(rows.records[0].state(at(ROTATE)), KeyState::Retiring);
    assert_eq!(rows.records[0].removes_at, Some(at(ROTATE + KEEP)));
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Tick,
    Rotate(Option<Algorithm>),
    EmergencyKey(usize),
    EmergencyAlgorithm(Algorithm),
}

fn step() -> impl Strategy<Value = Step> {
    let algorithm = || prop_oneof![Just(Algorithm::Rs256), Just(Algorithm::Es256)];
    prop_oneof![
        3 => (1u64..900_000).prop_map(Step::Wait),
        1 => (900_000u64..40_000_000).prop_map(Step::Wait),
        4 => Just(Step::Tick),
        2 => proptest::option::of(algorithm()).prop_map(Step::Rotate),
        1 => any::<usize>().prop_map(Step::EmergencyKey),
        1 => algorithm().prop_map(Step::EmergencyAlgorithm),
    ]
}

/// What an observer of all signatures and all JWKS has seen.
#[derive(Default)]
struct Observer {
    last_signature: HashMap<KeyId, Timestamp>,
    /// Keys that an emergency or the first boot made sign at once.
    unannounced: HashSet<KeyId>,
    withdrawn: HashSet<KeyId>,
}

impl Observer {
    fn look(&mut self, rows: &Rows, now: Timestamp, policy: &KeyPolicy) {
        for &algorithm in &policy.algorithms {
            let active: Vec<_> = rows
                .records
                .iter()
                .filter(|r| r.algorithm == algorithm && r.state(now) == KeyState::Active)
                .collect();
            assert_eq!(active.len(), 1, "active keys of {algorithm} at {now:?}: {:?}", rows.records);
            let key = active[0];
            assert!(
                self.unannounced.contains(&key.kid) || now >= key.created_at.plus(policy.publish_ahead),
                "{key:?} signs at {now:?}, too early"
            );
            self.last_signature.insert(key.kid.clone(), now);
        }
        for key in rows.records.iter().filter(|r| r.state(now) == KeyState::Removed) {
            if let Some(last) = self.last_signature.get(&key.kid)
                && !self.withdrawn.contains(&key.kid)
            {
                assert!(now >= last.plus(policy.keep_after), "{key:?} left too early, at {now:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn one_key_signs_none_unannounced_none_removed_early(
        steps in proptest::collection::vec(step(), 1..60),
        rotate_every in 1u64..20_000,
        keep_after in 0u64..5_000,
    ) {
        let policy = KeyPolicy {
            rotate_every: Duration::from_secs(rotate_every),
            keep_after: Duration::from_secs(keep_after),
            ..policy(&[Algorithm::Rs256, Algorithm::Es256])
        };
        let (mut rows, mut observer, mut now) = (Rows::default(), Observer::default(), at(1));
        rows.apply(&due(&rows.records, now, &policy), now);
        observer.unannounced.extend(rows.records.iter().map(|r| r.kid.clone()));
        for step in steps {
            observer.look(&rows, now, &policy);
            let emergency = match step {
                Step::Wait(millis) => {
                    let until = now.plus(Duration::from_millis(millis));
                    let mut moments: Vec<_> = rows.records.iter()
                        .flat_map(|r| [Some(r.activates_at), r.retires_at, r.removes_at])
                        .flatten()
                        .flat_map(|t| [t.minus(Duration::from_millis(1)), t])
                        .filter(|t| now < *t && *t <= until)
                        .collect();
                    moments.sort();
                    for moment in moments {
                        observer.look(&rows, moment, &policy);
                    }
                    now = until;
                    continue;
                }
                Step::Tick => { rows.apply(&due(&rows.records, now, &policy), now); continue; }
                Step::Rotate(which) => { rows.apply(&rotate(&rows.records, which, now, &policy), now); continue; }
                Step::EmergencyKey(n) => Compromised::Key(rows.records[n % rows.records.len()].kid.clone()),
                Step::EmergencyAlgorithm(algorithm) => Compromised::Algorithm(algorithm),
            };
            let changes = rotate_emergency(&rows.records, &emergency, now, &policy);
            rows.apply(&changes, now);
            for record in &rows.records {
                if record.created_at == now && record.activates_at == now {
                    observer.unannounced.insert(record.kid.clone());
                }
                if record.removes_at == Some(now) {
                    observer.withdrawn.insert(record.kid.clone());
                }
            }
        }
        observer.look(&rows, now, &policy);
    }
}
