//! What a location asks of a token, as its proxy's configuration writes it: `scope=read&max_age=300`.

use std::time::Duration;

use actix_web::web::Query;

use super::args::stale_policy;
use crate::need::Need;

/// Longer is no configuration.
const LONGEST: usize = 1024;

/// Reads a need. What is not understood is refused as a whole: a misspelt `scop=admin` must not let everybody in.
///
/// | name | value |
/// |---|---|
/// | `scope` | scopes, separated by spaces; all are asked for |
/// | `max_age` | seconds since the user signed in, at most (RFC 9470 §3) |
/// | `acr` | authentication contexts, separated by spaces; one of them is asked for |
/// | `on_stale` | `introspect`, `open` or `closed` |
pub(super) fn parse(text: &str) -> Result<Need, String> {
    if text.len() > LONGEST {
        return Err("the need is too long".into());
    }
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::from_query(text) else {
        return Err("the need is no query string".into());
    };
    let mut need = Need::default();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if pairs.iter().take(index).any(|(earlier, _)| earlier == name) {
            return Err(format!("`{name}` is there twice"));
        }
        need = add(need, name, value)?;
    }
    Ok(need)
}

fn add(mut need: Need, name: &str, value: &str) -> Result<Need, String> {
    let words = || value.split_ascii_whitespace();
    if words().next().is_none() {
        return Err(format!("`{name}` is empty"));
    }
    match name {
        "scope" => {
            for scope in words() {
                need = need.scope(scope);
            }
            Ok(need)
        }
        "acr" => {
            for acr in words() {
                need = need.acr(acr);
            }
            Ok(need)
        }
        "max_age" => match value.parse::<u32>() {
            Ok(seconds) => Ok(need.max_age(Duration::from_secs(seconds.into()))),
            Err(_) => Err("`max_age` is no number of seconds".into()),
        },
        "on_stale" => Ok(need.on_stale(stale_policy(value)?)),
        other => Err(format!("`{other}` is not known; known are scope, max_age, acr, on_stale")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::parse;
    use crate::need::{Need, StalePolicy};

    #[test]
    fn a_need_is_read_as_the_proxy_writes_it() {
        assert_eq!(parse(""), Ok(Need::any()));
        let all = Need::any()
            .scope("read")
            .scope("write")
            .max_age(Duration::from_secs(300))
            .acr("urn:gold")
            .on_stale(StalePolicy::Closed);
        assert_eq!(parse("scope=read+write&max_age=300&acr=urn:gold&on_stale=closed"), Ok(all.clone()));
        assert_eq!(parse("on_stale=closed&acr=urn%3Agold&max_age=300&scope=read%20write"), Ok(all));
        assert_eq!(parse("max_age=0"), Ok(Need::any().max_age(Duration::ZERO)));
    }

    #[test]
    fn what_is_not_understood_is_refused_as_a_whole() {
        for wrong in [
            "scop=read",
            "scope",
            "scope=",
            "scope=+",
            "Scope=read",
            "scope=read&scope=write",
            "scope=read&x=1",
            "max_age=-1",
            "max_age=5m",
            "max_age=",
            "max_age=4294967296",
            "on_stale=Open",
            "on_stale=ignore",
            "read",
            "%",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse(&format!("scope={}", "a".repeat(1100))).is_err());
    }
}
