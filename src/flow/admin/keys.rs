//! The signing keys: listing, changing and withdrawing them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{AdminError, Answer, By};
use crate::clock::Timestamp;
use crate::flow::Provider;
use crate::flow::keys::{carry_out, reload};
use crate::model::key::{KeyState, SigningKeyRecord};
use crate::model::key_schedule::{self, Compromised, KeyChange};
use crate::oauth::algorithm::Algorithm;
use crate::secret::KeyId;

/// A verifier that follows the cache headers of the JWKS has dropped a withdrawn key after so long: `max-age` 300 s
/// and `stale-while-revalidate` 60 s.
pub const JWKS_CACHED: Duration = Duration::from_secs(360);
/// How often a change is planned anew after another node's has come between.
const TRIES: u32 = 5;

/// A signing key as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub kid: KeyId,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Where it stands in its life.
    pub state: KeyState,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// When it begins to sign.
    pub activates_at: Timestamp,
    /// When it ceases to sign.
    pub retires_at: Option<Timestamp>,
    /// When it leaves the JWKS.
    pub removes_at: Option<Timestamp>,
}

/// Which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those of every algorithm in use.
    All,
    /// Those of one algorithm.
    Algorithm(Algorithm),
    /// One key.
    Key(KeyId),
}

/// What a change did.
#[derive(Clone, Debug, Default)]
pub struct KeysChanged {
    /// Keys made.
    pub created: Vec<Key>,
    /// Keys that will cease to sign and stay published for as long as what they signed lives: no token dies.
    pub retiring: Vec<Key>,
    /// Keys out of use. Every access token and ID token with such a `kid` is refused here from now on. Refresh
    /// tokens, sessions and codes live on: no signing key made them.
    pub removed: Vec<Key>,
    /// Successors that an earlier rotation has published and that do not sign yet: none is made behind them.
    pub under_way: Vec<Key>,
    /// Until when a verifier may still hold a removed key in its cache; `None` where none was removed.
    pub tokens_accepted_until: Option<Timestamp>,
}

/// All keys, oldest first.
///
/// # Errors
/// A fault.
pub async fn list(op: &Provider, now: Timestamp) -> Answer<Vec<Key>> {
    let (_, records) = op.store.signing_keys().await?;
    Ok(records.iter().map(|record| key_of(record, now)).collect())
}

/// Publishes successors that begin to sign once verifiers can know them. Where a successor is published already,
/// nothing changes: that rotation is under way, and the next may follow when its key signs.
///
/// # Errors
/// No such key, a key that does not sign, an algorithm that is not in use, or a fault.
pub async fn rotate(op: &Provider, by: &By<'_>, which: &Which) -> Answer<KeysChanged> {
    let mut changed = change(op, by, |records| {
        let algorithm = match which {
            Which::All => None,
            Which::Algorithm(algorithm) => Some(in_use(op, *algorithm)?),
            Which::Key(kid) => {
                let key = find(records, kid)?;
                if key.state(by.now) != KeyState::Active {
                    return Err(AdminError::conflict("kid", "This key does not sign. Name one that does."));
                }
                Some(in_use(op, key.algorithm)?)
            }
        };
        Ok(key_schedule::rotate(records, algorithm, by.now, &op.policy.keys))
    })
    .await?;
    let keys = list(op, by.now).await?;
    let asked = |key: &Key| match which {
        Which::All => op.policy.keys.algorithms.contains(&key.algorithm),
        Which::Algorithm(algorithm) => key.algorithm == *algorithm,
        Which::Key(kid) => keys.iter().any(|named| named.kid == *kid && named.algorithm == key.algorithm),
    };
    let made = |key: &Key| changed.created.iter().any(|created| created.kid == key.kid);
    let waiting = |key: &&Key| key.state == KeyState::Pending && asked(key) && !made(key);
    let under_way = keys.iter().filter(waiting).cloned().collect();
    changed.under_way = under_way;
    Ok(changed)
}

/// A key is in the wrong hands: takes it (or all of an algorithm, or all) out of use at once; new keys sign at once.
///
/// # Errors
/// No such key, or a fault.
pub async fn rotate_emergency(op: &Provider, by: &By<'_>, which: &Which) -> Answer<KeysChanged> {
    change(op, by, |records| {
        let compromised = match which {
            Which::Key(kid) => {
                let key = find(records, kid)?;
                if key.state(by.now) == KeyState::Removed {
                    return Err(AdminError::conflict("kid", "This key is out of use already."));
                }
                vec![Compromised::Key(kid.clone())]
            }
            Which::Algorithm(algorithm) => vec![Compromised::Algorithm(*algorithm)],
            Which::All => {
                let held = records.iter().map(|record| record.algorithm);
                let all: BTreeSet<_> = held.chain(op.policy.keys.algorithms.iter().copied()).collect();
                all.into_iter().map(Compromised::Algorithm).collect()
            }
        };
        Ok(compromised
            .iter()
            .flat_map(|c| key_schedule::rotate_emergency(records, c, by.now, &op.policy.keys))
            .collect())
    })
    .await
}

