//! `signet snippet`: what a stack needs to verify tokens or sign people in, with the issuer filled in.

use serde_json::json;

use super::args::{Global, Snippet};
use super::context::Context;
use super::demo_data::AUDIENCE;
use super::output::{Failure, Outcome, Report, table};
use super::token::issuer;
use crate::oauth::issuer::Issuer;

/// Name, what it is for, text.
const ALL: [(&str, &str, &str); 9] = [
    ("node-jose", "Node.js: verify access tokens with jose", include_str!("snippets/node-jose.txt")),
    ("express", "Express: protect routes", include_str!("snippets/express.txt")),
    ("fastapi-pyjwt", "FastAPI: protect routes with PyJWT", include_str!("snippets/fastapi-pyjwt.txt")),
    (
        "axum-jsonwebtoken",
        "axum: protect routes with jsonwebtoken",
        include_str!("snippets/axum-jsonwebtoken.txt"),
    ),
    ("actix", "actix-web: protect routes with jsonwebtoken", include_str!("snippets/actix.txt")),
    ("spring", "Spring Boot: resource server", include_str!("snippets/spring.txt")),
    ("dotnet", "ASP.NET Core: JWT bearer", include_str!("snippets/dotnet.txt")),
    ("go-oidc", "Go: sign people in with go-oidc", include_str!("snippets/go-oidc.txt")),
    (
        "nginx-introspect",
        "nginx: ask /introspect before proxying",
        include_str!("snippets/nginx-introspect.txt"),
    ),
];

/// Prints one snippet, or the list.
pub(super) fn run(args: &Snippet, global: &Global) -> Outcome {
    let Some(stack) = &args.stack else { return Ok(list()) };
    let Some((name, what, text)) = ALL.iter().find(|(name, _, _)| name == stack) else {
        let names: Vec<_> = ALL.iter().map(|(name, _, _)| *name).collect();
        return Err(Failure::usage(format!("no snippet {stack}; there are {}", names.join(", "))));
    };
    let issuer = issuer(&Context::new(global)?)?;
    let text = filled(text, &issuer);
    Ok(Report::new(text.clone(), json!({ "stack": name, "about": what, "text": text })))
}

fn list() -> Report {
    let rows = ALL.map(|(name, what, _)| [name.to_owned(), what.to_owned()]);
    let json: Vec<_> = ALL.iter().map(|(name, what, _)| json!({ "stack": name, "about": what })).collect();
    Report::new(table(["STACK", "WHAT"], &rows), json!({ "snippets": json }))
}

fn filled(text: &str, issuer: &Issuer) -> String {
    text.replace("@ISSUER@", issuer.as_str())
        .replace("@JWKS@", &issuer.url("/.well-known/jwks.json"))
        .replace("@INTROSPECT@", &issuer.url("/introspect"))
        .replace("@AUDIENCE@", AUDIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_is_short_and_filled_in() {
        let issuer = Issuer::parse("https://login.example.com").unwrap();
        for (name, _, text) in ALL {
            let text = filled(text, &issuer);
            assert!(text.contains("https://login.example.com"), "{name}");
            let open =
                ["@ISSUER@", "@JWKS@", "@INTROSPECT@", "@AUDIENCE@"].iter().any(|mark| text.contains(mark));
            assert!(!open, "{name}");
            assert!(text.lines().count() <= 60, "{name} is long");
        }
    }
}
