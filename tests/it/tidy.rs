//! What review forgets: layers, file size, module docs, migration twins, citations, names in documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom: a layer may use itself and what stands in its list.
const LAYERS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "server", "http", "flow", "storage", "jose", "password", "model", "oauth", "config", "secret",
            "digest", "clock", "entropy",
        ],
    ),
    (
        "server",
        &[
            "http", "flow", "fetch", "storage", "jose", "password", "model", "oauth", "config", "secret",
            "digest", "clock", "entropy",
        ],
    ),
    ("http", &["flow", "model", "oauth", "secret", "digest", "clock", "entropy"]),
    (
        "flow",
        &["fetch", "storage", "jose", "password", "model", "oauth", "secret", "digest", "clock", "entropy"],
    ),
    ("storage", &["model", "oauth", "secret", "digest", "clock", "entropy"]),
    ("jose", &["model", "oauth", "secret", "digest", "clock", "entropy"]),
    ("fetch", &["clock"]),
    ("password", &["model", "oauth", "secret", "digest", "clock", "entropy"]),
    ("config", &["oauth", "secret", "digest", "clock", "entropy"]),
    ("model", &["oauth", "secret", "digest", "clock", "entropy"]),
    ("oauth", &["secret", "digest"]),
    ("secret", &["digest"]),
    ("entropy", &["digest", "clock"]),
    ("digest", &[]),
    ("clock", &[]),
];

/// Which layers may name a crate.
const CRATES: &[(&str, &[&str])] = &[
    ("actix_web", &["http", "server", "cli"]),
    ("sqlx", &["storage"]),
    ("jsonwebtoken", &["jose"]),
    ("rustls", &["server", "cli"]),
    ("aws_lc_rs", &["jose"]),
    ("argon2", &["password"]),
    ("reqwest", &["fetch"]),
    ("minijinja", &["http"]),
    ("clap", &["cli", "main"]),
    ("prometheus_client", &["http"]),
    ("signet_verify", &["http", "flow", "fetch", "storage", "jose", "model", "oauth", "secret"]),
];

struct Source {
    path: PathBuf,
    layer: String,
    text: String,
}

impl Source {
    /// The code without comments, so that a link in a doc comment is no import.
    fn code(&self) -> String {
        self.text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|one| one == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    files(&src, "rs")
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&src).expect("below src").to_owned();
            let first =
                relative.components().next().expect("a component").as_os_str().to_string_lossy().into_owned();
            let layer = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("readable");
            Source { path: relative, layer, text }
        })
        .filter(|source| source.layer != "lib" && !is_test(&source.path))
        .collect()
}

/// What the verifier crate says, its tests left out.
fn verifier_texts() -> Vec<String> {
    let src = root().join("crates/signet-verify/src");
    files(&src, "rs")
        .into_iter()
        .filter(|path| !is_test(path.strip_prefix(&src).expect("below src")))
        .map(|path| fs::read_to_string(&path).expect("readable"))
        .collect()
}

/// Test modules are held to no layer.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name.trim_end_matches(".rs").ends_with("tests")
    })
}

