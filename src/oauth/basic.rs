//! `Authorization: Basic` as client authentication (RFC 6749 §2.3.1, RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{params, text};
use crate::secret::{ClientId, ClientSecret};

/// Longest accepted header value in bytes.
pub const MAX_BYTES: usize = 2048;

/// The header names the scheme Basic, but its credentials cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedBasic;

impl MalformedBasic {
    /// An `error_description` for `invalid_client`.
    pub const fn description(self) -> &'static str {
        "The Basic credentials are malformed. Form-encode client_id and client_secret, join them with a colon, \
         and encode the result in base64."
    }
}

impl std::fmt::Display for MalformedBasic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.description())
    }
}

impl std::error::Error for MalformedBasic {}

/// Reads an `Authorization` header. `Ok(None)` if it names another scheme.
///
/// Strict: padded canonical base64, both halves form-encoded, neither empty, nothing outside the VSCHAR of
/// RFC 6749 appendix A. The first colon splits, as an encoded `client_id` has none.
pub fn parse(header: &str) -> Result<Option<(ClientId, ClientSecret)>, MalformedBasic> {
    let Some(encoded) = text::strip_scheme(header, "Basic") else { return Ok(None) };
    if header.len() > MAX_BYTES {
        return Err(MalformedBasic);
    }
    let joined = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| MalformedBasic)?);
    let mut halves = joined.splitn(2, |byte| *byte == b':');
    let id = decode_half(halves.next())?;
    let secret = decode_half(halves.next())?;
    Ok(Some((ClientId(id), ClientSecret::new(secret))))
}

fn decode_half(half: Option<&[u8]>) -> Result<String, MalformedBasic> {
    let plain = params::decode_component(half.ok_or(MalformedBasic)?).map_err(|_| MalformedBasic)?;
    let is_vschar = !plain.is_empty() && plain.bytes().all(|byte| matches!(byte, 0x20..=0x7E));
    if is_vschar { Ok(plain) } else { Err(MalformedBasic) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(joined: &[u8]) -> String {
        format!("Basic {}", STANDARD.encode(joined))
    }

    fn read(joined: &str) -> Option<(String, String)> {
        let (id, secret) = parse(&header(joined.as_bytes())).ok()??;
        Some((id.0, secret.reveal().to_owned()))
    }

    #[test]
    fn both_halves_are_form_encoded() {
        assert_eq!(read("s6BhdRkqt3:gX1fBat3bV"), Some(("s6BhdRkqt3".into(), "gX1fBat3bV".into())));
        assert_eq!(read("a%3Ab:c+d%25%2B"), Some(("a:b".into(), "c d%+".into())));
        assert_eq!(read("a:b:c"), Some(("a".into(), "b:c".into())));
    }

    #[test]
    fn the_scheme_has_no_case_and_others_are_left_alone() {
        let value = STANDARD.encode("a:b");
        for scheme in ["Basic", "basic", "BASIC"] {
            assert!(parse(&format!("{scheme} {value}")).unwrap().is_some());
        }
        for other in ["Bearer abc", "BasicX YTpi", "", "Digest a=b"] {
            assert!(parse(other).unwrap().is_none(), "{other}");
        }
    }

    #[test]
    fn malformed_credentials_are_refused() {
        for joined in [
            "",
            ":",
            "a",
            "a:",
            ":b",
            "a:%",
            "a:%4",
            "a:%zz",
            "%ff:b",
            "a:%00",
            "a:%0a",
            "a\n:b",
            "a:b\u{7f}",
            "é:b",
            "%C3%A9:b",
        ] {
            assert_eq!(parse(&header(joined.as_bytes())).unwrap_err(), MalformedBasic, "{joined:?}");
        }
        assert!(parse(&header(b"a:\xff")).is_err());
        let long = format!("a:{}", "b".repeat(MAX_BYTES));
        for value in [
            "",
            "YTpi=",
            "YTpiYw",
            "YTpiYw=",
            "YTpiYx==",
            "YTp i",
            "YTpi,YTpi",
            "YTp-",
            "YTpi YTpi",
            "YT\tpi",
            "Y*pi",
        ] {
            assert!(parse(&format!("Basic {value}")).is_err(), "{value:?}");
        }
        assert!(parse(&header(long.as_bytes())).is_err());
        assert!(crate::oauth::text::is_description(MalformedBasic.description()));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic(text in ".*", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&text);
            let _ = parse(&header(&bytes));
        }

        #[test]
        fn encoded_credentials_come_back(id in "[ -~]{1,20}", secret in "[ -~]{1,40}") {
            let encode = |half: &str| form_urlencoded::byte_serialize(half.as_bytes()).collect::<String>();
            prop_assert_eq!(read(&format!("{}:{}", encode(&id), encode(&secret))), Some((id, secret)));
        }
    }
}
