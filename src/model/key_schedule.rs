//! The key schedule: which changes to the key rows are due. Pure; whoever applies the changes does so in one
//! transaction under one lock.
//!
//! A key is published before it signs, so that a resource server which caches the JWKS for its full lifetime
//! already holds the key when it meets the first token; and it stays published after it ceased to sign, for as
//! long as anything it signed may live. The row that has no end is the *tail* of its algorithm: there is one,
//! and a successor is put behind it by writing its end and the successor's beginning as the same instant.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::model::key::{KeyState, SigningKeyRecord};
use crate::oauth::algorithm::Algorithm;
use crate::secret::KeyId;

/// How keys live.
#[derive(Clone, Debug)]
pub struct KeyPolicy {
    /// The algorithms to hold a signing key for.
    pub algorithms: Vec<Algorithm>,
    /// How long a key signs.
    pub rotate_every: Duration,
    /// How long a key is published before it signs: at least the `max-age` of the JWKS (300 s), plus the time
    /// a node may take to read new rows, plus clock skew.
    pub publish_ahead: Duration,
    /// How long a key is published after its last signature: at least the longest life of a token, plus skew.
    pub keep_after: Duration,
}

/// One change to the key rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// Generate a key and insert its row.
    Create {
        /// What the key signs with.
        algorithm: Algorithm,
        /// When it begins to sign.
        activates_at: Timestamp,
    },
    /// Write the two end times of a row; they may move an end that was written before.
    Retire {
        /// Which key.
        kid: KeyId,
        /// When it ceases to sign.
        retires_at: Timestamp,
        /// When it leaves the JWKS.
        removes_at: Timestamp,
    },
    /// Delete the row of a key removed long ago, and with it the sealed private key.
    Delete {
        /// Which key.
        kid: KeyId,
    },
}

/// What is no longer trusted, for [`rotate_emergency`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compromised {
    /// One key.
    Key(KeyId),
    /// Every key of one algorithm.
    Algorithm(Algorithm),
}

/// The changes due at `now`. On the first boot (and for an algorithm newly listed) a key is created that signs
/// at once, for there is no other; later a successor is published ahead of the old key's end. A late call never
/// leaves a gap: an old key signs on until its successor has been published for long enough.
///
/// A key whose algorithm is no longer listed signs to its natural end and gets no successor.
pub fn due(records: &[SigningKeyRecord], now: Timestamp, policy: &KeyPolicy) -> Vec<KeyChange> {
    let mut changes = Vec::new();
    for algorithm in listed(policy) {
        let mut tails = tails(records, algorithm, now);
        let Some(newest) = tails.pop() else {
            changes.extend(begin(records, algorithm, now, policy));
            continue;
        };
        // Two tails mean that two nodes created a key at once; the later one stays.
        changes.extend(tails.into_iter().map(|extra| retire(extra, newest.activates_at.max(now), policy)));
        let end = newest.activates_at.plus(policy.rotate_every);
        if newest.state(now) == KeyState::Active && now >= end.minus(policy.publish_ahead) {
            changes.extend(hand_over(newest, end.max(now.plus(policy.publish_ahead)), policy));
        }
    }
    changes.extend(records.iter().filter_map(|record| unlisted_or_old(record, now, policy)));
    changes
}

/// A rotation by hand: successors of one algorithm, or of all listed ones, that sign from `now` plus the
/// publishing time. Where a successor is already published nothing is due: the rotation is under way.
pub fn rotate(
    records: &[SigningKeyRecord],
    algorithm: Option<Algorithm>,
    now: Timestamp,
    policy: &KeyPolicy,
) -> Vec<KeyChange> {
    let mut changes = Vec::new();
    for listed in listed(policy).into_iter().filter(|listed| algorithm.is_none_or(|only| only == *listed)) {
        match tails(records, listed, now).pop() {
            None => changes.extend(begin(records, listed, now, policy)),
            Some(tail) if tail.state(now) == KeyState::Active => {
                changes.extend(hand_over(tail, now.plus(policy.publish_ahead), policy));
            }
            Some(_) => {}
        }
    }
    changes
}

