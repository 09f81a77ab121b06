//! The log, on standard error: text or JSON, one line per event whatever is logged.

use std::io::Write;

use tracing_subscriber::EnvFilter;

use crate::config::log::{Log, LogFormat};

/// Starts logging for the rest of the process. A second call changes nothing.
pub(super) fn start(log: &Log) {
    // Libraries say at `info` what concerns nobody; who names one of them in `log.level` hears it nevertheless.
    let directives = format!("actix_server=warn,sqlx=warn,{}", log.level);
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| OneLine);
    // An error means that a subscriber is set already: then that one goes on.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
}

/// Writes each event as one line without control characters: what a client sends can neither forge a line nor
/// drive the terminal of whoever reads the log.
struct OneLine;

impl Write for OneLine {
    /// The formatter hands over one whole event at a time.
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        std::io::stderr().lock().write_all(&escaped(event))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}

fn escaped(event: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(event);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let mut out = String::with_capacity(text.len() + 1);
    for character in line.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out.push('\n');
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn an_event_is_one_line() {
        let event = "INFO refused name=\"a\r\nINFO signed in\u{1b}[2K\u{9b}31m\n";
        assert_eq!(
            String::from_utf8(escaped(event.as_bytes())).unwrap(),
            "INFO refused name=\"a\\r\\nINFO signed in\\u{1b}[2K\\u{9b}31m\n"
        );
    }
}
