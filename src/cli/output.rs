//! What a command prints: one document or text on standard output, one line per failure on standard error.

use std::io::Write as _;

use serde_json::Value;

use super::args::Exit;

/// What a command did, for people and for programs.
#[derive(Debug)]
pub(super) struct Report {
    text: String,
    json: Value,
    exit: Exit,
}

impl Report {
    /// The command did what was asked.
    pub(super) fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, exit: Exit::Done }
    }

    /// The command worked, and what it found is bad news.
    pub(super) fn bad_news(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, exit: Exit::Failed }
    }

    /// Nothing is left to say.
    pub(super) fn silent() -> Self {
        Self::new("", Value::Null)
    }

    /// Prints the report and says how the program ends.
    pub(super) fn print(&self, as_json: bool) -> Exit {
        let text = match (&self.json, as_json) {
            (Value::Null, true) => String::new(),
            (json, true) => serde_json::to_string_pretty(json).unwrap_or_default(),
            (_, false) => self.text.clone(),
        };
        let mut out = std::io::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        // Whoever reads may have gone (`signet … | head`): that is not a failure of the command.
        let _ = write!(out, "{text}{end}").and_then(|()| out.flush());
        self.exit
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Why a command could not do what was asked: one line that names the fix where there is one.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    exit: Exit,
}

impl Failure {
    /// It could not be done.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Failed }
    }

    /// What was asked makes no sense.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: Exit::Usage }
    }

    /// Prints the line and says how the program ends.
    pub(super) fn print(&self) -> Exit {
        let _ = writeln!(std::io::stderr().lock(), "signet: {}", clean(&self.message));
        self.exit
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

macro_rules! failure_from {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error.to_string())
            }
        }
    )+};
}

failure_from! {
    crate::config::Error,
    crate::entropy::EntropyError,
    crate::jose::error::Error,
    crate::oauth::client_metadata::MetadataProblem,
    crate::server::provider::SetupError,
    crate::storage::Error,
}

impl From<crate::flow::rejection::Rejection> for Failure {
    /// The operator at the terminal may see what the wire must not.
    fn from(rejection: crate::flow::rejection::Rejection) -> Self {
        use crate::flow::rejection::Reason;
        Self::new(match rejection.reason {
            Reason::Fault(detail) | Reason::HiddenDetail(detail) => detail,
            Reason::Hidden(detail) => format!("{} ({detail})", rejection.description),
            Reason::Request => rejection.description.to_owned(),
        })
    }
}

impl From<crate::flow::admin::AdminError> for Failure {
    fn from(error: crate::flow::admin::AdminError) -> Self {
        match error {
            crate::flow::admin::AdminError::Fault(rejection) => Self::from(rejection),
            refusal => Self::new(refusal.to_string()),
        }
    }
}

/// What a command returns.
pub(super) type Outcome = Result<Report, Failure>;

/// Lines up columns. Cells come from databases and requests, so nothing in them reaches the terminal raw.
pub(super) fn table<const N: usize>(headers: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = std::iter::once(headers.map(str::to_owned))
        .chain(rows.iter().map(|row| row.clone().map(|cell| clean(&cell))))
        .collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let padded: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Names and values, one pair a line.
pub(super) fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:<width$}  {}\n", clean(value))).collect()
}

/// Text without anything that moves the cursor, changes colours or hides characters.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        let hides =
            matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
        if character.is_control() || hides {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// A count with its noun.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A word for nothing in a cell.
pub(super) fn or_dash(text: Option<impl Into<String>>) -> String {
    text.map_or_else(|| "-".to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_carry_no_control_characters() {
        let rows = [
            ["a".to_owned(), "\u{1b}[31mred\r\n".to_owned()],
            ["longer".to_owned(), "x\u{202e}y".to_owned()],
        ];
        let text = table(["ID", "AGENT"], &rows);
        assert_eq!(text, "ID      AGENT\na       \\u{1b}[31mred\\r\\n\nlonger  x\\u{202e}y\n");
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(counted(1, "session", "sessions"), "1 session");
        assert_eq!(counted(0, "session", "sessions"), "0 sessions");
    }
}