/// Takes a key that does not sign out of the JWKS before its time.
///
/// # Errors
/// No such key; one that signs, or is out of use already; or a fault.
pub async fn remove(op: &Provider, by: &By<'_>, kid: &KeyId) -> Answer<KeysChanged> {
    change(op, by, |records| match find(records, kid)?.state(by.now) {
        KeyState::Active => Err(AdminError::conflict(
            "kid",
            "This key signs. Rotate it first and wait until it retires; if it is stolen, rotate it as an emergency.",
        )),
        KeyState::Removed => Err(AdminError::conflict("kid", "This key is out of use already.")),
        KeyState::Pending | KeyState::Retiring => {
            let key = Compromised::Key(kid.clone());
            Ok(key_schedule::rotate_emergency(records, &key, by.now, &op.policy.keys))
        }
    })
    .await
}

/// Plans on what is stored and carries the plan out, anew where another node's change came between.
async fn change(
    op: &Provider,
    by: &By<'_>,
    plan: impl Fn(&[SigningKeyRecord]) -> Answer<Vec<KeyChange>>,
) -> Answer<KeysChanged> {
    for _ in 0..TRIES {
        let (version, before) = op.store.signing_keys().await?;
        let changes = plan(&before)?;
        if changes.is_empty() {
            return Ok(KeysChanged::default());
        }
        if carry_out(op, version, &changes, by.actor, by.now).await? {
            reload(op, by.now).await?;
            let (_, after) = op.store.signing_keys().await?;
            return Ok(difference(&before, &after, by.now));
        }
    }
    Err(AdminError::Changed)
}

fn find<'a>(records: &'a [SigningKeyRecord], kid: &KeyId) -> Answer<&'a SigningKeyRecord> {
    records.iter().find(|record| record.kid == *kid).ok_or(AdminError::NotFound("key"))
}

fn in_use(op: &Provider, algorithm: Algorithm) -> Answer<Algorithm> {
    if op.policy.keys.algorithms.contains(&algorithm) {
        return Ok(algorithm);
    }
    Err(AdminError::invalid(
        "algorithm",
        "This algorithm is not in use. Add it to keys.further_algorithms first.",
    ))
}

fn difference(before: &[SigningKeyRecord], after: &[SigningKeyRecord], now: Timestamp) -> KeysChanged {
    let mut changed = KeysChanged::default();
    for record in after {
        let key = key_of(record, now);
        match before.iter().find(|old| old.kid == record.kid) {
            None => changed.created.push(key),
            Some(old) if old.state(now) == KeyState::Removed => {}
            Some(_) if key.state == KeyState::Removed => changed.removed.push(key),
            Some(old) if old.retires_at != record.retires_at => changed.retiring.push(key),
            Some(_) => {}
        }
    }
    // A key that never signed has no tokens, but whoever stole it can make some.
    changed.tokens_accepted_until = (!changed.removed.is_empty()).then(|| now.plus(JWKS_CACHED));
    changed
}

fn key_of(record: &SigningKeyRecord, now: Timestamp) -> Key {
    Key {
        kid: record.kid.clone(),
        algorithm: record.algorithm,
        state: record.state(now),
        created_at: record.created_at,
        activates_at: record.activates_at,
        retires_at: record.retires_at,
        removes_at: record.removes_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kid: &str, retires_at: Option<i64>, removes_at: Option<i64>) -> SigningKeyRecord {
        SigningKeyRecord {
            kid: KeyId::from(kid),
            algorithm: Algorithm::Es256,
            sealed: Vec::new(),
            public_jwk: "{}".to_owned(),
            created_at: Timestamp::from_seconds(0),
            activates_at: Timestamp::from_seconds(0),
            retires_at: retires_at.map(Timestamp::from_seconds),
            removes_at: removes_at.map(Timestamp::from_seconds),
        }
    }

    #[test]
    fn a_change_tells_which_keys_were_made_retired_and_removed() {
        let before = [record("a", None, None), record("b", Some(5), Some(6)), record("c", None, None)];
        let after = [
            record("a", Some(10), Some(10)),
            record("b", Some(5), Some(6)),
            record("c", Some(20), Some(30)),
            record("d", None, None),
        ];
        let now = Timestamp::from_seconds(10);
        let changed = difference(&before, &after, now);
        let kids = |keys: &[Key]| keys.iter().map(|key| key.kid.0.clone()).collect::<Vec<_>>();
        assert_eq!(kids(&changed.created), ["d"]);
        assert_eq!(kids(&changed.retiring), ["c"]);
        assert_eq!(kids(&changed.removed), ["a"]);
        assert_eq!(changed.tokens_accepted_until, Some(now.plus(JWKS_CACHED)));
        assert_eq!(difference(&before, &before, now).tokens_accepted_until, None);
    }
}
