//! Reading from standard input: a secret, typed without being shown or piped, and a word of consent.

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

/// Asks a question that only `yes` says yes to. Where nobody is there to be asked, `flag` has to say it.
pub(super) async fn confirm(question: String, flag: &'static str) -> Result<bool, Failure> {
    let asking = tokio::task::spawn_blocking(move || {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(format!("nobody can be asked here: give {flag} if you are sure")));
        }
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{question} Type yes to go on: ").and_then(|()| err.flush());
        let mut line = String::new();
        let mut input = std::io::Read::take(std::io::stdin().lock(), LONGEST);
        input.read_line(&mut line).map_err(|error| Failure::new(format!("standard input: {error}")))?;
        Ok(line.trim() == "yes")
    });
    asking.await.map_err(|error| Failure::new(error.to_string()))?
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
