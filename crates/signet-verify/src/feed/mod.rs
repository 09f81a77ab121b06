//! The revocation feed without its transport: what `docs/revocation-feed.md` says of entries, messages, the folded
//! state and the follower. Nothing here reads a clock, a socket or a file.

pub mod entry;
pub mod follower;
mod json;
pub mod live;
pub mod message;
#[cfg(any(test, feature = "testing"))]
pub mod signer;
mod table;

/// The largest integer of the format, 2^53−1: what every JSON reader holds exactly (RFC 8259 §6).
pub const LARGEST: i64 = 9_007_199_254_740_991;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod vectors;
