//! `signet init` and `signet config check`

use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::args::{Global, Init};
use super::context::{self, Context};
use super::output::{Failure, Outcome, Report};
use crate::config::{self, Mode};

/// Writes a short configuration file.
pub(super) fn write_config(args: &Init) -> Outcome {
    let text = config::init_template(&args.public_url, args.database.reveal());
    // A file that `serve` would refuse must not be written.
    config::from_toml(&args.output, &text, Mode::Serve)?;
    if args.output == Path::new("-") {
        return Ok(Report::new(text.clone(), json!({ "config": text })));
    }
    save(&args.output, &text, args.force)?;
    let shown = args.output.display();
    let named = if args.output == Path::new(config::DEFAULT_FILE) {
        String::new()
    } else {
        format!(" --config {shown}")
    };
    Ok(Report::new(
        format!(
            "Wrote {shown}. Check it with `signet config check{named}`, start with `signet serve{named}`."
        ),
        json!({ "written": args.output }),
    ))
}

/// Only the owner may read it: the database URL may hold a password.
fn save(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::new(format!("{} exists already; --force overwrites it", path.display()))
        }
        _ => failed(error),
    })?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// Validates as `serve` would (as `dev` does, for a development store) and shows what is in effect.
pub(super) fn check_config(global: &Global) -> Outcome {
    let context = Context::new(global)?;
    let loaded = &context.loaded;
    if context.dir.is_none() {
        // Loaded once more, so that an error names where the value was given.
        config::load(&context::sources(global.config.clone()), Mode::Serve)?;
    }
    let file = loaded.file.as_ref().map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
    let sources = if context.dir.is_some() { file } else { format!("{file}, then the environment") };
    let text = format!(
        "{}\n# The configuration is valid ({sources}). Secrets are not shown.",
        loaded.config.effective_toml_redacted(&loaded.origins)
    );
    Ok(Report::new(
        text,
        json!({ "valid": true, "file": loaded.file, "config": loaded.config.effective_json_redacted() }),
    ))
}
