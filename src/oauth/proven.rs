//! A redirect URI that has been proven to belong to the client: the only thing anyone is redirected to.

use super::uri;

/// A redirect URI as received and found among the client's registered ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenRedirectUri(String);

impl ProvenRedirectUri {
    /// Only [`super::redirect_uri::matches`] proves.
    pub(super) fn new(received: &str) -> Self {
        Self(received.to_owned())
    }

    /// Reads back one that was proven when it was stored. For storage only: what a request carries has to go
    /// through [`super::redirect_uri::matches`].
    pub fn restored(stored: String) -> Self {
        Self(stored)
    }

    /// The URI byte for byte as received; RFC 6749 §4.1.3 compares this at the token endpoint.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin as browsers send it, for CORS and the CSP `form-action`; `None` for private-use schemes.
    pub fn origin(&self) -> Option<String> {
        uri::origin_of(&self.0)
    }

    /// What a CSP `form-action` has to allow so that the browser follows the redirect: the origin, or the
    /// scheme with its colon for private-use schemes (CSP Level 3 §2.3.1).
    pub fn csp_source(&self) -> String {
        self.origin().unwrap_or_else(|| {
            let scheme = self.0.split(':').next().unwrap_or_default();
            format!("{scheme}:")
        })
    }

    /// The URI with response parameters appended to its query (RFC 6749 §4.1.2).
    ///
    /// All but unreserved characters are percent-encoded, a space as `%20` and never as `+`: form decoders
    /// and plain URI decoders (those of native apps) then both read back the same `state`.
    pub fn with_params(&self, params: &[(&str, &str)]) -> String {
        let mut out = self.0.clone();
        for (name, value) in params {
            match out.split_once('?') {
                None => out.push('?'),
                Some((_, query)) if query.is_empty() || query.ends_with('&') => {}
                Some(_) => out.push('&'),
            }
            push_pair(&mut out, name, value);
        }
        out
    }

    /// The URI with response parameters as its fragment; registered URIs have none.
    pub fn with_fragment(&self, params: &[(&str, &str)]) -> String {
        let mut out = self.0.clone();
        for (at, (name, value)) in params.iter().enumerate() {
            out.push(if at == 0 { '#' } else { '&' });
            push_pair(&mut out, name, value);
        }
        out
    }
}

fn push_pair(out: &mut String, name: &str, value: &str) {
    out.extend(percent_encoding::utf8_percent_encode(name, ESCAPED));
    out.push('=');
    out.extend(percent_encoding::utf8_percent_encode(value, ESCAPED));
}

/// Everything but the unreserved characters of RFC 3986 §2.3.
const ESCAPED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_join_an_existing_query() {
        let joined =
            |uri: &str| ProvenRedirectUri::new(uri).with_params(&[("code", "a b"), ("state", "x&y=%")]);
        let tail = "code=a%20b&state=x%26y%3D%25";
        assert_eq!(joined("https://a.example/cb"), format!("https://a.example/cb?{tail}"));
        assert_eq!(joined("https://a.example/cb?"), format!("https://a.example/cb?{tail}"));
        assert_eq!(joined("https://a.example/cb?k=v"), format!("https://a.example/cb?k=v&{tail}"));
        assert_eq!(joined("https://a.example/cb?k=v&"), format!("https://a.example/cb?k=v&{tail}"));
        assert_eq!(joined("com.example.app:/cb"), format!("com.example.app:/cb?{tail}"));
        assert_eq!(ProvenRedirectUri::new("https://a.example").with_params(&[]), "https://a.example");
    }

    #[test]
    fn a_fragment_follows_the_query() {
        let uri = ProvenRedirectUri::new("https://a.example/cb?k=v");
        let params = [("id_token", "a.b.c"), ("state", "x&y=#")];
        assert_eq!(uri.with_fragment(&params), "https://a.example/cb?k=v#id_token=a.b.c&state=x%26y%3D%23");
        assert_eq!(uri.with_fragment(&[]), uri.as_str());
    }

    #[test]
    fn sources_for_form_action() {
        assert_eq!(ProvenRedirectUri::new("https://a.example/cb").csp_source(), "https://a.example");
        assert_eq!(ProvenRedirectUri::new("http://127.0.0.1:5000/cb").csp_source(), "http://127.0.0.1:5000");
        assert_eq!(ProvenRedirectUri::new("com.example.app:/cb").csp_source(), "com.example.app:");
    }

    proptest! {
        #[test]
        fn any_state_comes_back_and_touches_nothing_else(state in ".*") {
            let uri = ProvenRedirectUri::new("https://a.example/cb?k=v").with_params(&[("state", &state)]);
            let url = url::Url::parse(&uri).unwrap();
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, vec![("k".to_owned(), "v".to_owned()), ("state".to_owned(), state)]);
            prop_assert_eq!(url.fragment(), None);
        }
    }
}
