//! Where a browser may go after a sign-in in cookie mode: the only thing that `/session/callback` redirects to, so that
//! it is no open redirector (RFC 9700 §4.11.2).

use super::client_metadata::ClientMetadata;
use super::page;
use super::proven::ProvenRedirectUri;
use super::uri;

/// Proves that `received` is one of the client's pages: one of its `return_uris`, byte for byte, or for a classic web
/// application behind forward-auth any well-formed address at one of its `allowed_origins`.
pub fn matches(client: &ClientMetadata, received: &str) -> Option<ProvenRedirectUri> {
    if !client.is_cookie_mode() {
        return None;
    }
    let known = if client.forward_auth {
        page::is_page_of(received, &client.allowed_origins)
    } else {
        client.return_uris.iter().any(|uri| uri == received)
    };
    known.then(|| ProvenRedirectUri::new(received))
}

/// The origins that such an address can be at: what the page of a sign-in has to let its form lead to.
pub fn origins(client: &ClientMetadata) -> Vec<String> {
    let mut origins: Vec<String> = if client.forward_auth {
        client.allowed_origins.clone()
    } else {
        client.return_uris.iter().filter_map(|uri| uri::origin_of(uri)).collect()
    };
    origins.sort_unstable();
    origins.dedup();
    origins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client_metadata::ClientClass;
    use proptest::prelude::*;

    fn page() -> ClientMetadata {
        ClientMetadata {
            client_class: Some(ClientClass::Cookie),
            return_uris: vec!["https://app.example.com/start?tab=1".to_owned()],
            ..ClientMetadata::default()
        }
    }

    fn behind_a_proxy() -> ClientMetadata {
        ClientMetadata {
            client_class: Some(ClientClass::Cookie),
            forward_auth: true,
            allowed_origins: vec!["https://wiki.example.com".to_owned()],
            ..ClientMetadata::default()
        }
    }

    #[test]
    fn a_page_returns_to_what_is_registered_byte_for_byte() {
        assert!(matches(&page(), "https://app.example.com/start?tab=1").is_some());
        for bad in [
            "",
            "/",
            "https://app.example.com",
            "https://app.example.com/start",
            "https://app.example.com/start?tab=1&x=2",
            "https://app.example.com/start?tab=1#x",
            "https://APP.example.com/start?tab=1",
            "https://app.example.com:443/start?tab=1",
            "https://app.example.com/./start?tab=1",
            "https://app.example.com@evil.example/start?tab=1",
            " https://app.example.com/start?tab=1",
        ] {
            assert!(matches(&page(), bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_web_application_returns_to_any_page_of_its_own() {
        for good in ["https://wiki.example.com/", "https://wiki.example.com/a/b?c=d"] {
            assert!(matches(&behind_a_proxy(), good).is_some(), "{good:?}");
        }
        for bad in [
            "https://wiki.example.com.evil.example/",
            "https://wiki.example.com@evil.example/",
            "https://evil.example/https://wiki.example.com/",
            "//wiki.example.com/",
            "\\\\wiki.example.com/",
            "https:wiki.example.com/",
            "https:\\\\wiki.example.com",
            "http://wiki.example.com/",
            "https://wiki.example.com:444/",
            "javascript://wiki.example.com/%0aalert(1)",
            "data:text/html,https://wiki.example.com",
            "https://wiki.example.com/\r\nSet-Cookie: a=b",
        ] {
            assert!(matches(&behind_a_proxy(), bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn nobody_else_returns_anywhere() {
        let spa = ClientMetadata { client_class: Some(ClientClass::Spa), ..page() };
        assert!(matches(&spa, "https://app.example.com/start?tab=1").is_none());
    }

    proptest! {
        #[test]
        fn a_proven_address_is_at_its_own_origin(text in "https?:[/\\\\]{0,3}[a-z.@:]{0,20}(wiki\\.example\\.com)?[/\\\\@?a-z.]{0,20}") {
            if matches(&behind_a_proxy(), &text).is_some() {
                let url = url::Url::parse(&text).unwrap();
                prop_assert_eq!(url.origin().ascii_serialization(), "https://wiki.example.com");
            }
        }
    }
}
