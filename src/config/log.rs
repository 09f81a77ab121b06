//! `[log]`

use super::section::section;
use super::value::{Choice, OneOf, Text};

section! {
    /// What is logged, and how.
    pub struct Log {
        /// A level, or directives per module such as `info,signet=debug`.
        level: String = "info".to_owned(), Text(LEVEL, is_level);
        /// Lines for people or objects for machines.
        format: LogFormat = LogFormat::Text, OneOf;
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Choice for LogFormat {
    const ALL: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

const LEVEL: &str = "a level such as \"info\", or directives such as \"info,signet=debug\"";

/// Every directive is a level or `module=level`; whatever is more than that would be a filter nobody reads.
fn is_level(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    text.split(',').all(|directive| {
        let (module, level) = directive.split_once('=').unwrap_or(("signet", directive));
        let named = module.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':');
        !module.is_empty() && named && LEVELS.contains(&level)
    })
}
