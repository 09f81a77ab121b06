//! The composition root: the only place that sees everything.

pub mod background;
pub mod listen;
pub mod provider;
pub mod run;
pub mod tls;
pub mod waiting;
