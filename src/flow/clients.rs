//! Registered clients, from memory where that is fresh enough.
//!
//! Every change of any client raises one number in the database. A node asks for it at most once a second and
//! forgets its copies when it has moved; what a statement authorises (codes, refreshes) is checked against the
//! client's row in that statement anyway. So a disabled client is refused within a second on every node, and a
//! request on the hot path asks the database nothing. APIs are under the same number, and their copies with them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::apis::ApiSet;
use super::registration::document::Flights;
use crate::clock::{Timestamp, millis_of};
use crate::model::api::Api;
use crate::model::client::Client;
use crate::secret::ClientId;
use crate::storage::{Error, Store};

/// How long a copy serves before the database is asked whether anything has changed.
const FRESH: Duration = Duration::from_secs(1);
/// How long a copy serves while the database does not answer.
const STALE: Duration = Duration::from_secs(5);
/// At most so many copies are kept.
const MOST: usize = 10_000;

/// The copies.
#[derive(Debug)]
pub struct Clients {
    /// Metadata documents that are being fetched.
    pub(super) documents: Flights,
    copies: RwLock<HashMap<ClientId, Arc<Client>>>,
    /// The origins of all active clients, and the version they are of. True: a client in cookie mode has it.
    origins: RwLock<Option<(i64, HashMap<String, bool>)>>,
    /// Held by the one request that reads all clients for it, and when the last one began.
    origins_read: tokio::sync::Mutex<Option<Timestamp>>,
    apis: RwLock<Arc<ApiSet>>,
    version: AtomicI64,
    /// When the version was last seen to be current, in milliseconds.
    checked_at: AtomicI64,
    /// When somebody last set out to ask, so that one request asks and the others go on.
    asked_at: AtomicI64,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            documents: Flights::default(),
            copies: RwLock::default(),
            origins: RwLock::default(),
            origins_read: tokio::sync::Mutex::default(),
            apis: RwLock::default(),
            version: AtomicI64::new(-1),
            checked_at: AtomicI64::new(0),
            asked_at: AtomicI64::new(0),
        }
    }
}

impl Clients {
    /// The client with this id, active or not.
    ///
    /// # Errors
    /// A storage fault, once no copy is fresh enough.
    pub async fn get(
        &self,
        store: &Store,
        id: &ClientId,
        now: Timestamp,
    ) -> Result<Option<Arc<Client>>, Error> {
        self.refresh(store, now).await?;
        if let Some(copy) = self.read(id) {
            return Ok(Some(copy));
        }
        self.reread(store, id).await
    }

