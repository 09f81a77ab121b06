//! The address of a page of a classic web application, as its reverse proxy tells it or as a browser is sent back to it.

use super::uri::MAX_BYTES;

/// A page: what a browser asked a reverse proxy for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The address in its canonical form, without a fragment.
    url: String,
    /// Its origin (RFC 6454 §6.2).
    origin: String,
}

impl Page {
    /// Reads the address that a proxy states. Scheme and authority have to be plain, because access hangs on them; what
    /// follows is the application's, and any bytes that a browser can send are brought to the one spelling that every
    /// reader takes alike.
    ///
    /// # Errors
    /// A sentence that names the problem.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const SCHEME: &str = "The original URL must begin with http:// or https://.";
        const AUTHORITY: &str =
            "The original URL must name a host, without a user name and without odd characters.";
        let (scheme, rest) = text.split_once("://").ok_or(SCHEME)?;
        if !matches!(scheme, "http" | "https") {
            return Err(SCHEME);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(plain) {
            return Err(AUTHORITY);
        }
        let mut url = url::Url::parse(text).map_err(|_| AUTHORITY)?;
        url.set_fragment(None);
        let origin = url.origin().ascii_serialization();
        Ok(Self { url: quoted(url.as_str()), origin })
    }

    /// Its origin (RFC 6454 §6.2).
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Where a browser returns to after a sign-in: this page, or the application's first one where the address is longer
    /// than an address may be.
    pub fn return_to(&self) -> String {
        if self.url.len() <= MAX_BYTES { self.url.clone() } else { format!("{}/", self.origin) }
    }
}

/// Whether a browser may be sent to `text` after a sign-in for an application with these origins: any page of them, in
/// the form that [`Page::return_to`] writes, so that nobody reads another host in it (S-096).
pub fn is_page_of(text: &str, origins: &[String]) -> bool {
    let Ok(page) = Page::parse(text) else { return false };
    text.len() <= MAX_BYTES && page.url == text && origins.contains(&page.origin)
}

/// The host of an origin, without its port: what cookies go by.
pub fn host_of(origin: &str) -> Option<String> {
    url::Url::parse(origin).ok()?.host_str().map(str::to_owned)
}

