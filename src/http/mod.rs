//! The edge: what the network sees of Signet.

pub mod pages;
