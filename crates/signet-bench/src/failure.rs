//! What went wrong, in words for the person who runs the benchmark.

/// A sentence; whoever runs a benchmark reads it, no code branches on it.
#[derive(Debug, Clone)]
pub(crate) struct Failure(pub(crate) String);

/// The result of everything here.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A [`Failure`] from a sentence.
pub(crate) fn failure(text: impl Into<String>) -> Failure {
    Failure(text.into())
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<signet::jose::error::Error> for Failure {
    fn from(error: signet::jose::error::Error) -> Self {
        Self(error.to_string())
    }
}
