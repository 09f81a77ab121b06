//! The `signet` program.

fn main() {}