/// Whether a cookie of `domain` reaches `host` (RFC 6265 §5.1.3).
pub fn is_within(host: &str, domain: &str) -> bool {
    let above = host.strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// Percent-encodes what the URL standard leaves as it is in a path or query and RFC 3986 does not know.
fn quoted(url: &str) -> String {
    let mut text = String::with_capacity(url.len());
    for byte in url.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WIKI: &str = "https://wiki.example.com";

    fn page(text: &str) -> Page {
        Page::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn a_page_has_the_origin_that_browsers_send() {
        for (text, origin) in [
            ("https://wiki.example.com/a?b=c", WIKI),
            ("https://WIKI.example.com:443/", WIKI),
            ("https://wiki.example.com", WIKI),
            ("https://wiki.example.com?x=https://evil.example/", WIKI),
            ("https://wiki.example.com/@evil.example/", WIKI),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("http://[::1]:3000/", "http://[::1]:3000"),
        ] {
            assert_eq!(page(text).origin(), origin, "{text}");
        }
    }

    #[test]
    fn an_authority_that_two_readers_take_apart_differently_is_refused() {
        for text in [
            "",
            "/wiki",
            "//wiki.example.com/",
            "https:/wiki.example.com/",
            "https:///wiki.example.com/",
            "https://?x",
            "ftp://wiki.example.com/",
            "HTTPS://wiki.example.com/",
            "javascript://wiki.example.com/%0aalert(1)",
            "https://evil.example@wiki.example.com/",
            "https://wiki.example.com@evil.example/",
            "https://wiki.example.com\\@evil.example/",
            "https://wiki.example.com%2F@evil.example/",
            "https://wiki.example.com\t.evil.example/",
            "https://wiki.example.com,evil.example/",
            "https://wïki.example.com/",
            "https://wiki.example.com:x/",
            "https://wiki.example.com:99999/",
        ] {
            assert!(Page::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_browser_returns_to_the_page_it_asked_for_in_the_spelling_that_all_readers_share() {
        for (text, back) in [
            ("https://wiki.example.com/a/b?c=d&e=%20f", "https://wiki.example.com/a/b?c=d&e=%20f"),
            ("https://wiki.example.com", "https://wiki.example.com/"),
            ("https://wiki.example.com/a/../b", "https://wiki.example.com/b"),
            ("https://wiki.example.com/\\evil.example/", "https://wiki.example.com//evil.example/"),
            ("https://wiki.example.com/ü?ü", "https://wiki.example.com/%C3%BC?%C3%BC"),
            (
                "https://wiki.example.com/a|b?{c}^`d`\"<e>",
                "https://wiki.example.com/a%7Cb?%7Bc%7D%5E%60d%60%22%3Ce%3E",
            ),
            ("https://wiki.example.com/a#/../b", "https://wiki.example.com/a"),
            ("https://wiki.example.com/*", "https://wiki.example.com/*"),
        ] {
            assert_eq!(page(text).return_to(), back, "{text}");
            assert!(is_page_of(back, &[WIKI.to_owned()]), "{back}");
        }
        let long = format!("https://wiki.example.com/{}", "a".repeat(MAX_BYTES));
        assert_eq!(page(&long).return_to(), "https://wiki.example.com/");
    }

    #[test]
    fn nobody_is_sent_to_what_is_no_page_of_the_application() {
        let origins = [WIKI.to_owned(), "http://localhost:3000".to_owned()];
        assert!(is_page_of("https://wiki.example.com/start?page=1", &origins));
        assert!(is_page_of("http://localhost:3000/", &origins));
        let long = format!("https://wiki.example.com/{}", "a".repeat(MAX_BYTES));
        for text in [
            "",
            "/",
            "//wiki.example.com/",
            "https://wiki.example.com",
            "https://wiki.example.com.evil.example/",
            "https://evil.example/https://wiki.example.com/",
            "https://evil.example/?https://wiki.example.com/",
            "https://evil.example#https://wiki.example.com/",
            "https://wiki.example.com@evil.example/",
            "https://wiki.example.com:pass@evil.example/",
            "https://user@wiki.example.com/",
            "https://:@wiki.example.com/",
            "https://wiki.example.com\\@evil.example/",
            "https://evil.example\\@wiki.example.com/",
            "https://evil.example\\.wiki.example.com/",
            "https:\\\\wiki.example.com/",
            "https:/\\wiki.example.com/",
            "\thttps://wiki.example.com/",
            " https://wiki.example.com/",
            "https://wiki.example.com/\r\nSet-Cookie: a=b",
            "https://wiki.example.com/\u{0}",
            "https://wiki.example.com/a b",
            "https://wiki.example.com/ü",
            "https://wiki.example.com/\u{202e}",
            "https://wiki.example.com/#",
            "https://wiki.example.com/#access_token=x",
            "https://wiki.example.com/a/../b",
            "https://wiki.example.com/\\evil.example",
            "https://WIKI.example.com/",
            "https://wiki.example.com:443/",
            "https://wiki.example.com:8443/",
            "https://wiki.example.com./",
            "http://wiki.example.com/",
            "http://localhost:3001/",
            "http://127.0.0.1:3000/",
            "data:text/html,x",
            "javascript:alert(1)",
            "view-source:https://wiki.example.com/",
            "blob:https://wiki.example.com/1",
            &long,
        ] {
            assert!(!is_page_of(text, &origins), "{text}");
        }
    }

    #[test]
    fn a_domain_reaches_itself_and_what_is_below() {
        assert!(is_within("example.com", "example.com"));
        assert!(is_within("wiki.example.com", "example.com"));
        assert!(is_within("a.wiki.example.com", "example.com"));
        assert!(!is_within("notexample.com", "example.com"));
        assert!(!is_within("example.com.evil", "example.com"));
        assert!(!is_within("com", "example.com"));
    }

    proptest! {
        #[test]
        fn a_page_reads_back_as_itself(path in ".*") {
            if let Ok(page) = Page::parse(&format!("https://wiki.example.com/{path}")) {
                prop_assert_eq!(page.origin(), WIKI);
                prop_assert!(is_page_of(&page.return_to(), &[WIKI.to_owned()]), "{:?}", page);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", tail in "[/?:@%.\\[\\]\\\\0-9a-z#]*") {
            let _ = Page::parse(&text);
            let _ = is_page_of(&format!("https://{tail}"), &[WIKI.to_owned()]);
        }
    }
}
