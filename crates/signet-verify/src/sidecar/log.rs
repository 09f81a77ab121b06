//! The log, on standard error: text or JSON, one line per event.

use std::io::Write;

use tracing_subscriber::EnvFilter;

use super::Args;

/// Starts logging for the rest of the process. A second call changes nothing.
pub(super) fn start(args: &Args) {
    let directives = format!("actix_server=warn,{}", args.log);
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| OneLine);
    // An error means that a subscriber is set already: then that one goes on.
    let _ = if args.json {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        builder.try_init()
    };
}

/// Writes each event as one line without control characters: what a client sends can neither forge a line nor drive
/// the terminal of whoever reads the log.
struct OneLine;

impl Write for OneLine {
    /// The formatter hands over one whole event at a time.
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        std::io::stderr().lock().write_all(one_line(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}

fn one_line(event: &str) -> String {
    let mut line = String::with_capacity(event.len() + 1);
    for character in event.strip_suffix('\n').unwrap_or(event).chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn an_event_is_one_line_without_control_characters() {
        assert_eq!(
            one_line("refused \"a\r\nINFO let in\u{1b}[2K\"\n"),
            "refused \"a\\r\\nINFO let in\\u{1b}[2K\"\n"
        );
        assert_eq!(one_line("plain ü"), "plain ü\n");
    }
}
