//! Loading: flag before environment before file before default, and every value remembers where it came from.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Error, Origin, Origins};
use super::nearest::nearest;
use super::section::{Key, all_keys, all_sections, join, set_path};
use super::value::Raw;
use super::{Config, Mode};

/// The file that is read when none is named and it exists.
pub const DEFAULT_FILE: &str = "config/signet.toml";

/// Names with our prefix that are no settings: the development store, the test suite and the benchmark, and
/// what Kubernetes puts into every container beside a Service called `signet`.
const RESERVED: [&str; 2] = ["SIGNET_DIR", "SIGNET_PORT"];
const RESERVED_PREFIXES: [&str; 4] = ["SIGNET_TEST_", "SIGNET_BENCH_", "SIGNET_PORT_", "SIGNET_SERVICE_"];

/// A setting given on the command line.
#[derive(Clone)]
pub struct Flag {
    /// The flag, for error messages (`--database`).
    pub name: &'static str,
    /// The full path of the key it sets.
    pub key: &'static str,
    /// The value as typed.
    pub value: String,
}

/// Everything a configuration is made from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file of `--config`, which must exist; without it [`DEFAULT_FILE`] is read if there is one.
    pub file: Option<PathBuf>,
    /// The environment, usually `std::env::vars_os()`; names without the prefix `SIGNET_` are not looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// The flags.
    pub flags: Vec<Flag>,
    /// Reads no file that is not named: a development server must not take up the settings of a real one.
    pub only_named_file: bool,
}

/// A configuration with its history.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Where each came from.
    pub origins: Origins,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// Reads all sources, then validates the whole for `mode`.
///
/// # Errors
/// The first of: a file that cannot be read or is not TOML, an unknown key, a wrong value, a broken rule.
pub fn load(sources: &Sources, mode: Mode) -> Result<Loaded, Error> {
    let mut loading = Loading { config: Config::default(), origins: Origins::default() };
    let file = match &sources.file {
        Some(path) => Some(path.clone()),
        None if sources.only_named_file => None,
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
    };
    if let Some(path) = &file {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| Error::Read { path: path.clone(), variable: None, source })?;
        loading.file(path, &text)?;
    }
    loading.environment(&sources.environment)?;
    for flag in &sources.flags {
        loading.set(flag.key, &Raw::Text(flag.value.clone()), Origin::Flag(flag.name))?;
    }
    let Loading { config, origins } = loading;
    config.validate(mode).map_err(|error| with_origin(error, &origins))?;
    Ok(Loaded { config, origins, file })
}

/// Reads a configuration from the text of one file alone, over the defaults, and validates it.
///
/// # Errors
/// As [`load`].
pub fn from_toml(path: &Path, text: &str, mode: Mode) -> Result<Loaded, Error> {
    let mut loading = Loading { config: Config::default(), origins: Origins::default() };
    loading.file(path, text)?;
    let Loading { config, origins } = loading;
    config.validate(mode).map_err(|error| with_origin(error, &origins))?;
    Ok(Loaded { config, origins, file: Some(path.to_owned()) })
}

struct Loading {
    config: Config,
    origins: Origins,
}

impl Loading {
    fn set(&mut self, key: &str, raw: &Raw, origin: Origin) -> Result<(), Error> {
        match set_path(&mut self.config, key, raw) {
            None => Err(self.unknown_path(key, origin)),
            Some(Ok(())) => {
                self.origins.0.insert(key.to_owned(), origin);
                Ok(())
            }
            Some(Err(mismatch)) => Err(Error::Invalid {
                key: key.to_owned(),
                found: mismatch.found,
                expected: mismatch.expected,
                origin,
            }),
        }
    }

    fn file(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        let origin = |at: usize| Origin::File { path: path.to_owned(), line: line_of(text, at) };
        let table = DeTable::parse(text).map_err(|error| Error::Syntax {
            origin: origin(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        self.table("", table.get_ref(), &origin)
    }

    fn table(
        &mut self,
        prefix: &str,
        table: &DeTable<'_>,
        origin: &dyn Fn(usize) -> Origin,
    ) -> Result<(), Error> {
        for (name, value) in table {
            let path = join(prefix, name.get_ref());
            let at = origin(name.span().start);
            match (self.is_section(&path), value.get_ref()) {
                (true, DeValue::Table(inner)) => self.table(&path, inner, origin)?,
                (true, _) => {
                    let (found, expected) = (raw(value).kind().to_owned(), "a table".to_owned());
                    return Err(Error::Invalid { key: path, found, expected, origin: at });
                }
                (false, _) => self.set(&path, &raw(value), at)?,
            }
        }
        Ok(())
    }

    fn is_section(&self, path: &str) -> bool {
        all_sections(&self.config).iter().any(|(known, _)| known == path)
    }

    fn environment(&mut self, variables: &[(OsString, OsString)]) -> Result<(), Error> {
        let keys = all_keys(&self.config);
        let mut seen = std::collections::BTreeSet::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
            let origin = Origin::Variable(name.to_owned());
            let Some((key, from_file)) = find(&keys, name) else { return Err(unknown_variable(&keys, name)) };
            if !seen.insert(key.path.clone()) {
                return Err(Error::Ambiguous { variable: key.variable() });
            }
            let Some(text) = value.to_str() else {
                let (found, expected) = ("not UTF-8".to_owned(), "text".to_owned());
                return Err(Error::Invalid { key: key.path.clone(), found, expected, origin });
            };
            let text = if from_file { read_secret(name, text)? } else { text.to_owned() };
            self.set(&key.path, &Raw::Text(text), origin)?;
        }
        Ok(())
    }

    fn unknown_path(&self, key: &str, origin: Origin) -> Error {
        let known = all_keys(&self.config).into_iter().map(|key| key.path);
        let sections = all_sections(&self.config).into_iter().map(|(path, _)| path);
        let names: Vec<_> = known.chain(sections).filter(|name| !name.is_empty()).collect();
        Error::UnknownKey { key: key.to_owned(), nearest: nearest(key, &names), origin }
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("SIGNET_")
        && !RESERVED.contains(&name)
        && !RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The key a variable sets, and whether it names a file that holds the value.
fn find<'a>(keys: &'a [Key], variable: &str) -> Option<(&'a Key, bool)> {
    keys.iter().find_map(|key| {
        let name = key.variable();
        match variable.strip_prefix(name.as_str())? {
            "" => Some((key, false)),
            "_FILE" if key.secret => Some((key, true)),
            _ => None,
        }
    })
}

fn unknown_variable(keys: &[Key], name: &str) -> Error {
    let known: Vec<_> = keys
        .iter()
        .flat_map(|key| {
            let variable = key.variable();
            let file = key.secret.then(|| format!("{variable}_FILE"));
            std::iter::once(variable).chain(file)
        })
        .collect();
    Error::UnknownKey {
        key: name.to_owned(),
        nearest: nearest(name, &known),
        origin: Origin::Variable(name.to_owned()),
    }
}

/// The content without one final newline, which editors and `echo` add.
fn read_secret(variable: &str, path: &str) -> Result<String, Error> {
    let mut text = std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: PathBuf::from(path),
        variable: Some(variable.to_owned()),
        source,
    })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::String(text.to_string()),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map_or(Raw::Other("an integer of more than 64 bits"), Raw::Integer),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Array(items) => Raw::List(items.iter().map(raw).collect()),
        DeValue::Float(_) => Raw::Other("a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn with_origin(error: Error, origins: &Origins) -> Error {
    match error {
        Error::Conflict { key, rule, .. } => Error::Conflict { key, rule, origin: origins.of(key).cloned() },
        other => other,
    }
}
