//! The signing keys as of now, and their schedule. States follow from the rows and the clock alone, so that nodes
//! agree without talking to one another.

use std::sync::{Arc, PoisonError, RwLock};

use super::Provider;
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::jose::keyring::Keyring;
use crate::jose::private_key::PrivateKey;
use crate::jose::seal::MasterKey;
use crate::model::audit::{AuditEntry, Event};
use crate::model::key::SigningKeyRecord;
use crate::model::key_schedule::{self, KeyChange};
use crate::storage::KeyStep;

/// The keyring that serves, exchanged as a whole when keys change.
pub struct Keys {
    current: RwLock<Arc<Keyring>>,
    /// The rows that the ring was made of, and their version.
    known: RwLock<Option<(i64, Vec<SigningKeyRecord>)>>,
    master: MasterKey,
}

impl Keys {
    /// Begins with an empty ring.
    ///
    /// # Errors
    /// Never with no records; the ring's own check.
    pub fn new(master: MasterKey, now: Timestamp) -> Result<Self, crate::jose::error::Error> {
        let current = RwLock::new(Arc::new(Keyring::load(&[], &master, now)?));
        Ok(Self { current, known: RwLock::new(None), master })
    }

    /// The ring that serves.
    pub fn current(&self) -> Arc<Keyring> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the master key seals with.
    pub const fn master(&self) -> &MasterKey {
        &self.master
    }

    fn replace(&self, ring: Keyring, version: i64, records: Vec<SigningKeyRecord>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some((version, records));
    }

    fn known(&self) -> Option<(i64, Vec<SigningKeyRecord>)> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the ring was made of the rows of this version.
    fn is_of(&self, version: i64) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_some_and(|(of, _)| *of == version)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Makes the keys that are due and takes over what other nodes have made: at start and every second. Where nothing
/// has changed it costs one small read.
///
/// # Errors
/// A storage fault, or a key that the master key does not open.
pub async fn tick(op: &Provider, now: Timestamp) -> Outcome<()> {
    let version = op.store.signing_key_version().await?;
    if !op.keys.is_of(version) {
        reload(op, now).await?;
    }
    let Some((version, records)) = op.keys.known() else { return Ok(()) };
    let due = key_schedule::due(&records, now, &op.policy.keys);
    if due.is_empty() {
        return Ok(());
    }
    // Another node may have been quicker; either way the rows now say what holds.
    carry_out(op, version, &due, "system", now).await?;
    reload(op, now).await
}

/// Reads the keys anew.
///
/// # Errors
/// A storage fault, or a key that the master key does not open.
pub async fn reload(op: &Provider, now: Timestamp) -> Outcome<()> {
    let (version, records) = op.store.signing_keys().await?;
    let ring = Keyring::load(&records, &op.keys.master, now)?;
    op.keys.replace(ring, version, records);
    Ok(())
}

/// Makes and seals the keys of a planned change and stores it; `false` where the keys have changed meanwhile.
///
/// # Errors
/// A storage fault or a failed key generation.
pub async fn carry_out(
    op: &Provider,
    version: i64,
    changes: &[KeyChange],
    actor: &str,
    now: Timestamp,
) -> Outcome<bool> {
    let mut steps = Vec::with_capacity(changes.len());
    let mut audit = Vec::with_capacity(changes.len());
    for change in changes {
        let (step, event, kid) = step_of(op, change, now).await?;
        if let Some(event) = event {
            let entry: AuditEntry = op.audit(event, actor, now)?;
            audit.push(entry.details(serde_json::json!({ "kid": kid }).to_string()));
        }
        steps.push(step);
    }
    Ok(op.store.apply_key_steps(version, &steps, &audit).await?)
}

async fn step_of(
    op: &Provider,
    change: &KeyChange,
    now: Timestamp,
) -> Outcome<(KeyStep, Option<Event>, String)> {
    Ok(match change {
        KeyChange::Create { algorithm, activates_at } => {
            let (algorithm, bits) = (*algorithm, op.policy.rsa_bits);
            let key = tokio::task::spawn_blocking(move || PrivateKey::generate(algorithm, bits))
                .await
                .map_err(|error| Rejection::fault(&error))??;
            let entropy: &dyn Entropy = op.entropy.as_ref();
            let record = key.record(&op.keys.master, now, *activates_at, entropy)?;
            let kid = record.kid.0.clone();
            (KeyStep::Insert(record), Some(Event::KeyCreated), kid)
        }
        KeyChange::Retire { kid, retires_at, removes_at } => {
            let event = if *removes_at <= now { Event::KeyRemoved } else { Event::KeyRetired };
            let step = KeyStep::Retire { kid: kid.clone(), retires_at: *retires_at, removes_at: *removes_at };
            (step, Some(event), kid.0.clone())
        }
        KeyChange::Delete { kid } => (KeyStep::Delete(kid.clone()), None, kid.0.clone()),
    })
}
