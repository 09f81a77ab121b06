//! Ten thousand revocations a second through the batcher, followed by one verifier.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::Connection as _;

use super::cluster::Cluster;
use super::follow::Follower;
use crate::failure::{Result, failure};
use crate::histogram::Histogram;

/// How the batcher kept up.
pub(crate) struct Burst {
    /// Entries a second that were asked for.
    pub(crate) wanted: u32,
    /// Entries inserted.
    pub(crate) inserted: u64,
    /// From the first insertion to the last entry at the follower.
    pub(crate) elapsed: Duration,
    /// From the commit of a slice to the arrival of all of it.
    pub(crate) lag: Histogram,
    /// Processor time of all nodes.
    pub(crate) processor: Duration,
}

/// Slices of the second, each one transaction.
const SLICES: u32 = 20;

const INSERT: &str = "INSERT INTO revocation_outbox (kind, subject, min, dies_at, created_at)
    SELECT 'jti', gen_random_uuid()::text, NULL, (floor(extract(epoch FROM clock_timestamp())) + 960)::bigint * 1000,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint
    FROM generate_series(1, $1)";

/// Inserts `wanted` entries a second for `seconds`, as so many revoking transactions would.
pub(crate) async fn measure(cluster: &Cluster, database: &str, wanted: u32, seconds: u32) -> Result<Burst> {
    let mut follower = Follower::start(&cluster.site).await?;
    let mut connection = PgConnection::connect(database).await?;
    let slice = i64::from(wanted / SLICES);
    let processor = cluster.processor_time();
    let begin = Instant::now();
    let mut burst = Burst {
        wanted,
        inserted: 0,
        elapsed: Duration::ZERO,
        lag: Histogram::new(),
        processor: Duration::ZERO,
    };
    let before = follower.entries();
    for number in 0..seconds * SLICES {
        let due = begin + Duration::from_secs(1) * number / SLICES;
        tokio::time::sleep_until(due.into()).await;
        sqlx::query(INSERT).bind(slice).execute(&mut connection).await?;
        burst.inserted += slice.unsigned_abs();
        follower.expect(before + burst.inserted, Instant::now());
    }
    let last = follower.wait(Duration::from_secs(60)).await.ok_or_else(|| failure("entries are missing at the follower"))?;
    burst.elapsed = last.saturating_duration_since(begin);
    burst.lag = follower.lag();
    burst.processor = cluster.processor_time().saturating_sub(processor);
    Ok(burst)
}
