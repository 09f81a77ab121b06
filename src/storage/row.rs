//! Reading columns: what a row cannot hold is [`Error::Corrupt`], named by table and column.

use std::time::Duration;

use super::error::Error;
use crate::clock::Timestamp;

/// Parses JSON text.
pub(super) fn json<T: serde::de::DeserializeOwned>(
    text: &str,
    table: &'static str,
    column: &'static str,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| Error::Corrupt { table, column })
}

/// Writes JSON text; the types written here cannot fail to serialise.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A 32-byte hash.
pub(super) fn digest(
    bytes: &[u8],
    table: &'static str,
    column: &'static str,
) -> Result<crate::digest::Digest32, Error> {
    crate::digest::Digest32::from_slice(bytes).ok_or(Error::Corrupt { table, column })
}

/// A span in milliseconds.
pub(super) fn span(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// A counter that fits 32 bits.
pub(super) fn counter(value: i64, table: &'static str, column: &'static str) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_| Error::Corrupt { table, column })
}

/// A time.
pub(super) const fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A time or none.
pub(super) fn time_option(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}
