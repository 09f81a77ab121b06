//! Ten thousand revocations a second through the batcher, followed by one verifier.

use std::time::{Duration, Instant};

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::cluster::Cluster;
use super::follow::Arrivals;
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
    let mut arrivals = Arrivals::start(&cluster.site).await?;
    let mut connection = PgConnection::connect(database).await?;
    let slice = i64::from(wanted / SLICES);
    let processor = cluster.processor_time();
    let before = arrivals.entries();
    let begin = Instant::now();
    let (mut inserted, mut lag, mut last) = (0, Histogram::new(), begin);
    for number in 0..seconds * SLICES {
        let due = begin + Duration::from_secs(1) * number / SLICES;
        last = arrivals.watch(due, &mut lag).await.unwrap_or(last);
        tokio::time::sleep_until(due.into()).await;
        sqlx::query(INSERT).bind(slice).execute(&mut connection).await?;
        inserted += slice.unsigned_abs();
        arrivals.expect(before + inserted, Instant::now());
    }
    last = arrivals.watch(Instant::now() + Duration::from_secs(60), &mut lag).await.unwrap_or(last);
    if !arrivals.complete() {
        return Err(failure("entries are missing at the follower after a minute"));
    }
    let elapsed = last.saturating_duration_since(begin);
    let processor = cluster.processor_time().saturating_sub(processor);
    Ok(Burst { wanted, inserted, elapsed, lag, processor })
}
