//! Sections: one declaration per key gives the field, its default, its rule and its place in every listing.

use super::value::{Mismatch, Raw, Secrets};

/// One table of the configuration, seen without its type.
pub(super) trait Section {
    /// The keys in the order of declaration; whether each is a secret.
    fn keys(&self) -> Vec<(&'static str, bool)>;

    /// Sets a key; `None` if there is no such key.
    fn set(&mut self, key: &str, raw: &Raw) -> Option<Result<(), Mismatch>>;

    /// A key's value as TOML; `None` if there is no such key or it is not set.
    fn write(&self, key: &str, secrets: Secrets) -> Option<String>;

    /// The tables inside this one.
    fn sections(&self) -> Vec<(&'static str, &dyn Section)>;

    /// One table inside this one.
    fn section_mut(&mut self, name: &str) -> Option<&mut dyn Section>;
}

/// Declares a section: `key: type = default, rule;` and, after the keys, the tables inside it.
macro_rules! section {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$doc:meta])* $key:ident: $type:ty = $default:expr, $rule:expr; )*
            $( @sections { $( $(#[$inner_doc:meta])* $inner:ident: $inner_type:ty = $inner_default:expr; )* } )?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $( $(#[$doc])* pub $key: $type, )*
            $( $( $(#[$inner_doc])* pub $inner: $inner_type, )* )?
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )* $( $( $inner: $inner_default, )* )? }
            }
        }

        impl $crate::config::section::Section for $name {
            fn keys(&self) -> Vec<(&'static str, bool)> {
                vec![$( (
                    stringify!($key),
                    $crate::config::value::Rule::<$type>::is_secret(&$rule),
                ), )*]
            }

            fn set(
                &mut self,
                key: &str,
                raw: &$crate::config::value::Raw,
            ) -> Option<Result<(), $crate::config::value::Mismatch>> {
                $( if key == stringify!($key) {
                    let read = $crate::config::value::Rule::<$type>::read(&$rule, raw);
                    return Some(read.map(|value| self.$key = value));
                } )*
                let _ = (key, raw);
                None
            }

            fn write(&self, key: &str, secrets: $crate::config::value::Secrets) -> Option<String> {
                $( if key == stringify!($key) {
                    return $crate::config::value::Rule::<$type>::write(&$rule, &self.$key, secrets);
                } )*
                let _ = (key, secrets);
                None
            }

            fn sections(&self) -> Vec<(&'static str, &dyn $crate::config::section::Section)> {
                vec![$( $( (stringify!($inner), &self.$inner), )* )?]
            }

            fn section_mut(&mut self, name: &str) -> Option<&mut dyn $crate::config::section::Section> {
                $( $( if name == stringify!($inner) {
                    return Some(&mut self.$inner);
                } )* )?
                let _ = name;
                None
            }
        }
    };
}
pub(super) use section;

/// A key's place: its full path and whether it is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) path: String,
    pub(super) secret: bool,
}

impl Key {
    /// The environment variable of this key.
    pub(super) fn variable(&self) -> String {
        format!("SIGNET_{}", self.path.replace('.', "__").to_uppercase())
    }
}

/// Every key below `section`, outer ones first.
pub(super) fn all_keys(section: &dyn Section) -> Vec<Key> {
    all_sections(section)
        .iter()
        .flat_map(|(prefix, inner)| {
            inner.keys().into_iter().map(|(key, secret)| Key { path: join(prefix, key), secret })
        })
        .collect()
}

/// `section` itself (with an empty path) and every table inside it, outer ones first.
pub(super) fn all_sections(section: &dyn Section) -> Vec<(String, &dyn Section)> {
    fn visit<'a>(path: String, section: &'a dyn Section, found: &mut Vec<(String, &'a dyn Section)>) {
        found.push((path.clone(), section));
        for (name, inner) in section.sections() {
            visit(join(&path, name), inner, found);
        }
    }
    let mut found = Vec::new();
    visit(String::new(), section, &mut found);
    found
}

/// Sets the key at a full path; `None` if there is no such key.
pub(super) fn set_path(root: &mut dyn Section, path: &str, raw: &Raw) -> Option<Result<(), Mismatch>> {
    match path.split_once('.') {
        None => root.set(path, raw),
        Some((name, rest)) => set_path(root.section_mut(name)?, rest, raw),
    }
}

/// A path inside a table.
pub(super) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
