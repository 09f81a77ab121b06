//! The command line: what an operator types, and what each command prints.

pub mod args;
