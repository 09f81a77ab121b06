//! The static files of the pages, built into the binary, each with a strong ETag made of its content.

use crate::digest;

/// One static file, ready to be served.
#[derive(Clone, Debug)]
pub struct Asset {
    /// The path it is served at.
    pub path: &'static str,
    /// The `Content-Type` value.
    pub content_type: &'static str,
    /// The bytes.
    pub body: &'static [u8],
    /// A strong entity tag with its quotes (RFC 9110 §8.8.3): changes when, and only when, the bytes change.
    pub etag: String,
    /// Served in development mode only.
    pub dev_only: bool,
}

/// Every static file. Call once and keep the list: the entity tags are computed here.
pub fn all() -> Vec<Asset> {
    FILES
        .iter()
        .map(|file| Asset {
            path: file.0,
            content_type: file.1,
            body: file.2.as_bytes(),
            etag: format!("\"{}\"", digest::base64url(digest::sha256(file.2.as_bytes()).as_bytes())),
            dev_only: file.0.contains("demo"),
        })
        .collect()
}

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const FILES: [(&str, &str, &str); 14] = [
    ("/assets/style.css", CSS, include_str!("assets/style.css")),
    ("/assets/page.js", JS, include_str!("assets/page.js")),
    ("/assets/form-post.js", JS, include_str!("assets/form-post.js")),
    ("/assets/logged-out.js", JS, include_str!("assets/logged-out.js")),
    ("/assets/signet.svg", SVG, include_str!("assets/signet.svg")),
    // The redirect URI of the demo client shows the same page: the page's script reads the answer off its address.
    ("/demo", HTML, include_str!("demo/demo.html")),
    ("/demo/callback", HTML, include_str!("demo/demo.html")),
    ("/demo/app", HTML, include_str!("demo/app.html")),
    ("/assets/demo.css", CSS, include_str!("demo/demo.css")),
    ("/assets/demo.js", JS, include_str!("demo/demo.js")),
    ("/assets/demo-app.js", JS, include_str!("demo/app.js")),
    // clients/spa as one file; scripts/test-clients holds it equal to the source there.
    ("/assets/demo-spa.js", JS, include_str!("demo/signet-spa.js")),
    ("/assets/demo-oauth.js", JS, include_str!("demo/oauth.js")),
    ("/assets/demo-verdict.js", JS, include_str!("demo/verdict.js")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_unique_and_tags_follow_the_content() {
        let files = all();
        for (i, a) in files.iter().enumerate() {
            for b in files.iter().skip(i + 1) {
                assert_ne!(a.path, b.path);
                assert_eq!(a.etag == b.etag, a.body == b.body, "{} {}", a.path, b.path);
            }
            assert!(a.etag.starts_with('"') && a.etag.ends_with('"') && a.etag.len() == 45);
        }
    }

    #[test]
    fn the_style_sheet_stays_small() {
        for file in all() {
            let limit = if file.content_type == CSS { 15_000 } else { 30_000 };
            assert!(file.body.len() < limit, "{} has {} bytes", file.path, file.body.len());
        }
    }

    #[test]
    fn only_the_demo_is_kept_to_development() {
        let dev: Vec<_> = all().into_iter().filter(|file| file.dev_only).map(|file| file.path).collect();
        assert_eq!(
            dev,
            [
                "/demo",
                "/demo/callback",
                "/demo/app",
                "/assets/demo.css",
                "/assets/demo.js",
                "/assets/demo-app.js",
                "/assets/demo-spa.js",
                "/assets/demo-oauth.js",
                "/assets/demo-verdict.js"
            ]
        );
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for file in all() {
            let text = std::str::from_utf8(file.body).unwrap();
            for line in text.lines().filter(|line| !line.contains("http://www.w3.org/2000/svg")) {
                for outside in ["http://", "https://", "\"//", "@import", " url("] {
                    assert!(!line.contains(outside), "{}: {line}", file.path);
                }
            }
        }
    }
}
