//! Response types of the authorization endpoint (RFC 6749 §3.1.1, OAuth 2.0 Multiple Response Type Encoding Practices).
//! `code` is the one: tokens do not travel in a redirect (RFC 9700 §2.1.2). All others are legacy, for the clients of one
//! profile at servers that switch them on.

words! {
    /// A `response_type` value.
    ResponseType ("response type") {
        /// An authorization code (RFC 6749 §4.1.1).
        Code = "code",
        /// Legacy: an ID token alone.
        IdToken = "id_token",
        /// Legacy: an ID token and an access token.
        IdTokenToken = "id_token token",
        /// Legacy: a code and an ID token.
        CodeIdToken = "code id_token",
        /// Legacy: a code and an access token.
        CodeToken = "code token",
        /// Legacy: all three.
        CodeIdTokenToken = "code id_token token",
    }
}

impl ResponseType {
    /// Those that there are at a server with or without the legacy ones.
    pub const fn offered(legacy: bool) -> &'static [Self] {
        if legacy { Self::ALL } else { &[Self::Code] }
    }

    /// Reads the value of a request: a set of words, in any order (RFC 6749 §3.1.1).
    pub fn of_request(text: &str) -> Option<Self> {
        let words = |text: &str| {
            let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            words.sort_unstable();
            words
        };
        let asked = words(text);
        Self::ALL.iter().copied().find(|known| words(known.as_str()) == asked)
    }

    /// Whether something else than a code comes from the authorization endpoint.
    pub const fn is_legacy(self) -> bool {
        !matches!(self, Self::Code)
    }

    /// Whether the answer has a code.
    pub fn has_code(self) -> bool {
        self.has("code")
    }

    /// Whether the answer has an ID token.
    pub fn has_id_token(self) -> bool {
        self.has("id_token")
    }

    /// Whether the answer has an access token.
    pub fn has_token(self) -> bool {
        self.has("token")
    }

    fn has(self, word: &str) -> bool {
        self.as_str().split(' ').any(|one| one == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_name_the_words_in_any_order_and_each_once() {
        assert_eq!(ResponseType::of_request("code"), Some(ResponseType::Code));
        for text in ["token id_token code", "code id_token token", "id_token code token"] {
            assert_eq!(ResponseType::of_request(text), Some(ResponseType::CodeIdTokenToken), "{text}");
        }
        for text in
            ["", "token", "none", "code code", "code  id_token", " code", "Code", "code,token", "code none"]
        {
            assert_eq!(ResponseType::of_request(text), None, "{text}");
        }
    }

    #[test]
    fn what_an_answer_has_is_what_its_words_say() {
        let of = |kind: ResponseType| (kind.has_code(), kind.has_id_token(), kind.has_token());
        assert_eq!(of(ResponseType::Code), (true, false, false));
        assert_eq!(of(ResponseType::IdToken), (false, true, false));
        assert_eq!(of(ResponseType::IdTokenToken), (false, true, true));
        assert_eq!(of(ResponseType::CodeToken), (true, false, true));
        assert_eq!(ResponseType::offered(false), [ResponseType::Code]);
        assert!(ResponseType::ALL.iter().all(|kind| kind.is_legacy() == (*kind != ResponseType::Code)));
    }
}
