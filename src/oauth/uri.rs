//! The one filter for every URI that a client or an operator hands in, so that redirect URIs, logout URIs,
//! logos and the issuer cannot differ in strictness.

/// Longest accepted URI in bytes.
pub const MAX_BYTES: usize = 2048;

/// Checks a web address: `https`, or `http` on a loopback host, each part written in its canonical form so
/// that this server, browsers and clients read the same thing in it. The error names the fix.
pub fn check_web(text: &str) -> Result<url::Url, &'static str> {
    check_characters(text)?;
    let (scheme, rest) =
        text.split_once("://").ok_or("A web address must begin with https:// and a host name.")?;
    if !matches!(scheme, "https" | "http") {
        return Err("The scheme of a web address must be https, in lower case.");
    }
    let (host, port) = split_authority(authority_of(rest))?;
    let url = url::Url::parse(text).map_err(|_| "This is not a URI. Write it as https://host/path.")?;
    // Case, percent-encoding, full-width letters and other spellings of an address (127.1, 0x7f.1) end here.
    if host.is_empty() || url.host_str() != Some(host) {
        return Err(
            "Write the host in its canonical form: lower case, punycode, addresses as 127.0.0.1 or [::1].",
        );
    }
    if !is_plain_host(host) {
        return Err(
            "A host consists of letters, digits, dots, hyphens and underscores, or is an IPv6 address in brackets.",
        );
    }
    if let Some(port) = port {
        parse_port(port).ok_or("Write the port as a number from 1 to 65535 without leading zeros.")?;
    }
    if scheme == "http" && !is_loopback(host) && !is_below_localhost(host) {
        return Err("Use https. Plain http is only for 127.0.0.1, [::1], localhost and names below it.");
    }
    check_path(rest, &url)?;
    Ok(url)
}

/// Checks what is common to all schemes: length, RFC 3986 characters, no fragment, no wildcard, no encoded
/// control character.
pub fn check_characters(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("The URI is empty. Leave the field out or write an absolute URI.");
    }
    if text.len() > MAX_BYTES {
        return Err("The URI is too long. Use at most 2048 bytes.");
    }
    for byte in text.bytes() {
        match byte {
            b'#' => return Err("A URI here must not have a fragment. Remove the # and what follows."),
            b'*' => return Err("Wildcards are not supported. Register each URI in full."),
            b'\\' => return Err("A URI must not contain a backslash. Use / between path segments."),
            b'!'
            | b'$'
            | b'&'..=b')'
            | b'+'..=b';'
            | b'='
            | b'?'..=b'['
            | b']'
            | b'_'
            | b'a'..=b'z'
            | b'~' => {}
            b'%' => {}
            _ => return Err("A URI must consist of the characters of RFC 3986. Percent-encode all others."),
        }
    }
    check_escapes(text)
}

/// Whether `host`, as written in a URI, is one of the three loopback names.
pub fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

/// Whether `host` is a name below `localhost`, which resolves to this machine everywhere (RFC 6761).
pub fn is_below_localhost(host: &str) -> bool {
    host.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
}

/// What hosts consist of. RFC 3986 and parsers let `;` and `,` through as well, which
/// would end a source or a directive wherever an origin stands in a Content-Security-Policy.
fn is_plain_host(host: &str) -> bool {
    let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    let address = |byte| matches!(byte, b'a'..=b'f' | b'0'..=b'9' | b':');
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.bytes().all(address),
        None => host.bytes().all(plain),
    }
}

/// The origin of a web address as browsers send it (RFC 6454 §6.2); `None` for other schemes.
pub fn origin_of(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    matches!(url.scheme(), "https" | "http").then(|| url.origin().ascii_serialization())
}

/// A port as browsers write it: 1 to 65535, no sign, no leading zero.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    let plain = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain && !text.starts_with('0') { text.parse().ok() } else { None }
}

