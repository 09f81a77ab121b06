//! The `signet` program.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    signet::cli::run(signet::cli::args::Cli::parse()).into()
}