/// The layers that `crate::…` paths of a text name.
fn imported(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            let inner = group.split('}').next().unwrap_or_default();
            names.extend(inner.split(',').map(|name| first_word(name.trim())));
        } else {
            names.insert(first_word(part));
        }
    }
    names.remove("");
    names
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn imports_point_down() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == source.layer) else {
            wrong.push(format!("{}: the layer {} is not in the table", source.path.display(), source.layer));
            continue;
        };
        for name in imported(&source.code()) {
            let own = name == source.layer;
            if !own && known.contains(name.as_str()) && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{} ({}) imports {name}", source.path.display(), source.layer));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_are_named_in_their_layer_only() {
    let mut wrong = Vec::new();
    for source in sources() {
        // A module of rustls that has the crate's name.
        let code = source.code().replace("rustls::crypto::aws_lc_rs", "rustls::crypto");
        for (name, layers) in CRATES {
            let named = code.contains(&format!("{name}::")) || code.contains(&format!("use {name}"));
            if named && !layers.contains(&source.layer.as_str()) {
                wrong.push(format!("{} names {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_fits_on_a_few_screens() {
    let mut wrong = Vec::new();
    let everything = ["src", "tests", "crates"].iter().flat_map(|dir| files(&root().join(dir), "rs"));
    for path in everything.filter(|path| !path.components().any(|part| part.as_os_str() == "target")) {
        let text = fs::read_to_string(&path).expect("readable");
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not open with //!", path.display()));
        }
        let lines = text.lines().count();
        if lines > 500 {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TO", "FIX"].map(|half| format!("{half}{}", if half == "TO" { "DO" } else { "ME" }));
    let left: Vec<_> = sources()
        .iter()
        .filter(|source| words.iter().any(|word| source.text.contains(word.as_str())))
        .map(|source| source.path.display().to_string())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let in_verifier =
        verifier_texts().iter().any(|text| words.iter().any(|word| text.contains(word.as_str())));
    assert!(!in_verifier, "crates/signet-verify");
}

#[test]
fn migrations_are_twins() {
    let names = |database: &str| -> Vec<String> {
        files(&root().join("migrations").join(database), "sql")
            .iter()
            .filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
            .collect()
    };
    assert_eq!(names("postgres"), names("sqlite"));
    assert!(!names("postgres").is_empty());
}

#[test]
fn every_cited_section_is_in_the_statement_of_conformance_and_the_reverse() {
    let mut cited: BTreeSet<String> = sources().iter().flat_map(|source| citations(&source.text)).collect();
    cited.extend(verifier_texts().iter().flat_map(|text| citations(text)));
    let document = fs::read_to_string(root().join("docs/conformance.md")).expect("docs/conformance.md");
    let stated: BTreeSet<String> = citations(&document).collect();
    let missing: Vec<_> = cited.difference(&stated).collect();
    let stale: Vec<_> = stated.difference(&cited).collect();
    assert!(missing.is_empty(), "cited in the code, not in docs/conformance.md: {missing:?}");
    assert!(stale.is_empty(), "in docs/conformance.md, cited nowhere in the code: {stale:?}");
}

/// Every `RFC n §s` of a text, in that one form.
fn citations(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split("RFC ").skip(1).filter_map(|rest| {
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let after = rest.get(number.len()..)?.strip_prefix(" §")?;
        let section: String = after.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let section = section.trim_end_matches('.');
        (!number.is_empty() && !section.is_empty()).then(|| format!("RFC {number} §{section}"))
    })
}

#[test]
fn every_document_that_is_linked_exists() {
    let mut missing = Vec::new();
    let mut documents = files(&root().join("docs"), "md");
    documents.extend(["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name)));
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        let folder = document.parent().expect("a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            let external = target.contains("://") || target.starts_with("mailto:") || path.is_empty();
            if !external && !folder.join(path).exists() {
                missing.push(format!("{} links {target}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut wrong = Vec::new();
    for document in ["docs/threats.md", "docs/conformance.md"] {
        let text = fs::read_to_string(root().join(document)).expect("a document");
        let named: BTreeSet<&str> = text.split('`').skip(1).step_by(2).filter(|code| is_path(code)).collect();
        assert!(!named.is_empty(), "{document} names no test");
        wrong.extend(
            named.into_iter().filter(|path| !exists(path)).map(|path| format!("{document} names {path}")),
        );
        let files = text.split('`').skip(1).step_by(2).filter(|code| is_file(code));
        wrong.extend(
            files.filter(|path| !root().join(path).exists()).map(|path| format!("{document} names {path}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_certification_suites_browser_finds_what_it_is_told_to_look_for() {
    let script = fs::read_to_string(root().join("scripts/certification-setup")).expect("the script");
    let pages: String = files(&root().join("src/http/pages"), "html")
        .iter()
        .map(|path| fs::read_to_string(path).expect("a page"))
        .collect();
    // `["click", "id", "ID"]` and `one_of("ID", …)`; of the suite's own pages: what its templates have.
    let commands = script.split("\"id\", \"").skip(1).filter_map(|rest| rest.split('"').next());
    let several = script.split("= one_of(").skip(1).filter_map(|rest| rest.split(')').next());
    let named: BTreeSet<&str> =
        commands.chain(several.flat_map(|ids| ids.split('"').skip(1).step_by(2))).collect();
    let foreign = ["complete", "submission_complete"];
    let ours: Vec<&str> = named.iter().copied().filter(|id| !foreign.contains(id)).collect();
    assert_eq!(named.len() - ours.len(), foreign.len());
    assert_eq!(
        ours,
        [
            "consent-approve",
            "form-post",
            "logged-out",
            "login-form",
            "login-submit",
            "logout-confirm",
            "oauth-error",
            "password",
            "username"
        ]
    );
    for id in ours {
        assert!(pages.contains(&format!("id=\"{id}\"")), "no page has {id}");
    }
}

/// Whether code in a document is a path of Rust, `module::module`.
fn is_path(code: &str) -> bool {
    code.contains("::") && code.split("::").all(|part| !part.is_empty() && first_word(part) == part)
}

/// Whether code in a document is a file of this project.
fn is_file(code: &str) -> bool {
    ["src/", "tests/", "crates/"].iter().any(|folder| code.starts_with(folder))
        && !code.contains(char::is_whitespace)
}

/// Whether a path leads to a module or a function: of a file in `tests/it`, or of the crate.
fn exists(path: &str) -> bool {
    let mut parts = path.split("::");
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else { return false };
    let Ok(text) = fs::read_to_string(root().join(format!("tests/it/{first}.rs"))) else {
        return ["", ".rs"].iter().any(|end| root().join(format!("src/{first}{end}")).exists());
    };
    text.lines().map(str::trim_start).any(|line| {
        let name = line.strip_prefix("mod ").or_else(|| line.strip_prefix("fn "));
        name.is_some_and(|name| first_word(name) == second)
    })
}
