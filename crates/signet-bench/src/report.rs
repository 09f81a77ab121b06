//! What was measured, as a table for people and as JSON for comparison.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::load::Measure;

/// One measurement, as figures.
#[derive(Clone)]
pub(crate) struct Part {
    name: String,
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
    calls: u64,
    failures: u64,
    first_failure: Option<String>,
}

impl Part {
    /// The figures of a measurement.
    pub(crate) fn of(name: &str, measure: &Measure) -> Self {
        let part = Self {
            name: name.to_owned(),
            rate: measure.rate(),
            p50_ms: measure.latency.quantile(0.5).as_secs_f64() * 1000.0,
            p99_ms: measure.latency.quantile(0.99).as_secs_f64() * 1000.0,
            calls: measure.latency.count(),
            failures: measure.failures,
            first_failure: measure.first_failure.as_ref().map(ToString::to_string),
        };
        eprintln!("  {name}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms", part.rate, part.p50_ms, part.p99_ms);
        part
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "rate_per_second": round(self.rate), "p50_ms": round(self.p50_ms),
            "p99_ms": round(self.p99_ms), "calls": self.calls, "failures": self.failures,
            "first_failure": self.first_failure,
        })
    }
}

/// A path beside its ceilings.
pub(crate) struct Row {
    /// The path.
    pub(crate) path: Part,
    /// What it cannot do without; each of them alone.
    pub(crate) ceilings: Vec<Part>,
    /// The least ratio that is good enough.
    pub(crate) target: Option<f64>,
    /// Processor time of the server per call, in microseconds, what it does to prepare included.
    pub(crate) cpu_micros: Option<f64>,
}

impl Row {
    /// The rate of doing all the ceilings' work one after the other.
    fn ceiling_rate(&self) -> f64 {
        let seconds: f64 = self.ceilings.iter().map(|part| 1.0 / part.rate).sum();
        1.0 / seconds
    }

    fn ratio(&self) -> f64 {
        self.path.rate / self.ceiling_rate()
    }

    fn ceiling_name(&self) -> String {
        self.ceilings.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(" + ")
    }
}

/// A path with and without a login flood beside it.
pub(crate) struct Flood {
    /// The path.
    pub(crate) name: &'static str,
    /// Alone.
    pub(crate) idle: Part,
    /// Beside the flood.
    pub(crate) flooded: Part,
}

impl Flood {
    /// The most that the 99th percentile may grow.
    const TARGET: f64 = 2.0;

    fn ratio(&self) -> f64 {
        self.flooded.p99_ms / self.idle.p99_ms
    }
}

/// What the server takes up.
pub(crate) struct Usage {
    /// Resident memory in KiB; unknown elsewhere than on Linux.
    pub(crate) resident_kib: Option<u64>,
    /// The most it ever was.
    pub(crate) peak_kib: Option<u64>,
    /// The database on disk.
    pub(crate) disk_bytes: u64,
}

/// Everything of one run.
pub(crate) struct Report {
    backend: String,
    setting: Value,
    start_ms: Vec<f64>,
    rows: Vec<Row>,
    ceilings: Vec<Part>,
    floods: Vec<Flood>,
    growth: Vec<(Part, Part, (u64, u64))>,
    usage: Vec<(String, Usage)>,
    failures: Vec<(String, String)>,
}

