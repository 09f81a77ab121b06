//! What can go wrong with keys. None of it carries key material.

use std::path::PathBuf;

use signet_verify::jose::jwk::Unusable;

use crate::entropy::EntropyError;
use crate::oauth::algorithm::Algorithm;
use crate::secret::KeyId;

/// A failure of the `jose` layer.
#[derive(Debug)]
pub enum Error {
    /// A master key was given that is not 32 bytes in base64url or hexadecimal.
    MasterKeyFormat,
    /// The master key file could not be read or made.
    MasterKeyFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The master key file can be read by others than its owner.
    MasterKeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something sealed does not open: another master key, other associated data, or altered bytes.
    Unsealing,
    /// Something could not be sealed.
    Sealing,
    /// A stored signing key is not what its row says.
    StoredKey {
        /// The row.
        kid: KeyId,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A key was refused at import, or a JWKS was.
    KeyRejected(&'static str),
    /// The cryptographic library could not make a key.
    Generation,
    /// The cryptographic library could not sign.
    Signing,
    /// No key of this algorithm may sign now.
    NoSigningKey(Algorithm),
    /// The claims do not serialise to a JSON object.
    Claims,
    /// The token would be longer than verifiers (ours too) accept.
    TooLong,
    /// No randomness.
    Entropy(EntropyError),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MasterKeyFormat => f.write_str(
                "the master key must be 32 random bytes, as 43 characters of base64url or 64 hexadecimal digits",
            ),
            Self::MasterKeyFile { path, source } => {
                write!(f, "the master key file {} cannot be used: {source}", path.display())
            }
            Self::MasterKeyExposed { path, mode } => write!(
                f,
                "the master key file {0} has mode {mode:04o} and can be read by others; run: chmod 600 {0}",
                path.display()
            ),
            Self::Unsealing => f.write_str("a sealed value does not open: is this the right master key?"),
            Self::Sealing => f.write_str("a value could not be sealed"),
            Self::StoredKey { kid, problem } => write!(f, "the stored signing key {kid} is unusable: {problem}"),
            Self::KeyRejected(why) => write!(f, "the key was refused: {why}"),
            Self::Generation => f.write_str("a signing key could not be generated"),
            Self::Signing => f.write_str("signing failed"),
            Self::NoSigningKey(algorithm) => write!(f, "there is no active {algorithm} signing key"),
            Self::Claims => f.write_str("the claims do not form a JSON object"),
            Self::TooLong => f.write_str("the token would exceed the length that verifiers accept"),
            Self::Entropy(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::MasterKeyFile { source, .. } => Some(source),
            Self::Entropy(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        Self::KeyRejected(unusable.0)
    }
}

impl From<EntropyError> for Error {
    fn from(error: EntropyError) -> Self {
        Self::Entropy(error)
    }
}
