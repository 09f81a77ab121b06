//! The signature algorithms Signet signs and verifies with: those of its verifier.

pub use signet_verify::jose::algorithm::{Algorithm, UnknownAlgorithm};