impl Report {
    /// An empty one.
    pub(crate) const fn new(backend: String, setting: Value) -> Self {
        Self {
            backend,
            setting,
            start_ms: Vec::new(),
            rows: Vec::new(),
            ceilings: Vec::new(),
            floods: Vec::new(),
            growth: Vec::new(),
            usage: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// A start of the server: the first makes keys and demo data, the later ones find them.
    pub(crate) fn add_start(&mut self, ready_after: std::time::Duration) {
        self.start_ms.push(ready_after.as_secs_f64() * 1000.0);
    }

    /// A path.
    pub(crate) fn add_row(&mut self, row: Row) {
        if let Some(text) = &row.path.first_failure {
            self.failures.push((row.path.name.clone(), format!("{} calls: {text}", row.path.failures)));
        }
        self.rows.push(row);
    }

    /// A ceiling measured alone.
    pub(crate) fn add_ceiling(&mut self, part: Part) {
        self.ceilings.push(part);
    }

    /// A path under a login flood.
    pub(crate) fn add_flood(&mut self, flood: Flood) {
        self.floods.push(flood);
    }

    /// The same path among few rows and among many.
    pub(crate) fn add_growth(&mut self, few: Part, many: Part, rows: (u64, u64)) {
        for part in [&few, &many] {
            if let Some(text) = &part.first_failure {
                self.failures.push((format!("refresh among {}", part.name), text.clone()));
            }
        }
        self.growth.push((few, many, rows));
    }

    /// What the server takes up, after something.
    pub(crate) fn add_usage(&mut self, after: &str, usage: Usage) {
        self.usage.push((after.to_owned(), usage));
    }

    /// A path that could not be measured.
    pub(crate) fn add_failure(&mut self, name: &str, error: &Failure) {
        eprintln!("  {name}: {error}");
        self.failures.push((name.to_owned(), error.to_string()));
    }

    /// Whether something could not be measured. A missed target is no failure: it is what the table is for.
    pub(crate) fn failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// The table, as Markdown.
    pub(crate) fn table(&self) -> String {
        let mut out = format!("\n## {}\n\n", self.backend);
        // Writing to a string does not fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        if !self.rows.is_empty() {
            writeln!(
                out,
                "| path | rate /s | p50 ms | p99 ms | CPU µs | ceiling | ceiling /s | ratio | target | |"
            )?;
            writeln!(out, "|---|--:|--:|--:|--:|---|--:|--:|--:|---|")?;
        }
        for row in &self.rows {
            let (path, ratio) = (&row.path, row.ratio());
            let target = row.target.map_or_else(|| "–".to_owned(), |target| format!("≥ {target}"));
            let verdict = row.target.map_or("", |target| if ratio >= target { "met" } else { "missed" });
            write!(out, "| {} | {:.0} | {:.2} | {:.2} ", path.name, path.rate, path.p50_ms, path.p99_ms)?;
            write!(
                out,
                "| {} ",
                row.cpu_micros.map_or_else(|| "–".to_owned(), |micros| format!("{micros:.0}"))
            )?;
            write!(out, "| {} | {:.0} ", row.ceiling_name(), row.ceiling_rate())?;
            writeln!(out, "| {ratio:.2} | {target} | {verdict} |")?;
        }
        if !self.ceilings.is_empty() {
            writeln!(out, "| ceiling | rate /s | p50 ms | p99 ms |\n|---|--:|--:|--:|")?;
        }
        for part in &self.ceilings {
            writeln!(out, "| {} | {:.0} | {:.3} | {:.3} |", part.name, part.rate, part.p50_ms, part.p99_ms)?;
        }
        for flood in &self.floods {
            let verdict = if flood.ratio() < Flood::TARGET { "met" } else { "missed" };
            writeln!(
                out,
                "\n{} under a login flood: p99 {:.2} ms, alone {:.2} ms, ratio {:.2} (target < {}): {verdict}",
                flood.name,
                flood.flooded.p99_ms,
                flood.idle.p99_ms,
                flood.ratio(),
                Flood::TARGET
            )?;
        }
        for (few, many, rows) in &self.growth {
            let ratio = many.rate / few.rate;
            let verdict = if ratio >= 0.8 { "met" } else { "missed" };
            writeln!(
                out,
                "\nrefresh among {} families {:.0}/s, among {} {:.0}/s, ratio {ratio:.2} (target ≥ 0.8): {verdict}",
                rows.0, few.rate, rows.1, many.rate
            )?;
        }
        self.write_process(out)
    }

    fn write_process(&self, out: &mut String) -> std::fmt::Result {
        if let [first, later @ ..] = self.start_ms.as_slice() {
            write!(out, "\nready after {first:.0} ms with an empty folder")?;
            for start in later {
                write!(out, ", {start:.0} ms with keys and data present (target ≤ 200)")?;
            }
            writeln!(out)?;
        }
        if !self.usage.is_empty() {
            writeln!(out, "\n| after | resident MB | peak MB | database MB |\n|---|--:|--:|--:|")?;
        }
        for (after, usage) in &self.usage {
            let memory =
                |kib: Option<u64>| kib.map_or_else(|| "–".to_owned(), |kib| format!("{:.1}", mb(kib)));
            let disk = mb(usage.disk_bytes / 1024);
            writeln!(
                out,
                "| {after} | {} | {} | {disk:.1} |",
                memory(usage.resident_kib),
                memory(usage.peak_kib)
            )?;
        }
        for (name, text) in &self.failures {
            writeln!(out, "FAILED {name}: {text}")?;
        }
        Ok(())
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> Value {
        let parts = |parts: &[Part]| parts.iter().map(Part::json).collect::<Vec<_>>();
        json!({
            "backend": self.backend,
            "setting": self.setting,
            "start_ms": self.start_ms.iter().copied().map(round).collect::<Vec<_>>(),
            "paths": self.rows.iter().map(|row| json!({
                "path": row.path.json(),
                "ceilings": parts(&row.ceilings),
                "ceiling_per_second": round(row.ceiling_rate()),
                "ratio": round(row.ratio()),
                "target": row.target,
                "cpu_micros_per_call": row.cpu_micros.map(round),
            })).collect::<Vec<_>>(),
            "ceilings": parts(&self.ceilings),
            "login_flood": self.floods.iter().map(|flood| json!({
                "path": flood.name, "idle": flood.idle.json(), "flooded": flood.flooded.json(),
                "p99_ratio": round(flood.ratio()), "target": Flood::TARGET,
            })).collect::<Vec<_>>(),
            "growth": self.growth.iter().map(|(few, many, rows)| json!({
                "few": few.json(), "many": many.json(), "families": [rows.0, rows.1],
            })).collect::<Vec<_>>(),
            "usage": self.usage.iter().map(|(after, usage)| json!({
                "after": after, "resident_kib": usage.resident_kib, "peak_kib": usage.peak_kib,
                "database_bytes": usage.disk_bytes,
            })).collect::<Vec<_>>(),
            "failures": self.failures.iter().map(|(name, text)| json!({"path": name, "text": text})).collect::<Vec<_>>(),
        })
    }
}

fn mb(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Three decimals; what is no number becomes zero, since JSON has no other.
fn round(value: f64) -> f64 {
    if value.is_finite() { (value * 1000.0).round() / 1000.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, rate: f64) -> Part {
        Part {
            name: name.to_owned(),
            rate,
            p50_ms: 1.0,
            p99_ms: 2.0,
            calls: 1,
            failures: 0,
            first_failure: None,
        }
    }

    #[test]
    fn ceilings_add_up_in_time_not_in_rate() {
        let row = Row {
            path: part("p", 500.0),
            ceilings: vec![part("a", 2000.0), part("b", 2000.0)],
            target: Some(0.6),
            cpu_micros: Some(40.0),
        };
        assert!((row.ceiling_rate() - 1000.0).abs() < 1e-6);
        let mut report = Report::new("sqlite".to_owned(), Value::Null);
        report.add_row(row);
        assert!(report.table().contains("| a + b | 1000 | 0.50 | ≥ 0.6 | missed |"), "{}", report.table());
        assert!(!report.failed());
    }
}
