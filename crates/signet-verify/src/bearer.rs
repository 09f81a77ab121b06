//! The `Authorization` header of a request to a resource (RFC 6750 §2.1, RFC 9449 §7.1). A token in the body or the
//! query is not looked for: it would be in logs and histories (RFC 6750 §5.3).

use crate::challenge::Scheme;

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No credentials, or of a scheme that is not ours.
    Absent,
    /// Credentials of one of our schemes that are malformed, or more than one line of credentials.
    Malformed(&'static str),
}

/// The one token of a request.
pub(crate) fn read<'a>(lines: &[&'a str]) -> Result<(Scheme, &'a str), Missing> {
    let line = match lines {
        [] => return Err(Missing::Absent),
        [line] => *line,
        _ => return Err(Missing::Malformed("The request has more than one Authorization header.")),
    };
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let scheme = if name.eq_ignore_ascii_case("bearer") {
        Scheme::Bearer
    } else if name.eq_ignore_ascii_case("dpop") {
        Scheme::Dpop
    } else {
        return Err(Missing::Absent);
    };
    let token = rest.trim_matches(' ');
    if is_b64token(token) {
        Ok((scheme, token))
    } else {
        Err(Missing::Malformed("The Authorization header has no well-formed access token."))
    }
}

/// RFC 6750 §2.1.
fn is_b64token(token: &str) -> bool {
    let bare = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !bare.is_empty() && bare.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_has_no_case_and_the_token_has() {
        assert_eq!(read(&["Bearer aB.c-_~+/=="]), Ok((Scheme::Bearer, "aB.c-_~+/==")));
        assert_eq!(read(&["bEARER x"]), Ok((Scheme::Bearer, "x")));
        assert_eq!(read(&["dpop  x "]), Ok((Scheme::Dpop, "x")));
    }

    #[test]
    fn without_credentials_of_ours_nothing_was_presented() {
        for lines in [&[][..], &[""], &["Basic YTpi"], &["Bearerx y"], &["x"]] {
            assert_eq!(read(lines), Err(Missing::Absent), "{lines:?}");
        }
    }

    #[test]
    fn malformed_and_repeated_credentials_are_told_so() {
        for lines in [
            &["Bearer"][..],
            &["Bearer "],
            &["Bearer ="],
            &["Bearer a b"],
            &["Bearer a,b"],
            &["Bearer a=b"],
            &["Bearer \"a\""],
            &["Bearer a\tb"],
            &["Bearer \u{e9}"],
            &["Bearer a", "Bearer a"],
            &["Basic x", "Bearer a"],
        ] {
            assert!(matches!(read(lines), Err(Missing::Malformed(_))), "{lines:?}");
        }
    }
}
