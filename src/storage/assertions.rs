//! `used_assertion`: client assertions that have been used, each good for one use on all nodes (RFC 7523 §3).

use super::db::{Sql, args};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::digest::Digest32;

const USE_UP: Sql =
    Sql::both("INSERT INTO used_assertion (id_hash, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[USE_UP];

impl Store {
    /// Uses an assertion up: `true` for the first who asks, on whichever node. `id` is a hash of the client and the
    /// assertion's `jti`; the row may go at `forget_at`, once nobody would accept the assertion any more.
    ///
    /// # Errors
    /// A storage fault: then it is not known whether it was used.
    pub async fn use_assertion(&self, id: &Digest32, forget_at: Timestamp) -> Result<bool, Error> {
        Ok(self.db.write(&USE_UP, args![id.as_bytes().to_vec(), forget_at]).await? == 1)
    }
}
