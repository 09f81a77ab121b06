//! What can go wrong below a flow. None of it is ever the client's fault.

use std::sync::Arc;

use crate::entropy::EntropyError;

/// A storage fault. Flows answer it with 503 (`Busy`, `Driver`) or 500 (`Corrupt`), never with a 4xx.
#[derive(Clone, Debug)]
pub enum Error {
    /// The database is busy or gone: pool timeout, lock wait, deadlock, connection lost. Trying again helps.
    Busy(Arc<sqlx::Error>),
    /// A unique constraint refused the write; the name is the constraint's.
    Conflict(&'static str),
    /// A row does not hold what this program writes.
    Corrupt {
        /// The table the row is in.
        table: &'static str,
        /// The column that cannot be read.
        column: &'static str,
    },
    /// Anything else the driver reports.
    Driver(Arc<sqlx::Error>),
    /// The schema cannot be brought to this program's version.
    Migration(String),
    /// The database or its address cannot be used; the text names the fix.
    Unusable(String),
    /// Too many requests wait for the database already.
    Overloaded,
    /// The operating system gave no random bytes.
    Entropy(EntropyError),
}

impl Error {
    /// Whether one row of several was to blame: a deadlock, a serialization failure or a lock held too long.
    pub(super) fn is_row_conflict(&self) -> bool {
        let Self::Busy(error) = self else { return false };
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        matches!(code.as_deref(), Some("40001" | "40P01" | "55P03"))
    }

    /// Whether the database broke a transaction off for another's sake, so that it may be run again at once.
    pub(super) fn is_broken_off(&self) -> bool {
        let Self::Busy(error) = self else { return false };
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        matches!(code.as_deref(), Some("40001" | "40P01"))
    }

    /// Whether the same call may succeed if repeated.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Overloaded)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy(error) => write!(f, "the database is busy or unreachable: {error}"),
            Self::Conflict(constraint) => write!(f, "the constraint {constraint} refused the write"),
            Self::Corrupt { table, column } => {
                write!(f, "the column {table}.{column} holds an unreadable value")
            }
            Self::Driver(error) => write!(f, "database error: {error}"),
            Self::Overloaded => f.write_str("too many requests wait for the database"),
            Self::Entropy(error) => write!(f, "{error}"),
            Self::Migration(text) | Self::Unusable(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// The unique constraints a caller may have to tell apart.
const UNIQUE: [(&str, &str); 7] = [
    ("users_username_unique", "users.username_key"),
    ("users_email_unique", "users.email_key"),
    ("users_pk", "users.id"),
    ("clients_pk", "clients.client_id"),
    ("api_pk", "api.audience"),
    ("signing_key_pk", "signing_key.kid"),
    ("installation_pk", "installation.id"),
];

impl From<EntropyError> for Error {
    fn from(error: EntropyError) -> Self {
        Self::Entropy(error)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                // PostgreSQL reports the constraint's name, SQLite the column in its message.
                let message = database.message();
                let constraint = database.constraint().unwrap_or_default();
                UNIQUE
                    .iter()
                    .find(|(name, column)| *name == constraint || message.contains(column))
                    .map_or_else(|| Self::Conflict("unique"), |(name, _)| Self::Conflict(name))
            }
            sqlx::Error::Database(database) if is_transient_code(database.code().as_deref()) => {
                Self::Busy(Arc::new(error))
            }
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Self::Busy(Arc::new(error)),
            _ => Self::Driver(Arc::new(error)),
        }
    }
}

/// SQLSTATE classes 08 (connection), 53 (resources), 57 (operator intervention, statement timeout), 25006
/// (read-only: a standby after failover), 40 (serialization, deadlock), 55P03 (lock not available); and
/// SQLite's BUSY (5), LOCKED (6), IOERR (10), FULL (13) with their extended forms.
fn is_transient_code(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    if code.len() == 5 && !code.chars().all(|c| c == '0') {
        return ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
            || matches!(code, "25006" | "55P03");
    }
    code.parse::<u32>().is_ok_and(|number| matches!(number & 0xff, 5 | 6 | 10 | 13))
}

#[cfg(test)]
mod tests {
    use super::is_transient_code;

    #[test]
    fn transient_codes_of_both_databases() {
        for code in
            ["08006", "40001", "40P01", "57P01", "57014", "53300", "25006", "5", "517", "6", "266", "13"]
        {
            assert!(is_transient_code(Some(code)), "{code}");
        }
        for code in ["23505", "42601", "1", "19", "2067"] {
            assert!(!is_transient_code(Some(code)), "{code}");
        }
        assert!(!is_transient_code(None));
    }
}
