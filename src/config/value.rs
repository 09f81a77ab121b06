//! Values: how the text of a variable or a TOML value becomes a typed setting, and back.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A setting as it was found, before its rule has read it.
#[derive(Clone)]
pub(super) enum Raw {
    /// Untyped text of an environment variable or a flag; lists are separated by commas.
    Text(String),
    /// A TOML string.
    String(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array.
    List(Vec<Raw>),
    /// A TOML value that no setting has: its kind.
    Other(&'static str),
}

impl Raw {
    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The kind for an error message. The value itself stays out: whatever was mistyped may be a secret.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(text) if text.is_empty() => "empty",
            Self::Text(text) if text.parse::<i64>().is_ok() => "an integer",
            Self::Text(_) | Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Boolean(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Other(kind) => kind,
        }
    }
}

/// Why a rule refused a value: what it found (a kind, or an integer out of range) and what it wanted.
pub(super) struct Mismatch {
    pub(super) found: String,
    pub(super) expected: String,
}

/// Whether secrets are written out or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// For people and logs.
    Redacted,
    /// For a file that only the owner may read.
    Revealed,
}

/// How one setting is read, bounded and written.
pub(super) trait Rule<T> {
    /// What the rule accepts, for error messages.
    fn expected(&self) -> String;

    /// The value, or `None` if the rule does not accept it.
    fn accept(&self, raw: &Raw) -> Option<T>;

    /// The value as TOML; `None` if it is not set.
    fn write(&self, value: &T, secrets: Secrets) -> Option<String>;

    /// Whether the value must never be shown; such a setting can also be given as `…_FILE`.
    fn is_secret(&self) -> bool {
        false
    }

    /// What an error message may say about a refused value.
    fn found(&self, raw: &Raw) -> String {
        raw.kind().to_owned()
    }

    /// Reads a value.
    fn read(&self, raw: &Raw) -> Result<T, Mismatch> {
        self.accept(raw).ok_or_else(|| Mismatch { found: self.found(raw), expected: self.expected() })
    }
}

/// An integer within bounds, both included.
pub(super) struct Int(pub(super) u32, pub(super) u32);

impl Rule<u32> for Int {
    fn expected(&self) -> String {
        format!("an integer from {} to {}", self.0, self.1)
    }

    fn accept(&self, raw: &Raw) -> Option<u32> {
        let value = match raw {
            Raw::Integer(value) => u32::try_from(*value).ok()?,
            Raw::Text(text) => text.parse().ok()?,
            _ => return None,
        };
        (self.0..=self.1).contains(&value).then_some(value)
    }

    fn write(&self, value: &u32, _: Secrets) -> Option<String> {
        Some(value.to_string())
    }

