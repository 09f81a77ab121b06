//! The `signet-verify` program.

use std::process::ExitCode;

use clap::Parser as _;
use signet_verify::sidecar::{self, Args};

fn main() -> ExitCode {
    sidecar::run(&Args::parse())
}
