//! Errors: one line each, naming the key, what is wrong with it and where it was said. No value of a string is
//! ever repeated, because the one that was mistyped may be a secret.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of a configuration file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Where each key that is not a default was given, by full path.
#[derive(Clone, Debug, Default)]
pub struct Origins(pub(super) BTreeMap<String, Origin>);

impl Origins {
    /// Where `key` was given; `None` if it is the default.
    pub fn of(&self, key: &str) -> Option<&Origin> {
        self.0.get(key)
    }
}

/// Why a configuration is refused.
#[derive(Debug)]
pub enum Error {
    /// A file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The variable that named it, for a `…_FILE`.
        variable: Option<String>,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    Syntax {
        /// Where.
        origin: Origin,
        /// What the parser says.
        message: String,
    },
    /// There is no such key.
    UnknownKey {
        /// As it was written: a path, or the name of a variable.
        key: String,
        /// The known name with the smallest edit distance, in the same form.
        nearest: String,
        /// Where.
        origin: Origin,
    },
    /// The value has the wrong type or is out of range.
    Invalid {
        /// The full path.
        key: String,
        /// The kind of what was found, or an integer.
        found: String,
        /// What is accepted.
        expected: String,
        /// Where.
        origin: Origin,
    },
    /// The value is possible alone, but not here.
    Conflict {
        /// The full path of the key to change.
        key: &'static str,
        /// The rule that is broken, as a predicate of the key.
        rule: String,
        /// Where the key was given; `None` if it is the default.
        origin: Option<Origin>,
    },
    /// A secret is given both as a variable and as a file.
    Ambiguous {
        /// The variable; the other one is this with `_FILE`.
        variable: String,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read { path, variable: None, source } => {
                write!(f, "cannot read {}: {source}", path.display())
            }
            Self::Read { path, variable: Some(variable), source } => {
                write!(f, "cannot read {}, named by {variable}: {source}", path.display())
            }
            Self::Syntax { origin, message } => write!(f, "not TOML: {} ({origin})", one_line(message)),
            Self::UnknownKey { key, nearest, origin: Origin::Variable(_) } => {
                write!(f, "unknown variable {}; the nearest known one is {nearest}", one_line(key))
            }
            Self::UnknownKey { key, nearest, origin } => {
                write!(f, "unknown key {}; the nearest known one is {nearest} ({origin})", one_line(key))
            }
            Self::Invalid { key, found, expected, origin } => {
                write!(f, "{key} is {found}, expected {expected} ({origin})")
            }
            Self::Conflict { key, rule, origin: Some(origin) } => write!(f, "{key} {rule} ({origin})"),
            Self::Conflict { key, rule, origin: None } => write!(f, "{key} {rule} (the default)"),
            Self::Ambiguous { variable } => {
                write!(f, "both {variable} and {variable}_FILE are set; keep one of them")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn one_line(text: &str) -> String {
    text.escape_debug().to_string().replace("\\n", " ").replace("\\\"", "\"").replace("\\'", "'")
}