/// Takes keys out of use at once: they sign and verify nothing from `now`. Where that leaves no key to sign
/// with, a new one signs at once, although nobody has seen it before: resource servers that fetch the JWKS for
/// an unknown `kid` learn it then. A pending successor goes with the active key it was to follow.
pub fn rotate_emergency(
    records: &[SigningKeyRecord],
    compromised: &Compromised,
    now: Timestamp,
    policy: &KeyPolicy,
) -> Vec<KeyChange> {
    let live = |record: &&SigningKeyRecord| record.state(now) != KeyState::Removed;
    let (algorithm, withdrawn): (_, Vec<_>) = match compromised {
        Compromised::Algorithm(algorithm) => {
            (*algorithm, records.iter().filter(live).filter(|r| r.algorithm == *algorithm).collect())
        }
        Compromised::Key(kid) => {
            let Some(key) = records.iter().filter(live).find(|record| record.kid == *kid) else {
                return Vec::new();
            };
            let goes_with_it = |record: &&SigningKeyRecord| {
                record.kid == key.kid
                    || (key.state(now) == KeyState::Active
                        && record.algorithm == key.algorithm
                        && record.state(now) == KeyState::Pending)
            };
            (key.algorithm, records.iter().filter(live).filter(goes_with_it).collect())
        }
    };
    let mut changes: Vec<_> = withdrawn
        .iter()
        .map(|record| KeyChange::Retire {
            kid: record.kid.clone(),
            retires_at: record.retires_at.map_or(now, |at| at.min(now)),
            removes_at: now,
        })
        .collect();
    let rest: Vec<_> =
        records.iter().filter(|r| !withdrawn.iter().any(|w| w.kid == r.kid)).cloned().collect();
    if listed(policy).contains(&algorithm) && tails(&rest, algorithm, now).is_empty() {
        changes.extend(begin(&rest, algorithm, now, policy));
    }
    changes
}

/// The first key of an algorithm without a tail. Where a key without successor still signs, its end moves to
/// the moment the new key has been published for long enough.
fn begin(
    records: &[SigningKeyRecord],
    algorithm: Algorithm,
    now: Timestamp,
    policy: &KeyPolicy,
) -> Vec<KeyChange> {
    let signs = |r: &&SigningKeyRecord| r.algorithm == algorithm && r.state(now) == KeyState::Active;
    match records.iter().filter(signs).max_by_key(|record| (record.retires_at, record.kid.clone())) {
        None => vec![KeyChange::Create { algorithm, activates_at: now }],
        Some(last) => {
            let earliest = now.plus(policy.publish_ahead);
            hand_over(last, last.retires_at.map_or(earliest, |end| end.max(earliest)), policy)
        }
    }
}

/// A successor that begins at the instant the old key ends.
fn hand_over(old: &SigningKeyRecord, at: Timestamp, policy: &KeyPolicy) -> Vec<KeyChange> {
    vec![KeyChange::Create { algorithm: old.algorithm, activates_at: at }, retire(old, at, policy)]
}

fn retire(record: &SigningKeyRecord, at: Timestamp, policy: &KeyPolicy) -> KeyChange {
    KeyChange::Retire { kid: record.kid.clone(), retires_at: at, removes_at: at.plus(policy.keep_after) }
}

/// The keys of an algorithm that have no end yet, the newest last.
fn tails(records: &[SigningKeyRecord], algorithm: Algorithm, now: Timestamp) -> Vec<&SigningKeyRecord> {
    let mut tails: Vec<_> = records
        .iter()
        .filter(|r| r.algorithm == algorithm && r.retires_at.is_none() && r.state(now) != KeyState::Removed)
        .collect();
    tails.sort_by_key(|record| (record.activates_at, record.kid.clone()));
    tails
}

fn listed(policy: &KeyPolicy) -> BTreeSet<Algorithm> {
    policy.algorithms.iter().copied().collect()
}

/// What one row needs regardless of the others: its end where its algorithm is no longer listed, its deletion
/// where it was removed long ago.
fn unlisted_or_old(record: &SigningKeyRecord, now: Timestamp, policy: &KeyPolicy) -> Option<KeyChange> {
    if record.removes_at.is_some_and(|at| at.plus(policy.keep_after) <= now) {
        return Some(KeyChange::Delete { kid: record.kid.clone() });
    }
    let end = record.activates_at.plus(policy.rotate_every);
    let unlisted = !policy.algorithms.contains(&record.algorithm);
    (unlisted && record.retires_at.is_none() && record.removes_at.is_none() && end <= now)
        .then(|| retire(record, now, policy))
}

#[cfg(test)]
mod tests;
