//! Which characters may go into error texts and challenge headers.

/// Whether `text` may stand in `error_description` (RFC 6749 §5.2: `%x20-21 / %x23-5B / %x5D-7E`).
///
/// A `const fn`, so that a table of descriptions can be checked while compiling.
pub const fn is_description(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if !matches!(*first, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E) {
            return false;
        }
        rest = tail;
    }
    true
}

/// What may stand in `error_description` of a text that may hold anything: quotes become `'`, the rest `?`; at most 300
/// characters.
pub fn description(text: &str) -> String {
    let clean = |character| match character {
        '"' => '\'',
        ' '..='[' | ']'..='~' => character,
        _ => '?',
    };
    text.chars().take(300).map(clean).collect()
}

/// `text`, or its first `most` characters and `...`.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `text` as a quoted-string for `WWW-Authenticate` (RFC 9110 §5.6.4). What no header may carry becomes `?`.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            _ => out.push('?'),
        }
    }
    out.push('"');
    out
}

/// The credentials behind an authentication scheme, or `None` if the header names another scheme.
/// The scheme's name is case-insensitive (RFC 9110 §11.1); an empty rest means that nothing followed.
pub fn strip_scheme<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let (name, rest) = header.split_once(' ').unwrap_or((header, ""));
    name.eq_ignore_ascii_case(scheme).then(|| rest.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_can_be_made_a_description() {
        assert_eq!(
            description("redirect_uris: \"https://\u{e4}/\\\": no.\r\n"),
            "redirect_uris: 'https://?/?': no.??"
        );
        assert!(is_description(&description(&"\0\"".repeat(500))));
        assert_eq!(description(&"x".repeat(500)).len(), 300);
    }

    #[test]
    fn what_is_long_is_shortened_between_characters() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äöü...");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn the_charset_of_descriptions() {
        assert!(is_description("Send state, at most 1024 bytes: [a-z]!"));
        for bad in ["a\"b", "a\\b", "a\nb", "é", "\u{7f}"] {
            assert!(!is_description(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_quoted_string_cannot_end_early() {
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
        assert_eq!(quoted("a\r\nSet-Cookie: é"), "\"a??Set-Cookie: ?\"");
    }

    #[test]
    fn schemes_are_compared_without_case_and_whole() {
        assert_eq!(strip_scheme("bASIC  abc", "Basic"), Some("abc"));
        assert_eq!(strip_scheme("Basic", "Basic"), Some(""));
        assert_eq!(strip_scheme("Basicx abc", "Basic"), None);
        assert_eq!(strip_scheme("Basic\tabc", "Basic"), None);
        assert_eq!(strip_scheme(" Basic abc", "Basic"), None);
    }
}
