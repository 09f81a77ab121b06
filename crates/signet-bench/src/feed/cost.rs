//! What a verified request costs a resource server: the bare signature, all checks, the check against the feed, and a
//! token that was verified before. One thread each.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signet_verify::feed::live::{Coordinates, Live, Rv};
use signet_verify::testing::TestIssuer;
use signet_verify::verifier::Verifier;

use super::memory::{entries, id_of};
use crate::cpu;
use crate::failure::{Result, failure};

const AUDIENCE: &str = "https://api.example.com";
/// Calls between two looks at the clock.
const STRIDE: u32 = 64;

/// One kind of work.
pub(crate) struct Row {
    name: String,
    /// Nanoseconds of one call.
    nanos: f64,
}

/// Does each for `span`.
pub(crate) async fn measure(span: Duration, sizes: &[usize]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut add = |name: &str, nanos: f64| rows.push(Row { name: name.to_owned(), nanos });
    add("ES256 signature alone", 1e9 / cpu::es256_verify(1, span).await?.rate());
    let issuer = TestIssuer::start();
    let build = |kept: usize| Verifier::builder(issuer.issuer(), AUDIENCE).cache_capacity(kept).build();
    for (name, kept) in [("every check, not seen before", 0), ("every check, verified before", 10_000)] {
        let verifier = build(kept).map_err(|why| failure(why.to_string()))?;
        verifier.ready().await.map_err(|why| failure(why.to_string()))?;
        let token = issuer.token(AUDIENCE).sign();
        let (mut calls, begin) = (0_u32, Instant::now());
        while begin.elapsed() < span {
            for _ in 0..STRIDE {
                verifier.verify(&token).await.map_err(|why| failure(why.to_string()))?;
            }
            calls += STRIDE;
        }
        add(name, begin.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
    }
    for size in [0].iter().chain(sizes) {
        add(&format!("the check against {size} live entries alone"), against(*size, span));
    }
    Ok(rows)
}

/// A token that nothing voids, so that each kind is looked up.
fn against(size: usize, span: Duration) -> f64 {
    let mut live = Live::default();
    for entry in entries(size) {
        live.fold(&entry);
    }
    let ids: Vec<String> = (0..4096).map(|number| id_of(1 << 40 | number)).collect();
    let (mut calls, mut voided, begin) = (0_u32, 0_u32, Instant::now());
    while begin.elapsed() < span {
        for id in &ids {
            let token = Coordinates {
                kid: Some("k1"),
                iat: 1_700_000_000,
                client: Some("shop"),
                sub: Some(id),
                sid: Some(id),
                jti: Some(id),
                rv: Some(Rv { epoch: 1, family: id, generation: 1 }),
            };
            voided += u32::from(std::hint::black_box(live.voids(std::hint::black_box(&token))).is_some());
        }
        calls += 4096;
    }
    debug_assert_eq!(voided, 0);
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

/// The rows as a table and as JSON.
pub(crate) fn report(rows: &[Row]) -> (String, Value) {
    let bare = rows.first().map_or(1.0, |row| row.nanos);
    let mut text = String::from("\n| one thread | ns a call | of the signature |\n|---|--:|--:|\n");
    for row in rows {
        let _ = writeln!(text, "| {} | {:.0} | {:.3} |", row.name, row.nanos, row.nanos / bare);
    }
    let figures = rows.iter().map(|row| json!({ "work": row.name, "nanos": row.nanos }));
    (text, Value::Array(figures.collect()))
}
