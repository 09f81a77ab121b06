//! What the folded state takes up, and how long a verifier takes to open a snapshot and to apply it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signet_verify::feed::entry::{Entry, Kind};
use signet_verify::feed::live::Live;
use signet_verify::feed::message::{FeedKeys, GENESIS, Message, Snapshot};
use signet_verify::feed::signer::FeedSigner;

use crate::child::resident;
use crate::failure::{Result, failure};

const ISSUER: &str = "https://auth.example.com";

/// What one count of entries came to.
pub(crate) struct Row {
    entries: usize,
    snapshot_bytes: usize,
    open: Duration,
    fold: Duration,
    bytes_each: f64,
}

/// Opens and applies a snapshot of so many entries.
pub(crate) fn measure(count: usize) -> Result<Row> {
    let signer = FeedSigner::new("bench", &[7; 32]).map_err(|_| failure("no feed key"))?;
    let keys =
        FeedKeys::from_value(&json!({ "keys": [signer.jwk()] })).map_err(|why| failure(why.to_string()))?;
    let snapshot = Snapshot {
        issuer: ISSUER.to_owned(),
        n: 1,
        at: 0,
        head: GENESIS.to_owned(),
        entries: entries(count),
    };
    let compact = signer.sign(&Message::Snapshot(snapshot))?;
    let start = Instant::now();
    let message = keys.open(&compact, ISSUER).map_err(|why| failure(why.word()))?;
    let open = start.elapsed();
    let start = Instant::now();
    let mut live = Live::default();
    for entry in message.entries() {
        live.fold(entry);
    }
    let fold = start.elapsed();
    if live.len() != count {
        return Err(failure(format!("{} entries of {count} are live", live.len())));
    }
    Ok(Row { entries: count, snapshot_bytes: compact.len(), open, fold, bytes_each: bytes_each(count)? })
}

/// In a process of its own: here the allocator would give out again what the snapshot took up.
fn bytes_each(count: usize) -> Result<f64> {
    let count = count.to_string();
    let told = Command::new(std::env::current_exe()?).args(["held", "--entries", &count]).output()?;
    let told = String::from_utf8_lossy(&told.stdout).trim().parse();
    told.map_err(|_| failure("the process that holds entries told nothing"))
}

/// Holds so many entries and tells what each takes up, in bytes.
pub(crate) fn hold(count: usize) -> Result<()> {
    let before = resident(std::process::id()).unwrap_or(0);
    let mut live = Live::default();
    (0..count).for_each(|number| _ = live.fold(&entry(number)));
    let taken = resident(std::process::id()).unwrap_or(0).saturating_sub(before) * 1024;
    writeln!(std::io::stdout(), "{:.1}", taken as f64 / live.len() as f64)?;
    Ok(())
}

/// A mixture as a server makes it.
pub(crate) fn entries(count: usize) -> Vec<Entry> {
    (0..count).map(entry).collect()
}

/// Mostly users and sessions, some families and single tokens.
fn entry(number: usize) -> Entry {
    let (kind, min) = match number % 10 {
        0..4 => (Kind::Sub, Some(3)),
        4..7 => (Kind::Sid, None),
        7..9 => (Kind::Fam, None),
        _ => (Kind::Jti, None),
    };
    Entry { kind, id: id_of(number), min, dies_at: i64::from(u32::MAX) }
}

/// A UUID that looks drawn at random (splitmix64) and is the same in each run.
pub(crate) fn id_of(number: usize) -> String {
    let mut state = number as u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let (high, low) = (next(), next());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// The rows as a table and as JSON.
pub(crate) fn report(rows: &[Row]) -> (String, Value) {
    let mut text = String::from(
        "\n| live entries | snapshot MB | open and verify ms | fold ms | bytes each |\n|--:|--:|--:|--:|--:|\n",
    );
    let millis = |span: Duration| span.as_secs_f64() * 1000.0;
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.1} | {:.0} |",
            row.entries,
            row.snapshot_bytes as f64 / 1e6,
            millis(row.open),
            millis(row.fold),
            row.bytes_each
        );
    }
    let figures = rows.iter().map(|row| {
        json!({
            "entries": row.entries, "snapshot_bytes": row.snapshot_bytes, "open_ms": millis(row.open),
            "fold_ms": millis(row.fold), "bytes_each": row.bytes_each,
        })
    });
    (text, Value::Array(figures.collect()))
}
