//! A configuration as TOML: for people with secrets redacted, for the owner's file with them.

use super::section::{all_keys, all_sections, join};
use super::value::{Secrets, quoted};
use super::{Config, Origins};

impl Config {
    /// Every key with its value in effect, secrets redacted; a comment says where a value that is not the default
    /// was given. It is TOML, but a redacted secret is no value to load again.
    pub fn effective_toml_redacted(&self, origins: &Origins) -> String {
        let note = |path: &str| origins.of(path).map(|origin| format!("  # {origin}")).unwrap_or_default();
        self.render(Secrets::Redacted, &|path, _| Some(note(path)))
    }

    /// The keys whose value differs from the default, **with secrets in plain**: for a file only its owner may read.
    pub fn changes_toml_revealed(&self) -> String {
        let default = Self::default();
        let before: std::collections::BTreeMap<_, _> =
            default.values(Secrets::Revealed).into_iter().collect();
        self.render(Secrets::Revealed, &|path, value| {
            (before.get(path).map(String::as_str) != Some(value)).then(String::new)
        })
    }

    /// Every key that is set, by full path, with its value as JSON, secrets redacted; for `config check --json`.
    pub fn effective_json_redacted(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut object = serde_json::Map::new();
        for (path, toml) in self.values(Secrets::Redacted) {
            let value = toml::from_str::<serde_json::Value>(&format!("value = {toml}"));
            let value = value.ok().and_then(|mut table| table.get_mut("value").map(serde_json::Value::take));
            object.insert(path, value.unwrap_or_default());
        }
        object
    }

    /// Every key that is set, by full path, with its value as TOML.
    pub(super) fn values(&self, secrets: Secrets) -> Vec<(String, String)> {
        let keys_of = |(path, section): (String, &dyn super::section::Section)| {
            let written = section
                .keys()
                .into_iter()
                .filter_map(|(key, _)| section.write(key, secrets).map(|value| (join(&path, key), value)));
            written.collect::<Vec<_>>()
        };
        all_sections(self).into_iter().flat_map(keys_of).collect()
    }

    /// The keys that `note` accepts, under their tables, each with the note behind it.
    fn render(&self, secrets: Secrets, note: &dyn Fn(&str, &str) -> Option<String>) -> String {
        let mut text = String::new();
        for (path, section) in all_sections(self) {
            let mut lines = String::new();
            for (key, _) in section.keys() {
                let Some(value) = section.write(key, secrets) else { continue };
                if let Some(note) = note(&join(&path, key), &value) {
                    lines.push_str(&format!("{key} = {value}{note}\n"));
                }
            }
            if lines.is_empty() {
                continue;
            }
            if !path.is_empty() {
                text.push_str(&format!("{}[{path}]\n", if text.is_empty() { "" } else { "\n" }));
            }
            text.push_str(&lines);
        }
        text
    }

    /// The environment variable of every key, and whether `…_FILE` works too; for help texts.
    pub fn variables() -> Vec<(String, bool)> {
        all_keys(&Self::default()).iter().map(|key| (key.variable(), key.secret)).collect()
    }
}

/// The file `signet init` writes: at most 40 lines, everything else is a default.
pub fn init_template(public_url: &str, database_url: &str) -> String {
    format!(
        "# Signet. Every key with its default and the reason: config/default.toml
# Check with `signet config check`. A variable SIGNET_SECTION__KEY overrides a key of this file.

# The issuer: what people and clients see. It is part of every token, so it must not change later.
public_url = {public_url}

# Where the reverse proxy that terminates TLS reaches the server.
listen = \"127.0.0.1:8080\"

# Health, metrics and administration. Keep it off the internet.
admin_listen = \"127.0.0.1:9000\"

[database]
# sqlite://path for one node, postgres://user:password@host/database for several.
# With a password in it, better give SIGNET_DATABASE__URL or SIGNET_DATABASE__URL_FILE instead.
url = {database_url}

[keys]
# Holds master.key, which seals the signing keys in the database. Back it up apart from the database.
dir = \"keys\"

[http]
# Proxies whose X-Forwarded-For is believed. Without them throttling sees the proxy as the one client.
trusted_proxies = []

[log]
level = \"info\"
format = \"json\"
",
        public_url = quoted(public_url),
        database_url = quoted(database_url),
    )
}
