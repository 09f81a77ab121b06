//! Reading a secret from standard input: typed without being shown, or piped.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::output::Failure;

/// Longer than any password or secret that is accepted.
const LONGEST: u64 = 8 * 1024;

/// Reads one line without its end. At a terminal it asks `prompt` and shows nothing of what is typed.
pub(super) async fn secret(prompt: &'static str) -> Result<Zeroizing<String>, Failure> {
    let reading = tokio::task::spawn_blocking(move || read(prompt));
    let interrupted = tokio::signal::ctrl_c();
    tokio::select! {
        line = reading => line.map_err(|error| Failure::new(error.to_string()))?,
        _ = interrupted => {
            // The thread that reads cannot be stopped, so the terminal is put right here and the program ends.
            echo(true);
            let _ = writeln!(std::io::stderr());
            std::process::exit(130)
        }
    }
}

fn read(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let typed = std::io::stdin().is_terminal();
    if typed {
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{prompt}: ").and_then(|()| err.flush());
        echo(false);
    }
    let mut line = Zeroizing::new(String::with_capacity(256));
    let mut input = std::io::Read::take(std::io::stdin().lock(), LONGEST);
    let outcome = input.read_line(&mut line);
    if typed {
        echo(true);
        let _ = writeln!(std::io::stderr());
    }
    outcome.map_err(|error| Failure::new(format!("standard input: {error}")))?;
    let plain = line.strip_suffix('\n').unwrap_or(&line);
    let plain = plain.strip_suffix('\r').unwrap_or(plain);
    if plain.is_empty() {
        return Err(Failure::usage(format!("{prompt}: nothing was given on standard input")));
    }
    Ok(Zeroizing::new(plain.to_owned()))
}

/// Whether the terminal shows what is typed. Where there is no `stty`, it goes on showing it.
fn echo(on: bool) {
    let mode = if on { "echo" } else { "-echo" };
    let _ = Command::new("stty").arg(mode).stdin(Stdio::inherit()).stderr(Stdio::null()).status();
}