/// What stands between `//` and the path or query.
pub(super) fn authority_of(rest: &str) -> &str {
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// Splits an authority into host and port, refusing user information.
fn split_authority(authority: &str) -> Result<(&str, Option<&str>), &'static str> {
    if authority.contains('@') {
        return Err("A URI must not carry a user name or password. Remove everything up to the @.");
    }
    // The colons of an IPv6 address stand before its bracket.
    let after_address = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(after_address..).and_then(|tail| tail.find(':')) {
        Some(colon) => {
            let (host, port) = authority.split_at(after_address + colon);
            Ok((host, Some(port.trim_start_matches(':'))))
        }
        None => Ok((authority, None)),
    }
}

/// A path with dot segments is another path to the browser that follows the redirect.
fn check_path(rest: &str, url: &url::Url) -> Result<(), &'static str> {
    let tail = rest.get(authority_of(rest).len()..).unwrap_or_default();
    let path = tail.split('?').next().unwrap_or_default();
    let same = url.path() == path || (path.is_empty() && url.path() == "/");
    // Some servers drop what follows the semicolon and then see a dot segment.
    let hidden_dots = path.split('/').any(|segment| segment.starts_with("..;") || segment.starts_with(".;"));
    if same && !hidden_dots { Ok(()) } else { Err("Write the path without dot segments.") }
}

fn check_escapes(text: &str) -> Result<(), &'static str> {
    for escape in text.split('%').skip(1) {
        let byte = escape
            .get(..2)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or("Each % must be followed by two hexadecimal digits.")?;
        if byte.is_ascii_control() {
            return Err("A URI must not contain encoded control characters. Remove them.");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_printable_character_is_judged_as_rfc_3986_does() {
        let allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?[]@!$&'()+,;=";
        for character in (0u8..=0x7f).map(char::from) {
            let verdict = check_characters(&format!("x{character}41"));
            assert_eq!(verdict.is_ok(), allowed.contains(character) || character == '%', "{character:?}");
        }
    }

    #[test]
    fn web_addresses() {
        for good in
            ["https://a.example", "https://a.example/", "https://a.example:8443/x?y=%2Fz", "http://[::1]:80/"]
        {
            assert!(check_web(good).is_ok(), "{good}: {:?}", check_web(good));
        }
        for bad in [
            "https://",
            "https:///a.example",
            "https:a.example",
            "https://a.example:/",
            "https://a.example:0/",
            "https://a.example:065/",
            "https://a.example:65536/",
            "https://a.example::1/",
            "https://A.example/",
            "https://%61.example/",
            "https://a.example/../b",
            "https://a.example/%2e%2E/b",
            "https://a.example/..;/b",
            "https://a.example/%00",
            "https://a.example/%0d%0a",
            "https://a.example/%4",
            "https://a.example/%zz",
            "https://0;sandbox",
            "https://a;b.example/",
            "https://a,b.example/",
            "https://a'b.example/",
            "https://a!b.example/",
            "https://a(b).example/",
            "http://a.example/",
            "http://localhost.evil.example/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "ftp://a.example/",
        ] {
            let problem = check_web(bad).expect_err(bad);
            assert!(problem.ends_with('.') && crate::oauth::text::is_description(problem), "{problem}");
        }
    }

    #[test]
    fn user_information_is_named_as_the_problem() {
        for bad in [
            "https://u@a.example/",
            "https://u:p@a.example/",
            "https://a.example@evil.example/",
            "https://@a.example",
        ] {
            assert!(check_web(bad).is_err_and(|problem| problem.contains("user name")), "{bad}");
        }
        assert!(check_web("https://a.example/@u?x=@").is_ok());
    }

    #[test]
    fn an_origin_is_what_browsers_send() {
        assert_eq!(origin_of("https://a.example:443/x?y").as_deref(), Some("https://a.example"));
        assert_eq!(origin_of("http://[::1]:9/x").as_deref(), Some("http://[::1]:9"));
        assert_eq!(origin_of("com.example.app:/cb"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_filter_panic(text in ".*", tail in "[/?:@%.\\[\\]0-9a-z;]*") {
            let _ = check_web(&text);
            let _ = check_web(&format!("https://{tail}"));
            let _ = split_authority(&text);
        }
    }
}
