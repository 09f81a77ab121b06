//! `signet client lint`

use serde_json::json;

use super::args::ClientLint;
use super::context::Context;
use super::output::{Outcome, Report, clean, counted};
use crate::flow::Provider;
use crate::flow::admin::lint::{self, Linted};
use crate::flow::admin::view;
use crate::secret::ClientId;

/// Says what one client or every client lacks or has too much of. An error is bad news for the exit code.
pub(super) async fn run(context: &Context, op: &Provider, args: &ClientLint) -> Outcome {
    let now = context.now();
    let linted = match &args.id {
        Some(id) => vec![lint::one(op, &ClientId::from(id.as_str()), args.profile, now).await?],
        None => lint::all(op, args.profile, now).await?,
    };
    let json = json!({ "clients": linted.iter().map(view::linted).collect::<Vec<_>>() });
    let errors: usize = linted.iter().map(Linted::errors).sum();
    let text = shown(&linted, errors);
    Ok(if errors > 0 { Report::bad_news(text, json) } else { Report::new(text, json) })
}

fn shown(linted: &[Linted], errors: usize) -> String {
    let mut text = String::new();
    for one in linted.iter().filter(|one| !one.findings.is_empty()) {
        text.push_str(&format!("{} ({})\n", clean(one.client.as_str()), one.profile));
        for finding in &one.findings {
            let line = format!(
                "  {:<6}  {}: {}\n          {}\n",
                finding.severity.as_str(),
                finding.rule,
                finding.message,
                clean(&finding.command)
            );
            text.push_str(&line);
        }
        text.push('\n');
    }
    let findings: usize = linted.iter().map(|one| one.findings.len()).sum();
    text.push_str(&format!(
        "{}: {}, {}. docs/client-lint.md says more.",
        counted(linted.len() as u64, "client", "clients"),
        counted(errors as u64, "error", "errors"),
        counted((findings - errors) as u64, "piece of advice", "pieces of advice"),
    ));
    text
}
