//! `throttle`: guesses per bucket, counted before they are made, so that parallel guesses cannot pass the limit.
//!
//! The generic cell rate algorithm in one conditional statement: a row holds the time at which the bucket is empty
//! again; a guess moves it ahead by one period unless that would pass the burst.

use std::time::Duration;

use super::db::{Sql, args};
use super::{Error, Store};
use crate::clock::{Timestamp, millis_of};
use crate::digest::Digest32;

const RESERVE: Sql = Sql::both(
    "INSERT INTO throttle (bucket, allowed_at) VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT))
     ON CONFLICT (bucket) DO UPDATE SET allowed_at =
        CASE WHEN throttle.allowed_at > $2 THEN throttle.allowed_at + $3 ELSE $2 + $3 END
     WHERE throttle.allowed_at + $3 <= $2 + $4",
);
const STATE: Sql = Sql::both("SELECT allowed_at FROM throttle WHERE bucket = $1");
const RELEASE: Sql = Sql::both("UPDATE throttle SET allowed_at = allowed_at - $2 WHERE bucket = $1");

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[RESERVE, STATE, RELEASE];

/// One bucket with its limit.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// A hash of what is limited (an account, an address).
    pub key: Digest32,
    /// One guess is regained per period.
    pub period: Duration,
    /// So many guesses may be made at once.
    pub burst: u32,
}

/// Whether a guess may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes, and it has been counted.
    Admitted,
    /// No; the next may be made after this long.
    Throttled(Duration),
}

impl Store {
    /// Counts a guess, if the bucket allows one.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn reserve_guess(&self, bucket: &Bucket, now: Timestamp) -> Result<Admission, Error> {
        let key = bucket.key.as_bytes().to_vec();
        let limit = bucket.period.saturating_mul(bucket.burst);
        let args = args![key.clone(), now, bucket.period, limit];
        if self.db.write(&RESERVE, args).await? == 1 {
            return Ok(Admission::Admitted);
        }
        let row = self.db.fetch_optional::<(i64,)>(&STATE, args![key]).await?;
        let allowed_at = row.map_or(now.millis(), |(at,)| at);
        let wait = allowed_at.saturating_add(millis_of(bucket.period)).saturating_sub(millis_of(limit));
        Ok(Admission::Throttled(Timestamp::from_millis(wait).since(now).max(Duration::from_secs(1))))
    }

    /// Gives a guess back: it was right.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn release_guess(&self, bucket: &Bucket) -> Result<(), Error> {
        self.db.write(&RELEASE, args![bucket.key.as_bytes().to_vec(), bucket.period]).await.map(|_| ())
    }
}