    /// The client as it is now, whatever copy there is; this one takes its place.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn reread(&self, store: &Store, id: &ClientId) -> Result<Option<Arc<Client>>, Error> {
        let version = self.version.load(Ordering::Acquire);
        let Some(client) = store.client(id).await?.map(Arc::new) else { return Ok(None) };
        // Registered a moment ago, with an API that was registered with it.
        let apis = self.apis();
        if client.metadata.audience.iter().any(|audience| apis.get(audience).is_none()) {
            self.learn(store.every_api().await?, version);
        }
        if let Ok(mut copies) = self.copies.write() {
            // Read before a change that has been noticed since: not worth keeping.
            if self.version.load(Ordering::Acquire) == version {
                if copies.len() >= MOST {
                    copies.clear();
                }
                copies.insert(id.clone(), Arc::clone(&client));
            }
        }
        Ok(Some(client))
    }

    /// Whether an origin is one of any active client's, or of any in cookie mode: what a preflight, which names no
    /// client, is answered by. The last known ones count while one request reads all clients, while the database does
    /// not answer, and for a second: anybody may send preflights, and where clients register themselves anybody can
    /// make the list old.
    pub async fn is_origin_of_any(
        &self,
        store: &Store,
        origin: &str,
        cookie_mode: bool,
        now: Timestamp,
    ) -> bool {
        if self.refresh(store, now).await.is_ok() {
            self.renew_origins(store, now).await;
        }
        let fits =
            |all: &HashMap<String, bool>| all.get(origin).is_some_and(|cookie| *cookie || !cookie_mode);
        self.origins.read().is_ok_and(|known| known.as_ref().is_some_and(|(_, all)| fits(all)))
    }

    /// Reads the origins of all clients where they have changed.
    async fn renew_origins(&self, store: &Store, now: Timestamp) {
        let of = || self.origins.read().ok().and_then(|known| known.as_ref().map(|(version, _)| *version));
        let is_current = || of() == Some(self.version.load(Ordering::Acquire));
        if is_current() {
            return;
        }
        let turn = match of() {
            Some(_) => self.origins_read.try_lock().ok(),
            // There is nothing to go by meanwhile.
            None => Some(self.origins_read.lock().await),
        };
        let Some(mut began) = turn else { return };
        let recent = |began: Timestamp| now.since(began) < FRESH && began.since(now) < FRESH;
        if began.is_some_and(recent) || is_current() {
            return;
        }
        *began = Some(now);
        let version = self.version.load(Ordering::Acquire);
        if let Ok(all) = all_origins(store).await
            && let Ok(mut origins) = self.origins.write()
        {
            *origins = Some((version, all));
        }
    }

    /// Whether the origins of clients have ever been read.
    pub fn knows_origins(&self) -> bool {
        self.origins.read().is_ok_and(|known| known.is_some())
    }

    /// Forgets all copies: a client was changed through this node.
    pub fn forget(&self) {
        self.checked_at.store(0, Ordering::Release);
        self.asked_at.store(0, Ordering::Release);
    }

    /// The registered APIs, as fresh as the client whose request is answered.
    pub fn apis(&self) -> Arc<ApiSet> {
        Arc::clone(&self.apis.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The registered APIs, where no client has been asked for.
    ///
    /// # Errors
    /// A storage fault, once no copy is fresh enough.
    pub async fn fresh_apis(&self, store: &Store, now: Timestamp) -> Result<Arc<ApiSet>, Error> {
        self.refresh(store, now).await?;
        Ok(self.apis())
    }

    /// Takes over what was read while `version` held; where that has passed, there is something newer.
    fn learn(&self, apis: Vec<Api>, version: i64) {
        let mut known = self.apis.write().unwrap_or_else(PoisonError::into_inner);
        if self.version.load(Ordering::Acquire) == version {
            *known = Arc::new(ApiSet::new(apis));
        }
    }

    fn read(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.copies.read().ok()?.get(id).cloned()
    }

    async fn refresh(&self, store: &Store, now: Timestamp) -> Result<(), Error> {
        let age =
            |stamp: &AtomicI64| now.millis().saturating_sub(stamp.load(Ordering::Acquire)).unsigned_abs();
        let fresh = millis_of(FRESH).unsigned_abs();
        let checked = age(&self.checked_at);
        if checked <= fresh {
            return Ok(());
        }
        let usable = checked <= millis_of(STALE).unsigned_abs();
        if usable && age(&self.asked_at) <= fresh {
            return Ok(());
        }
        self.asked_at.store(now.millis(), Ordering::Release);
        match self.renew(store).await {
            Err(_) if usable => return Ok(()),
            outcome => outcome?,
        }
        self.checked_at.store(now.millis(), Ordering::Release);
        Ok(())
    }

    /// Asks whether anything has changed, and lets go of what may have.
    async fn renew(&self, store: &Store) -> Result<(), Error> {
        let version = store.client_version().await?;
        if self.version.load(Ordering::Acquire) == version {
            return Ok(());
        }
        let apis = Arc::new(ApiSet::new(store.every_api().await?));
        {
            let mut known = self.apis.write().unwrap_or_else(PoisonError::into_inner);
            *known = apis;
            self.version.store(version, Ordering::Release);
        }
        if let Ok(mut copies) = self.copies.write() {
            copies.clear();
        }
        Ok(())
    }
}

/// The origins of all active clients, page by page, and whether a client in cookie mode has each.
async fn all_origins(store: &Store) -> Result<HashMap<String, bool>, Error> {
    const PAGE: u32 = 500;
    let mut origins = HashMap::new();
    let mut after = None;
    loop {
        let page = store.clients(after.as_ref(), PAGE).await?;
        let more = page.len() == PAGE as usize;
        after = page.last().map(|client| client.id.clone());
        for client in page.iter().filter(|client| client.is_active()) {
            for origin in client.metadata.origins() {
                *origins.entry(origin).or_default() |= client.metadata.is_cookie_mode();
            }
        }
        if !more {
            return Ok(origins);
        }
    }
}