    fn found(&self, raw: &Raw) -> String {
        match raw {
            Raw::Integer(value) => value.to_string(),
            Raw::Text(text) => {
                text.parse::<i64>().map_or_else(|_| raw.kind().to_owned(), |value| value.to_string())
            }
            _ => raw.kind().to_owned(),
        }
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Rule<bool> for Flag {
    fn expected(&self) -> String {
        "true or false".to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<bool> {
        match raw {
            Raw::Boolean(value) => Some(*value),
            Raw::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn write(&self, value: &bool, _: Secrets) -> Option<String> {
        Some(value.to_string())
    }
}

/// A closed set of words.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// Every word with its meaning.
    const ALL: &'static [(&'static str, Self)];

    /// The word for a value.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

/// One word of a [`Choice`].
pub(super) struct OneOf;

impl<T: Choice> Rule<T> for OneOf {
    fn expected(&self) -> String {
        let words: Vec<_> = T::ALL.iter().map(|(word, _)| quoted(word)).collect();
        format!("one of {}", words.join(", "))
    }

    fn accept(&self, raw: &Raw) -> Option<T> {
        let text = raw.as_text()?;
        T::ALL.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
    }

    fn write(&self, value: &T, _: Secrets) -> Option<String> {
        Some(quoted(value.word()))
    }
}

/// Text that passes a check: what it must be, and the check.
pub(super) struct Text(pub(super) &'static str, pub(super) fn(&str) -> bool);

impl Rule<String> for Text {
    fn expected(&self) -> String {
        self.0.to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<String> {
        raw.as_text().filter(|text| (self.1)(text)).map(str::to_owned)
    }

    fn write(&self, value: &String, _: Secrets) -> Option<String> {
        Some(quoted(value))
    }
}

/// A folder.
pub(super) struct Folder;

impl Rule<PathBuf> for Folder {
    fn expected(&self) -> String {
        "the path of a folder".to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<PathBuf> {
        raw.as_text().filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    fn write(&self, value: &PathBuf, _: Secrets) -> Option<String> {
        Some(quoted(&value.to_string_lossy()))
    }
}

/// A path that is given.
pub(super) struct PathOf;

impl Rule<PathBuf> for PathOf {
    fn expected(&self) -> String {
        "the path of a file".to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<PathBuf> {
        raw.as_text().filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    fn write(&self, value: &PathBuf, _: Secrets) -> Option<String> {
        Some(quoted(&value.to_string_lossy()))
    }
}

/// A file, if one is named.
pub(super) struct File;

impl Rule<Option<PathBuf>> for File {
    fn expected(&self) -> String {
        "the path of a file".to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<Option<PathBuf>> {
        raw.as_text().filter(|text| !text.is_empty()).map(|text| Some(PathBuf::from(text)))
    }

    fn write(&self, value: &Option<PathBuf>, _: Secrets) -> Option<String> {
        value.as_ref().map(|path| quoted(&path.to_string_lossy()))
    }
}

/// An address to listen on.
pub(super) struct Listen;

impl Rule<SocketAddr> for Listen {
    fn expected(&self) -> String {
        "an address with a port, such as 127.0.0.1:8080 or [::]:8080".to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<SocketAddr> {
        raw.as_text()?.parse().ok()
    }

    fn write(&self, value: &SocketAddr, _: Secrets) -> Option<String> {
        Some(quoted(&value.to_string()))
    }
}

/// A network in CIDR notation (RFC 4632 §3.1): all addresses whose first `prefix` bits are those of `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// An address of the network.
    pub address: IpAddr,
    /// How many leading bits count: at most 32 (IPv4) or 128 (IPv6).
    pub prefix: u8,
}

/// A network, or one address.
pub(super) struct Network;

impl Rule<Cidr> for Network {
    fn expected(&self) -> String {
        "a network such as 10.0.0.0/8, fd00::/8 or one address".to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<Cidr> {
        let text = raw.as_text()?;
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(longest), |digits| digits.parse().ok())?;
        (prefix <= longest).then_some(Cidr { address, prefix })
    }

    fn write(&self, value: &Cidr, _: Secrets) -> Option<String> {
        Some(quoted(&format!("{}/{}", value.address, value.prefix)))
    }
}

/// A list whose items follow a rule.
pub(super) struct ListOf<R>(pub(super) R);

impl<T, R: Rule<T>> Rule<Vec<T>> for ListOf<R> {
    fn expected(&self) -> String {
        format!("a list, each item {}", self.0.expected())
    }

    fn accept(&self, raw: &Raw) -> Option<Vec<T>> {
        match raw {
            Raw::List(items) => items.iter().map(|item| self.0.accept(item)).collect(),
            Raw::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| self.0.accept(&Raw::Text(item.to_owned())))
                .collect(),
            _ => None,
        }
    }

    fn write(&self, value: &Vec<T>, secrets: Secrets) -> Option<String> {
        let items: Vec<_> = value.iter().filter_map(|item| self.0.write(item, secrets)).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn found(&self, raw: &Raw) -> String {
        match raw {
            Raw::List(_) | Raw::Text(_) => "a list with another item".to_owned(),
            _ => raw.kind().to_owned(),
        }
    }
}

/// Text as a TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
