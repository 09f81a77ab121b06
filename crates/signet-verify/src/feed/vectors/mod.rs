//! Writes and reads `docs/vectors/revocation-feed.json`. What the file expects is stated here by hand and never
//! asked of the implementation; `run` then holds the implementation against the file.

mod book;
mod followers;
mod rejections;
mod run;
mod states;
mod text;

use serde_json::json;

use book::Book;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/vectors/revocation-feed.json");

/// The command that rewrites the file.
const REWRITE: &str =
    "SIGNET_WRITE_VECTORS=1 cargo test -p signet-verify --no-default-features --lib feed::vectors";

#[test]
fn the_file_of_vectors_is_the_one_that_is_stated_here() {
    let mut book = Book::new();
    let followers = followers::all(&mut book);
    let document = json!({
        "specification": "docs/revocation-feed.md, version 1",
        "issuer": book::ISSUER,
        "keys": book.keys(),
        "digests": [{"text": "", "digest": super::message::GENESIS}],
        "messages": book.messages(),
        "folds": states::folds(),
        "judgements": states::judgements(),
        "followers": followers,
        "rejections": rejections::all(&book),
    });
    let written = text::of(&document);
    if std::env::var_os("SIGNET_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, &written).unwrap();
    }
    let found = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(found == written, "{FILE} is another; to rewrite it: {REWRITE}");
}
